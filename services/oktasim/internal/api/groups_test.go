package api_test

import (
	"slices"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

func newGroup(name string) doc.Doc {
	return doc.Doc{"profile": doc.Doc{"name": name, "description": "made by a test"}}
}

func newRule(name, expression string, groups ...string) doc.Doc {
	return doc.Doc{
		"type": "group_rule", "name": name,
		"conditions": doc.Doc{"expression": doc.Doc{"type": "urn:okta:expression:1.0", "value": expression}},
		"actions":    doc.Doc{"assignUserToGroups": doc.Doc{"groupIds": groups}},
	}
}

func TestGroupLife(t *testing.T) {
	t.Parallel()
	s := start(t)
	g := s.create("/api/v1/groups", newGroup("Testers"))
	path := "/api/v1/groups/" + doc.String(g, "id")
	s.refused(400, "E0000001", "name: An object with this field already exists", "POST", "/api/v1/groups", newGroup("testers"))
	s.refused(400, "E0000001", "name: The field cannot be left blank", "POST", "/api/v1/groups", newGroup(""))
	s.refused(400, "E0000001", "Property name 'color'", "PUT", path, doc.Doc{"profile": doc.Doc{"name": "T", "color": "red"}})
	got := s.want(200, "PUT", path, newGroup("Testers 2")).object(t)
	if doc.String(got, "profile", "name") != "Testers 2" {
		t.Errorf("renamed to %v", got["profile"])
	}
	user := s.made.Users[s.made.Admins["other"]]
	s.want(204, "PUT", path+"/users/"+user, nil)
	s.want(204, "PUT", path+"/users/"+user, nil)
	if got := ids(s.list(path + "/users")); !slices.Equal(got, []string{user}) {
		t.Errorf("members are %v", got)
	}
	s.refused(404, "E0000007", "(User)", "PUT", path+"/users/00unobody", nil)
	s.want(204, "DELETE", path+"/users/"+user, nil)
	s.want(204, "DELETE", path, nil)
	s.refused(404, "E0000007", "(UserGroup)", "GET", path, nil)
	want := []string{
		"group.lifecycle.create", "group.profile.update", "group.user_membership.add", "group.user_membership.remove", "group.lifecycle.delete",
	}
	if got := eventTypes(s.events()); !slices.Equal(got, want) {
		t.Errorf("events: got %v, want %v", got, want)
	}
}

func TestEveryoneIsOktas(t *testing.T) {
	t.Parallel()
	s := start(t)
	everyone := s.list("/api/v1/groups?q=Everyone")
	path := "/api/v1/groups/" + doc.String(everyone[0], "id")
	if everyone[0]["type"] != "BUILT_IN" {
		t.Fatalf("got %v", everyone)
	}
	s.refused(501, "E0000060", "Unsupported", "DELETE", path, nil)
	s.refused(501, "E0000060", "Unsupported", "PUT", path, newGroup("Nobody"))
	s.refused(501, "E0000060", "Unsupported", "DELETE", path+"/users/"+s.made.Users[s.made.Admins["other"]], nil)
	id := doc.String(s.create("/api/v1/users", newUser("n@x.example")), "id")
	if got := names(s.list("/api/v1/users/"+id+"/groups"), "profile", "name"); !slices.Equal(got, []string{"Everyone"}) {
		t.Errorf("a new user is in %v", got)
	}
}

func TestGroupLists(t *testing.T) {
	t.Parallel()
	s := start(t)
	all, pages := s.walk("/api/v1/groups?limit=4")
	if len(all) != 15 || pages != 4 {
		t.Errorf("%d groups on %d pages, want 15 on 4", len(all), pages)
	}
	q := s.want(200, "GET", "/api/v1/groups?q=Fin", nil)
	if got := q.list(t); len(got) != 2 || len(q.header.Values("Link")) != 0 {
		t.Errorf("q found %d groups with Link %v, want 2 without", len(got), q.header.Values("Link"))
	}
	if got := s.list("/api/v1/groups?filter=type+eq+%22BUILT_IN%22"); len(got) != 1 {
		t.Errorf("%d built-in groups, want 1", len(got))
	}
	finance := s.made.Groups["Finance"]
	s.want(204, "PUT", "/api/v1/groups/"+finance+"/users/"+s.made.Users[s.made.Admins["super"]], nil)
	delta := `/api/v1/groups?filter=lastMembershipUpdated+gt+%222026-03-01T00:00:00.000Z%22`
	if got := names(s.list(delta), "profile", "name"); !slices.Contains(got, "Finance") || slices.Contains(got, "Sales") {
		t.Errorf("the delta is %v", got)
	}
	if got := s.list(`/api/v1/groups?filter=lastUpdated+gt+%222026-03-01T00:00:00.000Z%22`); len(got) != 0 {
		t.Errorf("a membership touched lastUpdated of %v", names(got, "profile", "name"))
	}
}

func TestGroupRules(t *testing.T) {
	t.Parallel()
	s := start(t)
	g := doc.String(s.create("/api/v1/groups", newGroup("Lyon")), "id")
	s.refused(400, "E0000001", `Invalid expression syntax (user.city == \"Lyon\"`, "POST", "/api/v1/groups/rules", newRule("r", `(user.city == "Lyon"`, g))
	s.refused(400, "E0000001", "Invalid group", "POST", "/api/v1/groups/rules", newRule("r", `user.city=="Lyon"`, "00gnone"))
	s.refused(400, "E0000001", "name", "POST", "/api/v1/groups/rules", newRule(strings.Repeat("あ", 51), `user.city=="Lyon"`, g))
	s.want(200, "POST", "/api/v1/groups/rules", newRule(strings.Repeat("あ", 50), `user.city=="Lyon"`, g))
	r := s.create("/api/v1/groups/rules", newRule("r", `user.city=="Lyon"`, g))
	path := "/api/v1/groups/rules/" + doc.String(r, "id")
	if r["status"] != "INACTIVE" || len(s.list("/api/v1/groups/"+g+"/users")) != 0 {
		t.Fatalf("a new rule must be INACTIVE: %v", r)
	}
	s.want(204, "POST", path+"/lifecycle/activate", nil)
	members := s.list("/api/v1/groups/" + g + "/users")
	for _, u := range members {
		if doc.String(u, "profile", "city") != "Lyon" {
			t.Errorf("%v does not live in Lyon", u["profile"])
		}
	}
	if len(members) == 0 {
		t.Fatal("nobody lives in Lyon")
	}
	mover := doc.String(members[0], "id")
	s.want(200, "POST", "/api/v1/users/"+mover, doc.Doc{"profile": doc.Doc{"city": "Paris"}})
	if slices.Contains(ids(s.list("/api/v1/groups/"+g+"/users")), mover) {
		t.Error("the rule did not let go of somebody who moved")
	}
	s.refused(400, "E0000001", "status ACTIVE", "PUT", path, newRule("r", `user.city=="Nice"`, g))
	s.want(204, "POST", path+"/lifecycle/deactivate", nil)
	s.refused(400, "E0000001", "actions", "PUT", path, newRule("r", `user.city=="Nice"`, s.made.Groups["Sales"]))
	s.want(200, "PUT", path, newRule("r", `user.city=="Nice"`, g))
	s.want(202, "DELETE", path, nil)
	s.refused(404, "E0000007", "(PolicyRule)", "GET", path, nil)
	if got := len(s.list("/api/v1/groups/" + g + "/users")); got != len(members)-1 {
		t.Errorf("deleting the rule left %d members, want %d", got, len(members)-1)
	}
}

func TestRuleExclusionAfterRemoval(t *testing.T) {
	t.Parallel()
	s := start(t)
	g := s.made.Groups["Finance"]
	var byRule string
	for _, u := range s.list("/api/v1/groups/" + g + "/users") {
		if doc.String(u, "profile", "department") == "Finance" {
			byRule = doc.String(u, "id")
		}
	}
	s.want(204, "DELETE", "/api/v1/groups/"+g+"/users/"+byRule, nil)
	rule := s.get("/api/v1/groups/rules/" + s.made.Rules["Finance by department"])
	if got := doc.Strings(rule, "conditions", "people", "users", "exclude"); !slices.Equal(got, []string{byRule}) {
		t.Errorf("exclusions are %v, want %s", got, byRule)
	}
	if slices.Contains(ids(s.list("/api/v1/groups/"+g+"/users")), byRule) {
		t.Error("the rule brought the user back")
	}
}

func TestDeletedGroupTakesItsPlacesAlong(t *testing.T) {
	t.Parallel()
	s := start(t)
	g := s.made.Groups["Finance"]
	s.refused(400, "E0000192", "Finance", "POST", "/api/v1/groups/"+g+"/roles", doc.Doc{"type": "HELP_DESK_ADMIN"})
	other := "SSWS " + s.tokenOf(s.made.Admins["super"])
	s.want(204, "DELETE", "/api/v1/groups/"+g, nil, "Authorization", other, "X-Forwarded-For", "203.0.113.7", "User-Agent", "Browser/1")
	for _, name := range []string{"Finance by department", "Finance audits expenses"} {
		r := s.get("/api/v1/groups/rules/" + s.made.Rules[name])
		if r["status"] != "INVALID" || r["allGroupsValid"] != false {
			t.Errorf("rule %s is %v", name, r["status"])
		}
		s.refused(400, "E0000001", "status INVALID", "POST", "/api/v1/groups/rules/"+doc.String(r, "id")+"/lifecycle/activate", nil)
		s.want(202, "DELETE", "/api/v1/groups/rules/"+doc.String(r, "id"), nil)
	}
	for _, app := range []string{"Ledger", "Spendwise", "Travel Desk"} {
		if slices.Contains(ids(s.list("/api/v1/apps/"+s.made.Apps[app]+"/groups")), g) {
			t.Errorf("%s is still assigned to the group", app)
		}
	}
	for _, policy := range []string{"Finance sessions", "Finance apps"} {
		p := s.get("/api/v1/policies/" + s.made.Policies[policy] + "?expand=rules")
		if doc.Mentions(p, g) {
			t.Errorf("policy %s still names the group", policy)
		}
	}
	deleted := only(s.events(), "group.lifecycle.delete")
	if len(deleted) != 1 {
		t.Fatalf("%d delete events", len(deleted))
	}
	e := deleted[0]
	if doc.String(e, "actor", "alternateId") != s.made.Admins["super"] || doc.String(e, "client", "ipAddress") != "203.0.113.7" ||
		doc.String(e, "client", "userAgent", "rawUserAgent") != "Browser/1" || target(e, "UserGroup")["id"] != g ||
		doc.String(e, "debugContext", "debugData", "requestUri") != "/api/v1/groups/"+g {
		t.Errorf("the event does not say who, from where and what: %v", e)
	}
	if got := len(only(s.events(), "group.user_membership.rule.invalidate")); got != 2 {
		t.Errorf("%d rules were reported invalid, want 2", got)
	}
}
