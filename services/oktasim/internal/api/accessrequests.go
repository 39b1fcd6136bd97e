package api

import (
	"net/http"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// accessRequestOperations are requests for entries of the catalog, as administrators make
// and see them, and the catalog as one person sees it.
func accessRequestOperations() []operation {
	const path = "/governance/api/v2/requests"
	at := func(method, path, scope string, run func(*call) error) operation {
		op := operation{method: method, path: path, scope: scope + ".read", area: org.AreaOrg}
		if op.write = method != http.MethodGet; op.write {
			op.scope = scope + ".manage"
		}
		op.run = func(c *call) error {
			if err := c.governed(); err != nil {
				return err
			}
			return run(c)
		}
		return op
	}
	const requests, catalog = "okta.accessRequests.request", "okta.accessRequests.catalog"
	return []operation{
		at("GET", path, requests, listAccessRequests),
		at("POST", path, requests, createAccessRequest),
		at("GET", path+"/{requestId}", requests, showAccessRequest),
		at("POST", path+"/{requestId}/messages", requests, addMessage),
		at("GET", "/governance/api/v2/catalogs/default/user/{userId}/entries", catalog, listEntriesOfUser),
		at("GET", "/governance/api/v2/my/catalogs/default/entries/{entryId}/users", catalog, listRequesters),
	}
}

// requestFilter leads from the attributes of the filter to the places in a request.
var requestFilter = map[string]string{
	"status": "status", "lastUpdated": "lastUpdated", "requestedFor": "requestedFor.externalId", "resourceId": "requested.resourceId",
	"resourceType": "requested.resourceType", "accessScopeId": "requested.accessScopeId", "accessScopeType": "requested.accessScopeType",
}

func listAccessRequests(c *call) error {
	f, err := c.filter("filter", func(a string) bool { return requestFilter[a] != "" })
	if err != nil {
		return err
	}
	var out []doc.Doc
	for _, x := range c.org.AllObjects("my_requests") {
		body := c.org.AccessRequestBody(x, false)
		if f.Match(func(name string) []any { return []any{doc.Get(body, strings.Split(requestFilter[name], ".")...)} }) {
			out = append(out, body)
		}
	}
	return c.bodyPage(dataPage, out, nil)
}

func createAccessRequest(c *call) error {
	r, err := c.required(org.KindNamed("my_requests"))
	if err != nil {
		return err
	}
	x, err := c.org.RequestAccess(r)
	if err != nil {
		return err
	}
	return c.reply(http.StatusAccepted, c.org.AccessRequestBody(x, true))
}

func showAccessRequest(c *call) error {
	x, err := c.org.AccessRequest(c.params["requestId"])
	if err != nil {
		return err
	}
	return c.show(c.org.AccessRequestBody(x, false), nil)
}

func addMessage(c *call) error {
	x, err := c.org.AccessRequest(c.params["requestId"])
	if err != nil {
		return err
	}
	r, err := c.required(org.KindNamed("my_requests"))
	if err != nil {
		return err
	}
	if err := c.org.AddMessage(x, r); err != nil {
		return err
	}
	c.status = http.StatusCreated
	return nil
}

// listEntriesOfUser takes everybody to see the whole catalog (an assumption).
func listEntriesOfUser(c *call) error {
	if _, err := c.user(); err != nil {
		return err
	}
	if _, err := c.wanted("parent"); err != nil {
		return err
	}
	k := org.KindNamed("catalog_entries")
	found, err := c.org.ListObjects(k, nil)
	if err != nil {
		return err
	}
	return c.pageOf(k, found)
}

func listRequesters(c *call) error {
	entry, err := c.org.FindObject(org.KindNamed("my_catalog_entries"), []string{c.params["entryId"]})
	if err != nil {
		return err
	}
	if _, err := c.wanted("firstName", "lastName"); err != nil {
		return err
	}
	return c.people(c.org.Requesters(entry))
}
