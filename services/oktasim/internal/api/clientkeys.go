package api

import (
	"net/http"
	"net/url"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/hook"
	"imago/services/oktasim/internal/org"
)

// fetchKeys fetches the keys of a client that publishes them at its jwks_uri (documented).
// They are fetched for every request, where Okta keeps them for a while. Nothing but
// loopback is called; who has no keys then cannot prove who it is.
func fetchKeys(c *call) error {
	uri := ""
	if err := c.org.View(func() error { uri = c.keysURI(); return nil }); err != nil || uri == "" {
		return err
	}
	answer, err := c.host.Hooks.Call(c.r.Context(), hook.Request{Method: http.MethodGet, URI: uri, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil || !answer.OK() {
		return badClient("The client's keys could not be retrieved from its jwks_uri.")
	}
	set, err := doc.ParseObject(answer.Body)
	if err != nil {
		return badClient("The client's jwks_uri holds no JSON Web Key Set.")
	}
	c.keys, _ = set["keys"].([]any)
	return nil
}

// keysURI is where the client of the request publishes its keys; "" if it does not, or if
// the request shows none.
func (c *call) keysURI() string {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return ""
	}
	if !form.Has("client_assertion") {
		form = c.query
	}
	given, err := asserted(form)
	if err != nil {
		return ""
	}
	a := c.org.Client(given.id)
	if a == nil || a.Status != org.Active || doc.String(a.Body, "credentials", "oauthClient", "token_endpoint_auth_method") != privateKeyJWT {
		return ""
	}
	return doc.String(a.Body, "settings", "oauthClient", "jwks_uri")
}
