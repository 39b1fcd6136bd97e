package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Draft is a snapshot that is being taken. It is safe for concurrent use.
//
// What Add was given is in the store, and in State, only after Flush: whoever
// keeps a cursor beside the state calls Flush before reading both.
type Draft struct {
	r *Repository

	mu      sync.Mutex
	facts   state
	buffers map[resource.Type]*buffer
	spare   *buffer // an empty one, for its room; nil: none
	digest  string  // of the committed manifest
}

// state is what a draft goes on from.
type state struct {
	Format   int                `json:"format"`
	ID       string             `json:"id"`
	Prefix   string             `json:"prefix"`
	Started  time.Time          `json:"started"`
	Next     int                `json:"next"` // number of the next segment
	Segments []snapshot.Segment `json:"segments"`
}

// Begin starts a snapshot with an ID, its UUID. Nothing is written yet.
func (r *Repository) Begin(id string, started time.Time) (*Draft, error) {
	if id == "" || started.IsZero() {
		return nil, errors.New("begin a snapshot: id and start are needed")
	}
	return r.draft(state{
		Format: snapshot.Format, ID: id, Started: started.UTC(),
		Prefix: snapshot.Prefix(r.account, r.connection, started, id),
	}), nil
}

// Resume goes on with a draft from its State. What was added after that state was
// taken must be added again.
func (r *Repository) Resume(saved []byte) (*Draft, error) {
	var s state
	if err := json.Unmarshal(saved, &s); err != nil {
		return nil, errors.New("resume a snapshot: its state is not what State gave")
	}
	if s.Format != snapshot.Format {
		return nil, fmt.Errorf("resume a snapshot: its state has format %d, this program writes %d", s.Format, snapshot.Format)
	}
	if s.Prefix != snapshot.Prefix(r.account, r.connection, s.Started, s.ID) {
		return nil, problem.New(problem.Denied, "resume a snapshot: its state is of another connection")
	}
	return r.draft(s), nil
}

func (r *Repository) draft(s state) *Draft {
	return &Draft{r: r, facts: s, buffers: map[resource.Type]*buffer{}}
}

// Prefix is where the snapshot will lie.
func (d *Draft) Prefix() string { return d.facts.Prefix }

// ID is the snapshot's.
func (d *Draft) ID() string { return d.facts.ID }

// State says which segments were written, for Resume. It holds ids of the org's
// objects: keep it sealed.
func (d *Draft) State() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, err := json.Marshal(d.facts)
	if err != nil {
		return nil, fmt.Errorf("state of a snapshot: %w", err)
	}
	return text, nil
}

// Add takes a resource into the snapshot, and writes segments as they fill. A key
// that was added before is replaced. The body is copied.
func (d *Draft) Add(ctx context.Context, res resource.Resource) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.buffers[res.Type]
	if b == nil {
		b, d.spare = newBuffer(res.Type, d.r.o, d.spare), nil
		d.buffers[res.Type] = b
	}
	before := b.memory()
	if err := b.add(res); err != nil {
		return fmt.Errorf("add to snapshot: %w", err)
	}
	if b.full() {
		return d.write(ctx, b)
	}
	if b.memory() > before {
		return d.relieve(ctx)
	}
	return nil
}

// relieve writes and lets go of the largest buffer when all types together take
// too much memory, whether or not they fill it.
func (d *Draft) relieve(ctx context.Context) error {
	var total int
	var largest *buffer
	for _, b := range d.buffers {
		total += b.memory()
		if largest == nil || b.memory() > largest.memory() {
			largest = b
		}
	}
	if total <= 5*d.r.o.SegmentPlain/2 {
		return nil
	}
	if err := d.write(ctx, largest); err != nil {
		return err
	}
	delete(d.buffers, largest.typ) // and no spare: too much is taken as it is
	return nil
}

// release lets go of an empty buffer, but for its room, which the next type uses.
func (d *Draft) release(t resource.Type) {
	d.spare = d.buffers[t]
	delete(d.buffers, t)
}

// write makes a segment of a buffer. On error the buffer keeps its records: the
// next Add or Flush tries again, under another name.
func (d *Draft) write(ctx context.Context, b *buffer) (err error) {
	d.facts.Segments, err = d.append(ctx, d.facts.Segments, b)
	return err
}

// append writes what a buffer holds, if anything, and adds the segment to a list.
func (d *Draft) append(ctx context.Context, list []snapshot.Segment, b *buffer) ([]snapshot.Segment, error) {
	if len(b.lines) == 0 {
		return list, nil
	}
	d.facts.Next++
	s, err := d.r.write(ctx, d.facts.Prefix, d.facts.Next, b)
	if err != nil {
		return list, err
	}
	b.reset(s, d.r.o)
	return append(list, s), nil
}

// Flush writes all that was added: it is in the store, and in State.
func (d *Draft) Flush(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flush(ctx)
}

func (d *Draft) flush(ctx context.Context) error {
	for _, t := range sortedTypes(d.buffers) {
		if err := d.write(ctx, d.buffers[t]); err != nil {
			return fmt.Errorf("flush %s: %w", t, err)
		}
		d.release(t) // types come one after the other: let go of the memory
		if err := d.fold(ctx, t, crumbs); err != nil {
			return fmt.Errorf("fold %s: %w", t, err)
		}
	}
	return nil
}

// Walk yields a type's resources, in the order of their keys, of all that was added
// before the call. It reads them back from the store, verified.
func (d *Draft) Walk(ctx context.Context, t resource.Type) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		if err := d.Flush(ctx); err != nil {
			yield(resource.Resource{}, err)
			return
		}
		newest(d.r.merge(ctx, d.facts.Prefix, d.segments(t)))(yield)
	}
}

func (d *Draft) segments(t resource.Type) []snapshot.Segment {
	d.mu.Lock()
	defer d.mu.Unlock()
	return snapshot.Manifest{Segments: d.facts.Segments}.Of(t)
}

func sortedTypes[V any](m map[resource.Type]V) []resource.Type {
	out := make([]resource.Type, 0, len(m))
	for t := range m {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}
