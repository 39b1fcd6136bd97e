package control_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// at sends a request to the public port under a host name, and returns the answer.
func (p ports) at(host, path, token string) (int, string, http.Header) {
	p.Helper()
	r := httptest.NewRequest("GET", p.public+path, nil)
	r.Host = host
	r.Header.Set("Authorization", "SSWS "+token)
	w := httptest.NewRecorder()
	p.server.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

// TestOrgs makes an org with a host name and one below a path, beside the default one,
// and gives each a group of its own.
func TestOrgs(t *testing.T) {
	t.Parallel()
	p := start(t)
	one := p.ask("POST", "/orgs", `{"name":"one","hosts":["One.okta.example"],"engine":"classic","seed":7}`)
	two := p.ask("POST", "/orgs", `{"name":"two"}`)
	if got := doc.String(two, "url"); got != p.public+"/orgs/two" {
		t.Errorf("the second is at %s", got)
	}
	if got := doc.String(one, "url"); !strings.HasPrefix(got, "http://One.okta.example:") {
		t.Errorf("the first is at %s", got)
	}
	tokens := map[string]string{}
	for name, part := range map[string]string{"home": "", "one": "/orgs/one", "two": "/orgs/two"} {
		tokens[name] = doc.String(p.ask("POST", part+"/admins", `{"login":"eve@`+name+`.example","role":"SUPER_ADMIN"}`), "token")
	}
	for _, c := range []struct{ host, path, token, login string }{
		{"one.okta.example", "/api/v1/users/me", "one", "eve@one.example"},
		{"one.okta.example:443", "/api/v1/users/me", "one", "eve@one.example"},
		{"anything.example", "/api/v1/users/me", "home", "eve@home.example"},
		{"anything.example", "/orgs/two/api/v1/users/me", "two", "eve@two.example"},
		{"one.okta.example", "/orgs/two/api/v1/users/me", "two", "eve@two.example"},
	} {
		if status, body, _ := p.at(c.host, c.path, tokens[c.token]); status != 200 || !strings.Contains(body, `"`+c.login+`"`) {
			t.Errorf("%s%s: got %d %s, want %s", c.host, c.path, status, body, c.login)
		}
	}
	if status, _, _ := p.at("one.okta.example", "/api/v1/users/me", tokens["two"]); status != 401 {
		t.Errorf("a token of another org got %d", status)
	}
	_, body, header := p.at("", "/orgs/two/api/v1/users?limit=1", tokens["two"])
	if link := header.Get("Link"); !strings.HasPrefix(link, "<"+p.public+"/orgs/two/api/v1/users?") || !strings.Contains(body, p.public+"/orgs/two/api/v1/users/") {
		t.Errorf("links of the second: %s and %s", link, body)
	}
}

// TestOrgsAreApart moves the clock of one and breaks another.
func TestOrgsAreApart(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, name := range []string{"one", "two"} {
		p.ask("POST", "/orgs", `{"name":"`+name+`"}`)
	}
	token := doc.String(p.ask("POST", "/orgs/one/admins", `{"login":"eve@x.example","role":"SUPER_ADMIN"}`), "token")
	p.ask("POST", "/orgs/two/clock", `{"set":"2031-01-01T00:00:00Z"}`)
	p.ask("POST", "/orgs/two/faults", `{"kind":"status","status":500}`)
	p.ask("POST", "/orgs/two/features", `{"name":"realms","on":false}`)
	if status, _, _ := p.at("", "/orgs/one/api/v1/realms", token); status != 200 {
		t.Errorf("the first answers %d", status)
	}
	if now := doc.String(p.ask("GET", "/orgs/one/clock", ""), "now"); strings.HasPrefix(now, "2031") {
		t.Errorf("the first has the clock of the second: %s", now)
	}
	if n, _ := doc.Int(p.ask("GET", "/orgs/two/requests", ""), "total"); n != 0 {
		t.Errorf("the second counted %d requests of the first", n)
	}
	if list, ok := p.ask("DELETE", "/orgs/two", "")["orgs"].([]any); !ok || len(list) != 1 {
		t.Errorf("after the second was deleted there are %v", list)
	}
	if status, _, _ := p.at("", "/orgs/two/api/v1/realms", token); status != 404 {
		t.Errorf("the second still answers: %d", status)
	}
}

func TestOrgRefusals(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.ask("POST", "/orgs", `{"name":"one","hosts":["one.example"]}`)
	for body, words := range map[string]string{
		`{"name":"One/Two"}`:                     "name",
		`{}`:                                     "name",
		`{"name":"one"}`:                         "already",
		`{"name":"two","hosts":["ONE.example"]}`: "hosts",
		`{"name":"two","hosts":["a/b"]}`:         "hosts",
		`{"name":"two","url":"acme.example"}`:    "url",
		`{"name":"two","url":"http://a.b/"}`:     "url",
		`{"name":"two","engine":"steam"}`:        "engine",
		`{"name":"two","ratePlan":"none"}`:       "ratePlan",
		`{"name":"two","rateMultiplier":-1}`:     "rateMultiplier",
		`{"name":"two","colour":"blue"}`:         "colour",
	} {
		if status, got := p.send("POST", p.back+"/control/v1/orgs", body); status != 400 || !strings.Contains(got, words) {
			t.Errorf("%s: got %d %s, want 400 with %q", body, status, got, words)
		}
	}
	for _, c := range [][2]string{{"DELETE", "/orgs/none"}, {"GET", "/orgs/none/clock"}} {
		if status, got := p.send(c[0], p.back+"/control/v1"+c[1], ""); status != 400 || !strings.Contains(got, "none") {
			t.Errorf("%v: got %d %s", c, status, got)
		}
	}
}
