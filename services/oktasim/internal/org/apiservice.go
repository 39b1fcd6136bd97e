package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// apiServiceKinds are integrations of the network that call the API for themselves.
func apiServiceKinds() []Kind {
	return []Kind{{
		Name: "api_services", Path: "/integrations/api/v1/api-services/{apiServiceId}", Prefix: "0oa", Class: "APIServiceIntegrationInstance",
		Scope: "okta.oauthIntegrations", Area: AreaApps,
		Verbs:  Verbs{List: true, Get: true, Create: 201, Delete: 204},
		Page:   Page{Default: 20, Max: 200},
		Stamps: Stamps{Created: "createdAt", CreatedBy: "createdBy"},
		Once:   []string{"clientSecret"},
		Fields: []Field{
			{Path: "type", Required: true},
			{Path: "grantedScopes", Type: List, Required: true},
			{Path: "properties", Type: Map, Default: doc.Doc{}},
			{Path: "name", Mode: ReadOnly, Default: integrationName},
			{Path: "configGuideUrl", Mode: ReadOnly, Default: integrationGuide},
			{Path: "clientSecret", Mode: ReadOnly, Default: func(c *Change) any { return c.Org.ids.Secret(64) }},
		},
		Links:      []Link{self("GET DELETE"), {Name: "client", To: "/oauth2/v1/clients/{id}", Allow: "GET"}},
		Operations: []Operation{},
		Show:       showAPIService,
	}, apiServiceSecrets()}
}

// integrationName is what the network calls the type: Okta's catalog is not simulated, but
// for one name that is recorded.
func integrationName(c *Change) any {
	if t := textOf(c.Body["type"]); t != "anzennaapiservice" {
		return t
	}
	return "Anzenna"
}

// integrationGuide is where the integration's maker says how to set it up.
func integrationGuide(c *Change) any {
	if t := textOf(c.Body["type"]); t != "anzennaapiservice" {
		return "https://www.okta.com/integrations/" + t
	}
	return "https://app.tango.us/app/workflow/Setup-Okta-Integration-in-Anzenna-via-Okta-Integration-Network-de0830961a114582b9a39bf6a0ecfe53"
}

// showAPIService tells the secret once, at creation (recorded).
func showAPIService(v *View) {
	if v.Verb != create {
		delete(v.Body, "clientSecret")
	}
	doc.Object(v.Body, "_links")["logo"] = doc.Doc{"name": "medium", "href": staticHost + "/fs/bcg/4/gfs" + v.Object.ID[3:]}
}

// apiServiceSecrets are further secrets of an integration (documented): two at most.
func apiServiceSecrets() Kind {
	return Kind{
		Name: "api_service_secrets", Path: "/integrations/api/v1/api-services/{apiServiceId}/credentials/secrets/{secretId}", Prefix: "ocs", Class: "OAuth2ClientSecret",
		Scope: "okta.oauthIntegrations", Area: AreaApps,
		Verbs:      Verbs{List: true, Create: 201, Delete: 204},
		Operations: switches(200, TheObject),
		Stamps:     dated, Natural: []string{"client_secret"},
		Fields: []Field{
			{Path: "client_secret", Mode: ReadOnly, Default: func(c *Change) any { return c.Org.ids.Secret(64) }},
			{Path: "secret_hash", Mode: ReadOnly, Default: func(c *Change) any { return c.Org.ids.Secret(22) }},
			{Path: "status", Mode: ReadOnly, Default: Active},
		},
		Links: []Link{},
		Refusals: []Refusal{{
			On: []string{remove}, When: is("status", Active), With: failure.Invalid("status", "status: It must be deactivated before it can be deleted"),
		}},
	}
}
