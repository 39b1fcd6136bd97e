package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
)

// browser signs in as a browser does, and gives the cookie that it was set.
func (w *world) browser(email string) *http.Cookie {
	w.t.Helper()
	a := w.requestCode(email)
	w.mail(a.GetAttemptId(), "123456")
	res, err := w.stranger().signIn.ExchangeCode(w.t.Context(), req(&imagov1.ExchangeCodeRequest{
		AttemptId: a.GetAttemptId(), ClientSecret: a.GetClientSecret(), Code: "123456", Cookie: true,
	}))
	if err != nil {
		w.t.Fatal(err)
	}
	if res.Msg.GetToken() != "" {
		w.t.Errorf("the answer shows the token to scripts")
	}
	c, err := http.ParseSetCookie(res.Header().Get("Set-Cookie"))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// asks calls WhoAmI with headers of a browser's own, and gives the status.
func (w *world) asks(header http.Header) int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/imago.v1.SignInService/WhoAmI", strings.NewReader("{}"))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode
}

func TestCookieIsOutOfReachOfScriptsAndOtherSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	c := w.browser(address(t))
	if c.Name != "__Host-imago" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %v", c)
	}
	session := func(more ...string) http.Header {
		h := http.Header{"Cookie": {c.Name + "=" + c.Value}}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	for name, try := range map[string]struct {
		header http.Header
		want   int
	}{
		"the console":             {session("Sec-Fetch-Site", "same-origin", "Origin", w.url), 200},
		"another site":            {session("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), 403},
		"a neighbour's host":      {session("Sec-Fetch-Site", "same-site", "Origin", "https://other.example.com"), 403},
		"an old browser":          {session("Origin", "https://evil.example"), 403},
		"a sandboxed frame":       {session("Origin", "null"), 403},
		"a cookie of another":     {http.Header{"Cookie": {c.Name + "=imago_" + strings.Repeat("x", 43)}}, 401},
		"a cookie without prefix": {http.Header{"Cookie": {"imago=" + c.Value}}, 401},
		"another scheme":          {session("Authorization", "Basic "+c.Value), 401},
		"a bearer that is wrong":  {session("Authorization", "Bearer imago_wrong"), 401},
	} {
		if got := w.asks(try.header); got != try.want {
			t.Errorf("%s: %d, want %d", name, got, try.want)
		}
	}
}

func TestSigningOutTakesTheCookieBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	c := w.browser(address(t))
	p := w.clients(&person{token: c.Value})
	res, err := p.signIn.SignOut(t.Context(), req(&imagov1.SignOutRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	gone, err := http.ParseSetCookie(res.Header().Get("Set-Cookie"))
	if err != nil || gone.Name != c.Name || gone.Value != "" || gone.Expires.Year() > 1970 {
		t.Errorf("signing out sets %v, %v", gone, err)
	}
	if _, err := p.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the token lives on: %v", err)
	}
}

// A browser's session ends sooner than a command line's, and no later for being used.
func TestWebSessionsAreShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	p := w.clients(&person{token: w.browser(address(t)).Value})
	digest := hash(p.token)
	w.exec(`update sessions set seen_at = now() - interval '1 hour' where token_hash = $1`, digest[:])
	res, err := p.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	s := res.Msg.GetSession()
	idle, life := time.Until(s.GetIdleExpiresAt().AsTime()), time.Until(s.GetExpiresAt().AsTime())
	if idle.Hours() > 12 || idle.Hours() < 11 || life.Hours() > 7*24 || life.Hours() < 7*24-1 {
		t.Errorf("it lives %v unused, %v in all; want 12 hours and a week", idle, life)
	}
}

func TestSessionTellsWhatTheRoleAllows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	owner := w.owner()
	for role, want := range map[account.Role]string{
		account.Viewer: "view_account", account.Auditor: "open_snapshot view_account view_activity",
	} {
		res, err := w.member(owner, role).signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(res.Msg.GetSession().GetActions(), " "); got != want {
			t.Errorf("%s may %s, want %s", role, got, want)
		}
	}
}
