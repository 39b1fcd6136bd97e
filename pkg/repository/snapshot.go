package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// maxManifest bounds a sealed manifest, or list: some 100,000 segments, 100 GB of an org.
const maxManifest = 16 << 20

// Snapshot is one that exists, open for reading. It is safe for concurrent use.
type Snapshot struct {
	r        *Repository
	folder   string
	manifest snapshot.Manifest // resolved
	stored   snapshot.Manifest // as it is stored
	list     snapshot.List     // that it names, with folders
	sealed   []byte            // the manifest as it lies in the store
	version  uint32            // of the data key that it is sealed under

	mu     sync.Mutex
	recent []chunk // the last used comes last
}

// Open opens the snapshot at a prefix, and verifies its manifest. A problem of
// kind NotFound says that there is none; one that names the object, and wraps
// ErrDamaged, that it cannot be trusted.
func (r *Repository) Open(ctx context.Context, prefix string) (*Snapshot, error) {
	s, err := r.stored(ctx, prefix)
	if err != nil {
		return nil, err
	}
	return r.resolve(ctx, s)
}

// Is reports whether a digest is that of the manifest, or was, before it was sealed anew:
// that the manifest says itself, and is not believed under an older data key.
func (s *Snapshot) Is(digest string) bool {
	if digest == s.Digest() {
		return true
	}
	return s.version >= s.r.keys.Current() && slices.Contains(s.manifest.Was, digest)
}

// stored reads a manifest as it is stored.
func (r *Repository) stored(ctx context.Context, prefix string) (*Snapshot, error) {
	if err := r.place(prefix); err != nil {
		return nil, err
	}
	key := prefix + "/" + snapshot.ManifestName
	object, err := r.sealedManifest(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, problem.New(problem.NotFound, "there is no snapshot at %s", prefix).Because(err)
	}
	if errors.Is(err, blob.ErrLonger) {
		return nil, damaged(key, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	_, folder := split(prefix)
	s, err := r.decode(folder, object)
	if err != nil {
		return nil, damaged(key, err)
	}
	return s, nil
}

func (r *Repository) sealedManifest(ctx context.Context, key string) ([]byte, error) {
	if object, ok := r.o.Cache.get(key); ok {
		return object, nil
	}
	return blob.ReadAll(ctx, r.store, key, maxManifest)
}

// resolve reads the list that a manifest names.
func (r *Repository) resolve(ctx context.Context, s *Snapshot) (_ *Snapshot, err error) {
	var l snapshot.List
	if ref := s.listRef(); ref != nil {
		if l, err = r.readList(ctx, *ref); err != nil {
			return nil, err
		}
	}
	if s.manifest, err = s.stored.Resolve(s.folder, l); err != nil {
		return nil, damaged(s.Prefix()+"/"+snapshot.ManifestName, err)
	}
	s.list = l
	return s, nil
}

// lastList is the list that was read last: most snapshots of a connection name the same.
type lastList struct {
	mu   sync.Mutex
	ref  snapshot.Ref
	list snapshot.List // not to be changed
}

func (r *Repository) readList(ctx context.Context, ref snapshot.Ref) (l snapshot.List, err error) {
	r.last.mu.Lock()
	defer r.last.mu.Unlock()
	if r.last.ref == ref {
		return r.last.list, nil
	}
	if l, err = r.decodeList(ctx, ref); err == nil {
		r.last.ref, r.last.list = ref, l
	}
	return l, err
}

func (r *Repository) decodeList(ctx context.Context, ref snapshot.Ref) (l snapshot.List, err error) {
	key := r.keyOf(ref)
	if ref.Bytes > maxManifest {
		return l, damaged(key, fmt.Errorf("%w than %d bytes", blob.ErrLonger, maxManifest))
	}
	object, err := r.object(ctx, key, ref)
	if err != nil {
		return l, err
	}
	text, version, err := r.unpack(listPurpose, key, object)
	if err == nil {
		l, err = snapshot.DecodeList(text)
	}
	if err != nil {
		return l, damaged(key, err)
	}
	keyed(version, nil, l.Segments)
	return l, nil
}

// unpack opens a sealed object that holds one compressed text, and tells its data key.
func (r *Repository) unpack(purpose, key string, object []byte) (text []byte, version uint32, err error) {
	packed, err := r.keys.OpenObject(purpose, snapshot.SealedName(r.account, key), object)
	if err != nil {
		return nil, 0, err
	}
	if version, err = envelope.ObjectVersion(object); err != nil {
		return nil, 0, err
	}
	text, err = r.unframe(packed, nil)
	return text, version, err
}

func (r *Repository) pack(purpose, key string, text []byte) ([]byte, error) {
	return r.keys.SealObject(purpose, snapshot.SealedName(r.account, key), r.enc.EncodeAll(text, nil))
}

// decode opens and checks the sealed manifest of a folder; its list is still to be read.
func (r *Repository) decode(folder string, object []byte) (*Snapshot, error) {
	if len(object) > maxManifest {
		return nil, fmt.Errorf("%w than %d bytes", blob.ErrLonger, maxManifest)
	}
	s := &Snapshot{r: r, folder: folder, sealed: object}
	text, version, err := r.unpack(manifestPurpose, s.Prefix()+"/"+snapshot.ManifestName, object)
	if err != nil {
		return nil, err
	}
	m, err := snapshot.DecodeManifest(text)
	if err != nil {
		return nil, err
	}
	if m.Account != string(r.account) || m.Connection != string(r.connection) {
		return nil, errors.New("it tells of another connection")
	}
	keyed(version, m.List, m.Segments)
	s.stored, s.version = m, version
	return s, nil
}

// Manifest says what the snapshot holds and lacks, and all segments that it stands on.
// Its lists are not to be changed.
func (s *Snapshot) Manifest() snapshot.Manifest { return s.manifest }

// Prefix is where the snapshot lies.
func (s *Snapshot) Prefix() string { return s.r.backups() + "/" + s.folder }

// Digest is the SHA-256 of the sealed manifest, in hex: what checksums says of it,
// and what the next snapshot's Previous holds.
func (s *Snapshot) Digest() string { return hexSum(s.sealed) }

func (s *Snapshot) checksums() []snapshot.Checksum { return checksums(s.stored, s.list, s.sealed) }

// A snapshot is heavy, and the next one a full one, when its layers weigh more than a
// fourth of what they lie over, and a MiB besides, or that is older than thirty days, or than
// half of the time for which the store locks it: what a snapshot stands on stays locked for
// the other half at least.
const (
	lightest = 1 << 20
	oldest   = 30 * 24 * time.Hour
)

func (s *Snapshot) heavy(now time.Time) bool {
	limit := oldest
	if lock := s.r.store.Capabilities().LockFor; lock > 0 {
		limit = min(limit, lock/2)
	}
	var base, above int64
	for _, g := range s.manifest.Segments {
		if g.Layer > 0 {
			above += g.Bytes
			continue
		}
		base += g.Bytes
		if written, ok := snapshot.ParseFolder(g.Folder); ok && now.Sub(written) > limit {
			return true
		}
	}
	return 4*above > base+lightest
}

// Walk yields a type's resources in the order of their keys. Bodies stay valid;
// holding on to one holds on to its neighbours.
func (s *Snapshot) Walk(ctx context.Context, t resource.Type) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		status, ok := s.manifest.Status(t)
		if !ok || status.Hides("") {
			return
		}
		j := s.joined(ofType(t))
		for met := int64(0); ; {
			res, err := j.next(ctx)
			if err == nil && res.ID == "" && met != status.Objects {
				err = damaged(s.Prefix()+"/"+snapshot.ManifestName, fmt.Errorf("it tells of %d objects of type %s, and there are %d", status.Objects, t, met))
			}
			if err != nil {
				yield(resource.Resource{}, err)
				return
			}
			if res.ID == "" {
				return
			}
			if status.Hides(res.Parent) {
				continue
			}
			if met++; !yield(res, nil) {
				return
			}
		}
	}
}

