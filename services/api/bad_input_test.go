package api

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/proto"
	imagov1 "imago/proto/imago/v1"
)

const nobodys = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"

// input finds an RPC's request type.
func input(t *testing.T, procedure string) protoreflect.MessageDescriptor {
	t.Helper()
	name := strings.ReplaceAll(strings.TrimPrefix(procedure, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatal(err)
	}
	return d.(protoreflect.MethodDescriptor).Input()
}

// send calls an RPC with JSON, by the Connect protocol, and gives the Problem's text.
func (w *world) send(p *person, procedure, body string) (status int, answer string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+procedure, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	from{p.token, w.ip}.sign(r.Header)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// state is all that bad input must leave as it is.
func (w *world) state(p *person) string {
	w.t.Helper()
	var s string
	w.row([]any{&s}, `select concat_ws('/',
		(select count(*) from connections where account_id = $1), (select max(c::text) from connections c where account_id = $1),
		(select string_agg(c::text, ',' order by id) from credentials c where account_id = $1),
		(select count(*) from snapshots where account_id = $1), (select string_agg(r::text, ',' order by id) from restores r where account_id = $1),
		(select count(*) from schedules where account_id = $1), (select count(*) from findings where account_id = $1),
		(select count(*) from sessions where account_id = $1 and revoked_at is not null),
		(select count(*) from river.river_job where args ->> 'account_id' = $1::text))`, p.account)
	return s
}

// TestMalformedRequestsOfEveryRPC sends every unary RPC of the contract what is none of
// its requests.
func TestMalformedRequestsOfEveryRPC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	p := w.owner()
	w.db.Connection(t, p.account)
	before := w.state(p)
	for _, procedure := range procedures() {
		if streaming[procedure[strings.LastIndexByte(procedure, '/')+1:]] {
			continue
		}
		for body, field := range map[string]string{`{`: "body", `[]`: "body", `"x"`: "body", `{"no_such_field":1}`: "no_such_field", ``: "body"} {
			status, answer := w.send(p, procedure, body)
			if status != 400 || !strings.Contains(answer, `"field":"`+field+`"`) || !strings.Contains(answer, `"hint":"`) {
				t.Errorf("%s %q: %d %s; want 400 in %s", procedure, body, status, answer, field)
			}
		}
		if status, answer := w.send(p, procedure, `{"x":"`+strings.Repeat("y", maxBody)+`"}`); status != 429 || !strings.Contains(answer, "too large") {
			t.Errorf("%s: a large body: %d %.200s", procedure, status, answer)
		}
	}
	if after := w.state(p); after != before {
		t.Errorf("something changed: %s, was %s", after, before)
	}
}

// TestIDsOfEveryRPC puts what is no ID, and IDs of somebody else's things, into every
// field of the contract that takes an ID.
func TestIDsOfEveryRPC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	mine, theirs := w.owner(), w.owner()
	own, others := w.ids(mine), w.ids(theirs)
	before := w.state(mine) + w.state(theirs)
	tried := 0
	for _, procedure := range procedures() {
		in := input(t, procedure)
		for i := range in.Fields().Len() {
			field := string(in.Fields().Get(i).Name())
			if _, ok := own[field]; !ok {
				continue
			}
			for _, bad := range []struct{ value, code string }{
				{"", "invalid"}, {"7", "invalid"}, {"' or true --", "invalid"}, {nobodys, "not_found"}, {others[field], "not_found"},
			} {
				if bad.value == "" && field == "restore_id" && in.Name() == "CompareRequest" {
					continue // may be left out
				}
				tried++
				err := w.askWith(mine, procedure, in, own, field, bad.value)
				pr := problemOf(t, err, connect.CodeOf(err))
				if pr.GetKind() != bad.code || pr.GetField() != field || pr.GetHint() == "" {
					t.Errorf("%s with %s %q: %v; want %s in %s with a hint", procedure, field, bad.value, pr, bad.code, field)
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d were tried", tried)
	}
	if after := w.state(mine) + w.state(theirs); after != before {
		t.Errorf("something changed: %s, was %s", after, before)
	}
}

// ids makes one of everything that has an ID, and what else a good request needs.
func (w *world) ids(p *person) map[string]string {
	w.t.Helper()
	c := w.db.Connection(w.t, p.account)
	snap := w.take(p, c, acme)
	r, err := w.plan(p, snap, "group/00g1")
	if err != nil {
		w.t.Fatal(err)
	}
	w.planned(p, r.GetId())
	return map[string]string{
		"connection_id": string(c), "snapshot_id": snap, "before_snapshot_id": snap, "after_snapshot_id": snap,
		"restore_id": r.GetId(), "finding_id": w.finding(p, c),
	}
}

// askWith calls an RPC with good values in all fields but one.
func (w *world) askWith(p *person, procedure string, in protoreflect.MessageDescriptor, ids map[string]string, field, value string) error {
	w.t.Helper()
	m := dynamicpb.NewMessage(in)
	good := map[string]string{
		"purpose": "read", "client_id": "0oanew", "cron": "0 2 * * *", "time_zone": "UTC", "type": "group", "key": "group/00g1", "digest": "sha256:" + strings.Repeat("a", 64),
		"state": "acknowledged", "search": "Finance",
	}
	for i := range in.Fields().Len() {
		f := in.Fields().Get(i)
		name := string(f.Name())
		switch {
		case name == field:
			m.Set(f, protoreflect.ValueOfString(value))
		case ids[name] != "" && !(name == "connection_id" && in.Fields().ByName("snapshot_id") != nil):
			m.Set(f, protoreflect.ValueOfString(ids[name]))
		case good[name] != "" && f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(good[name]))
		case name == "enabled":
			m.Set(f, protoreflect.ValueOfBool(true))
		case name == "selection":
			s := m.Mutable(f).Message()
			s.Mutable(s.Descriptor().Fields().ByName("keys")).List().Append(protoreflect.ValueOfString("group/00g1"))
		}
	}
	if field == "connection_id" && in.Fields().ByName("snapshot_id") != nil {
		m.Set(in.Fields().ByName("snapshot_id"), protoreflect.ValueOfString("latest"))
	}
	return w.askDynamic(p, procedure, m)
}

func (w *world) askDynamic(p *person, procedure string, m *dynamicpb.Message) error {
	name := procedure[strings.LastIndexByte(procedure, '/')+1:]
	c := connect.NewClient[dynamicpb.Message, dynamicpb.Message](http.DefaultClient, w.url+procedure, connect.WithInterceptors(from{p.token, w.ip}),
		connect.WithResponseInitializer(func(_ connect.Spec, out any) error {
			if d, ok := out.(*dynamicpb.Message); ok {
				*d = *dynamicpb.NewMessage((&imagov1.WhoAmIRequest{}).ProtoReflect().Descriptor())
			}
			return nil
		}))
	if !streaming[name] {
		_, err := c.CallUnary(w.t.Context(), connect.NewRequest(m))
		return err
	}
	s, err := c.CallServerStream(w.t.Context(), connect.NewRequest(m))
	if err != nil {
		return err
	}
	for s.Receive() {
	}
	return errFirst(s.Err(), s.Close())
}

// TestBadInput is what each RPC refuses beyond IDs: the kind, the field, a way out, and
// nothing changed.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c, other := w.db.Connection(t, p.account), w.db.Connection(t, p.account)
	snap, foreign := w.take(p, c, acme), w.take(p, other, acme)
	cursor, found := w.cursor(p, c), w.finding(p, c)
	before := w.state(p)
	long := strings.Repeat("x", 300)
	for _, bad := range []struct {
		method, path, body  string
		status              int
		kind, field, detail string
	}{
		{"POST", "/v1/sign-in/codes", `{"email":"nobody"}`, 400, "invalid", "email", "not a mail address"},
		{"POST", "/v1/sign-in/codes", `{"email":"a@b.c\r\nBcc: x@y.z"}`, 400, "invalid", "email", "not a mail address"},
		{"POST", "/v1/sign-in/sessions", `{"attempt_id":"7"}`, 400, "invalid", "attempt_id", "not an ID"},
		{"POST", "/v1/sign-in/sessions", `{"attempt_id":"` + nobodys + `"}`, 400, "invalid", "client_secret", "missing"},
		{"POST", "/v1/sign-in/sessions", `{"attempt_id":"` + nobodys + `","client_secret":"s","code":"12"}`, 400, "invalid", "code", "not a code"},
		{"POST", "/v1/connections", `{}`, 400, "invalid", "org_url", "missing"},
		{"POST", "/v1/connections", `{"org_url":"https://acme-admin.okta.com"}`, 400, "invalid", "org_url", "admin console"},
		{"POST", "/v1/connections", `{"org_url":"https://169.254.169.254"}`, 400, "invalid", "org_url", "not the name of a host"},
		{"POST", "/v1/connections", `{"org_url":"http://127.0.0.1:8080"}`, 400, "invalid", "org_url", "this machine"},
		{"POST", "/v1/connections", `{"org_url":"https://a.okta.com","name":"` + long + `"}`, 400, "invalid", "name", "longer"},
		{"POST", "/v1/connections", `{"org_url":"https://a.okta.com","rate_share":2}`, 400, "invalid", "rate_share", "not over 0"},
		{"POST", "/v1/connections", `{"org_url":"https://a.okta.com","rate_share":"NaN"}`, 400, "invalid", "rate_share", "not over 0"},
		{"POST", "/v1/connections", `{"org_url":"https://a.okta.com","follow_seconds":1}`, 400, "invalid", "follow_seconds", "not from 2"},
		{"PUT", "/v1/connections/" + string(c) + "/credentials/admin", `{"client_id":"0oa"}`, 400, "invalid", "purpose", "not a purpose"},
		{"PUT", "/v1/connections/" + string(c) + "/credentials/read", `{"client_id":"a b"}`, 400, "invalid", "client_id", "not a client ID"},
		{"PUT", "/v1/connections/" + string(c) + "/schedule", `{"cron":"daily","time_zone":"UTC","enabled":true}`, 400, "invalid", "cron", "cron"},
		{"PUT", "/v1/connections/" + string(c) + "/schedule", `{"cron":"0 2 31 2 *","time_zone":"UTC","enabled":true}`, 400, "invalid", "cron", "never comes"},
		{"PUT", "/v1/connections/" + string(c) + "/schedule", `{"cron":"0 2 * * *","time_zone":"Mars","enabled":true}`, 400, "invalid", "time_zone", "no time zone"},
		{"PUT", "/v1/connections/" + string(c) + "/schedule", `{"cron":"0 2 * * *","time_zone":"Local","enabled":true}`, 400, "invalid", "time_zone", "another zone"},
		{"POST", "/v1/connections/" + string(c) + "/snapshots", `{"trigger":"schedule"}`, 400, "invalid", "trigger", "no reason"},
		{"GET", "/v1/snapshots/latest", "", 400, "invalid", "connection_id", "missing"},
		{"GET", "/v1/snapshots/" + snap + "/resources?type=robot", "", 400, "invalid", "type", "no type"},
		{"GET", "/v1/snapshots/" + snap + "/resources?type=group&page_size=-1", "", 400, "invalid", "page_size", "not from 1"},
		{"GET", "/v1/snapshots/" + snap + "/resources?type=group&search=" + long, "", 400, "invalid", "search", "longer"},
		{"GET", "/v1/snapshots/" + snap + "/resources?type=user&page_token=" + cursor, "", 400, "invalid", "page_token", "does not belong"},
		{"GET", "/v1/snapshots/" + foreign + "/resources?type=group&page_token=" + cursor, "", 400, "invalid", "page_token", "does not belong"},
		{"GET", "/v1/connections?page_token=" + cursor, "", 400, "invalid", "page_token", "does not belong"},
		{"GET", "/v1/activity?page_token=" + cursor, "", 400, "invalid", "page_token", "does not belong"},
		{"GET", "/v1/activity?page_token=nonsense", "", 400, "invalid", "page_token", "does not belong"},
		{"GET", "/v1/snapshots/" + snap + "/resource?key=group", "", 400, "invalid", "key", "not a key"},
		{"GET", "/v1/snapshots/" + snap + "/resource?key=robot/1", "", 400, "invalid", "key", "no type"},
		{"GET", "/v1/connections/" + string(c) + "/findings?states=gone", "", 400, "invalid", "states", "not known"},
		{"GET", "/v1/connections/" + string(c) + "/findings?severities=bad", "", 400, "invalid", "severities", "not known"},
		{"GET", "/v1/connections/" + string(c) + "/findings?types=robot", "", 400, "invalid", "types", "no type"},
		{"GET", "/v1/connections/" + string(c) + "/findings?actor=" + long + "x", "", 400, "invalid", "actor", "longer"},
		{"PUT", "/v1/findings/" + found + "/state", `{"state":"gone"}`, 400, "invalid", "state", "not known"},
		{"PUT", "/v1/findings/" + found + "/state", `{"state":"accepted"}`, 400, "invalid", "reason", "missing"},
		{"PUT", "/v1/findings/" + found + "/state", `{"state":"accepted","reason":"` + long + long + `"}`, 400, "invalid", "reason", "longer"},
		{"PUT", "/v1/findings/" + found + "/state", `{"state":"snoozed","reason":"later"}`, 400, "invalid", "until", "missing"},
		{"PUT", "/v1/findings/" + found + "/state", `{"state":"snoozed","reason":"later","until":"2020-01-01T00:00:00Z"}`, 400, "invalid", "until", "not within"},
		{"PUT", "/v1/findings/" + found + "/state", `{"state":"snoozed","reason":"later","until":"2999-01-01T00:00:00Z"}`, 400, "invalid", "until", "not within"},
		{"PUT", "/v1/findings/" + found + "/state", `{"state":"resolved","until":"2999-01-01T00:00:00Z"}`, 400, "invalid", "until", "only a snooze"},
		{"POST", "/v1/snapshots/" + snap + "/restores", `{"selection":{}}`, 400, "invalid", "selection.keys", "nothing"},
		{"POST", "/v1/restores/" + nobodys + ":approve", `{"digest":"sha256:abc"}`, 400, "invalid", "digest", "not a plan's digest"},
		{"POST", "/v1/restores/" + nobodys + ":approve", `{}`, 400, "invalid", "digest", "missing"},
	} {
		status, body := w.rest(p, bad.method, bad.path, bad.body)
		if status != bad.status || body["kind"] != bad.kind || body["field"] != bad.field || !strings.Contains(fmt.Sprint(body["detail"]), bad.detail) || body["hint"] == nil {
			t.Errorf("%s %s %s: %d %v; want %d %s in %s: %s", bad.method, bad.path, bad.body, status, body, bad.status, bad.kind, bad.field, bad.detail)
		}
	}
	err := w.ask2(p, snap, foreign)
	if pr := problemOf(t, err, connect.CodeInvalidArgument); pr.GetField() != "after_snapshot_id" || !strings.Contains(pr.GetWhat(), "another connection") {
		t.Errorf("comparing two connections: %v", pr)
	}
	if after := w.state(p); after != before {
		t.Errorf("something changed: %s, was %s", after, before)
	}
}

// cursor gets a real cursor of the list of a snapshot's groups.
func (w *world) cursor(p *person, c account.ConnectionID) string {
	w.t.Helper()
	id := w.take(p, c, acme)
	res, err := p.snapshots.ListResources(w.t.Context(), req(&imagov1.ListResourcesRequest{SnapshotId: id, Type: "group", PageSize: 1}))
	if err != nil || res.Msg.GetNextPageToken() == "" {
		w.t.Fatalf("no cursor: %v, %v", res, err)
	}
	return res.Msg.GetNextPageToken()
}

func (w *world) ask2(p *person, before, after string) error {
	s, err := p.snapshots.Compare(w.t.Context(), req(&imagov1.CompareRequest{BeforeSnapshotId: before, AfterSnapshotId: after}))
	if err != nil {
		return err
	}
	for s.Receive() {
	}
	return errFirst(s.Err(), s.Close())
}

// TestSomebodyElsesCursor takes a cursor of one account to the same list of another.
func TestSomebodyElsesCursor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	mine, theirs := w.owner(), w.owner()
	for range 2 {
		w.db.Connection(t, mine.account)
		w.db.Connection(t, theirs.account)
	}
	res, err := theirs.connections.ListConnections(t.Context(), req(&imagov1.ListConnectionsRequest{PageSize: 1}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = mine.connections.ListConnections(t.Context(), req(&imagov1.ListConnectionsRequest{PageSize: 1, PageToken: res.Msg.GetNextPageToken()}))
	if pr := problemOf(t, err, connect.CodeInvalidArgument); pr.GetField() != "page_token" {
		t.Errorf("got %v", pr)
	}
}

func TestWhatIsServedBesidesTheRPCs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	get := func(path string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(b)
	}
	res, body := get("/openapi.yaml")
	if res.StatusCode != 200 || body != string(proto.OpenAPI) {
		t.Errorf("/openapi.yaml: %d, %d bytes; want what was generated", res.StatusCode, len(body))
	}
	for _, line := range []string{"nosniff", "DENY", "no-referrer", "no-store"} {
		if !slices.ContainsFunc(slices.Collect(mapValues(res.Header)), func(v string) bool { return v == line }) {
			t.Errorf("no header says %s: %v", line, res.Header)
		}
	}
	if res, body := get("/robots"); res.StatusCode != 404 || !strings.Contains(body, "/openapi.yaml") || res.Header.Get("X-Request-Id") == "" {
		t.Errorf("/robots: %d %s", res.StatusCode, body)
	}
}

func mapValues(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, values := range h {
			for _, v := range values {
				if !yield(v) {
					return
				}
			}
		}
	}
}
