package sso_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/sso"
	"imago/pkg/sso/ssotest"
)

const redirect = "https://imago.example.com/sign-in/sso/one"

// start is a provider, its registration, and a client that may reach this machine.
func start(t *testing.T) (*ssotest.Provider, sso.Provider, *sso.Client) {
	t.Helper()
	p := ssotest.Start(t)
	p.Redirect = redirect
	p.Person = map[string]any{"sub": "00u1", "email": "Ada@Acme.test", "email_verified": true}
	return p, sso.Provider{Issuer: p.URL, ClientID: p.ClientID, Secret: account.Secret(p.ClientSecret), Redirect: redirect}, sso.New(sso.Options{Private: true})
}

// begin goes to the provider and comes back.
func begin(t *testing.T, p *ssotest.Provider, r sso.Provider, c *sso.Client) (sso.Request, url.Values) {
	t.Helper()
	begun := sso.NewRequest()
	address, err := c.URL(t.Context(), r, begun, "state-1")
	if err != nil {
		t.Fatal(err)
	}
	return begun, p.Authorize(address)
}

// signIn goes all the way; spoil changes what the person comes back with.
func signIn(t *testing.T, p *ssotest.Provider, r sso.Provider, c *sso.Client, spoil func(*sso.Request, url.Values)) (sso.Identity, error) {
	t.Helper()
	begun, back := begin(t, p, r, c)
	if spoil != nil {
		spoil(&begun, back)
	}
	return c.Finish(t.Context(), r, begun, sso.Answer{Code: back.Get("code"), Issuer: back.Get("iss")})
}

func TestTellsWhoSignedIn(t *testing.T) {
	t.Parallel()
	p, r, c := start(t)
	got, err := signIn(t, p, r, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sso.Identity{Subject: "00u1", Email: "ada@acme.test", Verified: true}, got); diff != "" {
		t.Error(diff)
	}
	p.Person["email_verified"] = "true"
	if got, err := signIn(t, p, r, c, nil); err != nil || !got.Verified {
		t.Errorf("verified as a word: %+v, %v", got, err)
	}
	p.Person["email_verified"], p.Person["xms_edov"] = false, "1"
	if got, err := signIn(t, p, r, c, nil); err != nil || !got.Verified {
		t.Errorf("as Entra ID says it: %+v, %v", got, err)
	}
	p.Person["xms_edov"] = "0"
	if got, err := signIn(t, p, r, c, nil); err != nil || got.Verified {
		t.Errorf("as Entra ID denies it: %+v, %v", got, err)
	}
	delete(p.Person, "email_verified")
	if got, err := signIn(t, p, r, c, nil); err != nil || got.Verified {
		t.Errorf("nothing said of it: %+v, %v", got, err)
	}
}

// TestAnswersThatDoNotCount are what somebody in between, or another provider, could try.
func TestAnswersThatDoNotCount(t *testing.T) {
	t.Parallel()
	forger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claims := func(name string, value any) func(*ssotest.Provider) {
		return func(p *ssotest.Provider) { p.Spoil = func(c map[string]any) { c[name] = value } }
	}
	for name, try := range map[string]struct {
		provider func(*ssotest.Provider)
		back     func(*sso.Request, url.Values)
	}{
		"another sign-in's nonce":   {claims("nonce", "nonce-0"), nil},
		"no nonce":                  {claims("nonce", nil), nil},
		"for another client":        {claims("aud", "somebody-else"), nil},
		"another issuer's token":    {claims("iss", "https://evil.example"), nil},
		"a token that is over":      {claims("exp", 1), nil},
		"a forger's signature":      {func(p *ssotest.Provider) { p.Key = forger }, nil},
		"another provider's answer": {nil, func(_ *sso.Request, back url.Values) { back.Set("iss", "https://evil.example") }},
		"nobody's answer":           {nil, func(_ *sso.Request, back url.Values) { back.Del("iss") }},
		"a code that was stolen":    {nil, func(r *sso.Request, _ url.Values) { r.Verifier = strings.Repeat("x", 43) }},
		"a code that was made up":   {nil, func(_ *sso.Request, back url.Values) { back.Set("code", "1234") }},
		"a wrong secret":            {func(p *ssotest.Provider) { p.ClientSecret = "changed there" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, r, c := start(t)
			if try.provider != nil {
				try.provider(p)
			}
			if who, err := signIn(t, p, r, c, try.back); !problem.Is(err, problem.Denied) {
				t.Errorf("%+v, %v; want it denied", who, err)
			}
		})
	}
}

func TestACodeIsGoodOnce(t *testing.T) {
	t.Parallel()
	p, r, c := start(t)
	begun, back := begin(t, p, r, c)
	a := sso.Answer{Code: back.Get("code"), Issuer: back.Get("iss")}
	if _, err := c.Finish(t.Context(), r, begun, a); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Finish(t.Context(), r, begun, a); !problem.Is(err, problem.Denied) {
		t.Errorf("again: %v", err)
	}
}

// TestAddressesThatAreNone: a browser that is sent to a script would run it.
func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"javascript:alert(1)//", "ftp://acme.test/authorize", "/authorize", ""} {
		p, r, c := start(t)
		p.Describe = func(d map[string]any) { d["authorization_endpoint"] = address }
		if got, err := c.URL(t.Context(), r, sso.NewRequest(), "s"); !problem.Is(err, problem.Invalid) {
			t.Errorf("%q: %q, %v", address, got, err)
		}
	}
}

func TestIssuersThatAreNone(t *testing.T) {
	t.Parallel()
	p, _, loose := start(t)
	strict := sso.New(sso.Options{})
	for issuer, c := range map[string]*sso.Client{
		"":                          loose,
		"acme.okta.com":             loose,
		"ftp://acme.okta.com":       loose,
		"https://u:p@acme.okta.com": loose,
		"https://acme.okta.com?x=1": loose,
		p.URL + "/other":            loose, // nobody is there
		p.URL + "/":                 loose, // it calls itself otherwise
		p.URL:                       strict,
		strings.Replace(p.URL, "http:", "https:", 1): strict, // this machine
	} {
		if err := c.Check(t.Context(), sso.Provider{Issuer: issuer}); err == nil || problem.Of(err) == nil || problem.Of(err).Field != "issuer" || problem.Of(err).Hint == "" {
			t.Errorf("%q: %v; want the field issuer", issuer, err)
		}
	}
}
