package org

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/expression"
)

// adoptUserType takes over a type with the id of its schema. The default one is found by
// its name.
func adoptUserType(o *Org, ids []string, body doc.Doc) error {
	k, was := o.kinds.named("user_types"), ids[0]
	if doc.Bool(body, "default") {
		was = o.info.UserType
	}
	if err := o.adoptKind(k, ids, body); err != nil {
		return err
	}
	s := o.schemaOf(was)
	o.renameSchema(s, ids[0], cmp.Or(lastPart(doc.String(body, "_links", "schema", "href")), s.ID))
	if doc.Bool(body, "default") {
		o.info.System = cmp.Or(doc.String(body, "createdBy"), o.info.System)
		for _, u := range o.users {
			u.TypeID = renamed(u.TypeID, was, ids[0])
			u.line.Store(nil)
		}
	}
	return nil
}

// adoptTypeOf makes the type that an adopted user has: as long as nothing is known of the
// org's default type, it is that one.
func (o *Org) adoptTypeOf(u *User) {
	k, was := o.kinds.named("user_types"), o.info.UserType
	if k == nil || o.object(k, u.TypeID) != nil {
		return
	}
	x := o.object(k, was)
	if x == nil || !x.Seed {
		return
	}
	o.renameObject(k, x, u.TypeID)
	x.Seed = false
	o.renameSchema(o.schemaOf(was), u.TypeID, schemaIDOf(u.TypeID))
	for _, other := range o.users {
		other.TypeID = renamed(other.TypeID, was, u.TypeID)
		other.line.Store(nil)
	}
}

// renameSchema gives a user type and its schema other ids.
func (o *Org) renameSchema(s *Schema, typeID, id string) {
	o.info.UserType, o.info.SchemaID = renamed(o.info.UserType, s.Type, typeID), renamed(o.info.SchemaID, s.ID, id)
	delete(o.schemas, s.ID)
	s.Type, s.ID = typeID, id
	o.schemas[id] = s
}

// adoptUserSchema finds the schema by its id or by the type that it links to, which comes
// into being with it.
func adoptUserSchema(o *Org, ids []string, body doc.Doc) error {
	if ids[0] == "default" {
		return o.schemas[o.info.SchemaID].adopt(body)
	}
	typeID := lastPart(doc.String(body, "_links", "type", "href"))
	s := o.schemas[ids[0]]
	switch {
	case s != nil:
	case strings.HasSuffix(doc.String(body, "id"), "/default"):
		s = o.schemas[o.info.SchemaID]
	case typeID == "":
		return ErrUnadoptable
	default:
		if o.object(o.kinds.named("user_types"), typeID) == nil {
			if err := adoptUserType(o, []string{typeID}, doc.Doc{"id": typeID, "name": body["name"], "displayName": body["title"]}); err != nil {
				return err
			}
		}
		s = o.schemaOf(typeID)
	}
	o.renameSchema(s, cmp.Or(typeID, s.Type), ids[0])
	return s.adopt(body)
}

func adoptGroupSchema(o *Org, _ []string, body doc.Doc) error {
	return o.schemas[groupSchema].adopt(body)
}

// adopt takes over an answer; one of nothing but an id leaves the schema as it is.
func (s *Schema) adopt(body doc.Doc) error {
	definitions := doc.Object(body, "definitions")
	if definitions == nil {
		if len(body) > 1 {
			return errors.New("adopt schema: it has no definitions")
		}
		return nil
	}
	s.Name, s.Title, s.Description = doc.String(body, "name"), doc.String(body, "title"), doc.String(body, "description")
	s.Created, s.LastUpdated = stampIn(body, "created", s.Created), stampIn(body, "lastUpdated", s.LastUpdated)
	for part, to := range map[string]*doc.Doc{"base": &s.Base, "custom": &s.Custom} {
		if given := doc.Object(definitions, part, "properties"); given != nil {
			*to = given
		}
	}
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
		o.freeName(old)
		o.groupPlaces.remove(old.place())
		o.groupPlaces.add(g.place())
		*old = *g
		o.takeName(old)
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
	o.groupPlaces.remove(old.place())
	o.takeName(g)
	o.groups[g.ID] = g
	o.groupOrder.add(g.ID)
	o.groupPlaces.add(g.place())
	for id := range g.order.all() {
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
		o.userPlaces.remove(u.place())
	}
	u.Status = cmp.Or(doc.String(body, "status"), Active)
	u.Created, u.Activated = stampIn(body, "created", now), stampIn(body, "activated", now)
	u.StatusChanged, u.LastLogin = stampIn(body, "statusChanged", now), stampIn(body, "lastLogin", 0)
	u.LastUpdated, u.PasswordChanged = stampIn(body, "lastUpdated", now), stampIn(body, "passwordChanged", 0)
	u.TypeID = cmp.Or(doc.String(body, "type", "id"), o.info.UserType)
	o.adoptTypeOf(u)
	u.Profile = doc.Object(body, "profile")
	if u.Profile == nil {
		login := ids[0] + "@example.com"
		u.Profile = doc.Doc{"login": login, "email": login, "firstName": "Unknown", "lastName": "Person", "mobilePhone": nil, "secondEmail": nil}
	}
	if realm := doc.String(body, "realmId"); realm != "" {
		o.adoptRealm(realm)
		if x := o.defaultRealm(); x != nil && x.ID != realm {
			u.RealmID = realm
		}
	}
	u.Provider = cmp.Or(doc.String(body, "credentials", "provider", "type"), "OKTA")
	u.HasPassword = doc.Object(body, "credentials", "password") != nil
	u.RecoveryQuestion = doc.String(body, "credentials", "recovery_question", "question")
	o.putUser(u)
	everyone := o.groups[o.info.Everyone]
	o.adoptMember(everyone, u)
	return nil
}

// adoptRisk takes over an administrator's word on a user; NONE is nobody's.
func adoptRisk(o *Org, ids []string, body doc.Doc) error {
	u, err := o.User(ids[0])
	if err != nil {
		return err
	}
	if u.Risk = doc.String(body, "riskLevel"); u.Risk == "NONE" {
		u.Risk = ""
	}
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
