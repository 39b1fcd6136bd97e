package repository

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// CheckOptions of Check.
type CheckOptions struct {
	// Data reads every segment: its bytes are those that the manifest tells of, they open,
	// and what is in them is in order. Without it, only that the objects are there is seen.
	Data bool
	// Records computes the digests of records anew, of all segments that are read, and
	// those of every state: they can be wrong only if the writer was. Without it, Data does
	// so of every eighth segment and state, and of the newest state.
	Records bool
	// Sample is the part of the segments to read without Data, from 0 to 1. They are drawn
	// by Seed, as every eighth is: another one draws others.
	Sample   float64
	Seed     uint64
	Again    map[string]bool // objects that are read, whichever are drawn
	Prefixes []string        // only these snapshots; nil: all
	// Known are snapshots that somebody knows from elsewhere to be there. None of them may be
	// forgotten until the store is listed.
	Known []Known
}

// reads reports whether a segment is read.
func (o CheckOptions) reads(key string) bool {
	return o.Data || o.Again[key] || o.draws("data", key, o.Sample)
}

// proves reports whether digests that stand in an object, or for it, are computed anew.
func (o CheckOptions) proves(key string) bool {
	return o.Records || !o.Data || o.draws("records", key, 1.0/8)
}

func (o CheckOptions) draws(what, key string, share float64) bool {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", o.Seed, what, key))
	return float64(binary.BigEndian.Uint32(sum[:])) < share*(1<<32)
}

func (o CheckOptions) looksAt(prefix string) bool {
	return o.Prefixes == nil || slices.Contains(o.Prefixes, prefix)
}

// Report is what Check found. A report without damage is good.
type Report struct {
	Snapshots, Segments, Objects int64 // that were looked at, or for; objects as the manifests count them
	Bytes                        int64 // sealed
	Read                         int64 // segments whose data was read
	Proved                       int64 // of these, whose digests were computed anew
	Rubbish                      int64 // objects that no manifest names: no damage, Sweep removes them
	// Unchained are the prefixes of snapshots with which the Chain breaks. Whether the one
	// before was forgotten or removed, only who knows from elsewhere can tell.
	Unchained []string
	// Missing are the prefixes of known snapshots that the store does not list; each is
	// damage, too.
	Missing []string
	Damage  []Damage
}

// Damage is one object that is not as it should be.
type Damage struct {
	Object    string   // key in the store
	Snapshots []string // the prefixes of those that it concerns, oldest first
	What      string   // for a person
	// Hint is the way out for an object that may be whole, and does not open here; "": it
	// is to be brought back.
	Hint string
}

// Check verifies the repository. An error means that it could not be looked at;
// what is wrong with it stands in the report.
func (r *Repository) Check(ctx context.Context, o CheckOptions) (Report, error) {
	all, err := r.all(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("check: %w", err)
	}
	if o.Sample < 0 || o.Sample > 1 {
		return Report{}, problem.InField("sample", "must be from 0 to 1, not %g", o.Sample)
	}
	c := &checker{r: r, o: o, sizes: map[string]int64{}, looked: map[string]snapshot.Segment{}, named: map[string]bool{}, broken: map[string]int{},
		digest: r.digester(), proofs: map[string]*proof{}, known: byPrefix(o.Known)}
	for _, f := range all {
		for _, object := range f.objects {
			c.sizes[object.Key] = object.Size
		}
		if f.taken() {
			c.newest = f.prefix
		}
	}
	for _, prefix := range o.Prefixes {
		if _, known := c.known[prefix]; !known && !slices.ContainsFunc(all, func(f folder) bool { return f.prefix == prefix }) {
			return Report{}, problem.New(problem.NotFound, "there is no snapshot at %s", prefix)
		}
	}
	if err := c.missing(ctx); err != nil {
		return c.report, fmt.Errorf("check: %w", err)
	}
	for _, f := range all {
		if !o.looksAt(f.prefix) {
			continue
		}
		if err := c.folder(ctx, f); err != nil {
			return c.report, fmt.Errorf("check %s: %w", f.prefix, err)
		}
	}
	if o.Prefixes == nil {
		c.rubbish()
	}
	if err := c.spare(ctx); err != nil {
		return c.report, fmt.Errorf("check: %w", err)
	}
	return c.report, nil
}

