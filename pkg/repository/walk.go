package repository

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// newest is the layer of what is in memory.
const newest = math.MaxInt

// reach is a range of keys; the zero Key is no bound.
type reach struct{ from, to resource.Key } // both inclusive

func (in reach) before(k resource.Key) bool {
	return in.from != resource.Key{} && k.Compare(in.from) < 0
}
func (in reach) behind(k resource.Key) bool { return in.to != resource.Key{} && k.Compare(in.to) > 0 }

// ofType reaches all of a type, and ofPlace what of it is below a parent. No key has the
// bounds that they end with.
func ofType(t resource.Type) reach {
	return reach{resource.Key{Type: t}, resource.Key{Type: t + "\x00"}}
}

func ofPlace(t resource.Type, parent string) reach {
	return reach{resource.Key{Type: t, Parent: parent}, resource.Key{Type: t, Parent: parent + "\x00"}}
}

// version is a record that has a key: of those of one key the newest counts.
type version struct {
	snapshot.Record
	segment *snapshot.Segment // nil: it is in memory
	ordinal int64             // among the segment's records
}

// walker goes through records of one family in the order of their keys, a chunk of each
// segment in memory at a time.
type walker struct {
	r     *Repository
	in    reach
	skip  func(s *snapshot.Segment, chunk int) bool // chunks that are not looked at; nil: none
	whole bool                                      // every segment is verified whole
	brief bool                                      // records are valid until the next call, and cost less
	ahead []*snapshot.Segment                       // by their first keys
	open  cursors
	now   []version // of one key, the newest first
	ended []*source // which gave their last record in the last call
}

// walk begins.
func (r *Repository) walk(segments []snapshot.Segment, in reach) *walker {
	w := &walker{r: r, in: in}
	for i := range segments {
		if s := &segments[i]; !in.before(s.Last) && !in.behind(s.First) {
			w.ahead = append(w.ahead, s)
		}
	}
	slices.SortFunc(w.ahead, func(a, b *snapshot.Segment) int { return a.First.Compare(b.First) })
	return w
}

// with has records in memory walked through as well, as the newest. What is added meanwhile
// is not looked at.
func (w *walker) with(b *buffer) *walker {
	b.sort()
	c := &cursor{memory: b, layer: newest, line: b.search(w.in.from) - 1, end: len(b.lines)}
	if c.remember(w.in) {
		w.open = append(w.open, c) // the first one: a heap
	}
	return w
}

// next gives the records of the next key, nil at the end. They are valid for good unless
// the walk is brief, the list until the next call.
func (w *walker) next(ctx context.Context) ([]version, error) {
	closeAll(w.ended)
	w.ended = w.ended[:0]
	for len(w.ahead) > 0 && (len(w.open) == 0 || w.ahead[0].First.Compare(w.open[0].now.Key) <= 0) {
		if err := w.push(ctx, w.ahead[0]); err != nil {
			return nil, err
		}
		w.ahead = w.ahead[1:]
	}
	w.now = w.now[:0]
	for len(w.open) > 0 && (len(w.now) == 0 || w.open[0].now.Key == w.now[0].Key) {
		w.now = append(w.now, w.open[0].now)
		if err := w.advance(ctx); err != nil {
			return nil, err
		}
	}
	return w.now, nil
}

// push opens a segment at its first record in reach.
func (w *walker) push(ctx context.Context, s *snapshot.Segment) error {
	c := &cursor{layer: s.Layer, chunks: w.wanted(s)}
	if len(c.chunks) == 0 {
		return nil
	}
	var err error
	if c.source, err = w.r.source(ctx, s, w.whole || 2*len(c.chunks) > len(s.Chunks)); err != nil {
		return err
	}
	c.source.reuses = w.brief
	more, err := c.step(ctx, w.in)
	if more {
		heap.Push(&w.open, c)
	} else {
		c.source.close()
	}
	return err
}

func (w *walker) advance(ctx context.Context) error {
	c := w.open[0]
	more, err := c.step(ctx, w.in)
	if err != nil {
		return err
	}
	if more {
		heap.Fix(&w.open, 0)
		return nil
	}
	if heap.Pop(&w.open); c.source != nil {
		w.ended = append(w.ended, c.source)
	}
	return nil
}

// close gives back the room that a brief walk has: none of its records may be used any more.
func (w *walker) close() {
	closeAll(w.ended)
	for _, c := range w.open {
		if c.source != nil {
			c.source.close()
		}
	}
	w.open, w.ended = nil, nil
}

func closeAll(sources []*source) {
	for _, s := range sources {
		s.close()
	}
}

// wanted are the chunks of a segment that hold records in reach.
func (w *walker) wanted(s *snapshot.Segment) (out []part) {
	if len(s.Chunks) == 0 {
		if w.skip == nil || !w.skip(s, 0) {
			out = append(out, part{})
		}
		return out
	}
	var ordinal int64
	for i, c := range s.Chunks {
		before := i+1 < len(s.Chunks) && (w.in.before(s.Chunks[i+1].First) || s.Chunks[i+1].First == w.in.from)
		if !before && !w.in.behind(c.First) && (w.skip == nil || !w.skip(s, i)) {
			out = append(out, part{i, ordinal})
		}
		ordinal += c.Records
	}
	return out
}

// part is a chunk and the ordinal of its first record.
type part struct {
	chunk   int
	ordinal int64
}

// cursor stands at one record.
type cursor struct {
	layer int
	now   version

	source  *source
	chunks  []part // still to come
	scan    *snapshot.Scanner
	ordinal int64 // of the next record
	met     tally

	memory    *buffer
	line, end int
}

// step goes to the next record in reach; false: there is none.
func (c *cursor) step(ctx context.Context, in reach) (bool, error) {
	if c.memory != nil {
		return c.remember(in), nil
	}
	for {
		if c.scan == nil {
			if len(c.chunks) == 0 {
				return false, nil
			}
			plain, err := c.source.chunk(ctx, c.chunks[0].chunk)
			if err != nil {
				return false, err
			}
			c.scan, c.ordinal = snapshot.Scan(plain), c.chunks[0].ordinal
			c.met.begin(c.source.segment, c.chunks[0].chunk, plain)
			c.chunks = c.chunks[1:]
		}
		record, err := c.scan.Next()
		if errors.Is(err, io.EOF) {
			c.scan = nil
			if err = c.met.end(c.now.Key); err == nil {
				continue
			}
		} else if err == nil {
			err = c.met.add(record)
		}
		if err != nil {
			return false, damaged(c.source.key, err)
		}
		if in.behind(record.Key) {
			return false, nil
		}
		c.now = version{record, c.source.segment, c.ordinal}
		if c.ordinal++; !in.before(record.Key) {
			return true, nil
		}
	}
}

func (c *cursor) remember(in reach) bool {
	if c.line++; c.line >= c.end {
		return false
	}
	c.now = version{Record: c.memory.record(c.line)}
	return !in.behind(c.now.Key)
}

// cursors is a heap by key, of one key the newest first.
type cursors []*cursor

func (c cursors) Len() int { return len(c) }
func (c cursors) Less(i, j int) bool {
	return cmp.Or(c[i].now.Key.Compare(c[j].now.Key), cmp.Compare(c[j].layer, c[i].layer)) < 0
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
