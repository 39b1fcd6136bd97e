package restore

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"
	"sort"
	"strings"

	"imago/pkg/problem"
	"imago/pkg/resource"
)

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
	n := newNumbering(p)
	for range p.drafts {
		i, ok := n.next()
		if !ok {
			first := p.drafts[slices.Index(n.taken, false)]
			return problem.New(problem.Conflict, "%d of the objects need one another to be made first, among them %s",
				len(p.drafts)-len(p.plan.Steps), first.Key).WithHint("exclude one of them and restore it afterwards")
		}
		n.take(i)
	}
	return nil
}

// numbering is what was numbered so far, and what waits for what. Drafts go by their
// places in the planner's order.
type numbering struct {
	p            *planner
	makes, frees map[name]int   // the step that does
	parts        map[name]int   // how many parts are still to come
	integral     map[name][]int // the steps of its integral parts

	waits, partOf                  [][]name       // of each draft
	taken                          []bool         // is a step
	blocked, halves                []int          // how much that it needs is not made, and not whole
	whenMade, whenFreed, whenWhole map[name][]int // who waits for it
	whenTaken                      map[name][]int // who comes after it, made or not
	ready, readyHalf               queue          // not blocked; and naming nothing half, or perhaps something
}

func newNumbering(p *planner) *numbering {
	many := len(p.drafts)
	n := &numbering{
		p: p, makes: map[name]int{}, frees: map[name]int{}, parts: map[name]int{}, integral: map[name][]int{},
		waits: make([][]name, many), partOf: make([][]name, many), taken: make([]bool, many), blocked: make([]int, many), halves: make([]int, many),
		whenMade: map[name][]int{}, whenFreed: map[name][]int{}, whenWhole: map[name][]int{}, whenTaken: map[name][]int{},
	}
	for i, d := range p.drafts {
		n.waits[i], n.partOf[i] = d.waits(), d.partOf()
		for _, of := range n.partOf[i] {
			n.parts[of]++
		}
	}
	for i, d := range p.drafts {
		n.wait(i, d)
	}
	return n
}

// wait notes what a draft waits for. What names something whose parts are not all made
// waits for them while it can: an app must not be under a policy that has no rules yet.
func (n *numbering) wait(i int, d draft) {
	for _, of := range n.waits[i] {
		n.blocked[i]++
		n.whenMade[of] = append(n.whenMade[of], i)
		if n.parts[of] > 0 && !slices.Contains(n.partOf[i], of) {
			n.halves[i]++
			n.whenWhole[of] = append(n.whenWhole[of], i)
		}
	}
	if d.behind != (name{}) {
		n.blocked[i]++
		n.whenFreed[d.behind] = append(n.whenFreed[d.behind], i)
	}
	if d.afterTurn != (name{}) {
		n.blocked[i]++
		n.whenTaken[d.afterTurn] = append(n.whenTaken[d.afterTurn], i)
	}
	n.enqueue(i)
}

func (n *numbering) enqueue(i int) {
	switch {
	case n.blocked[i] > 0:
	case n.halves[i] > 0:
		heap.Push(&n.readyHalf, i)
	default:
		heap.Push(&n.ready, i)
	}
}

// happened tells those who wait for something of a name that it is there.
func (n *numbering) happened(who map[name][]int, of name, left []int) {
	for _, i := range who[of] {
		if left[i]--; left[i] == 0 {
			n.enqueue(i)
		}
	}
	delete(who, of)
}

// next is the first draft that can be made.
func (n *numbering) next() (i int, ok bool) {
	for _, q := range []*queue{&n.ready, &n.readyHalf} {
		for q.Len() > 0 {
			if i := heap.Pop(q).(int); !n.taken[i] {
				return i, true
			}
		}
	}
	return 0, false
}

// queue gives the first draft first.
type queue struct{ sort.IntSlice }

func (q *queue) Push(i any) { q.IntSlice = append(q.IntSlice, i.(int)) }

func (q *queue) Pop() any {
	last := len(q.IntSlice) - 1
	defer func() { q.IntSlice = q.IntSlice[:last] }()
	return q.IntSlice[last]
}

// take makes a draft the next step.
func (n *numbering) take(i int) {
	d := n.p.drafts[i]
	s := d.Step
	s.N, n.taken[i] = len(n.p.plan.Steps)+1, true
	for _, of := range n.waits[i] {
		s.After = append(s.After, n.makes[of])
		if !slices.Contains(n.partOf[i], of) {
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
		n.happened(n.whenMade, d.makes, n.blocked)
	}
	if d.frees != (name{}) {
		n.frees[d.frees] = s.N
		n.happened(n.whenFreed, d.frees, n.blocked)
	}
	if d.turn != (name{}) {
		n.happened(n.whenTaken, d.turn, n.blocked)
	}
	for _, of := range n.partOf[i] {
		n.made(of, d, s.N)
	}
	n.p.plan.Steps = append(n.p.plan.Steps, s)
}

// made counts a part that is a step now.
func (n *numbering) made(of name, d draft, step int) {
	if d.integral {
		n.integral[of] = append(n.integral[of], step)
	}
	if n.parts[of]--; n.parts[of] == 0 {
		n.happened(n.whenWhole, of, n.halves)
	}
}

// half warns of what is made again without all that it consists of.
func (p *planner) half(of name) []string {
	if len(p.lacking[of]) == 0 {
		return nil
	}
	m := p.members[of]
	return []string{p.called(m.Key) + " comes back without " + strings.Join(p.lacking[of], ", ") + ": see what is left out"}
}

// waits lists what the step needs to have been made.
func (d draft) waits() []name { return append(d.Step.waits(), d.needs...) }

// partOf lists what is made that the step's object lies below, or links.
func (d draft) partOf() []name { return waiting(d.Target.Parent, d.Target.ID) }

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
