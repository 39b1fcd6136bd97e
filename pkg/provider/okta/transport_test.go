package okta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

const twoGroups = `[{"id":"00g1","type":"OKTA_GROUP","profile":{"name":"a"}},{"id":"00g2","type":"OKTA_GROUP","profile":{"name":"b"}}]`

// cutOff breaks the connection in the middle of the body.
func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	write(w, twoGroups[:20])
	panic(http.ErrAbortHandler)
}

// hangUp breaks the connection before any answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestListOnBadDays(t *testing.T) {
	t.Parallel()
	good := answer(200, twoGroups)
	const next = "the next page"
	for _, c := range []struct {
		name   string
		script []http.HandlerFunc
		calls  int    // that arrive
		fails  string // what the error says; "": two groups come out
		kind   problem.Kind
	}{
		{"a good day", []http.HandlerFunc{good}, 1, "", ""},
		{"503, then well", []http.HandlerFunc{answer(503, "down"), good}, 2, "", ""},
		{"502 with HTML, then well", []http.HandlerFunc{answer(502, "<html>", "Content-Type", "text/html"), good}, 2, "", ""},
		{"cut in the body, then well", []http.HandlerFunc{cutOff, good}, 2, "", ""},
		{"hung up, then well", []http.HandlerFunc{hangUp, hangUp, good}, 3, "", ""},
		{"half a page that looks whole, then well", []http.HandlerFunc{answer(200, twoGroups[:40]), good}, 2, "", ""},
		{"malformed JSON, then well", []http.HandlerFunc{answer(200, `[{"id":}]`), good}, 2, "", ""},
		{"JSON of another shape, then well", []http.HandlerFunc{answer(200, `{"id":"x"}`), good}, 2, "", ""},
		{"an element without an id, then well", []http.HandlerFunc{answer(200, `[{"name":"x"}]`), good}, 2, "", ""},
		{"nothing at all, then well", []http.HandlerFunc{answer(200, ``), good}, 2, "", ""},
		{"429 without headers, then well", []http.HandlerFunc{answer(429, `{"errorCode":"E0000047"}`), good}, 2, "", ""},
		{"token invalid, in OAuth's words, then well", []http.HandlerFunc{answer(401, ``, "WWW-Authenticate", `Bearer error="invalid_token"`), good}, 2, "", ""},
		{"token refused, then well", []http.HandlerFunc{answer(401, `{"errorCode":"E0000011"}`), good}, 2, "", ""},
		{"503 for ever", []http.HandlerFunc{answer(503, "")}, 5, "503", problem.Unavailable},
		{"hung up for ever", []http.HandlerFunc{hangUp}, 5, "cannot be reached", problem.Unavailable},
		{"cut for ever", []http.HandlerFunc{cutOff}, 5, "cannot be reached", problem.Unavailable},
		{"half a page for ever", []http.HandlerFunc{answer(200, twoGroups[:40])}, 5, "cannot be read", problem.Unavailable},
		{"token refused for ever", []http.HandlerFunc{answer(401, `{"errorCode":"E0000011"}`)}, 2, "token", problem.Denied},
		{"redirect", []http.HandlerFunc{answer(302, "", "Location", "https://evil.example/")}, 1, "redirects", problem.Invalid},
		{"HTML with 200", []http.HandlerFunc{answer(200, "<html>", "Content-Type", "text/html")}, 1, "instead of JSON", problem.Unavailable},
		{"link to elsewhere", []http.HandlerFunc{answer(200, twoGroups, "Link", `<https://evil.example/api/v1/groups?after=1>; rel="next"`)}, 1, next, problem.Unavailable},
		{"malformed link", []http.HandlerFunc{answer(200, twoGroups, "Link", `<:%zz>; rel="next"`)}, 1, next, problem.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			org := newFakeOrg(t, c.script...)
			got, err := readAll(t, org, "group")
			if org.count() != c.calls {
				t.Errorf("%d calls, want %d", org.count(), c.calls)
			}
			if c.fails == "" {
				if err != nil || len(got) != 2 {
					t.Errorf("%d groups, %v", len(got), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fails) || !problem.Is(err, c.kind) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v; want a problem of kind %s that says %q", err, c.kind, c.fails)
			}
		})
	}
}

