package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"imago/pkg/diff"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// planFormat is raised when an older program could not apply a plan.
const planFormat = 1

// Input is what a plan is made from.
type Input struct {
	Catalog   resource.Catalog
	Snapshot  Snapshot
	Reader    provider.Reader
	Selection Selection
	// Live keeps what was read of the org, from one call to the next that goes on
	// where it had to wait; nil: each call reads everything.
	Live  *Live
	Now   func() time.Time // nil: time.Now
	Until time.Time        // reading ends after this with a *provider.Wait; zero: never
}

// MakePlan compares a selection with the live org and orders the writes that bring
// it back. It adds and merges: nothing that the org holds besides is taken away.
// Nothing is written. A *provider.Wait says when to call again, with the same Live.
func MakePlan(ctx context.Context, in Input) (Plan, error) {
	if in.Now == nil {
		in.Now = time.Now
	}
	c, err := collect(ctx, in.Catalog, in.Snapshot, in.Selection)
	if err != nil {
		return Plan{}, err
	}
	p := &planner{Input: in, c: c, live: in.Live.slice(in.Reader, in.Until, in.Now), now: ids{}, settled: map[name]bool{}, dropped: map[name]bool{}, will: map[name][]byte{},
		identical: map[resource.Type]int{}, follows: map[resource.Type]int{}, namesakes: map[name][]string{}, past: map[resource.Key][]byte{},
		members: map[name]member{}, begun: map[resource.Key]struct{}{}, lacking: map[name][]string{}}
	m := in.Snapshot.Manifest()
	p.plan = Plan{Format: planFormat, Snapshot: m.ID, Taken: m.Started, Org: m.Org, Planned: in.Now().UTC(), Selection: in.Selection}
	if err := p.all(ctx); err != nil {
		return Plan{}, err
	}
	if err := p.settlePlaces(ctx); err != nil {
		return Plan{}, err
	}
	return p.finish()
}

// planner makes one plan.
type planner struct {
	Input
	c    *closure
	live *Live
	plan Plan

	members map[name]member
	begun   map[resource.Key]struct{}
	now     ids               // identities that change: to a live ID, or a placeholder
	settled map[name]bool     // exists, or will
	dropped map[name]bool     // is left out
	lacking map[name][]string // labels of the integral parts that are left out
	will    map[name][]byte   // how a person will stand
	drafts  []draft

	warned []string // of the plan as a whole

	past map[resource.Key][]byte // bodies of what is gone, for its name

	identical, follows map[resource.Type]int
	namesakes          map[name][]string // live objects of one name that are something else
}

// draft is a step on its way into the plan.
type draft struct {
	Step
	phase, place, priority int
	makes                  name   // what it gives an ID to; zero: nothing
	behind                 name   // what must be deleted before
	frees                  name   // what it deletes
	needs                  []name // what must be made before, besides what it names
	turn, afterTurn        name   // of the steps that write into one row, one comes after the other
	integral               bool   // see resource.Info
}

// all settles the selected and their parts, then whatever refers to what gets
// another identity by it, until nothing new turns up.
func (p *planner) all(ctx context.Context) error {
	done := 0
	for done < len(p.c.members) {
		batch := slices.Clone(p.c.members[done:])
		done = len(p.c.members)
		slices.SortStableFunc(batch, p.order)
		moved, err := p.settleAll(ctx, batch)
		if err != nil {
			return err
		}
		if !p.Selection.WithDependents || len(moved) == 0 {
			continue
		}
		if err := p.c.hanging(ctx, moved, part); err != nil {
			return err
		}
		if err := p.c.referrers(ctx, moved); err != nil {
			return err
		}
	}
	return nil
}

// order is the order of restoring: by phase, parents before children.
func (p *planner) order(a, b member) int {
	return cmp.Or(cmp.Compare(a.info.Phase, b.info.Phase), cmp.Compare(p.index(a.Type), p.index(b.Type)), a.Compare(b.Key))
}

func (p *planner) index(t resource.Type) int {
	return slices.IndexFunc(p.Catalog, func(i resource.Info) bool { return i.Type == t })
}

// settleAll decides about members, type by type, and gives those that get another identity.
func (p *planner) settleAll(ctx context.Context, all []member) (moved []member, err error) {
	for _, m := range all {
		p.members[nameOf(m.Key)] = m
	}
	batch := all
	for len(batch) > 0 {
		n := slices.IndexFunc(batch, func(m member) bool { return m.Type != batch[0].Type })
		if n < 0 {
			n = len(batch)
		}
		if err := p.lookAhead(ctx, batch[:n]); err != nil {
			return nil, err
		}
		for _, m := range batch[:n] {
			if err := p.settle(ctx, m); err != nil {
				return nil, err
			}
		}
		batch = batch[n:]
	}
	for _, m := range all {
		if _, ok := p.now[nameOf(m.Key)]; ok {
			moved = append(moved, m)
		}
	}
	return moved, nil
}