// checker looks at snapshots, oldest first, and at each object once.
type checker struct {
	r      *Repository
	o      CheckOptions
	report Report
	sizes  map[string]int64            // of what is listed
	looked map[string]snapshot.Segment // by object, as the first manifest tells of it
	broken map[string]int              // objects, by their place in the report's damage
	named  map[string]bool
	blind  bool // a manifest is missing, or does not open: what it names is not known
	digest *snapshot.Digester
	paths  snapshot.NamePaths // of the snapshot that is looked at
	proofs map[string]*proof  // of segments that were read
	chain  Chain
	known  map[string]Known                 // by prefix
	newest string                           // prefix
	last   *Snapshot                        // whose state is known
	state  map[resource.Type]*snapshot.Held // that state
}

// missing finds the snapshots that are known and not listed. Each that is was there when
// they were listed, and is looked at like any other.
func (c *checker) missing(ctx context.Context) error {
	for _, k := range c.o.Known {
		key := k.Prefix + "/" + snapshot.ManifestName
		if _, listed := c.sizes[key]; listed || !c.o.looksAt(k.Prefix) {
			continue
		}
		if err := c.r.place(k.Prefix); err != nil {
			return err
		}
		gone, err := c.forgotten(ctx, k.Prefix)
		if err != nil {
			return err
		}
		c.lose(k.Prefix, key, gone)
	}
	return nil
}

// lose puts a snapshot that is missing into the report.
func (c *checker) lose(prefix, key string, gone bool) {
	c.report.Snapshots++
	c.report.Missing, c.blind = append(c.report.Missing, prefix), true
	what, hint := "the store does not list it, though it is there", "see why the store does not list it: what is not listed is in no copy, either"
	if gone {
		what = "it is not there, though its snapshot was taken and nobody let it go"
		hint = "bring it back from the bucket's versions or from a copy, and see in the bucket's log who removed it; until then what it stood on is not cleared away, or until it is given up (imago snapshot give-up)"
	}
	c.damage(prefix, key, "%s", what)
	c.report.Damage[c.broken[key]].Hint = hint
}

func (c *checker) rubbish() {
	if c.blind {
		return
	}
	for key := range c.sizes {
		if !c.named[key] {
			c.report.Rubbish++
		}
	}
}

func (c *checker) damage(s, object, format string, args ...any) {
	c.broken[object] = len(c.report.Damage)
	c.report.Damage = append(c.report.Damage, Damage{Object: object, Snapshots: []string{s}, What: fmt.Sprintf(format, args...)})
}

// spare takes back the damage of snapshots that were forgotten meanwhile: what they stood
// on may be gone, too. Those that were missing at first were not.
func (c *checker) spare(ctx context.Context) (err error) {
	gone := map[string]bool{}
	for _, s := range c.report.Missing {
		gone[s] = false
	}
	for _, d := range c.report.Damage {
		for _, s := range d.Snapshots {
			if _, known := gone[s]; known {
				continue
			}
			if gone[s], err = c.forgotten(ctx, s); err != nil {
				return err
			}
		}
	}
	var left []Damage
	for _, d := range c.report.Damage {
		d.Snapshots = slices.DeleteFunc(d.Snapshots, func(s string) bool { return gone[s] })
		if len(d.Snapshots) > 0 {
			left = append(left, d)
		}
	}
	c.report.Damage = left
	return nil
}