func readAll(t *testing.T, org *fakeOrg, typ resource.Type) (all []resource.Resource, err error) {
	t.Helper()
	r := testReader(t, org.URL, org.clock.options())
	for page, err := range r.List(t.Context(), typ, resource.Key{}, "") {
		if err != nil {
			return all, err
		}
		all = append(all, page.Resources...)
	}
	return all, nil
}

func TestGaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		reason snapshot.Reason
		says   string
	}{
		{"no scope", answer(403, `{}`, "WWW-Authenticate", `Bearer error="insufficient_scope", error_description="needs okta.groups.read"`), snapshot.Forbidden, "okta.groups.read"},
		{"no role", answer(403, `{"errorCode":"E0000006"}`), snapshot.Forbidden, "admin role"},
		{"no feature, as 401", answer(401, `{"errorCode":"E0000015"}`), snapshot.NotLicensed, "feature"},
		{"no feature, as 400", answer(400, `{"errorCode":"E0000001","errorCauses":[{"errorSummary":"type: not a valid policy type"}]}`), snapshot.NotLicensed, "feature"},
		{"no such list", answer(404, `{"errorCode":"E0000007"}`), snapshot.NotLicensed, "feature"},
		{"a bad request", answer(400, `{"errorCode":"E0000001","errorSummary":"secret name"}`), snapshot.Failed, "E0000001"},
		{"a conflict", answer(409, `{"errorCode":"E0000060","errorSummary":"secret name"}`), snapshot.Failed, "E0000060"},
		{"401, and not about the token", answer(401, `{"errorCode":"E0000005"}`), snapshot.Failed, "E0000005"},
		{"gone for good", answer(410, ``), snapshot.Failed, "410"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := readAll(t, newFakeOrg(t, c.answer), "group")
			u, ok := errors.AsType[*provider.Unreadable](err)
			if !ok || u.Gap.Type != "group" || u.Gap.Reason != c.reason || !strings.Contains(u.Gap.Detail, c.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v; want a gap: %s, %q", err, c.reason, c.says)
			}
		})
	}
}

// TestLinksWithoutAnID: a link is its ID and nothing else, so that one without it is refused
// with its page: asked again, and then an error that says so.
func TestLinksWithoutAnID(t *testing.T) {
	t.Parallel()
	for _, link := range []string{`{"id":""}`, `{"id":7}`, `{"id":null}`, `{"id":["00u2"]}`, `{}`} {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			org := newFakeOrg(t, answer(200, `[{"id":"00u1"},`+link+`]`))
			r := testReader(t, org.URL, org.clock.options())
			for page, err := range r.List(t.Context(), "group_membership", resource.Key{Type: "group", ID: "00g1"}, "") {
				if !problem.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), "cannot be read") {
					t.Errorf("%d links, %v; want that they cannot be read", len(page.Resources), err)
				}
			}
			if org.count() != 5 {
				t.Errorf("%d calls, want 5", org.count())
			}
		})
	}
}

