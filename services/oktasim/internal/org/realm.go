package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// realmKinds are the realms.
func realmKinds() []Kind {
	return []Kind{{
		Name: "realms", Path: "/api/v1/realms/{realmId}", Prefix: "guo", Class: "Realm",
		Scope: "okta.realms", Area: AreaUsers, Feature: "realms",
		Verbs:   crud(200),
		Page:    Page{Default: 200, Max: 200, Search: []string{"*"}},
		Natural: []string{"profile.name"},
		Stamps:  dated,
		Fields: []Field{
			{Path: "profile.name", Required: true, Unique: InOrg, Max: 100},
			{Path: "profile.realmType", Enum: []string{"DEFAULT", "PARTNER"}, Default: "DEFAULT", Keep: true, Feature: "partner_realms"},
			{Path: "profile.domains", Type: List, Default: []any{}},
			{Path: "isDefault", Type: Bool, Mode: ReadOnly, Default: false},
		},
		Links: []Link{self("GET")}, LinkStyle: RelMethod,
		Events: present("directory.realm.lifecycle"),
		// Documented: the default realm cannot be deleted; the code is an assumption.
		Refusals: []Refusal{{
			On: []string{remove}, When: is("isDefault", true),
			With: failure.Invalid("id", "id: The default realm cannot be deleted"),
		}},
		Seeds: []Seed{{Body: doc.Doc{"profile": doc.Doc{"name": "Default Realm"}, "isDefault": true}}},
	}}
}
