package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

// principal is who makes a request.
type principal struct {
	party   org.Party
	can     org.Privileges
	tokenID string
	// user is set for API tokens, app for access tokens.
	user   *org.User
	app    *org.App
	scopes []string
	scheme string
	share  limit.Principal
	guise  *org.Guise
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
		return c.withAccess("Bearer", value)
	case "dpop":
		return c.withAccess("DPoP", value)
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
		c.principal = &principal{party: u.Party(), can: c.org.PrivilegesOf(u.ID), tokenID: t.ID, user: u, share: c.shareOf(t.ID), guise: t.Guise}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.inReach(t); err != nil {
		return err
	}
	c.org.Touch(t)
	return nil
}

// inReach refuses a token from outside of its network, with a trace in the log (the event
// is documented, the code an assumption).
func (c *call) inReach(t *org.Token) error {
	from, reached := c.cause().IP, false
	if err := c.org.View(func() error { reached = c.org.Reaches(t, from); return nil }); err != nil || reached {
		return err
	}
	if err := c.org.Update(func() error { c.org.NoteOutside(c.cause(), t); return nil }); err != nil {
		return err
	}
	return failure.BadToken()
}

// withAccess finds the client behind an access token. A token that is bound to a key
// comes by the scheme DPoP, with a proof; others as a bearer's.
func (c *call) withAccess(scheme, value string) error {
	var t *org.AccessToken
	err := c.org.View(func() error {
		found, a := c.org.AccessOf(value)
		if found == nil || scheme == "DPoP" && found.Thumbprint == "" {
			return &challenge{http.StatusUnauthorized, scheme, "invalid_token", "The access token is invalid or has expired."}
		}
		t = found
		c.principal = &principal{
			party: a.ClientParty(), can: c.org.PrivilegesOf(a.ClientID()), tokenID: t.ID, app: a, scopes: t.Scopes, scheme: scheme,
			share: c.shareOf(a.ID), guise: t.Guise,
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case t.Thumbprint == "":
		return nil
	case scheme == "Bearer":
		return &challenge{http.StatusBadRequest, scheme, "invalid_request", "The resource request requires a DPoP proof."}
	}
	err = c.possesses(t)
	// Live orgs answer 400 here, where RFC 9449 has 401.
	if bad := (*proofError)(nil); errors.As(err, &bad) {
		return &challenge{http.StatusBadRequest, scheme, bad.code, bad.description}
	}
	return err
}

// challenge refuses what an access token was presented for. Its answer has no body: all
// is in the WWW-Authenticate header (seen on live orgs for a missing scope,
// okta-sdk-golang#145; of other refusals okta-sdk-nodejs#453 shows the header alone).
type challenge struct {
	status                    int
	scheme, code, description string
}

func (e *challenge) Error() string { return e.code + ": " + e.description }

// header writes the challenge as Okta does, which names itself by http whatever it is
// reached by.
func (e *challenge) header(c *call) string {
	_, host, _ := strings.Cut(c.org.Base(), "://")
	algorithms := ""
	if e.scheme == "DPoP" {
		algorithms = `algs="` + proofAlgorithms + `", `
	}
	return fmt.Sprintf(`%s %sauthorization_uri="http://%s/oauth2/v1/authorize", realm="http://%s", scope="%s", error="%s", error_description="%s", resource="%s"`,
		e.scheme, algorithms, host, host, c.op.scope, e.code, e.description, c.r.URL.Path)
}

// authorise checks the scope of an access token, then the admin role. A scope to
// manage includes the one to read.
func (c *call) authorise() error {
	p := c.principal
	if c.op.open || p == nil {
		return nil
	}
	if p.app != nil && !hasScope(p.scopes, c.op.scope) {
		return &challenge{http.StatusForbidden, c.principal.scheme, "insufficient_scope", "The access token provided does not contain the required scopes."}
	}
	if c.op.self {
		return nil
	}
	return c.org.View(c.entitled)
}

func hasScope(scopes []string, want string) bool {
	manage := strings.TrimSuffix(want, ".read") + ".manage"
	return slices.Contains(scopes, want) || strings.HasSuffix(want, ".read") && slices.Contains(scopes, manage)
}

var _ http.Handler = (*Server)(nil)
