package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// principal is who makes a request.
type principal struct {
	party   org.Party
	roles   []string
	tokenID string
	// user is set for API tokens, app for access tokens.
	user   *org.User
	app    *org.App
	scopes []string
}

// limitKey is what the principal's own share of a rate limit is counted by.
func (p *principal) limitKey() string {
	if p == nil {
		return ""
	}
	if p.app != nil {
		return p.app.ID
	}
	return p.tokenID
}

// session is the externalSessionId that API calls have in the log.
func (p *principal) session() string {
	if p.user != nil {
		return "trs" + p.tokenID[3:]
	}
	return "unknown"
}

// authenticate finds the principal behind the Authorization header.
func (c *call) authenticate() error {
	if c.op.open {
		return nil
	}
	scheme, value, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "ssws":
		return c.withToken(value)
	case "bearer":
		return c.withAccess(value)
	case "":
		return failure.NoSession()
	}
	return failure.BadToken()
}

func (c *call) withToken(value string) error {
	var t *org.Token
	err := c.org.View(func() error {
		token, u, err := c.org.TokenOf(value)
		if err != nil {
			return err
		}
		t = token
		c.principal = &principal{party: u.Party(), roles: c.org.RoleTypesOf(u.ID), tokenID: t.ID, user: u}
		return nil
	})
	if err != nil {
		return err
	}
	c.org.Touch(t)
	return nil
}

func (c *call) withAccess(value string) error {
	return c.org.View(func() error {
		t, a := c.org.AccessOf(value)
		if t == nil {
			f := failure.BadToken()
			f.Challenge = c.challenge("invalid_token", "The access token is invalid or has expired.")
			return f
		}
		c.principal = &principal{
			party: a.ClientParty(), roles: c.org.RoleTypesOf(a.ClientID()), tokenID: t.ID, app: a, scopes: t.Scopes,
		}
		return nil
	})
}

// challenge is Okta's WWW-Authenticate header.
func (c *call) challenge(code, description string) string {
	base := c.org.Base()
	return fmt.Sprintf(`Bearer authorization_uri="%s/oauth2/v1/authorize", realm="%s", scope="%s", error="%s", error_description="%s", resource="%s"`,
		base, base, c.op.scope, code, description, c.r.URL.Path)
}

// authorise checks the scope of an access token, then the admin role. A scope to
// manage includes the one to read.
func (c *call) authorise() error {
	p := c.principal
	if c.op.open || p == nil {
		return nil
	}
	if p.app != nil && !hasScope(p.scopes, c.op.scope) {
		f := failure.Forbidden()
		f.Challenge = c.challenge("insufficient_scope", "The access token provided does not contain the required scopes.")
		return f
	}
	if c.op.self || org.Allows(p.roles, c.op.area, c.op.write) {
		return nil
	}
	return failure.Forbidden()
}

func hasScope(scopes []string, want string) bool {
	manage := strings.TrimSuffix(want, ".read") + ".manage"
	return slices.Contains(scopes, want) || strings.HasSuffix(want, ".read") && slices.Contains(scopes, manage)
}

var _ http.Handler = (*Server)(nil)
