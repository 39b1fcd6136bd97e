package api_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

func TestPollingNeverEnds(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.want(200, "GET", "/api/v1/logs?since=2026-03-02T00:00:00Z", nil)
	if len(a.list(t)) != 0 {
		t.Fatalf("the log begins with %s", a.body)
	}
	var seen []string
	next := links(t, a)["next"]
	for i := range 3 {
		s.create("/api/v1/groups", newGroup(string(rune('a'+i))))
		s.clock.Advance(time.Second)
		a = s.want(200, "GET", next, nil)
		seen = append(seen, names(a.list(t), "target")...)
		for _, e := range a.list(t) {
			seen = append(seen, doc.String(target(e, "UserGroup"), "displayName"))
		}
		if next = links(t, a)["next"]; next == "" {
			t.Fatal("a poll came back without a next link")
		}
	}
	seen = slices.DeleteFunc(seen, func(s string) bool { return s == "" })
	if !slices.Equal(seen, []string{"a", "b", "c"}) {
		t.Errorf("polls saw %v", seen)
	}
	if a := s.want(200, "GET", next, nil); string(a.body) != "[]" || links(t, a)["next"] == "" {
		t.Errorf("an idle poll got %s with %v", a.body, links(t, a))
	}
}

func TestBoundedQueries(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 5 {
		// The clock goes back once, so that arrival and publication differ.
		if i == 3 {
			s.clock.Advance(-90 * time.Second)
		}
		s.create("/api/v1/groups", newGroup(string(rune('a'+i))))
		s.clock.Advance(30 * time.Second)
	}
	query := "/api/v1/logs?since=2026-03-02T11:00:00Z&until=2026-03-02T13:00:00Z&limit=2"
	all, pages := s.walk(query)
	published := names(all, "published")
	if pages != 3 || len(all) != 5 || !slices.IsSorted(published) {
		t.Errorf("%d events on %d pages in the order %v", len(all), pages, published)
	}
	down, _ := s.walk(query + "&sortOrder=DESCENDING")
	slices.Reverse(down)
	if !slices.IsSorted(names(down, "published")) || len(down) != 5 {
		t.Errorf("descending order is %v reversed", names(down, "published"))
	}
	if got := s.list("/api/v1/logs?since=2026-03-02T11:00:00Z&until=2026-03-02T12:00:30Z"); len(got) != 2 {
		t.Errorf("until is exclusive: got %d events, want the two of noon", len(got))
	}
}

func TestLogConditions(t *testing.T) {
	t.Parallel()
	s := start(t)
	g := s.create("/api/v1/groups", newGroup("Needle"))
	s.create("/api/v1/zones", doc.Doc{"type": "DYNAMIC", "name": "Haystack", "proxyType": "Any"})
	id := doc.String(g, "id")
	for text, want := range map[string]int{
		`eventType eq "group.lifecycle.create"`:                                        1,
		`eventType sw "group."`:                                                        1,
		`eventType co "create"`:                                                        2,
		`target.id eq "` + id + `"`:                                                    1,
		`target.id eq "` + id + `" and eventType sw "zone"`:                            0,
		`actor.alternateId eq "` + s.made.Admins["super"] + `"`:                        2,
		`actor.type eq "SystemPrincipal"`:                                              0,
		`outcome.result eq "FAILURE" or target.displayName eq "Haystack"`:              1,
		`not (eventType sw "zone") and debugContext.debugData.requestUri co "/groups"`: 1,
	} {
		if got := s.list("/api/v1/logs?filter=" + url.QueryEscape(text)); len(got) != want {
			t.Errorf("%s: got %d events, want %d", text, len(got), want)
		}
	}
	if got := s.list("/api/v1/logs?q=needle"); len(got) != 1 {
		t.Errorf("q found %d events, want 1", len(got))
	}
	s.refused(400, "E0000031", "published", "GET", "/api/v1/logs?filter="+url.QueryEscape(`published gt "2026-03-02T00:00:00Z"`), nil)
	s.refused(400, "E0000001", "40 characters", "GET", "/api/v1/logs?q="+strings.Repeat("x", 41), nil)
	s.refused(400, "E0000001", "10 keywords", "GET", "/api/v1/logs?q="+strings.Repeat("x+", 11), nil)
	s.refused(400, "E0000001", "180 days", "GET", "/api/v1/logs?since=2025-08-01T00:00:00Z", nil)
	s.refused(400, "E0000001", "ISO8601", "GET", "/api/v1/logs?since=yesterday", nil)
	s.refused(400, "E0000054", "1000", "GET", "/api/v1/logs?limit=1001", nil)
	s.refused(400, "E0000031", "cursor", "GET", "/api/v1/logs?after=elsewhere", nil)
}

func TestOldEventsAreGone(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.create("/api/v1/groups", newGroup("Old"))
	s.clock.Advance(20 * 24 * time.Hour)
	token := s.tokenOf(s.made.Admins["super"])
	s.clock.Advance(20 * 24 * time.Hour)
	s.token = token
	if got := s.list("/api/v1/logs?since=2026-03-02T00:00:00Z"); len(got) != 1 {
		t.Errorf("%d events after 40 days, want 1", len(got))
	}
	s.clock.Advance(51 * 24 * time.Hour)
	s.token = s.tokenOf(s.made.Admins["super"])
	if got := s.list("/api/v1/logs?since=2026-03-02T00:00:00Z"); len(got) != 0 {
		t.Errorf("%d events after 91 days, want none", len(got))
	}
}

