package restore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// row is what a plan writes below one parent, of a type whose order matters.
type row struct {
	info     resource.Info
	in       resource.Key        // type and parent
	drafts   []int               // in the order of the plan's
	siblings []resource.Resource // that are there, in their order; not the provider's own
}

// settlePlaces looks what the plan does to the order of what is not chosen.
func (p *planner) settlePlaces(ctx context.Context) error {
	for _, r := range p.rows() {
		all, err := p.live.children(ctx, r.info, r.in)
		if err != nil {
			return err
		}
		r.siblings = slices.DeleteFunc(slices.Clone(all), func(s resource.Resource) bool { return systemOwned(r.info, s) })
		slices.SortFunc(r.siblings, func(a, b resource.Resource) int {
			return cmp.Or(cmp.Compare(resource.PlaceOf(a.Body), resource.PlaceOf(b.Body)), a.Compare(b.Key))
		})
		if err := p.tellOrder(ctx, r); err != nil {
			return err
		}
		if r.info.Displaces {
			if err := p.keepPlaces(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// rows are the plan's, below parents that are there.
func (p *planner) rows() []row {
	at := map[resource.Key]row{}
	for i, d := range p.drafts {
		in := resource.Key{Type: d.Target.Type, Parent: d.Target.Parent}
		info := p.info(in.Type)
		own := systemOwned(info, resource.Resource{Key: d.Target, Body: d.Want})
		if info.Integral && d.Want != nil && !own && len(waiting(in.Parent)) == 0 {
			at[in] = row{info: info, in: in, drafts: append(at[in].drafts, i)}
		}
	}
	return slices.SortedFunc(maps.Values(at), func(a, b row) int { return a.in.Compare(b.in) })
}

// written is the draft of a sibling, if there is one.
func (p *planner) written(r row, id string) *draft {
	for _, i := range r.drafts {
		if p.drafts[i].Target.ID == id {
			return &p.drafts[i]
		}
	}
	return nil
}

// tellOrder warns of what comes to stand on another side of a sibling than it stood in
// the snapshot, because that one was moved since and is not chosen.
func (p *planner) tellOrder(ctx context.Context, r row) error {
	for _, s := range r.siblings {
		if p.written(r, s.ID) != nil {
			continue
		}
		was, err := p.Snapshot.Get(ctx, s.Key)
		if problem.Is(err, problem.NotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s from the snapshot: %w", s.Type, err)
		}
		label, err := resource.Label(r.info, s.Body)
		if err != nil {
			return err
		}
		for _, i := range r.drafts {
			d := &p.drafts[i]
			if side := changesSides(*d, resource.PlaceOf(was.Body), resource.PlaceOf(s.Body)); side != "" {
				d.Warn = append(d.Warn, fmt.Sprintf("it comes to stand %s “%s”, as it did not in the snapshot: that one was moved since, choose it too", side, label))
			}
		}
	}
	return nil
}

// changesSides tells on which side of a sibling a draft puts its object, if it is
// another than in the snapshot; who claims a place comes before the one that has it.
func changesSides(d draft, was, now int) (side string) {
	claimed := resource.PlaceOf(d.Want)
	switch {
	case d.Expect != nil && resource.PlaceOf(d.Expect) == claimed: // it stays where it is
		return ""
	case claimed > was && claimed <= now:
		return "before"
	case claimed < was && claimed > now:
		return "behind"
	}
	return ""
}

// keepPlaces adds steps for what the updates displace, so that each sibling gets its
// number back: one after another, in ascending order, behind what is written.
func (p *planner) keepPlaces(r row) error {
	last := p.together(r)
	if last == nil {
		return nil
	}
	for _, s := range p.displaced(r) {
		d := draft{
			Step: Step{Op: provider.Update, Key: s.Key, Target: s.Key, Title: r.info.Title, Want: s.Body, Expect: s.Body,
				Why: fmt.Sprintf("keeps its place: writing “%s” would move it", last.Label)},
			phase: last.phase, place: last.place, priority: resource.PlaceOf(s.Body), integral: r.info.Integral,
		}
		for _, i := range r.drafts {
			d.needs = append(d.needs, p.drafts[i].Step.waits()...)
		}
		if err := p.add(d, member{Resource: s, info: r.info}); err != nil {
			return err
		}
	}
	return nil
}

// together lets the updates of a row come in one go, and gives the last of them; nil
// if there is none.
func (p *planner) together(r row) (last *draft) {
	for _, i := range r.drafts {
		if d := &p.drafts[i]; d.Op == provider.Update && (last == nil || d.phase > last.phase) {
			last = d
		}
	}
	for _, i := range r.drafts {
		if d := &p.drafts[i]; d.Op == provider.Update {
			d.phase = last.phase
		}
	}
	return last
}

// displaced lists what stands so close behind the first place that an update claims
// that it is counted on. What is behind a place that something else claims gives way
// for good.
func (p *planner) displaced(r row) (out []resource.Resource) {
	claimed, at := map[int]bool{}, math.MaxInt
	for _, i := range r.drafts {
		d := p.drafts[i]
		claimed[resource.PlaceOf(d.Want)] = true
		if d.Op == provider.Update {
			at = min(at, resource.PlaceOf(d.Want))
		}
	}
	for _, s := range r.siblings {
		switch next, d := resource.PlaceOf(s.Body), p.written(r, s.ID); {
		case next < at:
			continue
		case next > at+1 || d == nil && claimed[next]:
			return out
		case d == nil:
			out, at = append(out, s), next
		default:
			at = next
		}
	}
	return out
}
