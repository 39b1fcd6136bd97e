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
	in       resource.Key            // type and parent
	drafts   []int                   // in the planner's order
	siblings []resource.Resource     // that are there, in their order; not the provider's own
	chosen   map[resource.Key]member // members whose order matters, by their live keys
}

// settlePlaces looks what the plan does to the order of what is not chosen.
func (p *planner) settlePlaces(ctx context.Context) error {
	for _, r := range p.rows() {
		all, err := p.live.children(ctx, r.info, r.in)
		if err != nil {
			return err
		}
		p.plan.Rows = append(p.plan.Rows, Row{r.in, inOrder(all)})
		slices.SortFunc(all, byPlace)
		r.siblings = slices.DeleteFunc(slices.Clone(all), func(s resource.Resource) bool { return systemOwned(r.info, s) })
		if err := p.tellOrder(ctx, r); err != nil {
			return err
		}
		if !r.info.Displaces {
			continue
		}
		if err := p.keepPlaces(r); err != nil {
			return err
		}
	}
	return nil
}

func byPlace(a, b resource.Resource) int {
	return cmp.Or(cmp.Compare(resource.PlaceOf(a.Body), resource.PlaceOf(b.Body)), a.Compare(b.Key))
}

// inOrder are the IDs of resources in the order of their places.
func inOrder(all []resource.Resource) (ids []string) {
	for _, r := range slices.SortedFunc(slices.Values(all), byPlace) {
		ids = append(ids, r.ID)
	}
	return ids
}

