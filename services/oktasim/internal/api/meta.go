package api

import (
	"net/http"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

func metaOperations() []operation {
	get := func(path, scope string, area org.Area, run func(*call) error) operation {
		return operation{method: http.MethodGet, path: path, scope: scope, area: area, run: run}
	}
	wellKnown := get("/.well-known/okta-organization", "", org.AreaOrg, showOrganization)
	wellKnown.open = true
	return []operation{
		wellKnown,
		get("/api/v1/org", "okta.orgs.read", org.AreaOrg, showOrg),
	}
}

// showOrganization is the unauthenticated self-description, which tells the engine.
func showOrganization(c *call) error {
	pipeline := "v1"
	if c.org.IsOIE() {
		pipeline = "idx"
	}
	info := c.org.Info()
	return c.show(doc.Doc{
		"id": info.ID, "cell": info.Cell, "pipeline": pipeline, "settings": info.Traits,
		"_links": doc.Doc{"organization": doc.Doc{"href": c.org.Base()}},
	}, nil)
}

func showOrg(c *call) error {
	info, base := c.org.Info(), c.org.Base()
	href := func(path string) doc.Doc { return doc.Doc{"href": base + path} }
	body := doc.Doc{
		"id": info.ID, "subdomain": info.Subdomain, "companyName": info.Company, "status": org.Active, "expiresAt": nil,
		"created": info.Created, "lastUpdated": info.Created,
		"_links": doc.Doc{
			"preferences": href("/api/v1/org/preferences"), "contacts": href("/api/v1/org/contacts"), "logo": nil,
			"oktaCommunication": href("/api/v1/org/privacy/oktaCommunication"), "oktaSupport": href("/api/v1/org/privacy/oktaSupport"),
			"uploadLogo": doc.Doc{"href": base + "/api/v1/org/logo", "hints": doc.Doc{"allow": doc.Array("POST")}},
		},
	}
	for _, field := range []string{"website", "phoneNumber", "endUserSupportHelpURL", "supportPhoneNumber", "address1", "address2", "city", "state", "country", "postalCode"} {
		body[field] = nil
	}
	return c.show(body, nil)
}