func (c *checker) forgotten(ctx context.Context, prefix string) (bool, error) {
	r, err := c.r.store.Get(ctx, prefix+"/"+snapshot.ManifestName, blob.Whole)
	if errors.Is(err, blob.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, r.Close()
}

// concerns notes that a snapshot stands on an object, too, and reports whether it is one
// that is damaged.
func (c *checker) concerns(s, object string) bool {
	i, ok := c.broken[object]
	if !ok {
		return false
	}
	if d := &c.report.Damage[i]; !slices.Contains(d.Snapshots, s) {
		d.Snapshots = append(d.Snapshots, s)
	}
	return true
}

// note puts an error about an object into the report; one about the store goes up. The
// object is the one that the error names.
func (c *checker) note(s, object string, err error) error {
	if !isUnreadable(err) {
		return err
	}
	if u, ok := errors.AsType[*unusable](err); ok {
		object = u.object
	}
	if !c.concerns(s, object) {
		c.damage(s, object, "%s", problem.Of(err).What)
		if errors.Is(err, envelope.ErrNoKey) || errors.Is(err, snapshot.ErrFormat) {
			c.report.Damage[c.broken[object]].Hint = problem.Of(err).Hint
		}
	}
	return nil
}

func (c *checker) folder(ctx context.Context, f folder) error {
	if !f.taken() {
		return nil
	}
	c.report.Snapshots++
	s, err := c.r.openAmong(ctx, f.prefix, c.known)
	if problem.Is(err, problem.NotFound) { // it was forgotten since it was listed
		c.report.Snapshots--
		return nil
	}
	if err != nil {
		c.blind = true
		c.chain.Pass()
		return c.note(f.prefix, f.prefix+"/"+snapshot.ManifestName, err)
	}
	for _, key := range s.keys() {
		c.named[key] = true
	}
	c.report.Objects += s.manifest.Objects()
	if c.o.Prefixes == nil && c.chain.Breaks(s) {
		c.report.Unchained = append(c.report.Unchained, f.prefix)
	}
	if err := c.checksums(ctx, s); err != nil {
		return err
	}
	whole := true
	c.paths = s.manifest.Names
	for i := range s.manifest.Segments {
		g := &s.manifest.Segments[i]
		if err := c.segment(ctx, s, g); err != nil {
			return err
		}
		whole = !c.concerns(f.prefix, c.r.keyOf(g.Ref)) && whole
	}
	whole = !c.concerns(f.prefix, f.prefix+"/"+snapshot.ManifestName) && whole
	if c.o.Data && whole && (s.manifest.Kind == snapshot.Full || f.prefix == c.newest || c.o.proves(f.prefix)) {
		return c.states(ctx, s)
	}
	return nil
}

// checksums compares the object that stands in clear with the manifest.
func (c *checker) checksums(ctx context.Context, s *Snapshot) error {
	key := s.Prefix() + "/" + snapshot.ChecksumsName
	text, err := blob.ReadAll(ctx, c.r.store, key, maxManifest)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		c.damage(s.Prefix(), key, "it is not there")
	case err != nil && !errors.Is(err, blob.ErrLonger):
		return err
	case !bytes.Equal(text, snapshot.EncodeChecksums(s.checksums())) && !s.before(text): // none, when it is too long
		return c.unlike(ctx, s, key, text)
	}
	return nil
}

// unlike looks again at checksums that do not tell what a manifest tells: it may have been
// sealed anew since it was read.
func (c *checker) unlike(ctx context.Context, s *Snapshot, key string, text []byte) error {
	again, err := c.r.Open(ctx, s.Prefix())
	switch {
	case problem.Is(err, problem.NotFound) || isUnreadable(err): // told of elsewhere, or forgotten
	case err != nil:
		return err
	case again.Digest() != s.Digest() && bytes.Equal(text, snapshot.EncodeChecksums(again.checksums())):
		return nil
	}
	c.damage(s.Prefix(), key, "it does not tell what the manifest tells")
	return nil
}

// size is what the store lists of an object; ok is false where it lists none. What was not
// there at the beginning may have been put since.
func (c *checker) size(ctx context.Context, key string) (size int64, ok bool, err error) {
	if size, ok = c.sizes[key]; ok {
		return size, true, nil
	}
	for o, err := range c.r.store.List(ctx, key) {
		if err != nil {
			return 0, false, err
		}
		if o.Key == key {
			c.sizes[key] = o.Size
			return o.Size, true, nil
		}
	}
	return 0, false, nil
}

func (c *checker) segment(ctx context.Context, s *Snapshot, g *snapshot.Segment) error {
	key := c.r.keyOf(g.Ref)
	if told, looked := c.looked[key]; looked {
		if !alike(&told, g) {
			c.damage(s.Prefix(), s.Prefix()+"/"+snapshot.ManifestName, "it tells of %s otherwise than a snapshot before it", g.Name)
		}
		return nil
	}
	c.looked[key] = *g
	c.report.Segments++
	c.report.Bytes += g.Bytes
	size, ok, err := c.size(ctx, key)
	switch {
	case err != nil:
		return err
	case !ok:
		c.damage(s.Prefix(), key, "it is not there")
	case size != g.Bytes:
		c.damage(s.Prefix(), key, "it has %d bytes, not %d", size, g.Bytes)
	case c.o.reads(key):
		c.report.Read++
		return c.note(s.Prefix(), key, c.records(ctx, key, g))
	}
	return nil
}

