package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// GroupOwner is a user or a group that owns a group.
type GroupOwner struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Added Stamp  `json:"added"`
}

// AddOwner lets a user or a group own the group. No event tells of it.
func (o *Org) AddOwner(g *Group, body doc.Doc) (GroupOwner, error) {
	w := GroupOwner{ID: doc.String(body, "id"), Type: doc.String(body, "type"), Added: o.stamp()}
	kinds := map[string]string{"USER": "user", "GROUP": "group"}
	switch {
	case w.ID == "":
		return w, failure.Missing("id")
	case kinds[w.Type] == "":
		return w, failure.Invalid("type", "type: '"+w.Type+"' is not a valid value. It must be one of GROUP, USER")
	}
	if err := o.exists(kinds[w.Type], w.ID); err != nil {
		return w, err
	}
	if slices.ContainsFunc(g.Owners, w.is) {
		// Recorded.
		return w, failure.Invalid("owner", "Provided owner is already assigned to this group")
	}
	g.Owners = append(g.Owners, w)
	return w, nil
}

func (w GroupOwner) is(other GroupOwner) bool { return w.ID == other.ID }

// RemoveOwner ends an ownership.
func (o *Org) RemoveOwner(g *Group, id string) error {
	if !slices.ContainsFunc(g.Owners, GroupOwner{ID: id}.is) {
		return failure.NotFound(id, "LinkedObject")
	}
	g.Owners = slices.DeleteFunc(g.Owners, GroupOwner{ID: id}.is)
	return nil
}

// disown ends every ownership of one who is no more.
func (o *Org) disown(id string) {
	for _, g := range o.groups {
		if slices.ContainsFunc(g.Owners, GroupOwner{ID: id}.is) {
			g.Owners = slices.DeleteFunc(g.Owners, GroupOwner{ID: id}.is)
		}
	}
}

// OwnerBody is an owner; the answer to a new one writes the time in another form (recorded).
func (o *Org) OwnerBody(w GroupOwner, isNew bool) any {
	layout, name := Spaced, ""
	if isNew {
		layout = Unixdate
	}
	if u := o.users[w.ID]; u != nil {
		name = u.Name()
	}
	if g := o.groups[w.ID]; g != nil {
		name = g.Name()
	}
	return doc.Doc{
		"id": w.ID, "type": w.Type, "resolved": true, "originId": nil, "originType": "OKTA_DIRECTORY", "displayName": name,
		"lastUpdated": layout.write(w.Added),
	}
}

// adoptOwner takes over an owner of a group that is there.
func adoptOwner(o *Org, ids []string, body doc.Doc) error {
	g, err := o.Group(ids[0])
	if err != nil {
		return err
	}
	w := GroupOwner{ID: ids[1], Type: "USER", Added: o.info.Created}
	if kind := doc.String(body, "type"); kind != "" {
		w.Type = kind
	}
	if added := Spaced.read(body["lastUpdated"]); added != 0 {
		w.Added = added
	}
	g.Owners = append(slices.DeleteFunc(g.Owners, w.is), w)
	return nil
}
