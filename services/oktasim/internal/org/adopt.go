package org

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/expression"
)

// ErrUnadoptable says that the org has no place for things at a path.
var ErrUnadoptable = errors.New("nothing of this kind can be adopted")

// adopter takes over objects at paths of one form.
type adopter struct {
	pattern []string
	take    func(o *Org, ids []string, body doc.Doc) error
}

func adopters() []adopter {
	at := func(path string, take func(*Org, []string, doc.Doc) error) adopter {
		return adopter{strings.Split(path, "/"), take}
	}
	return []adopter{
		at(".well-known/okta-organization", adoptOrganization),
		at("api/v1/org", adoptOrg),
		at("api/v1/meta/types/user/*", adoptUserType),
		at("api/v1/meta/schemas/user/*", adoptUserSchema),
		at("api/v1/meta/schemas/group/*", adoptGroupSchema),
		at("api/v1/groups/rules/*", adoptGroupRule),
		at("api/v1/groups/*", adoptGroup),
		at("api/v1/users/*", adoptUser),
		at("api/v1/groups/*/users/*", adoptMembership),
		at("api/v1/users/*/roles/*", adoptRole),
		at("api/v1/groups/*/roles/*", adoptRole),
		at("api/v1/apps/*", adoptApp),
		at("api/v1/apps/*/users/*", adoptAppUser),
		at("api/v1/apps/*/groups/*", adoptAppGroup),
		at("api/v1/apps/*/credentials/secrets/*", adoptAppSecret),
		at("api/v1/policies/*", adoptPolicy),
		at("api/v1/policies/*/rules/*", adoptPolicyRule),
	}
}

// Adopt puts an object into the org as Okta answered it: with its id, stamps and
// status, and without a trace in the log. Path is the object's own
// (/api/v1/groups/00g…). An object that every org has by itself is found by its nature
// and gets the id and the body. A body of nothing but the id makes the least object of
// its kind. The error is ErrUnadoptable for kinds of which the org knows nothing.
func (o *Org) Adopt(path string, body doc.Doc) error {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for _, a := range adopters() {
		if ids, ok := pathIDs(a.pattern, parts); ok {
			err := a.take(o, ids, doc.Clone(body))
			if err == nil {
				o.seedAnchorAt(path)
			}
			return err
		}
	}
	if k, values := o.kinds.at(path); k != nil {
		return o.adoptKind(k, values, body)
	}
	return ErrUnadoptable
}

// pathIDs returns the parts that stand where the pattern has *.
func pathIDs(pattern, parts []string) ([]string, bool) {
	if len(pattern) != len(parts) {
		return nil, false
	}
	var ids []string
	for i, p := range pattern {
		if p == "*" {
			ids = append(ids, parts[i])
		} else if p != parts[i] {
			return nil, false
		}
	}
	return ids, true
}

// stampIn reads a stamp of a body; otherwise is for bodies without it.
func stampIn(body doc.Doc, field string, otherwise Stamp) Stamp {
	text, given := body[field].(string)
	if !given {
		if v, there := body[field]; there && v == nil {
			return 0
		}
		return otherwise
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return otherwise
	}
	return Stamp(t.UnixMilli())
}

// rename gives what every org has by itself the id that it has elsewhere, wherever
// the old one stands.
func (o *Org) rename(from, to string) {
	swap := func(d doc.Doc) { renameIn(d, from, to) }
	o.eachPolicyDoc(swap)
	for _, r := range o.rules {
		swap(r.Conditions)
		swap(r.Actions)
	}
	for _, a := range o.apps {
		swap(a.Body)
		a.AccessPolicy = renamed(a.AccessPolicy, from, to)
		a.ProfileEnrollment = renamed(a.ProfileEnrollment, from, to)
	}
	o.renameInKinds(from, to)
}

func renamed(id, from, to string) string {
	if id == from {
		return to
	}
	return id
}

