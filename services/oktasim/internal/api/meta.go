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
