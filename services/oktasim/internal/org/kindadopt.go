package org

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// at finds the kind of the object at a path, and the values of the path's variables;
// nil if no kind has such a path. Fixed segments win over variables.
func (r *registry) at(path string) (*Kind, []string) {
	parts := segments(path)
	var best *Kind
	for _, k := range r.list {
		if leadsTo(k.parts, parts) && (best == nil || len(k.Variables()) < len(best.Variables())) {
			best = k
		}
	}
	if best == nil {
		return nil, nil
	}
	var values []string
	for i, p := range best.parts {
		if !isVariable(p) {
			continue
		}
		value, err := url.PathUnescape(parts[i])
		if err != nil {
			return nil, nil
		}
		values = append(values, value)
	}
	return best, values
}

// leadsTo says whether a path's segments are those of a template.
func leadsTo(template, parts []string) bool {
	return slices.EqualFunc(template, parts, func(have, want string) bool { return have == want || isVariable(have) && want != "" })
}

// adoptKind puts an object in as Okta answered it: with its id, times, people, status
// and fields that the kind does not know. What Okta made by itself in this org and
// bears the same natural key becomes that object. A body that says nothing but the id
// is completed to the smallest valid one. No event is written.
func (o *Org) adoptKind(k *Kind, values []string, body doc.Doc) error {
	home, err := o.homeOf(k, values)
	if err != nil {
		return fmt.Errorf("adopt %s: %w", k.Name, err)
	}
	id := k.fixedID()
	if !k.Singleton() {
		id = values[len(values)-1]
		if own := doc.String(body, "id"); own != "" {
			id = own
		}
	}
	given, stamps := k.stored(body)
	x := o.standIn(k, home, id, given)
	isNew := x == nil
	if isNew {
		x = &Object{Home: home, Created: o.stamp(), LastUpdated: o.stamp()}
	}
	o.renameObject(k, x, id)
	c := &Change{Org: o, Kind: k, Verb: create, Given: given, Before: x.Body, Object: x, Adopting: true}
	c.adopted(isNew)
	k.keepStamps(x, stamps)
	x.Seed = false
	if isNew {
		o.install(c)
		return nil
	}
	x.Body = c.Body
	o.putObject(k, x)
	return nil
}

// adopted makes the body: the recorded one over what only this org can know.
func (c *Change) adopted(isNew bool) {
	c.Body = doc.Clone(c.Given)
	for _, f := range c.Kind.Fields {
		if old := get(c.Before, f.Path); f.Mode == WriteOnly && old != nil && get(c.Given, f.Path) == nil {
			put(c.Body, f.Path, old)
		}
	}
	switch {
	case len(c.Given) > 0:
	case !isNew:
		c.Body = c.Before
	default:
		c.Body = c.Kind.Sample(c.Org, int(c.Org.ids.Next))
		c.complete()
	}
}

// stored splits an answer into the body and the rest.
func (k *Kind) stored(body doc.Doc) (given, stamps doc.Doc) {
	given, stamps = doc.Doc{}, doc.Doc{}
	c := &Change{Kind: k}
	for name, v := range body {
		if c.notField(name) {
			stamps[name] = v
			continue
		}
		given[name] = doc.Clone(v)
	}
	return given, stamps
}

func (k *Kind) keepStamps(x *Object, from doc.Doc) {
	s := k.Stamps
	for name, to := range map[string]*Stamp{s.Created: &x.Created, s.Updated: &x.LastUpdated} {
		if t := s.Layout.read(from[name]); name != "" && t != 0 {
			*to = t
		}
	}
	for name, to := range map[string]*string{s.CreatedBy: &x.CreatedBy, s.UpdatedBy: &x.UpdatedBy} {
		if id := textOf(from[name]); name != "" && id != "" {
			*to = id
		}
	}
}