// Below yields a type's resources below one parent, as Walk does all of them.
func (s *Snapshot) Below(ctx context.Context, t resource.Type, parent string) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		status, ok := s.manifest.Status(t)
		if !ok || status.Hides(parent) {
			return
		}
		j := s.joined(ofPlace(t, parent))
		for {
			res, err := j.next(ctx)
			if err == nil && res.ID == "" {
				return
			}
			if !yield(res, err) || err != nil {
				return
			}
		}
	}
}

// joined walks through both families of a state.
func (s *Snapshot) joined(in reach) *joined {
	j := &joined{s: s, bodies: s.r.walk(s.of(snapshot.Bodies), in), moving: s.r.walk(s.of(snapshot.Moving), in)}
	j.bodies.whole, j.moving.whole = true, true
	return j
}

func (s *Snapshot) of(f snapshot.Family) []snapshot.Segment {
	return slices.DeleteFunc(slices.Clone(s.manifest.Segments), func(g snapshot.Segment) bool { return g.Family != f })
}

// joined puts together what was parted.
type joined struct {
	s              *Snapshot
	bodies, moving *walker
	held           []version // of moving, the next key's
	begun          bool
}

// next gives the next resource; the zero one at the end.
func (j *joined) next(ctx context.Context) (resource.Resource, error) {
	for {
		all, err := j.bodies.next(ctx)
		if err != nil || len(all) == 0 {
			return resource.Resource{}, err
		}
		if all[0].Deleted() {
			continue
		}
		moving, err := j.besides(ctx, all[0].Key)
		if err != nil {
			return resource.Resource{}, err
		}
		return j.s.whole(all[0], moving)
	}
}

