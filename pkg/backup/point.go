package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Named is what a snapshot of single objects is taken from, as a layer over another one.
// Its Draft MUST be of what is named alone.
type Named struct {
	Input
	Over Known          // what it is a layer over
	Keys []resource.Key // what to read again; they MUST be the same in every slice
}

// Known is a snapshot that exists. repository.Snapshot is one.
type Known interface {
	Manifest() snapshot.Manifest
	// Below yields what it holds of a type below one parent.
	Below(ctx context.Context, t resource.Type, parent string) iter.Seq2[resource.Resource, error]
}

// Point takes a snapshot of single objects further, as Slice does one of a whole org. What
// is gone is taken out, with what hung on it. What cannot be read stays as it was, and a gap
// says so. It writes no checkpoint unless the slice ends: a killed one begins anew.
func Point(ctx context.Context, in Named, o Options) (Outcome, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &pointing{taking: taking{Input: in.Input, Options: o}, over: in.Over, keys: in.Keys}
	err := p.begin(ctx)
	if err == nil {
		err = p.read(ctx)
	}
	if err != nil {
		return p.pause(ctx, err)
	}
	m, err := p.commit(ctx)
	return Outcome{Done: err == nil, Manifest: m, Progress: p.s.progress()}, err
}

// pointing is one slice of a point at work.
type pointing struct {
	taking
	over Known
	keys []resource.Key
}

func (p *pointing) begin(ctx context.Context) error {
	raw, err := p.Journal.Load(ctx)
	if err != nil {
		return fmt.Errorf("load the snapshot's checkpoint: %w", err)
	}
	if p.s, err = read(raw, p.Catalog); err != nil {
		return err
	}
	if p.draft, err = p.Open(ctx, p.s.Draft); err != nil {
		return fmt.Errorf("open the draft: %w", err)
	}
	p.saved = p.Now()
	return nil
}

func (p *pointing) read(ctx context.Context) error {
	for p.s.Next < len(p.keys) {
		key := p.keys[p.s.Next]
		if at := p.s.of(key.Type); at != nil {
			if err := p.readKey(ctx, at, key); err != nil {
				return err
			}
		}
		p.s.Next++
		p.s.Failures = 0
		if err := p.checkpoint(ctx); err != nil {
			return err
		}
	}
	return nil
}

// readKey reads one object as it stands now.
func (p *pointing) readKey(ctx context.Context, at *typeState, key resource.Key) error {
	r, err := p.Reader.Get(ctx, key)
	at.Calls++
	switch {
	case err == nil:
		return p.keep(ctx, at, resource.Resource{Key: key, Body: r.Body})
	case problem.Is(err, problem.NotFound):
		return p.gone(ctx, key)
	}
	g, ok := p.gap(ctx, err)
	if !ok {
		return fmt.Errorf("read a %s: %w", key.Type, err)
	}
	at.miss(stays(g, key))
	return nil
}

// gap is what an error says of one object; false: it is about the moment, or the org.
func (p *pointing) gap(ctx context.Context, err error) (snapshot.Gap, bool) {
	if provider.WaitOf(err) != nil || ctx.Err() != nil {
		return snapshot.Gap{}, false
	}
	if u, ok := errors.AsType[*provider.Unreadable](err); ok {
		return u.Gap, true
	}
	if problem.Is(err, problem.Denied) {
		_, refused := p.Reader.Org(ctx)
		return snapshot.Gap{Reason: snapshot.Forbidden, Detail: problem.Of(err).What}, refused == nil
	}
	return snapshot.Gap{Reason: snapshot.Failed, Detail: fmt.Sprintf("the provider failed %d times in a row", p.GiveUp)},
		p.givenUp(ctx, &listError{err})
}

// stays words a gap for an object that is left as it was.
func stays(g snapshot.Gap, key resource.Key) snapshot.Gap {
	return snapshot.Gap{Type: key.Type, Parent: key.Parent, Reason: g.Reason,
		Detail: "what changed could not be read, and stays as it was before: " + cmp.Or(g.Detail, string(g.Reason))}
}

func (p *pointing) keep(ctx context.Context, at *typeState, r resource.Resource) error {
	err := p.draft.Add(ctx, r)
	if errors.Is(err, snapshot.ErrUnfit) {
		at.miss(stays(snapshot.Gap{Reason: snapshot.Failed, Detail: "its ID has a slash, or it is larger than 16 MiB"}, r.Key))
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep a %s: %w", r.Type, err)
	}
	at.Bytes += int64(len(r.Body))
	return nil
}

// gone takes out an object, and what hung on it.
func (p *pointing) gone(ctx context.Context, key resource.Key) error {
	if err := p.draft.Remove(ctx, key); err != nil {
		return fmt.Errorf("take out a %s: %w", key.Type, err)
	}
	for _, info := range p.Catalog {
		if info.Parent != key.Type {
			continue
		}
		for r, err := range p.over.Below(ctx, info.Type, idOf(key)) {
			if err != nil {
				return fmt.Errorf("read what hung on a %s: %w", key.Type, err)
			}
			if err := p.gone(ctx, r.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// commit makes the snapshot exist: what it says of a type is what the other one says,
// besides the gaps that it has found.
func (p *pointing) commit(ctx context.Context) (snapshot.Manifest, error) {
	if p.s.Ended.IsZero() {
		p.s.Ended = p.Now().UTC()
	}
	was, m := p.over.Manifest(), p.Facts
	m.OrgID, m.Engine, m.Ended, m.Types = was.OrgID, was.Engine, p.s.Ended, nil
	for _, at := range p.s.Types {
		status, _ := was.Status(at.Type)
		status.Type = at.Type
		if gaps := besides(status.Gaps, at.Gaps); len(gaps) > len(status.Gaps) {
			status.Gaps = gaps
			m.Types = append(m.Types, status)
		}
	}
	m, err := p.draft.Commit(ctx, m)
	if err != nil {
		return snapshot.Manifest{}, fmt.Errorf("commit the snapshot: %w", err)
	}
	p.s.Types = slices.DeleteFunc(p.s.Types, func(at *typeState) bool { _, ok := m.Status(at.Type); return !ok })
	for _, at := range p.s.Types {
		status, _ := m.Status(at.Type)
		at.Objects, at.Gaps, at.Done = status.Objects, status.Gaps, true
	}
	return m, nil
}

// besides are gaps and those of more that are at places which none of them covers.
func besides(gaps, more []snapshot.Gap) []snapshot.Gap {
	out := slices.Clone(gaps)
	for _, g := range more {
		if !slices.ContainsFunc(out, func(known snapshot.Gap) bool { return known.Covers(g.Type, g.Parent) }) {
			out = append(out, g)
		}
	}
	return out
}
