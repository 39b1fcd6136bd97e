package api

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// identitySourceOperations are who is in a group of an identity source.
func identitySourceOperations() []operation {
	const path = "/api/v1/identity-sources/{identitySourceId}/groups/{groupOrExternalId}/membership"
	at := func(method, path string, write bool, run func(*call) error) operation {
		scope := "okta.identitySources.read"
		if write {
			scope = "okta.identitySources.manage"
		}
		return operation{method: method, path: path, scope: scope, area: org.AreaGroups, write: write, run: run}
	}
	return []operation{
		at("GET", path, false, listIdentityMembers),
		at("POST", path, true, addIdentityMember),
		at("DELETE", path+"/{memberExternalId}", true, removeIdentityMember),
	}
}

func (c *call) identityGroup() (*org.Object, error) {
	return c.org.IdentityGroup(c.params["identitySourceId"], c.params["groupOrExternalId"])
}

func listIdentityMembers(c *call) error {
	g, err := c.identityGroup()
	if err != nil {
		return err
	}
	return c.show(doc.Doc{"memberExternalIds": org.IdentityMembers(g)}, nil)
}

func addIdentityMember(c *call) error {
	g, err := c.identityGroup()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	return c.done(c.org.AddIdentityMember(g, doc.String(body, "memberExternalId")))
}

func removeIdentityMember(c *call) error {
	g, err := c.identityGroup()
	if err != nil {
		return err
	}
	return c.done(c.org.RemoveIdentityMember(g, c.params["memberExternalId"]))
}
