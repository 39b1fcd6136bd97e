package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Identity sources are apps that hand people and groups over to Okta. They are set up in
// the Admin Console alone, so any app id is taken for one.
const identitySourcePath = "/api/v1/identity-sources/{identitySourceId}"

// identitySourceID takes what looks like the id of an app.
func identitySourceID(_ *Org, key string) (string, error) {
	if len(key) != 20 || key[:3] != "0oa" {
		return "", failure.NotFound(key, "IdentitySource")
	}
	return key, nil
}

func identitySourceKinds() []Kind {
	return []Kind{identitySessions(), identityUsers(), identityGroups()}
}

// identitySessions take people and groups in, and then import them.
func identitySessions() Kind {
	open := is("status", "CREATED", "IN_PROGRESS")
	closed := failure.Invalid("sessionId", "sessionId: The session is not open for changes")
	upload := func(name, field string, check func(c *Change) error) Operation {
		example := doc.Doc{"entityType": "USERS", field: []any{doc.Doc{"externalId": "1"}}}
		return Operation{
			Name: name, Path: name, When: open, Else: closed, Run: check, Set: doc.Doc{"status": "IN_PROGRESS"}, Status: 202, Answer: Nothing,
			Link: "-", Example: example,
		}
	}
	return Kind{
		Name: "identity_source_sessions", Path: identitySourcePath + "/sessions/{sessionId}", Prefix: "aps", Class: "IdentitySourceSession",
		Scope: "okta.identitySources", Area: AreaUsers,
		Verbs:   Verbs{List: true, Get: true, Create: 201, Delete: 204},
		Stamps:  dated,
		Natural: []string{"importType"},
		Fields: []Field{
			{Path: "status", Mode: ReadOnly, Default: "CREATED"},
			{Path: "importType", Mode: ReadOnly, Default: "INCREMENTAL"},
		},
		Operations: []Operation{
			upload("bulk-upsert", "profiles", checkEntities), upload("bulk-delete", "profiles", checkEntities),
			upload("bulk-groups-upsert", "profiles", given("profiles")), upload("bulk-groups-delete", "externalIds", given("externalIds")),
			upload("bulk-group-memberships-upsert", "memberships", given("memberships")),
			upload("bulk-group-memberships-delete", "memberships", given("memberships")),
			{Name: "start-import", Path: "start-import", When: open, Else: closed, Set: doc.Doc{"status": "TRIGGERED"}, Status: 200, Link: "-"},
		},
		Show: func(v *View) { v.Body["identitySourceId"] = v.Object.Home },
	}
}

// checkEntities wants the type of what is handed over, and at least one of it.
func checkEntities(c *Change) error {
	if kind := doc.String(c.Given, "entityType"); kind != "USERS" && kind != "GROUPS" {
		return failure.Invalid("entityType", "entityType: The field entityType is not valid.")
	}
	return given("profiles")(c)
}

// given wants a list in the request.
func given(field string) func(c *Change) error {
	return func(c *Change) error {
		if list, ok := c.Given[field].([]any); !ok || len(list) == 0 {
			return failure.Missing(field)
		}
		return nil
	}
}

func identityUsers() Kind {
	return Kind{
		Name: "identity_source_users", Path: identitySourcePath + "/users/{externalId}", Prefix: "0ua", Alias: []string{"externalId"},
		Class: "IdentitySourceUser", Scope: "okta.identitySources", Area: AreaUsers,
		Verbs:   Verbs{Get: true, Create: 200, Replace: "PUT", Merge: "PATCH", Delete: 204},
		Stamps:  dated,
		Natural: []string{"externalId"},
		Fields: []Field{
			{Path: "externalId", Required: true, Mode: Immutable, Unique: InParent, Exact: true},
			{Path: "profile.userName", Required: true, Example: "person%d@example.com"},
			{Path: "profile.email"},
			{Path: "profile.firstName"},
			{Path: "profile.lastName"},
			{Path: "profile.homeAddress"},
			{Path: "profile.mobilePhone", Null: true},
			{Path: "profile.secondEmail", Null: true},
		},
	}
}

// identityGroups show no times (recorded). Who is in one has a page of its own.
func identityGroups() Kind {
	return Kind{
		Name: "identity_source_groups", Path: identitySourcePath + "/groups/{groupOrExternalId}", Prefix: "00g", Alias: []string{"externalId"},
		Class: "IdentitySourceGroup", Scope: "okta.identitySources", Area: AreaGroups,
		Verbs:   Verbs{Get: true, Create: 200, Merge: "POST", Delete: 200},
		Natural: []string{"externalId"},
		Fields: []Field{
			{Path: "externalId", Required: true, Mode: Immutable, Unique: InParent, Exact: true},
			{Path: "profile.displayName", Required: true},
			{Path: "profile.description"},
			{Path: "members", Type: List, Mode: WriteOnly},
		},
	}
}

// IdentityGroup finds a group of an identity source by its id or by that in the source.
func (o *Org) IdentityGroup(source, key string) (*Object, error) {
	return o.FindObject(o.kinds.named("identity_source_groups"), []string{source, key})
}

// IdentityMembers are the ids, in the source, of the people in a group of it.
func IdentityMembers(g *Object) []any {
	out := []any{}
	return append(out, values(g.Body["members"])...)
}

// AddIdentityMember puts a person of the source into a group of it.
func (o *Org) AddIdentityMember(g *Object, member string) error {
	if member == "" {
		return failure.Missing("memberExternalId")
	}
	rest, _ := doc.RemoveString(values(g.Body["members"]), member)
	g.Body["members"] = append(values(rest), member)
	return nil
}

// RemoveIdentityMember takes a person of the source out of a group of it.
func (o *Org) RemoveIdentityMember(g *Object, member string) error {
	rest, found := doc.RemoveString(values(g.Body["members"]), member)
	if !found {
		return failure.NotFound(member, "IdentitySourceUser")
	}
	g.Body["members"] = rest
	return nil
}