// A parent that went meanwhile is no gap of its children: it is not found.
func TestParentGone(t *testing.T) {
	t.Parallel()
	org := newFakeOrg(t, answer(404, `{"errorCode":"E0000007"}`))
	r := testReader(t, org.URL, org.clock.options())
	for _, err := range r.List(t.Context(), "group_membership", resource.Key{Type: "group", ID: "00g1"}, "") {
		if !problem.Is(err, problem.NotFound) {
			t.Errorf("%v, want a problem of kind not_found", err)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	link := func(after string) string { return `</api/v1/groups?after=` + after + `&limit=200>; rel="next"` }
	page := func(id, after string) http.HandlerFunc {
		body := `[{"id":"` + id + `"},{"id":"00gsame"}]`
		if after == "" {
			return answer(200, body)
		}
		return answer(200, body, "Link", link(after))
	}
	t.Run("an object on two pages comes once", func(t *testing.T) {
		t.Parallel()
		got, err := readAll(t, newFakeOrg(t, page("00g1", "1"), page("00g2", "2"), page("00g3", "")), "group")
		if err != nil || len(got) != 4 {
			t.Errorf("%d groups, %v; want 4", len(got), err)
		}
	})
	t.Run("what a list gave long ago is not kept in mind", func(t *testing.T) {
		t.Parallel()
		other := answer(200, `[{"id":"00g2"}]`, "Link", link("2"))
		got, err := readAll(t, newFakeOrg(t, page("00g1", "1"), other, page("00g3", "")), "group")
		if err != nil || len(got) != 5 {
			t.Errorf("%d groups, %v; want 5, one of them twice", len(got), err)
		}
	})
	t.Run("a circle is an error", func(t *testing.T) {
		t.Parallel()
		_, err := readAll(t, newFakeOrg(t, page("00g1", "1"), page("00g2", "2"), page("00g3", "1")), "group")
		if !problem.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), "circle") {
			t.Error(err)
		}
	})
	t.Run("a page that leads to itself is an error", func(t *testing.T) {
		t.Parallel()
		_, err := readAll(t, newFakeOrg(t, page("00g1", "1"), page("00g2", "1")), "group")
		if !problem.Is(err, problem.Unavailable) {
			t.Error(err)
		}
	})
}

// A membership is looked for on all pages: pages in a circle are no proof that there
// is none.
func TestSearchInACircle(t *testing.T) {
	t.Parallel()
	page := func(after string) http.HandlerFunc {
		return answer(200, `[{"id":"00gother"}]`, "Link", `</api/v1/users/00u1/groups?after=`+after+`>; rel="next"`)
	}
	org := newFakeOrg(t, page("1"), page("2"), page("1"))
	r := testReader(t, org.URL, org.clock.options())
	_, err := r.Get(t.Context(), resource.Key{Type: "group_membership", Parent: "00g1", ID: "00u1"})
	if !problem.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), "circle") {
		t.Errorf("%v, want a problem of kind unavailable", err)
	}
}

// Who is switched on or off while the people are listed is in one of the lists
// whichever way they went.
func TestSomebodyComesBackWhileListing(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{true, false} {
		org := newFakeOrg(t)
		org.script = []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			listed := off == r.URL.Query().Has("filter")
			if off = !off; len(org.calls) > 1 { // the other way about once, after the first call
				off = !off
			}
			if listed {
				write(w, `[{"id":"00u1"}]`)
			} else {
				write(w, `[]`)
			}
		}}
		if got, err := readAll(t, org, "user"); err != nil || len(got) != 1 {
			t.Errorf("off at first %v: %d people, %v", off, len(got), err)
		}
	}
}

// People who have left are read once, and after the others those who left meanwhile: since
// the list was begun, not since it was gone on with.
func TestLeaversAreListedOnce(t *testing.T) {
	t.Parallel()
	org := newFakeOrg(t)
	var asked []string
	org.script = []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("filter"))
		write(w, fmt.Sprintf(`[{"id":"00u%d"}]`, len(asked)))
	}}
	r := testReader(t, org.URL, org.clock.options())
	cursor, held := "", 0
	for range 3 { // a list for each page, an hour after the last
		for page, err := range r.List(t.Context(), "user", resource.Key{}, cursor) {
			if err != nil {
				t.Fatal(err)
			}
			cursor, held = page.Cursor, held+len(page.Resources)
			break
		}
		org.clock.advance(time.Hour)
	}
	want := []string{`status eq "DEPROVISIONED"`, "", `status eq "DEPROVISIONED" and lastUpdated gt "2026-03-01T11:50:00.000Z"`}
	if d := cmp.Diff(want, asked); d != "" || cursor != "" || held != 3 {
		t.Errorf("%d people, and then %q (-want +got):\n%s", held, cursor, d)
	}
}

