package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

func (s *sim) crew(name string) string {
	s.Helper()
	return doc.String(s.create("/api/v1/groups", doc.Doc{"profile": doc.Doc{"name": name}}), "id")
}

func TestRolesOfGroups(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	g := s.crew("Deck")
	role := s.want(201, "POST", "/api/v1/groups/"+g+"/roles", doc.Doc{"type": "HELP_DESK_ADMIN"}).object(t)
	if role["assignmentType"] != "GROUP" {
		t.Fatalf("got %v", role)
	}
	s.refused(409, "E0000090", "already assigned", "POST", "/api/v1/groups/"+g+"/roles", doc.Doc{"type": "HELP_DESK_ADMIN"})
	everyone := doc.String(s.list("/api/v1/groups?q=Everyone")[0], "id")
	s.refused(400, "E0000211", "Everyone", "POST", "/api/v1/groups/"+everyone+"/roles", doc.Doc{"type": "HELP_DESK_ADMIN"})
	user := s.person("deck@x.example")
	s.want(204, "PUT", "/api/v1/groups/"+g+user[len("/api/v1"):], nil)
	if got := names(s.list(user+"/roles"), "assignmentType"); !slices.Equal(got, []string{"GROUP"}) {
		t.Errorf("the member's roles are %v", got)
	}
	s.want(204, "DELETE", "/api/v1/groups/"+g, nil)
	if got := s.list(user + "/roles"); len(got) > 0 {
		t.Errorf("a deleted group left %v", got)
	}
	if len(only(s.events(), "group.privilege.revoke")) != 1 {
		t.Error("the end of the role is not in the log")
	}
}

func TestRoleTargets(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	user := s.person("aims@x.example")
	helpdesk := doc.String(s.want(201, "POST", user+"/roles", doc.Doc{"type": "HELP_DESK_ADMIN"}).object(t), "id")
	apps := doc.String(s.want(201, "POST", user+"/roles", doc.Doc{"type": "APP_ADMIN"}).object(t), "id")
	groups, catalog := user+"/roles/"+helpdesk+"/targets/groups", user+"/roles/"+apps+"/targets/catalog/apps"
	a, b := s.crew("A"), s.crew("B")
	app := doc.String(s.list("/api/v1/apps")[0], "id")

	s.refused(400, "E0000091", "role type", "PUT", user+"/roles/"+apps+"/targets/groups/"+a, nil)
	s.refused(404, "E0000007", "(UserGroup)", "PUT", groups+"/00gNobody", nil)
	s.refused(404, "E0000007", "(AppInstance)", "PUT", catalog+"/facebook/"+app, nil)
	s.clock.Advance(time.Minute)
	s.want(204, "PUT", groups+"/"+a, nil)
	s.clock.Advance(time.Minute)
	s.want(204, "PUT", groups+"/"+b, nil)
	r := s.get(user + "/roles/" + helpdesk)
	if r["created"] != "2026-03-02T12:01:00.000Z" || r["lastUpdated"] != "2026-03-02T12:02:00.000Z" {
		t.Errorf("a role has the times of its targets, got %v %v", r["created"], r["lastUpdated"])
	}
	s.want(204, "DELETE", groups+"/"+a, nil)
	s.refused(400, "E0000001", "last target", "DELETE", groups+"/"+b, nil)
	if got := ids(s.list(groups)); !slices.Equal(got, []string{b}) {
		t.Errorf("targets are %v", got)
	}
	s.want(204, "PUT", catalog+"/facebook", nil)
	s.want(204, "PUT", catalog+"/bookmark/"+app, nil)
	if got := names(s.list(catalog), "name"); !slices.Equal(got, []string{"facebook", "B"}) {
		t.Errorf("targets are %v", got)
	}
	s.want(200, "PUT", catalog, nil)
	if got := s.list(catalog); len(got) > 0 {
		t.Errorf("a role for all apps is limited to %v", got)
	}
	s.want(204, "DELETE", "/api/v1/groups/"+b, nil)
	if got := names(s.list(user+"/roles"), "type"); !slices.Equal(got, []string{"APP_ADMIN"}) {
		t.Errorf("a role for a deleted group alone is still there: %v", got)
	}
}

