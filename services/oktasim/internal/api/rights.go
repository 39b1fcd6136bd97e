package api

import (
	"strings"

	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// subjects are the parts of paths behind which a variable names a thing of the family.
var subjects = map[string]string{
	"users": "users", "groups": "groups", "apps": "apps", "clients": "apps", "authorizationServers": "authorization_servers",
	"idps": "idps", "policies": "policies", "realms": "realms", "devices": "devices",
}

// subject is the variable of the path that names a thing of the family of the operation's
// area; "" if it is about no single one.
func (op *operation) subject() string {
	parts := segments(op.path)
	for i, part := range parts[:len(parts)-1] {
		if name, ok := strings.CutPrefix(parts[i+1], "{"); ok && subjects[part] != "" && subjects[part] == op.area.Family() {
			return strings.TrimSuffix(name, "}")
		}
	}
	return ""
}

// entitled checks the admin roles: that they open the operation's area at all, and for
// what the path names. Lists show what they hold for. A thing that is there and that they
// do not hold for is refused as the area would be (assumption: 403, not 404).
func (c *call) entitled() error {
	can, area := c.principal.can, c.op.area
	if !can.Open(area, c.op.write) {
		return failure.Forbidden()
	}
	if name := c.op.subject(); name != "" {
		key := c.params[name]
		if key == "me" && c.principal.user != nil {
			key = c.principal.user.ID
		}
		id, found := c.org.Resource(area.Family(), key)
		if found && !c.org.Allow(can, area, c.op.write, id) {
			return failure.Forbidden()
		}
		return nil
	}
	// New users and API tokens are looked at where it is known whose they are.
	if !c.op.write || area == org.AreaNewUsers || area == org.AreaTokens {
		return nil
	}
	return c.may(area, "")
}

// may checks that the roles let the client change a thing of the area's family, or make
// one for "".
func (c *call) may(area org.Area, id string) error {
	if !c.org.Allow(c.principal.can, area, true, id) {
		return failure.Forbidden()
	}
	return nil
}

// sees says of which things of the area the client may know, by id.
func (c *call) sees(area org.Area) func(id string) bool { return c.org.Sees(c.principal.can, area) }
