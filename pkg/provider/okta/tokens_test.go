package okta

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"imago/pkg/account"
)

// tokenOrg answers sign-ins: asked[i] is the scope of the ith; refuse and fail
// say which scopes are not granted, and which make the endpoint break.
type tokenOrg struct {
	mu      sync.Mutex
	asked   []string
	revoked []string
	broken  bool // the revoke endpoint

	granted []string
	during  func(scope string) // called before the answer
	fail    string
}

func (o *tokenOrg) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.URL.Path == revokePath {
		if o.broken {
			return plain(r, 503, ""), nil
		}
		o.revoked = append(o.revoked, r.Form.Get("token"))
		return plain(r, 200, ""), nil
	}
	if r.URL.Path == introductionPath {
		return plain(r, 200, `{"id":"00o1","pipeline":"idx"}`), nil
	}
	scope := r.Form.Get("scope")
	o.asked = append(o.asked, scope)
	if o.during != nil {
		o.during(scope)
	}
	if scope == o.fail {
		return plain(r, 503, ""), nil
	}
	for s := range strings.FieldsSeq(scope) {
		if !slices.Contains(o.granted, s) {
			return plain(r, 400, `{"error":"invalid_scope"}`), nil
		}
	}
	return plain(r, 200, `{"access_token":"for `+scope+`","token_type":"Bearer","expires_in":3600}`), nil
}

func plain(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func tokensOf(t *testing.T, org *tokenOrg) *tokens {
	t.Helper()
	o := newTestClock().options()
	o.Transport = org
	return testReader(t, "https://acme.okta.example", o).tokens
}

// A token for one scope, asked for to find out which the app has, must not be
// used for anything: it would make gaps of all the other types.
func TestNarrowTokensAreNotUsed(t *testing.T) {
	t.Parallel()
	org := &tokenOrg{granted: []string{"okta.groups.read", "okta.users.read"}}
	tok := tokensOf(t, org)
	tok.scopes = []string{"okta.groups.read", "okta.users.read", "okta.apps.read"}
	org.during = func(scope string) {
		if current, ok := tok.current(); ok {
			t.Errorf("while %q was asked for, %q was in use", scope, current)
		}
	}
	if got, err := tok.get(t.Context()); err != nil || got != "for okta.groups.read okta.users.read" {
		t.Errorf("%q, %v", got, err)
	}
	if lacks := tok.lacks(tok.scopes); !slices.Equal(lacks, []string{"okta.apps.read"}) {
		t.Errorf("lacks %v", lacks)
	}
}

// The same when finding out ends in the middle.
func TestNarrowTokenIsNotLeft(t *testing.T) {
	t.Parallel()
	org := &tokenOrg{granted: []string{"okta.groups.read", "okta.users.read"}, fail: "okta.users.read"}
	tok := tokensOf(t, org)
	tok.scopes = []string{"okta.groups.read", "okta.users.read", "okta.apps.read"}
	if got, err := tok.get(t.Context()); err == nil {
		t.Fatalf("got %q while the endpoint is broken", got)
	}
	if got, ok := tok.current(); ok {
		t.Errorf("%q is in use", got)
	}
}

// A scope that is granted later counts from the next check or snapshot on, and for what
// goes on for long some minutes later: not only from the end of the token that lacks it,
// and not with a dozen sign-ins for every question whether the org is there. A token
// that lacks none is kept.
func TestNarrowTokenIsRenewed(t *testing.T) {
	t.Parallel()
	const few, all = "for okta.groups.read", "for okta.groups.read okta.apps.read"
	for name, c := range map[string]struct {
		later func(*testClock)
		ask   func(*testing.T, *Reader)
		want  string // the token afterwards
		asked int    // sign-ins for it
	}{
		"Org, at once":            {func(*testClock) {}, asksOrg, few, 0},
		"Org, some minutes later": {func(c *testClock) { c.advance(narrowLife) }, asksOrg, all, 1},
		"a check, at once": {func(*testClock) {}, func(t *testing.T, r *Reader) {
			for _, err := range r.Probe(t.Context()) {
				if err != nil {
					t.Error(err)
				}
				break
			}
		}, all, 1},
		"a snapshot, at once": {func(*testClock) {}, func(_ *testing.T, r *Reader) { r.Renew() }, all, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			org, clock := &tokenOrg{granted: []string{"okta.groups.read"}}, newTestClock()
			o := clock.options()
			o.Transport = org
			r := testReader(t, "https://acme.okta.example", o)
			r.tokens.scopes = []string{"okta.groups.read", "okta.apps.read"}
			get := func(want string) {
				t.Helper()
				if got, err := r.tokens.get(t.Context()); err != nil || got != want {
					t.Errorf("%q, %v; want %q", got, err, want)
				}
			}
			get(few)
			first := len(org.asked)
			org.granted = []string{"okta.groups.read", "okta.apps.read"}
			c.later(clock)
			for range 5 {
				c.ask(t, r)
			}
			get(c.want)
			if n := len(org.asked) - first; n != c.asked {
				t.Errorf("signed in %d times more, want %d: %q", n, c.asked, org.asked)
			}
		})
	}
}

func asksOrg(t *testing.T, r *Reader) {
	t.Helper()
	if _, err := r.Org(t.Context()); err != nil {
		t.Error(err)
	}
}

// What could not be given back is given back when asked again, and not used.
func TestReleaseAgain(t *testing.T) {
	t.Parallel()
	org := &tokenOrg{granted: []string{"okta.groups.read", "okta.users.read"}, broken: true}
	o := newTestClock().options()
	o.Transport = org
	w, err := New(o).Writer(t.Context(), account.Org{URL: "https://acme.okta.example"}, testCredential(t, account.Write))
	if err != nil {
		t.Fatal(err)
	}
	tok := w.(*Writer).tokens
	token, err := tok.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Release(t.Context()); err == nil {
		t.Fatal("released though the org does not answer")
	}
	if _, ok := tok.current(); ok {
		t.Error("the token is still in use")
	}
	org.broken = false
	if err := w.Release(t.Context()); err != nil || !slices.Equal(org.revoked, []string{token}) {
		t.Errorf("given back %v, want %q: %v", org.revoked, token, err)
	}
}
