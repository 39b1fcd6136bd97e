package api

import (
	"net/http"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/form"
	"imago/services/oktasim/internal/org"
)

// clientOperations are the registration of OAuth clients.
func clientOperations() []operation {
	at := func(method, path string, run func(*call) error) operation {
		scope := "okta.clients.read"
		if method != http.MethodGet {
			scope = "okta.clients.manage"
		}
		return operation{method: method, path: "/oauth2/v1/clients" + path, scope: scope, area: org.AreaApps, write: method != http.MethodGet, run: run}
	}
	return []operation{
		at("GET", "", listClients),
		at("POST", "", registerClient),
		at("GET", "/{clientId}", showClient),
		at("PUT", "/{clientId}", changeClient),
		at("DELETE", "/{clientId}", deleteClient),
		at("POST", "/{clientId}/lifecycle/newSecret", renewSecret),
	}
}

func listClients(c *call) error {
	q := strings.ToLower(c.query.Get("q"))
	visible := c.visibleApp()
	keep := func(a *org.App) bool {
		return visible(a) && a.ClientID() != "" && strings.HasPrefix(strings.ToLower(a.Label), q)
	}
	body := func(a *org.App) (any, error) { return c.org.ClientBody(a, false), nil }
	return page(c, pages{standard: 50, highest: 200}, c.org.AppsAfter(c.query.Get("after")), c.appByID, keep, body)
}

// registered finds the client in the path.
func (c *call) registered() (*org.App, error) { return c.org.ClientOf(c.params["clientId"]) }

func registerClient(c *call) error {
	body, err := c.clientApp()
	if err != nil {
		return err
	}
	a, err := c.org.CreateApp(c.cause(), body, true)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, c.org.ClientBody(a, true))
}

// clientApp reads the request as that for an app.
func (c *call) clientApp() (doc.Doc, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	app, err := org.ClientApp(body)
	if err == nil && !form.Fits(form.For("/api/v1/apps"), app) {
		return nil, failure.Malformed()
	}
	return app, err
}

func showClient(c *call) error {
	a, err := c.registered()
	if err != nil {
		return err
	}
	return c.show(c.org.ClientBody(a, false), nil)
}

func changeClient(c *call) error {
	a, err := c.registered()
	if err != nil {
		return err
	}
	body, err := c.clientApp()
	if err != nil {
		return err
	}
	if err := c.org.UpdateApp(c.cause(), a, body); err != nil {
		return err
	}
	return c.show(c.org.ClientBody(a, true), nil)
}

// deleteClient removes a client, be it active or not.
func deleteClient(c *call) error {
	a, err := c.registered()
	if err != nil {
		return err
	}
	c.org.SwitchApp(c.cause(), a, false)
	return c.done(c.org.DeleteApp(c.cause(), a))
}

func renewSecret(c *call) error {
	a, err := c.registered()
	if err != nil {
		return err
	}
	if err := c.org.NewSecret(c.cause(), a); err != nil {
		return err
	}
	return c.show(c.org.ClientBody(a, true), nil)
}
