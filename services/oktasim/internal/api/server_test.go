package api_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/fault"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.refused(404, "E0000008", "path", "GET", "/api/v1/weather", nil)
	s.refused(404, "E0000008", "path", "GET", "/", nil)
	s.refused(404, "E0000008", "path", "POST", "/api/v1/users/x/lifecycle/promote", nil)
	s.refused(405, "E0000022", "method", "PATCH", "/api/v1/groups", nil)
	s.refused(404, "E0000007", "a/b (UserGroup)", "GET", "/api/v1/groups/a%2Fb", nil)
	s.refused(404, "E0000008", "path", "GET", "/api/v1/groups//users", nil)
}

func TestRateLimitHeadersAnd429(t *testing.T) {
	t.Parallel()
	s := startWith(t, "oie", limit.Options{})
	s.host.Limits.Override("/api/v1/groups", 6)
	for left := 2; left >= 0; left-- {
		a := s.want(200, "GET", "/api/v1/groups?limit=1", nil)
		if a.header.Get("X-Rate-Limit-Limit") != "3" || a.header.Get("X-Rate-Limit-Remaining") != strconv.Itoa(left) {
			t.Errorf("headers %v, want 3 and %d", a.header, left)
		}
	}
	a := s.want(429, "GET", "/api/v1/groups?limit=1", nil)
	reset, err := strconv.ParseInt(a.header.Get("X-Rate-Limit-Reset"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		t.Fatal(err)
	}
	if a.object(t)["errorCode"] != "E0000047" || time.Unix(reset, 0).Sub(date) != time.Minute {
		t.Errorf("got %s, reset %d at %v", a.body, reset, date)
	}
	s.want(429, "GET", "/api/v1/groups/rules", nil)
	s.want(200, "GET", "/api/v1/users?limit=1", nil)
	violations := only(s.events(), "system.operation.rate_limit.violation")
	if len(violations) != 1 || doc.String(violations[0], "outcome", "result") != "DENY" || doc.String(violations[0], "debugContext", "debugData", "operationRateLimitSubtype") != "ssws_token" {
		t.Errorf("violations logged: %v, want 1 a window", violations)
	}
	if got := only(s.events(), "system.org.rate_limit.violation"); len(got) != 0 {
		t.Errorf("the org's limit was not reached, and yet: %v", got)
	}
	other := "SSWS " + s.tokenOf(s.made.Admins["other"])
	s.want(200, "GET", "/api/v1/groups?limit=1", nil, "Authorization", other)
	s.clock.Advance(time.Minute)
	s.want(200, "GET", "/api/v1/groups?limit=1", nil)
}

func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	s := startWith(t, "oie", limit.Options{Concurrency: 1, Multiplier: 1000})
	if refused := s.host.Limits.Enter(limit.Principal{}); refused != "" {
		t.Fatal("the limiter refused the first request")
	}
	a := s.want(429, "GET", "/api/v1/groups", nil)
	if a.header.Get("X-Rate-Limit-Limit") != "0" || a.header.Get("X-Rate-Limit-Remaining") != "0" || a.header.Get("X-Rate-Limit-Reset") == "" {
		t.Errorf("headers %v", a.header)
	}
	s.host.Limits.Leave(limit.Principal{})
	s.want(200, "GET", "/api/v1/groups", nil)
	if len(only(s.events(), "core.concurrency.org.limit.violation")) != 1 {
		t.Error("the breach left no trace")
	}
}

