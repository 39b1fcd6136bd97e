package org

// personalKinds are what the org lets people take along to Okta Personal, and how long
// Okta's own apps keep them signed in (documented).
func personalKinds() []Kind {
	setting := func(name, path string, get bool, fields ...Field) Kind {
		return Kind{
			Name: name, Path: "/okta-personal-settings/api/v1/" + path, Class: "OktaPersonalSettings",
			Scope: "okta.personal.adminSettings", Area: AreaOrg,
			Verbs: Verbs{Get: get, Replace: "PUT", ReplaceStatus: 204}, Fields: fields, Seeds: []Seed{{}},
			Events: map[string]string{replace: "personal.admin.configuration.update"},
		}
	}
	return []Kind{
		setting("personal_features", "edit-feature", false,
			Field{Path: "enableEnduserEntryPoints", Type: Bool, Default: true, Keep: true}, Field{Path: "enableExportApps", Type: Bool, Default: true, Keep: true}),
		setting("personal_blocklist", "export-blocklists", true, Field{Path: "domains", Type: List, Default: []any{}}),
		{
			Name: "first_party_apps", Path: "/api/v1/first-party-app-settings/{appName}", HideID: true, Class: "OktaApplicationSettings",
			Scope: "okta.apps", Area: AreaApps,
			Verbs: Verbs{Get: true, Replace: "PUT"},
			Fields: []Field{
				{Path: "sessionIdleTimeoutMinutes", Type: Number, Default: 15, Min: 5, Max: 720},
				{Path: "sessionMaxLifetimeMinutes", Type: Number, Default: 720, Min: 5, Max: 10080},
			},
			Seeds: []Seed{{ID: "admin-console"}},
		},
	}
}