// TestCustomRole lets a custom role open what its permissions name, as long as it is bound.
func TestCustomRole(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	user, g := s.person("custom@x.example"), s.crew("C")
	const roles, sets = "/api/v1/iam/roles", "/api/v1/iam/resource-sets"
	s.refused(400, "E0000001", "permissions", "POST", roles, doc.Doc{"label": "R", "description": "d"})
	s.refused(400, "E0000001", "not a valid permission", "POST", roles, doc.Doc{"label": "R", "description": "d", "permissions": doc.Array("sudo")})
	role := doc.String(s.want(200, "POST", roles, doc.Doc{"label": "R", "description": "d", "permissions": doc.Array("okta.users.read")}).object(t), "id")
	s.want(204, "POST", roles+"/R/permissions/okta.groups.read", nil)
	s.want(200, "PUT", roles+"/"+role, doc.Doc{"label": "R2", "description": "d"})
	s.want(204, "DELETE", roles+"/"+role+"/permissions/okta.groups.read", nil)
	p := s.want(200, "PUT", roles+"/R2/permissions/okta.users.read", doc.Doc{"conditions": doc.Doc{"include": doc.Doc{}}}).object(t)
	if p["conditions"] == nil || len(s.want(200, "GET", roles+"/R2/permissions", nil).object(t)["permissions"].([]any)) != 1 {
		t.Errorf("got %v", p)
	}
	s.refused(404, "E0000007", "(CustomRole)", "GET", roles+"/R", nil)

	s.refused(400, "E0000001", "not a valid resource", "POST", sets, doc.Doc{"label": "S", "description": "d", "resources": doc.Array("/api/v1/planets")})
	s.refused(404, "E0000007", "(UserGroup)", "POST", sets, doc.Doc{"label": "S", "description": "d", "resources": doc.Array(s.url + "/api/v1/groups/00gNobody")})
	set := sets + "/" + doc.String(s.want(200, "POST", sets, doc.Doc{"label": "S", "description": "d",
		"resources": doc.Array(s.url+"/api/v1/users", s.url+"/api/v1/groups/"+g, "orn:okta:support:o:cases")}).object(t), "id")
	resources := func() []doc.Doc {
		t.Helper()
		return objects(s.get(set + "/resources")["resources"])
	}
	if got := names(resources(), "orn"); len(got) != 3 || !strings.HasSuffix(got[1], ":groups:"+g) || got[2] != "orn:okta:support:o:cases" {
		t.Errorf("resources are %v", got)
	}
	s.want(200, "PATCH", set+"/resources", doc.Doc{"additions": doc.Array(s.url + "/api/v1/apps")})
	s.want(204, "DELETE", set+"/resources/"+ids(resources())[2], nil)
	s.want(204, "DELETE", "/api/v1/groups/"+g, nil)
	if got := names(resources(), "orn"); len(got) != 2 {
		t.Errorf("a deleted group is still among %v", got)
	}

	token := "SSWS " + s.tokenOf("custom@x.example")
	s.refused(403, "E0000006", "", "GET", "/api/v1/users", nil, "Authorization", token)
	s.want(200, "POST", set+"/bindings", doc.Doc{"role": "R2", "members": doc.Array(s.url + user)})
	s.refused(400, "E0000001", "already", "POST", set+"/bindings", doc.Doc{"role": role, "members": doc.Array(s.url + user)})
	s.want(200, "GET", "/api/v1/users", nil, "Authorization", token)
	s.refused(403, "E0000006", "", "POST", "/api/v1/users", newUser("no@x.example"), "Authorization", token)
	mine := s.list(user + "/roles")
	if len(mine) != 1 || mine[0]["type"] != "CUSTOM" || mine[0]["label"] != "R2" {
		t.Fatalf("roles are %v", mine)
	}
	if got := s.get(user + "/roles/" + doc.String(mine[0], "id")); got["role"] != role {
		t.Errorf("got %v", got)
	}
	s.refused(400, "E0000001", "assigned in a resource set", "DELETE", roles+"/"+role, nil)

	members := set + "/bindings/" + role + "/members"
	s.want(200, "PATCH", members, doc.Doc{"additions": doc.Array(s.url + s.person("more@x.example"))})
	all := objects(s.get(members)["members"])
	if len(all) != 2 || !strings.HasSuffix(doc.String(all[0], "created"), "T00:00:00.000Z") {
		t.Errorf("members are %v", all)
	}
	s.want(204, "DELETE", members+"/"+ids(all)[0], nil)
	s.refused(403, "E0000006", "", "GET", "/api/v1/users", nil, "Authorization", token)
	s.want(200, "GET", set+"/bindings/R2", nil)
	s.want(204, "DELETE", members+"/"+ids(all)[1], nil)
	s.refused(404, "E0000007", role, "GET", set+"/bindings/"+role, nil)
	s.want(200, "POST", set+"/bindings", doc.Doc{"role": "R2", "members": doc.Array(s.url + user)})
	s.want(204, "DELETE", set+"/bindings/R2", nil)
	s.refused(404, "E0000007", role, "GET", set+"/bindings/"+role, nil)
	s.want(204, "DELETE", roles+"/"+role, nil)
	s.refused(403, "E0000006", "", "DELETE", sets+"/WORKFLOWS_IAM_POLICY", nil)
}