// TestOrgSetsShares lets the org's own settings say what a token may use, and when it is
// warned.
func TestOrgSetsShares(t *testing.T) {
	t.Parallel()
	s := startWith(t, "oie", limit.Options{})
	s.host.Limits.Override("/api/v1/groups", 100)
	s.host.Limits.Override("/api/v1/logs", 1000)
	var token *org.Token
	err := s.org.View(func() (err error) { token, _, err = s.org.TokenOf(s.token); return err })
	if err != nil {
		t.Fatal(err)
	}
	s.want(201, "POST", "/api/v1/principal-rate-limits", doc.Doc{
		"principalId": token.ID, "principalType": "SSWS_TOKEN", "defaultPercentage": 80, "defaultConcurrencyPercentage": 10,
	})
	s.want(200, "PUT", "/api/v1/rate-limit-settings/warning-threshold", doc.Doc{"warningThreshold": 30})
	for n := 1; n <= 80; n++ {
		a := s.want(200, "GET", "/api/v1/groups?limit=1", nil)
		if a.header.Get("X-Rate-Limit-Limit") != "80" {
			t.Fatalf("request %d: %v", n, a.header)
		}
		if got := len(only(s.events(), "system.org.rate_limit.warning")); n == 29 && got != 0 || n == 30 && got != 1 {
			t.Errorf("request %d: %d warnings", n, got)
		}
	}
	s.want(429, "GET", "/api/v1/groups?limit=1", nil)
	if a := s.want(200, "GET", "/oauth2/v1/keys", nil); a.header.Get("X-Rate-Limit-Limit") != "" {
		t.Errorf("the public keys have a limit: %v", a.header)
	}
}

func (s *sim) fault(f fault.Fault) {
	s.Helper()
	if err := s.host.Faults.Add(f); err != nil {
		s.Fatal(err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	path := "/api/v1/groups?limit=2"
	for kind, check := range map[string]func(t *testing.T, s *sim){
		fault.Status: func(t *testing.T, s *sim) {
			s.fault(fault.Fault{Kind: fault.Status, Status: 503, Count: 1})
			s.refused(503, "E0000010", "read only", "GET", path, nil)
		},
		fault.RateLimited: func(t *testing.T, s *sim) {
			s.fault(fault.Fault{Kind: fault.RateLimited, Count: 1, Delay: fault.Duration(7 * time.Second)})
			a := s.want(429, "GET", path, nil)
			if want := strconv.FormatInt(noon.Add(7*time.Second).Unix(), 10); a.header.Get("X-Rate-Limit-Reset") != want {
				t.Errorf("reset %s, want %s", a.header.Get("X-Rate-Limit-Reset"), want)
			}
		},
		fault.Delay: func(t *testing.T, s *sim) {
			s.fault(fault.Fault{Kind: fault.Delay, Delay: fault.Duration(time.Millisecond), Count: 1})
			s.want(200, "GET", path, nil)
		},
		fault.Cut: func(t *testing.T, s *sim) {
			s.fault(fault.Fault{Kind: fault.Cut, Count: 1, Bytes: 10})
			a, err := s.try("GET", path, nil)
			if !errors.Is(err, io.ErrUnexpectedEOF) || len(a.body) != 10 {
				t.Errorf("got %d bytes and %v", len(a.body), err)
			}
		},
		fault.HalfPage: func(t *testing.T, s *sim) {
			s.fault(fault.Fault{Kind: fault.HalfPage, Count: 1})
			if _, err := s.try("GET", path, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v", err)
			}
		},
		fault.DropLink: func(t *testing.T, s *sim) {
			s.fault(fault.Fault{Kind: fault.DropLink, Count: 1})
			if a := s.want(200, "GET", path, nil); len(a.header.Values("Link")) != 0 {
				t.Errorf("Link %v", a.header.Values("Link"))
			}
		},
		fault.MalformedJSON: func(t *testing.T, s *sim) {
			s.fault(fault.Fault{Kind: fault.MalformedJSON, Count: 1})
			if a := s.want(200, "GET", path, nil); json.Valid(a.body) {
				t.Errorf("the body is valid: %s", a.body)
			}
		},
		fault.DoneButFailed: func(t *testing.T, s *sim) {
			s.fault(fault.Fault{Method: "POST", Kind: fault.DoneButFailed, Count: 1})
			s.refused(500, "E0000009", "Internal", "POST", "/api/v1/groups", newGroup("Ghost"))
			if len(s.list("/api/v1/groups?q=Ghost")) != 1 {
				t.Error("the write was not performed")
			}
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			check(t, s)
			if got := s.host.Faults.List()[0].Fired; got != 1 {
				t.Errorf("the fault fired %d times, want 1", got)
			}
			s.want(200, "GET", path, nil)
		})
	}
}

// TestOrgsByHostName serves two orgs: the second by its name, the first to everybody else.
func TestOrgsByHostName(t *testing.T) {
	t.Parallel()
	first, second := start(t), start(t)
	server := api.New(first.host, slog.New(slog.DiscardHandler))
	if err := server.Add(&api.Guest{Name: "two", Hosts: []string{"two.okta.example"}, Host: second.host}); err != nil {
		t.Fatal(err)
	}
	second.create("/api/v1/groups", newGroup("Only in the second"))
	for host, want := range map[string]int{"two.okta.example:443": 16, "TWO.okta.example": 16, "elsewhere.example": 15} {
		r := httptest.NewRequest("GET", "/api/v1/groups", nil)
		r.Host = host
		token := first.token
		if want == 16 {
			token = second.token
		}
		r.Header.Set("Authorization", "SSWS "+token)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if got := (answer{body: w.Body.Bytes()}).list(t); len(got) != want {
			t.Errorf("%s: %d groups, want %d", host, len(got), want)
		}
	}
}

// TestAbsoluteForm sends the request line that clients behind a proxy send.
func TestAbsoluteForm(t *testing.T) {
	t.Parallel()
	s := start(t)
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(u)}}
	r, err := http.NewRequest("GET", "http://acme.okta.example/api/v1/users/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "SSWS "+s.token)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		t.Errorf("the org's own URL %s has no port", s.url)
	}
}

