package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

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
		return operation{method: method, path: "/oauth2/v1" + path, open: true, notes: true, prepare: fetchKeys, run: run}
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
	for _, k := range slices.Sorted(maps.Keys(f)) {
		if len(f[k]) > 1 {
			return nil, badRequest("invalid_request", "The request contains the parameter '"+k+"' more than once.")
		}
	}
	return f, nil
}

// grantTypes are those that the org's authorization server knows (documented).
var grantTypes = []string{
	"authorization_code", "implicit", "refresh_token", "password", clientCredentials,
	"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
	"urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:openid:params:grant-type:ciba",
}

const clientCredentials = "client_credentials"

// grantToken answers the client credentials grant; nobody signs in here who could be
// granted another.
func grantToken(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	a, err := c.client(f)
	if err != nil {
		return err
	}
	if !c.org.ClientReaches(a, c.clientCause(a).IP) {
		c.org.NoteClientOutside(c.clientCause(a), a)
		return badRequest("access_denied", "The client is not allowed to request tokens from this network.")
	}
	if err := mayAsk(a, f.Get("grant_type")); err != nil {
		return err
	}
	key, err := c.bindingKey(a)
	if err != nil {
		return c.ungranted(a, err)
	}
	wanted := strings.Fields(f.Get("scope"))
	scopes, err := grantedScopes(a, wanted)
	if err != nil {
		return c.ungranted(a, err)
	}
	return c.grantAccess(a, &org.AccessToken{ClientID: a.ClientID(), Scopes: scopes, Thumbprint: key}, wanted)
}

// mayAsk checks the grant type, and that the org's own server grants it by keys alone.
func mayAsk(a *org.App, grant string) error {
	configured := doc.Strings(a.Body, "settings", "oauthClient", "grant_types")
	switch {
	case grant == "":
		return badRequest("invalid_request", "The token request must specify the 'grant_type' parameter.")
	case !slices.Contains(grantTypes, grant):
		return badRequest("unsupported_grant_type", "The authorization grant type is not supported by the authorization server. "+
			"Configured grant types: ["+strings.Join(grantTypes, ", ")+"].")
	case !slices.Contains(configured, grant):
		return badRequest("unauthorized_client", "The client is not authorized to use the provided grant type. "+
			"Configured grant types: ["+strings.Join(configured, ", ")+"].")
	case grant != clientCredentials:
		return badRequest("invalid_grant", "The "+grant+" is invalid or has expired.")
	case doc.String(a.Body, "credentials", "oauthClient", "token_endpoint_auth_method") != privateKeyJWT:
		return badClient("Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.")
	}
	return nil
}

// ungranted notes why a client that is who it says gets no token.
func (c *call) ungranted(a *org.App, err error) error {
	var o *oauthError
	var p *proofError
	switch {
	case errors.As(err, &p):
		o = &oauthError{p.code, p.description, http.StatusBadRequest}
	case !errors.As(err, &o):
		return err
	}
	c.org.NoteFailure(c.clientCause(a), "app.oauth2.token.grant", o.Code, a.ClientParty())
	return o
}

func (c *call) grantAccess(a *org.App, t *org.AccessToken, wanted []string) error {
	if err := c.host.Issue(c.clientCause(a), a, t, wanted); err != nil {
		return err
	}
	return c.show(doc.Doc{
		"token_type": t.Type(), "expires_in": 3600, "access_token": t.Value, "scope": strings.Join(t.Scopes, " "),
	}, nil)
}

// Issue makes an access token of the app, whose client, scopes and key are given. The
// caller is inside Update.
func (h *Host) Issue(by *org.Cause, a *org.App, t *org.AccessToken, wanted []string) error {
	return h.Org.GrantAccess(by, a, t, wanted, func() (string, error) {
		base := h.Org.Base()
		claims := map[string]any{
			"ver": 1, "jti": t.ID, "iss": base, "aud": base, "sub": a.ClientID(), "cid": a.ClientID(),
			"iat": t.Issued.Time().Unix(), "exp": t.Expires.Time().Unix(), "scp": t.Scopes,
		}
		if t.Thumbprint != "" {
			claims["cnf"] = doc.Doc{"jkt": t.Thumbprint}
		}
		return h.signer.Sign(claims)
	})
}

func (c *call) clientCause(a *org.App) *org.Cause {
	cause := c.cause()
	cause.Actor, cause.Session = a.ClientParty(), "unknown"
	return cause
}

// grantedScopes are those of the wanted scopes that the app was granted: the others are
// left out in silence, and only a request of which nothing remains is refused (seen on
// live orgs: okta-sdk-golang#145).
func grantedScopes(a *org.App, wanted []string) ([]string, error) {
	if len(wanted) == 0 {
		return nil, badRequest("invalid_scope", "The authorization server resource does not have any configured default scopes, 'scope' must be provided.")
	}
	var granted []string
	for _, s := range wanted {
		if slices.Contains([]string{"openid", "profile", "email", "offline_access"}, s) {
			return nil, badRequest("invalid_scope", fmt.Sprintf("Cannot request '%s' scopes using client credentials", s))
		}
		if !strings.HasPrefix(s, "okta.") {
			return nil, badRequest("invalid_scope", "One or more scopes are not configured for the authorization server resource.")
		}
		if !slices.Contains(granted, s) && a.Granted(s) {
			granted = append(granted, s)
		}
	}
	if granted == nil {
		return nil, badRequest("consent_required", "You are not allowed any of the requested scopes.")
	}
	return granted, nil
}

// token is the client of a request about a token, and the token's text.
func (c *call) token() (*org.App, string, error) {
	f, err := c.form()
	if err != nil {
		return nil, "", err
	}
	a, err := c.client(f)
	if err == nil && f.Get("token") == "" {
		err = badRequest("invalid_request", "The 'token' parameter must be provided.")
	}
	return a, f.Get("token"), err
}

func introspect(c *call) error {
	_, text, err := c.token()
	if err != nil {
		return err
	}
	t, a := c.org.AccessOf(text)
	if t == nil {
		return c.show(doc.Doc{"active": false}, nil)
	}
	body := doc.Doc{
		"active": true, "scope": strings.Join(t.Scopes, " "), "client_id": a.ClientID(), "sub": a.ClientID(), "token_type": t.Type(),
		"iss": c.org.Base(), "aud": c.org.Base(), "jti": t.ID, "iat": t.Issued.Time().Unix(), "exp": t.Expires.Time().Unix(),
	}
	if t.Thumbprint != "" {
		body["cnf"] = doc.Doc{"jkt": t.Thumbprint}
	}
	return c.show(body, nil)
}

// revoke always answers 200, so that nobody learns which tokens exist (RFC 7009).
func revoke(c *call) error {
	a, text, err := c.token()
	if err != nil {
		return err
	}
	c.org.RevokeAccess(c.clientCause(a), a, text)
	c.status = http.StatusOK
	return nil
}

func showKeys(c *call) error { return c.show(c.host.signer.Public()) }
