package restore

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"imago/pkg/problem"
	"imago/pkg/resource"
)

// place is the field that says where an object stands among its like.
const place resource.Path = "priority"

// priority is the place that an object claims among its like: created in
// ascending order, each keeps its own. Objects without one come first.
func priority(body []byte) int {
	values, err := place.Lookup(body)
	if err != nil || len(values) == 0 {
		return 0
	}
	n := 0
	for _, b := range values[0].JSON {
		if b < '0' || b > '9' || n > 1<<20 {
			return 0
		}
		n = n*10 + int(b-'0')
	}
	return n
}

// finish orders the steps and numbers them.
func (p *planner) finish() (Plan, error) {
	slices.SortStableFunc(p.drafts, func(a, b draft) int {
		return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(a.place, b.place), cmp.Compare(a.Key.Parent, b.Key.Parent),
			cmp.Compare(a.priority, b.priority), a.Key.Compare(b.Key))
	})
	if err := p.number(); err != nil {
		return Plan{}, err
	}
	p.plan.Identical, p.plan.Follows = counts(p.identical), counts(p.follows)
	p.plan.Warnings = append(p.warned, p.unknown()...)
	p.plan.Lost, p.plan.Scopes = p.lost(), p.scopes()
	return p.plan, nil
}

// number takes the steps in order, each as soon as what it needs is made; and if it
// can be, whole, with all its parts.
func (p *planner) number() error {
	n := numbering{p: p, makes: map[name]int{}, frees: map[name]int{}, parts: map[name]int{}, integral: map[name][]int{}}
	for _, d := range p.drafts {
		for _, of := range d.partOf() {
			n.parts[of]++
		}
	}
	for left := p.drafts; len(left) > 0; {
		i := slices.IndexFunc(left, func(d draft) bool { return n.ready(d) && !n.namesHalf(d) })
		if i < 0 {
			i = slices.IndexFunc(left, n.ready)
		}
		if i < 0 {
			return problem.New(problem.Conflict, "%d of the objects need one another to be made first, among them %s", len(left), left[0].Key).
				WithHint("exclude one of them and restore it afterwards")
		}
		n.take(left[i])
		left = slices.Delete(left, i, i+1)
	}
	return nil
}

// numbering is what was numbered so far.
type numbering struct {
	p            *planner
	makes, frees map[name]int   // the step that does
	parts        map[name]int   // how many parts are still to come
	integral     map[name][]int // the steps of its integral parts
}

// take makes a draft the next step.
func (n *numbering) take(d draft) {
	s := d.Step
	s.N = len(n.p.plan.Steps) + 1
	for _, of := range d.waits() {
		s.After = append(s.After, n.makes[of])
		if !slices.Contains(d.partOf(), of) {
			s.After = append(s.After, n.integral[of]...) // not pointed at what lacks a part
			s.Warn = append(s.Warn, n.p.half(of)...)
		}
	}
	if d.behind != (name{}) {
		s.After = append(s.After, n.frees[d.behind])
	}
	s.After = slices.Compact(slices.Sorted(slices.Values(s.After)))
	if d.makes != (name{}) {
		n.makes[d.makes] = s.N
		s.Warn = append(s.Warn, n.p.half(d.makes)...)
	}
	if d.frees != (name{}) {
		n.frees[d.frees] = s.N
	}
	for _, of := range d.partOf() {
		n.parts[of]--
		if d.integral {
			n.integral[of] = append(n.integral[of], s.N)
		}
	}
	n.p.plan.Steps = append(n.p.plan.Steps, s)
}

// half warns of what is made again without all that it consists of.
func (p *planner) half(of name) []string {
	if len(p.lacking[of]) == 0 {
		return nil
	}
	m := p.members[of]
	return []string{p.called(m.Key) + " comes back without " + strings.Join(p.lacking[of], ", ") + ": see what is left out"}
}

func (n *numbering) ready(d draft) bool {
	if d.behind != (name{}) && n.frees[d.behind] == 0 {
		return false
	}
	return !slices.ContainsFunc(d.waits(), func(of name) bool { return n.makes[of] == 0 })
}

// waits lists what the step needs to have been made.
func (d draft) waits() []name { return append(d.Step.waits(), d.needs...) }

// partOf lists what is made that the step's object lies below, or links.
func (d draft) partOf() []name { return waiting(d.Target.Parent, d.Target.ID) }

// namesHalf reports whether the step would name something whose parts are not all
// made: an app must not be under a policy that has no rules yet.
func (n *numbering) namesHalf(d draft) bool {
	own := d.partOf()
	return slices.ContainsFunc(d.waits(), func(of name) bool { return n.parts[of] > 0 && !slices.Contains(own, of) })
}

func counts(of map[resource.Type]int) (out []Count) {
	for _, t := range slices.Sorted(maps.Keys(of)) {
		out = append(out, Count{t, of[t]})
	}
	return out
}

// scopes are what the write credential needs for the steps.
func (p *planner) scopes() []string {
	all := []string{}
	for _, s := range p.plan.Steps {
		info, _ := p.Catalog.Info(s.Key.Type)
		all = append(all, info.WriteScopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
