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

// session holds a token of Vault's. It is renewed at use, when half of its time is over,
// and when that is all over we sign in anew: keyrings are opened every minute where
// anything happens, so nothing need run in between.
type session struct {
	client *client
	auth   Auth
	now    func() time.Time

	mu    sync.Mutex
	held  account.Secret
	renew time.Time // when to; zero: never
	fixed bool      // it cannot be renewed, only be replaced
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
	defer s.mu.Unlock()
	if s.held == "" {
		return s.signIn(ctx)
	}
	if s.renew.IsZero() || s.now().Before(s.renew) {
		return s.held, nil
	}
	if s.fixed {
		return s.signIn(ctx)
	}
	return s.renewed(ctx)
}

// instead is a token in the place of one that Vault did not take.
func (s *session) instead(ctx context.Context, bad account.Secret) (account.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != bad && s.held != "" {
		return s.held, nil // somebody else was faster
	}
	return s.signIn(ctx)
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
		TTL       int64 `json:"ttl"` // seconds; 0: for ever
		Renewable bool  `json:"renewable"`
	} `json:"data"`
}

func (s *session) signIn(ctx context.Context) (account.Secret, error) {
	s.held = ""
	var g grant
	if s.auth.TokenFile != "" {
		token, err := word(s.auth.TokenFile)
		if err != nil {
			return "", err
		}
		if err := s.client.do(ctx, http.MethodGet, "auth/token/lookup-self", token, nil, &g); err != nil {
			return "", fmt.Errorf("the token in %s, of which Vault is asked how long it is good, and which has to be replaced there once it is not: %w", s.auth.TokenFile, err)
		}
		return s.hold(token, g.Data.TTL, g.Data.Renewable), nil
	}
	path, secrets, err := s.auth.login()
	if err != nil {
		return "", err
	}
	body := map[string]string{}
	for name, secret := range secrets {
		body[name] = secret.Reveal()
	}
	if err := s.client.do(ctx, http.MethodPost, path, "", body, &g); err != nil {
		return "", fmt.Errorf("sign in to Vault at %s: %w", path, err)
	}
	if g.Auth.Token == "" {
		return "", fmt.Errorf("sign in to Vault at %s: it answered with no token: check the address, and proxies on the way: %w", path, envelope.ErrUnavailable)
	}
	return s.hold(g.Auth.Token, g.Auth.Lease, g.Auth.Renewable), nil
}

// renewed has the held token's time begin anew. Where Vault will not, we sign in.
func (s *session) renewed(ctx context.Context) (account.Secret, error) {
	var g grant
	err := s.client.do(ctx, http.MethodPost, "auth/token/renew-self", s.held, struct{}{}, &g)
	switch {
	case errors.Is(err, envelope.ErrRefused):
		return s.signIn(ctx)
	case err != nil:
		return "", fmt.Errorf("renew the token: %w", err)
	}
	return s.hold(s.held, g.Auth.Lease, g.Auth.Renewable), nil
}

func (s *session) hold(token account.Secret, seconds int64, renewable bool) account.Secret {
	s.held, s.fixed, s.renew = token, !renewable, time.Time{}
	if seconds > 0 {
		s.renew = s.now().Add(time.Duration(seconds) * time.Second / 2)
	}
	return token
}
