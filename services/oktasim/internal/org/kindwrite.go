package org

import (
	"errors"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Request is what a client sends to an object of a kind.
type Request struct {
	By    *Cause
	Given doc.Doc
	Query map[string][]string
}

// CreateObject makes an object; values lead to its parent.
func (o *Org) CreateObject(k *Kind, values []string, r Request) (*Object, error) {
	home, err := o.homeOf(k, values)
	if err != nil {
		return nil, err
	}
	x := &Object{Home: home}
	c := o.change(k, x, create, r)
	if err := c.prepare(); err != nil {
		return nil, err
	}
	o.install(c)
	return x, nil
}

// MakeObject makes the object to which all values lead, as a PUT that makes what is not
// there; the last value is its id.
func (o *Org) MakeObject(k *Kind, values []string, r Request) (*Object, error) {
	home, err := o.homeOf(k, values)
	if err != nil {
		return nil, err
	}
	x := &Object{Home: home, ID: k.fixedID()}
	if !k.Singleton() {
		x.ID = values[len(values)-1]
	}
	if k.Of != "" {
		if err := o.exists(k.Of, x.ID); err != nil {
			return nil, err
		}
	}
	c := o.change(k, x, create, r)
	if err := c.prepare(); err != nil {
		return nil, err
	}
	o.install(c)
	return x, nil
}

// install puts a new object in its place, with what every new one has.
func (o *Org) install(c *Change) {
	x, now := c.Object, o.stamp()
	if x.Created == 0 {
		x.Created, x.LastUpdated = now, now
	}
	if c.By != nil && x.CreatedBy == "" {
		x.CreatedBy, x.UpdatedBy = c.By.Actor.ID, c.By.Actor.ID
	}
	o.ids.Next++
	x.Seq, x.Body = o.ids.Next, c.Body
	o.putObject(c.Kind, x)
	o.seedBelow(c.Kind, x)
	c.finish()
}

func (o *Org) change(k *Kind, x *Object, verb string, r Request) *Change {
	c := &Change{Org: o, By: r.By, Kind: k, Verb: verb, Given: r.Given, Query: r.Query, Object: x, Before: x.Body}
	if c.Given == nil {
		c.Given = doc.Doc{}
	}
	return c
}

// name gives a new object its id, which is free in its home.
func (c *Change) name() error {
	k, x := c.Kind, c.Object
	switch {
	case x.ID != "":
	case k.Singleton():
		x.ID = k.fixedID()
	case k.Key != "":
		x.ID = textOf(get(c.Body, k.Key))
		if c.Org.look(k, x.Home, x.ID) != nil {
			return failure.Taken(k.Key)
		}
	case k.MakeID != nil:
		x.ID = k.MakeID(c.Org)
	default:
		x.ID = c.Org.ids.ID(k.Prefix)
	}
	return nil
}

// prepare checks a request and makes the body to store out of it.
func (c *Change) prepare() error {
	if err := c.refused(); err != nil {
		return err
	}
	if err := c.take(); err != nil {
		return err
	}
	if err := c.licensed(); err != nil {
		return err
	}
	if err := c.unique(); err != nil {
		return err
	}
	if err := c.full(); err != nil {
		return err
	}
	if err := c.refer(); err != nil {
		return err
	}
	if c.Kind.Check != nil {
		if err := c.Kind.Check(c); err != nil {
			return err
		}
	}
	if c.Before == nil {
		if err := c.name(); err != nil {
			return err
		}
	}
	return c.fill()
}

// fill completes a body that has passed all checks.
func (c *Change) fill() error {
	if c.Kind.Fill != nil {
		if err := c.Kind.Fill(c); err != nil {
			return err
		}
	}
	c.rank()
	return nil
}

// full refuses one more object than a parent may have.
func (c *Change) full() error {
	k := c.Kind
	if k.Most == 0 || c.Before != nil || c.Adopting || len(c.Org.objectsIn(k, c.Object.Home)) < k.Most {
		return nil
	}
	return k.Full
}

// refused finds the refusal that the object's state asks for.
func (c *Change) refused() error {
	if c.Before != nil && !c.Adopting && c.Kind.ended(c.Object) {
		return c.Kind.missing(c.Object.ID)
	}
	for _, r := range c.Kind.Refusals {
		if slices.Contains(r.On, c.Verb) && c.Before != nil && r.When.Holds(c.Before) {
			return r.With
		}
	}
	return nil
}

// licensed refuses forms for which the org has no licence.
func (c *Change) licensed() error {
	for _, l := range c.Kind.Licences {
		if l.When.Holds(c.Body) && !c.Org.Licensed(l.Feature) {
			return failure.NotLicensed()
		}
	}
	return nil
}

// unique refuses values that another object has.
func (c *Change) unique() error {
	for _, f := range c.Kind.Fields {
		if f.Unique == Anywhere {
			continue
		}
		v := get(c.Body, f.Path)
		if v == nil {
			continue
		}
		if c.taken(f, v) {
			if f.Taken != nil {
				return f.Taken
			}
			return failure.Taken(f.Path)
		}
	}
	if c.Kind.Distinct {
		for _, x := range c.Org.objectsIn(c.Kind, c.Object.Home) {
			if x != c.Object && c.Kind.alike(x.Body, c.Body) {
				return failure.Taken(c.Kind.natural()[0])
			}
		}
	}
	return nil
}

// alike says whether two bodies have the same natural key.
func (k *Kind) alike(a, b doc.Doc) bool { return alike(k.natural(), a, b) }

// alike says whether two bodies have the same values at all paths, and have them.
func alike(paths []string, a, b doc.Doc) bool {
	for _, path := range paths {
		if v := get(a, path); v == nil || !same(v, get(b, path)) {
			return false
		}
	}
	return true
}

func (c *Change) taken(f Field, v any) bool {
	s := c.Org.shelf(c.Kind)
	for _, x := range s.objects {
		if x == c.Object || c.Kind.ended(x) || f.Unique == InParent && x.Home != c.Object.Home {
			continue
		}
		other := get(x.Body, f.Path)
		if other == nil {
			continue
		}
		if same(other, v) || !f.Exact && strings.EqualFold(textOf(other), textOf(v)) {
			return true
		}
	}
	return false
}

func textOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return ""
}

