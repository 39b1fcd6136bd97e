package api

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

func assignmentOperations() []operation {
	part := func(method, path string, write bool, run func(*call) error) operation {
		scope := "okta.apps.read"
		if write {
			scope = "okta.apps.manage"
		}
		return operation{method: method, path: "/api/v1/apps/{appId}" + path, scope: scope, area: org.AreaAssignments, write: write, run: run}
	}
	return []operation{
		part("GET", "/users", false, listAppUsers),
		part("POST", "/users", true, assignUser),
		part("GET", "/users/{userId}", false, showAppUser),
		part("POST", "/users/{userId}", true, changeAppUser),
		part("DELETE", "/users/{userId}", true, unassignUser),
		part("GET", "/groups", false, listAppGroups),
		part("GET", "/groups/{groupId}", false, showAppGroup),
		part("PUT", "/groups/{groupId}", true, assignGroup),
		part("PATCH", "/groups/{groupId}", true, patchGroupAssignment),
		part("DELETE", "/groups/{groupId}", true, unassignGroup),
	}
}

func listAppUsers(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	get := func(id string) *org.Assignment {
		as, err := c.org.AppUserOf(a, id)
		if err != nil {
			return nil
		}
		return as
	}
	q := c.query.Get("q")
	keep := func(as *org.Assignment) bool { return q == "" || as.Matches(q) }
	body := func(as *org.Assignment) (any, error) { return c.appUserBody(a, as) }
	return page(c, pages{standard: 50, highest: 500}, c.org.AppUsersAfter(a, c.query.Get("after")), get, keep, body)
}

// appUserBody is an assignment, with the user if that was asked for.
func (c *call) appUserBody(a *org.App, as *org.Assignment) (doc.Doc, error) {
	body := c.org.AppUserBody(a, as)
	if c.query.Get("expand") != "user" {
		return body, nil
	}
	user, err := c.userBody(as.User)
	body["_embedded"] = doc.Doc{"user": user}
	return body, err
}

// appGroupBody is a group's assignment, with the group if that was asked for.
func (c *call) appGroupBody(a *org.App, l *org.AppGroupLink) doc.Doc {
	body := c.org.AppGroupBody(a, l)
	if c.query.Get("expand") == "group" {
		body["_embedded"] = doc.Doc{"group": c.org.GroupBody(c.groupByID(l.Group))}
	}
	return body
}

// appUser finds the app and the user in the path. Okta looks for the user first (recorded).
func (c *call) appUser() (*org.App, *org.User, error) {
	u, err := c.org.User(c.params["userId"])
	if err != nil {
		return nil, nil, err
	}
	a, err := c.app()
	return a, u, err
}

func showAppUser(c *call) error {
	a, u, err := c.appUser()
	if err != nil {
		return err
	}
	as, err := c.org.AppUserOf(a, u.ID)
	if err != nil {
		return err
	}
	return c.show(c.appUserBody(a, as))
}

func assignUser(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	id := doc.String(body, "id")
	if id == "" {
		return failure.Missing("id")
	}
	u, err := c.org.User(id)
	if err != nil {
		return err
	}
	return c.assign(a, u, body)
}

func (c *call) assign(a *org.App, u *org.User, body doc.Doc) error {
	if err := c.may(org.AreaUserApps, u.ID); err != nil {
		return err
	}
	as, err := c.org.AssignUser(c.cause(), a, u, body)
	if err != nil {
		return err
	}
	return c.show(c.appUserBody(a, as))
}

// changeAppUser changes an assignment, or makes one (recorded).
func changeAppUser(c *call) error {
	a, u, err := c.appUser()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	return c.assign(a, u, body)
}

func unassignUser(c *call) error {
	a, u, err := c.appUser()
	if err != nil {
		return err
	}
	if err := c.may(org.AreaUserApps, u.ID); err != nil {
		return err
	}
	return c.done(c.org.UnassignUser(c.cause(), a, u))
}

// listAppGroups lists by priority, as recorded; the cursor is a group's id.
func listAppGroups(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	links := a.Groups
	if after := c.query.Get("after"); after != "" {
		i := slices.IndexFunc(links, func(l *org.AppGroupLink) bool { return l.Group == after })
		links = links[i+1:]
	}
	ids := make([]string, len(links))
	for i, l := range links {
		ids[i] = l.Group
	}
	get := func(id string) *org.AppGroupLink {
		return links[slices.Index(ids, id)]
	}
	q := strings.ToLower(c.query.Get("q"))
	keep := func(l *org.AppGroupLink) bool {
		return strings.HasPrefix(strings.ToLower(c.groupByID(l.Group).Name()), q)
	}
	body := func(l *org.AppGroupLink) (any, error) { return c.appGroupBody(a, l), nil }
	return list(c, pages{standard: 20, highest: 200}, ids, get, keep, body)
}

// appGroup finds the app and the group in the path. Whoever assigns must be allowed to
// change the assignments of both (documented).
func (c *call) appGroup() (*org.App, *org.Group, error) {
	a, err := c.app()
	if err != nil {
		return nil, nil, err
	}
	g, err := c.group()
	if err == nil && c.op.write {
		err = c.may(org.AreaGroupApps, g.ID)
	}
	return a, g, err
}

func showAppGroup(c *call) error {
	a, g, err := c.appGroup()
	if err != nil {
		return err
	}
	l, err := c.org.AppGroupOf(a, g.ID)
	if err != nil {
		return err
	}
	return c.show(c.appGroupBody(a, l), nil)
}

func assignGroup(c *call) error {
	a, g, err := c.appGroup()
	if err != nil {
		return err
	}
	body, err := c.optional()
	if err != nil {
		return err
	}
	return c.show(c.org.AppGroupBody(a, c.org.AssignGroup(c.cause(), a, g, body)), nil)
}

// patchGroupAssignment changes priority and profile as RFC 6902 says; Okta knows replace
// alone (documented).
func patchGroupAssignment(c *call) error {
	a, g, err := c.appGroup()
	if err != nil {
		return err
	}
	if _, err := c.org.AppGroupOf(a, g.ID); err != nil {
		return err
	}
	v, err := doc.Parse(c.body)
	operations, isList := v.([]any)
	if err != nil || !isList {
		return failure.Malformed()
	}
	body := doc.Doc{}
	for _, e := range operations {
		op, ok := e.(doc.Doc)
		path := strings.Split(strings.Trim(doc.String(op, "path"), "/"), "/")
		if !ok || op["op"] != "replace" || path[0] != "priority" && path[0] != "profile" {
			return failure.Invalid("op", "op: Only priority and profile can be replaced")
		}
		doc.Ensure(body, path[:len(path)-1]...)[path[len(path)-1]] = op["value"]
	}
	return c.show(c.appGroupBody(a, c.org.AssignGroup(c.cause(), a, g, c.org.WholeAssignment(a, g, body))), nil)
}

func unassignGroup(c *call) error {
	a, g, err := c.appGroup()
	if err != nil {
		return err
	}
	return c.done(c.org.UnassignGroup(c.cause(), a, g))
}