// alike reports whether two manifests tell the same of a segment.
func alike(a, b *snapshot.Segment) bool {
	return a.Ref == b.Ref && a.Layer == b.Layer && a.Family == b.Family && a.First == b.First && a.Last == b.Last &&
		a.Records == b.Records && a.Tombstones == b.Tombstones && a.Plain == b.Plain && a.Digest == b.Digest &&
		bytes.Equal(a.Head, b.Head) && bytes.Equal(a.Filter, b.Filter) && slices.Equal(a.Chunks, b.Chunks)
}

// records reads all records of a segment, compares them with what names it, and keeps
// their sums.
func (c *checker) records(ctx context.Context, key string, g *snapshot.Segment) error {
	src, err := c.r.source(ctx, g, true)
	if err != nil {
		return err
	}
	src.reuses = true
	defer src.close()
	if version, err := envelope.ObjectVersion(src.object); err != nil || version != g.Key {
		return damaged(key, fmt.Errorf("it is sealed under data key %d, not %d, as the manifest tells", version, g.Key))
	}
	p := &proof{of: g, sums: map[resource.Type]*snapshot.Held{}}
	if c.o.proves(key) {
		p.digest = c.digest
		c.report.Proved++
	}
	if c.o.Records {
		p.called = c.called
	}
	for i := range src.spans {
		plain, err := src.chunk(ctx, i)
		if err != nil {
			return err
		}
		if err := p.chunk(i, plain); err != nil {
			return damaged(key, err)
		}
	}
	if !p.good() {
		return damaged(key, errNotTold)
	}
	p.of, p.keys = nil, nil // the manifest need not stay in memory
	c.proofs[key] = p
	return nil
}

// one is what a record adds to a state.
func (c *checker) one(f snapshot.Family, r snapshot.Record) snapshot.Held {
	return heldIn(f, c.digest.Of(r.Key, r.Line), 1)
}

// heldIn is what records of a family add to a state.
func heldIn(f snapshot.Family, sum snapshot.Digest, n int64) (held snapshot.Held) {
	switch f {
	case snapshot.Bodies:
		held.Objects, held.Digest = n, sum
	case snapshot.Moving:
		held.Moving = sum
	case snapshot.Names:
		held.Unnamed.Sub(sum)
	}
	return held
}

// called is the digest of the names that a body has.
func (c *checker) called(r snapshot.Record) (sum snapshot.Digest, err error) {
	keys, err := nameKeys(r, c.paths[r.Type])
	for _, k := range keys {
		line, err := snapshot.AppendRecord(nil, resource.Resource{Key: k, Body: []byte(snapshot.NameRecord)})
		if err != nil {
			return sum, err
		}
		sum.Add(c.digest.Of(k, line[:len(line)-1]))
	}
	return sum, err
}

func heldOf(sums map[resource.Type]*snapshot.Held, t resource.Type) *snapshot.Held {
	held := sums[t]
	if held == nil {
		held = &snapshot.Held{}
		sums[t] = held
	}
	return held
}

// states compares the state with what the manifest says of each type: from the sums of a
// full snapshot's segments, or from what differs to the snapshot before, whose state was
// verified.
func (c *checker) states(ctx context.Context, s *Snapshot) error {
	if s.manifest.Kind == snapshot.Full {
		c.state = c.sums(s)
	} else if err := c.changes(ctx, s); err != nil {
		c.last = nil
		return c.note(s.Prefix(), s.Prefix()+"/"+snapshot.ManifestName, err)
	}
	c.last = s
	for _, t := range sortedTypes(c.state) { // also one that the manifest does not tell of
		if c.state[t].Unnamed != (snapshot.Digest{}) {
			c.damage(s.Prefix(), s.Prefix()+"/"+snapshot.ManifestName, "its objects of type %s are not found by their names", t)
		}
	}
	for i := range s.manifest.Types {
		t := &s.manifest.Types[i]
		hidden, err := c.hidden(ctx, s, t)
		if err != nil {
			return c.note(s.Prefix(), s.Prefix()+"/"+snapshot.ManifestName, err)
		}
		there := *heldOf(c.state, t.Type)
		there.Unnamed, hidden.Unnamed = snapshot.Digest{}, snapshot.Digest{}
		if there.Sub(hidden); hidden != t.Hidden || there != t.Held {
			c.damage(s.Prefix(), s.Prefix()+"/"+snapshot.ManifestName, "its objects of type %s are not those that it tells of", t.Type)
		}
	}
	return nil
}

