package api_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

var encode = base64.RawURLEncoding.EncodeToString

// rsaKey is made once: it costs a tenth of a second.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func testKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaJWK(k *rsa.PrivateKey, kid string) doc.Doc {
	return doc.Doc{"kty": "RSA", "kid": kid, "e": encode(big.NewInt(int64(k.E)).Bytes()), "n": encode(k.N.Bytes())}
}

// service makes a service app with the keys, the scopes and a role.
func (s *sim) service(keys []any, role string, scopes ...string) string {
	s.Helper()
	a := s.create("/api/v1/apps", doc.Doc{
		"name": "oidc_client", "label": "Backup", "signOnMode": "OPENID_CONNECT",
		"credentials": doc.Doc{"oauthClient": doc.Doc{"token_endpoint_auth_method": "private_key_jwt"}},
		"settings": doc.Doc{"oauthClient": doc.Doc{
			"application_type": "service", "grant_types": doc.Array("client_credentials"), "response_types": doc.Array("token"),
			"jwks": doc.Doc{"keys": keys},
		}},
	})
	id := doc.String(a, "id")
	for _, scope := range scopes {
		s.want(200, "POST", "/api/v1/apps/"+id+"/grants", doc.Doc{"scopeId": scope, "issuer": s.url})
	}
	if role != "" {
		s.want(201, "POST", "/oauth2/v1/clients/"+id+"/roles", doc.Doc{"type": role})
	}
	return id
}

func compact(t *testing.T, head, claims doc.Doc) string {
	t.Helper()
	h, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return encode(h) + "." + encode(c)
}

