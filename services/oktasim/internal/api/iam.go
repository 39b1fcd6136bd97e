package api

import (
	"net/http"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// iamOperations are what lies below custom roles and resource sets.
func iamOperations() []operation {
	const (
		roles = "/api/v1/iam/roles/{roleIdOrLabel}/permissions"
		sets  = "/api/v1/iam/resource-sets/{resourceSetIdOrLabel}"
		role  = sets + "/bindings/{roleIdOrLabel}"
	)
	get := func(path string, run func(*call) error) operation {
		return operation{method: "GET", path: path, scope: "okta.roles.read", area: org.AreaRoles, run: run}
	}
	change := func(method, path string, run func(*call) error) operation {
		return operation{method: method, path: path, scope: "okta.roles.manage", area: org.AreaRoles, write: true, run: run}
	}
	return []operation{
		get(roles, listPermissions),
		get(roles+"/{permissionType}", showPermission),
		change("POST", roles+"/{permissionType}", func(c *call) error { return setPermission(c, false) }),
		change("PUT", roles+"/{permissionType}", func(c *call) error { return setPermission(c, true) }),
		change("DELETE", roles+"/{permissionType}", removePermission),
		get(sets+"/resources", listResources),
		change("POST", sets+"/resources", addResource),
		change("PATCH", sets+"/resources", addResources),
		get(sets+"/resources/{resourceId}", showResource),
		change("PUT", sets+"/resources/{resourceId}", changeResource),
		change("DELETE", sets+"/resources/{resourceId}", removeResource),
		get(sets+"/bindings", listBindings),
		change("POST", sets+"/bindings", createBinding),
		get(role, showBinding),
		change("DELETE", role, deleteBinding),
		get(role+"/members", listBindingMembers),
		change("PATCH", role+"/members", addBindingMembers),
		get(role+"/members/{memberId}", showBindingMember),
		change("DELETE", role+"/members/{memberId}", removeBindingMember),
	}
}

func listPermissions(c *call) error {
	role, err := c.org.CustomRole(c.params["roleIdOrLabel"])
	if err != nil {
		return err
	}
	return c.show(doc.Doc{"permissions": c.org.Permissions(role)}, nil)
}

func showPermission(c *call) error {
	role, err := c.org.CustomRole(c.params["roleIdOrLabel"])
	if err != nil {
		return err
	}
	return c.show(c.org.Permission(role, c.params["permissionType"]))
}

// setPermission is POST, which answers nothing (recorded), and PUT, which shows what it made.
func setPermission(c *call, shows bool) error {
	role, err := c.org.CustomRole(c.params["roleIdOrLabel"])
	if err != nil {
		return err
	}
	body, err := c.optional()
	if err != nil {
		return err
	}
	label := c.params["permissionType"]
	if err := c.org.SetPermission(c.cause(), role, label, body); err != nil || !shows {
		return c.done(err)
	}
	return c.show(c.org.Permission(role, label))
}

func removePermission(c *call) error {
	role, err := c.org.CustomRole(c.params["roleIdOrLabel"])
	if err != nil {
		return err
	}
	return c.done(c.org.RemovePermission(c.cause(), role, c.params["permissionType"]))
}

// resourceSet finds the set in the path.
func (c *call) resourceSet() (*org.Object, error) {
	return c.org.ResourceSet(c.params["resourceSetIdOrLabel"])
}

func listResources(c *call) error {
	set, err := c.resourceSet()
	if err != nil {
		return err
	}
	c.set("Link", "<"+c.org.Base()+c.r.URL.EscapedPath()+`>; rel="self"`)
	answer := doc.Doc{"resources": c.org.Resources(set), "_links": c.org.ResourceListLinks(set)}
	return c.show(answer, c.cutEnvelope(answer, "resources"))
}

// givenSet is the set in the path and the body that is to change it.
func (c *call) givenSet() (*org.Object, doc.Doc, error) {
	set, err := c.resourceSet()
	if err != nil {
		return nil, nil, err
	}
	body, err := c.object()
	return set, body, err
}

func addResource(c *call) error {
	set, body, err := c.givenSet()
	if err != nil {
		return err
	}
	return c.show(c.org.AddResource(c.cause(), set, body))
}

func addResources(c *call) error {
	set, body, err := c.givenSet()
	if err != nil {
		return err
	}
	if err := c.org.AddResources(c.cause(), set, doc.Strings(body, "additions")); err != nil {
		return err
	}
	k := org.KindNamed("resource_sets")
	return c.show(c.org.Show(k, set, org.View{Query: c.query}, 0), nil)
}

func showResource(c *call) error {
	set, err := c.resourceSet()
	if err != nil {
		return err
	}
	return c.show(c.org.SetResource(set, c.params["resourceId"]))
}

func changeResource(c *call) error {
	set, body, err := c.givenSet()
	if err != nil {
		return err
	}
	return c.show(c.org.ChangeResource(c.cause(), set, c.params["resourceId"], body))
}

func removeResource(c *call) error {
	set, err := c.resourceSet()
	if err != nil {
		return err
	}
	return c.done(c.org.RemoveResource(c.cause(), set, c.params["resourceId"]))
}

func listBindings(c *call) error {
	set, err := c.resourceSet()
	if err != nil {
		return err
	}
	answer := c.org.BindingsBody(set)
	return c.show(answer, c.cutEnvelope(answer, "roles"))
}

func createBinding(c *call) error {
	set, body, err := c.givenSet()
	if err != nil {
		return err
	}
	b, err := c.org.Bind(c.cause(), set, body)
	if err != nil {
		return err
	}
	return c.show(c.org.BindingBody(b, true), nil)
}

// binding finds the binding in the path.
func (c *call) binding() (org.Binding, error) {
	set, err := c.resourceSet()
	if err != nil {
		return org.Binding{}, err
	}
	return c.org.Binding(set, c.params["roleIdOrLabel"])
}

func showBinding(c *call) error {
	b, err := c.binding()
	if err != nil {
		return err
	}
	return c.show(c.org.BindingBody(b, false), nil)
}

func deleteBinding(c *call) error {
	b, err := c.binding()
	if err != nil {
		return err
	}
	c.org.Unbind(c.cause(), b)
	return c.done(nil)
}

func listBindingMembers(c *call) error {
	b, err := c.binding()
	if err != nil {
		return err
	}
	answer := c.org.BindingMembersBody(b)
	return c.show(answer, c.cutEnvelope(answer, "members"))
}

func addBindingMembers(c *call) error {
	b, err := c.binding()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.AddBindingMembers(c.cause(), b, doc.Strings(body, "additions")); err != nil {
		return err
	}
	return c.reply(http.StatusOK, c.org.BindingBody(b, true))
}

func showBindingMember(c *call) error {
	b, err := c.binding()
	if err != nil {
		return err
	}
	return c.show(c.org.BindingMember(b, c.params["memberId"]))
}

func removeBindingMember(c *call) error {
	b, err := c.binding()
	if err != nil {
		return err
	}
	return c.done(c.org.RemoveBindingMember(c.cause(), b, c.params["memberId"]))
}
