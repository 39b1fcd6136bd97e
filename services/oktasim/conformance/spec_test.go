package conformance

import (
	"fmt"
	"strings"
	"testing"
)

const smallSpec = `
openapi: 3.0.3
info: {title: small, version: "1"}
paths:
  /things/{id}:
    get:
      responses:
        "200":
          description: found
          content:
            application/json:
              schema:
                type: object
                required: [id]
                properties:
                  id: {type: string}
                  tags: {type: array, items: {type: string, enum: [a, b]}}
              examples: {one: {$ref: "#/components/examples/nowhere"}}
    delete: {responses: {"204": {description: gone}}}
  /things/mine:
    get: {responses: {"204": {description: nothing}}}
`

func TestViolations(t *testing.T) {
	t.Parallel()
	spec, err := parseSpec([]byte(smallSpec))
	if err != nil {
		t.Fatal(err)
	}
	object := func(kv ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		e     Exchange
		known bool
		want  string
	}{
		{Exchange{Method: "GET", Path: "/things/1", Status: 200, Response: object("id", "1")}, true, ""},
		{Exchange{Method: "GET", Path: "/things/1", Status: 200, Response: object("id", nil)}, true, "/id null"},
		{Exchange{Method: "GET", Path: "/things/1", Status: 200, Response: object()}, true, "/id required"},
		{Exchange{Method: "GET", Path: "/things/1", Status: 200, Response: object("id", "1", "tags", []any{"a", "c"})}, true, "/tags/[] enum"},
		{Exchange{Method: "GET", Path: "/things/1", Status: 200}, true, " body"},
		{Exchange{Method: "GET", Path: "/things/1", Status: 201, Response: object("id", "1")}, true, " status 201"},
		{Exchange{Method: "GET", Path: "/things/1", Status: 404, Response: object()}, false, ""},
		{Exchange{Method: "GET", Path: "/things/mine", Status: 204, Response: object("id", 1)}, true, " body"},
		{Exchange{Method: "DELETE", Path: "/things/1", Status: 204}, true, ""},
		{Exchange{Method: "PUT", Path: "/things/1", Status: 200}, false, ""},
		{Exchange{Method: "GET", Path: "/other", Status: 200}, false, ""},
	} {
		found, known := spec.Check(c.e)
		got := make([]string, len(found))
		for i, v := range found {
			got[i] = v.Pointer + " " + v.What
		}
		if s := strings.Join(got, ", "); s != c.want || known != c.known {
			t.Errorf("%v: got %q, %v", c.e, s, known)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	faults, err := ParseFaults(strings.NewReader("# why\n\nR * /apps* /name null # said\nA GET /apps/*/x - status 201\n"))
	if err != nil {
		t.Fatal(err)
	}
	for v, want := range map[Violation]string{
		{Method: "GET", Template: "/apps/{id}", Pointer: "/name", What: "null"}:      "[true false]",
		{Method: "PUT", Template: "/apps", Pointer: "/name/first", What: "null"}:     "[false false]",
		{Method: "GET", Template: "/apps/{id}/x", What: "status 201"}:                "[false true]",
		{Method: "GET", Template: "/apps/{id}/x", Pointer: "/a", What: "status 201"}: "[false false]",
		{Method: "POST", Template: "/apps/{id}/x", What: "status 201"}:               "[false false]",
	} {
		if got := fmt.Sprint([]bool{faults[0].Covers(v), faults[1].Covers(v)}); got != want {
			t.Errorf("%v: got %s", v, got)
		}
	}
	if _, err := ParseFaults(strings.NewReader("R GET /apps\nX GET /a /b null\n")); err == nil || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}
