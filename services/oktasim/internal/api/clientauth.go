package api

import (
	"crypto"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/jose"
	"imago/services/oktasim/internal/org"
)

// How a client authenticates: Okta's names for token_endpoint_auth_method.
const (
	secretBasic   = "client_secret_basic"
	secretPost    = "client_secret_post"
	secretJWT     = "client_secret_jwt"
	privateKeyJWT = "private_key_jwt"
)

// credentials are what a request brings to authenticate its client.
type credentials struct {
	// way is how: secretBasic, secretPost, or "assertion", "none".
	way, id, secret string
	assertion       *assertion
}

// assertion is a client's token about itself (RFC 7523, section 2.2).
type assertion struct {
	*jose.Token
	claims assertionClaims
}

type assertionClaims struct {
	Issuer    string        `json:"iss"`
	Subject   string        `json:"sub"`
	Audience  jose.Audience `json:"aud"`
	Expires   *jose.Date    `json:"exp"`
	Issued    *jose.Date    `json:"iat"`
	NotBefore *jose.Date    `json:"nbf"`
	ID        string        `json:"jti"`
}

// client authenticates the OAuth client of a request.
func (c *call) client(f url.Values) (*org.App, error) {
	given, err := c.credentials(f)
	if err != nil {
		return nil, err
	}
	if given.id == "" {
		return nil, badClient("A client_id must be provided in the request.")
	}
	a := c.org.Client(given.id)
	if a == nil || a.Status != org.Active {
		return nil, badClient("Invalid value for 'client_id' parameter.")
	}
	if err := c.proves(a, given); err != nil {
		c.org.NoteFailure(c.clientCause(a), "app.oauth2.invalid_client_credentials", err.Error(), a.ClientParty())
		return nil, err
	}
	return a, nil
}

// credentials finds the one way in which the request authenticates its client.
func (c *call) credentials(f url.Values) (credentials, error) {
	header := c.r.Header.Get("Authorization")
	var ways []string
	for way, there := range map[string]bool{secretBasic: header != "", secretPost: f.Get("client_secret") != "", "assertion": f.Get("client_assertion") != ""} {
		if there {
			ways = append(ways, way)
		}
	}
	switch {
	case len(ways) > 1:
		return credentials{}, badRequest("invalid_request", "Cannot supply multiple client credentials. Use one of the following: "+
			"credentials in the Authorization header, credentials in the post body, or a client_assertion in the post body.")
	case len(ways) == 0 && f.Get("client_id") == "":
		return credentials{}, badClient("No client credentials found.")
	case len(ways) == 0:
		return credentials{way: "none", id: f.Get("client_id")}, nil
	case ways[0] == secretBasic:
		return basic(c.r)
	case ways[0] == secretPost:
		return credentials{way: secretPost, id: f.Get("client_id"), secret: f.Get("client_secret")}, nil
	}
	return asserted(f)
}

// basic reads the Authorization header, whose parts are form-encoded (RFC 6749, section
// 2.3.1).
func basic(r *http.Request) (credentials, error) {
	name, password, ok := r.BasicAuth()
	id, err := url.QueryUnescape(name)
	secret, err2 := url.QueryUnescape(password)
	if !ok || errors.Join(err, err2) != nil {
		return credentials{}, badRequest("invalid_request", "The authorization header is malformed.")
	}
	return credentials{way: secretBasic, id: id, secret: secret}, nil
}

func asserted(f url.Values) (credentials, error) {
	if f.Get("client_assertion_type") != assertionType {
		return credentials{}, badRequest("invalid_request", "Invalid value for 'client_assertion_type' parameter.")
	}
	t, err := jose.Parse(f.Get("client_assertion"))
	if err != nil {
		return credentials{}, badClient("The parsing of the client_assertion failed.")
	}
	a := &assertion{Token: t}
	if err := t.Claims(&a.claims); err != nil {
		return credentials{}, badClient("The parsing of the client_assertion failed.")
	}
	if id := f.Get("client_id"); id != "" && id != a.claims.Subject {
		return credentials{}, badClient("The client_id of the request and the subject of the client_assertion must be the same.")
	}
	return credentials{way: "assertion", id: a.claims.Subject, assertion: a}, nil
}

