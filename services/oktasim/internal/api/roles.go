package api

import (
	"net/http"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

func roleOperations() []operation {
	var all []operation
	add := func(method, path string, write bool, run func(*call) error) {
		scope := "okta.roles.read"
		if write {
			scope = "okta.roles.manage"
		}
		all = append(all, operation{method: method, path: path, scope: scope, area: org.AreaRoles, write: write, run: run})
	}
	for _, holder := range []string{"/api/v1/users/{userId}", "/api/v1/groups/{groupId}", "/oauth2/v1/clients/{clientId}"} {
		add("GET", holder+"/roles", false, listRoles)
		add("POST", holder+"/roles", true, assignRole)
		add("GET", holder+"/roles/{roleAssignmentId}", false, showRole)
		add("DELETE", holder+"/roles/{roleAssignmentId}", true, unassignRole)
		targets := holder + "/roles/{roleAssignmentId}/targets"
		add("GET", targets+"/groups", false, listGroupTargets)
		add("PUT", targets+"/groups/{targetGroupId}", true, func(c *call) error { return target(c, true) })
		add("DELETE", targets+"/groups/{targetGroupId}", true, func(c *call) error { return target(c, false) })
		add("GET", targets+"/catalog/apps", false, listAppTargets)
		add("PUT", targets+"/catalog/apps", true, targetAllApps)
		for _, app := range []string{"/{appName}", "/{appName}/{appId}"} {
			add("PUT", targets+"/catalog/apps"+app, true, func(c *call) error { return target(c, true) })
			add("DELETE", targets+"/catalog/apps"+app, true, func(c *call) error { return target(c, false) })
		}
	}
	add("GET", "/api/v1/iam/assignees/users", false, listAssignees)
	return all
}

// holder is the id of the user, group or client in the path, who must exist.
func (c *call) holder() (string, error) {
	if id := c.params["groupId"]; id != "" {
		_, err := c.org.Group(id)
		return id, err
	}
	if id := c.params["clientId"]; id != "" {
		if c.org.Client(id) == nil {
			return "", failure.NotFound(id, "PublicClientApp")
		}
		return id, nil
	}
	u, err := c.user()
	if err != nil {
		return "", err
	}
	return u.ID, nil
}

func listRoles(c *call) error {
	id, err := c.holder()
	if err != nil {
		return err
	}
	items, err := c.org.RoleBodies(id)
	if err != nil {
		return err
	}
	return c.array(items)
}

func assignRole(c *call) error {
	id, err := c.holder()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if doc.String(body, "type") == "CUSTOM" {
		b, err := c.org.AssignCustomRole(c.cause(), id, body)
		if err != nil {
			return err
		}
		return c.reply(http.StatusCreated, b)
	}
	r, err := c.org.AssignRole(c.cause(), id, doc.String(body, "type"))
	if err != nil {
		return err
	}
	b, err := c.org.RoleBody(id, r)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, b)
}

func showRole(c *call) error {
	id, err := c.holder()
	if err != nil {
		return err
	}
	r, err := c.org.Role(id, c.params["roleAssignmentId"])
	if err != nil {
		return c.show(c.org.CustomRoleBody(id, c.params["roleAssignmentId"]))
	}
	return c.show(c.org.RoleBody(id, r))
}

func unassignRole(c *call) error {
	id, err := c.holder()
	if err != nil {
		return err
	}
	return c.done(c.org.UnassignRole(c.cause(), id, c.params["roleAssignmentId"]))
}

// roleOf is the holder's standard role in the path.
func (c *call) roleOf() (string, *org.RoleAssignment, error) {
	id, err := c.holder()
	if err != nil {
		return "", nil, err
	}
	r, err := c.org.Role(id, c.params["roleAssignmentId"])
	return id, r, err
}

// target limits the role in the path to what the path names, or ends that.
func target(c *call, on bool) error {
	id, r, err := c.roleOf()
	if err != nil {
		return err
	}
	t := org.RoleTarget{Group: c.params["targetGroupId"], Name: c.params["appName"], App: c.params["appId"]}
	if on {
		return c.done(c.org.AddRoleTarget(c.cause(), id, r, t))
	}
	return c.done(c.org.RemoveRoleTarget(c.cause(), id, r, t))
}

func targetAllApps(c *call) error {
	_, r, err := c.roleOf()
	if err != nil {
		return err
	}
	r.AllApps()
	c.status = http.StatusOK
	return nil
}

func listGroupTargets(c *call) error { return listTargets(c, c.org.GroupTargets) }

func listAppTargets(c *call) error { return listTargets(c, c.org.AppTargets) }

// listTargets answers with one page, whose own link names a page of tokens (recorded).
func listTargets(c *call, targets func(*org.RoleAssignment) []any) error {
	_, r, err := c.roleOf()
	if err != nil {
		return err
	}
	c.link(pages{standard: 20, highest: 200}, 20, "")
	return c.array(targets(r))
}

// listAssignees lists the users with roles in an envelope; the next page is a link in
// the body (recorded).
func listAssignees(c *call) error {
	n, err := c.limit(pages{standard: 100, highest: 100})
	if err != nil {
		return err
	}
	ids := c.org.UsersWithRoles(c.query.Get("after"))
	more := len(ids) > n
	ids = ids[:min(n, len(ids))]
	users := []any{}
	for _, id := range ids {
		self := c.org.Base() + "/api/v1/users/" + id
		users = append(users, doc.Doc{
			"id": id, "orn": "orn:okta:directory:" + c.org.Info().ID + ":users:" + id,
			"_links": doc.Doc{"self": doc.Doc{"href": self}, "roles": doc.Doc{"href": self + "/roles"}},
		})
	}
	body := doc.Doc{"value": users}
	if more {
		next := c.org.Base() + "/api/v1/iam/assignees/users?after=" + ids[n-1]
		body["_links"] = doc.Doc{"next": doc.Doc{"href": next}}
	}
	return c.show(body, nil)
}
