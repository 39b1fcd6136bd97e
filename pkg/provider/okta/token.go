package okta

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/provider"
)

const (
	tokenPath  = "/oauth2/v1/token"
	revokePath = "/oauth2/v1/revoke"
	assertion  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	// assertionLife is short: Okta takes up to an hour, but an assertion that leaks
	// should be worth nothing soon.
	assertionLife = 4 * time.Minute
	// tokenMargin is how long before its end a token is no longer used.
	tokenMargin = time.Minute
	// tokenTimeout bounds one exchange with the token endpoint.
	tokenTimeout = 30 * time.Second
)

// tokens signs in as a service app with private_key_jwt and keeps the token until
// shortly before it ends. It is safe for use by many goroutines, which share one
// sign-in.
//
// https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/
type tokens struct {
	base   http.RoundTripper
	clock  *clock
	org    *url.URL
	client string
	signer jose.Signer

	one singleflight.Group

	scopes []string // to ask for

	mu      sync.Mutex
	granted []string
	token   string
	began   time.Time // in our clock
	ends    time.Time // the same
	spent   []grant   // not to be used again, and not given back yet
}

// newTokens checks the credential without calling the org.
func newTokens(base http.RoundTripper, c *clock, org *url.URL, cred account.Credential) (*tokens, error) {
	switch {
	case cred.ClientID == "":
		return nil, problem.InField("client_id", "is missing").WithHint("copy it from the service app's General tab")
	case len(cred.Scopes) == 0:
		return nil, problem.InField("scopes", "are missing").WithHint("name the scopes that the service app was granted")
	}
	signer, err := newSigner(cred)
	if err != nil {
		return nil, err
	}
	return &tokens{base: base, clock: c, org: org, client: cred.ClientID, signer: signer, scopes: slices.Clone(cred.Scopes)}, nil
}

func newSigner(cred account.Credential) (jose.Signer, error) {
	const field = "private_key"
	key, err := privateKey(cred.PrivateKey.Reveal())
	if err != nil {
		return nil, problem.InField(field, "%s", err).WithHint("give an RSA or EC key as PKCS#8 PEM")
	}
	alg := jose.RS256
	if ec, ok := key.(*ecdsa.PrivateKey); ok {
		switch ec.Curve.Params().BitSize {
		case 256:
			alg = jose.ES256
		case 384:
			alg = jose.ES384
		case 521:
			alg = jose.ES512
		default:
			return nil, problem.InField(field, "is on a curve that Okta does not take").WithHint("use P-256, P-384 or P-521")
		}
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if cred.KeyID != "" {
		options = options.WithHeader("kid", cred.KeyID)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		return nil, problem.InField(field, "cannot sign").Because(err)
	}
	return signer, nil
}

func privateKey(text string) (any, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("is not PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("cannot be read as a private key")
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < 2048 {
			return nil, errors.New("is an RSA key shorter than 2048 bits")
		}
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	}
	return nil, errors.New("is neither an RSA nor an EC key")
}

// get gives a token that is good for the next minute.
func (t *tokens) get(ctx context.Context) (string, error) {
	if token, ok := t.current(); ok {
		return token, nil
	}
	// The sign-in is shared, so one caller's end must not be the others'.
	shared := context.WithoutCancel(ctx)
	done := t.one.DoChan("", func() (any, error) {
		if token, ok := t.current(); ok {
			return token, nil
		}
		return t.signIn(shared)
	})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-done:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	}
}

func (t *tokens) current() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token, t.token != "" && t.clock.now().Before(t.ends)
}

// forget drops the token if it is the one that the org refused.
func (t *tokens) forget(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}

// narrowLife is for how long a token that lacks scopes is good enough for work that
// nobody waits for: to find out which ones the app has takes a sign-in for each.
const narrowLife = 5 * time.Minute

// forgetNarrow drops a token that lacks scopes and has some age, so that the next has
// those that the app was granted since.
func (t *tokens) forgetNarrow(age time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lacks := slices.ContainsFunc(t.scopes, func(s string) bool { return !slices.Contains(t.granted, s) })
	if t.token != "" && lacks && t.clock.now().Sub(t.began) >= age {
		t.spent = append(t.spent, grant{t.token, t.granted, t.ends})
		t.token = ""
	}
}

// keep puts a grant to use.
func (t *tokens) keep(g grant) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.granted, t.began, t.ends = g.token, g.scopes, t.clock.now(), g.ends
	return g.token
}

// lacks lists the scopes that were asked for and not granted.
func (t *tokens) lacks(asked []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return slices.Contains(t.granted, s) })
}

// signIn asks for a token with all scopes. When the app lacks some, it finds out
// which and signs in with the rest, so that what can be read is read and what
// cannot becomes a gap; only with none left is it an error.
func (t *tokens) signIn(ctx context.Context) (string, error) {
	got, err := t.ask(ctx, t.scopes)
	if lacksScope(err) {
		got, err = t.askOneByOne(ctx, err)
	}
	if err != nil {
		return "", err
	}
	return t.keep(got), nil
}