// rows are the plan's, below parents that are there.
func (p *planner) rows() []row {
	at, chosen := map[resource.Key]row{}, p.inRows()
	for i, d := range p.drafts {
		in := resource.Key{Type: d.Target.Type, Parent: d.Target.Parent}
		info := p.info(in.Type)
		own := systemOwned(info, resource.Resource{Key: d.Target, Body: d.Want})
		if info.Integral && d.Want != nil && !own && len(waiting(in.Parent)) == 0 {
			at[in] = row{info: info, in: in, drafts: append(at[in].drafts, i), chosen: chosen}
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

// inRows are the members whose order matters, by their live keys.
func (p *planner) inRows() map[resource.Key]member {
	at := map[resource.Key]member{}
	for _, m := range p.members {
		if m.info.Integral {
			at[p.target(m.info, m.Key)] = m
		}
	}
	return at
}

// tellOrder warns of what comes to stand on another side of a sibling than it stood,
// because that one was moved or made since and is not chosen.
func (p *planner) tellOrder(ctx context.Context, r row) error {
	for _, s := range r.siblings {
		if p.written(r, s.ID) != nil {
			continue
		}
		was, err := p.before(ctx, r, s)
		if err != nil {
			return err
		}
		label, err := resource.Label(r.info, s.Body)
		if err != nil {
			return err
		}
		for _, i := range r.drafts {
			d := &p.drafts[i]
			if side := changesSides(*d, was, resource.PlaceOf(s.Body)); side != "" {
				since := "moved"
				if was == 0 {
					since = "made"
				}
				d.Warn = append(d.Warn, fmt.Sprintf("it comes to stand %s “%s”, which was %s since the snapshot: look whether that one has to be moved, too", side, label, since))
			}
		}
	}
	return nil
}

// before is the place that a live sibling had in the snapshot; 0: it was not there.
func (p *planner) before(ctx context.Context, r row, s resource.Resource) (int, error) {
	if m, ok := r.chosen[s.Key]; ok {
		return resource.PlaceOf(m.Body), nil
	}
	was, err := p.Snapshot.Get(ctx, s.Key)
	if problem.Is(err, problem.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s from the snapshot: %w", s.Type, err)
	}
	return resource.PlaceOf(was.Body), nil
}

// changesSides tells on which side of a sibling a draft puts its object, if it is
// another than in the snapshot; and where the snapshot does not know the sibling (was 0),
// than today. Who claims a place comes before the one that has it.
func changesSides(d draft, was, now int) (side string) {
	claimed, live := resource.PlaceOf(d.Want), resource.PlaceOf(d.Expect)
	stood := claimed
	if was == 0 {
		stood, was = live, now
		if d.Expect == nil {
			stood = math.MaxInt
		}
	}
	switch {
	case live == claimed: // it stays where it is
	case stood > was && claimed <= now:
		return "before"
	case stood < was && claimed > now:
		return "behind"
	}
	return ""
}

// keepPlaces adds steps for what is displaced, so that each sibling gets its number back,
// and has all that is written into the row written in the order of the places.
func (p *planner) keepPlaces(r row) error {
	last := p.drafts[slices.MaxFunc(r.drafts, func(a, b int) int { return cmp.Compare(p.drafts[a].phase, p.drafts[b].phase) })]
	for _, i := range r.drafts {
		p.drafts[i].phase = last.phase
	}
	for _, s := range p.displaced(r) {
		d := draft{
			Step: Step{Op: provider.Update, Key: s.Key, Target: s.Key, Title: r.info.Title, Want: s.Body, Expect: s.Body,
				Why: "keeps its place, from which the writes before it would move it"},
			phase: last.phase, place: last.place, priority: resource.PlaceOf(s.Body), integral: r.info.Integral,
		}
		if err := p.add(d, member{Resource: s, info: r.info}); err != nil {
			return err
		}
		r.drafts = append(r.drafts, len(p.drafts)-1)
	}
	p.takeTurns(r)
	return nil
}

// takeTurns has the drafts of a row come one after the other, by the place that they
// claim: in ascending order each keeps its own.
func (p *planner) takeTurns(r row) {
	slices.SortStableFunc(r.drafts, func(a, b int) int {
		return cmp.Compare(resource.PlaceOf(p.drafts[a].Want), resource.PlaceOf(p.drafts[b].Want))
	})
	for n, i := range r.drafts {
		turn := func(n int) name { return name{r.in.Type, fmt.Sprintf("%s/turn %d", r.in.Parent, n)} }
		if p.drafts[i].turn = turn(n); n > 0 {
			p.drafts[i].afterTurn = turn(n - 1)
		}
	}
}

// displaced lists what stands behind the first place that is claimed, and is not written
// itself: it may be counted on, and if not, its step writes nothing. What nobody chose
// gives way for good from where something else claims its place.
func (p *planner) displaced(r row) (out []resource.Resource) {
	claimed, from := map[int]bool{}, math.MaxInt
	for _, i := range r.drafts {
		at := resource.PlaceOf(p.drafts[i].Want)
		claimed[at], from = true, min(from, at)
	}
	gave := false
	for _, s := range r.siblings {
		at := resource.PlaceOf(s.Body)
		_, chosen := r.chosen[s.Key]
		switch {
		case at < from || p.written(r, s.ID) != nil:
		case !chosen && (gave || claimed[at]):
			gave = true
		default:
			out = append(out, s)
		}
	}
	return out
}

// reordered tells that somebody has changed the order in which a step writes, since the
// plan was made. Once a step of the plan may have written there, the order is its own.
func (a *applying) reordered(ctx context.Context, s Step) (why string, err error) {
	i := slices.IndexFunc(a.plan.Rows, func(r Row) bool { return r.In.Type == s.Target.Type && r.In.Parent == s.Target.Parent })
	if i < 0 || a.entered(a.plan.Rows[i].In, s.N) {
		return "", nil
	}
	row := a.plan.Rows[i]
	live := NewLive().slice(a.Reader, a.Until, a.Now)
	info, _ := a.Catalog.Info(row.In.Type)
	all, err := live.children(ctx, info, row.In)
	if problem.Is(err, problem.NotFound) {
		return "", nil // the parent is gone: the writer finds its words for that
	}
	if err != nil || slices.Equal(inOrder(all), row.IDs) {
		return "", err
	}
	return "the order of its like has changed since the plan was made: plan again", nil
}

// entered reports whether another step of the plan may have written into a row.
func (a *applying) entered(in resource.Key, but int) bool {
	return slices.ContainsFunc(a.plan.Steps, func(s Step) bool {
		state := a.entries[s.N].State
		return s.N != but && s.Target.Type == in.Type && s.Target.Parent == in.Parent && (state == Begun || state == Done)
	})
}
