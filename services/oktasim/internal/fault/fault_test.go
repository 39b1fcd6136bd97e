package fault

import (
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
		if got := s.Hit("GET", "/api/v1/groups/00g/users") != nil; got != want {
			t.Errorf("request %d: got %v, want %v", i, got, want)
		}
	}
	for _, miss := range [][2]string{{"POST", "/api/v1/groups"}, {"GET", "/api/v1/users"}} {
		if s.Hit(miss[0], miss[1]) != nil {
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

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	for field, f := range map[string]Fault{
		"kind":   {Kind: "earthquake"},
		"status": {Kind: Status, Status: 200},
		"delay":  {Kind: Delay},
		"count":  {Kind: Cut, Count: -1},
		"path":   {Kind: Cut, Path: "/api/["},
	} {
		var s Set
		if err := s.Add(f); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%+v: got %v, want an error that names %s", f, err, field)
		}
	}
}
