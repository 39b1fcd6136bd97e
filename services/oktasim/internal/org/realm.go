package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// realmKinds are the realms and the rules that put people into them.
func realmKinds() []Kind { return []Kind{realms(), realmAssignments(), realmOperations()} }

func realms() Kind {
	return Kind{
		Name: "realms", Path: "/api/v1/realms/{realmId}", Prefix: "guo", Class: "Realm",
		Scope: "okta.realms", Area: AreaRealms, Feature: "realms",
		Verbs:   crud(200),
		Page:    Page{Default: 200, Max: 200, Search: []string{"*"}, Found: 10},
		Natural: []string{"profile.name"},
		Stamps:  dated,
		Fields: []Field{
			{Path: "profile.name", Required: true, Unique: InOrg, Max: 100},
			{Path: "profile.realmType", Enum: []string{"DEFAULT", "PARTNER"}, Default: "DEFAULT", Keep: true, Feature: "partner_realms"},
			{Path: "profile.domains", Type: List, Default: []any{}, Pattern: `[^!$%^&()=*+,:;<>'\[\]|/?\\]+`},
			{Path: "isDefault", Type: Bool, Mode: ReadOnly, Default: false},
		},
		Links: []Link{self("GET")}, LinkStyle: RelMethod,
		Events: present("directory.realm.lifecycle"),
		// Documented.
		Refusals: []Refusal{{
			On: []string{remove}, When: is("isDefault", true),
			With: failure.RealmStays("It is the default realm."),
		}},
		Seeds: []Seed{{Body: doc.Doc{"profile": doc.Doc{"name": "Default Realm"}, "isDefault": true}}},
		Check: checkRealm, Held: failure.RealmStays("It is used in a realm assignment."),
	}
}

// checkRealm keeps realms that have people (documented).
func checkRealm(c *Change) error {
	if c.Verb != remove {
		return nil
	}
	for _, u := range c.Org.users {
		if u.RealmID == c.Object.ID {
			return failure.RealmStays("It has users.")
		}
	}
	return nil
}

// defaultRealm is the realm of everybody who has no other; nil if the org knows none.
func (o *Org) defaultRealm() *Object {
	for _, x := range o.below("realms", "") {
		if doc.Bool(x.Body, "isDefault") {
			return x
		}
	}
	return nil
}

func (o *Org) realmOf(u *User) string {
	if u.RealmID != "" {
		return u.RealmID
	}
	if x := o.defaultRealm(); x != nil {
		return x.ID
	}
	return ""
}

func (o *Org) realmExists(id string) error {
	if id == "" {
		return nil
	}
	return o.exists("realms", id)
}

// adoptRealm makes the realm that an adopted user has: as long as the org has but its own,
// it is that one.
func (o *Org) adoptRealm(id string) {
	k := o.kinds.named("realms")
	x := o.defaultRealm()
	if id == "" || x == nil || o.object(k, id) != nil {
		return
	}
	if x.Seed {
		o.renameObject(k, x, id)
		x.Seed = false
	}
}

func realmAssignments() Kind {
	return Kind{
		Name: "realm_assignments", Path: "/api/v1/realm-assignments/{assignmentId}", Prefix: "rul", Class: "RealmAssignment",
		Scope: "okta.realmAssignments", Area: AreaRealms, Feature: "realms",
		Verbs: crud(200), Operations: unlinked(switches(204, Nothing)),
		Page:   Page{Default: 20, Max: 200, Order: "priority"},
		Stamps: dated,
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 100},
			{Path: "status", Mode: ReadOnly, Default: Inactive},
			{Path: "isDefault", Type: Bool, Mode: ReadOnly, Default: false},
			{Path: "priority", Type: Number, Keep: true, Default: nextPriority},
			{Path: "conditions.expression.value", Required: true, Example: `user.profile.title=="Foo"`},
			{Path: "conditions.profileSourceId", Required: true, Example: "0oa00000000000000001"},
			{Path: "domains", Type: List},
			{Path: "actions.assignUserToRealm.realmId", Required: true, Ref: "realms", Gone: Holds},
		},
		Links: []Link{self("GET")}, LinkStyle: RelMethod,
		Events: map[string]string{
			create: "directory.realm.assignment.create", replace: "directory.realm.assignment.update", remove: "directory.realm.assignment.delete",
			"activate": "directory.realm.assignment.update", "deactivate": "directory.realm.assignment.update",
		},
		// Documented: only an inactive assignment can be changed or deleted; the codes are assumptions.
		Refusals: []Refusal{
			{On: []string{remove}, When: is("isDefault", true), With: failure.Invalid("id", "id: The default realm assignment cannot be deleted")},
			{On: []string{replace, remove}, When: is("status", Active), With: failure.Invalid("status", "status: The realm assignment must be deactivated first")},
		},
	}
}

// nextPriority comes after those that are there.
func nextPriority(c *Change) any {
	next := 0
	for _, x := range c.Org.objectsIn(c.Kind, c.Object.Home) {
		if n, ok := doc.Int(x.Body, "priority"); ok && x != c.Object {
			next = max(next, n+1)
		}
	}
	return next
}

// unlinked are operations of which answers say nothing.
func unlinked(ops []Operation) []Operation {
	for i := range ops {
		ops[i].Link = "-"
	}
	return ops
}
