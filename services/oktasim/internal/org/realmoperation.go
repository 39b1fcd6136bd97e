package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/expression"
)

// realmOperations carry out realm assignments on the people who are there already. What is
// asked for is scheduled, and done when it is looked at next (documented; that it never takes
// longer is an assumption).
func realmOperations() Kind {
	return Kind{
		Name: "realm_assignment_operations", Path: "/api/v1/realm-assignments/operations/{operationId}", Prefix: "rre", Class: "RealmAssignmentOperation",
		Scope: "okta.realmAssignments", Area: AreaRealms, Feature: "realms",
		Verbs:   Verbs{List: true, Create: 201},
		Page:    Page{Default: 20, Max: 200, Order: "-created"},
		Natural: []string{"assignmentId"}, Stamps: Stamps{Created: "created"},
		Fields: []Field{
			{Path: "assignmentId", Required: true, Mode: WriteOnly, Ref: "realm_assignments"},
			{Path: "type", Mode: ReadOnly, Default: "realm:assignment"},
			{Path: "status", Mode: ReadOnly, Default: "COMPLETED"},
			{Path: "started", Mode: ReadOnly, Default: nowMillis},
			{Path: "completed", Mode: ReadOnly, Default: nowMillis},
			{Path: "realmId", Mode: ReadOnly},
			{Path: "realmName", Mode: ReadOnly},
			{Path: "assignmentOperation", Type: Map, Mode: ReadOnly},
			{Path: "numUserMoved", Type: Number, Mode: ReadOnly, Default: 0},
		},
		Fill: runRealmAssignment, Show: showRealmOperation,
	}
}

func nowMillis(c *Change) any { return Millis.write(c.Org.stamp()) }

// runRealmAssignment moves whom the assignment means. One whose condition cannot be read fails.
func runRealmAssignment(c *Change) error {
	x := c.Org.object(c.Org.kinds.named("realm_assignments"), textOf(c.Body["assignmentId"]))
	if x == nil || c.Before != nil || c.Adopting {
		return nil
	}
	configuration := doc.Doc{"id": x.ID}
	for _, field := range []string{"name", "conditions", "actions"} {
		configuration[field] = doc.Clone(x.Body[field])
	}
	c.Body["assignmentOperation"] = doc.Doc{"configuration": configuration}
	realm := c.Org.object(c.Org.kinds.named("realms"), x.text("actions.assignUserToRealm.realmId"))
	c.Body["realmId"], c.Body["realmName"] = realm.ID, realm.text("profile.name")
	target := c.Org.kinds.named("realm_assignments").party(x)
	c.Org.Note(c.By, "directory.realm.assignment.execution_started", nil, target)
	moved, err := c.Org.moveToRealm(c.By, x, realm)
	if err != nil {
		c.Body["status"] = "FAILED"
	}
	c.Body["numUserMoved"] = moved
	c.Org.Note(c.By, "directory.realm.assignment.execution_completed", nil, target)
	return nil
}

// moveToRealm moves everybody who has the app that is the assignment's source and fits its
// condition, and counts them. An error means that the condition cannot be read. Who comes
// from which source is an assumption: Okta knows it by the person's profile.
func (o *Org) moveToRealm(by *Cause, assignment, realm *Object) (int, error) {
	source := strings.ReplaceAll(assignment.text("conditions.expression.value"), "user.profile.", "user.")
	condition, err := expression.Parse(source)
	if err != nil {
		return 0, err
	}
	moved := 0
	app := o.apps[assignment.text("conditions.profileSourceId")]
	for _, u := range ordered(o.users) {
		if app == nil || app.assigned(o, u) == nil || o.realmOf(u) == realm.ID || !condition.Eval(subject{o, u}) {
			continue
		}
		o.changing(u)
		u.RealmID, u.LastUpdated = realm.ID, o.stamp()
		o.Note(by, "user.realm.update", nil, u.Party(), o.kinds.named("realms").party(realm))
		moved++
	}
	return moved, nil
}

// showRealmOperation: the answer to a request is that it is scheduled.
func showRealmOperation(v *View) {
	v.Body["_links"] = doc.Doc{"self": RelMethod.write("self", v.Org.base+"/api/v1/operations/"+v.Object.ID, []string{"GET"})}
	if v.Verb == create {
		v.Body["status"] = "SCHEDULED"
		for _, field := range []string{"started", "completed", "numUserMoved"} {
			delete(v.Body, field)
		}
	}
}
