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
	r      *Repository
	parent *Snapshot // nil: it is a full one
	digest *snapshot.Digester
	fresh  bool // nothing of it was written by another process

	mu     sync.Mutex
	facts  state
	bodies *lane
	moving *lane
	names  *lane
	done   string // digest of the committed manifest
}

// Scope says what a draft is about.
type Scope string

// The scopes.
const (
	Sweep Scope = "sweep" // all of the org: what is not added is gone
	Named Scope = "named" // what is named alone, as a layer over the parent
)

// state is what a draft goes on from.
type state struct {
	Format  int                              `json:"format"`
	ID      string                           `json:"id"`
	Prefix  string                           `json:"prefix"`
	Started time.Time                        `json:"started"`
	Scope   Scope                            `json:"scope"`
	Parent  string                           `json:"parent,omitempty"` // its folder
	Over    string                           `json:"over,omitempty"`   // digest of its manifest
	Next    int                              `json:"next"`             // number of the next segment
	Own     []snapshot.Segment               `json:"own,omitempty"`
	Merged  []string                         `json:"merged,omitempty"` // of the parent's segments
	Held    map[resource.Type]*snapshot.Held `json:"held"`
	Added   map[resource.Type]bool           `json:"added"` // types of which something was read
	Seen    map[snapshot.Family]seen         `json:"seen,omitempty"`
	Names   snapshot.NamePaths               `json:"names,omitempty"`
}

// Begin starts a snapshot with an ID, its UUID, of all of the org: as a layer over its
// parent or, without one, or where the parent's layers weigh too much, a full one.
// Nothing is written yet.
func (r *Repository) Begin(id string, started time.Time, parent *Snapshot) (*Draft, error) {
	if parent != nil && (parent.heavy(started) || !parent.manifest.Started.Before(started)) {
		parent = nil // what began before it, by a clock that went back, stands on nothing of it
	}
	return r.begin(id, started, Sweep, parent)
}

// BeginNamed starts a snapshot that differs from its parent in what is named alone.
func (r *Repository) BeginNamed(id string, started time.Time, parent *Snapshot) (*Draft, error) {
	if parent == nil {
		return nil, errors.New("begin a snapshot: there is no parent")
	}
	if !parent.manifest.Started.Before(started) {
		return nil, problem.New(problem.Unavailable, "the clock went back: the snapshot before began at %s", parent.manifest.Started.Format(time.RFC3339)).
			WithHint("it goes on by itself when that is past")
	}
	return r.begin(id, started, Named, parent)
}

func (r *Repository) begin(id string, started time.Time, scope Scope, parent *Snapshot) (*Draft, error) {
	if id == "" || started.IsZero() {
		return nil, errors.New("begin a snapshot: id and start are needed")
	}
	s := state{
		Format: snapshot.Format, ID: id, Started: started.UTC(), Prefix: snapshot.Prefix(r.account, r.connection, started, id), Scope: scope,
		Held: map[resource.Type]*snapshot.Held{}, Added: map[resource.Type]bool{}, Seen: map[snapshot.Family]seen{},
	}
	s.Names = r.naming(parent)
	if parent != nil {
		s.Parent, s.Over = parent.folder, parent.Digest()
		for _, t := range parent.manifest.Types {
			held := t.Held
			held.Add(t.Hidden)
			s.Held[t.Type] = &held
		}
	}
	d, err := r.draft(s, parent)
	if err == nil {
		d.fresh = true
	}
	return d, err
}

// Resume goes on with a draft from its State. What was added after that state was
// taken must be added again.
func (r *Repository) Resume(ctx context.Context, saved []byte) (*Draft, error) {
	var s state
	if err := json.Unmarshal(saved, &s); err != nil {
		return nil, errors.New("resume a snapshot: its state is not what State gave")
	}
	if s.Held == nil || s.Added == nil {
		return nil, errors.New("resume a snapshot: its state is not what State gave")
	}
	if s.Format != snapshot.Format {
		return nil, fmt.Errorf("resume a snapshot: its state has format %d, this program writes %d", s.Format, snapshot.Format)
	}
	if s.Prefix != snapshot.Prefix(r.account, r.connection, s.Started, s.ID) {
		return nil, problem.New(problem.Denied, "resume a snapshot: its state is of another connection")
	}
	var parent *Snapshot
	if s.Parent != "" {
		var err error
		r.o.Cache.drop(r.backups() + "/" + s.Parent + "/" + snapshot.ManifestName) // it may have been sealed anew
		if parent, err = r.OpenKnown(ctx, Known{Prefix: r.backups() + "/" + s.Parent, Digest: s.Over}); err != nil {
			return nil, fmt.Errorf("resume a snapshot: %w", err)
		}
	}
	return r.draft(s, parent)
}

func (r *Repository) draft(s state, parent *Snapshot) (*Draft, error) {
	d := &Draft{r: r, parent: parent, facts: s, digest: r.digester()}
	var err error
	if d.bodies, err = d.lane(snapshot.Bodies); err != nil {
		return nil, err
	}
	if d.moving, err = d.lane(snapshot.Moving); err != nil {
		return nil, err
	}
	d.names, err = d.lane(snapshot.Names)
	return d, err
}

func (d *Draft) lane(f snapshot.Family) (*lane, error) {
	const ratio = 8 // how well a first segment may compress
	l := &lane{d: d, family: f}
	l.aim(snapshot.Segment{Plain: ratio, Ref: snapshot.Ref{Bytes: 1}})
	if d.facts.Seen == nil {
		d.facts.Seen = map[snapshot.Family]seen{}
	}
	other := func(s snapshot.Segment) bool { return s.Family != f }
	if d.parent != nil {
		l.base = slices.DeleteFunc(slices.Clone(d.parent.manifest.Segments), other)
		l.base = slices.DeleteFunc(l.base, func(s snapshot.Segment) bool { return slices.Contains(d.facts.Merged, s.Name) })
	}
	l.own = slices.DeleteFunc(slices.Clone(d.facts.Own), other)
	var err error
	l.seen, err = d.facts.Seen[f].restored(l.base)
	return l, err
}

