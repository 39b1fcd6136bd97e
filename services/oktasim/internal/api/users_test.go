package api_test

import (
	"slices"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

func newUser(login string) doc.Doc {
	return doc.Doc{"profile": doc.Doc{"login": login, "email": login, "firstName": "New", "lastName": "Person"}}
}

func TestUserLifecycle(t *testing.T) {
	t.Parallel()
	s := start(t)
	u := s.create("/api/v1/users?activate=false", newUser("new@x.example"))
	path := "/api/v1/users/" + doc.String(u, "id")
	step := func(operation string, status int, want string) {
		t.Helper()
		s.want(status, "POST", path+"/lifecycle/"+operation, nil)
		if got := s.get(path)["status"]; got != want {
			t.Fatalf("after %s: got %v, want %s", operation, got, want)
		}
	}
	if u["status"] != "STAGED" || u["activated"] != nil {
		t.Fatalf("created %v", u)
	}
	step("suspend", 400, "STAGED")
	step("activate", 200, "PROVISIONED")
	step("activate", 403, "PROVISIONED")
	step("reactivate", 200, "PROVISIONED")
	s.want(200, "POST", path, doc.Doc{"credentials": doc.Doc{"password": doc.Doc{"value": "Secret-1"}}})
	step("deactivate", 200, "DEPROVISIONED")
	step("activate", 200, "ACTIVE")
	step("suspend", 200, "SUSPENDED")
	step("unsuspend", 200, "ACTIVE")
	s.want(204, "DELETE", path, nil)
	if got := s.get(path)["status"]; got != "DEPROVISIONED" {
		t.Fatalf("the first delete must only deactivate, got %v", got)
	}
	s.want(204, "DELETE", path, nil)
	s.refused(404, "E0000007", "(User)", "GET", path, nil)
	want := []string{
		"user.lifecycle.create", "user.lifecycle.activate", "user.lifecycle.reactivate", "user.account.update_password",
		"user.lifecycle.deactivate", "user.lifecycle.activate", "user.lifecycle.suspend", "user.lifecycle.unsuspend",
		"user.lifecycle.deactivate", "user.lifecycle.delete.initiated", "user.lifecycle.delete.completed",
	}
	got := slices.DeleteFunc(eventTypes(s.events()), func(e string) bool { return strings.HasPrefix(e, "application.") })
	if !slices.Equal(got, want) {
		t.Errorf("events: got %v, want %v", got, want)
	}
}

func TestUserCreateRefusals(t *testing.T) {
	t.Parallel()
	s := start(t)
	profile := func(field string, v any) doc.Doc {
		u := newUser("fresh@x.example")
		doc.Object(u, "profile")[field] = v
		return u
	}
	s.refused(400, "E0000003", "well-formed", "POST", "/api/v1/users", `{"profile":`)
	s.refused(400, "E0000003", "well-formed", "POST", "/api/v1/users", `[]`)
	s.refused(400, "E0000001", "Property name 'notValid' is not defined in profile", "POST", "/api/v1/users", profile("notValid", "x"))
	s.refused(400, "E0000001", "login: An object with this field already exists", "POST", "/api/v1/users", profile("login", s.made.Admins["super"]))
	s.refused(400, "E0000001", "firstName: The field cannot be left blank", "POST", "/api/v1/users", profile("firstName", nil))
	s.refused(400, "E0000001", "email address", "POST", "/api/v1/users", profile("login", "nobody"))
	s.refused(400, "E0000001", "title", "POST", "/api/v1/users", profile("title", 7))
	before := len(s.made.Users)
	if got, _ := s.walk("/api/v1/users?search=status+pr"); len(got) != before {
		t.Errorf("refused creates left %d users, want %d", len(got), before)
	}
}

func TestUserUpdate(t *testing.T) {
	t.Parallel()
	s := start(t)
	u := newUser("u@x.example")
	doc.Object(u, "profile")["title"] = "Clerk"
	id := doc.String(s.create("/api/v1/users", u), "id")
	got := s.want(200, "POST", "/api/v1/users/"+id, doc.Doc{"profile": doc.Doc{"city": "Lyon"}}).object(t)
	if doc.String(got, "profile", "title") != "Clerk" || doc.String(got, "profile", "city") != "Lyon" {
		t.Errorf("POST must keep what is not given: %v", got["profile"])
	}
	got = s.want(200, "PUT", "/api/v1/users/"+id, newUser("u@x.example")).object(t)
	if doc.Get(got, "profile", "title") != nil || doc.Get(got, "profile", "city") != nil {
		t.Errorf("PUT must drop what is not given: %v", got["profile"])
	}
	s.want(200, "POST", "/api/v1/users/"+id, doc.Doc{"profile": doc.Doc{"login": "renamed@x.example"}})
	if s.get("/api/v1/users/renamed@x.example")["id"] != id {
		t.Error("the user is not found by the new login")
	}
	s.want(404, "GET", "/api/v1/users/u@x.example", nil)
}

func TestUserLists(t *testing.T) {
	t.Parallel()
	s := start(t)
	all, pages := s.walk("/api/v1/users?limit=50")
	if pages != 3 || slices.Contains(names(all, "status"), "DEPROVISIONED") {
		t.Errorf("a plain list took %d pages and may not show deactivated users", pages)
	}
	seen := map[string]bool{}
	for _, id := range ids(all) {
		if seen[id] {
			t.Errorf("user %s came twice", id)
		}
		seen[id] = true
	}
	gone, _ := s.walk("/api/v1/users?filter=status+eq+%22DEPROVISIONED%22")
	if len(all)+len(gone) != len(s.made.Users) || len(gone) == 0 {
		t.Errorf("%d living and %d deactivated users do not make %d", len(all), len(gone), len(s.made.Users))
	}
	if got, _ := s.walk("/api/v1/users?filter=lastUpdated+gt+%222026-03-02T00:00:00.000Z%22"); len(got) != 0 {
		t.Errorf("%d users changed before anything happened", len(got))
	}
	id := doc.String(s.create("/api/v1/users", newUser("late@x.example")), "id")
	if got, _ := s.walk("/api/v1/users?filter=lastUpdated+gt+%222026-03-02T00:00:00.000Z%22"); !slices.Equal(ids(got), []string{id}) {
		t.Errorf("the delta is %v, want %s", ids(got), id)
	}
	if got := s.list("/api/v1/users?search=profile.department+eq+%22Finance%22+and+profile.login+sw+%22%22"); len(got) != 11 {
		t.Errorf("search found %d people of Finance, want 11", len(got))
	}
	if got := s.list("/api/v1/users?q=new"); !slices.Equal(ids(got), []string{id}) {
		t.Errorf("q found %v", ids(got))
	}
	lean := s.want(200, "GET", "/api/v1/users?q=new", nil, "Content-Type", `application/json; okta-response="omitCredentials"`)
	if doc.Get(lean.list(t)[0], "credentials") != nil || doc.Get(s.list("/api/v1/users?q=new")[0], "credentials") == nil {
		t.Error("credentials are left out only where that was asked for")
	}
	s.refused(400, "E0000031", "published", "GET", "/api/v1/users?filter=published+eq+%22x%22", nil)
	s.refused(400, "E0000031", "Invalid search criteria", "GET", "/api/v1/users?search=status+eq", nil)
	s.refused(400, "E0000054", "limit", "GET", "/api/v1/users?limit=many", nil)
}

func TestMe(t *testing.T) {
	t.Parallel()
	s := start(t)
	if got := s.get("/api/v1/users/me"); doc.String(got, "profile", "login") != s.made.Admins["super"] {
		t.Errorf("me is %v", got["profile"])
	}
	changed := s.want(200, "POST", "/api/v1/users/me", `{"profile":{"nickName":"Myself"}}`).object(t)
	if doc.String(changed, "profile", "nickName") != "Myself" || changed["id"] != s.made.Users[s.made.Admins["super"]] {
		t.Errorf("got %v", changed)
	}
	if len(s.list("/api/v1/users/me/groups")) == 0 {
		t.Error("I am in no group")
	}
}

func TestDeactivationTakesAppsAway(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.made.Users[s.made.Admins["super"]]
	app := "/api/v1/apps/" + s.made.Apps["PeopleHub"] + "/users/" + id
	s.want(200, "GET", app, nil)
	other := s.tokenOf(s.made.Admins["other"])
	s.want(200, "POST", "/api/v1/users/"+id+"/lifecycle/deactivate", nil)
	s.refused(401, "E0000011", "Invalid token", "GET", app, nil)
	s.want(404, "GET", app, nil, "Authorization", "SSWS "+other)
}
