package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Collection is the objects of one simple resource type: a flat list with create,
// replace, delete and perhaps a switch. What sets the types apart is their Definition.
type Collection struct {
	Objects map[string]*Object `json:"objects"`
	order   index
}

// Object is one member of a collection.
type Object struct {
	ID          string  `json:"id"`
	Status      string  `json:"status"`
	System      bool    `json:"system"`
	Created     Stamp   `json:"created"`
	LastUpdated Stamp   `json:"lastUpdated"`
	Body        doc.Doc `json:"body"`
}

// Definition describes a simple resource type.
type Definition struct {
	// Name is the path segment and the collection's name: zones.
	Name string
	// Prefix starts ids; Class is Okta's class name in "not found"; Target is the type
	// of the log target; Event starts the event types.
	Prefix, Class, Target, Event string
	// Max and Default are the page limits.
	Max, Default int
	// Fill makes the stored body out of a request body; old is nil at creation.
	Fill func(o *Org, old *Object, body doc.Doc) (doc.Doc, error)
	// Changed notes what an update means beyond the update itself; may be nil.
	Changed func(o *Org, by *Cause, d Definition, before doc.Doc, x *Object)
}

// Definitions lists the simple resource types by name.
func Definitions() map[string]Definition {
	return map[string]Definition{"zones": zones}
}

// Object finds a member of a collection.
func (o *Org) Object(d Definition, id string) (*Object, error) {
	if x := o.collections[d.Name].Objects[id]; x != nil {
		return x, nil
	}
	return nil, failure.NotFound(id, d.Class)
}

// ObjectsAfter lists ids that follow the cursor.
func (o *Org) ObjectsAfter(d Definition, cursor string) []string {
	return o.collections[d.Name].order.after(cursor)
}

func (o *Org) put(d Definition, x *Object) {
	c := o.collections[d.Name]
	if c == nil {
		c = &Collection{Objects: map[string]*Object{}}
		o.collections[d.Name] = c
	}
	c.Objects[x.ID] = x
	c.order.add(x.ID)
}

func (x *Object) party(d Definition) Party {
	return Party{ID: x.ID, Type: d.Target, AlternateID: "unknown", DisplayName: doc.String(x.Body, "name")}
}

func (o *Org) checkName(d Definition, old *Object, body doc.Doc) error {
	name := doc.String(body, "name")
	if name == "" {
		return failure.Missing("name")
	}
	for _, x := range o.collections[d.Name].Objects {
		if x != old && strings.EqualFold(doc.String(x.Body, "name"), name) {
			return failure.Taken("name")
		}
	}
	return nil
}

// CreateObject makes a member.
func (o *Org) CreateObject(by *Cause, d Definition, body doc.Doc) (*Object, error) {
	if err := o.checkName(d, nil, body); err != nil {
		return nil, err
	}
	filled, err := d.Fill(o, nil, body)
	if err != nil {
		return nil, err
	}
	now := o.stamp()
	x := &Object{ID: o.ids.ID(d.Prefix), Status: Active, Created: now, LastUpdated: now, Body: filled}
	if doc.String(body, "status") == Inactive {
		x.Status = Inactive
	}
	o.put(d, x)
	o.Note(by, d.Event+".create", nil, x.party(d))
	return x, nil
}

// UpdateObject replaces a member's body.
func (o *Org) UpdateObject(by *Cause, d Definition, x *Object, body doc.Doc) error {
	if x.System {
		body = doc.Merge(body, doc.Doc{"name": x.Body["name"]})
	}
	if err := o.checkName(d, x, body); err != nil {
		return err
	}
	filled, err := d.Fill(o, x, body)
	if err != nil {
		return err
	}
	before := x.Body
	x.Body, x.LastUpdated = filled, o.stamp()
	if s := doc.String(body, "status"); s == Active || s == Inactive {
		x.Status = s
	}
	o.Note(by, d.Event+".update", nil, x.party(d))
	if d.Changed != nil {
		d.Changed(o, by, d, before, x)
	}
	return nil
}

// SwitchObject activates or deactivates a member. One that a policy names stays active
// (assumption: Okta names the policy in its refusal).
func (o *Org) SwitchObject(by *Cause, d Definition, x *Object, active bool) error {
	status, event := Inactive, ".deactivate"
	if active {
		status, event = Active, ".activate"
	}
	if !active && o.mentioned(x.ID) {
		return failure.Invalid("status", "status: It is used in a policy and cannot be deactivated")
	}
	if x.System && !active {
		return failure.Invalid("status", "status: A system object cannot be deactivated")
	}
	if x.Status == status {
		return nil
	}
	x.Status, x.LastUpdated = status, o.stamp()
	o.Note(by, d.Event+event, nil, x.party(d))
	return nil
}

// DeleteObject removes a member that is INACTIVE and not in use. Recordings always
// deactivate first; the refusals are assumptions.
func (o *Org) DeleteObject(by *Cause, d Definition, x *Object) error {
	switch {
	case x.System:
		return failure.Invalid("id", "id: A system object cannot be deleted")
	case x.Status == Active:
		return failure.Invalid("status", "status: It must be deactivated before it can be deleted")
	case o.mentioned(x.ID):
		return failure.Invalid("id", "id: It is used in a policy and cannot be deleted")
	}
	delete(o.collections[d.Name].Objects, x.ID)
	o.collections[d.Name].order.remove(x.ID)
	o.Note(by, d.Event+".delete", nil, x.party(d))
	return nil
}

// ObjectBody is the body of a member.
func (o *Org) ObjectBody(d Definition, x *Object) any {
	self := o.base + "/api/v1/" + d.Name + "/" + x.ID
	links := doc.Doc{"self": allow(self, "GET", "PUT", "DELETE")}
	// A system object has the same links, although Okta refuses to delete it (recorded).
	switchLink(links, self, x.Status)
	body := doc.Doc{
		"id": x.ID, "status": x.Status, "system": x.System, "created": x.Created, "lastUpdated": x.LastUpdated, "_links": links,
	}
	for k, v := range x.Body {
		body[k] = v
	}
	return body
}

// Values returns what the object has at a filter attribute.
func (x *Object) Values(name string) []any {
	switch name {
	case "id":
		return text(x.ID)
	case "status":
		return text(x.Status)
	case "system":
		return []any{x.System}
	}
	return values(doc.Get(x.Body, strings.Split(name, ".")...))
}
