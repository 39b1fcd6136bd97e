package control_test

import (
	"encoding/json"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// TestSessions changes something in each kind of session and reads in the log who did.
func TestSessions(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.ask("POST", "/seed", `{"preset":"demo"}`)
	reader := doc.String(p.ask("POST", "/sessions", `{"role":"SUPER_ADMIN"}`), "authorization")
	for _, c := range []struct{ kind, body, actor, ip, agent, browser, session string }{
		{"ssws", `{"login":"zoe@x.example","role":"SUPER_ADMIN","ip":"203.0.113.7","userAgent":"tool/1"}`, "zoe@x.example", "203.0.113.7", "tool/1", "UNKNOWN", "trs"},
		{"console", `{"kind":"console","role":"ORG_ADMIN","ip":"2001:db8::7"}`, "robin.vale@", "2001:db8::7", "Chrome", "CHROME", "idx"},
		{"oauth", `{"kind":"oauth","role":"SUPER_ADMIN","scopes":["okta.groups.manage"],"ip":"192.0.2.3","userAgent":"job"}`, "0oa", "192.0.2.3", "job", "UNKNOWN", ""},
	} {
		a := p.ask("POST", "/sessions", c.body)
		auth := []string{"Authorization", doc.String(a, "authorization")}
		if status, got := p.send("POST", p.public+"/api/v1/groups", `{"profile":{"name":"`+c.kind+`"}}`, auth...); status != 200 {
			t.Fatalf("%s: got %d %s", c.kind, status, got)
		}
		_, log := p.send("GET", p.public+"/api/v1/logs?sortOrder=DESCENDING&limit=1", "", "Authorization", reader)
		e, err := doc.ParseObject([]byte(strings.Trim(log, "[]")))
		if err != nil {
			t.Fatalf("%v in %s", err, log)
		}
		if got := doc.String(e, "client", "ipAddress"); got != c.ip {
			t.Errorf("%s: from %s, want %s", c.kind, got, c.ip)
		}
		agent := doc.Object(e, "client", "userAgent")
		if !strings.Contains(doc.String(agent, "rawUserAgent"), c.agent) || agent["browser"] != c.browser {
			t.Errorf("%s: user agent %v", c.kind, agent)
		}
		if got := doc.String(e, "actor", "alternateId"); !strings.HasPrefix(got, c.actor) {
			t.Errorf("%s: actor %s, want %s", c.kind, got, c.actor)
		}
		if got := doc.String(e, "authenticationContext", "externalSessionId"); !strings.HasPrefix(got, c.session) {
			t.Errorf("%s: session %s", c.kind, got)
		}
		if _, byToken := doc.Object(e, "transaction", "detail")["requestApiTokenId"]; byToken != (c.kind == "ssws") {
			t.Errorf("%s: transaction %v", c.kind, e["transaction"])
		}
	}
}

func TestSessionRefusals(t *testing.T) {
	t.Parallel()
	p := start(t)
	for body, words := range map[string]string{
		`{}`: "login", `{"kind":"cookie","login":"a@x.example"}`: "kind", `{"login":"a@x.example","ip":"here"}`: "ip",
		`{"kind":"oauth","role":"ORG_ADMIN"}`: "scopes", `{"role":"KING"}`: "KING",
		`{"kind":"oauth","role":"ORG_ADMIN","scopes":["mine"]}`: "scopes",
	} {
		if status, got := p.send("POST", p.back+"/control/v1/sessions", body); status != 400 || !strings.Contains(got, words) {
			t.Errorf("%s: got %d %s, want 400 with %q", body, status, got, words)
		}
	}
	if counts := doc.Object(p.ask("GET", "/org", ""), "counts"); counts["users"] != json.Number("0") || counts["apps"] != json.Number("0") {
		t.Errorf("refusals left something behind: %v", counts)
	}
}

func TestRowsOfRequests(t *testing.T) {
	t.Parallel()
	p := start(t)
	auth := []string{"Authorization", doc.String(p.ask("POST", "/sessions", `{"login":"a@x.example","role":"SUPER_ADMIN"}`), "authorization")}
	for _, path := range []string{"/api/v1/groups", "/api/v1/groups", "/api/v1/groups/none", "/api/v1/nothing"} {
		p.send("GET", p.public+path, "", auth...)
	}
	var got []string
	for _, row := range p.ask("GET", "/requests", "")["rows"].([]any) {
		r := row.(doc.Doc)
		got = append(got, string(mustBytes(t, []any{r["bucket"], r["template"], r["status"], r["client"], r["count"]})))
	}
	want := `["/","unknown",404,"none",1] ["/api/v1/groups","/api/v1/groups",200,"a@x.example",2] ["/api/v1/groups/{id}","/api/v1/groups/{groupId}",404,"a@x.example",1]`
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

func mustBytes(t *testing.T, v any) []byte {
	t.Helper()
	b, err := doc.Bytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
