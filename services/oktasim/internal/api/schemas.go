package api

import "imago/services/oktasim/internal/org"

// schemaOperations are the schemas of users, groups and log streams; those of apps stand with apps.
func schemaOperations() []operation {
	schema := func(method, path string, write bool, run func(*call) error) operation {
		scope := "okta.schemas.read"
		if write {
			scope = "okta.schemas.manage"
		}
		return operation{method: method, path: "/api/v1/meta/schemas/" + path, scope: scope, area: org.AreaSchemas, write: write, run: run}
	}
	stream := func(path string, run func(*call) error) operation {
		return operation{method: "GET", path: "/api/v1/meta/schemas/logStream" + path, scope: "okta.logStreams.read", area: org.AreaLogStreams, run: run}
	}
	return []operation{
		stream("", func(c *call) error { return c.array(c.org.LogStreamSchemas()) }),
		stream("/{logStreamType}", func(c *call) error { return c.show(c.org.LogStreamSchema(c.params["logStreamType"])) }),
		schema("GET", "user/{schemaId}", false, showSchema),
		schema("POST", "user/{schemaId}", true, changeSchema),
		schema("GET", "group/default", false, showSchema),
		schema("POST", "group/default", true, changeSchema),
	}
}

// schema is the schema in the path; that of groups has no id.
func (c *call) schema() (*org.Schema, error) { return c.org.Schema(c.params["schemaId"]) }

func showSchema(c *call) error {
	s, err := c.schema()
	if err != nil {
		return err
	}
	return c.show(c.org.SchemaBody(s, 0), nil)
}

func changeSchema(c *call) error {
	s, err := c.schema()
	if err != nil {
		return err
	}
	body, err := c.object()
	if err != nil {
		return err
	}
	late, err := c.org.AmendSchema(c.cause(), s, body)
	if err != nil {
		return err
	}
	return c.show(c.org.SchemaBody(s, late), nil)
}
