package api

import (
	"net/http"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/filter"
	"imago/services/oktasim/internal/org"
)

// collectionOperations are what is in collections, and who has them.
func collectionOperations() []operation {
	const path = "/governance/api/v1/collections"
	at := func(method, path string, run func(*call) error) operation {
		op := operation{method: method, path: path, scope: "okta.governance.collections.read", area: org.AreaOrg}
		if op.write = method != http.MethodGet; op.write {
			op.scope = "okta.governance.collections.manage"
		}
		op.run = func(c *call) error {
			if err := c.governed(); err != nil {
				return err
			}
			return run(c)
		}
		return op
	}
	one := path + "/{collectionId}"
	return []operation{
		at("GET", path+"/assignments", func(c *call) error {
			return c.pageOf(org.KindNamed("collection_assignments"), c.org.AllObjects("collection_assignments"))
		}),
		at("POST", one+"/assignments", assignCollection),
		at("PATCH", one+"/assignments/{assignmentId}", patchAssignment),
		at("GET", one+"/catalog/users", listUnassigned),
		at("POST", one+"/resources", addToCollection),
	}
}

// elements reads a request body that is a list.
func (c *call) elements() ([]any, error) {
	v, err := doc.Parse(c.body)
	if err != nil {
		return nil, failure.Malformed()
	}
	list, isList := v.([]any)
	if !isList {
		return nil, failure.Malformed()
	}
	return list, nil
}

// collection is the one in the path, and the list in the body of the request.
func (c *call) collection() (*org.Object, []any, error) {
	x, err := c.org.FindObject(org.KindNamed("collections"), []string{c.params["collectionId"]})
	if err != nil || c.r.Method == http.MethodGet {
		return x, nil, err
	}
	list, err := c.elements()
	return x, list, err
}

func assignCollection(c *call) error {
	x, list, err := c.collection()
	if err != nil {
		return err
	}
	made, err := c.org.AssignCollection(x, list, c.cause())
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, made)
}

func patchAssignment(c *call) error {
	_, list, err := c.collection()
	if err != nil {
		return err
	}
	x, err := c.find(org.KindNamed("collection_assignments"))
	if err != nil {
		return err
	}
	return c.done(c.org.PatchAssignment(x, list, c.cause()))
}

// addToCollection answers with all that is in the collection then.
func addToCollection(c *call) error {
	x, list, err := c.collection()
	if err != nil {
		return err
	}
	if err := c.org.AddToCollection(x, list, c.cause()); err != nil {
		return err
	}
	k := org.KindNamed("collection_resources")
	found, err := c.org.ListObjects(k, c.values(k))
	if err != nil {
		return err
	}
	return c.pageOf(k, found)
}

func listUnassigned(c *call) error {
	x, _, err := c.collection()
	if err != nil {
		return err
	}
	return c.people(c.org.Unassigned(x))
}

// people answers those that the filter asks for, by name and mail.
func (c *call) people(all []doc.Doc) error {
	f, err := c.filter("filter", func(a string) bool { return a == "firstName" || a == "lastName" || a == "email" })
	if err != nil {
		return err
	}
	return c.bodyPage(dataPage, matching(all, f), nil)
}

// matching are the bodies that satisfy a filter.
func matching(all []doc.Doc, f *filter.Filter) []doc.Doc {
	var out []doc.Doc
	for _, d := range all {
		if f.Match(func(name string) []any { return []any{d[name]} }) {
			out = append(out, d)
		}
	}
	return out
}