func signRSA(t *testing.T, k *rsa.PrivateKey, head, claims doc.Doc) string {
	t.Helper()
	text := compact(t, head, claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(sig)
}

func (s *sim) claims(client string) doc.Doc {
	return doc.Doc{
		"iss": client, "sub": client, "aud": s.url + "/oauth2/v1/token",
		"iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(), "jti": rand.Text(),
	}
}

func form(assertion, scope string) string {
	return url.Values{
		"grant_type": {"client_credentials"}, "scope": {scope}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}.Encode()
}

func (s *sim) token2(f string) answer {
	s.Helper()
	return s.do("POST", "/oauth2/v1/token", f, "Authorization", "", "Content-Type", "application/x-www-form-urlencoded")
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := testKey(t)
	client := s.service([]any{rsaJWK(key, "one"), rsaJWK(key, "two")}, "READ_ONLY_ADMIN", "okta.groups.read")
	head := doc.Doc{"alg": "RS256", "kid": "one"}
	signed := func(change func(head, claims doc.Doc)) string {
		h, c := doc.Clone(head), s.claims(client)
		change(h, c)
		return signRSA(t, key, h, c)
	}
	set := func(claim string, v any) string { return signed(func(_, c doc.Doc) { c[claim] = v }) }
	for name, c := range map[string]struct {
		assertion, scope string
		status           int
		code, words      string
	}{
		"no assertion":       {"", "okta.groups.read", 401, "invalid_client", "No client credentials"},
		"not a JWT":          {"rubbish", "okta.groups.read", 401, "invalid_client", "parsing"},
		"unknown client":     {set("sub", "0oanobody"), "okta.groups.read", 401, "invalid_client", "client_id"},
		"issuer differs":     {set("iss", "somebody"), "okta.groups.read", 401, "invalid_client", "issuer"},
		"wrong audience":     {set("aud", "https://elsewhere.example/oauth2/v1/token"), "okta.groups.read", 401, "invalid_client", "audience"},
		"expired":            {set("exp", noon.Add(-time.Minute).Unix()), "okta.groups.read", 401, "invalid_client", "expired"},
		"no expiry":          {set("exp", 0), "okta.groups.read", 401, "invalid_client", "expiration"},
		"expiry too far":     {set("exp", noon.Add(2*time.Hour).Unix()), "okta.groups.read", 401, "invalid_client", "too far into the future"},
		"from the future":    {set("iat", noon.Add(time.Minute).Unix()), "okta.groups.read", 401, "invalid_client", "future"},
		"unknown kid":        {signed(func(h, _ doc.Doc) { h["kid"] = "three" }), "okta.groups.read", 401, "invalid_client", "kid"},
		"no kid of two keys": {signed(func(h, _ doc.Doc) { delete(h, "kid") }), "okta.groups.read", 401, "invalid_client", "kid"},
		"algorithm none":     {compact(t, doc.Doc{"alg": "none", "kid": "one"}, s.claims(client)) + ".", "okta.groups.read", 401, "invalid_client", "signature"},
		"HMAC with the key":  {compact(t, doc.Doc{"alg": "HS256", "kid": "one"}, s.claims(client)) + ".AAAA", "okta.groups.read", 401, "invalid_client", "signature"},
		"broken signature":   {signed(func(_, _ doc.Doc) {}) + "AAAA", "okta.groups.read", 401, "invalid_client", "signature"},
		"scope not granted":  {signed(func(_, _ doc.Doc) {}), "okta.groups.read okta.users.read", 400, "invalid_scope", "not allowed"},
		"unknown scope":      {signed(func(_, _ doc.Doc) {}), "weather.read", 400, "invalid_scope", "not configured"},
		"OIDC scope":         {signed(func(_, _ doc.Doc) {}), "openid", 400, "invalid_scope", "client credentials"},
		"no scope":           {signed(func(_, _ doc.Doc) {}), "", 400, "invalid_scope", "scope"},
	} {
		a := s.token2(form(c.assertion, c.scope))
		if a.status != c.status || a.object(t)["error"] != c.code || !strings.Contains(doc.String(a.object(t), "error_description"), c.words) {
			t.Errorf("%s: got %d %s, want %d %s with %q", name, a.status, a.body, c.status, c.code, c.words)
		}
	}
	if len(only(s.events(), "app.oauth2.token.grant.access_token")) != 0 {
		t.Error("a refused request granted a token")
	}
	if len(only(s.events(), "app.oauth2.invalid_client_credentials")) == 0 {
		t.Error("failed client authentication left no trace")
	}
}

func TestTokenLife(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := testKey(t)
	client := s.service([]any{rsaJWK(key, "one")}, "READ_ONLY_ADMIN", "okta.groups.read", "okta.groups.manage", "okta.logs.read")
	assertion := signRSA(t, key, doc.Doc{"alg": "RS256"}, s.claims(client))
	granted := s.token2(form(assertion, "okta.groups.read okta.groups.manage")).object(t)
	if granted["token_type"] != "Bearer" || granted["scope"] != "okta.groups.read okta.groups.manage" {
		t.Fatalf("got %v", granted)
	}
	if again := s.token2(form(assertion, "okta.groups.read")); again.status != 401 || !strings.Contains(string(again.body), "already been used") {
		t.Errorf("a replayed assertion got %d %s", again.status, again.body)
	}
	bearer := []string{"Authorization", "Bearer " + doc.String(granted, "access_token")}
	s.want(200, "GET", "/api/v1/groups", nil, bearer...)
	a := s.want(403, "GET", "/api/v1/users", nil, bearer...)
	if h := a.header.Get("WWW-Authenticate"); !strings.Contains(h, `error="insufficient_scope"`) || !strings.Contains(h, `scope="okta.users.read"`) {
		t.Errorf("challenge %q", h)
	}
	s.refused(403, "E0000006", "permission", "POST", "/api/v1/groups", newGroup("No"), bearer...)
}

func TestTokenEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *sim, client, token string){
		"after an hour":   func(s *sim, _, _ string) { s.clock.Advance(time.Hour) },
		"app deactivated": func(s *sim, c, _ string) { s.want(200, "POST", "/api/v1/apps/"+c+"/lifecycle/deactivate", nil) },
		"revoked": func(s *sim, c, token string) {
			f := form(signRSA(s.T, testKey(s.T), doc.Doc{"alg": "RS256"}, s.claims(c)), "") + "&token=" + url.QueryEscape(token)
			s.want(200, "POST", "/oauth2/v1/revoke", f, "Authorization", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			client := s.service([]any{rsaJWK(testKey(t), "one")}, "READ_ONLY_ADMIN", "okta.groups.read")
			granted := s.token2(form(signRSA(t, testKey(t), doc.Doc{"alg": "RS256"}, s.claims(client)), "okta.groups.read")).object(t)
			token := doc.String(granted, "access_token")
			s.want(200, "GET", "/api/v1/groups", nil, "Authorization", "Bearer "+token)
			end(s, client, token)
			a := s.want(401, "GET", "/api/v1/groups", nil, "Authorization", "Bearer "+token)
			if !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("challenge %q", a.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestDeactivatedAppGetsNoToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.service([]any{rsaJWK(testKey(t), "one")}, "SUPER_ADMIN", "okta.groups.read")
	s.want(200, "POST", "/api/v1/apps/"+client+"/lifecycle/deactivate", nil)
	ask := func() answer {
		return s.token2(form(signRSA(t, testKey(t), doc.Doc{"alg": "RS256"}, s.claims(client)), "okta.groups.read"))
	}
	if a := ask(); a.status != 401 {
		t.Errorf("an inactive app got %d %s", a.status, a.body)
	}
	s.want(200, "POST", "/api/v1/apps/"+client+"/lifecycle/activate", nil)
	if a := ask(); a.status != 200 {
		t.Errorf("an active app got %d %s", a.status, a.body)
	}
}

func TestInactiveKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := rsaJWK(testKey(t), "one")
	key["status"] = "INACTIVE"
	client := s.service([]any{key}, "SUPER_ADMIN", "okta.groups.read")
	a := s.token2(form(signRSA(t, testKey(t), doc.Doc{"alg": "RS256", "kid": "one"}, s.claims(client)), "okta.groups.read"))
	if a.status != 401 || !strings.Contains(string(a.body), "kid") {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

func TestEllipticKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	client := s.service([]any{doc.Doc{"kty": "EC", "kid": "e", "crv": "P-256", "x": encode(public[1:33]), "y": encode(public[33:])}}, "SUPER_ADMIN", "okta.groups.read")
	text := compact(t, doc.Doc{"alg": "ES256", "kid": "e"}, s.claims(client))
	sum := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)
	if a := s.token2(form(text+"."+encode(sig), "okta.groups.read")); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

func TestAppWithoutRoleReadsNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.service([]any{rsaJWK(testKey(t), "one")}, "", "okta.groups.read")
	granted := s.token2(form(signRSA(t, testKey(t), doc.Doc{"alg": "RS256"}, s.claims(client)), "okta.groups.read")).object(t)
	s.refused(403, "E0000006", "permission", "GET", "/api/v1/groups", nil, "Authorization", "Bearer "+doc.String(granted, "access_token"))
}

func TestCredentialsAreNeeded(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.refused(403, "E0000005", "Invalid session", "GET", "/api/v1/groups", nil, "Authorization", "")
	s.refused(401, "E0000011", "Invalid token", "GET", "/api/v1/groups", nil, "Authorization", "SSWS 00nothing")
	s.refused(401, "E0000011", "Invalid token", "GET", "/api/v1/groups", nil, "Authorization", "Basic x")
	s.want(200, "GET", "/.well-known/okta-organization", nil, "Authorization", "")
	s.clock.Advance(31 * 24 * time.Hour)
	s.refused(401, "E0000011", "Invalid token", "GET", "/api/v1/groups", nil)
}

func TestAPITokenActsAsItsOwner(t *testing.T) {
	t.Parallel()
	s := start(t)
	u := newUser("reader@x.example")
	id := doc.String(s.create("/api/v1/users", u), "id")
	reader := []string{"Authorization", "SSWS " + s.tokenOf("reader@x.example")}
	s.refused(403, "E0000006", "permission", "GET", "/api/v1/groups", nil, reader...)
	s.want(201, "POST", "/api/v1/users/"+id+"/roles", doc.Doc{"type": "READ_ONLY_ADMIN"})
	s.want(200, "GET", "/api/v1/groups", nil, reader...)
	s.refused(403, "E0000006", "permission", "POST", "/api/v1/groups", newGroup("No"), reader...)
	s.refused(403, "E0000006", "permission", "GET", "/api/v1/users/"+id+"/roles", nil, reader...)
	s.refused(403, "E0000006", "permission", "GET", "/api/v1/apps/"+s.made.Apps["Ledger"]+"/grants", nil, reader...)
}
