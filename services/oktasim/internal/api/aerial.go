package api

import (
	"net/http"

	"imago/services/oktasim/internal/org"
)

// aerialOperations are the consent to be managed by an Aerial account. Reading it takes the
// scope to manage, too (documented).
func aerialOperations() []operation {
	at := func(method, path string, run func(*call) error) operation {
		return operation{
			method: method, path: org.AerialPath + path, scope: "okta.orgs.manage", area: org.AreaSupport, write: method != http.MethodGet, run: run,
		}
	}
	return []operation{
		at("GET", "", func(c *call) error { return showObject(c, org.KindNamed("aerial_consent")) }),
		at("POST", "/grant", grantAerial),
		at("POST", "/revoke", revokeAerial),
	}
}

func grantAerial(c *call) error {
	k := org.KindNamed("aerial_consent")
	r, err := c.required(k)
	if err != nil {
		return err
	}
	x, err := c.org.GrantAerial(r)
	if err != nil {
		return err
	}
	return c.answer(k, x, http.StatusOK, org.View{}, 0)
}

func revokeAerial(c *call) error {
	r, err := c.required(org.KindNamed("aerial_consent"))
	if err != nil {
		return err
	}
	return c.show(c.org.RevokeAerial(r))
}