// What one parent cannot have, or Okta refuses of it alone, is a gap of that parent; a
// feature that the org lacks is one of the type.
func TestGapsBelowAParent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code, says string
		want       snapshot.Gap
	}{
		{"E0000001", "not supported for this app", snapshot.Gap{Parent: "0oa1", Reason: snapshot.NotLicensed}},
		{"E0000015", "not supported for this app", snapshot.Gap{Reason: snapshot.NotLicensed}},
		{"E0000001", "Api validation failed: app", snapshot.Gap{Parent: "0oa1", Reason: snapshot.Failed}},
	} {
		org := newFakeOrg(t, answer(400, `{"errorCode":"`+c.code+`","errorSummary":"`+c.says+`"}`))
		r := testReader(t, org.URL, org.clock.options())
		for _, err := range r.List(t.Context(), "app_group", resource.Key{Type: "app", ID: "0oa1"}, "") {
			u, ok := errors.AsType[*provider.Unreadable](err)
			if !ok || u.Gap.Parent != c.want.Parent || u.Gap.Reason != c.want.Reason {
				t.Errorf("%s %s: %v", c.code, c.says, err)
			}
		}
	}
}

// An admin who is deleted while the roles are read, or whose roles Okta is odd about, is
// a gap, and the other admins' roles are read; a role that may read nobody's is told of
// the type.
func TestGapsOfASweep(t *testing.T) {
	t.Parallel()
	admins := answer(200, `{"value":[{"id":"00u1"},{"id":"00u2"},{"id":"00u3"}]}`)
	role := answer(200, `[{"id":"ra1","type":"SUPER_ADMIN","assignmentType":"USER"}]`)
	for name, c := range map[string]struct {
		odd  http.HandlerFunc
		gaps []snapshot.Gap
		held int
	}{
		"deleted":   {answer(404, `{"errorCode":"E0000007"}`), []snapshot.Gap{provider.Gone("user_role", "00u2")}, 2},
		"odd":       {answer(400, `{"errorCode":"E0000001"}`), []snapshot.Gap{{Type: "user_role", Parent: "00u2", Reason: snapshot.Failed, Detail: "User admin role: okta refuses the list (E0000001)"}}, 2},
		"forbidden": {answer(403, `{"errorCode":"E0000006"}`), nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			org := newFakeOrg(t, admins, role, c.odd, role)
			r := testReader(t, org.URL, org.clock.options())
			var gaps []snapshot.Gap
			held := 0
			var last error
			for page, err := range r.List(t.Context(), "user_role", resource.Key{}, "") {
				gaps, last = append(gaps, page.Gaps...), err
				held += len(page.Resources)
			}
			u, _ := errors.AsType[*provider.Unreadable](last)
			if refused := u != nil && u.Gap.Parent == "" && u.Gap.Reason == snapshot.Forbidden; refused != (c.gaps == nil) || last != nil && u == nil {
				t.Errorf("ended with %v", last)
			}
			if d := cmp.Diff(c.gaps, gaps); d != "" || held != c.held {
				t.Errorf("%d roles and gaps (-want +got):\n%s", held, d)
			}
		})
	}
}

// An ID must not lead a path elsewhere, whoever gives it.
func TestListBelowNoID(t *testing.T) {
	t.Parallel()
	org := newFakeOrg(t, answer(200, `[]`))
	r := testReader(t, org.URL, org.clock.options())
	for _, id := range []string{"..", "../users", "a/b", "a?b"} {
		for _, err := range r.List(t.Context(), "app_group", resource.Key{Type: "app", ID: id}, "") {
			if !problem.Is(err, problem.Invalid) || org.count() != 0 {
				t.Errorf("%q: %v after %d calls", id, err, org.count())
			}
		}
	}
}

// What is busy for long passes all the same: it is no conflict and no refusal.
func TestBusyForLong(t *testing.T) {
	t.Parallel()
	for _, busy := range []http.HandlerFunc{
		answer(423, `{"errorCode":"E0000239"}`), answer(409, `{"errorCode":"E0000112"}`),
	} {
		org := newFakeOrg(t, busy)
		r := testReader(t, org.URL, org.clock.options())
		_, err := r.client.do(t.Context(), http.MethodPost, "/api/v1/policies", []byte(`{}`))
		if err = ofCall("create policy", nil, err); !problem.Is(err, problem.Unavailable) || org.count() != tries {
			t.Errorf("%v after %d calls, want a problem of kind unavailable", err, org.count())
		}
	}
}

