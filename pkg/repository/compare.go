package repository

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Change is a resource that two snapshots of one connection do not have alike. A body is
// nil where a snapshot does not hold it.
type Change struct {
	resource.Key
	From, To []byte
}

// CompareOptions narrow a comparison; the zero value compares everything.
type CompareOptions struct {
	Types []resource.Type // only these; nil: all
	// Still passes over what moves by itself: it is not read, and bodies come without it.
	Still bool
}

func (o CompareOptions) has(t resource.Type) bool {
	return o.Types == nil || slices.Contains(o.Types, t)
}

// touches reports whether a range of keys may hold any of the types.
func (o CompareOptions) touches(first, last resource.Key) bool {
	return o.Types == nil || slices.ContainsFunc(o.Types, func(t resource.Type) bool { return first.Type <= t && t <= last.Type })
}

// Changes yields what differs from one snapshot to another of the same connection, in the
// order of keys. It reads what is not common to both, and of the rest the chunks that hold
// such keys.
//
// Types that only one of them was asked for are left out, and places of which one of them
// read nothing: there is nothing to compare. Under other gaps what one of them lacks may
// be there all the same.
func (r *Repository) Changes(ctx context.Context, from, to *Snapshot, o CompareOptions) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		c := newComparison(r, from, to, o)
		for {
			change, ok, err := c.next(ctx)
			if err != nil {
				yield(Change{}, err)
				return
			}
			if !ok || change.ID != "" && !yield(change, nil) {
				return
			}
		}
	}
}

// comparison goes through the families side by side.
type comparison struct {
	from, to       *Snapshot
	o              CompareOptions
	bodies, moving *difference
	asked          resource.Type         // the last key's
	statuses       []snapshot.TypeStatus // of it, in both snapshots if both were asked for it
}

func newComparison(r *Repository, from, to *Snapshot, o CompareOptions) *comparison {
	of := func(f snapshot.Family) *difference { return newDifference(r, from.of(f), to.of(f), o) }
	c := &comparison{from: from, to: to, o: o, bodies: of(snapshot.Bodies), moving: newDifference(r, nil, nil, o)}
	if !o.Still {
		c.moving = of(snapshot.Moving)
	}
	return c
}

// key gives the next key that may differ; ok is false at the end.
func (c *comparison) key(ctx context.Context) (k resource.Key, ok bool, err error) {
	for _, f := range []*difference{c.bodies, c.moving} {
		now, err := f.peek(ctx)
		if err != nil {
			return k, false, err
		}
		if len(now) > 0 && (!ok || now[0].Key.Compare(k) < 0) {
			k, ok = now[0].Key, true
		}
	}
	return k, ok, nil
}

// next gives the next change; one without an ID is none. ok is false at the end.
func (c *comparison) next(ctx context.Context) (change Change, ok bool, err error) {
	k, ok, err := c.key(ctx)
	if err != nil || !ok {
		return Change{}, false, err
	}
	if !c.known(k) {
		c.pass(k)
		return Change{}, true, nil
	}
	bodies, err := c.bodies.at(ctx, k)
	if err != nil {
		return Change{}, false, err
	}
	moving, err := c.moving.at(ctx, k)
	if err != nil {
		return Change{}, false, err
	}
	change.Key = k
	if change.From, err = whole(bodies.from, moving.from); err == nil {
		change.To, err = whole(bodies.to, moving.to)
	}
	if bytes.Equal(change.From, change.To) {
		return Change{}, true, err
	}
	return change, true, err
}

// known reports whether a key is to be compared, and stands where both snapshots know what
// there is.
func (c *comparison) known(k resource.Key) bool {
	if c.asked != k.Type {
		c.asked, c.statuses = k.Type, c.statuses[:0]
		for _, s := range []*Snapshot{c.from, c.to} {
			if status, ok := s.manifest.Status(k.Type); ok {
				c.statuses = append(c.statuses, status)
			}
		}
	}
	hidden := func(s snapshot.TypeStatus) bool { return s.Hides(k.Parent) }
	return len(c.statuses) == 2 && !slices.ContainsFunc(c.statuses, hidden) && c.o.has(k.Type)
}

// whole is a resource's body, in memory of its own; nil: there is none.
func whole(body, moving []byte) ([]byte, error) {
	if body == nil || moving == nil {
		return bytes.Clone(body), nil
	}
	return resource.Join(body, moving)
}

// difference goes through the keys of one family that two stacks may not have alike.
type difference struct {
	from, to map[string]bool // names of segments
	changed  *walker         // over what they do not have in common
	now      []version       // its next key's
	all      []version       // of the key that was asked for last
	begun    bool
	common   seekers
}

// differing is a key with its record in each stack, nil where there is none: valid until
// the next key is asked for.
type differing struct {
	resource.Key
	from, to []byte
}

