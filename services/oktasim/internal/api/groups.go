package api

import (
	"net/http"
	"slices"
	"strings"

	"imago/services/oktasim/internal/org"
)

var (
	groupPages  = pages{standard: 10000, highest: 10000, silent: true}
	memberPages = pages{standard: 1000, highest: 1000}
)

func groupOperations() []operation {
	groups := func(method, path string, area org.Area, write bool, run func(*call) error) operation {
		scope := "okta.groups.read"
		if write {
			scope = "okta.groups.manage"
		}
		return operation{method: method, path: path, scope: scope, area: area, write: write, run: run}
	}
	return []operation{
		groups("GET", "/api/v1/groups", org.AreaGroups, false, listGroups),
		groups("POST", "/api/v1/groups", org.AreaNewGroups, true, createGroup),
		groups("GET", "/api/v1/groups/{groupId}", org.AreaGroups, false, showGroup),
		groups("PUT", "/api/v1/groups/{groupId}", org.AreaGroups, true, changeGroup),
		groups("DELETE", "/api/v1/groups/{groupId}", org.AreaGroups, true, deleteGroup),
		groups("GET", "/api/v1/groups/{groupId}/users", org.AreaMembers, false, listMembers),
		groups("PUT", "/api/v1/groups/{groupId}/users/{userId}", org.AreaMembers, true, addMember),
		groups("DELETE", "/api/v1/groups/{groupId}/users/{userId}", org.AreaMembers, true, removeMember),
		groups("GET", "/api/v1/groups/{groupId}/owners", org.AreaGroups, false, listOwners),
		groups("POST", "/api/v1/groups/{groupId}/owners", org.AreaGroups, true, addOwner),
		groups("DELETE", "/api/v1/groups/{groupId}/owners/{ownerId}", org.AreaGroups, true, removeOwner),
		groups("GET", "/api/v1/groups/{groupId}/apps", org.AreaGroups, false, listAppsOfGroup),
	}
}

var groupFilterAttributes = []string{"id", "type", "lastUpdated", "lastMembershipUpdated"}

func listGroups(c *call) error {
	if q := c.query.Get("q"); q != "" {
		return findGroups(c, q)
	}
	f, err := c.filter("filter", func(a string) bool { return slices.Contains(groupFilterAttributes, a) })
	if err != nil {
		return err
	}
	s, err := c.filter("search", func(a string) bool {
		return slices.Contains(groupFilterAttributes, a) || a == "created" || a == "source.id" || strings.HasPrefix(a, "profile.")
	})
	if err != nil {
		return err
	}
	sees := c.sees(org.AreaGroups)
	keep := func(g *org.Group) bool { return sees(g.ID) && f.Match(g.Values) && s.Match(g.Values) }
	if s != nil {
		sight := c.org.SearchGroups()
		return searchPage(c, groupPages, &sight, valuesOfGroup, keep, always(c.org.GroupBody))
	}
	return page(c, groupPages, c.org.GroupsAfter(c.query.Get("after")), c.groupByID, keep, always(c.org.GroupBody))
}

// findGroups answers q: names that begin with the text, never paged, no Link (recorded).
func findGroups(c *call, q string) error {
	f, err := c.filter("filter", func(a string) bool { return slices.Contains(groupFilterAttributes, a) })
	if err != nil {
		return err
	}
	n, err := c.limit(pages{standard: 300, highest: 10000})
	if err != nil {
		return err
	}
	var items []any
	sight, sees := c.org.SearchGroups(), c.sees(org.AreaGroups)
	for place := range sight.After("") {
		g := sight.Get(place)
		if !sees(g.ID) || !hasPrefix(g.Name(), q) || !f.Match(g.Values) {
			continue
		}
		if items = append(items, c.org.GroupBody(g)); len(items) == n {
			break
		}
	}
	return c.array(items)
}

func valuesOfGroup(g *org.Group) func(string) []any { return g.Values }

func (c *call) group() (*org.Group, error) { return c.org.Group(c.params["groupId"]) }

func showGroup(c *call) error {
	g, err := c.group()
	if err != nil {
		return err
	}
	return c.show(c.org.GroupBody(g), nil)
}

func createGroup(c *call) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	g, err := c.org.CreateGroup(c.cause(), body)
	if err != nil {
		return err
	}
	return c.show(c.org.GroupBody(g), nil)
}

func changeGroup(c *call) error {
	g, err := c.group()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.UpdateGroup(c.cause(), g, body); err != nil {
		return err
	}
	return c.show(c.org.GroupBody(g), nil)
}

func deleteGroup(c *call) error {
	g, err := c.group()
	if err != nil {
		return err
	}
	return c.done(c.org.DeleteGroup(c.cause(), g))
}

func listMembers(c *call) error {
	g, err := c.group()
	if err != nil {
		return err
	}
	return page(c, memberPages, g.MembersAfter(c.query.Get("after")), c.org.UserByID, nil, c.userLine)
}

// membership finds the group and the user in the path. Whoever changes it must be allowed
// to change memberships of both (documented).
func (c *call) membership() (*org.Group, *org.User, error) {
	g, err := c.group()
	if err != nil {
		return nil, nil, err
	}
	u, err := c.org.User(c.params["userId"])
	if err != nil {
		return nil, nil, err
	}
	return g, u, c.may(org.AreaUserGroups, u.ID)
}

func addMember(c *call) error {
	g, u, err := c.membership()
	if err != nil {
		return err
	}
	return c.done(c.org.AddMember(c.cause(), g, u))
}

func removeMember(c *call) error {
	g, u, err := c.membership()
	if err != nil {
		return err
	}
	return c.done(c.org.RemoveMember(c.cause(), g, u))
}

func listOwners(c *call) error {
	g, err := c.group()
	if err != nil {
		return err
	}
	f, err := c.filter("search", func(attribute string) bool { return attribute == "type" })
	if err != nil {
		return err
	}
	owners := slices.DeleteFunc(slices.Clone(g.Owners), func(w org.GroupOwner) bool {
		return !f.Match(func(string) []any { return []any{w.Type} })
	})
	part, n, next, err := portion(c, ownerPages, owners, func(w org.GroupOwner) string { return w.ID })
	if err != nil {
		return err
	}
	bodies := []any{}
	for _, w := range part {
		bodies = append(bodies, c.org.OwnerBody(w, false))
	}
	c.link(ownerPages, n, next)
	return c.array(bodies)
}

// ownerPages are those of a group's owners (documented; no link is recorded).
var ownerPages = pages{standard: 1000, highest: 1000, bare: true}

func addOwner(c *call) error {
	g, err := c.group()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	w, err := c.org.AddOwner(g, body)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, c.org.OwnerBody(w, true))
}

func removeOwner(c *call) error {
	g, err := c.group()
	if err != nil {
		return err
	}
	return c.done(c.org.RemoveOwner(g, c.params["ownerId"]))
}

func listAppsOfGroup(c *call) error {
	g, err := c.group()
	if err != nil {
		return err
	}
	ids := c.org.AppsOfGroup(g, c.query.Get("after"))
	return page(c, pages{standard: 20, highest: 200}, ids, c.appByID, c.visibleApp(), c.appBody)
}