// objects are the objects of a list in a body.
func objects(list any) []doc.Doc {
	var out []doc.Doc
	for _, v := range list.([]any) {
		out = append(out, v.(doc.Doc))
	}
	return out
}

func TestOwners(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	g, other, user := s.crew("Owned"), s.crew("Owners"), s.person("owns@x.example")
	id := user[strings.LastIndex(user, "/")+1:]
	path := "/api/v1/groups/" + g + "/owners"
	s.refused(404, "E0000007", "(User)", "POST", path, doc.Doc{"id": other, "type": "USER"})
	s.refused(400, "E0000001", "type", "POST", path, doc.Doc{"id": other, "type": "TEAM"})
	if w := s.want(201, "POST", path, doc.Doc{"id": id, "type": "USER"}).object(t); w["lastUpdated"] != "Mon Mar 02 12:00:00 UTC 2026" {
		t.Errorf("got %v", w)
	}
	s.refused(400, "E0000001", "already assigned", "POST", path, doc.Doc{"id": id, "type": "USER"})
	s.want(201, "POST", path, doc.Doc{"id": other, "type": "GROUP"})
	if all := s.list(path); len(all) != 2 || all[0]["lastUpdated"] != "2026-03-02 12:00:00.0" || all[1]["displayName"] != "Owners" {
		t.Errorf("owners are %v", all)
	}
	s.want(204, "DELETE", "/api/v1/groups/"+other, nil)
	if got := ids(s.list(path)); !slices.Equal(got, []string{id}) {
		t.Errorf("owners are %v", got)
	}
	s.want(204, "DELETE", path+"/"+id, nil)
	s.refused(404, "E0000007", "(LinkedObject)", "DELETE", path+"/"+id, nil)
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const role = "/api/v1/roles/SUPER_ADMIN/subscriptions"
	status := func(path string) any { return s.get(path)["status"] }
	if got := status(role + "/APP_IMPORT"); got != "unsubscribed" {
		t.Errorf("got %v", got)
	}
	s.want(http.StatusOK, "POST", role+"/APP_IMPORT/subscribe", nil)
	me := "/api/v1/users/" + doc.String(s.get("/api/v1/users/me"), "id") + "/subscriptions"
	if got := status(me + "/APP_IMPORT"); got != "subscribed" {
		t.Errorf("a super administrator's is %v", got)
	}
	s.want(http.StatusOK, "POST", me+"/APP_IMPORT/unsubscribe", nil)
	if status(role+"/APP_IMPORT") != "subscribed" || status(me+"/APP_IMPORT") != "unsubscribed" {
		t.Error("a user's own word is not theirs alone")
	}
	s.refused(404, "E0000007", "FOO", "GET", role+"/FOO", nil)
	s.refused(404, "E0000007", "(Role)", "GET", "/api/v1/roles/KING/subscriptions", nil)
	if len(s.list(role)) < 10 {
		t.Error("few types of notification are listed")
	}
}

func TestSearchOrder(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	for _, login := range []string{"c@x.example", "a@x.example", "b@x.example"} {
		s.person(login)
		s.clock.Advance(time.Second)
	}
	const search = `/api/v1/users?search=profile.lastName+eq+%22Person%22`
	for query, want := range map[string]string{
		"":                                     "c a b",
		"&limit=1":                             "c a b",
		"&sortBy=profile.login":                "a b c",
		"&sortBy=profile.login&sortOrder=desc": "c b a",
		"&sortBy=created&sortOrder=desc":       "b a c",
		"&sortBy=profile.login&limit=1":        "a b c",
	} {
		all, _ := s.walk(search + query)
		got := strings.ReplaceAll(strings.Join(names(all, "profile", "login"), " "), "@x.example", "")
		if got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}
