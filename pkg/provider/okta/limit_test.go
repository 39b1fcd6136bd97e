package okta

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/provider"
)

func TestBucketOf(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]string{
		"GET /api/v1/users":                      "/api/v1/users",
		"GET /api/v1/users/00u1":                 "/api/v1/users/{id}",
		"POST /api/v1/users/00u1":                "POST /api/v1/users/{id}",
		"GET /api/v1/users/00u1/roles":           "/api/v1/users",
		"GET /api/v1/groups?limit=1":             "/api/v1/groups",
		"GET /api/v1/groups/00g1":                "/api/v1/groups/{id}",
		"GET /api/v1/groups/rules":               "/api/v1/groups",
		"GET /api/v1/groups/rules/0pr1":          "/api/v1/groups",
		"PUT /api/v1/groups/00g1/users/00u1":     "/api/v1/groups",
		"GET /api/v1/apps/0oa1":                  "/api/v1/apps/{id}",
		"GET /api/v1/apps/0oa1/users":            "/api/v1/apps",
		"GET /api/v1/logs":                       "/api/v1/logs",
		"GET /api/v1/policies/00p1/rules":        "/api/v1",
		"GET /api/v1/iam/assignees/users":        "/api/v1/iam",
		"GET /oauth2/v1/clients/0oa1/roles":      "/oauth2/v1/clients",
		"GET /oauth2/v1/clientsecrets/elsewhere": "/api/v1",
	} {
		method, path, _ := cut(call)
		if got := bucketOf(method, path); got != want {
			t.Errorf("bucketOf(%s) = %s, want %s", call, got, want)
		}
	}
}

func cut(call string) (string, string, bool) {
	for i := range call {
		if call[i] == ' ' {
			return call[:i], call[i+1:], true
		}
	}
	return call, "", false
}

// told makes an answer's headers, reset in seconds after the clock.
func told(c *testClock, limit, remaining, reset int) http.Header {
	h := http.Header{}
	h.Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
	h.Set("X-Rate-Limit-Remaining", strconv.Itoa(remaining))
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(c.now().Add(time.Duration(reset)*time.Second).Unix(), 10))
	return h
}

// sharing is a limiter and one who calls.
type sharing struct {
	*limiter
	share float64
}

func (s sharing) take(bucket string) (time.Time, bool) { return s.limiter.take(bucket, s.share) }

func testLimiter(share float64) (sharing, *testClock) {
	c := newTestClock()
	return sharing{&limiter{clock: &clock{now: c.now, sleep: c.sleep}, buckets: map[string]*bucket{}}, share}, c
}

// passes counts the calls that are let through at once, up to most.
func passes(l sharing, most int) int {
	for n := range most {
		if _, ok := l.take("b"); !ok {
			return n
		}
	}
	return most
}

func TestLimiterKeepsOurShare(t *testing.T) {
	t.Parallel()
	l, c := testLimiter(0.5)
	if _, ok := l.take("b"); !ok {
		t.Fatal("the first call, of which nothing is known, must pass")
	}
	l.learn("b", told(c, 100, 99, 60))
	if n := passes(l, 1000); n != 49 {
		t.Errorf("%d more calls of a limit of 100 at half share, want 49", n)
	}
	until, ok := l.take("b")
	if want := c.now().Add(time.Minute); ok || !until.Equal(want) {
		t.Errorf("then take says %v %v, want to wait until %v", until, ok, want)
	}
	c.advance(time.Minute)
	if n := passes(l, 1000); n < 50 {
		t.Errorf("%d calls in the next window", n)
	}
}

func TestLimiterLeavesTheOthersSome(t *testing.T) {
	t.Parallel()
	l, c := testLimiter(0.5)
	passes(l, 1)
	l.learn("b", told(c, 100, 13, 60)) // others used 86
	if n := passes(l, 1000); n != 3 {
		t.Errorf("%d calls with 13 left of 100, want 3: a tenth stays", n)
	}
}

