package drift

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"imago/pkg/diff"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Observe reads again what the events touched and tells what changed since it was
// last known. Events come oldest first, whole transactions together; passing some
// of them again is harmless. What was found stands also when an error comes with
// it: store it, keep the log's cursor, and look again later.
func Observe(ctx context.Context, in Input, events []provider.Event) (Observed, error) {
	if in.Now == nil {
		in.Now = time.Now
	}
	l := &look{Input: in, events: events, done: map[resource.Key]bool{}, lists: map[listing]map[string][]string{}, holds: map[resource.Key]bool{}, orders: map[resource.Key][]byte{}, stand: map[resource.Key][]string{}}
	l.collect()
	err := l.work(ctx)
	l.explain()
	return l.out, err
}

// work looks at what was touched, then at what names what went, until there is nothing
// left to look at, or time is over.
func (l *look) work(ctx context.Context) error {
	for len(l.queue)+len(l.gone) > 0 {
		held, err := l.run(ctx)
		awake, failed := l.wake(ctx) // held or not: what is told is told whole if there is time
		if err = errors.Join(err, failed); err != nil || held || !awake {
			return err
		}
	}
	err := l.joined(ctx)
	l.out.Complete = err == nil
	return err
}

// over reports whether the time for the look is.
func (l *look) over() bool { return !l.Until.IsZero() && !l.Now().Before(l.Until) }

// run works the queue off. It is held up when time is over, or the org asks to wait.
func (l *look) run(ctx context.Context) (held bool, err error) {
	for len(l.queue) > 0 {
		next := l.queue[0]
		if l.over() {
			return true, nil
		}
		err := l.take(ctx, next)
		if wait := provider.WaitOf(err); wait != nil {
			l.out.Wait = wait.Until
			return true, nil
		}
		if gap, ok := l.unreadable(ctx, err); ok {
			l.unknown(next.key, gap)
			err = nil
		}
		if err != nil {
			return false, fmt.Errorf("look at a %s: %w", next.key.Type, err)
		}
		l.queue = l.queue[1:]
	}
	return false, nil
}

// unreadable reports whether an error is about one place, so that the look goes on
// without it: a denial is when the org lets the credential itself in.
func (l *look) unreadable(ctx context.Context, err error) (snapshot.Gap, bool) {
	if u, ok := errors.AsType[*provider.Unreadable](err); ok {
		return u.Gap, true
	}
	if !problem.Is(err, problem.Denied) {
		return snapshot.Gap{}, false
	}
	if _, refused := l.Reader.Org(ctx); refused != nil {
		return snapshot.Gap{}, false
	}
	return snapshot.Gap{Reason: snapshot.Forbidden, Detail: problem.Of(err).What}, true
}

// explain attributes what nobody, or only the provider itself, is named for to
// whoever deleted what the resource referred to.
func (l *look) explain() {
	for i := range l.out.Changes {
		o := &l.out.Changes[i]
		if len(o.Attribution.Candidates) > 0 || o.Attribution.Event != nil && !o.Attribution.Event.Actor.System {
			continue
		}
		for _, d := range slices.Concat(l.out.Changes, l.earlier) {
			if a, ok := through(o.Change, d); ok {
				o.Attribution = a
				break
			}
		}
	}
}

// look is one Observe at work.
type look struct {
	Input
	events []provider.Event
	queue  []task
	done   map[resource.Key]bool
	lists  map[listing]map[string][]string // IDs by parent, once they were asked for
	holds  map[resource.Key]bool           // whether a list holds anything, once that was asked
	orders map[resource.Key][]byte         // as this look leaves them
	stand  map[resource.Key][]string       // IDs in their order, once that was asked for
	gone   []*deletion                     // found, and not looked up in the snapshot
	// earlier are deletions that a look which ended early has told already.
	earlier []Observation
	out     Observed
}

// task is something to read again: a resource, or with an ID of "" the list of a
// type below a parent.
type task struct {
	key   resource.Key
	event string // the last that names it
	again bool   // it names what was deleted: once for all events is enough
}

// collect lists what the events touched, once each, in their order.
func (l *look) collect() {
	at := map[resource.Key]int{}
	add := func(k resource.Key, event string) {
		if l.Wants != nil && !l.Wants(k.Type) {
			return
		}
		if i, ok := at[k]; ok {
			l.queue[i].event = event
			return
		}
		at[k] = len(l.queue)
		l.queue = append(l.queue, task{key: k, event: event})
	}
	for _, e := range l.events {
		if e.Outcome != succeeded {
			continue
		}
		for _, t := range e.Touched {
			add(t.Key, e.ID)
			for _, child := range t.Children {
				if t.Op != provider.Delete { // what hung on it went with it, and is counted there
					add(resource.Key{Type: child, Parent: idOf(t.Key)}, e.ID)
				}
			}
		}
	}
}

func (l *look) take(ctx context.Context, t task) error {
	info, ok := l.Catalog.Info(t.key.Type)
	if !ok || l.done[t.key] {
		return nil
	}
	if t.key.ID == "" {
		return l.list(ctx, info, t)
	}
	if info.Parent != "" && t.key.Parent == "" {
		parent, err := l.parentOf(ctx, info, t.key.ID)
		if err != nil {
			return err
		}
		if parent == "" {
			l.unknown(t.key, snapshot.Gap{Type: t.key.Type, Reason: snapshot.Failed, Detail: "the log names it without what it is a part of"})
			return nil
		}
		t.key.Parent = parent
	}
	base, err := l.base(ctx, t.key)
	if err != nil {
		return err
	}
	if l.looked(t, base) {
		return l.lookedInto(ctx, base)
	}
	now, err := l.live(ctx, t.key)
	if err == nil {
		base, err = l.doubt(ctx, base, now)
	}
	if err != nil {
		return err
	}
	l.done[t.key] = true
	return l.compare(ctx, info, t, base, now)
}

