package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// oauthError is the error body of the authorization server (RFC 6749, section 5.2), in
// Okta's words where they are known.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	status      int
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

func badClient(description string) error {
	return &oauthError{"invalid_client", description, http.StatusUnauthorized}
}

func badRequest(code, description string) error {
	return &oauthError{code, description, http.StatusBadRequest}
}

func oauthOperations() []operation {
	open := func(method, path string, run func(*call) error) operation {
		return operation{method: method, path: "/oauth2/v1" + path, open: true, notes: true, run: run}
	}
	return []operation{
		open("POST", "/token", grantToken),
		open("POST", "/introspect", introspect),
		open("POST", "/revoke", revoke),
		open("GET", "/keys", showKeys),
	}
}

// form reads the parameters, which some clients send in the query string.
func (c *call) form() (url.Values, error) {
	f, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, badRequest("invalid_request", "The request body is not a form.")
	}
	for k, v := range c.query {
		if !f.Has(k) {
			f[k] = v
		}
	}
	return f, nil
}

// grantToken answers the client credentials grant, the only one of a service app.
func grantToken(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	a, err := c.client(f)
	if err != nil {
		return err
	}
	if f.Get("grant_type") != "client_credentials" || !slices.Contains(doc.Strings(a.Body, "settings", "oauthClient", "grant_types"), "client_credentials") {
		return badRequest("unsupported_grant_type", "The authorization grant type is not supported by the authorization server. Configured grant types: [client_credentials].")
	}
	if doc.Bool(a.Body, "settings", "oauthClient", "dpop_bound_access_tokens") {
		return badRequest("invalid_dpop_proof", "The DPoP proof JWT header is missing.")
	}
	scopes, err := grantedScopes(a, f.Get("scope"))
	if err != nil {
		c.org.NoteFailure(c.clientCause(a), "app.oauth2.token.grant", "invalid_scope", a.ClientParty())
		return err
	}
	t, err := c.org.GrantAccess(c.clientCause(a), a, scopes, func(id string, issued, expires time.Time) (string, error) {
		return c.host.signer.sign(map[string]any{
			"ver": 1, "jti": id, "iss": c.org.Base(), "aud": c.org.Base(), "sub": a.ClientID(), "cid": a.ClientID(),
			"iat": issued.Unix(), "exp": expires.Unix(), "scp": scopes,
		})
	})
	if err != nil {
		return err
	}
	return c.show(doc.Doc{
		"token_type": "Bearer", "expires_in": 3600, "access_token": t.Value, "scope": strings.Join(scopes, " "),
	}, nil)
}

func (c *call) clientCause(a *org.App) *org.Cause {
	cause := c.cause()
	cause.Actor, cause.Session = a.ClientParty(), "unknown"
	return cause
}

// grantedScopes checks the wanted scopes against the app's grants: one that is missing
// refuses them all.
func grantedScopes(a *org.App, wanted string) ([]string, error) {
	scopes := strings.Fields(wanted)
	if len(scopes) == 0 {
		return nil, badRequest("invalid_scope", "The scope parameter is required.")
	}
	for _, s := range scopes {
		if slices.Contains([]string{"openid", "profile", "email", "offline_access"}, s) {
			return nil, badRequest("invalid_scope", fmt.Sprintf("Cannot request '%s' scopes using client credentials", s))
		}
		if !strings.HasPrefix(s, "okta.") {
			return nil, badRequest("invalid_scope", "One or more scopes are not configured for the authorization server resource.")
		}
		if !slices.ContainsFunc(a.Grants, func(g *org.Grant) bool { return g.ScopeID == s }) {
			return nil, badRequest("invalid_scope", "You are not allowed any of the requested scopes.")
		}
	}
	return scopes, nil
}

// client authenticates the OAuth client of a request by its assertion.
func (c *call) client(f url.Values) (*org.App, error) {
	assertion := f.Get("client_assertion")
	switch {
	case f.Get("client_secret") != "" || c.r.Header.Get("Authorization") != "":
		return nil, badClient("The client must authenticate with private_key_jwt.")
	case assertion == "":
		return nil, badClient("No client credentials found.")
	case f.Get("client_assertion_type") != assertionType:
		return nil, badRequest("invalid_request", "Invalid value for 'client_assertion_type' parameter.")
	}
	t, err := parseAssertion(assertion)
	if err != nil {
		return nil, badClient("The parsing of the client_assertion failed.")
	}
	a := c.org.Client(t.claims.Subject)
	if a == nil || a.Status != org.Active || !usesPrivateKey(a) {
		return nil, badClient("Invalid value for 'client_id' parameter.")
	}
	if err := c.checkAssertion(a, t); err != nil {
		c.org.NoteFailure(c.clientCause(a), "app.oauth2.invalid_client_credentials", err.Error(), a.ClientParty())
		return nil, err
	}
	return a, nil
}

func usesPrivateKey(a *org.App) bool {
	return doc.String(a.Body, "credentials", "oauthClient", "token_endpoint_auth_method") == "private_key_jwt"
}

// skew is the clock difference that is forgiven.
const skew = 5 * time.Second

// checkAssertion checks signature and claims (RFC 7523, section 3; Okta's limits).
func (c *call) checkAssertion(a *org.App, t *assertion) error {
	key, err := t.key(a)
	if err != nil {
		return badClient("The client_assertion JWT kid is invalid.")
	}
	if err := t.verify(key); err != nil {
		return badClient("The client_assertion signature is invalid.")
	}
	now, cl := c.org.Now(), t.claims
	expires, issued := time.Unix(cl.Expires, 0), time.Unix(cl.Issued, 0)
	switch {
	case cl.Issuer != cl.Subject || cl.Issuer != a.ClientID():
		return badClient("The issuer and the subject of the client_assertion must be the client_id.")
	case !slices.Contains(cl.Audience, c.org.Base()+"/oauth2/v1/token"):
		return badClient("The audience claim for client_assertion must be the endpoint invoked for the request.")
	case cl.Expires == 0:
		return badClient("The client_assertion token must contain an expiration claim.")
	case !now.Before(expires.Add(skew)):
		return badClient("The client_assertion token is expired.")
	case expires.After(now.Add(time.Hour + skew)):
		return badClient("The client_assertion token has an expiration too far into the future.")
	case cl.Issued != 0 && issued.After(now.Add(skew)):
		return badClient("The client_assertion token was issued in the future.")
	case cl.ID != "" && c.org.Replayed(a.ClientID(), cl.ID, expires):
		return badClient("The client_assertion token has already been used.")
	}
	return nil
}

func introspect(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	if _, err := c.client(f); err != nil {
		return err
	}
	t, a := c.org.AccessOf(f.Get("token"))
	if t == nil {
		return c.show(doc.Doc{"active": false}, nil)
	}
	return c.show(doc.Doc{
		"active": true, "scope": strings.Join(t.Scopes, " "), "client_id": a.ClientID(), "sub": a.ClientID(), "token_type": "Bearer",
		"iss": c.org.Base(), "aud": c.org.Base(), "jti": t.ID, "iat": t.Issued.Time().Unix(), "exp": t.Expires.Time().Unix(),
	}, nil)
}

// revoke always answers 200, so that nobody learns which tokens exist (RFC 7009).
func revoke(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	a, err := c.client(f)
	if err != nil {
		return err
	}
	c.org.RevokeAccess(c.clientCause(a), a, f.Get("token"))
	c.status = http.StatusOK
	return nil
}

func showKeys(c *call) error { return c.show(c.host.signer.public()) }
