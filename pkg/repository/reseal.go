package repository

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/snapshot"
)

// Resealing seals anew what lies under older data keys than the keyring's current one,
// snapshot by snapshot, oldest first. Nothing that is there is changed but manifests and
// checksums: segments and lists get new objects beside the old ones, which Sweep takes
// later. Whoever does it makes the same bytes, so that it may end anywhere and be begun
// again, by two at once, too. It is not safe for concurrent use.
type Resealing struct {
	// Before is told the digests of a manifest that is there and of the one that is about to
	// take its place; nil: nobody is. On its error the one that is there stays.
	Before func(ctx context.Context, from, to string) error

	r     *Repository
	now   time.Time
	again map[string]snapshot.Segment // what was sealed anew, by folder and name; of lists the Ref alone
	keys  map[string]uint32           // the data keys of all objects that were met
	made  int64
}

// Resealing begins. now is what the time is, for locks.
func (r *Repository) Resealing(now time.Time) *Resealing {
	return &Resealing{r: r, now: now, again: map[string]snapshot.Segment{}, keys: map[string]uint32{}}
}

// Resealed is what was done about one snapshot.
type Resealed struct {
	Digest  string // of the manifest, as it is now; "": not all was done
	Objects int64  // that were sealed anew
}

// Snapshot seals one snapshot anew, if anything that it consists of lies under an older
// data key. It is known from elsewhere: what is sealed anew under a new key is believed
// later, so that what somebody with an old key has put there must not be. An error that wraps
// blob.ErrLocked says that the store holds on to something for now: where there is a Digest, to
// what was there before, behind what is new; else it is to be done again, later.
func (x *Resealing) Snapshot(ctx context.Context, k Known) (Resealed, error) {
	x.r.o.Cache.drop(k.Prefix + "/" + snapshot.ManifestName) // another program may have been here
	s, err := x.r.OpenKnown(ctx, k)
	if err != nil {
		return Resealed{}, err
	}
	x.learn(s)
	old := x.old(s)
	if len(old) > 0 || s.Digest() != k.Digest {
		err = x.unlocked(s)
	}
	if err != nil {
		return Resealed{}, err
	}
	made := x.made
	if len(old) > 0 {
		if s, err = x.snapshot(ctx, s, old); !blob.Replaced(err) {
			return Resealed{}, fmt.Errorf("seal %s anew: %w", k.Prefix, err)
		}
	} else if s.Digest() == k.Digest {
		maps.Copy(x.keys, s.versions())
		return Resealed{Digest: k.Digest}, nil
	}
	// Somebody may have died between manifest and checksums.
	late := x.r.replace(ctx, k.Prefix+"/"+snapshot.ChecksumsName, snapshot.EncodeChecksums(s.checksums()))
	if !blob.Replaced(late) {
		return Resealed{}, late
	}
	maps.Copy(x.keys, s.versions())
	return Resealed{Digest: s.Digest(), Objects: x.made - made}, errors.Join(err, late)
}

// unlocked fails while the bucket locks a manifest. Where the store keeps versions, a new
// one of what is locked could be put all the same, and the old one not be removed.
func (x *Resealing) unlocked(s *Snapshot) error {
	lock := x.r.store.Capabilities().LockFor
	if until := s.manifest.Ended.Add(lock + locksLate); lock > 0 && x.now.Before(until) {
		return fmt.Errorf("%s: %w", s.Prefix(), &blob.LockedError{Until: until, Err: errors.New("the bucket locks what is put there")})
	}
	return nil
}

// locksLate is how long after a snapshot's end its manifest may be put, and its clock be
// behind the store's.
const locksLate = time.Hour

// Keys counts the objects of the snapshots that were looked at by their data keys.
func (x *Resealing) Keys() map[uint32]int64 {
	out := map[uint32]int64{}
	for _, version := range x.keys {
		out[version]++
	}
	return out
}

// before reports whether checksums are those of the snapshot before it was sealed anew.
func (s *Snapshot) before(text []byte) bool {
	sums, err := snapshot.DecodeChecksums(text)
	return err == nil && len(sums) > 0 && slices.Contains(s.manifest.Was, sums[len(sums)-1].SHA256)
}

// learn takes in what another snapshot's sealing has made.
func (x *Resealing) learn(s *Snapshot) {
	current := x.r.keys.Current()
	if l := s.listRef(); l != nil && l.Again && l.Key == current {
		x.again[l.Folder+"/"+l.Name] = snapshot.Segment{Ref: *l}
	}
	for _, g := range s.manifest.Segments {
		if g.Again && g.Key == current {
			x.again[g.Folder+"/"+g.Name] = snapshot.Segment{Ref: g.Ref, Head: g.Head}
		}
	}
}

