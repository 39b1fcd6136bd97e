package okta

import (
	"strings"

	"imago/pkg/provider"
	"imago/pkg/resource"
)

// appTypes are applications and who may use them.
//
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Application/ (and ApplicationUsers, ApplicationGroups)
func appTypes() []entry { return []entry{app(), appUser(), appGroup()} }

// ownApps are the names of Okta's own apps, which every org has.
var ownApps = [...]string{
	"saasure", "okta_enduser", "okta_browser_plugin", "okta_flow_sso", "flow", "okta_iga_reviewer", "okta_access_requests_resource_catalog",
	"okta_atspoke_sso", "okta_iga_security_access_reviews", "okta_account_settings",
}

func app() entry {
	life := onOff("/api/v1/apps/{id}/lifecycle/")
	life.offToDelete = true
	return entry{
		Info: resource.Info{
			Type: "app", Title: "Application", Family: "applications", Shape: resource.Collection,
			// The technical name is no part of it: Okta gives custom apps a new one.
			NaturalKey: []resource.Path{"label", "signOnMode"}, Label: []resource.Path{"label"},
			Refs: []resource.Ref{
				late(toIn("_links.accessPolicy.href", resource.InHref, "policy_access_policy")),
				late(toIn("_links.profileEnrollment.href", resource.InHref, "policy_profile_enrollment")),
				late(to("settings.identityStoreId", "app")),
				to("settings.notifications.vpn.network.include[]", "network_zone"),
				to("settings.notifications.vpn.network.exclude[]", "network_zone"),
				to("settings.oauthClient.network.include[]", "network_zone"),
				to("settings.oauthClient.network.exclude[]", "network_zone"),
			},
			// Of the links only two say something: which policies the app has.
			Volatile: times("_embedded", "orn", "_links.self", "_links.users", "_links.groups", "_links.logo", "_links.appLinks", "_links.uploadLogo",
				"_links.help", "_links.metadata", "_links.clientCredentials", "_links.policies", "_links.activate", "_links.deactivate",
				"credentials.signing.lastRotated", "credentials.signing.nextRotation",
				"settings.oauthClient.jwks.keys[].created", "settings.oauthClient.jwks.keys[].lastUpdated"),
			ReadOnly: []resource.Path{"id", "_links", "credentials.signing.kid", "credentials.signing.use", "features", "universalLogout"},
			Secret:   []resource.Path{"credentials.oauthClient.client_secret", "credentials.password"},
			Phase:    70, Restorable: "partial", Limitation: "SAML signing keys and provisioning credentials cannot be read; a new app has a new id and new SAML addresses",
			ReadScopes: []string{"okta.apps.read"}, WriteScopes: []string{"okta.apps.manage"},
			System: says("name", ownApps[:]...),
		},
		lists: []pass{{path: "/api/v1/apps?limit=200", limit: 200}},
		get:   "/api/v1/apps/{id}",
		write: writing{
			create: "POST /api/v1/apps?activate=false", update: "PUT /api/v1/apps/{id}", remove: "DELETE /api/v1/apps/{id}", life: life,
			apart: []resource.Path{"status"},
			// Apps that are no catalog's have the addresses that they sign in to.
			named: []resource.Path{"settings.signOn.ssoAcsUrl", "settings.signOn.loginUrl"},
			links: []link{
				{path: "_links.accessPolicy.href", route: "PUT /api/v1/apps/{id}/policies/{ref}"},
				{path: "_links.profileEnrollment.href", route: "PUT /api/v1/apps/{id}/policies/{ref}"},
			},
		},
		events: []event{
			{names: []string{"application.lifecycle.create"}, op: provider.Create, id: "AppInstance"},
			{names: append(names("application.", "lifecycle.update", "lifecycle.activate", "lifecycle.deactivate", "configuration.update",
				"policy.sign_on.update"), "policy.mapping.create"), op: provider.Update, id: "AppInstance"},
			{names: []string{"application.lifecycle.delete"}, op: provider.Delete, id: "AppInstance",
				children: []resource.Type{"app_user", "app_group", "client_role"}},
			{names: names("app.oauth2.client.lifecycle.", "create", "update", "activate", "deactivate"), op: provider.Update, id: "AppInstance|PublicClientApp"},
			{names: names("app.oauth2.client.lifecycle.", "delete"), op: provider.Delete, id: "AppInstance|PublicClientApp"},
		},
	}
}