// TestLinksNameTheOrg moves an org to another address.
func TestLinksNameTheOrg(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.list("/api/v1/users?limit=1")
	s.org.SetBase("https://acme.okta.example")
	a := s.want(200, "GET", "/api/v1/users?limit=1", nil)
	if next := links(t, a)["next"]; !strings.HasPrefix(next, "https://acme.okta.example/api/v1/users?") {
		t.Errorf("next is %s", next)
	}
	if self := doc.String(a.list(t)[0], "_links", "self", "href"); !strings.HasPrefix(self, "https://acme.okta.example/") {
		t.Errorf("self is %s", self)
	}
}

// FuzzLists asks for lists with anything as cursor, limit, filter and search: they answer
// with a page or with 400, and Okta's error.
func FuzzLists(f *testing.F) {
	for _, s := range [][3]string{
		{"", "", ""}, {"1_2", "0", `status eq "ACTIVE"`}, {"_", "-1", "((("}, {"x_y", "-2", `id eq "`}, {"9_-1", "1e9", `lastUpdated gt "yesterday"`},
		{"1_99999999999999999999", "99999999999999999999", `not not pr`}, {"00u", "200 ", `profile.login sw ""`}, {"\x00", "ten", "\xff pr"},
		{"../../", "1", `type eq "OKTA_GROUP" or id pr`}, {"%2e", "١", `eventType eq "x" and target.id eq "y"`},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, after, limit, filter string) {
		s := start(t)
		for _, list := range []string{"/api/v1/logs?", "/api/v1/users?", "/api/v1/groups?", "/api/v1/groups/rules?", "/api/v1/policies?type=PASSWORD&", "/api/v1/zones?", "/api/v1/apps?"} {
			for _, q := range []url.Values{{"after": {after}}, {"limit": {limit}}, {"filter": {filter}}, {"search": {filter}}, {"q": {filter}}} {
				a := s.do("GET", list+q.Encode(), nil)
				if a.status != 200 && (a.status != 400 || !strings.HasPrefix(doc.String(a.object(t), "errorCode"), "E0")) {
					t.Errorf("%s%s: got %d %s", list, q.Encode(), a.status, a.body)
				}
			}
		}
	})
}
