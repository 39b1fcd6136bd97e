package drift

import (
	"slices"
	"strings"

	"imago/pkg/diff"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// succeeded is the outcome of an event that changed something, in the provider's word.
const succeeded = "SUCCESS"

// Attribute says which of the events did a change. Events come oldest first.
//
// An event counts when it succeeded and names the resource; one that names only the
// list that holds it counts when none names the resource itself. A person's or a
// program's event goes before one of the provider itself, which stands for whoever
// acted in its transaction. An update by more than one actor is nobody's: all of
// them are candidates.
func Attribute(change diff.Change, events []provider.Event) Attribution {
	var exact, listed, other []provider.Event
	for _, e := range events {
		switch how, op := concerns(e, change.Key); {
		case e.Outcome != succeeded || how == not:
		case how == children && (op == provider.Update || string(op) == string(change.Op)):
			listed = append(listed, e)
		case how == children:
		case string(op) == string(change.Op):
			exact = append(exact, e)
		case op == provider.Update: // a switch that shows as a create, a first step that shows as a delete
			other = append(other, e)
		}
	}
	switch {
	case len(exact) > 0 && change.Op != diff.Update:
		return named(principals(exact, events), events, true)
	case len(exact) > 0:
		return named(principals(exact, events), events, false)
	case len(listed) > 0:
		return named(principals(listed, events), events, false)
	}
	return named(principals(other, events), events, false)
}

// how an event concerns a resource.
type how int

const (
	not      how = iota
	children     // it names the list that holds it
	itself
)

func concerns(e provider.Event, k resource.Key) (how, provider.Op) {
	best, op := not, provider.Op("")
	for _, t := range e.Touched {
		switch {
		case same(t.Key, k):
			return itself, t.Op
		case t.Key.ID == "" && t.Key.Type == k.Type && t.Key.Parent == k.Parent:
			best, op = children, t.Op
		case slices.Contains(t.Children, k.Type) && idOf(t.Key) == k.Parent:
			best, op = children, provider.Update // what the parent's own op says of its list is not told
		}
	}
	return best, op
}

// same compares a key from the log, which may lack the parent, with a whole one.
func same(logged, k resource.Key) bool {
	return logged.ID != "" && logged.Type == k.Type && logged.ID == k.ID && (logged.Parent == "" || logged.Parent == k.Parent)
}

// idOf is how a key names the parent in its children's keys.
func idOf(k resource.Key) string {
	if k.Parent == "" {
		return k.ID
	}
	return k.Parent + "/" + k.ID
}

// principals puts the one who acted in the place of the provider itself, and drops
// the provider's own events when somebody else's explain the change.
func principals(events, all []provider.Event) (out []provider.Event) {
	someone := false
	for _, e := range events {
		if e.Actor.System {
			e = behind(e, all)
		}
		someone = someone || !e.Actor.System
		out = append(out, e)
	}
	if !someone {
		return out
	}
	return slices.DeleteFunc(out, func(e provider.Event) bool { return e.Actor.System })
}

// behind finds who acted in the transaction of the provider's own event, by the
// last such event before it; the event itself when nobody did, or more than one.
func behind(own provider.Event, all []provider.Event) provider.Event {
	found, passed := own, false
	for _, e := range all {
		passed = passed || e.ID == own.ID
		if e.Transaction == "" || e.Transaction != own.Transaction || e.Actor.System || e.Outcome != succeeded {
			continue
		}
		if !found.Actor.System && found.Actor.ID != e.Actor.ID {
			return own
		}
		if found.Actor.System || !passed && len(e.Touched) > 0 {
			found = e
		}
	}
	return found
}

// named makes the attribution. Of creates and deletes the last decides: whoever
// came before was undone in between.
func named(events, all []provider.Event, lastDecides bool) Attribution {
	if len(events) == 0 {
		return Attribution{}
	}
	last := events[len(events)-1]
	for _, e := range events {
		if e.Time.After(last.Time) {
			last = e
		}
	}
	alone := !slices.ContainsFunc(events, func(e provider.Event) bool { return e.Actor.ID != last.Actor.ID })
	if !alone && !lastDecides {
		return Attribution{Candidates: distinct(events)}
	}
	return Attribution{Event: &last, Related: related(last, all)}
}

func distinct(events []provider.Event) (out []provider.Event) {
	for _, e := range events {
		if !slices.ContainsFunc(out, func(o provider.Event) bool { return o.ID == e.ID }) {
			out = append(out, e)
		}
	}
	return out
}

func related(to provider.Event, all []provider.Event) (out []provider.Event) {
	for _, e := range all {
		if e.ID != to.ID && e.Transaction != "" && e.Transaction == to.Transaction && len(out) < MostRelated {
			out = append(out, e)
		}
	}
	return out
}

// through attributes a change to the event that deleted what the resource referred
// to: only if the change is no more than the loss of that reference.
func through(change diff.Change, deletion Observation) (Attribution, bool) {
	by, gone := deletion.Attribution, deletion.Change.Key
	if change.Op != diff.Update || deletion.Change.Op != diff.Delete || by.Event == nil || by.Event.Actor.System || !strings.Contains(string(change.Before), gone.ID) {
		return Attribution{}, false
	}
	for _, f := range change.Fields {
		lost := f.Op != diff.Create && strings.Contains(string(f.Before), gone.ID) && !strings.Contains(string(f.After), gone.ID)
		if !lost && !invalidated(f) {
			return Attribution{}, false
		}
	}
	return Attribution{Event: by.Event, Related: by.Related, Through: &gone, Expected: by.Expected}, true
}

// invalidated recognises what a provider writes about an object that names what
// was deleted: that it does not work any more.
func invalidated(f diff.Field) bool {
	return f.Path == "status" && string(f.After) == `"INVALID"` || f.Path == "allGroupsValid"
}