func appUser() entry {
	return entry{
		Info: resource.Info{
			Type: "app_user", Title: "App user assignment", Family: "applications", Shape: resource.LinkSet, Parent: "app",
			Label: []resource.Path{"credentials.userName"},
			Refs:  []resource.Ref{below("app"), linked("user"), toIn("_links.group.href", resource.InHref, "group")},
			Volatile: times("lastSync", "statusChanged", "passwordChanged", "syncState", "status", "_embedded",
				"_links.app", "_links.user", "_links.self"),
			ReadOnly: []resource.Path{"id", "externalId", "_links"}, Secret: []resource.Path{"credentials.password"},
			Phase: 81, Restorable: "partial", Limitation: "assignments that come from a group come back with it; the app's own id of the person is set by the app",
			ReadScopes: []string{"okta.apps.read"}, WriteScopes: []string{"okta.apps.manage"},
			System: says("scope", "GROUP"), Cautions: provisions,
		},
		lists: []pass{{path: "/api/v1/apps/{parent}/users?limit=500", limit: 500}},
		get:   "/api/v1/apps/{parent}/users/{id}",
		write: writing{
			create: "POST /api/v1/apps/{parent}/users", update: "POST /api/v1/apps/{parent}/users/{id}", remove: "DELETE /api/v1/apps/{parent}/users/{id}",
			fields: []resource.Path{"id", "scope", "credentials", "profile"},
			only:   map[resource.Path][]string{"scope": {"USER"}}, why: "this assignment comes from a group and is made by assigning the group",
		},
		events: []event{
			{names: []string{"application.user_membership.add"}, op: provider.Create, id: "User", parent: "AppInstance"},
			{names: names("application.user_membership.", "update", "change_username", "change_password"), op: provider.Update, id: "User", parent: "AppInstance"},
			{names: []string{"application.user_membership.remove"}, op: provider.Delete, id: "User", parent: "AppInstance"},
		},
	}
}

// provisions tells what the app does downstream for whoever is assigned to it.
func provisions(now, _, app []byte) []string {
	features, err := resource.Path("features[]").Lookup(app)
	if err != nil || now != nil || app == nil {
		return nil // a body that no path can be followed in shows nothing to warn of
	}
	var push []string
	for _, f := range features {
		if word, ok := f.Text(); ok && strings.HasPrefix(word, "PUSH_") {
			push = append(push, word)
		}
	}
	if push == nil {
		return nil
	}
	return []string{"the app provisions: accounts are made in it (" + strings.Join(push, ", ") + ")"}
}

func appGroup() entry {
	return entry{
		Info: resource.Info{
			Type: "app_group", Title: "App group assignment", Family: "applications", Shape: resource.LinkSet, Parent: "app",
			Refs:     []resource.Ref{below("app"), linked("group")},
			Volatile: times("_links", "_embedded"), ReadOnly: []resource.Path{"id"},
			Phase: 80, Restorable: "full", Cautions: provisions,
			ReadScopes: []string{"okta.apps.read"}, WriteScopes: []string{"okta.apps.manage"},
		},
		lists: []pass{{path: "/api/v1/apps/{parent}/groups?limit=200", limit: 200}},
		get:   "/api/v1/apps/{parent}/groups/{id}",
		write: writing{
			create: "PUT /api/v1/apps/{parent}/groups/{id}", update: "PUT /api/v1/apps/{parent}/groups/{id}", remove: "DELETE /api/v1/apps/{parent}/groups/{id}",
			fields: []resource.Path{"priority", "profile"},
		},
		events: []event{
			{names: []string{"group.application_assignment.add"}, op: provider.Create, id: "UserGroup", parent: "AppInstance"},
			{names: []string{"group.application_assignment.update"}, op: provider.Update, id: "UserGroup", parent: "AppInstance"},
			{names: []string{"group.application_assignment.remove"}, op: provider.Delete, id: "UserGroup", parent: "AppInstance"},
		},
	}
}
