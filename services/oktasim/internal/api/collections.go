package api

import "imago/services/oktasim/internal/org"

// access is the scope stem and the area of a simple resource type.
type access struct {
	scope string
	area  org.Area
}

var collectionAccess = map[string]access{
	"zones": {scope: "okta.networkZones", area: org.AreaZones},
}

// collectionOperations offers every simple resource type under its name.
func collectionOperations() []operation {
	var all []operation
	for name, d := range org.Definitions() {
		a := collectionAccess[name]
		add := func(method, path string, write bool, run func(*call, org.Definition) error) {
			scope := a.scope + ".read"
			if write {
				scope = a.scope + ".manage"
			}
			all = append(all, operation{
				method: method, path: "/api/v1/" + name + path, scope: scope, area: a.area, write: write,
				run: func(c *call) error { return run(c, d) },
			})
		}
		add("GET", "", false, listObjects)
		add("POST", "", true, createObject)
		add("GET", "/{id}", false, showObject)
		add("PUT", "/{id}", true, changeObject)
		add("DELETE", "/{id}", true, deleteObject)
		add("POST", "/{id}/lifecycle/{operation}", true, switchObject)
	}
	return all
}

func (c *call) member(d org.Definition) (*org.Object, error) { return c.org.Object(d, c.params["id"]) }

func listObjects(c *call, d org.Definition) error {
	f, err := c.filter("filter", func(string) bool { return true })
	if err != nil {
		return err
	}
	get := func(id string) *org.Object {
		x, err := c.org.Object(d, id)
		if err != nil {
			return nil
		}
		return x
	}
	keep := func(x *org.Object) bool { return f.Match(x.Values) }
	body := func(x *org.Object) (any, error) { return c.org.ObjectBody(d, x), nil }
	return list(c, pages{standard: d.Default, highest: d.Max}, c.org.ObjectsAfter(d, c.query.Get("after")), get, keep, body)
}

func createObject(c *call, d org.Definition) error {
	body, err := c.object()
	if err != nil {
		return err
	}
	x, err := c.org.CreateObject(c.cause(), d, body)
	if err != nil {
		return err
	}
	return c.show(c.org.ObjectBody(d, x), nil)
}

func showObject(c *call, d org.Definition) error {
	x, err := c.member(d)
	if err != nil {
		return err
	}
	return c.show(c.org.ObjectBody(d, x), nil)
}

func changeObject(c *call, d org.Definition) error {
	x, err := c.member(d)
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	if err := c.org.UpdateObject(c.cause(), d, x, body); err != nil {
		return err
	}
	return c.show(c.org.ObjectBody(d, x), nil)
}

func deleteObject(c *call, d org.Definition) error {
	x, err := c.member(d)
	if err != nil {
		return err
	}
	return c.done(c.org.DeleteObject(c.cause(), d, x))
}

func switchObject(c *call, d org.Definition) error {
	x, err := c.member(d)
	if err != nil {
		return err
	}
	active, err := c.activation()
	if err != nil {
		return err
	}
	if err := c.org.SwitchObject(c.cause(), d, x, active); err != nil {
		return err
	}
	return c.show(c.org.ObjectBody(d, x), nil)
}
