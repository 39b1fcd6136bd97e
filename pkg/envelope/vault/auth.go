package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/problem"
)

// Auth is how we sign in to Vault: one of a token, an AppRole, and a Kubernetes role.
// Files are read again each time, so what renews them need not tell us.
type Auth struct {
	TokenFile string // a token; Vault Agent can keep it there

	RoleID       string // an AppRole
	SecretIDFile string // its secret ID

	KubernetesRole string // a role of the Kubernetes auth method
	JWTFile        string // the service account's token; "": where Kubernetes mounts it

	Mount string // of the auth method; "": approle or kubernetes
}

// kubernetesJWT is where a pod finds its service account's token.
const kubernetesJWT = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// check tells what does not go together.
func (a Auth) check() error {
	ways := 0
	for _, given := range []string{a.TokenFile, a.RoleID, a.KubernetesRole} {
		if given != "" {
			ways++
		}
	}
	switch {
	case ways != 1:
		return problem.InField("token file, role ID and kubernetes role", "give one of them")
	case (a.RoleID == "") != (a.SecretIDFile == ""):
		return problem.InField("role ID and secret ID file", "one needs the other")
	case a.JWTFile != "" && a.KubernetesRole == "":
		return problem.InField("jwt file", "it needs a kubernetes role")
	case a.Mount != "" && !names.MatchString(strings.Trim(a.Mount, "/")):
		return problem.InField("auth mount", "%q is not where an auth method is mounted", a.Mount)
	}
	return nil
}

// login is the request that signs in.
func (a Auth) login() (path string, body map[string]account.Secret, err error) {
	if a.RoleID != "" {
		secret, err := word(a.SecretIDFile)
		return "auth/" + strings.Trim(cmp.Or(a.Mount, "approle"), "/") + "/login", map[string]account.Secret{"role_id": account.Secret(a.RoleID), "secret_id": secret}, err
	}
	jwt, err := word(cmp.Or(a.JWTFile, kubernetesJWT))
	return "auth/" + strings.Trim(cmp.Or(a.Mount, "kubernetes"), "/") + "/login", map[string]account.Secret{"role": account.Secret(a.KubernetesRole), "jwt": jwt}, err
}

func word(path string) (account.Secret, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the secret for Vault cannot be read: %w: %w", err, envelope.ErrRefused)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, " \n\t") {
		return "", fmt.Errorf("%s must hold one word, the secret for Vault: %w", path, envelope.ErrRefused)
	}
	return account.Secret(secret), nil
}

// lease is a token and its time.
type lease struct {
	token     account.Secret
	ends      time.Time // zero: never
	renew     time.Time // when to have it for longer, or another; zero: never
	renewable bool      // else it can only be replaced
}

// soonest is how long a token is left alone at least, however short its time is.
const soonest = 5 * time.Second

func newLease(token account.Secret, now time.Time, seconds int64, renewable bool) lease {
	l := lease{token: token, renewable: renewable}
	if seconds > 0 {
		l.ends = now.Add(time.Duration(seconds) * time.Second)
		l = l.halved(now)
	}
	return l
}

// halved is to be renewed when half of what is left of its time is over.
func (l lease) halved(now time.Time) lease {
	l.renew = now.Add(max(l.ends.Sub(now)/2, soonest))
	return l
}

func (l lease) good(now time.Time) bool {
	return l.token != "" && (l.ends.IsZero() || now.Before(l.ends))
}

func (l lease) due(now time.Time) bool { return !l.renew.IsZero() && !now.Before(l.renew) }

// session holds a token of Vault's. It is renewed at use, when half of its time is over,
// and when that is all over we sign in anew: keyrings are opened every minute where
// anything happens, so nothing need run in between. A renewal that fails is tried again
// when half of the rest is over: until the end the token is good.
type session struct {
	client *client
	auth   Auth
	now    func() time.Time

	mu    sync.Mutex // nobody who has it waits for Vault
	held  lease      // stays until there is another one
	doing *attempt   // to get another one; nil: nobody does
	tired time.Time  // until when a denial is taken for the policy's
}

// attempt is somebody's way to a token, which others wait for, too.
type attempt struct {
	done  chan struct{} // closed when the rest is set
	token account.Secret
	err   error
}

func newSession(c *client, a Auth, now func() time.Time) (*session, error) {
	if now == nil {
		now = time.Now
	}
	return &session{client: c, auth: a, now: now}, a.check()
}

// token is one that should be good.
func (s *session) token(ctx context.Context) (account.Secret, error) {
	s.mu.Lock()
	held, now := s.held, s.now()
	if held.good(now) && (s.doing != nil || !held.due(now)) {
		s.mu.Unlock()
		return held.token, nil
	}
	a := s.start(ctx, s.another)
	s.mu.Unlock()
	return a.wait(ctx)
}

// instead is a token in the place of one that Vault did not take. A denial need not be the
// token's fault: where Vault does not say so, and the last sign-in for a denial is not
// long ago, there is no other token, and the denial is the error.
func (s *session) instead(ctx context.Context, bad account.Secret, denial error) (account.Secret, error) {
	if s.auth.TokenFile != "" {
		return s.replaced(ctx, bad, denial)
	}
	s.mu.Lock()
	if s.held.token != bad {
		defer s.mu.Unlock()
		return s.held.token, nil // somebody else was faster
	}
	if now := s.now(); !errors.Is(denial, errInvalid) && now.Before(s.tired) {
		s.mu.Unlock()
		return "", denial
	}
	a := s.start(ctx, s.afresh)
	s.mu.Unlock()
	return a.wait(ctx)
}

// tiring is how long we sign in for no denial after we did, unless Vault says that it is
// the token: each makes a token, which Vault keeps until its end.
const tiring = 10 * time.Minute