// looked reports whether an earlier look saw what the events led to.
func (l *look) looked(t task, base known) bool {
	if t.again {
		return slices.ContainsFunc(l.events, func(e provider.Event) bool { return e.ID == base.Event })
	}
	return base.Event != "" && base.Event == t.event
}

// lookedInto goes on after a look that ended early: what names something that was
// found deleted may still have to be read again.
func (l *look) lookedInto(ctx context.Context, s known) error {
	if s.Body != nil {
		return nil
	}
	was, err := l.Snapshot.Get(ctx, s.Key)
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	change := diff.Change{Key: s.Key, Op: diff.Delete, Before: slices.Clone(was.Body)}
	l.earlier = append(l.earlier, Observation{Change: change, Attribution: l.attribute(change)})
	if s.Wake != nil {
		l.follow(*s.Wake, s.Event)
	} else {
		l.gone = append(l.gone, &deletion{key: s.Key, event: s.Event, change: -1})
	}
	return nil
}

// compare tells what happened to one resource, and remembers how it stands.
func (l *look) compare(ctx context.Context, info resource.Info, t task, base known, now []byte) error {
	change, fleeting, moved := diff.Change{Key: t.key, Before: base.Body, After: now}, false, ""
	switch {
	case base.Body == nil && now == nil:
		change.Op, fleeting = l.attested(t.key, base)
	case base.Body == nil && !base.gap, base.Body == nil && l.says(t.key, provider.Create):
		change.Op = diff.Create
		if info.Displaces { // where it stands is known from now on
			if _, err := l.orderAround(ctx, info, base, t.key); err != nil {
				return err
			}
		}
	case base.Body == nil:
		l.unknown(t.key, snapshot.Gap{Type: t.key.Type, Parent: t.key.Parent, Reason: snapshot.Failed, Detail: "the snapshot does not know how it was"})
	case now == nil:
		change.Op = diff.Delete
	default:
		fields, err := diff.Compare(info, base.Body, now)
		if err == nil {
			moved, fields, err = l.place(ctx, info, t, base, now, fields)
		}
		if err != nil {
			return err
		}
		change.Fields, fleeting = fields, len(fields) == 0 && l.changedBack(t.key, l.since(base.Sighting))
		if fleeting || len(fields) > 0 {
			change.Op = diff.Update
		}
	}
	l.out.Sightings = append(l.out.Sightings, Sighting{Key: t.key, Body: now, At: l.Now().UTC(), Event: t.event})
	switch {
	case change.Op == "":
		return nil
	case fleeting:
		return l.fleeting(ctx, info, change, l.since(base.Sighting))
	}
	return l.observe(ctx, info, t, Observation{Change: change, Moved: moved, snapshot: base.snapshot})
}

// attested: what is neither known nor there was deleted if the log says so; if it says
// that it was made in the meantime, it came and went.
func (l *look) attested(k resource.Key, base known) (op diff.Op, fleeting bool) {
	switch {
	case l.madeAndDeleted(k, l.since(base.Sighting)):
		return diff.Create, true
	case base.At.IsZero() && !l.vague(k) && l.says(k, provider.Delete) && !l.says(k, provider.Create):
		return diff.Delete, false
	}
	return "", false
}

// vague reports whether an event names the resource and, under the same ID, others of
// another type: it does not tell which it is about.
func (l *look) vague(k resource.Key) bool {
	other := func(t provider.Touch) bool { return t.Key.ID == k.ID && t.Key.Type != k.Type }
	return slices.ContainsFunc(l.events, func(e provider.Event) bool {
		itself, _ := concerns(e, k)
		return itself != not && slices.ContainsFunc(e.Touched, other)
	})
}

// says reports whether an event names exactly this of the resource.
func (l *look) says(k resource.Key, op provider.Op) bool {
	return slices.ContainsFunc(l.events, func(e provider.Event) bool {
		return e.Outcome == succeeded && slices.ContainsFunc(e.Touched, func(t provider.Touch) bool { return same(t.Key, k) && t.Op == op })
	})
}

// observe completes a change: its names, who did it; what it led to is for later.
func (l *look) observe(ctx context.Context, info resource.Info, t task, o Observation) error {
	change := o.Change
	o.Attribution = l.attribute(change)
	var err error
	if o.Label, o.ParentLabel, err = l.labels(ctx, info, change); err != nil {
		return err
	}
	if change.Op == diff.Delete {
		l.gone = append(l.gone, &deletion{key: change.Key, event: t.event, change: len(l.out.Changes)})
	}
	l.out.Changes = append(l.out.Changes, o)
	return nil
}

func (l *look) attribute(change diff.Change) Attribution {
	a := Attribute(change, l.events)
	a.Expected = a.Event != nil && l.Ours != nil && l.Ours(*a.Event)
	return a
}

func (l *look) unknown(k resource.Key, g snapshot.Gap) {
	g.Type = k.Type
	if g.Parent == "" {
		g.Parent = k.Parent
	}
	if !slices.Contains(l.out.Unknown, g) {
		l.out.Unknown = append(l.out.Unknown, g)
	}
}

// parentKey is the key that idOf was made of.
func parentKey(t resource.Type, id string) resource.Key {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i] == '/' {
			return resource.Key{Type: t, Parent: id[:i], ID: id[i+1:]}
		}
	}
	return resource.Key{Type: t, ID: id}
}
