package restore

import (
	"cmp"
	"maps"
	"slices"

	"imago/pkg/problem"
	"imago/pkg/resource"
)

// priority is the place that an object claims among its like: created in
// ascending order, each keeps its own. Objects without one come first.
func priority(body []byte) int {
	values, err := resource.Path("priority").Lookup(body)
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
	p.plan.Warnings = p.unknown()
	p.plan.Lost, p.plan.Scopes = p.lost(), p.scopes()
	return p.plan, nil
}

// number takes the steps in order, each as soon as what it needs is made; and if it
// can be, whole, with all its parts.
func (p *planner) number() error {
	makes, frees, parts := map[name]int{}, map[name]int{}, map[name]int{}
	for _, d := range p.drafts {
		for _, n := range d.partOf() {
			parts[n]++
		}
	}
	for left := p.drafts; len(left) > 0; {
		i := slices.IndexFunc(left, func(d draft) bool { return ready(d, makes, frees) && !d.namesHalf(parts) })
		if i < 0 {
			i = slices.IndexFunc(left, func(d draft) bool { return ready(d, makes, frees) })
		}
		if i < 0 {
			return problem.New(problem.Conflict, "%d of the objects need one another to be made first, among them %s", len(left), left[0].Key).
				WithHint("exclude one of them and restore it afterwards")
		}
		s, d := left[i].Step, left[i]
		s.N = len(p.plan.Steps) + 1
		for _, n := range d.waits() {
			s.After = append(s.After, makes[n])
		}
		if d.behind != (name{}) {
			s.After = append(s.After, frees[d.behind])
		}
		slices.Sort(s.After)
		s.After = slices.Compact(s.After)
		p.plan.Steps = append(p.plan.Steps, s)
		if d.makes != (name{}) {
			makes[d.makes] = s.N
		}
		if d.frees != (name{}) {
			frees[d.frees] = s.N
		}
		for _, n := range d.partOf() {
			parts[n]--
		}
		left = slices.Delete(left, i, i+1)
	}
	return nil
}

func ready(d draft, makes, frees map[name]int) bool {
	if d.behind != (name{}) && frees[d.behind] == 0 {
		return false
	}
	return !slices.ContainsFunc(d.waits(), func(n name) bool { return makes[n] == 0 })
}

// partOf lists what is made that the step's object lies below, or links.
func (d draft) partOf() []name { return waiting(d.Target.Parent, d.Target.ID) }

// namesHalf reports whether the step would name something whose parts are not all
// made: an app must not be under a policy that has no rules yet.
func (d draft) namesHalf(parts map[name]int) bool {
	own := d.partOf()
	return slices.ContainsFunc(d.waits(), func(n name) bool { return parts[n] > 0 && !slices.Contains(own, n) })
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