func renameIn(v any, from, to string) any {
	switch v := v.(type) {
	case doc.Doc:
		for k, e := range v {
			v[k] = renameIn(e, from, to)
		}
	case []any:
		for i, e := range v {
			v[i] = renameIn(e, from, to)
		}
	case string:
		return renamed(v, from, to)
	}
	return v
}

func adoptOrg(o *Org, _ []string, body doc.Doc) error {
	o.info.ID = cmp.Or(doc.String(body, "id"), o.info.ID)
	o.info.Subdomain = cmp.Or(doc.String(body, "subdomain"), o.info.Subdomain)
	o.info.Company = cmp.Or(doc.String(body, "companyName"), o.info.Company)
	o.info.Created = stampIn(body, "created", o.info.Created)
	return nil
}

// adoptOrganization takes over what the org says of itself to everybody; its engine is
// what the org was made with.
func adoptOrganization(o *Org, _ []string, body doc.Doc) error {
	o.info.ID = cmp.Or(doc.String(body, "id"), o.info.ID)
	o.info.Cell = cmp.Or(doc.String(body, "cell"), o.info.Cell)
	if settings := doc.Object(body, "settings"); settings != nil {
		o.info.Traits = settings
	}
	return nil
}

// adoptUserType knows the default type only.
func adoptUserType(o *Org, ids []string, body doc.Doc) error {
	if !doc.Bool(body, "default") {
		return ErrUnadoptable
	}
	from := o.info.UserType
	o.info.UserType = cmp.Or(doc.String(body, "id"), ids[0])
	o.info.Created = stampIn(body, "created", o.info.Created)
	o.info.System = cmp.Or(doc.String(body, "createdBy"), o.info.System)
	if schema := lastPart(doc.String(body, "_links", "schema", "href")); schema != "" {
		o.info.SchemaID = schema
	}
	for _, u := range o.users {
		u.TypeID = renamed(u.TypeID, from, o.info.UserType)
		u.line.Store(nil)
	}
	return nil
}

func lastPart(href string) string { return href[strings.LastIndex(href, "/")+1:] }

func adoptUserSchema(o *Org, ids []string, body doc.Doc) error {
	if ids[0] != "default" && ids[0] != o.info.SchemaID && lastPart(doc.String(body, "_links", "type", "href")) != o.info.UserType {
		return ErrUnadoptable
	}
	if ids[0] != "default" {
		o.info.SchemaID = ids[0]
	}
	return o.adoptSchema("user", body)
}

func adoptGroupSchema(o *Org, _ []string, body doc.Doc) error { return o.adoptSchema("group", body) }

func (o *Org) adoptSchema(kind string, body doc.Doc) error {
	if doc.Object(body, "definitions") == nil {
		return errors.New("adopt schema: it has no definitions")
	}
	delete(body, "_links")
	delete(body, "id")
	o.schemas[kind] = body
	return nil
}

func adoptGroup(o *Org, ids []string, body doc.Doc) error {
	now := o.info.Created
	g := &Group{
		ID: ids[0], Type: cmp.Or(doc.String(body, "type"), OktaGroup), Created: stampIn(body, "created", now),
		LastUpdated: stampIn(body, "lastUpdated", now), LastMembershipUpdated: stampIn(body, "lastMembershipUpdated", now),
		Profile: doc.Object(body, "profile"), Source: lastPart(doc.String(body, "_links", "source", "href")),
	}
	if g.Profile == nil {
		g.Profile = doc.Doc{"name": ids[0], "description": nil}
	}
	if old := o.groups[g.ID]; old != nil {
		g.byUser, g.order = old.byUser, old.order
		*old = *g
		return nil
	}
	if g.Type == BuiltIn && g.Name() == "Everyone" {
		o.adoptEveryone(g)
		return nil
	}
	o.putGroup(g)
	return nil
}

