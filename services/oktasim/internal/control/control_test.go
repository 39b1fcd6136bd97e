package control_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/control"
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

type ports struct {
	*testing.T
	public, back string
	server       *api.Server
}

func start(t *testing.T) ports {
	t.Helper()
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	o, err := org.New(clock.New(func() time.Time { return noon }), org.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	host := api.NewHost(o, limit.New(limit.Options{Multiplier: 1000}))
	served := api.New(host, log)
	public, back := httptest.NewServer(served), httptest.NewServer(control.New(served, log))
	t.Cleanup(public.Close)
	t.Cleanup(back.Close)
	o.SetBase(public.URL)
	return ports{t, public.URL, back.URL, served}
}

func (p ports) send(method, url, body string, header ...string) (int, string) {
	p.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		p.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// ask calls the control port, which must agree.
func (p ports) ask(method, path, body string) doc.Doc {
	p.Helper()
	status, text := p.send(method, p.back+"/control/v1"+path, body)
	d, err := doc.ParseObject([]byte(text))
	if err != nil || status != 200 {
		p.Fatalf("%s %s: got %d %s", method, path, status, text)
	}
	return d
}

func TestDemoTokenAndReset(t *testing.T) {
	t.Parallel()
	p := start(t)
	made := p.ask("POST", "/seed", `{"preset":"demo"}`)
	finance := doc.String(made, "groups", "Finance")
	if finance == "" {
		t.Fatalf("made %v", made)
	}
	token := p.ask("POST", "/api-tokens", `{"login":"`+doc.String(made, "admins", "other")+`"}`)
	auth := []string{"Authorization", "SSWS " + doc.String(token, "token")}
	if status, body := p.send("DELETE", p.public+"/api/v1/groups/"+finance, "", auth...); status != 204 {
		t.Errorf("the other administrator cannot delete a group: %d %s", status, body)
	}
	counts := p.ask("GET", "/requests", "")
	if n, _ := doc.Int(counts, "templates", "DELETE /api/v1/groups/{groupId}"); n != 1 {
		t.Errorf("counts %v", counts)
	}
	if n, _ := doc.Int(p.ask("DELETE", "/requests", ""), "total"); n != 0 {
		t.Error("the counts were not reset")
	}
	p.ask("POST", "/reset", "")
	if n, _ := doc.Int(p.ask("GET", "/org", ""), "counts", "users"); n != 0 {
		t.Errorf("%d users after a reset", n)
	}
	if status, _ := p.send("GET", p.public+"/api/v1/groups", "", auth...); status != 401 {
		t.Errorf("a token outlived the reset: %d", status)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	p := start(t)
	if now := p.ask("POST", "/clock", `{"advance":"90s"}`)["now"]; now != "2026-03-02T12:01:30Z" {
		t.Errorf("now is %v", now)
	}
	if now := p.ask("POST", "/clock", `{"set":"2027-01-01T00:00:00Z"}`)["now"]; now != "2027-01-01T00:00:00Z" {
		t.Errorf("now is %v", now)
	}
	if got := p.ask("GET", "/clock", "")["now"]; got != "2027-01-01T00:00:00Z" {
		t.Errorf("now is %v", got)
	}
}

func TestAdminsAndServiceApps(t *testing.T) {
	t.Parallel()
	p := start(t)
	a := p.ask("POST", "/admins", `{"login":"eve@x.example","role":"SUPER_ADMIN","ip":"203.0.113.9","firstName":"Eve","lastName":"Ng"}`)
	again := p.ask("POST", "/admins", `{"login":"eve@x.example","role":"SUPER_ADMIN"}`)
	if a["id"] != again["id"] || a["ip"] != "203.0.113.9" || a["name"] != "Eve Ng" {
		t.Errorf("got %v, then %v", a, again)
	}
	app := p.ask("POST", "/service-apps", `{"label":"Backup","role":"READ_ONLY_ADMIN","scopes":["okta.groups.read"]}`)
	if !strings.Contains(doc.String(app, "privateKey"), "BEGIN PRIVATE KEY") || doc.String(app, "clientId") == "" {
		t.Errorf("got %v", app)
	}
	status, body := p.send("GET", p.public+"/api/v1/apps/"+doc.String(app, "id")+"/grants", "", "Authorization", "SSWS "+doc.String(a, "token"))
	if status != 200 || !strings.Contains(body, "okta.groups.read") {
		t.Errorf("grants: %d %s", status, body)
	}
}

func TestFaultsAndLimits(t *testing.T) {
	t.Parallel()
	p := start(t)
	auth := []string{"Authorization", "SSWS " + doc.String(p.ask("POST", "/admins", `{"login":"eve@x.example","role":"SUPER_ADMIN"}`), "token")}
	p.ask("POST", "/faults", `{"method":"GET","path":"/api/v1/groups*","kind":"status","status":502,"count":1}`)
	if status, _ := p.send("GET", p.public+"/api/v1/groups", "", auth...); status != 502 {
		t.Errorf("got %d", status)
	}
	listed, ok := p.ask("GET", "/faults", "")["faults"].([]any)
	if n, _ := doc.Int(listed[0].(doc.Doc), "fired"); !ok || n != 1 {
		t.Errorf("faults %v", listed)
	}
	p.ask("DELETE", "/faults", "")
	p.ask("POST", "/limits", `{"bucket":"/api/v1/groups","limit":2}`)
	for i, want := range []int{200, 429} {
		if status, body := p.send("GET", p.public+"/api/v1/groups", "", auth...); status != want {
			t.Errorf("request %d: got %d %s, want %d", i, status, body, want)
		}
	}
	p.ask("POST", "/limits", `{"bucket":"/api/v1/groups","limit":100,"others":200}`)
	p.send("GET", p.public+"/api/v1/groups", "", auth...)
	p.ask("POST", "/clock", `{"advance":"31s"}`)
	if status, body := p.send("GET", p.public+"/api/v1/groups", "", auth...); status != 429 {
		t.Errorf("others have used the bucket up, and yet: %d %s", status, body)
	}
	p.ask("POST", "/limits", `{"busy":75}`)
	if status, body := p.send("GET", p.public+"/api/v1/apps", "", auth...); status != 429 {
		t.Errorf("others have all requests running, and yet: %d %s", status, body)
	}
}

func TestStateTravels(t *testing.T) {
	t.Parallel()
	a, b := start(t), start(t)
	a.ask("POST", "/seed", `{"preset":"demo"}`)
	_, state := a.send("GET", a.back+"/control/v1/state", "")
	_, before := b.send("GET", b.back+"/control/v1/state?only=objects", "")
	b.ask("PUT", "/state", state)
	_, want := a.send("GET", a.back+"/control/v1/state?only=objects", "")
	_, got := b.send("GET", b.back+"/control/v1/state?only=objects", "")
	if got != want || got == before || strings.Contains(got, `"apiTokens"`) {
		t.Error("the state did not travel")
	}
}

// state is the org's, without its clock.
func (p ports) state() string {
	p.Helper()
	_, body := p.send("GET", p.back+"/control/v1/state?only=objects", "")
	return body
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, c := range []struct{ path, body, words string }{
		{"/seed", `{"preset":"moon"}`, "preset"},
		{"/seed", `{"user":1}`, "user"},
		{"/clock", `{"advance":"soon"}`, "advance"},
		{"/clock", `{"set":"today"}`, "set"},
		{"/clock", `{}`, "advance"},
		{"/faults", `{"kind":"status"}`, "status"},
		{"/faults", `{"kind":"delay","delay":3}`, "3 is not a duration"},
		{"/faults", `{"kind":"delay"} {}`, "more after the object"},
		{"/faults", `[]`, "array does not belong there"},
		{"/faults", `{"kind":5}`, "kind: number"},
		{"/api-tokens", `{"login":"nobody@x.example"}`, "nobody@x.example"},
		{"/admins", `{"login":"eve@x.example","role":"KING"}`, "KING"},
		{"/admins", `{"login":"eve@x.example","ip":"here"}`, "ip"},
		{"/service-apps", `{"label":"a","role":"KING"}`, "KING"},
		{"/service-apps", `{"label":"a","scopes":["openid"]}`, "openid"},
		{"/limits", `{"bucket":"b","limit":-1}`, "limit"},
		{"/limits", `{"bucket":"b","limit":1}`, "bucket"},
		{"/limits", `{"bucket":"/api/v1/apps"}`, "bucket"},
		{"/limits", `{"others":3}`, "bucket"},
		{"/limits", `{"share":2}`, "share"},
		{"/features", `{"name":"telepathy","on":false}`, "telepathy"},
		{"/features", `{"name":"realms"}`, "on: must be"},
		{"/seed", `{`, "read the request"},
	} {
		before := p.state()
		status, body := p.send("POST", p.back+"/control/v1"+c.path, c.body)
		if p.state() != before {
			t.Errorf("%s %s changed the org", c.path, c.body)
		}
		if status != 400 || !strings.Contains(body, c.words) {
			t.Errorf("%s %s: got %d %s, want 400 with %q", c.path, c.body, status, body, c.words)
		}
	}
	if status, body := p.send("GET", p.back+"/control/v1/seed", ""); status != 404 || !strings.Contains(body, `"error":"the control port has no GET /control/v1/seed"`) {
		t.Errorf("an unknown request got %d %s", status, body)
	}
	if status, body := p.send("PUT", p.back+"/control/v1/state", `{}`); status != 400 || !strings.Contains(body, "objects.info.id") {
		t.Errorf("an empty state got %d %s", status, body)
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.ask("POST", "/admins", `{"login":"a@x.example","role":"SUPER_ADMIN"}`)
	token := doc.String(p.ask("POST", "/api-tokens", `{"login":"a@x.example"}`), "token")
	read := func() int {
		t.Helper()
		status, _ := p.send("GET", p.public+"/api/v1/realms", "", "Authorization", "SSWS "+token)
		return status
	}
	for _, step := range []struct {
		body   string
		lacks  []string
		status int
	}{
		{`{"name":"realms","on":false}`, []string{"realms"}, 401}, {`{"name":"realms","on":true}`, []string{}, 200},
	} {
		answer := p.ask("POST", "/features", step.body)
		if got := doc.Strings(answer, "unlicensed"); !slices.Equal(got, step.lacks) || read() != step.status {
			t.Errorf("%s: got %v, and realms answer %d", step.body, answer, read())
		}
	}
}
