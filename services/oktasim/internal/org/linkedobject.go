package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// linkedObjectKinds are the definitions of relations between users, as manager and
// subordinate. A definition goes by the names of both its sides.
func linkedObjectKinds() []Kind {
	side := func(name, title, example string) []Field {
		return []Field{
			{Path: name + ".name", Required: true, Pattern: "[A-Za-z][A-Za-z0-9_]*", Example: example},
			{Path: name + ".title", Required: true, Example: title},
			{Path: name + ".description"},
			{Path: name + ".type", Required: true, Enum: []string{"USER"}, Example: "USER"},
		}
	}
	return []Kind{{
		Name: "linked_objects", Path: "/api/v1/meta/schemas/user/linkedObjects/{linkedObjectName}", Key: "primary.name",
		Alias: []string{"associated.name"}, Class: "LinkedObjectProperty", Target: "LinkedObject",
		Scope: "okta.linkedObjects", Area: AreaSchemas,
		Verbs:   Verbs{List: true, Get: true, Create: 201, Delete: 204},
		Fields:  append(side("primary", "Manager", "manager%d"), side("associated", "Subordinate", "subordinate%d")...),
		Natural: []string{"primary.name"},
		Links:   []Link{{Name: "self"}}, LinkStyle: Bare,
		Check:  checkLinkedObject,
		Events: map[string]string{create: "directory.linked_object.create", remove: "directory.linked_object.delete"},
		After: func(c *Change) {
			if c.Verb == remove {
				c.Org.dropRelation(c.Object.ID)
			}
		},
	}}
}

// checkLinkedObject: no two sides of all definitions have one name (documented).
func checkLinkedObject(c *Change) error {
	if c.Verb != create {
		return nil
	}
	sides := []string{"primary", "associated"}
	taken := slices.DeleteFunc(slices.Clone(sides), func(side string) bool {
		return c.Org.look(c.Kind, "", textOf(get(c.Body, side+".name"))) == nil
	})
	if same(get(c.Body, "primary.name"), get(c.Body, "associated.name")) {
		taken = sides
	}
	if len(taken) > 0 {
		return failure.LinkedObjectTaken(taken...)
	}
	return nil
}

// dropRelation ends all links of a definition.
func (o *Org) dropRelation(primary string) {
	for _, u := range o.users {
		delete(u.Links, primary)
	}
}

// dropLinks ends the links that lead to a user.
func (o *Org) dropLinks(userID string) {
	for _, u := range o.users {
		for name, primary := range u.Links {
			if primary == userID {
				delete(u.Links, name)
			}
		}
	}
}

// relation finds the definition by the name of one of its sides, and says whether that
// is the primary one.
func (o *Org) relation(name string) (primary string, isPrimary bool, err error) {
	x, err := o.FindObject(o.kinds.named("linked_objects"), []string{name})
	if err != nil {
		return "", false, err
	}
	return x.ID, x.ID == name, nil
}

// LinkUser makes primary the one to whom the user is linked by the relation.
func (o *Org) LinkUser(u, primary *User, relation string) error {
	name, isPrimary, err := o.relation(relation)
	if err != nil {
		return err
	}
	if !isPrimary {
		return failure.NotFound(relation, "LinkedObjectProperty")
	}
	if u == primary {
		return failure.BadLink(relation)
	}
	if u.Links == nil {
		u.Links = map[string]string{}
	}
	u.Links[name] = primary.ID
	return nil
}

// UnlinkUser ends the user's link to a primary one.
func (o *Org) UnlinkUser(u *User, relation string) error {
	name, isPrimary, err := o.relation(relation)
	if err != nil {
		return err
	}
	if !isPrimary {
		return failure.NotFound(relation, "LinkedObjectProperty")
	}
	delete(u.Links, name)
	return nil
}

// LinkedUsers are the ids of those on the named side of the relation, seen from the user.
func (o *Org) LinkedUsers(u *User, relation string) ([]string, error) {
	name, isPrimary, err := o.relation(relation)
	if err != nil {
		return nil, err
	}
	if isPrimary {
		return slices.DeleteFunc([]string{u.Links[name]}, func(id string) bool { return id == "" }), nil
	}
	var ids []string
	for id := range o.userOrder.all() {
		if o.users[id].Links[name] == u.ID {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// LinkedUserBody stands for a linked user in an answer.
func (o *Org) LinkedUserBody(u *User) any {
	return doc.Doc{"_links": doc.Doc{"self": doc.Doc{"href": o.base + "/api/v1/users/" + u.ID}}}
}
