package repository

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"iter"
	"slices"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// merge yields the records of a type's segments in the order of their keys. Where
// a key stands twice, the record of the segment later in the list comes later.
//
// Segments of a provider that lists in order do not overlap: one is open at a
// time. Where they do, their records are kept up to a bound, and beyond it read
// again by ranges, a chunk of each segment at a time.
func (r *Repository) merge(ctx context.Context, prefix string, segments []snapshot.Segment) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		m := &merger{r: r, ctx: ctx, prefix: prefix}
		for _, group := range clusters(segments) {
			if !m.run(group, yield) {
				return
			}
		}
	}
}

// ranked is a segment and its place in the list.
type ranked struct {
	snapshot.Segment
	rank int
}

// clusters parts segments into groups that have no key in common, in the order
// of their keys.
func clusters(segments []snapshot.Segment) [][]ranked {
	sorted := make([]ranked, len(segments))
	for i, s := range segments {
		sorted[i] = ranked{s, i}
	}
	slices.SortStableFunc(sorted, func(a, b ranked) int { return a.First.Compare(b.First) })
	var out [][]ranked
	var last resource.Key
	for _, s := range sorted {
		if len(out) == 0 || last.Compare(s.First) < 0 {
			out = append(out, nil)
			last = s.Last
		}
		out[len(out)-1] = append(out[len(out)-1], s)
		if last.Compare(s.Last) < 0 {
			last = s.Last
		}
	}
	return out
}

type merger struct {
	r      *Repository
	ctx    context.Context // of the one iteration that the merger serves
	prefix string
	kept   int // bytes of records in memory
	open   cursors
}

// verify verifies a segment, and keeps its records while there is room. One by
// itself is always kept.
func (m *merger) verify(s snapshot.Segment) (*verified, error) {
	keep := m.kept == 0 || m.kept+int(s.Plain) <= m.r.o.Keep
	v, err := m.r.verify(m.ctx, m.prefix, s, keep)
	if err == nil {
		m.kept += v.size()
	}
	return v, err
}

// run yields one group's records; false: stop.
func (m *merger) run(group []ranked, yield func(resource.Resource, error) bool) bool {
	if len(group) == 1 {
		return m.single(group[0].Segment, yield)
	}
	defer m.close()
	for {
		for len(group) > 0 && (len(m.open) == 0 || group[0].First.Compare(m.open[0].now.Key) <= 0) {
			if err := m.push(group[0]); err != nil {
				yield(resource.Resource{}, err)
				return false
			}
			group = group[1:]
		}
		if len(m.open) == 0 {
			return true
		}
		if !yield(m.open[0].now, nil) {
			return false
		}
		if err := m.advance(); err != nil {
			yield(resource.Resource{}, err)
			return false
		}
	}
}

func (m *merger) single(s snapshot.Segment, yield func(resource.Resource, error) bool) bool {
	v, err := m.verify(s)
	if err != nil {
		yield(resource.Resource{}, err)
		return false
	}
	defer func() { m.kept -= v.size() }()
	for res, err := range v.records(m.ctx) {
		if !yield(res, err) || err != nil {
			return false
		}
	}
	return true
}

// push opens a segment at its first record.
func (m *merger) push(s ranked) error {
	v, err := m.verify(s.Segment)
	if err != nil {
		return err
	}
	c := &cursor{rank: s.rank, v: v}
	c.next, c.stop = iter.Pull2(v.records(m.ctx))
	if err := c.step(); err != nil {
		c.stop()
		return err
	}
	heap.Push(&m.open, c)
	return nil
}

// advance moves past the least record.
func (m *merger) advance() error {
	c := m.open[0]
	if err := c.step(); err != nil {
		return err
	}
	if !c.ended {
		heap.Fix(&m.open, 0)
		return nil
	}
	m.kept -= c.v.size()
	c.stop()
	heap.Pop(&m.open)
	return nil
}

func (m *merger) close() {
	for _, c := range m.open {
		m.kept -= c.v.size()
		c.stop()
	}
	m.open = nil
}

// cursor stands at one record of an open segment.
type cursor struct {
	rank  int
	v     *verified
	now   resource.Resource
	ended bool
	next  func() (resource.Resource, error, bool)
	stop  func()
}

func (c *cursor) step() error {
	res, err, ok := c.next()
	if err != nil {
		return err
	}
	c.now, c.ended = res, !ok
	return nil
}

// cursors is a heap by key, then by rank.
type cursors []*cursor

func (c cursors) Len() int { return len(c) }
func (c cursors) Less(i, j int) bool {
	return cmp.Or(c[i].now.Key.Compare(c[j].now.Key), cmp.Compare(c[i].rank, c[j].rank)) < 0
}
func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }

// Push and Pop are for package heap.
func (c *cursors) Push(x any) { *c = append(*c, x.(*cursor)) }

// Pop takes the last one.
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// unique passes records on and refuses a key that stands twice.
func unique(records iter.Seq2[resource.Resource, error]) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		var last resource.Key
		for res, err := range records {
			if err == nil && res.Key == last {
				res, err = resource.Resource{}, damaged(res.Key.String(), errors.New("it stands in two segments"))
			}
			if !yield(res, err) || err != nil {
				return
			}
			last = res.Key
		}
	}
}

// newest passes on the last of the records that have one key.
func newest(records iter.Seq2[resource.Resource, error]) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		var held resource.Resource
		for res, err := range records {
			if err != nil {
				yield(resource.Resource{}, err)
				return
			}
			if held.ID != "" && held.Key != res.Key && !yield(held, nil) {
				return
			}
			held = res
		}
		if held.ID != "" {
			yield(held, nil)
		}
	}
}