func TestLimiterTakesAnswersInAnyOrder(t *testing.T) {
	t.Parallel()
	l, c := testLimiter(1)
	passes(l, 1)
	l.learn("b", told(c, 10, 4, 60))
	l.learn("b", told(c, 10, 9, 60)) // an older answer, late
	l.learn("b", told(c, 10, 9, 20)) // of an earlier window
	if n := passes(l, 100); n != 4 {
		t.Errorf("%d calls pass, want 4", n)
	}
	l.learn("b", told(c, 10, 9, 120)) // the next window
	if n := passes(l, 100); n != 9 {
		t.Errorf("%d calls pass in the next window, want 9", n)
	}
}

func TestLimiterIgnoresTheLimitOnCallsAtOneTime(t *testing.T) {
	t.Parallel()
	l, c := testLimiter(1)
	passes(l, 1)
	l.learn("b", told(c, 0, 0, 60))
	l.learn("b", http.Header{})
	if n := passes(l, 100); n != 100 {
		t.Errorf("%d calls pass, want all", n)
	}
}

// What one service app uses of an org's limits, the other cannot use again; a program
// that reads beside others takes its part only, but of the log, which it alone follows.
func TestOneShareOfAnOrg(t *testing.T) {
	t.Parallel()
	limited := func(w http.ResponseWriter, r *http.Request) {
		for k, v := range told(newTestClock(), 100, 99, 60) {
			w.Header()[k] = v
		}
		write(w, `[]`)
	}
	for name, c := range map[string]struct {
		part   float64
		path   string
		groups int
	}{
		"all of the share":    {0, "/api/v1/groups", 50},
		"a fifth of it":       {0.2, "/api/v1/groups", 10},
		"a fifth, of the log": {0.2, "/api/v1/logs", 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			org := newFakeOrg(t, limited)
			o := org.clock.options()
			o.Part = c.part
			p := New(o)
			at := account.Org{URL: org.URL, Share: 0.5}
			r, err := p.Reader(t.Context(), at, testCredential(t, account.Read))
			if err != nil {
				t.Fatal(err)
			}
			w, err := p.Writer(t.Context(), at, testCredential(t, account.Write))
			if err != nil {
				t.Fatal(err)
			}
			var last error
			for n := 0; n < 100 && last == nil; n++ {
				by := []*client{r.(*Reader).client, w.(*Writer).client}[n%2]
				_, last = by.do(t.Context(), http.MethodGet, c.path, nil)
			}
			if provider.WaitOf(last) == nil || org.count() != c.groups {
				t.Errorf("%d calls were made, then %v; want %d and to wait", org.count(), last, c.groups)
			}
		})
	}
}

// A reset in milliseconds, or one that nobody can wait for, does not close a bucket for
// good.
func TestLimiterWaitsNoLongerThanItMust(t *testing.T) {
	t.Parallel()
	l, c := testLimiter(1)
	passes(l, 1)
	h := told(c, 10, 0, 60)
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(c.now().UnixMilli(), 10))
	l.learn("b", h)
	until, ok := l.take("b")
	if want := c.now().Add(longestWait); ok || !until.Equal(want) {
		t.Errorf("wait until %v, want %v", until, want)
	}
	c.advance(longestWait)
	if n := passes(l, 10); n != 10 {
		t.Errorf("%d calls pass afterwards, want 10", n)
	}
}

func TestLimiterUsesTheOrgsClock(t *testing.T) {
	t.Parallel()
	l, c := testLimiter(1)
	l.clock.observe(http.Header{"Date": {c.now().Add(time.Hour).Format(http.TimeFormat)}})
	passes(l, 1)
	l.learn("b", told(c, 10, 0, 3600+30))
	until, ok := l.take("b")
	if want := c.now().Add(30 * time.Second); ok || !until.Equal(want) {
		t.Errorf("wait until %v, want %v by our own clock", until, want)
	}
}
