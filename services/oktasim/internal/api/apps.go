package api

import (
	"net/http"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

func appOperations() []operation {
	apps := func(method, path, scope string, area org.Area, write bool, run func(*call) error) operation {
		return operation{method: method, path: "/api/v1/apps" + path, scope: scope, area: area, write: write, run: run}
	}
	const read, manage = "okta.apps.read", "okta.apps.manage"
	return []operation{
		apps("GET", "", read, org.AreaApps, false, listApps),
		apps("POST", "", manage, org.AreaApps, true, createApp),
		apps("GET", "/{appId}", read, org.AreaApps, false, showApp),
		apps("PUT", "/{appId}", manage, org.AreaApps, true, changeApp),
		apps("DELETE", "/{appId}", manage, org.AreaApps, true, deleteApp),
		apps("POST", "/{appId}/lifecycle/{operation}", manage, org.AreaApps, true, switchApp),
		apps("PUT", "/{appId}/policies/{policyId}", manage, org.AreaApps, true, assignPolicy),
		apps("GET", "/{appId}/grants", "okta.appGrants.read", org.AreaGrants, false, listGrants),
		apps("POST", "/{appId}/grants", "okta.appGrants.manage", org.AreaGrants, true, createGrant),
		apps("GET", "/{appId}/grants/{grantId}", "okta.appGrants.read", org.AreaGrants, false, showGrant),
		apps("DELETE", "/{appId}/grants/{grantId}", "okta.appGrants.manage", org.AreaGrants, true, deleteGrant),
	}
}

var appFilterAttributes = []string{"id", "status", "name", "lastUpdated", "user.id", "group.id", "credentials.signing.kid"}

func (c *call) appByID(id string) *org.App {
	a, err := c.org.App(id)
	if err != nil {
		return nil
	}
	return a
}

func listApps(c *call) error {
	f, err := c.filter("filter", func(a string) bool { return slices.Contains(appFilterAttributes, a) })
	if err != nil {
		return err
	}
	q, visible := strings.ToLower(c.query.Get("q")), c.visibleApp()
	keep := func(a *org.App) bool {
		named := strings.HasPrefix(strings.ToLower(a.Label), q) || strings.HasPrefix(strings.ToLower(a.Name), q)
		return named && visible(a) && f.Match(func(name string) []any { return a.Values(c.org, name) })
	}
	ids := c.org.AppsAfter(c.query.Get("after"))
	return page(c, pages{standard: 20, highest: 200}, ids, c.appByID, keep, c.appBody)
}

// appBody is an app, with the assignment of one user if that was asked for.
func (c *call) appBody(a *org.App) (any, error) {
	body := c.org.AppBody(a)
	id, asked := strings.CutPrefix(c.query.Get("expand"), "user/")
	if !asked {
		return body, nil
	}
	if as, err := c.org.AppUserOf(a, id); err == nil {
		body["_embedded"] = doc.Doc{"user": c.org.AppUserBody(a, as)}
	}
	return body, nil
}

// visibleApp says of which apps the client may know.
func (c *call) visibleApp() func(*org.App) bool {
	sees := c.sees(org.AreaApps)
	return func(a *org.App) bool { return sees(a.ID) }
}

func (c *call) app() (*org.App, error) { return c.org.App(c.params["appId"]) }

func showApp(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.show(c.appBody(a))
}

func createApp(c *call) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	a, err := c.org.CreateApp(c.cause(), body, c.flag("activate", true))
	if err != nil {
		return err
	}
	return c.show(c.org.AppBodyWithSecret(a), nil)
}

func changeApp(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.UpdateApp(c.cause(), a, body); err != nil {
		return err
	}
	return c.show(c.org.AppBodyWithSecret(a), nil)
}

func deleteApp(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.done(c.org.DeleteApp(c.cause(), a))
}

func switchApp(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	operation := c.params["operation"]
	if operation != "activate" && operation != "deactivate" {
		return failure.NoPath()
	}
	c.org.SwitchApp(c.cause(), a, operation == "activate")
	return c.empty(nil)
}

func assignPolicy(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	return c.done(c.org.AssignPolicy(c.cause(), a, c.params["policyId"]))
}

func (c *call) grantBody(a *org.App, g *org.Grant) any {
	return c.org.GrantBody(a, g, c.r.Method == http.MethodPost || c.query.Get("expand") == "scope")
}

func listGrants(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	items := []any{}
	for _, g := range a.Grants {
		items = append(items, c.grantBody(a, g))
	}
	return c.array(items)
}

func createGrant(c *call) error {
	a, err := c.app()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	g, err := c.org.GrantScope(c.cause(), a, body, c.principal.party.ID)
	if err != nil {
		return err
	}
	return c.show(c.grantBody(a, g), nil)
}

// grant finds the app and the grant in the path.
func (c *call) grant() (*org.App, *org.Grant, error) {
	a, err := c.app()
	if err != nil {
		return nil, nil, err
	}
	g, err := a.GrantOf(c.params["grantId"])
	return a, g, err
}

func showGrant(c *call) error {
	a, g, err := c.grant()
	if err != nil {
		return err
	}
	return c.show(c.grantBody(a, g), nil)
}

func deleteGrant(c *call) error {
	a, g, err := c.grant()
	if err != nil {
		return err
	}
	c.org.RevokeScope(c.cause(), a, g)
	return c.done(nil)
}
