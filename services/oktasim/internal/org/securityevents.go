package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// securityEventKinds are the services that send the org security events.
func securityEventKinds() []Kind {
	return []Kind{{
		Name: "security_events_providers", Path: "/api/v1/security-events-providers/{securityEventProviderId}", Prefix: "sse",
		Class: "SecurityEventsProvider", Scope: "okta.securityEventsProviders", Area: AreaOrg,
		Verbs: crud(200), Operations: switches(200, TheObject),
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 100},
			{Path: "type", Required: true, Mode: Immutable},
			{Path: "status", Mode: ReadOnly, Default: Active},
			{Path: "settings", Type: Map, Required: true, Example: doc.Doc{"well_known_url": "https://events.example.com/.well-known/ssf-configuration"}},
			{Path: "settings.issuer", Max: 700},
			{Path: "settings.jwks_url", Max: 1000},
			{Path: "settings.well_known_url", Max: 1000},
		},
		Links: []Link{self("GET PUT DELETE")},
		Events: map[string]string{
			create: "security.events.provider.create", replace: "security.events.provider.update", remove: "security.events.provider.delete",
			"activate": "security.events.provider.activate", "deactivate": "security.events.provider.deactivate",
		},
		Check: checkSecurityEvents,
	}}
}

// checkSecurityEvents wants either the well-known URL, or the issuer and its keys
// (documented; the texts are assumptions).
func checkSecurityEvents(c *Change) error {
	if c.Verb != create && c.Verb != replace {
		return nil
	}
	s := doc.Object(c.Body, "settings")
	if doc.String(s, "well_known_url") != "" {
		return nil
	}
	for _, field := range []string{"issuer", "jwks_url"} {
		if doc.String(s, field) == "" {
			return failure.Missing("settings." + field)
		}
	}
	return nil
}
