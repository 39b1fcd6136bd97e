package limit

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

func TestShareAndWindow(t *testing.T) {
	t.Parallel()
	l := New(Options{})
	l.Override("b", 4)
	for i, want := range []Result{
		{Allowed: true, Limit: 2, Remaining: 1, Reset: noon.Add(Window)},
		{Allowed: true, Limit: 2, Remaining: 0, Reset: noon.Add(Window)},
		{Limit: 2, Remaining: 0, Reset: noon.Add(Window), First: true},
		{Limit: 2, Remaining: 0, Reset: noon.Add(Window)},
	} {
		if got := l.Take("b", "one", noon.Add(time.Duration(i)*time.Second)); got != want {
			t.Errorf("request %d: got %+v, want %+v", i, got, want)
		}
	}
	if got := l.Take("b", "one", noon.Add(Window)); !got.Allowed {
		t.Error("the window did not end after a minute")
	}
}

func TestOrgLimitIsSharedByAll(t *testing.T) {
	t.Parallel()
	l := New(Options{Share: 1})
	l.Override("b", 3)
	for _, who := range []string{"one", "two", "three"} {
		if !l.Take("b", who, noon).Allowed {
			t.Fatalf("%s was refused", who)
		}
	}
	if got := l.Take("b", "four", noon); got.Allowed || got.Limit != 3 {
		t.Errorf("a fourth request got %+v", got)
	}
	if !l.Take("other", "four", noon).Allowed {
		t.Error("another bucket must not be touched")
	}
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	l := New(Options{Concurrency: 2})
	for range 2 {
		if !l.Enter() {
			t.Fatal("two requests must enter")
		}
	}
	if l.Enter() {
		t.Fatal("the third must not enter")
	}
	l.Leave()
	if !l.Enter() {
		t.Error("leaving did not make room")
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, template, want string }{
		{"GET", "/api/v1/users", "/api/v1/users"},
		{"GET", "/api/v1/users/{id}", "/api/v1/users/{id:.+}"},
		{"PUT", "/api/v1/users/{id}", "/api/v1/users/{id}"},
		{"GET", "/api/v1/users/{id}/groups", "/api/v1/users"},
		{"GET", "/api/v1/apps/{appId}", "/api/v1/apps/{id}"},
		{"GET", "/api/v1/apps/{appId}/users", "/api/v1/apps"},
		{"GET", "/api/v1/groups/rules", "/api/v1/groups"},
		{"DELETE", "/api/v1/groups/{groupId}", "/api/v1/groups/{id}"},
		{"GET", "/api/v1/logs", "/api/v1/logs"},
		{"GET", "/api/v1/policies/{policyId}", "/api/v1"},
		{"GET", "/oauth2/v1/clients/{clientId}/roles", "/oauth2/v1/clients"},
		{"POST", "/oauth2/v1/token", "/oauth2/v1/token"},
		{"GET", "/.well-known/okta-organization", "/"},
	} {
		if got := Bucket(c.method, c.template); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.method, c.template, got, c.want)
		}
	}
}

func TestPlansAndMultiplier(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		opt  Options
		want int
	}{{Options{}, 50}, {Options{Plan: "free"}, 10}, {Options{Multiplier: 3}, 150}, {Options{Plan: "enterprise", Share: 1}, 100}} {
		if got := New(c.opt).Take("/api/v1/apps", "one", noon).Limit; got != c.want {
			t.Errorf("%+v: got %d, want %d", c.opt, got, c.want)
		}
	}
}
