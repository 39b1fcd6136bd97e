package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"imago/pkg/blob"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// CheckOptions of Check.
type CheckOptions struct {
	Data     bool     // read and verify every segment, not only its presence and size
	Prefixes []string // only these snapshots; nil: all
}

// Report is what Check found. A report without damage is good.
type Report struct {
	Snapshots, Segments, Objects int64 // that were looked at; objects as the manifests count them
	Bytes                        int64 // sealed
	Rubbish                      int64 // objects that no manifest names: no damage, Sweep removes them
	Damage                       []Damage
}

// Damage is one object that is not as it should be.
type Damage struct {
	Object   string // key in the store
	Snapshot string // the prefix of the first snapshot that it concerns
	What     string // for a person
}

// Check verifies the repository. An error means that it could not be looked at;
// what is wrong with it stands in the report.
func (r *Repository) Check(ctx context.Context, o CheckOptions) (Report, error) {
	all, err := r.all(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("check: %w", err)
	}
	c := &checker{r: r, data: o.Data, sizes: map[string]int64{}, looked: map[string]bool{}, named: map[string]bool{},
		digest: snapshot.NewDigester(r.keys.MAC(snapshot.DigestPurpose)), sums: map[string]map[resource.Type]*snapshot.Held{}}
	for _, f := range all {
		for _, object := range f.objects {
			c.sizes[object.Key] = object.Size
		}
	}
	for _, prefix := range o.Prefixes {
		if !slices.ContainsFunc(all, func(f folder) bool { return f.prefix == prefix }) {
			return Report{}, problem.New(problem.NotFound, "there is no snapshot at %s", prefix)
		}
	}
	for _, f := range all {
		if o.Prefixes != nil && !slices.Contains(o.Prefixes, f.prefix) {
			continue
		}
		if err := c.folder(ctx, f); err != nil {
			return c.report, fmt.Errorf("check %s: %w", f.prefix, err)
		}
	}
	if o.Prefixes == nil {
		c.rubbish()
	}
	return c.report, nil
}

// checker looks at snapshots, oldest first, and at each object once.
type checker struct {
	r      *Repository
	data   bool
	report Report
	sizes  map[string]int64 // of what is listed
	looked map[string]bool  // objects
	named  map[string]bool
	blind  bool // a manifest does not open: what it names is not known
	digest *snapshot.Digester
	sums   map[string]map[resource.Type]*snapshot.Held // of segments that were read
	last   *Snapshot                                   // whose state is known
	state  map[resource.Type]*snapshot.Held            // that state
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
	c.report.Damage = append(c.report.Damage, Damage{Object: object, Snapshot: s, What: fmt.Sprintf(format, args...)})
}

// note puts an error about an object into the report; one about the store goes up.
func (c *checker) note(s, object string, err error) error {
	if !isUnreadable(err) {
		return err
	}
	c.damage(s, object, "%s", problem.Of(err).What)
	return nil
}

func (c *checker) folder(ctx context.Context, f folder) error {
	if _, ok := f.object(snapshot.ManifestName); !ok {
		return nil
	}
	c.report.Snapshots++
	s, err := c.r.Open(ctx, f.prefix)
	if err != nil {
		c.blind = true
		return c.note(f.prefix, f.prefix+"/"+snapshot.ManifestName, err)
	}
	for _, key := range s.keys() {
		c.named[key] = true
	}
	c.report.Objects += s.manifest.Objects()
	if err := c.checksums(ctx, s); err != nil {
		return err
	}
	broken := len(c.report.Damage)
	for i := range s.manifest.Segments {
		if err := c.segment(ctx, s, &s.manifest.Segments[i]); err != nil {
			return err
		}
	}
	if c.data && len(c.report.Damage) == broken {
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
	case !bytes.Equal(text, snapshot.EncodeChecksums(s.checksums())): // none, when it is too long
		c.damage(s.Prefix(), key, "it does not tell what the manifest tells")
	}
	return nil
}

func (c *checker) segment(ctx context.Context, s *Snapshot, g *snapshot.Segment) error {
	key := c.r.keyOf(g.Ref)
	if c.looked[key] {
		return nil
	}
	c.looked[key] = true
	c.report.Segments++
	c.report.Bytes += g.Bytes
	size, ok := c.sizes[key]
	switch {
	case !ok:
		c.damage(s.Prefix(), key, "it is not there")
	case size != g.Bytes:
		c.damage(s.Prefix(), key, "it has %d bytes, not %d", size, g.Bytes)
	case c.data:
		return c.note(s.Prefix(), key, c.records(ctx, key, g))
	}
	return nil
}

// records reads all records of a segment, compares them with what names it, and keeps
// their sums.
func (c *checker) records(ctx context.Context, key string, g *snapshot.Segment) error {
	w := c.r.walk([]snapshot.Segment{*g}, reach{})
	w.whole, w.brief = true, true
	found := snapshot.Segment{First: g.First, Last: g.Last}
	sums := map[resource.Type]*snapshot.Held{}
	for n := 0; ; n++ {
		all, err := w.next(ctx)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			break
		}
		v := all[0]
		if n == 0 {
			found.First = v.Key
		}
		found.Last = v.Key
		if found.Records++; v.Deleted() {
			found.Tombstones++
			continue
		}
		one := c.one(g.Family, v.Record)
		heldOf(sums, v.Type).Add(one)
		found.Digest.Add(one.Digest)
		found.Digest.Add(one.Moving)
	}
	c.sums[key] = sums
	if g.Digest == (snapshot.Digest{}) {
		found.Digest = g.Digest
	}
	if found.First != g.First || found.Last != g.Last || found.Records != g.Records || found.Tombstones != g.Tombstones || found.Digest != g.Digest {
		return damaged(key, errors.New("its records are not those that the manifest tells of"))
	}
	return nil
}

// one is what a record adds to a state.
func (c *checker) one(f snapshot.Family, r snapshot.Record) snapshot.Held {
	digest := c.digest.Of(r.Key, r.Line)
	if f == snapshot.Bodies {
		return snapshot.Held{Objects: 1, Digest: digest}
	}
	return snapshot.Held{Moving: digest}
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
		c.state = map[resource.Type]*snapshot.Held{}
		for _, g := range s.manifest.Segments {
			for t, sum := range c.sums[c.r.keyOf(g.Ref)] {
				heldOf(c.state, t).Add(*sum)
			}
		}
	} else if err := c.changes(ctx, s); err != nil {
		return c.note(s.Prefix(), s.Prefix()+"/"+snapshot.ManifestName, err)
	}
	c.last = s
	for _, t := range s.manifest.Types {
		want := t.Held
		want.Add(t.Hidden)
		if *heldOf(c.state, t.Type) != want {
			c.damage(s.Prefix(), s.Prefix()+"/"+snapshot.ManifestName, "its objects of type %s are not those that it tells of", t.Type)
		}
	}
	return nil
}

// changes counts what differs between the snapshot whose state is known and another; from
// nothing, where none is.
func (c *checker) changes(ctx context.Context, s *Snapshot) error {
	if c.last == nil {
		c.last, c.state = &Snapshot{r: c.r, folder: s.folder}, map[resource.Type]*snapshot.Held{}
	}
	for _, f := range snapshot.Families() {
		d := newDifference(c.r, c.last.of(f), s.of(f))
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
		one := c.one(f, snapshot.Record{Resource: r, Line: line[:len(line)-1]})
		if held := heldOf(c.state, d.Type); i == 0 {
			held.Sub(one)
		} else {
			held.Add(one)
		}
	}
	return nil
}
