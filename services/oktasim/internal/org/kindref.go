package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// refer refuses references to objects that are not there.
func (c *Change) refer() error {
	for _, f := range c.Kind.Fields {
		if f.Ref == "" || f.Mode == ReadOnly {
			continue
		}
		for _, id := range texts(at(c.Body, f.Path)) {
			if id == "" || slices.Contains(f.Literals, id) {
				continue
			}
			if err := c.Org.exists(f.Ref, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// at returns the value at a path, or the values of all elements for a path with [].
func at(body doc.Doc, path string) any {
	list, rest, nested := strings.Cut(path, "[].")
	if !nested {
		return get(body, path)
	}
	var all []any
	for _, e := range values(get(body, list)) {
		if element, ok := e.(doc.Doc); ok {
			all = append(all, values(get(element, rest))...)
		}
	}
	return all
}

// exists fails if no object of the kind or anchor has the id.
func (o *Org) exists(kind, id string) error {
	if k := o.kinds.named(kind); k != nil {
		if x := o.object(k, id); x == nil || k.ended(x) {
			return failure.NotFound(id, k.Class)
		}
		return nil
	}
	for _, a := range anchors() {
		if a.name == kind {
			_, err := a.find(o, id)
			return err
		}
	}
	return failure.NotFound(id, kind)
}

// mention is a field of an object that names another one.
type mention struct {
	kind   *Kind
	object *Object
	field  Field
}

// mentions lists the fields of all kinds that name the object.
func (o *Org) mentions(kind, id string) []mention {
	var found []mention
	for _, k := range o.kinds.list {
		for _, f := range k.Fields {
			if f.Ref != kind {
				continue
			}
			for _, place := range sortedKeys(o.shelf(k).objects) {
				x := o.shelf(k).objects[place]
				if slices.Contains(texts(at(x.Body, f.Path)), id) {
					found = append(found, mention{k, x, f})
				}
			}
		}
	}
	return found
}

// held refuses the deletion of an object on which another one holds.
func (o *Org) held(kind, id string) error {
	k := o.kinds.named(kind)
	for _, m := range o.mentions(kind, id) {
		switch {
		case m.field.Gone != Holds:
		case k != nil && k.Held != nil:
			return k.Held
		default:
			return failure.Invalid("id", "id: It is used in "+m.kind.Class+" "+m.object.text(m.kind.natural()[0])+" and cannot be deleted")
		}
	}
	return nil
}

// gone lets follow for every kind that an object, of a kind or hand-written, is no more:
// what lay below it goes, and references to it end as their fields say.
func (o *Org) gone(by *Cause, kind, id string) {
	o.leaveRoles(by, id)
	for _, m := range o.mentions(kind, id) {
		switch m.field.Gone {
		case Cleared:
			clearMention(m.object.Body, m.field, id)
		case Follows:
			o.shelf(m.kind).take(m.object)
			o.clearBelow(m.kind, m.object.place())
			o.gone(by, m.kind.Name, m.object.ID)
		}
	}
	for _, k := range o.kinds.list {
		if k.anchor != nil && k.anchor.name == kind {
			o.clearHome(k, id)
		}
		if k.Of == kind {
			o.unlink(k, id)
		}
	}
}

// unlink takes an object's links out of every set.
func (o *Org) unlink(k *Kind, id string) {
	for _, x := range ordered(o.shelf(k).objects) {
		if x.ID == id {
			o.shelf(k).take(x)
			o.clearBelow(k, x.place())
		}
	}
}

func clearMention(body doc.Doc, f Field, id string) {
	if _, isList := get(body, f.Path).([]any); isList {
		rest, _ := doc.RemoveString(get(body, f.Path), id)
		put(body, f.Path, rest)
		return
	}
	if f.Null {
		put(body, f.Path, nil)
		return
	}
	drop(body, f.Path)
}

// clearBelow removes all children of the object at the place.
func (o *Org) clearBelow(k *Kind, place string) {
	for _, child := range o.kinds.list {
		if child.parent == k {
			o.clearHome(child, place)
		}
	}
}

func (o *Org) clearHome(k *Kind, home string) {
	for _, x := range o.objectsIn(k, home) {
		o.shelf(k).take(x)
		o.clearBelow(k, x.place())
	}
}
