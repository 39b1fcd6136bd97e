package api

import (
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// refreshTokenOperations are refresh tokens as authorization servers and people have them,
// and what people have let clients do. Nobody signs in here: there are no tokens but those
// that were taken over, and nobody ever consents.
func refreshTokenOperations() []operation {
	servers := tokenPaths("/api/v1/authorizationServers/{authServerId}", "okta.authorizationServers", org.AreaAuthServers, (*call).serverHolder)
	people := tokenPaths("/api/v1/users/{userId}", "okta.users", org.AreaUsers, (*call).userHolder)
	grant := func(method, path string, run func(*call) error) operation {
		op := operation{method: method, path: "/api/v1/users/{userId}" + path, scope: "okta.users.manage", area: org.AreaSessions, write: true, run: run}
		if method == "GET" {
			op.scope, op.area, op.write = "okta.users.read", org.AreaUsers, false
		}
		return op
	}
	return append(append(servers, people...),
		grant("DELETE", "/grants", noGrants), grant("GET", "/grants/{grantId}", noGrant), grant("DELETE", "/grants/{grantId}", noGrant),
		grant("GET", "/grants", listUserGrants), grant("GET", "/clients/{clientId}/grants", listUserGrants), grant("DELETE", "/clients/{clientId}/grants", noGrants))
}

// endOf is what ends tokens: those of people end with their sessions.
func endOf(area org.Area) org.Area {
	if area == org.AreaUsers {
		return org.AreaSessions
	}
	return area
}

// tokenPaths are the operations below one holder of tokens.
func tokenPaths(path, scope string, area org.Area, holder func(*call) (org.TokenHolder, error)) []operation {
	at := func(method, below string, run func(*call, org.TokenHolder) error) operation {
		op := operation{method: method, path: path + "/clients" + below, scope: scope + ".manage", area: endOf(area), write: true}
		if method == "GET" {
			op.scope, op.area, op.write = scope+".read", area, false
		}
		op.run = func(c *call) error {
			h, err := holder(c)
			if err != nil {
				return err
			}
			return run(c, h)
		}
		return op
	}
	return []operation{
		at("GET", "", listTokenClients),
		at("GET", "/{clientId}/tokens", listRefreshTokens),
		at("DELETE", "/{clientId}/tokens", revokeRefreshTokens),
		at("GET", "/{clientId}/tokens/{tokenId}", showRefreshToken),
		at("DELETE", "/{clientId}/tokens/{tokenId}", revokeRefreshToken),
	}
}

func (c *call) serverHolder() (org.TokenHolder, error) {
	x, err := c.org.FindObject(org.KindNamed("authorization_servers"), []string{c.params["authServerId"]})
	return org.TokenHolder{Server: x, Client: c.params["clientId"]}, err
}

func (c *call) userHolder() (org.TokenHolder, error) {
	u, err := c.user()
	if err != nil {
		return org.TokenHolder{}, err
	}
	return org.TokenHolder{User: u.ID, Client: c.params["clientId"]}, nil
}

func listTokenClients(c *call, h org.TokenHolder) error {
	return c.array(c.org.TokenClients(h, c.r.URL.EscapedPath()))
}

// tokenPages are those of refresh tokens (documented).
var tokenPages = pages{standard: 20, highest: 200}

func listRefreshTokens(c *call, h org.TokenHolder) error {
	found, n, next, err := portion(c, tokenPages, c.org.RefreshTokens(h), objectID)
	if err != nil {
		return err
	}
	bodies := []any{}
	for _, x := range found {
		bodies = append(bodies, c.org.RefreshTokenBody(x, c.r.URL.EscapedPath()+"/"+x.ID, c.query))
	}
	c.link(tokenPages, n, next)
	return c.array(bodies)
}

func showRefreshToken(c *call, h org.TokenHolder) error {
	x, err := c.org.RefreshToken(h, c.params["tokenId"])
	if err != nil {
		return err
	}
	return c.show(c.org.RefreshTokenBody(x, c.r.URL.EscapedPath(), c.query), nil)
}

func revokeRefreshTokens(c *call, h org.TokenHolder) error {
	return c.done(c.org.RevokeRefreshTokens(c.cause(), c.org.RefreshTokens(h)))
}

func revokeRefreshToken(c *call, h org.TokenHolder) error {
	x, err := c.org.RefreshToken(h, c.params["tokenId"])
	if err != nil {
		return err
	}
	return c.done(c.org.RevokeRefreshTokens(c.cause(), []*org.Object{x}))
}

// listUserGrants is a page of what people have let clients do: nothing.
func listUserGrants(c *call) error {
	if _, err := c.user(); err != nil {
		return err
	}
	n, err := c.limit(tokenPages)
	if err != nil {
		return err
	}
	c.link(tokenPages, n, "")
	return c.array(nil)
}

// noGrants takes back what nobody gave.
func noGrants(c *call) error {
	_, err := c.user()
	return c.done(err)
}

func noGrant(c *call) error {
	if _, err := c.user(); err != nil {
		return err
	}
	return failure.NotFound(c.params["grantId"], "OAuth2ScopeConsentGrant")
}