// versions are the data keys of what the snapshot consists of, by the objects' keys.
func (s *Snapshot) versions() map[string]uint32 {
	out := map[string]uint32{s.Prefix() + "/" + snapshot.ManifestName: s.version}
	if l := s.listRef(); l != nil {
		out[s.r.keyOf(*l)] = l.Key
	}
	for _, g := range s.manifest.Segments {
		out[s.r.keyOf(g.Ref)] = g.Key
	}
	return out
}

// old are the objects of a snapshot that lie under an older key.
func (x *Resealing) old(s *Snapshot) map[string]bool {
	old := map[string]bool{}
	for key, version := range s.versions() {
		if version < x.r.keys.Current() {
			old[key] = true
		}
	}
	return old
}

// snapshot seals anew what a snapshot stands on, and puts a manifest that names that in the
// place of the old one.
func (x *Resealing) snapshot(ctx context.Context, s *Snapshot, old map[string]bool) (_ *Snapshot, err error) {
	m := s.stored
	if ref := s.listRef(); ref != nil && x.stale(s, *ref, old) {
		to, err := x.list(ctx, s, *ref)
		if err != nil {
			return nil, err
		}
		to.Folder = s.stored.List.Folder
		m.List = &to
	}
	if m.Segments, err = x.segments(ctx, s, m.Segments, s.folder); err != nil {
		return nil, err
	}
	m.Was = append(slices.Clip(m.Was), s.Digest())
	return x.manifest(ctx, s, m)
}

// stale reports whether a list is old, or names something of the snapshot's that is.
func (x *Resealing) stale(s *Snapshot, ref snapshot.Ref, old map[string]bool) bool {
	return old[x.r.keyOf(ref)] || slices.ContainsFunc(s.list.Segments, func(g snapshot.Segment) bool {
		g.Folder = cmp.Or(g.Folder, ref.Folder)
		return old[x.r.keyOf(g.Ref)]
	})
}

// manifest puts it there, once it is seen to tell what the old one tells.
func (x *Resealing) manifest(ctx context.Context, s *Snapshot, m snapshot.Manifest) (*Snapshot, error) {
	key := s.Prefix() + "/" + snapshot.ManifestName
	text, err := x.r.manifestText(m)
	if err != nil {
		return nil, err
	}
	object, err := x.pack(manifestPurpose, key, text)
	if err != nil {
		return nil, err
	}
	next, err := x.r.decode(s.folder, object)
	if err == nil {
		next, err = x.r.resolve(ctx, next)
	}
	if err != nil {
		return nil, fmt.Errorf("the manifest would not open again: %w", err)
	}
	if err := x.same(s, next); err != nil {
		return nil, err
	}
	if x.Before != nil {
		if err := x.Before(ctx, s.Digest(), next.Digest()); err != nil {
			return nil, err
		}
	}
	x.made++
	return next, x.r.replace(ctx, key, object)
}

// same fails unless a manifest tells of the same snapshot, all of it under the current key.
func (x *Resealing) same(s, next *Snapshot) error {
	was, is := s.manifest, next.manifest
	was.Was, was.Segments, is.Was, is.Segments = nil, bare(was.Segments), nil, bare(is.Segments)
	if !reflect.DeepEqual(was, is) {
		return errors.New("the new manifest would tell of another snapshot")
	}
	for key, version := range next.versions() {
		if version < x.r.keys.Current() {
			return fmt.Errorf("%s would stay under data key %d", key, version)
		}
	}
	return nil
}

// bare are segments without what tells how they are sealed.
func bare(segments []snapshot.Segment) []snapshot.Segment {
	out := slices.Clone(segments)
	for i := range out {
		out[i].Head, out[i].SHA256, out[i].Key, out[i].Again = nil, "", 0, false
	}
	return out
}

// segments seals anew those that are old, and gives all of them.
func (x *Resealing) segments(ctx context.Context, s *Snapshot, all []snapshot.Segment, folder string) ([]snapshot.Segment, error) {
	out := slices.Clone(all)
	for i, g := range out {
		if g.Key == x.r.keys.Current() {
			continue
		}
		g.Folder = cmp.Or(g.Folder, folder)
		to, err := x.segment(ctx, g)
		if isUnreadable(err) && slices.Contains(s.stored.Dropped, g.Name) {
			continue // nobody stands on it any more
		}
		if err != nil {
			return nil, err
		}
		to.Folder = out[i].Folder
		out[i].Ref, out[i].Head = to.Ref, to.Head
	}
	return out, nil
}

