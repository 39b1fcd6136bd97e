package limit

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// take makes requests of a principal at a time and returns the last result.
func take(l *Limiter, bucket string, who Principal, n int, at time.Time) (r Result) {
	for range n {
		r = l.Take(bucket, who, 90, at)
	}
	return r
}

func TestShareAndWindow(t *testing.T) {
	t.Parallel()
	l := New(Options{})
	l.Override("b", 4)
	one := Principal{ID: "one"}
	for i, want := range []Result{
		{Allowed: true, Limit: 2, Remaining: 1, Reset: noon.Add(Window)},
		{Allowed: true, Limit: 2, Remaining: 0, Reset: noon.Add(Window)},
		{Limit: 2, Remaining: 0, Reset: noon.Add(Window), Events: []string{OwnViolation}},
		{Limit: 2, Remaining: 0, Reset: noon.Add(Window)},
	} {
		if got := take(l, "b", one, 1, noon.Add(time.Duration(i)*time.Second)); !reflect.DeepEqual(got, want) {
			t.Errorf("request %d: got %+v, want %+v", i, got, want)
		}
	}
	if got := take(l, "b", one, 1, noon.Add(Window)); !got.Allowed {
		t.Error("the window did not end after a minute")
	}
}

func TestSharesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]int{0: 50, 0.1: 10, 0.75: 75, 1: 100, 0.00001: 1} {
		l := New(Options{})
		l.Override("b", 100)
		if got := take(l, "b", Principal{ID: "one", Rate: share}, 1, noon).Limit; got != want {
			t.Errorf("a share of %v: got %d, want %d", share, got, want)
		}
	}
}

func TestOrgLimitIsSharedByAll(t *testing.T) {
	t.Parallel()
	l := New(Options{Share: 1})
	l.Override("b", 3)
	for _, who := range []string{"one", "two", "three"} {
		if !take(l, "b", Principal{ID: who}, 1, noon).Allowed {
			t.Fatalf("%s was refused", who)
		}
	}
	if got := take(l, "b", Principal{ID: "four"}, 1, noon); got.Allowed || got.Limit != 3 || !slices.Equal(got.Events, []string{Violation}) {
		t.Errorf("a fourth request got %+v", got)
	}
	if !take(l, "other", Principal{ID: "four"}, 1, noon).Allowed {
		t.Error("another bucket must not be touched")
	}
}

func TestWarningAndBurst(t *testing.T) {
	t.Parallel()
	l := New(Options{})
	l.Override("/oauth2/v1/token", 10)
	told := map[string]int{}
	for n := 1; n <= 60; n++ {
		r := l.Take("/oauth2/v1/token", Principal{}, 60, noon)
		if r.Allowed != (n <= 50) || r.Limit != 10 || r.Remaining != max(0, 10-n) {
			t.Fatalf("request %d: %+v", n, r)
		}
		for _, e := range r.Events {
			told[e] = n
		}
	}
	if want := map[string]int{Warning: 6, Burst: 11, Violation: 51}; !reflect.DeepEqual(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// TestOthers lets others use half of the limit: as the minute passes, they eat what
// remains.
func TestOthers(t *testing.T) {
	t.Parallel()
	l := New(Options{Share: 1})
	l.Override("b", 100)
	l.Burden("b", 50)
	one := Principal{ID: "one"}
	for _, c := range []struct {
		after     time.Duration
		remaining int
	}{{0, 99}, {12 * time.Second, 88}, {30 * time.Second, 72}, {59 * time.Second, 47}, {Window, 99}} {
		if got := take(l, "b", one, 1, noon.Add(c.after)); got.Remaining != c.remaining {
			t.Errorf("after %v: %+v, want %d remaining", c.after, got, c.remaining)
		}
	}
	l.Burden("b", 500)
	if got := take(l, "b", one, 1, noon.Add(Window+20*time.Second)); got.Allowed || got.Limit != 100 {
		t.Errorf("others took everything, and yet: %+v", got)
	}
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	l := New(Options{Concurrency: 4})
	one, two, nobody := Principal{ID: "one"}, Principal{ID: "two"}, Principal{}
	for i, c := range []struct {
		who  Principal
		want string
	}{{one, ""}, {one, ""}, {one, OwnViolation}, {two, ""}, {nobody, ""}, {nobody, Violation}, {two, Violation}} {
		if got := l.Enter(c.who); got != c.want {
			t.Fatalf("request %d: %q, want %q", i, got, c.want)
		}
	}
	l.Leave(one)
	if got := l.Enter(one); got != "" {
		t.Errorf("leaving did not make room: %s", got)
	}
	l.Leave(one)
	l.Occupy(1)
	if got := l.Enter(one); got != Violation {
		t.Errorf("others are busy, and yet: %q", got)
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
		{"GET", "/.well-known/openid-configuration", ""},
		{"GET", "/oauth2/v1/keys", ""},
		{"GET", "/oauth2/{authorizationServerId}/v1/keys", ""},
		{"POST", "/oauth2/{authorizationServerId}/v1/token", "/oauth2/{authorizationServerId}/v1/token"},
		{"POST", "/oauth2/{authorizationServerId}/v1/introspect", "/oauth2/{authorizationServerId}/v1"},
		{"POST", "/oauth2/v1/introspect", "/oauth2/v1"},
		{"GET", "/oauth2", "/oauth2"},
		{"GET", "/api/v1/domains/{domainId}", "/api/v1/domains"},
		{"GET", "/api/v1/users/{userId}/factors/{factorId}", "/api/v1/users"},
		{"POST", "/api/v1/users/{userId}/factors/{factorId}/verify", "/api/v1/users/{userId}/factors/{userFactorIdOrFactorType}/verify"},
		{"GET", "/api/v1/appsettings", "/api/v1"},
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
		if got := take(New(c.opt), "/api/v1/apps", Principal{ID: "one"}, 1, noon).Limit; got != c.want {
			t.Errorf("%+v: got %d, want %d", c.opt, got, c.want)
		}
	}
}