// A wait that is long is told; what was read stays read.
func TestWaitIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer func(*fakeOrg) http.HandlerFunc
		wait   time.Duration
	}{
		{"429 with a reset", func(o *fakeOrg) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range told(o.clock, 100, 0, 45) {
					w.Header()[k] = v
				}
				w.WriteHeader(429)
			}
		}, 45 * time.Second},
		{"429 with Retry-After", func(*fakeOrg) http.HandlerFunc { return answer(429, "", "Retry-After", "30") }, 30 * time.Second},
		{"429 with Retry-After of a year", func(*fakeOrg) http.HandlerFunc { return answer(429, "", "Retry-After", "31536000") }, longestWait},
		{"429 with a Retry-After that overflows", func(*fakeOrg) http.HandlerFunc { return answer(429, "", "Retry-After", "9223372036854775807") }, longestWait},
		{"429 with a reset in milliseconds", func(o *fakeOrg) http.HandlerFunc {
			return answer(429, "", "X-Rate-Limit-Limit", "100", "X-Rate-Limit-Remaining", "0", "X-Rate-Limit-Reset", strconv.FormatInt(o.clock.now().UnixMilli(), 10))
		}, longestWait},
		{"used up before", func(o *fakeOrg) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range told(o.clock, 100, 0, 20) {
					w.Header()[k] = v
				}
				w.Header().Set("Link", `</api/v1/groups?after=1>; rel="next"`)
				write(w, twoGroups)
			}
		}, 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			org := newFakeOrg(t)
			org.script = []http.HandlerFunc{c.answer(org)}
			_, err := readAll(t, org, "group")
			w := provider.WaitOf(err)
			if w == nil || w.Until.Sub(org.clock.now()) != c.wait || org.count() != 1 || len(org.clock.slept) != 0 {
				t.Errorf("%v after %d calls and sleeps %v; want a wait of %v", err, org.count(), org.clock.slept, c.wait)
			}
		})
	}
}

// A POST that may have been carried out is not sent again; one that was refused is.
func TestWritesAreNotRepeated(t *testing.T) {
	t.Parallel()
	good := answer(200, `{"id":"00g1"}`)
	for _, c := range []struct {
		name, method string
		script       []http.HandlerFunc
		calls        int
		fails        bool
	}{
		{"POST cut", http.MethodPost, []http.HandlerFunc{hangUp, good}, 1, true},
		{"POST 500", http.MethodPost, []http.HandlerFunc{answer(500, ""), good}, 1, true},
		{"POST 503", http.MethodPost, []http.HandlerFunc{answer(503, ""), good}, 1, true},
		{"POST 429", http.MethodPost, []http.HandlerFunc{answer(429, ""), good}, 2, false},
		{"POST with a refused token", http.MethodPost, []http.HandlerFunc{answer(401, `{"errorCode":"E0000011"}`), good}, 2, false},
		{"POST while priorities are reconciled", http.MethodPost, []http.HandlerFunc{answer(423, `{"errorCode":"E0000239"}`), good}, 2, false},
		{"POST to a user in transition", http.MethodPost, []http.HandlerFunc{answer(409, `{"errorCode":"E0000112"}`), good}, 2, false},
		{"POST in conflict", http.MethodPost, []http.HandlerFunc{answer(409, `{"errorCode":"E0000001"}`), good}, 1, true},
		{"PUT cut", http.MethodPut, []http.HandlerFunc{hangUp, good}, 2, false},
		{"DELETE 503", http.MethodDelete, []http.HandlerFunc{answer(503, ""), answer(204, "")}, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			org := newFakeOrg(t, c.script...)
			r := testReader(t, org.URL, org.clock.options())
			_, err := r.client.do(t.Context(), c.method, "/api/v1/groups/00g1", []byte(`{}`))
			if (err != nil) != c.fails || org.count() != c.calls {
				t.Errorf("%d calls, %v; want %d", org.count(), err, c.calls)
			}
		})
	}
}

// What waits between tries must stop when nobody wants the answer any more.
func TestCancelledWhileWaiting(t *testing.T) {
	t.Parallel()
	org := newFakeOrg(t, answer(503, ""))
	ctx, cancel := context.WithCancel(t.Context())
	o := org.clock.options()
	o.Sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	r := testReader(t, org.URL, o)
	_, err := r.client.do(ctx, http.MethodGet, "/api/v1/groups", nil)
	if !errors.Is(err, context.Canceled) || org.count() != 1 {
		t.Errorf("%v after %d calls", err, org.count())
	}
}

