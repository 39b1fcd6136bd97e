package api_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for elliptic keys
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

var (
	encode = base64.RawURLEncoding.EncodeToString
	decode = base64.RawURLEncoding.DecodeString
)

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

// signEC signs with the hash that belongs to the key's curve, whatever the head says.
func signEC(t *testing.T, k *ecdsa.PrivateKey, head, claims doc.Doc) string {
	t.Helper()
	text := compact(t, head, claims)
	hash := map[int]crypto.Hash{256: crypto.SHA256, 384: crypto.SHA384}[k.Params().BitSize].New()
	hash.Write([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, k, hash.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	size := k.Params().BitSize / 8
	return text + "." + encode(append(r.FillBytes(make([]byte, size)), v.FillBytes(make([]byte, size))...))
}

func (s *sim) claims(client string) doc.Doc {
	return doc.Doc{
		"iss": client, "sub": client, "aud": s.url + "/oauth2/v1/token",
		"iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(), "jti": rand.Text(),
	}
}

func fields(assertion, scope string) string {
	return url.Values{
		"grant_type": {"client_credentials"}, "scope": {scope}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}.Encode()
}

func (s *sim) token2(f string) answer {
	s.Helper()
	return s.do("POST", "/oauth2/v1/token", f, formType...)
}

var formType = []string{"Authorization", "", "Content-Type", "application/x-www-form-urlencoded"}

// about is the request of a client of the test key about a token.
func (s *sim) about(client, endpoint, token string) string {
	s.Helper()
	claims := s.claims(client)
	claims["aud"] = s.url + "/oauth2/v1/" + endpoint
	return fields(signRSA(s.T, testKey(s.T), doc.Doc{"alg": "RS256"}, claims), "") + "&token=" + url.QueryEscape(token)
}

func (s *sim) address() string { return strings.TrimPrefix(s.url, "http://") }

// challenged sends a request that must be refused by a WWW-Authenticate header alone.
func (s *sim) challenged(status int, header, method, path string, headers ...string) {
	s.Helper()
	a := s.want(status, method, path, nil, headers...)
	if got := a.header.Get("WWW-Authenticate"); got != header || len(a.body) != 0 || a.header.Get("Content-Type") != "" {
		s.Errorf("%s %s: got %q and the body %q, want %q", method, path, got, a.body, header)
	}
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
		"no subject":         {set("sub", nil), "okta.groups.read", 401, "invalid_client", "client_id must be provided"},
		"other aud of many":  {set("aud", doc.Array("https://elsewhere.example", s.url)), "okta.groups.read", 401, "invalid_client", "audience"},
		"not yet":            {set("nbf", noon.Add(time.Minute).Unix()), "okta.groups.read", 401, "invalid_client", "yet"},
		"unknown client":     {set("sub", "0oanobody"), "okta.groups.read", 401, "invalid_client", "client_id"},
		"issuer differs":     {set("iss", "somebody"), "okta.groups.read", 401, "invalid_client", "issuer"},
		"wrong audience":     {set("aud", "https://elsewhere.example/oauth2/v1/token"), "okta.groups.read", 401, "invalid_client", "audience"},
		"expired":            {set("exp", noon.Add(-time.Minute).Unix()), "okta.groups.read", 401, "invalid_client", "expired"},
		"no expiry":          {set("exp", nil), "okta.groups.read", 401, "invalid_client", "expiration"},
		"expiry too far":     {set("exp", noon.Add(2*time.Hour).Unix()), "okta.groups.read", 401, "invalid_client", "too far into the future"},
		"from the future":    {set("iat", noon.Add(time.Minute).Unix()), "okta.groups.read", 401, "invalid_client", "future"},
		"unknown kid":        {signed(func(h, _ doc.Doc) { h["kid"] = "three" }), "okta.groups.read", 401, "invalid_client", "kid"},
		"no kid of two keys": {signed(func(h, _ doc.Doc) { delete(h, "kid") }), "okta.groups.read", 401, "invalid_client", "kid"},
		"algorithm none":     {compact(t, doc.Doc{"alg": "none", "kid": "one"}, s.claims(client)) + ".", "okta.groups.read", 401, "invalid_client", "signature"},
		"HMAC with the key":  {compact(t, doc.Doc{"alg": "HS256", "kid": "one"}, s.claims(client)) + ".AAAA", "okta.groups.read", 401, "invalid_client", "signature"},
		"broken signature":   {signed(func(_, _ doc.Doc) {}) + "AAAA", "okta.groups.read", 401, "invalid_client", "signature"},
		"scope not granted":  {signed(func(_, _ doc.Doc) {}), "okta.users.read okta.apps.read", 400, "consent_required", "not allowed any"},
		"unknown scope":      {signed(func(_, _ doc.Doc) {}), "weather.read", 400, "invalid_scope", "not configured"},
		"OIDC scope":         {signed(func(_, _ doc.Doc) {}), "openid", 400, "invalid_scope", "client credentials"},
		"no scope":           {signed(func(_, _ doc.Doc) {}), "", 400, "invalid_scope", "scope"},
	} {
		a := s.token2(fields(c.assertion, c.scope))
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
	// What the app was not granted is left out in silence.
	granted := s.token2(fields(assertion, "okta.groups.read okta.users.read okta.groups.manage")).object(t)
	if granted["token_type"] != "Bearer" || granted["scope"] != "okta.groups.read okta.groups.manage" {
		t.Fatalf("got %v", granted)
	}
	if again := s.token2(fields(assertion, "okta.groups.read")); again.status != 401 || !strings.Contains(string(again.body), "already been used") {
		t.Errorf("a replayed assertion got %d %s", again.status, again.body)
	}
	bearer := []string{"Authorization", "Bearer " + doc.String(granted, "access_token")}
	s.want(200, "GET", "/api/v1/groups", nil, bearer...)
	s.challenged(403, `Bearer authorization_uri="http://`+s.address()+`/oauth2/v1/authorize", realm="http://`+s.address()+`", scope="okta.users.read", `+
		`error="insufficient_scope", error_description="The access token provided does not contain the required scopes.", resource="/api/v1/users"`,
		"GET", "/api/v1/users", bearer...)
	s.refused(403, "E0000006", "permission", "POST", "/api/v1/groups", newGroup("No"), bearer...)
}

func TestTokenEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *sim, client, token string){
		"after an hour":   func(s *sim, _, _ string) { s.clock.Advance(time.Hour) },
		"app deactivated": func(s *sim, c, _ string) { s.want(200, "POST", "/api/v1/apps/"+c+"/lifecycle/deactivate", nil) },
		"revoked": func(s *sim, c, token string) {
			s.want(200, "POST", "/oauth2/v1/revoke", s.about(c, "revoke", token), formType...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			client := s.service([]any{rsaJWK(testKey(t), "one")}, "READ_ONLY_ADMIN", "okta.groups.read")
			granted := s.token2(fields(signRSA(t, testKey(t), doc.Doc{"alg": "RS256"}, s.claims(client)), "okta.groups.read")).object(t)
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
		return s.token2(fields(signRSA(t, testKey(t), doc.Doc{"alg": "RS256"}, s.claims(client)), "okta.groups.read"))
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
	a := s.token2(fields(signRSA(t, testKey(t), doc.Doc{"alg": "RS256", "kid": "one"}, s.claims(client)), "okta.groups.read"))
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
	signed := signEC(t, key, doc.Doc{"alg": "ES256", "kid": "e"}, s.claims(client))
	if a := s.token2(fields(signed, "okta.groups.read")); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

func TestAppWithoutRoleReadsNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.service([]any{rsaJWK(testKey(t), "one")}, "", "okta.groups.read")
	granted := s.token2(fields(signRSA(t, testKey(t), doc.Doc{"alg": "RS256"}, s.claims(client)), "okta.groups.read")).object(t)
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

func TestTokenRequests(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.service([]any{rsaJWK(testKey(t), "one")}, "", "okta.groups.read")
	web := s.create("/api/v1/apps", doc.Doc{
		"name": "oidc_client", "label": "Web", "signOnMode": "OPENID_CONNECT",
		"credentials": doc.Doc{"oauthClient": doc.Doc{"token_endpoint_auth_method": "client_secret_post"}},
		"settings": doc.Doc{"oauthClient": doc.Doc{
			"application_type": "web", "grant_types": doc.Array("authorization_code", "client_credentials"), "response_types": doc.Array("code"),
			"redirect_uris": doc.Array("https://web.example/callback"),
		}},
	})
	secret := doc.String(web, "credentials", "oauthClient", "client_secret")
	byKey := func(more string) string {
		return strings.Replace(fields(signRSA(t, testKey(t), doc.Doc{"alg": "RS256"}, s.claims(client)), "okta.groups.read"), "grant_type=client_credentials", more, 1)
	}
	bySecret := func(grant, secret string) string {
		return url.Values{"client_id": {doc.String(web, "id")}, "client_secret": {secret}, "grant_type": {grant}, "scope": {"okta.groups.read"}}.Encode()
	}
	for name, c := range map[string]struct {
		form        string
		status      int
		code, words string
	}{
		"nobody":                {"grant_type=client_credentials", 401, "invalid_client", "No client credentials found."},
		"two ways at once":      {byKey("client_secret=x"), 400, "invalid_request", "multiple client credentials"},
		"a parameter twice":     {byKey("scope=okta.users.read"), 400, "invalid_request", "'scope'"},
		"no grant type":         {byKey(""), 400, "invalid_request", "grant_type"},
		"unknown grant type":    {byKey("grant_type=magic"), 400, "unsupported_grant_type", "client_credentials"},
		"not the app's":         {byKey("grant_type=password"), 400, "unauthorized_client", "[client_credentials]"},
		"a secret, not a key":   {bySecret("client_credentials", secret), 401, "invalid_client", "must use the private_key_jwt token_endpoint_auth_method."},
		"a wrong secret":        {bySecret("client_credentials", "wrong"), 401, "invalid_client", "The client secret supplied"},
		"a code of nobody":      {bySecret("authorization_code", secret), 400, "invalid_grant", "authorization_code"},
		"the id of another":     {byKey("client_id=" + doc.String(web, "id")), 401, "invalid_client", "same"},
		"another way than ours": {"grant_type=client_credentials&client_id=" + client, 401, "invalid_client", "private_key_jwt"},
	} {
		a := s.token2(c.form)
		if a.status != c.status || a.object(t)["error"] != c.code || !strings.Contains(doc.String(a.object(t), "error_description"), c.words) {
			t.Errorf("%s: got %d %s, want %d %s with %q", name, a.status, a.body, c.status, c.code, c.words)
		}
	}
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.service([]any{rsaJWK(testKey(t), "one")}, "", "okta.groups.read")
	granted := s.token2(fields(signRSA(t, testKey(t), doc.Doc{"alg": "RS256"}, s.claims(client)), "okta.groups.read")).object(t)
	ask := func(token string) doc.Doc {
		return s.want(200, "POST", "/oauth2/v1/introspect", s.about(client, "introspect", token), formType...).object(t)
	}
	got := ask(doc.String(granted, "access_token"))
	if got["active"] != true || got["client_id"] != client || got["scope"] != "okta.groups.read" || got["token_type"] != "Bearer" {
		t.Errorf("a living token: %v", got)
	}
	if got := ask("nothing"); len(got) != 1 || got["active"] != false {
		t.Errorf("an unknown token: %v", got)
	}
	s.want(200, "POST", "/oauth2/v1/revoke", s.about(client, "revoke", doc.String(granted, "access_token")), formType...)
	if got := ask(doc.String(granted, "access_token")); got["active"] != false {
		t.Errorf("a revoked token: %v", got)
	}
	a := s.want(400, "POST", "/oauth2/v1/introspect", s.about(client, "introspect", ""), formType...)
	if a.object(t)["error"] != "invalid_request" {
		t.Errorf("no token: %s", a.body)
	}
}
