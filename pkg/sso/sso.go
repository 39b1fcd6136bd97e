// Package sso signs people in at another identity provider by OpenID Connect: the code
// flow (https://openid.net/specs/openid-connect-core-1_0.html) with PKCE (RFC 7636), a
// nonce, and a way back of each provider's own, by which one provider cannot answer in
// another's name (RFC 9700, section 4.4; RFC 9207).
package sso

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"imago/pkg/account"
	"imago/pkg/outbound"
	"imago/pkg/problem"
)

// Provider is a client's registration at an identity provider.
type Provider struct {
	Issuer   string // https://acme.okta.com
	ClientID string
	Secret   account.Secret
	Redirect string // where the provider sends people back to; as it stands there
}

// Request is a sign-in that was begun: what is kept of it, for when the person comes back.
type Request struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // RFC 7636
}

// NewRequest begins a sign-in.
func NewRequest() Request { return Request{Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()} }

// Answer is what the provider sent the person back with.
type Answer struct {
	Code   string
	Issuer string // the parameter iss (RFC 9207); "" if there was none
}

// Identity is who the provider says has signed in.
type Identity struct {
	Subject  string // theirs at that provider, for good
	Email    string // lower case; "" if it was not told
	Verified bool   // the provider says that the address is theirs
}

// Options of New. The zero value reaches providers on the public Internet by HTTPS.
type Options struct {
	// Private takes providers on this machine and in private networks, by plain HTTP too:
	// those that the operator names, and for trying things.
	Private bool
	Now     func() time.Time // nil: time.Now
}

// Client speaks to identity providers. It is safe for concurrent use.
type Client struct {
	http    *http.Client
	private bool
	now     func() time.Time
}

// New makes a client.
func New(o Options) *Client {
	refused := errNotPublic
	if o.Private {
		refused = nil
	}
	c := &Client{private: o.Private, now: o.Now}
	c.http = &http.Client{
		Transport: bounded{outbound.Transport(refused)}, Timeout: 15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the identity provider sends elsewhere") },
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c
}

func errNotPublic() error {
	return problem.InField("issuer", "it does not lead to an address of the public Internet").
		WithHint("give the issuer as the provider writes it, as in https://acme.okta.com")
}

// bounded reads no more of an answer than an honest one needs.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, 1<<20)
	}
	return res, err
}

// Check reads the provider's own description. Invalid, in the field issuer: it is none.
func (c *Client) Check(ctx context.Context, p Provider) error {
	_, err := c.discover(ctx, p)
	return err
}

// discovered is what a provider says of itself
// (https://openid.net/specs/openid-connect-discovery-1_0.html, RFC 9207).
type discovered struct {
	*oidc.Provider
	Methods     []string `json:"token_endpoint_auth_methods_supported"`
	Keys        string   `json:"jwks_uri"`
	NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
}

func (c *Client) discover(ctx context.Context, p Provider) (d discovered, err error) {
	if err := c.plausible(p.Issuer); err != nil {
		return d, err
	}
	if d.Provider, err = oidc.NewProvider(oidc.ClientContext(ctx, c.http), p.Issuer); err == nil {
		err = d.Claims(&d)
	}
	if err == nil {
		err = c.safe(d.Endpoint().AuthURL, d.Endpoint().TokenURL, d.Keys)
	}
	if err != nil && problem.Of(err) == nil {
		err = problem.InField("issuer", "no identity provider describes itself there under that name").
			WithHint("give the issuer as the provider writes it: what %s/.well-known/openid-configuration says", strings.TrimSuffix(p.Issuer, "/")).Because(err)
	}
	return d, err
}

// plausible refuses what cannot be an issuer (OpenID Connect Core, section 1.2).
func (c *Client) plausible(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !c.private) {
		return problem.InField("issuer", "it is not an issuer").WithHint("write it as in https://acme.okta.com, with https and nothing behind the path")
	}
	return nil
}

