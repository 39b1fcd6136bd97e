// Package ssotest is an identity provider for tests: it speaks OpenID Connect as strictly
// as the standard lets it, and can be told to misbehave.
package ssotest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Provider is an identity provider with one client.
type Provider struct {
	URL          string // its issuer
	ClientID     string
	ClientSecret string
	Redirect     string // the one place that it sends people back to

	// Person is who sits at the browser: claims of their token. Set it before Authorize.
	Person map[string]any
	// Spoil changes a token's claims before they are signed; nil leaves them.
	Spoil func(claims map[string]any)
	// Describe changes what the provider says of itself; nil leaves it.
	Describe func(map[string]any)
	// Key signs tokens; one that the provider does not publish is a forger's.
	Key *ecdsa.PrivateKey

	t         testing.TB
	server    *httptest.Server
	requests  atomic.Int64
	mu        sync.Mutex
	published *ecdsa.PrivateKey
	codes     map[string]asked
}

// asked is what a code was given for.
type asked struct{ nonce, challenge, redirect string }

// Start starts a provider that ends with the test.
func Start(t testing.TB) *Provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{t: t, ClientID: "client-" + rand.Text(), ClientSecret: rand.Text(), Key: key, published: key, codes: map[string]asked{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.describe)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("POST /token", p.token)
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Stop)
	p.URL = p.server.URL
	return p
}

// Stop ends it: nobody answers at its address any more.
func (p *Provider) Stop() { p.server.Close() }

// Asked counts the requests that it was sent.
func (p *Provider) Asked() int64 { return p.requests.Load() }

func (p *Provider) describe(w http.ResponseWriter, _ *http.Request) {
	d := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"}, "authorization_response_iss_parameter_supported": true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}, "code_challenge_methods_supported": []string{"S256"},
	}
	if p.Describe != nil {
		p.Describe(d)
	}
	p.answer(w, http.StatusOK, d)
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	p.answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.published.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
}

// Authorize is what a browser does: it opens the address, the person signs in, and the
// provider sends them back. It answers the parameters that they come back with.
func (p *Provider) Authorize(address string) url.Values {
	p.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"client_id": p.ClientID, "redirect_uri": p.Redirect, "response_type": "code", "code_challenge_method": "S256",
	} {
		if q.Get(name) != want {
			p.t.Errorf("authorize: %s is %q, want %q", name, q.Get(name), want)
		}
	}
	if q.Get("state") == "" || q.Get("nonce") == "" || q.Get("code_challenge") == "" {
		p.t.Errorf("authorize: state, nonce or code_challenge is missing: %v", q)
	}
	code := rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[code] = asked{q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri")}
	return url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok || id != p.ClientID || secret != p.ClientSecret {
		p.answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	was, ok := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	proof := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != was.redirect ||
		base64.RawURLEncoding.EncodeToString(proof[:]) != was.challenge {
		p.answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	p.answer(w, http.StatusOK, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 300, "id_token": p.sign(was.nonce)})
}

// sign makes the person's token.
func (p *Provider) sign(nonce string) string {
	now := time.Now()
	claims := map[string]any{"iss": p.URL, "aud": p.ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": nonce}
	for name, value := range p.Person {
		claims[name] = value
	}
	if p.Spoil != nil {
		p.Spoil(claims)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.Key, KeyID: "one"}}, nil)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	signed, err := signer.Sign(text)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		p.t.Error(err)
	}
	return out
}

func (p *Provider) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		p.t.Error(err)
	}
}
