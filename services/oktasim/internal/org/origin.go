package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// originKinds are the trusted origins.
func originKinds() []Kind {
	return []Kind{{
		Name: "trusted_origins", Path: "/api/v1/trustedOrigins/{trustedOriginId}", Prefix: "tos", Class: "TrustedOrigin",
		Scope: "okta.trustedOrigins", Area: AreaZones,
		Verbs: crud(200), Operations: switches(200, TheObject),
		Page:   Page{Default: 20, Max: 200, Filter: []string{"name", "origin", "status", "type"}, Rename: map[string]string{"type": "scopes[].type"}, Q: []string{"name", "origin"}},
		Stamps: signed,
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 255},
			{Path: "origin", Required: true, Unique: InOrg, Pattern: `https?://\S+|[a-z][a-z0-9+.-]*://\S*`, Example: "https://app%d.example.com"},
			{Path: "scopes", Type: List, Required: true, Example: []any{doc.Doc{"type": "CORS"}}},
			{Path: "scopes[].type", Required: true, Enum: []string{"CORS", "REDIRECT", "IFRAME_EMBED"}},
			{Path: "scopes[].allowedOktaApps", Type: List, Enum: []string{"OKTA_ENDUSER"}},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Active, Keep: true},
		},
		Links:  []Link{self("GET PUT DELETE")},
		Events: present("security.trusted_origin"),
	}}
}

// TrustsOrigin says whether browsers may call the org from an origin.
func (o *Org) TrustsOrigin(origin string) bool {
	for _, x := range o.shelf(o.kinds.named("trusted_origins")).objects {
		scopes, ok := x.Body["scopes"].([]any)
		if !ok || doc.String(x.Body, "status") != Active || !strings.EqualFold(doc.String(x.Body, "origin"), origin) {
			continue
		}
		if slices.ContainsFunc(scopes, func(s any) bool { d, ok := s.(doc.Doc); return ok && d["type"] == "CORS" }) {
			return true
		}
	}
	return false
}