// afresh signs in because of a denial.
func (s *session) afresh(ctx context.Context) (lease, error) {
	got, err := s.signIn(ctx)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tired = s.now().Add(tiring)
	}
	return got, err
}

// replaced is the token that has come into the file in the place of a bad one.
func (s *session) replaced(ctx context.Context, bad account.Secret, denial error) (account.Secret, error) {
	token, err := word(s.auth.TokenFile)
	if err != nil {
		return "", errors.Join(denial, err)
	}
	if token == bad {
		return "", fmt.Errorf("by the token in %s, which has to be replaced there where it is not valid: %w", s.auth.TokenFile, denial)
	}
	s.mu.Lock()
	if s.held.token == token {
		defer s.mu.Unlock()
		return token, nil // somebody else was faster
	}
	a := s.start(ctx, s.signIn)
	s.mu.Unlock()
	return a.wait(ctx)
}

// start begins an attempt, unless one is under way. It does not end with the context of
// who began it, as others wait for it; the client's own limits end it. Call it with s.mu.
func (s *session) start(ctx context.Context, get func(context.Context) (lease, error)) *attempt {
	if s.doing == nil {
		a := &attempt{done: make(chan struct{})}
		s.doing = a
		go s.finish(a, func() (lease, error) { return get(context.WithoutCancel(ctx)) })
	}
	return s.doing
}

func (s *session) finish(a *attempt, get func() (lease, error)) {
	got, err := get()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.held = got
	}
	a.token, a.err = got.token, err
	s.doing = nil
	close(a.done)
}

func (a *attempt) wait(ctx context.Context) (account.Secret, error) {
	select {
	case <-a.done:
		return a.token, a.err
	case <-ctx.Done():
		return "", late(ctx)
	}
}

// another is a token to go on with: the one that is held, for longer, or another one, or,
// where Vault gives neither now, the one that is held as long as it is good.
func (s *session) another(ctx context.Context) (lease, error) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	got, err := s.longer(ctx, held)
	if now := s.now(); err != nil && held.good(now) {
		return held.halved(now), nil
	}
	return got, err
}

// longer renews a token, or signs in where that is not possible.
func (s *session) longer(ctx context.Context, held lease) (lease, error) {
	if !held.renewable || !held.good(s.now()) {
		return s.signIn(ctx)
	}
	got, err := s.renewed(ctx, held)
	if errors.Is(err, envelope.ErrRefused) {
		return s.signIn(ctx)
	}
	return got, err
}

// grant is what Vault says of a token: from a sign-in or a renewal, or of one that we
// brought along, where it is in the data.
type grant struct {
	Auth struct {
		Token     account.Secret `json:"client_token"`
		Lease     int64          `json:"lease_duration"` // seconds; 0: for ever
		Renewable bool           `json:"renewable"`
	} `json:"auth"`
	Data struct {
		TTL       *int64 `json:"ttl"` // seconds; 0: for ever
		Renewable bool   `json:"renewable"`
	} `json:"data"`
}

func (s *session) signIn(ctx context.Context) (lease, error) {
	if s.auth.TokenFile != "" {
		return s.brought(ctx)
	}
	path, secrets, err := s.auth.login()
	if err != nil {
		return lease{}, err
	}
	body := map[string]string{}
	for name, secret := range secrets {
		body[name] = secret.Reveal()
	}
	var g grant
	now := s.now()
	if err := s.client.do(ctx, http.MethodPost, path, "", body, &g); err != nil {
		return lease{}, fmt.Errorf("sign in to Vault at %s: %w", path, err)
	}
	if g.Auth.Token == "" {
		return lease{}, fmt.Errorf("sign in to Vault at %s: it %w", path, errHollow)
	}
	return newLease(g.Auth.Token, now, g.Auth.Lease, g.Auth.Renewable), nil
}

// errHollow: an answer without what was asked for.
var errHollow = fmt.Errorf("answered with no token: check the address, and proxies on the way: %w", envelope.ErrUnavailable)

// brought is the token in the file, of which Vault is asked how long it is good. A token
// without the default policy may not ask that: it is used until it is denied, and whoever
// put it there renews it.
func (s *session) brought(ctx context.Context) (lease, error) {
	token, err := word(s.auth.TokenFile)
	if err != nil {
		return lease{}, err
	}
	var g grant
	now := s.now()
	err = s.client.do(ctx, http.MethodGet, "auth/token/lookup-self", token, nil, &g)
	if errors.Is(err, errDenied) && !errors.Is(err, errInvalid) {
		return lease{token: token}, nil
	}
	if err == nil && g.Data.TTL == nil {
		err = fmt.Errorf("Vault %w", errHollow)
	}
	if err != nil {
		return lease{}, fmt.Errorf("the token in %s, of which Vault is asked how long it is good, and which has to be replaced there once it is not: %w", s.auth.TokenFile, err)
	}
	return newLease(token, now, *g.Data.TTL, g.Data.Renewable), nil
}

// renewed has the held token's time begin anew. It asks once: there is time to ask later.
func (s *session) renewed(ctx context.Context, held lease) (lease, error) {
	var g grant
	now := s.now()
	if err := s.client.once(ctx, http.MethodPost, "auth/token/renew-self", held.token, []byte("{}"), &g); err != nil {
		return lease{}, fmt.Errorf("renew the token: %w", err)
	}
	switch {
	case g.Auth.Token == "":
		return lease{}, fmt.Errorf("renew the token: Vault %w", errHollow)
	case g.Auth.Lease <= 0: // not for ever: a token that ends goes on to end
		return lease{}, fmt.Errorf("renew the token: its longest time is over: %w", envelope.ErrRefused)
	}
	return newLease(held.token, now, g.Auth.Lease, g.Auth.Renewable), nil
}
