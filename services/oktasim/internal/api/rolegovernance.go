package api

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// roleGovernanceOperations are admin roles as governance grants them.
func roleGovernanceOperations() []operation {
	at := func(method, path string, run func(*call) error) operation {
		op := operation{method: method, path: path, scope: "okta.roles.read", area: org.AreaRoles, run: run}
		if method != "GET" {
			op.scope, op.write = "okta.roles.manage", true
		}
		return op
	}
	const role = "/api/v1/users/{userId}/roles/{roleAssignmentId}"
	return []operation{
		at("POST", "/api/v1/iam/governance/optIn", func(c *call) error { return c.govern(true) }),
		at("POST", "/api/v1/iam/governance/optOut", func(c *call) error { return c.govern(false) }),
		at("GET", org.BundlesPath+"/{bundleId}/entitlements", listBundleEntitlements),
		at("GET", org.BundlesPath+"/{bundleId}/entitlements/{entitlementId}/values", listBundleValues),
		at("GET", role+"/governance", listRoleSources),
		at("GET", role+"/governance/{grantId}", showRoleSource),
		at("GET", role+"/governance/{grantId}/resources", listRoleSourceResources),
		at("GET", role+"/targets", listRoleTargets),
	}
}

func (c *call) govern(on bool) error {
	if err := c.governed(); err != nil {
		return err
	}
	return c.show(c.org.Govern(c.cause(), on), nil)
}

// bundle is the bundle in the path, and its URL.
func (c *call) bundle() (*org.Object, string, error) {
	k := org.KindNamed("admin_bundles")
	if err := c.org.Offers(k); err != nil {
		return nil, "", err
	}
	x, err := c.org.FindObject(k, []string{c.params["bundleId"]})
	if err != nil {
		return nil, "", err
	}
	return x, c.org.Href(k, x), nil
}

func listBundleEntitlements(c *call) error {
	x, self, err := c.bundle()
	if err != nil {
		return err
	}
	return c.bodyPage(org.Page{Default: 20, Max: 200, Envelope: "entitlements"}, c.org.BundleEntitlements(x), doc.Doc{
		"_links": doc.Doc{"bundle": doc.Doc{"href": self}},
	})
}

func listBundleValues(c *call) error {
	x, self, err := c.bundle()
	if err != nil {
		return err
	}
	list, err := c.org.BundleValues(x, c.params["entitlementId"])
	if err != nil {
		return err
	}
	return c.bodyPage(org.Page{Default: 20, Max: 200, Envelope: "entitlementValues"}, list, doc.Doc{
		"_links": doc.Doc{"bundle": doc.Doc{"href": self}, "entitlements": doc.Doc{"href": self + "/entitlements"}},
	})
}

// roleSources are those of the user's role in the path, and the role's URL.
func (c *call) roleSources() ([]org.RoleSource, string, error) {
	if err := c.governed(); err != nil {
		return nil, "", err
	}
	u, err := c.user()
	if err != nil {
		return nil, "", err
	}
	sources, err := c.org.RoleSources(u.ID, c.params["roleAssignmentId"])
	return sources, c.org.Base() + "/api/v1/users/" + u.ID + "/roles/" + c.params["roleAssignmentId"], err
}

func listRoleSources(c *call) error {
	sources, role, err := c.roleSources()
	if err != nil {
		return err
	}
	grants := []any{}
	for _, s := range sources {
		grants = append(grants, s.RoleSourceBody(role))
	}
	return c.show(doc.Doc{"grants": grants, "_links": doc.Doc{
		"self": doc.Doc{"href": role + "/governance"}, "assignee": doc.Doc{"href": c.org.Base() + "/api/v1/users/" + c.params["userId"]},
	}}, nil)
}

// roleSource is the source that the path names, and the role's URL.
func (c *call) roleSource() (org.RoleSource, string, error) {
	sources, role, err := c.roleSources()
	if err != nil {
		return org.RoleSource{}, "", err
	}
	id := c.params["grantId"]
	i := slices.IndexFunc(sources, func(s org.RoleSource) bool { return s.ID() == id })
	if i < 0 {
		return org.RoleSource{}, "", failure.NotFound(id, "Grant")
	}
	return sources[i], role, nil
}

func showRoleSource(c *call) error {
	s, role, err := c.roleSource()
	if err != nil {
		return err
	}
	return c.show(s.RoleSourceBody(role), nil)
}

func listRoleSourceResources(c *call) error {
	s, role, err := c.roleSource()
	if err != nil {
		return err
	}
	return c.show(doc.Doc{
		"resources": c.org.RoleSourceResources(s), "_links": doc.Doc{"self": doc.Doc{"href": role + "/governance/" + s.ID() + "/resources"}},
	}, nil)
}

// listRoleTargets lists what limits a role, however the user has it.
func listRoleTargets(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	how := c.query.Get("assignmentType")
	if how != "" && how != org.AssigneeUser && how != org.AssigneeGroup {
		return failure.Invalid("assignmentType", "assignmentType: '"+how+"' is not a valid value. It must be one of USER, GROUP")
	}
	targets, err := c.org.RoleTargetsOf(u, c.params["roleAssignmentId"], how)
	if err != nil {
		return err
	}
	byKey, keys := map[string]org.GrantedRole{}, []string{}
	for _, t := range targets {
		key := t.AssignmentType + " " + t.ORN
		byKey[key], keys = t, append(keys, key)
	}
	slices.Sort(keys)
	keys = slices.DeleteFunc(slices.Compact(keys), func(key string) bool { return key <= c.query.Get("after") })
	return list(c, pages{standard: 20, highest: 200}, keys, func(key string) org.GrantedRole { return byKey[key] }, nil, always(func(t org.GrantedRole) any {
		return doc.Doc{"assignmentType": t.AssignmentType, "orn": t.ORN, "_links": doc.Doc{"self": doc.Doc{"href": t.Href}}}
	}))
}