// segment seals one anew, unless that was done.
func (x *Resealing) segment(ctx context.Context, g snapshot.Segment) (snapshot.Segment, error) {
	id := g.Folder + "/" + g.Name
	if to, ok := x.again[id]; ok {
		return to, nil
	}
	from := x.r.keyOf(g.Ref)
	object, err := x.r.object(ctx, from, g.Ref)
	if err != nil {
		return g, err
	}
	if version, err := envelope.ObjectVersion(object); err == nil && version == x.r.keys.Current() {
		return g, nil
	}
	g.Key, g.Again = x.r.keys.Current(), true
	if object, err = x.reseal(from, x.r.keyOf(g.Ref), object); err != nil {
		return g, err
	}
	g.SHA256 = hexSum(object)
	if len(g.Head) > 0 {
		g.Head = bytes.Clone(object[:envelope.HeadSize])
	}
	if err := x.r.put(ctx, x.r.keyOf(g.Ref), object); err != nil {
		return g, err
	}
	x.made++
	x.again[id] = snapshot.Segment{Ref: g.Ref, Head: g.Head}
	return x.again[id], nil
}

// reseal opens each chunk of an object and seals it for another place.
func (x *Resealing) reseal(from, to string, object []byte) ([]byte, error) {
	spans, err := envelope.Chunks(object)
	if err != nil {
		return nil, damaged(from, err)
	}
	opener, err := x.r.keys.NewOpener(segmentPurpose, snapshot.SealedName(x.r.account, from), object)
	if err != nil {
		return nil, damaged(from, err)
	}
	sealer, err := x.r.keys.NewResealer(segmentPurpose, snapshot.SealedName(x.r.account, to), sha256.Sum256(object))
	if err != nil {
		return nil, err
	}
	for i, at := range spans {
		last := i == len(spans)-1
		packed, err := opener.Chunk(i, last, object[at.Offset:at.Offset+at.Length])
		if err != nil {
			return nil, damaged(from, err)
		}
		if err := sealer.Chunk(packed, last); err != nil {
			return nil, err
		}
	}
	return sealer.Bytes()
}

// list seals a list anew, with all segments that it names, unless that was done.
func (x *Resealing) list(ctx context.Context, s *Snapshot, ref snapshot.Ref) (_ snapshot.Ref, err error) {
	id := ref.Folder + "/" + ref.Name
	if to, ok := x.again[id]; ok {
		return to.Ref, nil
	}
	l := s.list
	if l.Segments, err = x.segments(ctx, s, l.Segments, ref.Folder); err != nil {
		return ref, err
	}
	text, err := x.r.listText(l)
	if err != nil {
		return ref, err
	}
	ref.Key, ref.Again = x.r.keys.Current(), true
	key := x.r.keyOf(ref)
	object, err := x.pack(listPurpose, key, text)
	if err != nil {
		return ref, err
	}
	err = x.r.put(ctx, key, object)
	if errors.Is(err, blob.ErrExists) {
		// It was sealed when more of what it names was there: that serves, too, or same tells.
		object, err = blob.ReadAll(ctx, x.r.store, key, maxManifest)
	}
	if err != nil {
		return ref, err
	}
	x.made++
	ref.Bytes, ref.SHA256 = int64(len(object)), hexSum(object)
	x.again[id] = snapshot.Segment{Ref: ref}
	return ref, nil
}

// pack seals what is compressed into one chunk.
func (x *Resealing) pack(purpose, key string, text []byte) ([]byte, error) {
	packed := x.r.enc.EncodeAll(text, nil)
	s, err := x.r.keys.NewResealer(purpose, snapshot.SealedName(x.r.account, key), sha256.Sum256(packed))
	if err != nil {
		return nil, err
	}
	if err := s.Chunk(packed, true); err != nil {
		return nil, err
	}
	return s.Bytes()
}

// replace puts an object of ours in the place of another, unless it is there. blob.Replaced
// tells by the error whether it stands there.
func (r *Repository) replace(ctx context.Context, key string, data []byte) error {
	store, ok := blob.As[blob.Replacer](r.store)
	if !ok {
		return fmt.Errorf("replace %s: %w", key, errors.ErrUnsupported)
	}
	r.o.Cache.drop(key)
	err := r.stands(ctx, key, data, store.Replace(ctx, key, bytes.NewReader(data), int64(len(data))))
	if err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	return nil
}
