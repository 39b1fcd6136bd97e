package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

// prover has a key and signs proofs with it.
type prover struct {
	*sim
	key *rsa.PrivateKey
}

// proof signs a proof for a request, as a client would; change may spoil it.
func (p prover) proof(method, path string, change func(head, claims doc.Doc)) string {
	p.Helper()
	jwk := rsaJWK(p.key, "proof")
	head := doc.Doc{"typ": "dpop+jwt", "alg": "RS256", "jwk": jwk}
	claims := doc.Doc{"htm": method, "htu": p.url + path, "iat": p.org.Now().Unix(), "jti": rand.Text()}
	if change != nil {
		change(head, claims)
	}
	return signRSA(p.T, p.key, head, claims)
}

// bound makes a service app that demands proofs.
func (s *sim) bound(role string, scopes ...string) string {
	s.Helper()
	client := s.service([]any{rsaJWK(testKey(s.T), "one")}, role, scopes...)
	app := s.get("/api/v1/apps/" + client)
	doc.Object(app, "settings", "oauthClient")["dpop_bound_access_tokens"] = true
	s.want(200, "PUT", "/api/v1/apps/"+client, app)
	return client
}

// ask asks for a token with a fresh assertion and the proof, if any.
func (s *sim) ask(client, scope, proof string) answer {
	s.Helper()
	claims := s.claims(client)
	claims["exp"], claims["iat"] = s.org.Now().Add(time.Minute).Unix(), s.org.Now().Unix()
	f := fields(signRSA(s.T, testKey(s.T), doc.Doc{"alg": "RS256"}, claims), scope)
	return s.do("POST", "/oauth2/v1/token", f, append([]string{"DPoP", proof}, formType...)...)
}

const tokenPath = "/oauth2/v1/token"

// prove takes part in the whole handshake and returns the token.
func (p prover) prove(client string, scopes string) string {
	p.Helper()
	first := p.ask(client, scopes, p.proof("POST", tokenPath, nil))
	nonce := first.header.Get("DPoP-Nonce")
	if first.status != 400 || first.object(p.T)["error"] != "use_dpop_nonce" || len(nonce) != 32 {
		p.Fatalf("the first proof got %d %s with the nonce %q", first.status, first.body, nonce)
	}
	second := p.ask(client, scopes, p.proof("POST", tokenPath, func(_, c doc.Doc) { c["nonce"] = nonce }))
	if second.status != 200 || second.object(p.T)["token_type"] != "DPoP" {
		p.Fatalf("the proof with a nonce got %d %s", second.status, second.body)
	}
	return doc.String(second.object(p.T), "access_token")
}

// with are the headers of a request by a bound token.
func (p prover) with(token, method, path string, change func(head, claims doc.Doc)) []string {
	p.Helper()
	sum := sha256.Sum256([]byte(token))
	return []string{"Authorization", "DPoP " + token, "DPoP", p.proof(method, path, func(h, c doc.Doc) {
		c["ath"] = encode(sum[:])
		if change != nil {
			change(h, c)
		}
	})}
}

func otherKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestProofsAtTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	p := prover{start(t), otherKey(t)}
	client := p.bound("READ_ONLY_ADMIN", "okta.groups.read")
	nonce := p.ask(client, "okta.groups.read", p.proof("POST", tokenPath, nil)).header.Get("DPoP-Nonce")
	spoilt := func(change func(h, c doc.Doc)) string {
		return p.proof("POST", tokenPath, func(h, c doc.Doc) { c["nonce"] = nonce; change(h, c) })
	}
	claim := func(name string, v any) string { return spoilt(func(_, c doc.Doc) { c[name] = v }) }
	for name, c := range map[string]struct{ proof, code, words string }{
		"none":              {"", "invalid_dpop_proof", "The DPoP proof JWT header is missing."},
		"not a JWT":         {"rubbish", "invalid_dpop_proof", "parsed"},
		"another type":      {spoilt(func(h, _ doc.Doc) { h["typ"] = "JWT" }), "invalid_dpop_proof", "'typ'"},
		"no algorithm":      {spoilt(func(h, _ doc.Doc) { h["alg"] = "none" }), "invalid_dpop_proof", "'alg'"},
		"a private key":     {spoilt(func(h, _ doc.Doc) { h["jwk"].(doc.Doc)["d"] = "AQAB" }), "invalid_dpop_proof", "'jwk'"},
		"no key":            {spoilt(func(h, _ doc.Doc) { delete(h, "jwk") }), "invalid_dpop_proof", "'jwk'"},
		"another's key":     {spoilt(func(h, _ doc.Doc) { h["jwk"] = rsaJWK(testKey(t), "x") }), "invalid_dpop_proof", "signature"},
		"another method":    {claim("htm", "GET"), "invalid_dpop_proof", "'htm' claim in the DPoP proof JWT is invalid."},
		"another path":      {claim("htu", p.url+"/oauth2/v1/revoke"), "invalid_dpop_proof", "'htu' claim in the DPoP proof JWT is invalid."},
		"another host":      {claim("htu", "https://elsewhere.example/oauth2/v1/token"), "invalid_dpop_proof", "'htu'"},
		"with a query":      {claim("htu", p.url+tokenPath+"?a=b"), "invalid_dpop_proof", "'htu'"},
		"without a time":    {claim("iat", nil), "invalid_dpop_proof", "'iat'"},
		"too old":           {claim("iat", noon.Add(-6*time.Minute).Unix()), "invalid_dpop_proof", "issued more than five minutes in the past."},
		"from the future":   {claim("iat", noon.Add(6*time.Minute).Unix()), "invalid_dpop_proof", "future"},
		"an unknown nonce":  {claim("nonce", "8NLZUUhVawx1ns8AjrC4F6j8D2phvaw7"), "use_dpop_nonce", "Authorization server requires nonce in DPoP proof."},
		"without an id":     {claim("jti", ""), "invalid_dpop_proof", "'jti'"},
		"claims of no kind": {claim("htm", 7), "invalid_dpop_proof", "signature"},
	} {
		a := p.ask(client, "okta.groups.read", c.proof)
		if a.status != 400 || a.object(t)["error"] != c.code || !strings.Contains(doc.String(a.object(t), "error_description"), c.words) {
			t.Errorf("%s: got %d %s, want 400 %s with %q", name, a.status, a.body, c.code, c.words)
		}
	}
	good := claim("nonce", nonce)
	if a := p.ask(client, "okta.groups.read", good); a.status != 200 || a.header.Get("DPoP-Nonce") != nonce {
		t.Errorf("a good proof got %d %s", a.status, a.body)
	}
	if a := p.ask(client, "okta.groups.read", good); !strings.Contains(string(a.body), "The DPoP proof JWT has already been used.") {
		t.Errorf("the same proof again got %d %s", a.status, a.body)
	}
	if got := len(only(p.events(), "app.oauth2.token.grant.access_token")); got != 1 {
		t.Errorf("%d tokens were granted, want 1", got)
	}
}

// TestNonceLife moves the clock: a nonce is renewed every 24 hours and good for three days.
func TestNonceLife(t *testing.T) {
	t.Parallel()
	p := prover{start(t), otherKey(t)}
	client := p.bound("", "okta.groups.read")
	first := p.ask(client, "okta.groups.read", p.proof("POST", tokenPath, nil)).header.Get("DPoP-Nonce")
	for day, want := range []int{200, 200, 200, 400} {
		a := p.ask(client, "okta.groups.read", p.proof("POST", tokenPath, func(_, c doc.Doc) { c["nonce"] = first }))
		if renewed := a.header.Get("DPoP-Nonce") != first; a.status != want || renewed != (day > 0) {
			t.Errorf("day %d: got %d, renewed %v", day, a.status, renewed)
		}
		p.clock.Advance(24 * time.Hour)
	}
}

