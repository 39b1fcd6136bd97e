package api

import (
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// tokenOperations are what admins see of API tokens.
func tokenOperations() []operation {
	at := func(method, path string, run func(*call) error) operation {
		scope := "okta.apiTokens.read"
		if method != "GET" {
			scope = "okta.apiTokens.manage"
		}
		return operation{method: method, path: "/api/v1/api-tokens" + path, scope: scope, area: org.AreaTokens, write: method != "GET", run: run}
	}
	current := at("DELETE", "/current", revokeCurrentToken)
	current.self = true
	return []operation{
		at("GET", "", listTokens), at("GET", "/{apiTokenId}", showToken), at("PUT", "/{apiTokenId}", restrictToken),
		at("DELETE", "/{apiTokenId}", revokeToken), current,
	}
}

func listTokens(c *call) error {
	bodies := []any{}
	sees := c.sees(org.AreaTokens)
	for _, t := range c.org.Tokens() {
		if !sees(t.UserID) {
			continue
		}
		bodies = append(bodies, c.org.TokenBody(t))
	}
	return c.array(bodies)
}

// apiToken finds the token in the path. It is in reach of a role as its owner is.
func (c *call) apiToken() (*org.Token, error) {
	t, err := c.org.TokenByID(c.params["apiTokenId"])
	if err == nil && !c.org.Allow(c.principal.can, org.AreaTokens, c.op.write, t.UserID) {
		return nil, failure.Forbidden()
	}
	return t, err
}

func showToken(c *call) error {
	t, err := c.apiToken()
	if err != nil {
		return err
	}
	return c.show(c.org.TokenBody(t), nil)
}

func restrictToken(c *call) error {
	t, err := c.apiToken()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.RestrictToken(c.cause(), t, body); err != nil {
		return err
	}
	return c.show(c.org.TokenBody(t), nil)
}

func revokeToken(c *call) error {
	t, err := c.apiToken()
	if err != nil {
		return err
	}
	c.org.RevokeToken(c.cause(), t)
	return c.done(nil)
}

// revokeCurrentToken ends the API token that the request itself bears; OAuth tokens are
// ended elsewhere.
func revokeCurrentToken(c *call) error {
	if c.principal.user == nil {
		return failure.Forbidden()
	}
	t, err := c.org.TokenByID(c.principal.tokenID)
	if err != nil {
		return err
	}
	c.org.RevokeToken(c.cause(), t)
	return c.done(nil)
}