// lanes are all that write segments, states those of them whose records make up the state:
// names follow from bodies.
func (d *Draft) lanes() []*lane  { return append(d.states(), d.names) }
func (d *Draft) states() []*lane { return []*lane{d.bodies, d.moving} }

// base and own are the segments below the draft, and those that it wrote.
func (d *Draft) base() (out []snapshot.Segment) {
	for _, l := range d.lanes() {
		out = append(out, l.base...)
	}
	return out
}

func (d *Draft) own() (out []snapshot.Segment) {
	for _, l := range d.lanes() {
		out = append(out, l.own...)
	}
	return out
}

// held is what the draft's layers hold of a type.
func (d *Draft) held(t resource.Type) *snapshot.Held {
	h := d.facts.Held[t]
	if h == nil {
		h = &snapshot.Held{}
		d.facts.Held[t] = h
	}
	return h
}

// segment writes one of the draft's segments.
func (d *Draft) segment(ctx context.Context, f snapshot.Family, layer int, b *buffer) (snapshot.Segment, error) {
	d.facts.Next++
	s := snapshot.Segment{Ref: snapshot.Ref{Folder: d.folder()}, Family: f, Layer: layer}
	return d.r.write(ctx, s, d.facts.Next, b, d.parent == nil)
}

// Prefix is where the snapshot will lie.
func (d *Draft) Prefix() string { return d.facts.Prefix }

func (d *Draft) folder() string {
	_, folder := split(d.facts.Prefix)
	return folder
}

// Parent is where the snapshot lies that the draft is a layer over; "": it is a full one.
func (d *Draft) Parent() string {
	if d.parent == nil {
		return ""
	}
	return d.parent.Prefix()
}

// ID is the snapshot's.
func (d *Draft) ID() string { return d.facts.ID }

// State says which segments were written, for Resume. It holds ids of the org's
// objects: keep it sealed.
func (d *Draft) State() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.facts.Own, d.facts.Merged = d.own(), d.merged()
	for _, l := range d.lanes() {
		d.facts.Seen[l.family] = l.seen
	}
	text, err := json.Marshal(d.facts)
	if err != nil {
		return nil, fmt.Errorf("state of a snapshot: %w", err)
	}
	return text, nil
}

// merged names the parent's segments that the draft does not stand on.
func (d *Draft) merged() (out []string) {
	if d.parent == nil {
		return nil
	}
	for _, s := range without(d.parent.manifest.Segments, d.base()) {
		out = append(out, s.Name)
	}
	return out
}

// Add takes a resource into the snapshot, and writes segments as they fill. A key
// that was added before is replaced. The body is copied.
func (d *Draft) Add(ctx context.Context, res resource.Resource) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.add(ctx, res); err != nil {
		return fmt.Errorf("add to snapshot: %w", err)
	}
	return nil
}

func (d *Draft) add(ctx context.Context, res resource.Resource) error {
	if res.Body == nil {
		return fmt.Errorf("%w: %s has no body", snapshot.ErrUnfit, res.Key)
	}
	names := d.r.moving[res.Type]
	stays, moving, err := resource.Part(res.Body, names)
	if err != nil {
		return fmt.Errorf("%w: the body of %s is not canonical JSON", snapshot.ErrUnfit, res.Key)
	}
	if err := d.bodies.add(ctx, resource.Resource{Key: res.Key, Body: stays}); err != nil {
		return err
	}
	if d.facts.Added[res.Type] = true; len(names) == 0 {
		return nil
	}
	return d.moving.add(ctx, resource.Resource{Key: res.Key, Body: moving})
}

// Remove takes a resource out of the snapshot: it is known to be gone.
func (d *Draft) Remove(ctx context.Context, key resource.Key) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.facts.Added[key.Type] = true
	err := d.bodies.add(ctx, resource.Resource{Key: key})
	if err == nil && len(d.r.moving[key.Type]) > 0 {
		err = d.moving.add(ctx, resource.Resource{Key: key})
	}
	if err != nil {
		return fmt.Errorf("remove from snapshot: %w", err)
	}
	return nil
}

// Flush writes all that was added: it is in the store, and in State.
func (d *Draft) Flush(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lanes() {
		if err := l.join(ctx); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
		if err := l.write(ctx, false); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
		if err := l.fold(ctx); err != nil {
			return fmt.Errorf("fold: %w", err)
		}
	}
	return nil
}

// Walk yields a type's resources, in the order of their keys, of all that was added
// before the call. Members that move by themselves are left out.
func (d *Draft) Walk(ctx context.Context, t resource.Type) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		w, met, err := d.view(ctx, t)
		for err == nil {
			var all []version
			if all, err = w.next(ctx); err != nil || len(all) == 0 {
				break
			}
			if !all[0].Deleted() && met(all[0]) && !yield(all[0].Resource, nil) {
				return
			}
		}
		if err != nil {
			yield(resource.Resource{}, err)
		}
	}
}

// view is the state of a type as it is now, for a walk beside which more is added.
func (d *Draft) view(ctx context.Context, t resource.Type) (*walker, func(version) bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.bodies.join(ctx); err != nil {
		return nil, nil, err
	}
	waiting := d.bodies.delta.copyOf(t)
	met := d.bodies.seen.clone().met
	if d.facts.Scope == Named {
		met = func(version) bool { return true }
	}
	return d.r.walk(d.bodies.stack(), ofType(t)).with(&waiting), met, nil
}