func TestProofsAtTheAPI(t *testing.T) {
	t.Parallel()
	p := prover{start(t), otherKey(t)}
	token := p.prove(p.bound("READ_ONLY_ADMIN", "okta.groups.read", "okta.users.read"), "okta.groups.read okta.users.read")
	const path = "/api/v1/groups"
	p.want(200, "GET", path+"?limit=1", nil, p.with(token, "GET", path, nil)...)
	header := func(scheme, code, description string) string {
		algs := ""
		if scheme == "DPoP" {
			algs = `algs="RS256 RS384 RS512 ES256 ES384 ES512", `
		}
		return scheme + " " + algs + `authorization_uri="http://` + p.address() + `/oauth2/v1/authorize", realm="http://` + p.address() +
			`", scope="okta.groups.read", error="` + code + `", error_description="` + description + `", resource="/api/v1/groups"`
	}
	used := p.with(token, "GET", path, nil)
	p.want(200, "GET", path, nil, used...)
	for name, c := range map[string]struct {
		headers           []string
		scheme, code, why string
	}{
		"as a bearer":     {[]string{"Authorization", "Bearer " + token}, "Bearer", "invalid_request", "The resource request requires a DPoP proof."},
		"without a proof": {[]string{"Authorization", "DPoP " + token}, "DPoP", "invalid_dpop_proof", "The DPoP proof JWT header is missing."},
		"for another":     {p.with(token, "GET", "/api/v1/apps", nil), "DPoP", "invalid_dpop_proof", "'htu' claim in the DPoP proof JWT is invalid."},
		"used":            {used, "DPoP", "invalid_dpop_proof", "The DPoP proof JWT has already been used."},
		"without ath": {p.with(token, "GET", path, func(_, c doc.Doc) { delete(c, "ath") }), "DPoP", "invalid_dpop_proof",
			"'ath' claim in the DPoP proof does not match the presented access_token."},
		"by another key": {prover{p.sim, testKey(t)}.with(token, "GET", path, nil), "DPoP", "invalid_dpop_proof",
			"The DPoP proof JWT is signed with another key than the access token is bound to."},
		"of an old nonce": {p.with(token, "GET", path, func(_, c doc.Doc) { c["nonce"] = "x" }), "DPoP", "use_dpop_nonce",
			"Authorization server requires nonce in DPoP proof."},
	} {
		t.Run(name, func(t *testing.T) { p.challenged(400, header(c.scheme, c.code, c.why), "GET", path, c.headers...) })
	}
	me := "/api/v1/users/" + p.made.Admins["super"]
	p.want(200, "GET", me, nil, p.with(token, "GET", me, nil)...)
	escaped := strings.Replace(me, "@", "%40", 1)
	p.want(400, "GET", escaped, nil, p.with(token, "GET", escaped, nil)...)
	p.want(200, "GET", escaped, nil, p.with(token, "GET", me, nil)...)
}

func TestUnboundTokenIsNoDPoPToken(t *testing.T) {
	t.Parallel()
	p := prover{start(t), otherKey(t)}
	client := p.service([]any{rsaJWK(testKey(t), "one")}, "READ_ONLY_ADMIN", "okta.groups.read")
	token := doc.String(p.token2(fields(signRSA(t, testKey(t), doc.Doc{"alg": "RS256"}, p.claims(client)), "okta.groups.read")).object(t), "access_token")
	p.want(401, "GET", "/api/v1/groups", nil, p.with(token, "GET", "/api/v1/groups", nil)...)
}

// TestBoundTokenNamesItsKey by the thumbprint of RFC 7638.
func TestBoundTokenNamesItsKey(t *testing.T) {
	t.Parallel()
	p := prover{start(t), otherKey(t)}
	token := p.prove(p.bound("", "okta.groups.read"), "okta.groups.read")
	var claims struct {
		Confirmation struct{ JKT string } `json:"cnf"`
	}
	b, err := decode(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &claims); err != nil {
		t.Fatal(err)
	}
	jwk := rsaJWK(p.key, "")
	sum := sha256.Sum256([]byte(`{"e":"` + doc.String(jwk, "e") + `","kty":"RSA","n":"` + doc.String(jwk, "n") + `"}`))
	if claims.Confirmation.JKT != encode(sum[:]) {
		t.Errorf("the token is bound to %q", claims.Confirmation.JKT)
	}
}

func TestEllipticProof(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.bound("", "okta.groups.read")
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for alg, want := range map[string]string{"ES384": "use_dpop_nonce", "ES256": "invalid_dpop_proof"} {
		proof := signEC(t, key, doc.Doc{"typ": "dpop+jwt", "alg": alg, "jwk": doc.Doc{"kty": "EC", "crv": "P-384", "x": encode(public[1:49]), "y": encode(public[49:])}},
			doc.Doc{"htm": "POST", "htu": s.url + tokenPath, "iat": noon.Unix(), "jti": "1"})
		if a := s.ask(client, "okta.groups.read", proof); a.object(t)["error"] != want {
			t.Errorf("%s: got %s, want %s", alg, a.body, want)
		}
	}
}
