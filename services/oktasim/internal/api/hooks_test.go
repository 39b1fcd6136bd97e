package api_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// received is one request that a hook was sent.
type received struct {
	method, path string
	header       http.Header
	body         string
}

// endpoint is a service that the org's hooks at hooks.example.com call. It answers with
// reply, whose text may hold the challenge as %s.
type endpoint struct {
	calls  chan received
	status int
	reply  string
}

func (s *sim) endpoint() *endpoint {
	s.Helper()
	e := &endpoint{calls: make(chan received, 100), status: 200, reply: `{"verification":"%s"}`}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			s.Error(err)
		}
		e.calls <- received{r.Method, r.URL.Path, r.Header, string(b)}
		w.WriteHeader(e.status)
		if _, err := io.WriteString(w, strings.ReplaceAll(e.reply, "%s", r.Header.Get("X-Okta-Verification-Challenge"))); err != nil {
			s.Error(err)
		}
	}))
	s.Cleanup(server.Close)
	if err := s.host.Hooks.Lead("hooks.example.com", server.URL); err != nil {
		s.Fatal(err)
	}
	return e
}

// one waits for deliveries to end and returns the only call.
func (e *endpoint) one(s *sim) received {
	s.Helper()
	s.host.Settle()
	if len(e.calls) != 1 {
		s.Fatalf("%d calls", len(e.calls))
	}
	return <-e.calls
}

func eventHook(filter any, items ...string) doc.Doc {
	return doc.Doc{
		"name":   "hook",
		"events": doc.Doc{"type": "EVENT_TYPE", "items": doc.Array(items...), "filter": filter},
		"channel": doc.Doc{"type": "HTTP", "version": "1.0.0", "config": doc.Doc{
			"uri": "https://hooks.example.com/in", "headers": []any{doc.Doc{"key": "X-Mine", "value": "1"}},
			"authScheme": doc.Doc{"type": "HEADER", "key": "Authorization", "value": "secret"},
		}},
	}
}

// group makes a group and returns its id.
func (s *sim) group(name string) string {
	s.Helper()
	return doc.String(s.do("POST", "/api/v1/groups", doc.Doc{"profile": doc.Doc{"name": name}}).object(s.T), "id")
}

func TestEventHookVerification(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.endpoint()
	hook := s.do("POST", "/api/v1/eventHooks", eventHook(nil, "group.lifecycle.create")).object(t)
	path := "/api/v1/eventHooks/" + doc.String(hook, "id")
	for _, bad := range []endpoint{{status: 200, reply: `{"verification":"wrong"}`}, {status: 404, reply: `{}`}, {status: 200, reply: `yes`}} {
		e.status, e.reply = bad.status, bad.reply
		a := s.do("POST", path+"/lifecycle/verify", nil)
		if a.status != 400 || doc.String(a.object(t), "errorCode") != "E0000001" {
			t.Errorf("%d %s: %d %s", bad.status, bad.reply, a.status, a.body)
		}
		<-e.calls
	}
	if got := doc.String(s.do("GET", path, nil).object(t), "verificationStatus"); got != "UNVERIFIED" {
		t.Errorf("verified by wrong answers: %s", got)
	}
	e.status, e.reply = 200, `{"verification":"%s"}`
	if a := s.do("POST", path+"/lifecycle/verify", nil); doc.String(a.object(t), "verificationStatus") != "VERIFIED" {
		t.Errorf("%d %s", a.status, a.body)
	}
	call := e.one(s)
	if call.method != "GET" || call.path != "/in" || call.body != "" || call.header.Get("Authorization") != "secret" {
		t.Errorf("%+v", call)
	}
}