func TestEventsOfOneRequestShareItsTransaction(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.want(204, "PUT", "/api/v1/groups/"+s.made.Groups["Finance"]+"/users/"+s.made.Users[s.made.Admins["super"]], nil)
	all := s.events()
	add := only(all, "group.user_membership.add")
	if doc.String(add[0], "transaction", "id") != a.header.Get("X-Okta-Request-Id") || doc.String(add[0], "transaction", "type") != "WEB" {
		t.Errorf("transaction %v of request %s", add[0]["transaction"], a.header.Get("X-Okta-Request-Id"))
	}
	if !strings.HasPrefix(doc.String(add[0], "transaction", "detail", "requestApiTokenId"), "00T") {
		t.Errorf("the API token is not named: %v", add[0]["transaction"])
	}
	// The rule that looks at Finance follows by itself, as the system.
	byRule := add[len(add)-1]
	if doc.String(byRule, "actor", "type") != "SystemPrincipal" || doc.String(byRule, "transaction", "type") != "JOB" ||
		target(byRule, "UserGroup")["displayName"] != "Expense Auditors" {
		t.Errorf("the rule's own event is %v", byRule)
	}
}

// disturb asks for disorder in the log.
func (s *sim) disturb(d org.Disorder) {
	s.Helper()
	if err := s.org.Update(func() error { return s.org.Disturb(d) }); err != nil {
		s.Fatal(err)
	}
}

// TestLateEvents reads the log while an event is on its way: a poll sees it when it
// arrives, whenever it was published; a bounded query that was made before misses it.
func TestLateEvents(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.disturb(org.Disorder{EventType: "group.lifecycle.*", Late: 60_000, Count: 1})
	var seen []string
	next := "/api/v1/logs?since=2026-03-02T00:00:00Z"
	poll := func() {
		a := s.want(200, "GET", next, nil)
		for _, e := range a.list(t) {
			seen = append(seen, doc.String(target(e, "UserGroup"), "displayName"))
		}
		next = links(t, a)["next"]
	}
	for _, name := range []string{"late", "in time"} {
		s.create("/api/v1/groups", newGroup(name))
		s.clock.Advance(time.Second)
		poll()
	}
	s.clock.Advance(time.Minute)
	// What happens later cannot come before what has arrived by now.
	s.create("/api/v1/groups", newGroup("after"))
	poll()
	if want := []string{"in time", "late", "after"}; !slices.Equal(seen, want) {
		t.Errorf("polls saw %v, want %v", seen, want)
	}
	bounded := s.list("/api/v1/logs?since=2026-03-02T00:00:00Z&until=2026-03-03T00:00:00Z")
	if got := doc.String(target(bounded[0], "UserGroup"), "displayName"); got != "late" {
		t.Errorf("by publication %q comes first, want the late one", got)
	}
}

// TestPollsCountFromArrival asks since a moment between publication and arrival.
func TestPollsCountFromArrival(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.disturb(org.Disorder{Late: 60_000})
	s.create("/api/v1/groups", newGroup("late"))
	s.clock.Advance(2 * time.Minute)
	since := "/api/v1/logs?since=2026-03-02T12:00:30Z"
	if got := s.list(since); len(got) != 1 {
		t.Errorf("a poll found %d events, want the one that arrived since", len(got))
	}
	if got := s.list(since + "&until=2026-03-03T00:00:00Z"); len(got) != 0 {
		t.Errorf("a bounded query found %d events that were published before", len(got))
	}
}

func TestDuplicateEvents(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.disturb(org.Disorder{Duplicate: true, Count: 1})
	s.create("/api/v1/groups", newGroup("twice"))
	s.create("/api/v1/groups", newGroup("once"))
	got := names(s.events(), "uuid")
	if len(got) != 3 || got[0] != got[1] || got[1] == got[2] {
		t.Errorf("events %v", got)
	}
}

// TestBulkReading reads a log of many events at the highest limit, both ways.
func TestBulkReading(t *testing.T) {
	t.Parallel()
	s := start(t)
	if err := s.org.Update(func() error { return s.org.FillLog(4500, 24*time.Hour) }); err != nil {
		t.Fatal(err)
	}
	query := "/api/v1/logs?limit=1000&since=2026-03-01T00:00:00Z&until=2026-03-03T00:00:00Z"
	up, pages := s.walk(query)
	down, _ := s.walk(query + "&sortOrder=DESCENDING")
	slices.Reverse(down)
	if len(up) != 4500 || pages != 5 || !slices.Equal(names(up, "uuid"), names(down, "uuid")) {
		t.Errorf("%d events on %d pages, %d backwards", len(up), pages, len(down))
	}
	one := s.want(200, "GET", "/api/v1/logs?limit=1000&since=2026-03-01T00:00:00Z", nil)
	if got := one.list(t); len(got) != 1000 || doc.String(got[0], "client", "userAgent", "browser") != "FIREFOX" {
		t.Errorf("a poll got %d events", len(got))
	}
	if got := s.list("/api/v1/logs?limit=0&since=2026-03-01T00:00:00Z"); len(got) != 0 {
		t.Errorf("limit 0 got %d events", len(got))
	}
}