// told is all that a manifest tells of a type's state.
func told(t snapshot.TypeStatus) snapshot.Held {
	t.Held.Add(t.Hidden)
	return t.Held
}

// sums gives the state that a full snapshot's segments make up. Where the digests of some
// were not computed anew, those of types are taken as told, if their sum is that of the
// digests that are told of the segments.
func (c *checker) sums(s *Snapshot) map[resource.Type]*snapshot.Held {
	state := map[resource.Type]*snapshot.Held{}
	proved := true
	var off snapshot.Held // by how much the two sums differ
	for i := range s.manifest.Segments {
		g := &s.manifest.Segments[i]
		p := c.proofs[c.r.keyOf(g.Ref)]
		proved = proved && p.digest != nil
		if g.Family != snapshot.Names { // of which no type tells
			off.Add(heldIn(g.Family, g.Digest, 0))
		}
		for t, sum := range p.sums {
			heldOf(state, t).Add(*sum)
		}
	}
	if proved {
		return state
	}
	for _, t := range s.manifest.Types {
		all, held := told(t), heldOf(state, t.Type)
		held.Digest, held.Moving = all.Digest, all.Moving
		all.Objects = 0
		off.Sub(all)
	}
	if off != (snapshot.Held{}) {
		return map[resource.Type]*snapshot.Held{}
	}
	return state
}

// hidden weighs what the layers hold under the gaps of a type that hide.
func (c *checker) hidden(ctx context.Context, s *Snapshot, t *snapshot.TypeStatus) (held snapshot.Held, err error) {
	if t.Hides("") {
		return *heldOf(c.state, t.Type), nil
	}
	weighed := map[string]bool{}
	for _, g := range t.Gaps {
		if !g.Hides || weighed[g.Parent] {
			continue
		}
		weighed[g.Parent] = true
		for _, f := range snapshot.Families() {
			if err := c.weigh(ctx, c.r.walk(s.of(f), ofPlace(t.Type, g.Parent)), f, &held); err != nil {
				return held, err
			}
		}
	}
	return held, nil
}

func (c *checker) weigh(ctx context.Context, w *walker, f snapshot.Family, into *snapshot.Held) error {
	for {
		all, err := w.next(ctx)
		if err != nil || len(all) == 0 {
			return err
		}
		if !all[0].Deleted() {
			into.Add(c.one(f, all[0].Record))
		}
	}
}

// changes counts what differs between the snapshot whose state is known and another; from
// nothing, where none is.
func (c *checker) changes(ctx context.Context, s *Snapshot) error {
	families := snapshot.Families()
	if c.o.Records {
		families = append(families, snapshot.Names)
	}
	if c.last == nil || c.o.Records && !reflect.DeepEqual(c.last.manifest.Names, s.manifest.Names) {
		c.last, c.state = &Snapshot{r: c.r, folder: s.folder}, map[resource.Type]*snapshot.Held{}
	}
	for _, f := range families {
		d := newDifference(c.r, c.last.of(f), s.of(f), CompareOptions{})
		for {
			differs, err := d.next(ctx)
			if err != nil {
				return err
			}
			if differs == nil {
				break
			}
			if err := c.change(f, differs); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) change(f snapshot.Family, d *differing) error {
	for i, body := range [][]byte{d.from, d.to} {
		if body == nil {
			continue
		}
		r := resource.Resource{Key: d.Key, Body: body}
		line, err := snapshot.AppendRecord(nil, r)
		if err != nil {
			return err
		}
		record := snapshot.Record{Resource: r, Line: line[:len(line)-1]}
		one := c.one(f, record)
		if c.o.Records && f == snapshot.Bodies {
			if one.Unnamed, err = c.called(record); err != nil {
				return err
			}
		}
		if held := heldOf(c.state, d.Type); i == 0 {
			held.Sub(one)
		} else {
			held.Add(one)
		}
	}
	return nil
}