func TestEventHookDelivery(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.endpoint()
	hook := s.do("POST", "/api/v1/eventHooks", eventHook(nil, "group.lifecycle.create", "user.lifecycle.create")).object(t)
	path := "/api/v1/eventHooks/" + doc.String(hook, "id")
	s.group("Nobody is told before the hook is verified")
	s.do("POST", path+"/lifecycle/verify", nil)
	e.one(s)
	id := s.group("Told")
	call := e.one(s)
	if call.method != "POST" || call.header.Get("Authorization") != "secret" || call.header.Get("X-Mine") != "1" {
		t.Errorf("%+v", call)
	}
	body, err := doc.ParseObject([]byte(call.body))
	if err != nil {
		t.Fatal(err)
	}
	events, ok := doc.Get(body, "data", "events").([]any)
	if !ok || len(events) != 1 || doc.String(body, "eventType") != "com.okta.event_hook" || doc.String(body, "source") != s.url+path {
		t.Fatalf("%s", call.body)
	}
	logged := s.do("GET", "/api/v1/logs?filter="+"target.id+eq+%22"+id+"%22", nil).list(t)
	if len(logged) != 1 || doc.String(logged[0], "uuid") != doc.String(events[0].(doc.Doc), "uuid") {
		t.Errorf("the log has %v, the hook got %v", logged, events)
	}
	s.do("DELETE", "/api/v1/groups/"+id, nil)
	s.do("POST", path+"/lifecycle/deactivate", nil)
	s.group("Nobody is told after the deactivation")
	s.host.Settle()
	if len(e.calls) != 0 {
		t.Errorf("also told: %+v", <-e.calls)
	}
}

