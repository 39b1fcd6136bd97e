package org

import (
	"fmt"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// seedKinds makes what a new org has of the kinds at the top and below other seeds.
func (o *Org) seedKinds() {
	for _, k := range o.kinds.list {
		if k.parent == nil && k.anchor == nil {
			o.seedHome(k, "")
		}
	}
}

// seedBelow makes what every new object of the kind has below it.
func (o *Org) seedBelow(k *Kind, x *Object) {
	for _, child := range o.kinds.list {
		if child.parent == k {
			o.seedHome(child, x.place())
		}
	}
}

// seedAnchor makes what every new user, group, app or policy has below it.
func (o *Org) seedAnchor(name, id string) {
	for _, k := range o.kinds.seeded[name] {
		if len(o.objectsIn(k, id)) == 0 {
			o.seedHome(k, id)
		}
	}
}

// seedAnchorAt does so for what was adopted at a path, if it is an anchor's.
func (o *Org) seedAnchorAt(path string) {
	parts := segments(path)
	for _, a := range anchors() {
		if leadsTo(a.parts, parts) {
			o.seedAnchor(a.name, parts[len(parts)-1])
		}
	}
}

// seedHome makes the seeds of a kind in one home. Seeds are made whatever the licences
// say, so that a licence can be granted later; only the engine decides.
func (o *Org) seedHome(k *Kind, home string) {
	if k.Engine != "" && k.Engine != o.info.Engine {
		return
	}
	for _, s := range k.Seeds {
		if s.Engine != "" && s.Engine != o.info.Engine || s.Below.Path != "" && !s.Below.Holds(o.shelf(k.parent).objects[home].Body) {
			continue
		}
		o.plant(k, home, s)
	}
}

func (o *Org) plant(k *Kind, home string, s Seed) {
	c := &Change{Org: o, Kind: k, Verb: create, Object: &Object{ID: s.ID, Home: home, Seed: true}}
	if err := c.sow(s); err != nil {
		panic(fmt.Sprintf("seed of %s: %v", k.Name, err))
	}
	o.install(c)
}

// sow makes the body of a seed. Unlike a request it may set every field, and nothing
// is checked: a seed that cannot be is a fault of its entry, which the tests find.
func (c *Change) sow(s Seed) error {
	c.Given, c.Body = s.Body, doc.Clone(s.Body)
	if c.Body == nil {
		c.Body = doc.Doc{}
	}
	c.complete()
	if err := c.name(); err != nil {
		return err
	}
	return c.fill()
}

// complete adds the defaults of fields that the body lacks.
func (c *Change) complete() {
	for _, f := range c.Kind.Fields {
		if strings.Contains(f.Path, "[]") || !f.When.Holds(c.Body) || c.Kind.lacksAbove(c.Body, f.Path) || get(c.Body, f.Path) != nil {
			continue
		}
		if v := f.fallback(c); v != nil || f.Null {
			put(c.Body, f.Path, v)
		}
	}
}