// safe refuses addresses of other schemes: a browser is sent to one of them.
func (c *Client) safe(addresses ...string) error {
	for _, a := range addresses {
		if u, err := url.Parse(a); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !c.private) {
			return fmt.Errorf("%q is not an address by HTTPS", a)
		}
	}
	return nil
}

func (d discovered) oauth(p Provider) *oauth2.Config {
	endpoint := d.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // what there is if nothing is said (OpenID Connect Discovery, section 3)
	if len(d.Methods) > 0 && !slices.Contains(d.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.Secret.Reveal(), Endpoint: endpoint, RedirectURL: p.Redirect,
		Scopes: []string{oidc.ScopeOpenID, "email"},
	}
}

// URL is where the person's browser is sent. The state, a secret of that browser's, comes
// back with it.
func (c *Client) URL(ctx context.Context, p Provider, r Request, state string) (string, error) {
	d, err := c.discover(ctx, p)
	if err != nil {
		return "", err
	}
	return d.oauth(p).AuthCodeURL(state, oidc.Nonce(r.Nonce), oauth2.S256ChallengeOption(r.Verifier)), nil
}

// refused is the provider's or its answer's fault; what in detail is for the log.
func refused(why string, err error) error {
	return problem.New(problem.Denied, "the identity provider's answer does not count: %s", why).
		WithHint("begin again; if it stays so, ask who runs the identity provider").Because(err)
}

// Finish finds out who has signed in. Denied: the answer does not count.
func (c *Client) Finish(ctx context.Context, p Provider, r Request, a Answer) (Identity, error) {
	ctx = oidc.ClientContext(ctx, c.http)
	d, err := c.discover(ctx, p)
	if err != nil {
		return Identity{}, err
	}
	if a.Issuer != p.Issuer && (a.Issuer != "" || d.NamesItself) {
		return Identity{}, refused("it came in another provider's name", nil)
	}
	token, err := d.oauth(p).Exchange(ctx, a.Code, oauth2.VerifierOption(r.Verifier))
	if err != nil {
		return Identity{}, refused("it took back its code, or refuses this client", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Identity{}, refused("it tells nobody's identity", nil)
	}
	id, err := d.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID, Now: c.now}).Verify(ctx, raw)
	if err != nil {
		return Identity{}, refused("its token is not for this client, is not its own, or is over", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(r.Nonce)) != 1 {
		return Identity{}, refused("it is of another sign-in", nil)
	}
	return d.identity(ctx, id, oauth2.StaticTokenSource(token))
}

// identity reads who it is: of the token, else of the provider, which must mean the same
// person (OpenID Connect Core, section 5.3.2).
func (d discovered) identity(ctx context.Context, id *oidc.IDToken, access oauth2.TokenSource) (Identity, error) {
	var claims struct {
		Email    string   `json:"email"`
		Verified boolLike `json:"email_verified"`
		// Entra ID says it so, where its optional claim is configured:
		// https://learn.microsoft.com/entra/identity-platform/optional-claims-reference
		OwnerVerified boolLike `json:"xms_edov"`
	}
	if err := id.Claims(&claims); err != nil {
		return Identity{}, refused("its token says nothing that can be read", err)
	}
	who := Identity{Subject: id.Subject, Email: strings.ToLower(claims.Email), Verified: bool(claims.Verified || claims.OwnerVerified)}
	if who.Email != "" || d.UserInfoEndpoint() == "" {
		return who, nil
	}
	info, err := d.UserInfo(ctx, access)
	if err != nil {
		return Identity{}, refused("it does not tell the person's address", err)
	}
	if info.Subject != id.Subject {
		return Identity{}, refused("it tells of another person", nil)
	}
	who.Email, who.Verified = strings.ToLower(info.Email), info.EmailVerified
	return who, nil
}

// boolLike reads true as a word or 1, too: some providers write it so.
type boolLike bool

// UnmarshalJSON reads true, 1 and both as texts; all else is false.
func (b *boolLike) UnmarshalJSON(text []byte) error {
	value := strings.Trim(string(text), `"`)
	*b = boolLike(value == "true" || value == "1")
	return nil
}