// finish writes the log event and lets follow what follows.
func (c *Change) finish() {
	if event := c.Kind.Events[c.Verb]; event != "" {
		party := c.Kind.party(c.Object)
		party.ChangeDetails = c.details(event)
		c.Org.Note(c.By, event, nil, party)
	}
	if c.Kind.After != nil {
		c.Kind.After(c)
	}
}

// ReplaceObject is PUT: what is not given gets its default. The old time of the last
// update is returned for kinds that answer with it.
func (o *Org) ReplaceObject(k *Kind, x *Object, r Request) (Stamp, error) {
	return o.rewrite(k, x, replace, r)
}

// MergeObject is a partial update: what is not given stays.
func (o *Org) MergeObject(k *Kind, x *Object, r Request) (Stamp, error) {
	return o.rewrite(k, x, merge, r)
}

func (o *Org) rewrite(k *Kind, x *Object, verb string, r Request) (Stamp, error) {
	c := o.change(k, x, verb, r)
	if err := c.prepare(); err != nil {
		return 0, err
	}
	before := x.LastUpdated
	if k.Quiet && equal(x.Body, c.Body) {
		return before, nil
	}
	x.Body = c.Body
	c.touch()
	c.finish()
	if k.PromptSwitch && !same(c.Before["status"], c.Body["status"]) {
		return 0, nil
	}
	return before, nil
}

// touch moves the object's last update.
func (c *Change) touch() {
	c.Object.LastUpdated = c.Org.stamp()
	if c.By != nil {
		c.Object.UpdatedBy = c.By.Actor.ID
	}
}

// DeleteObject removes the object and what lies below it. A singleton that every org
// has goes back to how it was at first.
func (o *Org) DeleteObject(k *Kind, x *Object, r Request) error {
	return o.change(k, x, remove, r).delete()
}

func (c *Change) delete() error {
	o, k, x, r := c.Org, c.Kind, c.Object, Request{By: c.By}
	c.Body = x.Body
	if err := c.refused(); err != nil {
		return err
	}
	if k.Check != nil {
		if err := k.Check(c); err != nil {
			return err
		}
	}
	if err := o.held(k.Name, x.ID); err != nil {
		return err
	}
	if k.Remains != nil {
		c.end()
		return nil
	}
	if k.Singleton() && len(k.Seeds) > 0 {
		if err := c.sow(k.Seeds[0]); err != nil {
			return err
		}
		x.Body = c.Body
		c.touch()
		c.finish()
		return nil
	}
	o.shelf(k).take(x)
	o.clearBelow(k, x.place())
	c.closeRanks()
	c.finish()
	o.gone(r.By, k.Name, x.ID)
	return nil
}

// end leaves of the object what its kind says.
func (c *Change) end() {
	c.Body = doc.Clone(c.Object.Body)
	for path, v := range c.Kind.Remains {
		put(c.Body, path, doc.Clone(v))
	}
	c.Object.Body = c.Body
	c.touch()
	c.finish()
	c.Org.gone(c.By, c.Kind.Name, c.Object.ID)
}

// ended says whether the object is what remained of a deleted one.
func (k *Kind) ended(x *Object) bool {
	for path, v := range k.Remains {
		if !same(get(x.Body, path), v) {
			return false
		}
	}
	return k.Remains != nil
}

// ClearObjects removes every object of a list that can be removed.
func (o *Org) ClearObjects(k *Kind, values []string, r Request) error {
	list, err := o.ListObjects(k, values)
	if err != nil {
		return err
	}
	for _, x := range list {
		var stays *failure.Failure
		c := o.change(k, x, remove, r)
		c.Clearing = true
		if err := c.delete(); err != nil && !errors.As(err, &stays) {
			return err
		}
	}
	return nil
}

// Operate runs an operation on the object and returns what it replies, nil for the
// object itself.
func (o *Org) Operate(k *Kind, op *Operation, x *Object, r Request) (any, error) {
	c := o.change(k, x, op.Name, r)
	if err := c.operate(op); err != nil {
		return nil, err
	}
	if op.Reply != nil {
		return op.Reply(c)
	}
	return nil, nil
}

func (c *Change) operate(op *Operation) error {
	k, x := c.Kind, c.Object
	c.Body = doc.Clone(x.Body)
	if err := c.refused(); err != nil {
		return err
	}
	if err := op.Offered(x); err != nil {
		return err
	}
	offered := op.When.Holds(x.Body)
	if k.Check != nil {
		if err := k.Check(c); err != nil {
			return err
		}
	}
	for path, v := range op.Set {
		put(c.Body, path, doc.Clone(v))
	}
	if op.Run != nil {
		if err := op.Run(c); err != nil {
			return err
		}
	}
	if op.Read {
		return nil
	}
	x.Body = c.Body
	c.touch()
	if offered {
		c.finish()
	}
	return nil
}