// adoptEveryone lets g stand for the org's own Everyone.
func (o *Org) adoptEveryone(g *Group) {
	old := o.groups[o.info.Everyone]
	g.byUser, g.order = old.byUser, old.order
	delete(o.groups, old.ID)
	o.groupOrder.remove(old.ID)
	o.groups[g.ID] = g
	o.groupOrder.add(g.ID)
	for _, id := range g.order {
		o.users[id].groups.remove(old.ID)
		o.users[id].groups.add(g.ID)
	}
	o.info.Everyone = g.ID
	o.rename(old.ID, g.ID)
}

func adoptUser(o *Org, ids []string, body doc.Doc) error {
	now := o.info.Created
	u := o.users[ids[0]]
	if u == nil {
		u = &User{ID: ids[0]}
	} else {
		delete(o.logins, strings.ToLower(u.Login()))
	}
	u.Status = cmp.Or(doc.String(body, "status"), Active)
	u.Created, u.Activated = stampIn(body, "created", now), stampIn(body, "activated", now)
	u.StatusChanged, u.LastLogin = stampIn(body, "statusChanged", now), stampIn(body, "lastLogin", 0)
	u.LastUpdated, u.PasswordChanged = stampIn(body, "lastUpdated", now), stampIn(body, "passwordChanged", 0)
	u.TypeID = cmp.Or(doc.String(body, "type", "id"), o.info.UserType)
	u.Profile = doc.Object(body, "profile")
	if u.Profile == nil {
		login := ids[0] + "@example.com"
		u.Profile = doc.Doc{"login": login, "email": login, "firstName": "Unknown", "lastName": "Person", "mobilePhone": nil, "secondEmail": nil}
	}
	u.Provider = cmp.Or(doc.String(body, "credentials", "provider", "type"), "OKTA")
	u.HasPassword = doc.Object(body, "credentials", "password") != nil
	u.RecoveryQuestion = doc.String(body, "credentials", "recovery_question", "question")
	u.line.Store(nil)
	o.putUser(u)
	everyone := o.groups[o.info.Everyone]
	o.adoptMember(everyone, u)
	return nil
}

// adoptMember makes a membership of which the group's stamp says nothing.
func (o *Org) adoptMember(g *Group, u *User) {
	was := g.LastMembershipUpdated
	o.membership(g, u, o.info.Created).Manual = true
	g.LastMembershipUpdated = was
}

// adoptMembership needs the group and the user.
func adoptMembership(o *Org, ids []string, _ doc.Doc) error {
	g, err := o.Group(ids[0])
	if err != nil {
		return err
	}
	u, err := o.User(ids[1])
	if err != nil {
		return err
	}
	o.adoptMember(g, u)
	return nil
}

func adoptGroupRule(o *Org, ids []string, body doc.Doc) error {
	source := doc.String(body, "conditions", "expression", "value")
	condition, err := expression.Parse(source)
	if err != nil {
		return fmt.Errorf("adopt group rule: %w", err)
	}
	o.rules[ids[0]] = &GroupRule{
		ID: ids[0], Name: doc.String(body, "name"), Status: doc.String(body, "status"), Created: stampIn(body, "created", 0),
		LastUpdated: stampIn(body, "lastUpdated", 0), Conditions: doc.Object(body, "conditions"), Actions: doc.Object(body, "actions"),
		condition: condition,
	}
	o.ruleOrder.add(ids[0])
	return nil
}

func adoptRole(o *Org, ids []string, body doc.Doc) error {
	if _, err := o.assignee(ids[0]); err != nil {
		return err
	}
	r := &RoleAssignment{
		ID: ids[1], Type: doc.String(body, "type"), Created: stampIn(body, "created", 0), LastUpdated: stampIn(body, "lastUpdated", 0),
	}
	if roleLabels[r.Type] == "" {
		return ErrUnadoptable
	}
	o.roles[ids[0]] = append(slices.DeleteFunc(o.roles[ids[0]], func(x *RoleAssignment) bool { return x.ID == r.ID }), r)
	return nil
}