// askOneByOne finds out which scopes the app has, and signs in with those. The
// tokens for one scope alone are not put to use: to whoever was handed one, all
// other types would look forbidden.
func (t *tokens) askOneByOne(ctx context.Context, none error) (grant, error) {
	var have []string
	for _, s := range t.scopes {
		switch g, err := t.ask(ctx, []string{s}); {
		case lacksScope(err):
		case err != nil:
			return grant{}, err
		default:
			have = append(have, s)
			t.spend(g)
		}
	}
	if len(have) == 0 {
		return grant{}, none
	}
	return t.ask(ctx, have)
}

// spend notes a token that is to be given back, and drops those that have ended.
func (t *tokens) spend(g grant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended := func(g grant) bool { return t.clock.now().After(g.ends.Add(tokenMargin)) }
	t.spent = append(slices.DeleteFunc(t.spent, ended), g)
}

func lacksScope(err error) bool {
	d, ok := errors.AsType[*signInError](err)
	return ok && (d.name == "invalid_scope" || d.name == "consent_required")
}

// ask makes one sign-in, again after a passing failure and once more when the
// org's clock turns out to differ from ours.
func (t *tokens) ask(ctx context.Context, scopes []string) (grant, error) {
	const tries = 4
	for n := 1; ; n++ {
		before := t.clock.offset()
		answer, err := t.post(ctx, tokenPath, url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Join(scopes, " ")}})
		if err == nil {
			return t.granting(answer, scopes)
		}
		refused, ok := errors.AsType[*signInError](err)
		switch {
		case provider.WaitOf(err) != nil, problem.Of(err) != nil:
			return grant{}, err
		case ok && refused.status < 500 && (n > 1 || t.clock.offset() == before || lacksScope(err)):
			return grant{}, t.explain(refused, scopes)
		case n == tries:
			return grant{}, problem.New(problem.Unavailable, "the org's token endpoint does not answer").WithHint("try again later").Because(err)
		case !ok || refused.status >= 500:
			if err := t.clock.sleep(ctx, backoff(n)); err != nil {
				return grant{}, err
			}
		}
	}
}

// post sends a form to the token or revoke endpoint, with a fresh assertion.
func (t *tokens) post(ctx context.Context, path string, form url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	signed, err := t.assert(path)
	if err != nil {
		return nil, err
	}
	form.Set("client_assertion_type", assertion)
	form.Set("client_assertion", signed)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.org.String()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	got, err := exchange(t.base, req, 1<<20)
	if err != nil {
		return nil, err
	}
	t.clock.observe(got.header)
	if got.status == http.StatusTooManyRequests {
		return nil, tooMany(t.clock, got.header, "the org's limit on sign-ins")
	}
	if got.status != http.StatusOK {
		return nil, newSignInError(got)
	}
	return got.body, nil
}

// assert signs who we are, in the org's time, to the endpoint alone that it goes to: Okta
// takes no assertion that was made for another one.
func (t *tokens) assert(path string) (string, error) {
	now := t.clock.there()
	signed, err := jwt.Signed(t.signer).Claims(jwt.Claims{
		Issuer: t.client, Subject: t.client, Audience: jwt.Audience{t.org.String() + path},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(assertionLife)), ID: uuid.NewString(),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign the client assertion: %w", err)
	}
	return signed, nil
}

// grant is a token, and what it is good for.
type grant struct {
	token  string
	scopes []string
	ends   time.Time // in our clock; some time before it really ends
}

// granting reads the answer to a sign-in.
func (t *tokens) granting(answer []byte, scopes []string) (grant, error) {
	var a struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
		Scope   string `json:"scope"`
	}
	if err := json.Unmarshal(answer, &a); err != nil || a.Token == "" || !strings.EqualFold(a.Type, "Bearer") {
		return grant{}, problem.New(problem.Unavailable, "the org's token endpoint answers without a bearer token")
	}
	if a.Scope != "" {
		scopes = strings.Fields(a.Scope)
	}
	return grant{a.Token, scopes, t.clock.now().Add(time.Duration(a.Expires)*time.Second - tokenMargin)}, nil
}

// revoke gives all tokens back; without any there is nothing to do. Whatever comes
// of it, they are not used again, and what was not given back is tried again by the
// next call.
func (t *tokens) revoke(ctx context.Context) error {
	t.mu.Lock()
	if t.token != "" {
		t.spent = append(t.spent, grant{t.token, t.granted, t.ends})
	}
	t.token = ""
	spent := slices.Clone(t.spent)
	t.mu.Unlock()
	for _, g := range spent {
		_, err := t.post(ctx, revokePath, url.Values{"token": {g.token}, "token_type_hint": {"access_token"}})
		if refused, ok := errors.AsType[*signInError](err); ok && refused.status < 500 {
			return t.explain(refused, nil)
		}
		if err != nil {
			return unreleased(err)
		}
		t.mu.Lock()
		t.spent = slices.DeleteFunc(t.spent, func(other grant) bool { return other.token == g.token })
		t.mu.Unlock()
	}
	return nil
}

func unreleased(err error) error {
	if provider.WaitOf(err) != nil || problem.Of(err) != nil {
		return err
	}
	return problem.New(problem.Unavailable, "the org does not take the token back").WithHint("release it again later").Because(errors.New(err.Error()))
}