// lookAhead reads in one go what many members of a type need to know.
func (p *planner) lookAhead(ctx context.Context, ms []member) error {
	var ks []resource.Key
	for _, m := range ms {
		if k, ok := person(p.Catalog, m.info, m.Key); ok {
			ks = append(ks, k)
		}
		if k := p.target(m.info, m.Key); len(waiting(k.Parent, k.ID)) == 0 {
			ks = append(ks, k)
		}
	}
	err := p.live.expect(ctx, p.Catalog, sizes(p.Snapshot), ks)
	if _, ok := errors.AsType[*provider.Unreadable](err); ok {
		return nil // told for each of them, when it is read
	}
	return err
}

// sizes tells how many objects of a type the snapshot holds.
func sizes(s Snapshot) func(resource.Type) int64 {
	m := s.Manifest()
	return func(t resource.Type) int64 {
		for _, status := range m.Types {
			if status.Type == t {
				return status.Objects
			}
		}
		return 0
	}
}

// settle decides about one member: a step, nothing to do, or left out. What it
// refers to is settled before, so that its identity is known.
func (p *planner) settle(ctx context.Context, m member) error {
	if _, ok := p.begun[m.Key]; ok {
		return nil
	}
	p.begun[m.Key] = struct{}{}
	why, err := p.settleRefs(ctx, m)
	if why == "" && err == nil {
		why, err = p.judge(ctx, m)
	}
	if unreadable, ok := errors.AsType[*provider.Unreadable](err); ok {
		why, err = "it cannot be read in the org now: "+unreadable.Gap.Detail, nil
	}
	if err != nil {
		return err
	}
	if why != "" {
		return p.leaveOut(m, why)
	}
	p.settled[nameOf(m.Key)] = true
	return nil
}

// settleRefs settles what a member refers to; two that refer to each other cannot
// both be the first.
func (p *planner) settleRefs(ctx context.Context, m member) (why string, err error) {
	refs, err := resource.References(m.info, m.Resource)
	if err != nil {
		return "", err
	}
	for _, ref := range refs {
		for _, t := range ref.To {
			n := name{t, ref.ID}
			other, ok := p.members[n]
			if !ok || n == nameOf(m.Key) || unwritten(m.info, ref.Ref) {
				continue
			}
			if err := p.settle(ctx, other); err != nil {
				return "", err
			}
			if !p.settled[n] && !p.dropped[n] {
				return fmt.Sprintf("it and %s need each other; restore it afterwards", p.called(other.Key)), nil
			}
		}
	}
	return "", nil
}

// judge does a member's work; why is the reason to leave it out.
func (p *planner) judge(ctx context.Context, m member) (why string, err error) {
	if m.info.Restorable == "none" {
		return cmp.Or(m.info.Limitation, "it cannot be restored"), nil
	}
	if m.role != referrer { // of which the live one is what counts, if there is one
		if m, err = p.present(ctx, m); err != nil {
			return "", err
		}
	}
	if why, err := p.missing(ctx, m, m.role != referrer); why != "" || err != nil {
		if err == nil && m.role != selected && m.info.Shape == resource.LinkSet && systemOwned(m.info, m.Resource) {
			why = "" // not ours to make, and nobody asked for it: the provider decides
		}
		return why, err
	}
	target := p.target(m.info, m.Key)
	now, why, err := p.find(ctx, m, target)
	switch {
	case why != "" || err != nil:
		return why, err
	case now == nil && m.role == referrer && m.info.Left != nil:
		return "the person was deleted since the snapshot, and does not come back for what they name", nil
	case now == nil:
		if m, err = p.present(ctx, m); err != nil {
			return "", err
		}
		if why, err := p.missing(ctx, m, true); why != "" || err != nil {
			return why, err
		}
		p.standing(m, m.Body)
		return p.create(m, target)
	case m.role == referrer:
		p.standing(m, now.Body)
		return "", p.putBack(m, *now)
	}
	p.standing(m, m.Body)
	return "", p.update(m, *now)
}

// standing notes how a person will stand, for what gives them access.
func (p *planner) standing(m member, body []byte) {
	if m.info.Left != nil {
		p.will[nameOf(m.Key)] = body
	}
}

