package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// IDTokenBody is what the console shows of an app's id tokens: who issues them, and the
// claim that lists groups. The path is an internal one of Okta's; all of it is recorded.
func (o *Org) IDTokenBody(a *App) (doc.Doc, error) {
	if a.Template != oidcTemplate && a.Name != "" {
		return nil, failure.NotFound(a.ID, "OAuth2AppInstance")
	}
	client := a.ClientID()
	if client == "" {
		client = a.ID
	}
	return doc.Merge(doc.Doc{
		"issuerMode": "ORG_URL", "issuer": o.base, "audience": client, "orgUrl": nil, "customUrl": nil,
	}, a.IDToken), nil
}

// SetIDToken changes the claim. The answer repeats what was given and leaves open what
// follows from the app.
func (o *Org) SetIDToken(by *Cause, a *App, body doc.Doc) (doc.Doc, error) {
	if a.Template != oidcTemplate && a.Name != "" {
		return nil, failure.NotFound(a.ID, "OAuth2AppInstance")
	}
	set := doc.Doc{}
	for _, field := range []string{"issuerMode", "name", "value", "valueType", "groupFilterType"} {
		if body[field] != nil && body[field] != "" {
			set[field] = body[field]
		}
	}
	kinds, filters := []string{"", "FILTER", "GROUPS", "EXPRESSION"}, []string{"", "EQUALS", "STARTS_WITH", "CONTAINS", "REGEX"}
	if !slices.Contains(kinds, doc.String(set, "valueType")) || !slices.Contains(filters, doc.String(set, "groupFilterType")) {
		return nil, failure.Malformed()
	}
	a.IDToken = set
	o.Note(by, "application.lifecycle.update", nil, a.Party())
	return doc.Merge(doc.Doc{"audience": nil, "issuer": nil, "issuerMode": "ORG_URL", "orgUrl": nil, "customUrl": nil}, set), nil
}
