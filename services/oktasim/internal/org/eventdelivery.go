package org

import (
	_ "embed"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/expression"
	"imago/services/oktasim/internal/failure"
)

// Channel says how a hook is called.
type Channel struct {
	// Type is HTTP or OAUTH, Config what an OAUTH channel gets its token with.
	Type   string
	URI    string
	Config doc.Doc
	// Headers are names and values.
	Headers [][2]string
}

// Channel is that of an event hook or an inline hook.
func (x *Object) Channel() Channel {
	config := doc.Object(x.Body, "channel", "config")
	c := Channel{Type: x.text("channel.type"), URI: doc.String(config, "uri"), Config: doc.Clone(config)}
	for _, v := range values(config["headers"]) {
		if h, ok := v.(doc.Doc); ok {
			c.Headers = append(c.Headers, [2]string{doc.String(h, "key"), doc.String(h, "value")})
		}
	}
	if scheme := doc.Object(config, "authScheme"); scheme != nil {
		c.Headers = append(c.Headers, [2]string{doc.String(scheme, "key"), doc.String(scheme, "value")})
	}
	return c
}

// Delivery is what an event hook is to be told: the events of one change.
type Delivery struct {
	Hook string
	// Source is the URL of the hook, ID tells the delivery from others.
	Source, ID string
	Channel    Channel
	Events     []*Event
	At         Stamp
	party      Party
}

// OnDelivery names who carries deliveries out; called after each change, outside of it.
func (o *Org) OnDelivery(carry func([]Delivery)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.carry = carry
}

// await keeps an event for the event hooks until the change is done.
func (o *Org) await(e *Event) {
	if s := o.shelves["event_hooks"]; s != nil && len(s.objects) > 0 {
		o.waiting = append(o.waiting, e)
	}
}

// deliveries are what the change that ends has for the event hooks.
func (o *Org) deliveries() []Delivery {
	waiting := o.waiting
	o.waiting = nil
	if len(waiting) == 0 {
		return nil
	}
	var out []Delivery
	k := o.kinds.named("event_hooks")
	for _, x := range o.objectsIn(k, "") {
		if events := awaited(x, waiting); len(events) > 0 {
			out = append(out, Delivery{
				Hook: x.ID, Source: o.Href(k, x), ID: o.ids.UUID(), Channel: x.Channel(), Events: events, At: o.stamp(), party: k.party(x),
			})
		}
	}
	return out
}

// awaited are the events that the hook is told: only active and verified ones are told
// anything (documented).
func awaited(x *Object, waiting []*Event) []*Event {
	if x.Status() != Active || x.text("verificationStatus") != "VERIFIED" {
		return nil
	}
	items := texts(get(x.Body, "events.items"))
	var out []*Event
	for _, e := range waiting {
		if slices.Contains(items, e.EventType) && passes(x, e) {
			out = append(out, e)
		}
	}
	return out
}

// passes says whether the filters of the hook that are for this type of event let it pass.
func passes(x *Object, e *Event) bool {
	for _, v := range values(get(x.Body, "events.filter.eventFilterMap")) {
		entry, ok := v.(doc.Doc)
		if !ok || doc.String(entry, "event") != e.EventType {
			continue
		}
		f, err := expression.ParseEvent(doc.String(entry, "condition", "expression"))
		if err != nil || !f.Matches(filtered{e}) {
			return false
		}
	}
	return true
}

// filtered is an event as filters of event hooks see it.
type filtered struct{ *Event }

// Attribute is the value of event.<name>.
func (e filtered) Attribute(name string) any {
	switch name {
	case "outcome.reason":
		return orNil(e.Reason)
	case "debugData.changedAttributes":
		return e.Debug["changedAttributes"]
	case "target":
		out := make([]expression.Thing, 0, len(e.Targets))
		for _, t := range e.Targets {
			out = append(out, filteredParty{t})
		}
		return out
	}
	return first(e.attribute(name))
}

type filteredParty struct{ Party }

// Attribute is one field of a target.
func (p filteredParty) Attribute(name string) any { return first(p.attribute(name)) }

func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// NoteUndelivered writes that a delivery failed; what arrived leaves no trace (documented).
func (o *Org) NoteUndelivered(d Delivery, reason string) {
	o.NoteFailure(o.system(&Cause{}), "event_hook.delivery", reason, d.party)
}

// eligible are the types of events that hooks can be told, as Okta's catalog of event
// types of release 2026.08.1 marks them.
//
//go:embed eventhooktypes.txt
var eligible string

// checkEventHook refuses types that no hook is told and filters that cannot be read.
func checkEventHook(c *Change) error {
	if c.Verb != create && c.Verb != replace || get(c.Body, "events.type") != "EVENT_TYPE" {
		return nil
	}
	types := strings.Fields(eligible)
	for _, item := range texts(get(c.Body, "events.items")) {
		if !slices.Contains(types, item) {
			return failure.Invalid("events.items", "events.items: "+item+" is not an event type that event hooks can subscribe to")
		}
	}
	for _, v := range values(get(c.Body, "events.filter.eventFilterMap")) {
		entry, ok := v.(doc.Doc)
		if !ok {
			return failure.Malformed()
		}
		if _, err := expression.ParseEvent(doc.String(entry, "condition", "expression")); err != nil {
			return failure.Invalid("events.filter", "events.filter: The expression is not valid: "+err.Error())
		}
	}
	return nil
}
