package api

import (
	"imago/services/oktasim/internal/org"
)

// authServerOperations are what authorization servers have beside their entries.
func authServerOperations() []operation {
	const path = "/api/v1/authorizationServers/{authServerId}/associatedServers"
	return []operation{
		{method: "GET", path: path, scope: "okta.authorizationServers.read", area: org.AreaAuthServers, run: listAssociatedServers},
		{method: "POST", path: path, scope: "okta.authorizationServers.manage", area: org.AreaAuthServers, write: true, run: associateServers},
	}
}

func listAssociatedServers(c *call) error {
	k := org.KindNamed("authorization_servers")
	if err := c.org.Offers(k); err != nil {
		return err
	}
	found, err := c.org.AssociatedServers(c.params["authServerId"], c.flag("trusted", true))
	if err != nil {
		return err
	}
	return c.pageOf(k, found)
}

// associateServers answers with all servers that are trusted then.
func associateServers(c *call) error {
	k := org.KindNamed("authorization_servers")
	if err := c.org.Offers(k); err != nil {
		return err
	}
	r, err := c.required(k)
	if err != nil {
		return err
	}
	if err := c.org.Associate(c.params["authServerId"], r); err != nil {
		return err
	}
	found, err := c.org.AssociatedServers(c.params["authServerId"], true)
	if err != nil {
		return err
	}
	return c.array(c.bodies(k, found))
}