// standIn finds the object whose place the adopted one takes: the one with its id, or
// a seed with its natural key.
func (o *Org) standIn(k *Kind, home, id string, given doc.Doc) *Object {
	if x := o.shelf(k).objects[within(home, id)]; x != nil {
		return x
	}
	for _, x := range o.objectsIn(k, home) {
		if x.Seed && alike(k.seedKey(), x.Body, given) {
			return x
		}
	}
	return nil
}

// renameObject gives the object another id and takes its children along.
func (o *Org) renameObject(k *Kind, x *Object, id string) {
	if x.ID == "" || x.ID == id {
		x.ID = id
		return
	}
	old, was := x.place(), x.ID
	o.shelf(k).take(x)
	x.ID = id
	o.putObject(k, x)
	o.move(k, old, x.place())
	o.rename(was, id)
}

func (o *Org) move(k *Kind, from, to string) {
	for _, child := range o.kinds.list {
		if child.parent != k {
			continue
		}
		o.rehome(child, from, to)
	}
}

// rehome takes the objects of one home to another one, with what lies below them.
func (o *Org) rehome(k *Kind, from, to string) {
	for _, x := range o.objectsIn(k, from) {
		place := x.place()
		o.shelf(k).take(x)
		x.Home = to
		o.putObject(k, x)
		o.move(k, place, x.place())
	}
}

// Sample makes the smallest valid request body of the kind; n tells samples apart. Objects
// that it must refer to are taken from the org, or made.
func (k *Kind) Sample(o *Org, n int) doc.Doc {
	body := doc.Doc{}
	for _, f := range k.Fields {
		if strings.Contains(f.Path, "[]") || f.Mode == ReadOnly || !f.When.Holds(body) || get(body, f.Path) != nil {
			continue
		}
		if f.Example == nil && !f.Required && f.Path != k.Key {
			continue
		}
		put(body, f.Path, f.sample(o, n))
	}
	return body
}

func (f Field) sample(o *Org, n int) any {
	text := fmt.Sprintf("%s-%d", strings.ReplaceAll(f.Path, ".", "-"), n)
	switch {
	case f.Example != nil && f.Example != "":
		if s, ok := f.Example.(string); ok {
			return strings.ReplaceAll(s, "%d", fmt.Sprint(n))
		}
		return doc.Clone(f.Example)
	case f.Ref != "":
		text = o.anyOf(f.Ref, n)
	case len(f.Enum) > 0:
		text = f.Enum[0]
	}
	switch f.Type {
	case List:
		return doc.Array(text)
	case Map:
		return doc.Doc{}
	case Bool:
		return true
	case Number:
		return max(f.Min, 1)
	}
	return text
}

// anyOf names an object of the kind or anchor, making one if the org has none.
func (o *Org) anyOf(kind string, n int) string {
	k := o.kinds.named(kind)
	if k == nil {
		return o.anyAnchor(kind)
	}
	s := o.shelf(k)
	for _, place := range sortedKeys(s.objects) {
		return s.objects[place].ID
	}
	x, err := o.CreateObject(k, nil, Request{Given: k.Sample(o, n)})
	if err != nil {
		return ""
	}
	return x.ID
}

func (o *Org) anyAnchor(kind string) string {
	var ids []string
	switch kind {
	case "user":
		ids = o.userOrder.list()
	case "group":
		ids = o.groupOrder.list()
	case "app":
		ids = o.appOrder.list()
	case "policy":
		ids = sortedKeys(o.policies)
	}
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// renameInKinds swaps an id of a hand-written object in bodies and homes.
func (o *Org) renameInKinds(from, to string) {
	for _, k := range o.kinds.list {
		for _, x := range o.shelf(k).objects {
			renameIn(x.Body, from, to)
			x.CreatedBy, x.UpdatedBy = renamed(x.CreatedBy, from, to), renamed(x.UpdatedBy, from, to)
		}
		if k.anchor != nil {
			o.rehome(k, from, to)
		}
	}
}
