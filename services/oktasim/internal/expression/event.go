package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Thing is what the filter of an event hook looks at: an event, or one of its targets.
type Thing interface {
	// Attribute returns a value, nil if there is none; that of target is a []Thing.
	Attribute(name string) any
}

// thing is a Thing as a Subject: it is in no group.
type thing struct{ Thing }

func (thing) InGroup(string) bool  { return false }
func (thing) GroupNames() []string { return nil }

// EventFilter is a parsed filter of an event hook.
type EventFilter struct{ condition *Expression }

// Matches says whether the event passes.
func (f *EventFilter) Matches(event Thing) bool { return f.condition.Eval(thing{event}) }

// ParseEvent reads a filter, as event.target.?[type eq 'UserGroup'].size()>0.
func ParseEvent(text string) (*EventFilter, error) {
	condition, err := parse(text, ofEvent)
	if err != nil {
		return nil, err
	}
	return &EventFilter{condition}, nil
}

// eventFields are all that filters can look at (documented), targetFields those of one target.
var (
	eventFields = []string{
		"eventType", "outcome.reason", "outcome.result", "actor.id", "actor.type", "actor.alternateId", "actor.displayName",
		"debugData.changedAttributes", "target",
	}
	targetFields = []string{"id", "type", "alternateId", "displayName"}
)

// ofEvent reads an attribute of the event, or a selection of its targets.
func ofEvent(p *parser, name string, depth int) (term, error) {
	path, ok := strings.CutPrefix(name, "event.")
	if !ok {
		return nil, fmt.Errorf("unknown name %s", name)
	}
	return p.attributeOf(eventFields, path, depth)
}

// ofTarget reads an attribute of the target that a selection looks at.
func ofTarget(p *parser, name string, depth int) (term, error) {
	return p.attributeOf(targetFields, name, depth)
}

// attributeOf reads one of the fields, with a selection or a method behind it.
func (p *parser) attributeOf(fields []string, path string, depth int) (term, error) {
	method := ""
	if !slices.Contains(fields, path) && p.take("(") {
		p.at--
		path, method = path[:max(0, strings.LastIndex(path, "."))], path[strings.LastIndex(path, ".")+1:]
	}
	if !slices.Contains(fields, path) {
		return nil, fmt.Errorf("unknown field %s", path)
	}
	var of term = attribute(path)
	if path == "target" {
		if !p.take(".") {
			return nil, errors.New("expected a selection of targets")
		}
		selected, err := p.selection(of, depth)
		if err != nil {
			return nil, err
		}
		of, method = selected, strings.TrimPrefix(p.dotted(""), ".")
	}
	if method == "" {
		return of, nil
	}
	return p.method(of, method, depth)
}

// selection reads ?[condition], the elements of a list that satisfy it.
func (p *parser) selection(of term, depth int) (term, error) {
	if !p.take("?") || !p.take("[") {
		return nil, errors.New("expected ?[ behind the list")
	}
	outer := p.named
	p.named = ofTarget
	condition, err := p.or(depth + 1)
	p.named = outer
	if err != nil {
		return nil, err
	}
	if !p.take("]") {
		return nil, errors.New("expected ]")
	}
	return selection{of, condition}, nil
}

// method reads the arguments of a method: size() of lists, contains('text') of both.
func (p *parser) method(of term, name string, depth int) (term, error) {
	if !p.take("(") {
		return nil, fmt.Errorf("unknown field %s", name)
	}
	switch name {
	case "size", "isEmpty":
		if !p.take(")") {
			return nil, fmt.Errorf("%s takes no argument", name)
		}
		return method{of: of, name: name}, nil
	case "contains":
		part, err := p.argument(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, fmt.Errorf("%s takes one argument", name)
		}
		return method{of: of, name: name, part: part}, nil
	}
	return nil, fmt.Errorf("unknown method %s", name)
}

type selection struct{ of, condition term }

func (t selection) boolean() bool { return false }

func (t selection) eval(s Subject) any {
	list, ok := t.of.eval(s).([]Thing)
	if !ok {
		return nil
	}
	out := []Thing{}
	for _, e := range list {
		if v, ok := t.condition.eval(thing{e}).(bool); ok && v {
			out = append(out, e)
		}
	}
	return out
}

type method struct {
	of, part term
	name     string
}

func (t method) boolean() bool { return t.name != "size" }

func (t method) eval(s Subject) any {
	v := t.of.eval(s)
	if t.name == "contains" {
		return v != nil && strings.Contains(fmt.Sprint(v), fmt.Sprint(t.part.eval(s)))
	}
	n := 0
	switch v := v.(type) {
	case []Thing:
		n = len(v)
	case string:
		n = len(v)
	}
	if t.name == "size" {
		return n
	}
	return n == 0
}
