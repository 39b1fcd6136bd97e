package okta

import (
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// orgTypes are the settings of the org itself.
func orgTypes() []entry {
	return []entry{{
		Info: resource.Info{
			Type: "org_settings", Title: "Org settings", Family: "org", Shape: resource.Singleton,
			Label: []resource.Path{"companyName", "subdomain"}, Volatile: times("status", "expiresAt", "_links"), ReadOnly: []resource.Path{"id", "subdomain"},
			Phase: 999, Restorable: "none", Limitation: "kept as evidence",
			ReadScopes: []string{"okta.orgs.read"},
		},
		fixed: "default",
		lists: []pass{{path: "/api/v1/org", single: true}},
		get:   "/api/v1/org",
	}}
}

// securityTypes are what policies stand on.
//
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/NetworkZone/
func securityTypes() []entry {
	life := onOff("/api/v1/zones/{id}/lifecycle/")
	life.offToDelete = true
	return []entry{{
		Info: resource.Info{
			Type: "network_zone", Title: "Network zone", Family: "security", Shape: resource.Collection,
			NaturalKey: []resource.Path{"name"},
			Volatile:   times("_links"), ReadOnly: []resource.Path{"id", "system"},
			Phase: 20, Restorable: "full",
			ReadScopes: []string{"okta.networkZones.read"}, WriteScopes: []string{"okta.networkZones.manage"},
			System: says("system", "true"),
		},
		lists: []pass{{path: "/api/v1/zones?limit=200", limit: 200}},
		get:   "/api/v1/zones/{id}",
		write: writing{create: "POST /api/v1/zones", update: "PUT /api/v1/zones/{id}", remove: "DELETE /api/v1/zones/{id}", life: life},
		events: []event{
			{names: []string{"zone.create"}, op: provider.Create, id: "NetworkZone|Zone"},
			{names: names("zone.", "update", "activate", "deactivate", "make_blacklist", "remove_blacklist"), op: provider.Update, id: "NetworkZone|Zone"},
			{names: []string{"zone.delete"}, op: provider.Delete, id: "NetworkZone|Zone"},
		},
	}}
}

// roleTypes are grants of admin roles.
//
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/RoleAssignmentAUser/
func roleTypes() []entry {
	ofUser := role("user_role", "User admin role", "user", "/api/v1/users/{parent}/roles")
	ofUser.Swept = true
	ofUser.among = &pass{path: "/api/v1/iam/assignees/users?limit=100", limit: 100, envelope: "value"}
	ofUser.is = map[resource.Path]string{"assignmentType": "USER"} // GROUP ones follow from group_role
	ofUser.Cautions = when(always, "it makes the person an administrator")
	ofUser.events = grants("user.account.privilege.", "User")

	ofGroup := role("group_role", "Group admin role", "group", "/api/v1/groups/{parent}/roles")
	ofGroup.Within = not(says("type", "BUILT_IN"))
	ofGroup.Cautions = when(always, "it makes everybody in the group an administrator, now and later")
	ofGroup.events = grants("group.privilege.", "UserGroup")

	ofClient := role("client_role", "Service app admin role", "app", "/oauth2/v1/clients/{parent:credentials.oauthClient.client_id}/roles")
	ofClient.Within = says("settings.oauthClient.application_type", "service")
	ofClient.Cautions = when(always, "it makes the service app an administrator")
	ofClient.events = grants("app.oauth2.client.privilege.", "PublicClientApp|AppInstance")
	return []entry{ofUser, ofGroup, ofClient}
}

func always(resource.Resource) bool { return true }

// grants are the log's events of roles: they name who has the role, not which it is.
func grants(prefix, parent string) []event {
	return []event{
		{names: names(prefix, "grant"), op: provider.Create, parent: parent},
		{names: names(prefix, "revoke"), op: provider.Delete, parent: parent},
	}
}

// role is an entry for grants to one kind of assignee.
func role(t resource.Type, title string, parent resource.Type, path string) entry {
	return entry{
		Info: resource.Info{
			Type: t, Title: title, Family: "administration", Shape: resource.Collection, Parent: parent,
			NaturalKey: []resource.Path{"type", "role", "resource-set"}, Label: []resource.Path{"label", "type"},
			Refs:     []resource.Ref{below(parent)},
			Volatile: times("_links"), ReadOnly: []resource.Path{"id", "label", "assignmentType", "status"},
			Phase: 114, Restorable: "partial", Limitation: "a role that is limited to some groups or apps is shown and not granted again: without its limits it would hold for the whole org",
			ReadScopes: []string{"okta.roles.read"}, WriteScopes: []string{"okta.roles.manage"},
			Within: nil, System: not(says("assignmentType", "USER", "GROUP", "CLIENT")),
		},
		lists: []pass{{path: path}},
		get:   path + "/{id}",
		write: writing{
			create: "POST " + path, remove: "DELETE " + path + "/{id}", fields: []resource.Path{"type"},
			only: map[resource.Path][]string{"type": {"SUPER_ADMIN", "ORG_ADMIN", "API_ACCESS_MANAGEMENT_ADMIN", "READ_ONLY_ADMIN", "REPORT_ADMIN", "MOBILE_ADMIN"}},
			why:  "this role may be limited to some groups or apps, which the snapshot does not hold; granted without them it would hold for the whole org",
		},
	}
}
