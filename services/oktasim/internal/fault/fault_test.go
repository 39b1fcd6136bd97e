package fault

import (
	"slices"
	"strings"
	"testing"
)

func TestHit(t *testing.T) {
	t.Parallel()
	var s Set
	if err := s.Add(Fault{Method: "GET", Path: "/api/v1/groups*", Kind: Status, Status: 503, After: 1, Count: 2}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, true, false} {
		if got := s.Hit("GET", "/api/v1/groups/00g/users", "") != nil; got != want {
			t.Errorf("request %d: got %v, want %v", i, got, want)
		}
	}
	for _, miss := range [][2]string{{"POST", "/api/v1/groups"}, {"GET", "/api/v1/users"}} {
		if s.Hit(miss[0], miss[1], "") != nil {
			t.Errorf("%v was hit", miss)
		}
	}
	if f := s.List()[0]; f.Seen != 4 || f.Fired != 2 {
		t.Errorf("seen %d and fired %d, want 4 and 2", f.Seen, f.Fired)
	}
	s.Clear()
	if len(s.List()) != 0 {
		t.Error("faults remain after Clear")
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	const group = "/api/v1/groups/{groupId}"
	for _, c := range []struct {
		pattern, path, template string
		want                    bool
	}{
		{"", "/anything", "", true},
		{"/api/v1/groups", "/api/v1/groups", "/api/v1/groups", true},
		{"/api/v1/groups", "/api/v1/groups/00g", group, false},
		{"/api/*/users", "/api/v1/groups/00g/users", "", true},
		{"/api/*/users", "/api/v1/groups/00g/users/00u", "", false},
		{"/api/*groups*users", "/api/v1/groups/00g/users", "", true},
		{"/api/*s/*s", "/api/v1/users", "", false},
		{"/api/v1/groups/{id}", "/api/v1/groups/00g", group, true},
		{"/api/v1/groups/{id}", "/api/v1/groups/rules", "/api/v1/groups/rules", false},
		{"/api/v1/groups/{id}*", "/api/v1/groups/00g/users", group + "/users", true},
		{"/api/v1/groups/{id}", "/elsewhere", "", false},
	} {
		if got := parsePattern(c.pattern).matches(c.path, c.template); got != c.want {
			t.Errorf("%q on %s (%s): got %v, want %v", c.pattern, c.path, c.template, got, c.want)
		}
	}
}

func TestProbabilityFollowsTheSeed(t *testing.T) {
	t.Parallel()
	play := func(seed uint64) []bool {
		var s Set
		if err := s.Add(Fault{Kind: Status, Status: 500, Probability: 0.5, Seed: seed}); err != nil {
			t.Fatal(err)
		}
		var hits []bool
		for range 64 {
			hits = append(hits, s.Hit("GET", "/", "") != nil)
		}
		return hits
	}
	one := play(1)
	if !slices.Equal(one, play(1)) || slices.Equal(one, play(2)) {
		t.Error("the same seed must hit the same requests, another one others")
	}
	if !slices.Contains(one, true) || !slices.Contains(one, false) {
		t.Errorf("half of the requests should be hit: %v", one)
	}
}

func TestMissGivesTheHitBack(t *testing.T) {
	t.Parallel()
	var s Set
	if err := s.Add(Fault{Kind: DropLink, Count: 1}); err != nil {
		t.Fatal(err)
	}
	s.Miss(s.Hit("GET", "/", ""))
	if s.Hit("GET", "/", "") == nil || s.Hit("GET", "/", "") != nil {
		t.Error("want one more hit after a miss, and no more")
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	var s Set
	for range 2 {
		if err := s.Add(Fault{Kind: Cut}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove(1); err != nil || len(s.List()) != 1 || s.List()[0].ID != 2 {
		t.Errorf("%v, and these remain: %v", err, s.List())
	}
	if err := s.Remove(1); err == nil {
		t.Error("a fault was removed twice")
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	for field, f := range map[string]Fault{
		"kind":        {Kind: "earthquake"},
		"status":      {Kind: Status, Status: 200},
		"status: 7":   {Kind: DoneButFailed, Status: 7},
		"delay":       {Kind: Delay},
		"count":       {Kind: Cut, Count: -1},
		"probability": {Kind: Cut, Probability: 1.5},
		"headers":     {Kind: Headers},
	} {
		var s Set
		if err := s.Add(f); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%+v: got %v, want an error that names %s", f, err, field)
		}
	}
}
