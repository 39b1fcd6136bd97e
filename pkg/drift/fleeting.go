package drift

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"imago/pkg/diff"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// What came and went between two looks the org does not show any more: the log alone
// tells of it, and what it says is compared with what is there.

// since are the events that a sighting had not looked into. What happened before a
// snapshot was ended may be in it.
func (l *look) since(s Sighting) (out []provider.Event) {
	if !s.At.IsZero() {
		return l.events[1+slices.IndexFunc(l.events, func(e provider.Event) bool { return e.ID == s.Event }):]
	}
	ended := l.Snapshot.Manifest().Ended
	for _, e := range l.events {
		if e.Time.After(ended) {
			out = append(out, e)
		}
	}
	return out
}

// somebodys reports whether an event that succeeded is neither our own write nor the
// provider's own doing, which follows from somebody else's.
func (l *look) somebodys(e provider.Event) bool {
	return e.Outcome == succeeded && !e.Actor.System && (l.Ours == nil || !l.Ours(e))
}

// changedBack reports whether what is as it was known was changed more than once since.
// What belongs to one transaction is one change; a single one left it as it was.
func (l *look) changedBack(k resource.Key, events []provider.Event) bool {
	changes := map[string]bool{}
	for _, e := range events {
		if how, op := concerns(e, k); how == itself && op == provider.Update && l.somebodys(e) {
			changes[cmp.Or(e.Transaction, e.ID)] = true
		}
	}
	return len(changes) > 1
}

// madeAndDeleted reports whether what is not there, and was not known, was there.
func (l *look) madeAndDeleted(k resource.Key, events []provider.Event) bool {
	did := func(op provider.Op) bool {
		return slices.ContainsFunc(events, func(e provider.Event) bool {
			how, done := concerns(e, k)
			return how == itself && done == op && l.somebodys(e)
		})
	}
	return did(provider.Create) && did(provider.Delete) && !l.vague(k)
}

// fleeting completes a change of which nothing is left.
func (l *look) fleeting(ctx context.Context, info resource.Info, change diff.Change, events []provider.Event) error {
	o := Observation{Change: change, Fleeting: true, LogOnly: change.Op == diff.Create, Attribution: Attribute(change, events)}
	o.Attribution.Expected = o.Attribution.Event != nil && l.Ours != nil && l.Ours(*o.Attribution.Event)
	var err error
	if o.Label, o.ParentLabel, err = l.labels(ctx, info, change); err != nil {
		return err
	}
	l.out.Changes = append(l.out.Changes, o)
	return nil
}

// grant is one thing that an event says was made in a list.
type grant struct {
	event provider.Event
	said  string // its name, as the log writes it
}

// grants are what the log says was made in a list, newest first.
func (l *look) grants(place resource.Key, events []provider.Event) (out []grant) {
	made := provider.Touch{Key: place, Op: provider.Create}
	for _, e := range slices.Backward(events) {
		same := func(t provider.Touch) bool { return t.Key == made.Key && t.Op == made.Op }
		if !l.somebodys(e) || !slices.ContainsFunc(e.Touched, same) {
			continue
		}
		_, names, _ := strings.Cut(e.Summary, ": ")
		for name := range strings.SplitSeq(names, ",") {
			out = append(out, grant{e, strings.ToLower(strings.TrimSpace(name))})
		}
	}
	return out
}

// granted observes what the log says was made in a list, and the list does not hold. A
// name that the log spells in another way stands for one of what is new in the list.
func (l *look) granted(ctx context.Context, info resource.Info, place resource.Key, base known, now map[string][]byte) error {
	grants, fresh := l.grants(place, l.since(base.Sighting)), 0
	for id, body := range now {
		label, err := resource.Label(info, body)
		if err != nil {
			return err
		}
		told := len(grants)
		grants = slices.DeleteFunc(grants, func(g grant) bool { return label != "" && g.said == strings.ToLower(label) })
		if told == len(grants) && l.created(resource.Key{Type: info.Type, Parent: place.Parent, ID: id}) {
			fresh++
		}
	}
	told := ""
	for _, g := range slices.Backward(grants[min(fresh, len(grants)):]) {
		if g.event.ID == told {
			continue
		}
		told = g.event.ID
		o, err := l.told(ctx, info, place, g.event)
		if err != nil {
			return err
		}
		o.Label, o.Fleeting = words(o)[0], true
		l.out.Changes = append(l.out.Changes, o)
	}
	return nil
}

// created reports whether this look found that something was made.
func (l *look) created(k resource.Key) bool {
	return slices.ContainsFunc(l.out.Changes, func(o Observation) bool { return o.Change.Key == k && o.Change.Op == diff.Create })
}