func newDifference(r *Repository, from, to []snapshot.Segment, o CompareOptions) *difference {
	d := &difference{from: names(from), to: names(to)}
	var apart []snapshot.Segment
	for _, s := range from {
		if d.to[s.Name] {
			d.common.add(r, s, nil)
		} else {
			apart = append(apart, s)
		}
	}
	for _, s := range to {
		if !d.from[s.Name] {
			apart = append(apart, s)
		}
	}
	d.changed = r.walk(apart, reach{})
	d.changed.brief = true
	d.cancel(r, from, to, o)
	return d
}

func names(segments []snapshot.Segment) map[string]bool {
	out := map[string]bool{}
	for _, s := range segments {
		out[s.Name] = true
	}
	return out
}

// extent is what tells that two chunks of full snapshots hold the same.
type extent struct {
	first   resource.Key
	records int64
	digest  snapshot.Digest
}

// cancel leaves out chunks of other types, and those that two full snapshots have alike:
// they are looked into only for keys that a layer above changed.
func (d *difference) cancel(r *Repository, from, to []snapshot.Segment, o CompareOptions) {
	alike := map[extent]int{}
	for i, side := range [][]snapshot.Segment{from, to} {
		for _, s := range side {
			if d.from[s.Name] && d.to[s.Name] {
				continue
			}
			for _, e := range extents(s) {
				alike[e] |= 1 << i
			}
		}
	}
	skipped := map[string][]bool{} // by segment and chunk
	for _, s := range slices.Concat(from, to) {
		if d.from[s.Name] && d.to[s.Name] {
			continue
		}
		var both []bool
		for _, e := range extents(s) {
			both = append(both, alike[e] == 3)
		}
		if slices.Contains(both, true) {
			skipped[s.Name] = both
			d.common.add(r, s, both)
		}
	}
	d.changed.skip = func(s *snapshot.Segment, chunk int) bool {
		return !o.touches(s.Reach(chunk)) || skipped[s.Name] != nil && skipped[s.Name][chunk]
	}
}

func extents(s snapshot.Segment) (out []extent) {
	if s.Digest == (snapshot.Digest{}) {
		return nil
	}
	if len(s.Chunks) == 0 {
		return []extent{{s.First, s.Records, s.Digest}}
	}
	for _, c := range s.Chunks {
		out = append(out, extent{c.First, c.Records, c.Digest})
	}
	return out
}

// peek gives the records of the next key that may differ, as far as they are not common;
// none at the end.
func (d *difference) peek(ctx context.Context) (_ []version, err error) {
	if !d.begun {
		d.begun = true
		d.now, err = d.changed.next(ctx)
	}
	return d.now, err
}

// at gives what each stack has under a key. Keys that are asked for MUST rise, and be no
// greater than the one that peek gives, which is passed so.
func (d *difference) at(ctx context.Context, k resource.Key) (differing, error) {
	d.all = d.all[:0]
	if len(d.now) > 0 && d.now[0].Key == k {
		d.all, d.begun = append(d.all, d.now...), false
	}
	for _, s := range d.common.around(k) {
		v, ok, err := s.seek(ctx, k)
		if err != nil {
			return differing{}, err
		}
		if ok {
			d.all = append(d.all, v)
		}
	}
	return differing{k, newestOf(d.all, d.from), newestOf(d.all, d.to)}, nil
}

// next gives the next key whose records differ; nil at the end.
func (d *difference) next(ctx context.Context) (*differing, error) {
	for {
		now, err := d.peek(ctx)
		if err != nil || len(now) == 0 {
			return nil, err
		}
		out, err := d.at(ctx, now[0].Key)
		if err != nil || !bytes.Equal(out.from, out.to) {
			return &out, err
		}
	}
}

// newestOf is the body of the newest record of those that stand in a stack.
func newestOf(all []version, stack map[string]bool) (body []byte) {
	layer := -1
	for _, v := range all {
		if stack[v.segment.Name] && v.segment.Layer > layer {
			layer, body = v.segment.Layer, v.Body
		}
	}
	return body
}

// seekers are those of many segments. Only those around the last key hold a chunk.
type seekers struct {
	ahead  []*seeker
	sorted bool
	open   []*seeker
}

// add adds a segment; only says which of its chunks are looked into, nil: all of them.
func (s *seekers) add(r *Repository, g snapshot.Segment, only []bool) {
	s.ahead = append(s.ahead, &seeker{r: r, segment: g, only: only})
}

