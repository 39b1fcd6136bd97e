package okta

import (
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// directoryTypes are people and groups.
//
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/ (and Group, GroupRule, Schema, UserType)
func directoryTypes() []entry {
	return []entry{userType(), userSchema(), groupSchema(), group(), user(), groupMembership(), groupRule()}
}

func userType() entry {
	return entry{
		Info: resource.Info{
			Type: "user_type", Title: "User type", Family: "directory", Shape: resource.Collection,
			NaturalKey: []resource.Path{"name"}, Label: []resource.Path{"displayName", "name"},
			Volatile: times("createdBy", "lastUpdatedBy", "_links"), ReadOnly: []resource.Path{"id", "default"},
			Phase: 10, Restorable: "full", Limitation: "comes back with a new id and a new schema",
			ReadScopes: []string{"okta.userTypes.read"}, WriteScopes: []string{"okta.userTypes.manage"},
			System: says("default", "true"),
		},
		lists: []pass{{path: "/api/v1/meta/types/user"}},
		get:   "/api/v1/meta/types/user/{id}",
		write: writing{
			create: "POST /api/v1/meta/types/user", update: "PUT /api/v1/meta/types/user/{id}", remove: "DELETE /api/v1/meta/types/user/{id}",
			fields: []resource.Path{"name", "displayName", "description"},
		},
		events: []event{{names: []string{"directory.non_default_user_profile.create"}, op: provider.Create}},
	}
}

func userSchema() entry {
	return entry{
		Info: resource.Info{
			Type: "user_schema", Title: "User profile schema", Family: "directory", Shape: resource.Singleton, Parent: "user_type",
			Label: []resource.Path{"title"}, Refs: []resource.Ref{below("user_type")},
			Volatile: times("id", "_links", "$schema"),
			ReadOnly: []resource.Path{"name", "type", "definitions.base.id", "definitions.base.required", "definitions.base.type",
				"definitions.custom.id", "definitions.custom.required", "definitions.custom.type"},
			Phase: 11, Restorable: "partial", Limitation: "base attributes allow few changes; a removed attribute has lost its values",
			ReadScopes: []string{"okta.schemas.read"}, WriteScopes: []string{"okta.schemas.manage"},
		},
		// The schema's ID is its user type's knowledge, and "default" in its own id.
		identity: "_links.self.href",
		lists:    []pass{{path: "{parent:_links.schema.href}", single: true}},
		get:      "/api/v1/meta/schemas/user/{id}",
		write:    writing{update: "POST /api/v1/meta/schemas/user/{id}", fields: []resource.Path{"title", "description", "definitions"}},
		events:   []event{{names: names("directory.user_profile.", "update", "bootstrap"), op: provider.Update}},
	}
}

func groupSchema() entry {
	return entry{
		Info: resource.Info{
			Type: "group_schema", Title: "Group profile schema", Family: "directory", Shape: resource.Singleton,
			Label: []resource.Path{"title"}, Volatile: times("id", "_links", "$schema"),
			ReadOnly: []resource.Path{"name", "type", "definitions.base.id", "definitions.base.required", "definitions.base.type",
				"definitions.custom.id", "definitions.custom.required", "definitions.custom.type"},
			Phase: 11, Restorable: "partial", Limitation: "name and description are fixed; a removed attribute has lost its values",
			ReadScopes: []string{"okta.schemas.read"}, WriteScopes: []string{"okta.schemas.manage"},
		},
		fixed:  "default",
		lists:  []pass{{path: "/api/v1/meta/schemas/group/default", single: true}},
		get:    "/api/v1/meta/schemas/group/default",
		write:  writing{update: "POST /api/v1/meta/schemas/group/default", fields: []resource.Path{"title", "description", "definitions"}},
		events: []event{{names: []string{"directory.user_profile.update"}, op: provider.Update}},
	}
}

func group() entry {
	return entry{
		Info: resource.Info{
			Type: "group", Title: "Group", Family: "directory", Shape: resource.Collection,
			NaturalKey: []resource.Path{"type", "profile.name"}, Label: []resource.Path{"profile.name"},
			Moving:   []string{"lastMembershipUpdated"},
			Volatile: times("lastMembershipUpdated", "_links", "_embedded"), ReadOnly: []resource.Path{"id", "objectClass", "type"},
			Phase: 30, Restorable: "partial", Limitation: "groups that an app or a directory sends come back only from there",
			ReadScopes: []string{"okta.groups.read"}, WriteScopes: []string{"okta.groups.manage"},
			System: not(says("type", "OKTA_GROUP")), Limited: not(says("type", "OKTA_GROUP")),
		},
		lists: []pass{{path: "/api/v1/groups?limit=200", limit: 200}},
		get:   "/api/v1/groups/{id}",
		find:  "/api/v1/groups?q={key}&limit=200",
		write: writing{
			create: "POST /api/v1/groups", update: "PUT /api/v1/groups/{id}", remove: "DELETE /api/v1/groups/{id}",
			fields: []resource.Path{"profile"},
			only:   map[resource.Path][]string{"type": {"OKTA_GROUP"}}, why: "only Okta's own groups can be made; this one comes from its directory or app",
		},
		events: []event{
			{names: []string{"group.lifecycle.create"}, op: provider.Create, id: "UserGroup"},
			{names: []string{"group.profile.update"}, op: provider.Update, id: "UserGroup"},
			{names: []string{"group.lifecycle.delete"}, op: provider.Delete, id: "UserGroup", children: []resource.Type{"group_membership", "group_role"}},
		},
	}
}

func user() entry {
	leavers := pass{path: `/api/v1/users?filter=status+eq+%22DEPROVISIONED%22&limit=200`, limit: 200}
	leftSince := pass{path: `/api/v1/users?filter=status+eq+%22DEPROVISIONED%22+and+lastUpdated+gt+%22{began}%22&limit=200`, limit: 200}
	return entry{
		Info: resource.Info{
			Type: "user", Title: "User", Family: "directory", Shape: resource.Collection,
			NaturalKey: []resource.Path{"profile.login"}, Label: []resource.Path{"profile.displayName", "profile.login"},
			Refs:     []resource.Ref{to("type.id", "user_type")},
			Moving:   []string{"lastLogin"},
			Volatile: times("activated", "statusChanged", "lastLogin", "passwordChanged", "transitioningToStatus", "_links", "_embedded"),
			ReadOnly: []resource.Path{"id", "realmId", "credentials.provider", "credentials.emails"},
			Secret:   []resource.Path{"credentials.password", "credentials.recovery_question"},
			Phase:    40, Restorable: "partial", Limitation: "passwords, recovery answers and factors cannot be read; a new user has a new id; people from a directory come back from there",
			ReadScopes: []string{"okta.users.read"}, WriteScopes: []string{"okta.users.manage"},
			System: says("credentials.provider.type", "ACTIVE_DIRECTORY", "LDAP"),
			Left:   left, Cautions: accountOpened,
		},
		// The plain list leaves DEPROVISIONED people out. They are listed before it, and
		// who became one since after it, so that whoever comes back or leaves meanwhile
		// is in one of them.
		lists: []pass{leavers, {path: "/api/v1/users?limit=200", limit: 200}, leftSince},
		get:   "/api/v1/users/{id}",
		find:  "/api/v1/users?filter=profile.login+eq+%22{key}%22&limit=200",
		write: writing{
			create: "POST /api/v1/users?activate=false", update: "PUT /api/v1/users/{id}", remove: "DELETE /api/v1/users/{id}?sendEmail=false",
			fields: []resource.Path{"profile", "type"},
			life: lifecycle{
				path: "/api/v1/users/{id}/lifecycle/", deleteTwice: true, offFirst: true, off: "DEPROVISIONED", late: []string{"SUSPENDED"},
				moves: []move{
					{from: []string{"STAGED", "DEPROVISIONED"}, to: "ACTIVE", verb: "activate?sendEmail=false"},
					{from: []string{"SUSPENDED"}, to: "ACTIVE", verb: "unsuspend"},
					{from: []string{"ACTIVE"}, to: "SUSPENDED", verb: "suspend"},
					{to: "DEPROVISIONED", verb: "deactivate?sendEmail=false"},
				},
				// What follows from a person's passwords is theirs to set, not ours.
				alike: map[string]string{"PROVISIONED": "ACTIVE", "RECOVERY": "ACTIVE", "PASSWORD_EXPIRED": "ACTIVE", "LOCKED_OUT": "ACTIVE", "PASSWORD_RESET": "ACTIVE"},
			},
		},
		events: []event{
			{names: []string{"user.lifecycle.create"}, op: provider.Create, id: "User"},
			{names: append(names("user.lifecycle.", "activate", "deactivate", "reactivate", "suspend", "unsuspend", "delete.initiated"),
				append(names("user.account.", "update_profile", "update_user_type", "lock", "unlock", "reset_password", "update_password", "update_primary_email"),
					"user.realm.update")...), op: provider.Update, id: "User"},
			{names: []string{"user.lifecycle.delete.completed"}, op: provider.Delete, id: "User", children: []resource.Type{"user_role"}},
		},
	}
}

// left is how a person who has left stands in the directory.
var left = says("status", "DEPROVISIONED")

// accountOpened: an account that was closed, or deleted, is open again.
func accountOpened(now, want, _ []byte) []string {
	if left(resource.Resource{Body: want}) || now != nil && !left(resource.Resource{Body: now}) {
		return nil
	}
	return []string{"the account was closed since the snapshot, and opens again: make sure that the person has not left"}
}

func groupMembership() entry {
	return entry{
		Info: resource.Info{
			Type: "group_membership", Title: "Group membership", Family: "directory", Shape: resource.LinkSet, Parent: "group",
			Refs:  []resource.Ref{below("group"), linked("user")},
			Phase: 42, Restorable: "partial", Limitation: "members that a group rule or a directory adds come back by it",
			ReadScopes: []string{"okta.groups.read"}, WriteScopes: []string{"okta.groups.manage"},
			// Everyone holds all users, and Okta fills its other own groups too.
			Within: not(says("type", "BUILT_IN")),
		},
		bare:  true,
		lists: []pass{{path: "/api/v1/groups/{parent}/users?limit=1000", limit: 1000}},
		get:   "/api/v1/users/{id}/groups", match: "{parent}",
		write: writing{create: "PUT /api/v1/groups/{parent}/users/{id}", remove: "DELETE /api/v1/groups/{parent}/users/{id}"},
		events: []event{
			{names: []string{"group.user_membership.add"}, op: provider.Create, id: "User", parent: "UserGroup"},
			{names: names("group.user_membership.", "remove", "rule.add_exclusion"), op: provider.Delete, id: "User", parent: "UserGroup"},
		},
	}
}

func groupRule() entry {
	life := onOff("/api/v1/groups/rules/{id}/lifecycle/")
	life.offToUpdate, life.offToDelete, life.asyncDelete = true, true, true
	life.dead = []string{"INVALID"}
	return entry{
		Info: resource.Info{
			Type: "group_rule", Title: "Group rule", Family: "directory", Shape: resource.Collection,
			NaturalKey: []resource.Path{"name"},
			Refs: []resource.Ref{
				to("actions.assignUserToGroups.groupIds[]", "group"),
				to("conditions.people.users.exclude[]", "user"),
				to("conditions.people.groups.exclude[]", "group"),
				toIn("conditions.expression.value", resource.InExpression, "group"),
			},
			Volatile: times("_embedded"), ReadOnly: []resource.Path{"id"}, Derived: []resource.Path{"allGroupsValid"},
			Phase: 75, Restorable: "full", Limitation: "a changed target group makes it a new rule with a new id",
			Cautions:   when(says("status", "ACTIVE"), "the rule is active: it puts everybody into its groups whom its expression fits today"),
			ReadScopes: []string{"okta.groups.read"}, WriteScopes: []string{"okta.groups.manage"},
		},
		lists: []pass{{path: "/api/v1/groups/rules?limit=200", limit: 200}},
		get:   "/api/v1/groups/rules/{id}",
		write: writing{
			create: "POST /api/v1/groups/rules", update: "PUT /api/v1/groups/rules/{id}", remove: "DELETE /api/v1/groups/rules/{id}",
			fields:  []resource.Path{"type", "name", "conditions", "actions"},
			life:    life,
			rebuild: []resource.Path{"actions"},
		},
		events: append(ruleEvents("group_rule", "PolicyRule|GroupRule", ""),
			event{names: names("group.user_membership.rule.", "deactivated", "invalidate", "trigger"), op: provider.Update, id: "PolicyRule|GroupRule"}),
	}
}