// whole is a resource, from its body and what moves besides it.
func (s *Snapshot) whole(body version, moving []byte) (resource.Resource, error) {
	joined, err := resource.Join(body.Body, moving)
	if err != nil {
		return resource.Resource{}, damaged(s.Prefix(), fmt.Errorf("%s: %w", body.Key, err))
	}
	if !resource.IsCanonical(joined) {
		return resource.Resource{}, damaged(s.r.keyOf(body.segment.Ref), fmt.Errorf("%s: %w", body.Key, errForm))
	}
	return resource.Resource{Key: body.Key, Body: joined}, nil
}

// besides is what of a key moves by itself; nil: nothing.
func (j *joined) besides(ctx context.Context, k resource.Key) (_ []byte, err error) {
	for !j.begun || len(j.held) > 0 && j.held[0].Key.Compare(k) < 0 {
		j.begun = true
		if j.held, err = j.moving.next(ctx); err != nil {
			return nil, err
		}
	}
	if len(j.held) > 0 && j.held[0].Key == k {
		return j.held[0].Body, nil
	}
	return nil, nil
}

// Get gives one resource; a problem of kind NotFound when the snapshot does not
// hold it. Whether that means that it did not exist, the gaps say.
func (s *Snapshot) Get(ctx context.Context, key resource.Key) (resource.Resource, error) {
	missing := problem.New(problem.NotFound, "the snapshot does not hold %s", key)
	status, ok := s.manifest.Status(key.Type)
	if !ok || status.Hides(key.Parent) {
		return resource.Resource{}, missing
	}
	body, err := s.r.find(ctx, s.of(snapshot.Bodies), key, s.chunk)
	if err != nil {
		return resource.Resource{}, err
	}
	if body.Deleted() {
		return resource.Resource{}, missing
	}
	moving, err := s.r.find(ctx, s.of(snapshot.Moving), key, s.chunk)
	if err != nil {
		return resource.Resource{}, err
	}
	return s.whole(body, moving.Body)
}

// chunk reads one chunk, or takes one that was looked at last: who asks for one resource
// asks for its neighbours next.
func (s *Snapshot) chunk(ctx context.Context, g *snapshot.Segment, i int) ([]byte, error) {
	name := chunkName{g.Name, i}
	s.mu.Lock()
	at := slices.IndexFunc(s.recent, func(c chunk) bool { return c.chunkName == name })
	if at >= 0 {
		found := s.recent[at]
		s.recent = append(slices.Delete(s.recent, at, at+1), found)
		s.mu.Unlock()
		return found.plain, nil
	}
	s.mu.Unlock()
	plain, err := s.r.chunk(ctx, g, i)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent = append(s.recent, chunk{name, plain}); len(s.recent) > mostRecent {
		s.recent = slices.Delete(s.recent, 0, 1)
	}
	return plain, nil
}

// mostRecent is how many chunks of a snapshot stay in memory.
const mostRecent = 8

// chunk is one of a segment, open.
type chunk struct {
	chunkName
	plain []byte
}

type chunkName struct {
	segment string
	chunk   int
}

// chunk reads one chunk of a segment.
func (r *Repository) chunk(ctx context.Context, g *snapshot.Segment, i int) ([]byte, error) {
	src, err := r.source(ctx, g, false)
	if err != nil {
		return nil, err
	}
	return src.chunk(ctx, i)
}

// chunkReader reads one chunk of a segment.
type chunkReader func(ctx context.Context, g *snapshot.Segment, i int) ([]byte, error)

// find looks a key up, in the newest layer first: a tombstone, too, where there is none.
func (r *Repository) find(ctx context.Context, segments []snapshot.Segment, key resource.Key, chunk chunkReader) (version, error) {
	stack := covering(segments, key)
	for i := range stack {
		if record, ok, err := r.within(ctx, &stack[i], key, chunk); ok || err != nil {
			return version{Record: record, segment: &stack[i]}, err
		}
	}
	return version{}, nil
}

// covering are the segments that may hold a key, the highest layer first.
func covering(segments []snapshot.Segment, key resource.Key) (out []snapshot.Segment) {
	for i := range segments {
		if segments[i].Covers(key) {
			out = append(out, segments[i])
		}
	}
	slices.SortFunc(out, func(a, b snapshot.Segment) int { return b.Layer - a.Layer })
	return out
}

// within looks a key up in one segment.
func (r *Repository) within(ctx context.Context, g *snapshot.Segment, key resource.Key, chunk chunkReader) (record snapshot.Record, ok bool, err error) {
	plain, err := chunk(ctx, g, g.Holding(key))
	if err != nil {
		return record, false, err
	}
	record, err = snapshot.Scan(plain).Seek(key)
	switch {
	case errors.Is(err, io.EOF) || err == nil && record.Key != key:
		return snapshot.Record{}, false, nil
	case err != nil:
		return record, false, damaged(r.keyOf(g.Ref), err)
	}
	return record, true, nil
}

// listRef is the list that the manifest names, with its folder; nil: none.
func (s *Snapshot) listRef() *snapshot.Ref {
	if s.stored.List == nil {
		return nil
	}
	ref := *s.stored.List
	ref.Folder = cmp.Or(ref.Folder, s.folder)
	return &ref
}