// target is the key of a snapshot's resource under today's identities.
func (p *planner) target(info resource.Info, k resource.Key) resource.Key {
	was := nameOf(k)
	if k.Parent != "" {
		parent := parentKey(info.Parent, k.Parent)
		up, _ := p.Catalog.Info(info.Parent)
		k.Parent = nameOf(p.target(up, parent)).ID
	}
	if info.Shape != resource.LinkSet {
		if id, ok := p.now[was]; ok {
			k.ID = id
		}
		return k
	}
	for _, ref := range info.Refs {
		for _, t := range ref.To {
			if id, ok := p.now[name{t, k.ID}]; ok && ref.In == resource.InID {
				k.ID = id
			}
		}
	}
	return k
}

// find looks for a member in the org: by its ID, then by its natural key.
func (p *planner) find(ctx context.Context, m member, target resource.Key) (now *resource.Resource, why string, err error) {
	if len(waiting(target.Parent, target.ID)) > 0 {
		return nil, "", nil // what it hangs on is not there yet
	}
	now, err = p.live.get(ctx, target)
	if now != nil || err != nil || m.info.Shape != resource.Collection || len(m.info.NaturalKey) == 0 {
		return now, "", err
	}
	body, err := p.rewrite(m.info, m.Body)
	if err != nil {
		return nil, "", err
	}
	found, err := p.live.find(ctx, resource.Resource{Key: target, Body: body})
	if err != nil {
		return nil, "", err
	}
	found, err = p.strangers(ctx, nameOf(m.Key), found)
	switch {
	case err != nil || len(found) == 0:
		return nil, "", err
	case len(found) > 1:
		return nil, fmt.Sprintf("the org has %d others with its name: %s", len(found), keys([]resource.Key{found[0].Key, found[1].Key})), nil
	}
	p.now[nameOf(m.Key)] = found[0].ID
	if p.plan.Matched == nil {
		p.plan.Matched = map[string]string{}
	}
	p.plan.Matched[m.ID] = found[0].ID
	p.warned = append(p.warned, fmt.Sprintf("%s was made again since the snapshot, as %s: what is restored goes into that one", p.called(m.Key), found[0].ID))
	return &found[0], "", nil
}

// strangers drops what the snapshot holds under its own ID: two things may have
// one name, and then the one is not the other.
func (p *planner) strangers(ctx context.Context, of name, found []resource.Resource) (out []resource.Resource, err error) {
	for _, r := range found {
		_, err := p.Snapshot.Get(ctx, r.Key)
		switch {
		case problem.Is(err, problem.NotFound):
			out = append(out, r)
		case err != nil:
			return nil, fmt.Errorf("read %s from the snapshot: %w", r.Type, err)
		default:
			p.namesakes[of] = append(p.namesakes[of], r.ID)
		}
	}
	return out, nil
}

// rewrite puts today's identities in the place of the snapshot's.
func (p *planner) rewrite(info resource.Info, body []byte) ([]byte, error) {
	return resource.Rewrite(body, info.Refs, p.today)
}

func (p *planner) today(types []resource.Type, id string) (string, bool) {
	for _, t := range types {
		if now, ok := p.now[name{t, id}]; ok {
			return now, true
		}
	}
	return "", false
}

// create makes a step for what the org lacks.
func (p *planner) create(m member, target resource.Key) (why string, err error) {
	if systemOwned(m.info, m.Resource) {
		return p.follow(m, target)
	}
	if m.info.Shape == resource.Singleton || m.info.Shape == resource.FixedSet {
		return "the provider makes it, and it is not there now", nil
	}
	want, err := p.rewrite(m.info, m.Body)
	if err != nil {
		return "", err
	}
	d := p.draft(m, provider.Create, target)
	d.Want = want
	if m.info.Shape == resource.Collection {
		d.makes = nameOf(m.Key)
		p.now[d.makes] = placeholder(m.Type, d.makes.ID)
		d.Target.ID, d.Namesakes = "", p.namesakes[d.makes]
	}
	if k, ok := person(p.Catalog, m.info, target); ok && len(waiting(nameOf(k).ID)) == 0 {
		d.Person = &k // who is made by this very plan cannot have left
	}
	return "", p.add(d, m)
}

// systemOwned reports whether the provider owns the resource.
func systemOwned(info resource.Info, r resource.Resource) bool {
	return info.System != nil && info.System(r)
}