// proves checks that the client authenticates in its own way, and rightly so.
func (c *call) proves(a *org.App, given credentials) error {
	method := doc.String(a.Body, "credentials", "oauthClient", "token_endpoint_auth_method")
	switch {
	case given.way == "assertion" && method == privateKeyJWT:
		return c.signedByKey(a, given.assertion)
	case given.way == "assertion" && method == secretJWT:
		return c.signedBySecret(a, given.assertion)
	case given.way == method && method == "none":
		return nil
	case given.way == method && (method == secretBasic || method == secretPost):
		if !slices.ContainsFunc(a.Secrets, func(s *org.Secret) bool { return s.Status == org.Active && s.Value == given.secret }) {
			return badClient("The client secret supplied for a confidential client is invalid.")
		}
		return nil
	}
	return badClient("Client authentication failed. The client must authenticate with " + method + ".")
}

func (c *call) signedByKey(a *org.App, t *assertion) error {
	key, err := c.keyOf(a, t.Head.KeyID)
	if err != nil {
		return badClient("The client_assertion JWT kid is invalid.")
	}
	if err := t.Verify(key); err != nil {
		return badClient("The client_assertion signature is invalid.")
	}
	return c.checkAssertion(a, t.claims)
}

// shortest is the length of a secret by which tokens can be checked (documented).
const shortest = 32

func (c *call) signedBySecret(a *org.App, t *assertion) error {
	for _, s := range a.Secrets {
		switch {
		case s.Status != org.Active:
		case len(s.Value) < shortest:
			return badClient("The client secret is too short to verify a JWT HMAC.")
		case t.Verify([]byte(s.Value)) == nil:
			return c.checkAssertion(a, t.claims)
		}
	}
	return badClient("The client_assertion signature is invalid.")
}

// keyOf finds the app's active public signing key that a token names, among those that the
// org keeps and those that the app publishes; without a name only a single key will do
// (documented).
func (c *call) keyOf(a *org.App, kid string) (crypto.PublicKey, error) {
	kept, _ := doc.Get(a.Body, "settings", "oauthClient", "jwks", "keys").([]any)
	var active []doc.Doc
	for _, k := range slices.Concat(kept, c.keys) {
		key, ok := k.(doc.Doc)
		if ok && doc.String(key, "status") != org.Inactive && doc.String(key, "use") != "enc" && (kid == "" || doc.String(key, "kid") == kid) {
			active = append(active, key)
		}
	}
	if len(active) != 1 {
		return nil, errors.New("no single key matches")
	}
	return jose.PublicKey(active[0])
}

// skew is the clock difference that is forgiven.
const skew = 5 * time.Second

// longest is how far away the end of an assertion may be (documented).
const longest = time.Hour

// checkAssertion checks the claims (RFC 7523, section 3; Okta's limits).
func (c *call) checkAssertion(a *org.App, cl assertionClaims) error {
	now, expires := c.org.Now(), cl.Expires.Time()
	switch {
	case cl.Issuer != cl.Subject || cl.Issuer != a.ClientID():
		return badClient("The issuer and the subject of the client_assertion must be the client_id.")
	case !slices.ContainsFunc(cl.Audience, c.isHere):
		return badClient("The audience claim for client_assertion must be the endpoint invoked for the request.")
	case cl.Expires == nil:
		return badClient("The client_assertion token must contain an expiration claim.")
	case !now.Before(expires.Add(skew)):
		return badClient("The client_assertion token is expired.")
	case expires.After(now.Add(longest + skew)):
		return badClient("The client_assertion token has an expiration too far into the future.")
	case cl.Issued.Time().After(now.Add(skew)):
		return badClient("The client_assertion token was issued in the future.")
	case cl.NotBefore.Time().After(now.Add(skew)):
		return badClient("The client_assertion token cannot be used yet.")
	case cl.ID != "" && c.org.Replayed(a.ClientID(), cl.ID, expires.Add(skew)):
		return badClient("The client_assertion token has already been used.")
	}
	return nil
}

// isHere says whether a URL is the endpoint that was invoked: at the org's own URL, or at
// the address by which the client has reached it.
func (c *call) isHere(url string) bool {
	return slices.Contains([]string{c.org.Base() + c.r.URL.Path, c.origin() + c.r.URL.Path}, strings.TrimSuffix(url, "/"))
}

// origin is where the client believes the org to be.
func (c *call) origin() string {
	if c.r.TLS != nil {
		return "https://" + c.r.Host + c.below
	}
	return "http://" + c.r.Host + c.below
}
