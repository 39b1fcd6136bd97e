package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// TestListsThatTellLittleOfPages walks lists whose plain answers have no Link: a limit cuts
// them, the next link leads through all, and a bad limit is refused.
func TestListsThatTellLittleOfPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	group := "/api/v1/groups/" + s.made.Groups["Finance"]
	for _, u := range s.list("/api/v1/users?limit=3") {
		s.want(201, "POST", group+"/owners", doc.Doc{"type": "USER", "id": u["id"]})
	}
	policy := "/api/v1/policies/" + s.made.Policies["Contractor sessions"]
	for i := range 3 {
		s.create(policy+"/rules", doc.Doc{"type": "SIGN_ON", "name": fmt.Sprint("R", i), "actions": doc.Doc{"signon": doc.Doc{"access": "ALLOW"}}})
	}
	for _, path := range []string{"/api/v1/authorizationServers/default/scopes", group + "/owners", policy + "/rules"} {
		plain := s.want(200, "GET", path, nil)
		if got := plain.header.Values("Link"); len(got) > 0 {
			t.Errorf("GET %s: got Link %v, want none", path, got)
		}
		all := ids(plain.list(t))
		pieces, pages := s.walk(path + "?limit=2")
		if want := (len(all) + 1) / 2; pages != want || !slices.Equal(ids(pieces), all) {
			t.Errorf("GET %s by two: got %v on %d pages, want %v on %d", path, ids(pieces), pages, all, want)
		}
		s.refused(400, "E0000054", "limit", "GET", path+"?limit=x", nil)
	}
}

func TestSearchOfOwners(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := "/api/v1/groups/" + s.made.Groups["Finance"] + "/owners"
	s.want(201, "POST", path, doc.Doc{"type": "USER", "id": s.made.Users[s.made.Admins["other"]]})
	owner := s.made.Groups["Sales"]
	s.want(201, "POST", path, doc.Doc{"type": "GROUP", "id": owner})
	found := s.list(path + "?search=" + url.QueryEscape(`type eq "GROUP"`))
	if got := ids(found); !slices.Equal(got, []string{owner}) {
		t.Errorf("the groups among the owners are %v, want %s", got, owner)
	}
	s.refused(400, "E0000031", "search", "GET", path+"?search="+url.QueryEscape(`type eq`), nil)
	s.refused(400, "E0000031", "displayName", "GET", path+"?search="+url.QueryEscape(`displayName eq "Sales"`), nil)
}

// TestPagesInEnvelopes follows the next link in the body of what a resource set holds.
func TestPagesInEnvelopes(t *testing.T) {
	t.Parallel()
	s := start(t)
	var resources, members []any
	for _, u := range s.list("/api/v1/users?limit=3") {
		resources = append(resources, s.url+"/api/v1/users/"+doc.String(u, "id"))
		members = append(members, s.url+"/api/v1/users/"+doc.String(u, "id"))
	}
	s.create("/api/v1/iam/resource-sets", doc.Doc{"label": "three", "description": "d", "resources": resources})
	for _, role := range []string{"one", "two", "three"} {
		s.create("/api/v1/iam/roles", doc.Doc{"label": role, "description": "d", "permissions": doc.Array("okta.users.read")})
		s.create("/api/v1/iam/resource-sets/three/bindings", doc.Doc{"role": role, "members": members})
	}
	const set = "/api/v1/iam/resource-sets/three"
	for path, field := range map[string]string{
		set + "/resources": "resources", set + "/bindings": "roles", set + "/bindings/one/members": "members",
	} {
		if whole := s.get(path); len(entries(whole, field)) != 3 || doc.Object(whole, "_links", "next") != nil {
			t.Errorf("GET %s: got %v", path, whole)
		}
		first := s.get(path + "?limit=2")
		next := strings.TrimPrefix(doc.String(first, "_links", "next", "href"), s.url)
		last := s.get(next)
		if len(entries(first, field)) != 2 || len(entries(last, field)) != 1 || doc.Object(last, "_links", "next") != nil {
			t.Errorf("GET %s by two: got %v, then at %s %v", path, first, next, last)
		}
		s.refused(400, "E0000054", "limit", "GET", path+"?limit=0", nil)
	}
}

// TestGrantsOfPeople asks for what nobody has given, by page.
func TestGrantsOfPeople(t *testing.T) {
	t.Parallel()
	s := start(t)
	user := "/api/v1/users/" + s.made.Users[s.made.Admins["other"]]
	for _, path := range []string{user + "/grants", user + "/clients/0oanone/grants"} {
		if got := s.list(path + "?limit=5"); len(got) != 0 {
			t.Errorf("GET %s: got %v", path, got)
		}
		s.refused(400, "E0000054", "limit", "GET", path+"?limit=none", nil)
	}
	s.refused(404, "E0000007", "nobody", "GET", "/api/v1/users/nobody/grants", nil)
}

// TestTypeOfGroups asks for groups that the API does not make.
func TestTypeOfGroups(t *testing.T) {
	t.Parallel()
	s := start(t)
	typed := func(name, of string) doc.Doc { return doc.Merge(newGroup(name), doc.Doc{"type": of}) }
	g := s.create("/api/v1/groups", typed("Plain", "OKTA_GROUP"))
	path := "/api/v1/groups/" + doc.String(g, "id")
	s.want(200, "PUT", path, typed("Plainer", "OKTA_GROUP"))
	for _, of := range []string{"APP_GROUP", "BUILT_IN"} {
		s.refused(400, "E0000001", "type", "POST", "/api/v1/groups", typed("Odd", of))
		s.refused(400, "E0000001", "type", "PUT", path, typed("Odd", of))
	}
	s.refused(400, "E0000003", "well-formed", "POST", "/api/v1/groups", typed("Odd", "MOON"))
	if got := doc.String(s.get(path), "profile", "name"); got != "Plainer" {
		t.Errorf("a refused PUT left the name %q", got)
	}
}

// entries are the objects in a field of an answer.
func entries(answer doc.Doc, field string) []any {
	list, _ := answer[field].([]any)
	return list
}