// Whoever stops waiting in the very moment of the answer still learns that the write
// was made.
func TestAnsweredAsWeStop(t *testing.T) {
	t.Parallel()
	org := newFakeOrg(t)
	ctx, cancel := context.WithCancel(t.Context())
	o := org.clock.options()
	o.Transport = stopping{http.DefaultTransport, cancel}
	org.script = []http.HandlerFunc{answer(200, `{"id":"00g1"}`)}
	r := testReader(t, org.URL, o)
	got, err := r.client.do(ctx, http.MethodPost, "/api/v1/groups", []byte(`{}`))
	if err != nil || string(got.body) != `{"id":"00g1"}` {
		t.Errorf("%s, %v", got.body, err)
	}
}

// stopping ends the caller's context once an API call was answered.
type stopping struct {
	http.RoundTripper
	stop func()
}

func (s stopping) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Path == tokenPath {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = resp.Body.Close()
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	s.stop()
	return resp, err
}

// A change that was begun is finished: a wait in its middle is not told, as that
// would say that nothing was written.
func TestWaitInTheMiddleOfAChange(t *testing.T) {
	t.Parallel()
	const body = `{"actions":{},"conditions":{},"id":"0pr1","name":"R","status":"ACTIVE","type":"group_rule"}`
	org := newFakeOrg(t)
	status, name, limited := "ACTIVE", "R", true
	org.script = []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && limited {
			limited = false
			for k, v := range told(org.clock, 100, 0, 45) {
				w.Header()[k] = v
			}
			w.WriteHeader(429)
			return
		}
		switch {
		case r.Method == http.MethodPut:
			name = "S"
		case strings.HasSuffix(r.URL.Path, "/deactivate"):
			status = "INACTIVE"
		case strings.HasSuffix(r.URL.Path, "/activate"):
			status = "ACTIVE"
		}
		write(w, strings.NewReplacer("ACTIVE", status, `"R"`, `"`+name+`"`).Replace(body))
	}}
	w, err := New(org.clock.options()).Writer(t.Context(), account.Org{URL: org.URL, Share: 1}, testCredential(t, account.Write))
	if err != nil {
		t.Fatal(err)
	}
	done, err := w.Apply(t.Context(), provider.Write{Op: provider.Update, Key: resource.Key{Type: "group_rule", ID: "0pr1"},
		Expect: []byte(body), Want: []byte(strings.Replace(body, `"R"`, `"S"`, 1))})
	if err != nil || name != "S" || status != "ACTIVE" || !strings.Contains(string(done.Resource.Body), `"S"`) {
		t.Errorf("the rule is %s and %s: %v", name, status, err)
	}
}

func TestTooLongAnswer(t *testing.T) {
	t.Parallel()
	org := newFakeOrg(t, answer(200, `[`+strings.Repeat(" ", 2000)+`]`))
	o := org.clock.options()
	o.MaxBody = 1000
	r := testReader(t, org.URL, o)
	if _, err := r.client.do(t.Context(), http.MethodGet, "/api/v1/groups", nil); !problem.Is(err, problem.Unavailable) || org.count() != 1 {
		t.Errorf("%v after %d calls", err, org.count())
	}
}

// The SDK must not see what it takes for a reason to ask again without end, nor a 429.
func TestNoEndlessRetry(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]http.HandlerFunc{"hung up": hangUp, "429": answer(429, `{"errorCode":"E0000047"}`)} {
		org := newFakeOrg(t, bad)
		r := testReader(t, org.URL, org.clock.options())
		_, err := r.client.do(t.Context(), http.MethodGet, "/api/v1/groups", nil)
		if waits := provider.WaitOf(err) != nil; err == nil || waits != (name == "429") || refusalOf(err) != nil || org.count() != tries {
			t.Errorf("%s: %v after %d calls, want %d", name, err, org.count(), tries)
		}
	}
}