// around gives those whose segments reach over the key. Keys that are asked for MUST rise.
func (s *seekers) around(k resource.Key) []*seeker {
	if !s.sorted {
		slices.SortFunc(s.ahead, func(a, b *seeker) int { return a.segment.First.Compare(b.segment.First) })
		s.sorted = true
	}
	for len(s.ahead) > 0 && s.ahead[0].segment.First.Compare(k) <= 0 {
		s.open, s.ahead = append(s.open, s.ahead[0]), s.ahead[1:]
	}
	s.open = slices.DeleteFunc(s.open, func(one *seeker) bool {
		if one.segment.Last.Compare(k) >= 0 {
			return false
		}
		one.close()
		return true
	})
	return s.open
}

// close gives back what the seeker has opened.
func (s *seeker) close() {
	if s.source != nil {
		s.source.close()
	}
}

// seeker finds rising keys in one segment.
type seeker struct {
	r       *Repository
	segment snapshot.Segment
	only    []bool // chunks that it looks into: the walk goes through the others; nil: all
	source  *source
	chunk   int // that is scanned; the next one's number when scan is nil
	scan    *snapshot.Scanner
	now     snapshot.Record // the last one scanned
}

// seek gives the key's record. Keys that are asked for MUST rise.
func (s *seeker) seek(ctx context.Context, k resource.Key) (version, bool, error) {
	chunk := s.segment.Holding(k)
	if !s.segment.Covers(k) || s.only != nil && !s.only[chunk] {
		return version{}, false, nil
	}
	if err := s.into(ctx, chunk); err != nil {
		return version{}, false, err
	}
	if s.now.ID == "" || s.now.Key.Compare(k) < 0 {
		record, err := s.scan.Seek(k)
		if errors.Is(err, io.EOF) {
			return version{}, false, nil
		}
		if err != nil {
			return version{}, false, damaged(s.source.key, err)
		}
		s.now = record
	}
	return version{Record: s.now, segment: &s.segment}, s.now.Key == k, nil
}

// into opens a chunk.
func (s *seeker) into(ctx context.Context, chunk int) (err error) {
	if s.scan != nil && chunk == s.chunk {
		return nil
	}
	if s.source == nil {
		if s.source, err = s.r.source(ctx, &s.segment, false); err != nil {
			return err
		}
		s.source.reuses = true
	}
	plain, err := s.source.chunk(ctx, chunk)
	if err != nil {
		return err
	}
	s.chunk, s.scan, s.now = chunk, snapshot.Scan(plain), snapshot.Record{}
	return nil
}

// Differ gives, of the snapshots at two prefixes, which records may differ, in the order of
// keys: it reads no more than what they do not have in common, and so takes a record that
// was changed and changed back for one that differs.
func (r *Repository) Differ(ctx context.Context, from, to string) iter.Seq2[resource.Key, error] {
	return func(yield func(resource.Key, error) bool) {
		a, b, err := r.pair(ctx, from, to)
		if err != nil {
			yield(resource.Key{}, err)
			return
		}
		c := newComparison(r, a, b, CompareOptions{})
		for {
			k, ok, err := c.key(ctx)
			if err != nil {
				yield(resource.Key{}, err)
				return
			}
			if !ok || !c.pass(k) && !yield(k, nil) {
				return
			}
		}
	}
}

// pair opens two snapshots. What is in the list that both name, and drop nothing of, is
// common to them: it is not read.
func (r *Repository) pair(ctx context.Context, from, to string) (a, b *Snapshot, err error) {
	if a, err = r.stored(ctx, from); err != nil {
		return nil, nil, err
	}
	if b, err = r.stored(ctx, to); err != nil {
		return nil, nil, err
	}
	l, m := a.listRef(), b.listRef()
	if l != nil && m != nil && *l == *m && slices.Equal(a.stored.Dropped, b.stored.Dropped) {
		for _, s := range []*Snapshot{a, b} {
			without := s.stored
			without.List, without.Dropped = nil, nil
			if s.manifest, err = without.Resolve(s.folder, snapshot.List{}); err != nil {
				return nil, nil, damaged(s.Prefix()+"/"+snapshot.ManifestName, err)
			}
		}
		return a, b, nil
	}
	if a, err = r.resolve(ctx, a); err != nil {
		return nil, nil, err
	}
	b, err = r.resolve(ctx, b)
	return a, b, err
}

// pass steps behind a key in both families, and reports whether neither has it otherwise
// than before.
func (c *comparison) pass(k resource.Key) bool {
	same := true
	for _, f := range []*difference{c.bodies, c.moving} {
		if len(f.now) > 0 && f.now[0].Key == k {
			same = f.same(f.now) && same
			f.begun = false
		}
	}
	return same
}

// same reports whether what is not common to both stacks holds the key alike.
func (d *difference) same(all []version) bool {
	in := func(stack map[string]bool) bool {
		return slices.ContainsFunc(all, func(v version) bool { return stack[v.segment.Name] })
	}
	return in(d.from) && in(d.to) && bytes.Equal(newestOf(all, d.from), newestOf(all, d.to))
}