// follow leaves to the provider what it makes itself. What it makes together with
// a parent (the last rule of a policy) is brought to what it was, once it is there.
func (p *planner) follow(m member, target resource.Key) (why string, err error) {
	switch {
	case m.info.Shape == resource.Collection && len(waiting(target.Parent)) > 0:
		want, err := p.rewrite(m.info, m.Body)
		if err != nil {
			return "", err
		}
		d := p.draft(m, provider.Update, resource.Key{Type: m.Type, Parent: target.Parent})
		d.Want, d.Provided, d.makes = want, true, nameOf(m.Key)
		return "", p.add(d, m)
	case m.role == selected || m.info.Shape == resource.Collection:
		if m.info.Restorable == "full" {
			return "the provider makes it itself, and it is not there now", nil
		}
		return m.info.Limitation, nil
	}
	p.follows[m.Type]++
	return "", nil
}

// update makes a step for what the org has, if it differs where it can be written.
func (p *planner) update(m member, now resource.Resource) error {
	want, err := p.rewrite(m.info, m.Body)
	if err != nil {
		return err
	}
	return p.change(m, now, want)
}

// change makes the step, or two, that lead from now to want.
func (p *planner) change(m member, now resource.Resource, want []byte) error {
	fields, err := diff.Compare(writable(m.info), now.Body, want)
	if err != nil {
		return fmt.Errorf("compare a %s: %w", m.Type, err)
	}
	if len(fields) == 0 {
		p.identical[m.Type]++
		return nil
	}
	why, err := m.info.Remade(now.Body, want)
	if err != nil {
		return err
	}
	if why != "" {
		return p.remake(m, now, want, why)
	}
	d := p.draft(m, provider.Update, now.Key)
	d.Want, d.Expect, d.Fields = want, now.Body, fields
	return p.add(d, m)
}

// remake deletes an object and makes it again, because no update would do.
func (p *planner) remake(m member, now resource.Resource, want []byte, why string) error {
	d := p.draft(m, provider.Delete, now.Key)
	d.Expect, d.frees, d.Why = now.Body, nameOf(now.Key), why
	d.needs = waiting(string(want), now.Key.Parent) // nothing is deleted that could not be made again
	if err := p.add(d, m); err != nil {
		return err
	}
	d = p.draft(m, provider.Create, now.Key)
	d.Want, d.makes, d.behind = want, nameOf(m.Key), nameOf(now.Key)
	d.Target.ID = ""
	p.now[d.makes] = placeholder(m.Type, d.makes.ID)
	return p.add(d, m)
}

// draft begins a step for a member.
func (p *planner) draft(m member, op provider.Op, target resource.Key) draft {
	d := draft{
		Step:  Step{Op: op, Key: m.Key, Target: target, Title: m.info.Title},
		phase: m.info.Phase, place: p.index(m.Type), priority: resource.PlaceOf(m.Body), integral: m.info.Integral,
	}
	if m.role != referrer {
		return d
	}
	for _, other := range p.c.members { // first what is named, whole; then who names it
		if other.role != referrer {
			d.phase = max(d.phase, other.info.Phase+1)
		}
	}
	return d
}

// add completes a draft with what a person wants to know of it.
func (p *planner) add(d draft, m member) (err error) {
	if d.Label, d.Parent, err = p.labels(m); err != nil {
		return err
	}
	if d.Why == "" {
		d.Why = p.why(m)
	}
	if d.Warn, err = p.warnings(d, m); err != nil {
		return err
	}
	p.drafts = append(p.drafts, d)
	return nil
}

func (p *planner) why(m member) string {
	switch m.role {
	case part:
		return "part of " + p.called(m.of)
	case referrer:
		return "names " + p.called(m.of)
	}
	return "selected"
}

// called is how a member is called in a sentence: group “Finance”.
func (p *planner) called(k resource.Key) string {
	for _, m := range p.c.members {
		if m.Key != k {
			continue
		}
		if label, err := resource.Label(m.info, m.Body); err == nil && label != "" {
			return strings.ToLower(m.info.Title) + " “" + label + "”"
		}
	}
	return k.String()
}

func (p *planner) leaveOut(m member, why string) error {
	p.dropped[nameOf(m.Key)] = true
	label, _, err := p.labels(m)
	if m.info.Integral {
		above := nameOf(parentKey(m.info.Parent, m.Parent))
		p.lacking[above] = append(p.lacking[above], "“"+label+"”")
	}
	p.plan.LeftOut = append(p.plan.LeftOut, LeftOut{Key: m.Key, Title: m.info.Title, Label: label, Reason: why})
	return err
}