func TestEventHookFilter(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.endpoint()
	filter := func(expression string) doc.Doc {
		return doc.Doc{"eventFilterMap": []any{doc.Doc{"event": "group.lifecycle.create", "condition": doc.Doc{"expression": expression}}}}
	}
	hook := s.do("POST", "/api/v1/eventHooks", eventHook(filter("event.target.?[displayName eq 'Choir'].size()>0"), "group.lifecycle.create")).object(t)
	if doc.String(hook, "events", "filter", "type") != "EXPRESSION_LANGUAGE" {
		t.Errorf("%v", hook)
	}
	s.do("POST", "/api/v1/eventHooks/"+doc.String(hook, "id")+"/lifecycle/verify", nil)
	e.one(s)
	s.group("Orchestra")
	s.group("Choir")
	if call := e.one(s); !strings.Contains(call.body, `"displayName":"Choir"`) {
		t.Errorf("%s", call.body)
	}
	for _, bad := range []doc.Doc{eventHook(filter("event.target.?["), "group.lifecycle.create"), eventHook(nil, "no.such.event")} {
		bad["name"] = "bad"
		if a := s.do("POST", "/api/v1/eventHooks", bad); a.status != 400 || !strings.Contains(string(a.body), "events.") {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

func TestEventHookDeliveryThatFails(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.endpoint()
	hook := s.do("POST", "/api/v1/eventHooks", eventHook(nil, "group.lifecycle.create")).object(t)
	s.do("POST", "/api/v1/eventHooks/"+doc.String(hook, "id")+"/lifecycle/verify", nil)
	e.one(s)
	e.status = 503
	s.group("Told twice")
	s.host.Settle()
	if len(e.calls) != 2 {
		t.Errorf("%d calls, want one and one more", len(e.calls))
	}
	logged := s.do("GET", "/api/v1/logs?filter=eventType+eq+%22event_hook.delivery%22", nil).list(t)
	if len(logged) != 1 || doc.String(logged[0], "outcome", "result") != "FAILURE" || !strings.Contains(doc.String(logged[0], "outcome", "reason"), "503") {
		t.Errorf("%v", logged)
	}
}

// inlineHook makes one whose channel has the config and returns its path.
func (s *sim) inlineHook(kind string, config doc.Doc) string {
	s.Helper()
	config["uri"] = "https://hooks.example.com/inline"
	hook := s.do("POST", "/api/v1/inlineHooks", doc.Doc{
		"name": "inline", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
		"channel": doc.Doc{"type": kind, "version": "1.0.0", "config": config},
	}).object(s.T)
	return "/api/v1/inlineHooks/" + doc.String(hook, "id")
}

func TestInlineHookExecution(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.endpoint()
	path := s.inlineHook("HTTP", doc.Doc{"authScheme": doc.Doc{"type": "HEADER", "key": "Authorization", "value": "secret"}})
	for _, test := range []struct {
		status int
		reply  string
		code   string
	}{
		{200, `{"commands":[{"type":"com.okta.access.patch","value":[]}]}`, ""},
		{200, `{"error":{"errorSummary":"not today"}}`, "E0000135"},
		{403, `{}`, "E0000135"},
		{200, `[]`, "E0000001"},
	} {
		e.status, e.reply = test.status, test.reply
		a := s.do("POST", path+"/execute", doc.Doc{"source": "test", "data": doc.Doc{"n": json.Number("1")}})
		if test.code == "" && (a.status != 200 || string(a.body) != test.reply) || doc.String(a.object(t), "errorCode") != test.code {
			t.Errorf("%d %s: %d %s", test.status, test.reply, a.status, a.body)
		}
		if call := <-e.calls; call.method != "POST" || call.path != "/inline" || call.body != `{"data":{"n":1},"source":"test"}` || call.header.Get("Authorization") != "secret" {
			t.Errorf("%+v", call)
		}
	}
	if n := len(s.do("GET", "/api/v1/logs?filter=eventType+eq+%22inline_hook.executed%22", nil).list(t)); n != 1 {
		t.Errorf("%d executions in the log", n)
	}
	s.do("POST", path+"/lifecycle/deactivate", nil)
	if a := s.do("POST", path+"/execute", doc.Doc{}); a.status != 400 || len(e.calls) != 0 {
		t.Errorf("an inactive hook was called: %d", a.status)
	}
}

func TestInlineHookWithoutAnybodyThere(t *testing.T) {
	t.Parallel()
	s := start(t)
	if a := s.do("POST", s.inlineHook("HTTP", doc.Doc{})+"/execute", doc.Doc{}); a.status != 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestInlineHookWithOAuth(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.endpoint()
	e.reply = `{"access_token":"tok"}`
	path := s.inlineHook("OAUTH", doc.Doc{
		"authType": "client_secret_post", "clientId": "me", "clientSecret": "hush", "scope": "hook", "tokenUrl": "https://hooks.example.com/token",
	})
	if a := s.do("POST", path+"/execute", doc.Doc{}); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if call := <-e.calls; call.path != "/token" || call.body != "client_id=me&client_secret=hush&grant_type=client_credentials&scope=hook" {
		t.Errorf("%+v", call)
	}
	if call := <-e.calls; call.header.Get("Authorization") != "Bearer tok" {
		t.Errorf("%+v", call)
	}
}

func TestInlineHookWithKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.endpoint()
	e.reply = `{"access_token":"tok"}`
	key := s.do("POST", "/api/v1/hook-keys", doc.Doc{"name": "key"}).object(t)
	path := s.inlineHook("OAUTH", doc.Doc{
		"authType": "private_key_jwt", "clientId": "me", "hookKeyId": doc.String(key, "id"), "scope": "hook", "tokenUrl": "https://hooks.example.com/token",
	})
	if a := s.do("POST", path+"/execute", doc.Doc{}); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	form := parseForm(t, (<-e.calls).body)
	n, err := base64.RawURLEncoding.DecodeString(doc.String(key, "_embedded", "n"))
	if err != nil {
		t.Fatal(err)
	}
	checkSignature(t, form.Get("client_assertion"), &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})
	if form.Get("client_secret") != "" || form.Get("client_assertion_type") == "" {
		t.Errorf("%v", form)
	}
}

func parseForm(t *testing.T, body string) url.Values {
	t.Helper()
	form, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// checkSignature fails unless the compact JWT was signed with the key's private half.
func checkSignature(t *testing.T, token string, key *rsa.PublicKey) {
	t.Helper()
	at := strings.LastIndex(token, ".")
	if at < 0 {
		t.Fatalf("not a JWT: %q", token)
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(token[:at]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
}
