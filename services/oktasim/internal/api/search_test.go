package api_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

func (s *sim) setLag(lag time.Duration) {
	s.Helper()
	if err := s.org.Update(func() error { return s.org.SetSearchLag(lag) }); err != nil {
		s.Fatal(err)
	}
}

func searchFor(collection, expression string) string {
	return "/api/v1/" + collection + "?search=" + url.QueryEscape(expression)
}

// TestSearchLagsBehind makes, changes and deletes people and groups, and looks for them
// at once and a minute later.
func TestSearchLagsBehind(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.setLag(time.Minute)
	body := person("Old")
	u := s.create("/api/v1/users", body)
	g := s.create("/api/v1/groups", newGroup("Old"))
	s.clock.Advance(time.Minute)
	byNick := func(nick string) int { return len(s.list(searchFor("users", `profile.firstName eq "`+nick+`"`))) }
	byName := func(name string) (n int) {
		n = len(s.list(searchFor("groups", `profile.name eq "`+name+`"`)))
		if q := len(s.list("/api/v1/groups?q=" + name)); q != n {
			t.Errorf("search finds %d groups %s, q %d", n, name, q)
		}
		return n
	}
	user, group := "/api/v1/users/"+doc.String(u, "id"), "/api/v1/groups/"+doc.String(g, "id")
	look := func(when string, oldUser, newUser, oldGroup, newGroup int) {
		t.Helper()
		if got, want := []int{byNick("Old"), byNick("New"), byName("Old"), byName("New")}, []int{oldUser, newUser, oldGroup, newGroup}; !slices.Equal(got, want) {
			t.Errorf("%s: found %v, want %v", when, got, want)
		}
	}
	look("a minute after creation", 1, 0, 1, 0)
	s.create(user, doc.Doc{"profile": doc.Doc{"firstName": "New"}})
	s.want(200, "PUT", group, newGroup("New"))
	look("at once after a change", 1, 0, 1, 0)
	if doc.String(s.get(user), "profile", "firstName") != "New" || doc.String(s.get(group), "profile", "name") != "New" {
		t.Error("reads by id must be fresh")
	}
	s.clock.Advance(time.Minute)
	look("a minute after a change", 0, 1, 0, 1)
	s.want(204, "DELETE", user, nil)
	s.want(204, "DELETE", user, nil)
	s.want(204, "DELETE", group, nil)
	look("at once after deletion", 0, 1, 0, 1)
	s.want(404, "GET", user, nil)
	s.clock.Advance(time.Minute)
	look("a minute after deletion", 0, 0, 0, 0)
	s.create("/api/v1/groups", newGroup("Old"))
	look("at once after another creation", 0, 0, 0, 0)
	s.setLag(0)
	look("without a lag", 0, 0, 1, 0)
}

func person(first string) doc.Doc {
	login := strings.ToLower(first) + "@x.example"
	return doc.Doc{"profile": doc.Doc{"login": login, "email": login, "firstName": first, "lastName": "Body"}}
}

// TestSearchInOrder walks through all people by an attribute, both ways.
func TestSearchInOrder(t *testing.T) {
	t.Parallel()
	s := start(t)
	whole := len(s.list(searchFor("users", "created pr")))
	for _, by := range []string{"profile.lastName", "created", "profile.costCenter", ""} {
		query := searchFor("users", "created pr") + "&limit=7&sortBy=" + by
		up, _ := s.walk(query)
		down, _ := s.walk(query + "&sortOrder=desc")
		got := ids(up)
		slices.Sort(got)
		if len(slices.Compact(got)) != whole || len(down) != whole {
			t.Errorf("by %q: %d people, %d of them different, and %d backwards, want %d", by, len(up), len(got), len(down), whole)
		}
		if slices.Reverse(down); by != "" && !slices.Equal(ids(up), ids(down)) {
			t.Errorf("by %q: another order backwards", by)
		}
		if by == "profile.lastName" && !slices.IsSortedFunc(up, func(a, b doc.Doc) int {
			return strings.Compare(strings.ToLower(doc.String(a, "profile", "lastName")), strings.ToLower(doc.String(b, "profile", "lastName")))
		}) {
			t.Errorf("not in order of last names")
		}
	}
	s.refused(400, "E0000031", "cursor", "GET", searchFor("users", "created pr")+"&sortBy=profile.login&after=%25", nil)
}
