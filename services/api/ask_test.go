package api

import (
	"net"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"imago/pkg/provider/okta/oktasimtest"
	imagov1 "imago/proto/imago/v1"
)

const introductionPath = "/.well-known/okta-organization"

// everything is all that a refused connection must leave as it is.
func (w *world) everything(p *person) string { return w.state(p) + strings.Join(w.activityOf(p), ",") }

func TestTheOrgIsAskedWhoItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{AllowLoopbackOrgs: true})
	p := w.owner()
	org := oktasimtest.Start(t, oktasimtest.Options{})
	var said struct{ ID string }
	org.Call("GET", introductionPath, nil, &said)
	c := w.connect(p, org.URL)
	if c.GetOrgId() != said.ID || said.ID == "" || c.GetEngine() != "oie" || c.GetState() != "new" || c.GetCheckedAt() != nil {
		t.Errorf("org %s: the connection is %v", said.ID, c)
	}
}

// nobody is an address of this machine at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return "http://" + l.Addr().String()
}

func TestAnAddressWithoutAnOrgIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{AllowLoopbackOrgs: true})
	p := w.owner()
	org := oktasimtest.Start(t, oktasimtest.Options{})
	before := w.everything(p)
	for name, bad := range map[string]struct {
		url         string
		fault       oktasimtest.Fault
		code        connect.Code
		field, says string
	}{
		"something else":  {org.Control, oktasimtest.Fault{}, connect.CodeInvalidArgument, "org_url", "no Okta org answers there: it answers 404"},
		"our own address": {w.url, oktasimtest.Fault{}, connect.CodeInvalidArgument, "org_url", "no Okta org answers there: it answers 404"},
		"nobody":          {nobody(t), oktasimtest.Fault{}, connect.CodeUnavailable, "", "cannot be reached"},
		"not found":       {org.URL, oktasimtest.Fault{Kind: "status", Status: 404}, connect.CodeInvalidArgument, "org_url", "it answers 404"},
		"no JSON":         {org.URL, oktasimtest.Fault{Kind: "malformed_json"}, connect.CodeInvalidArgument, "org_url", "does not describe itself"},
		"away":            {org.URL, oktasimtest.Fault{Kind: "status", Status: 503}, connect.CodeUnavailable, "", "the org answers 503"},
		"busy":            {org.URL, oktasimtest.Fault{Kind: "429"}, connect.CodeUnavailable, "", "the org answers 429"},
		"cut off":         {org.URL, oktasimtest.Fault{Kind: "cut", Bytes: 10}, connect.CodeUnavailable, "", "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			if bad.fault.Kind != "" {
				bad.fault.Path = introductionPath
				org.Fault(bad.fault)
			}
			_, err := p.connections.CreateConnection(t.Context(), keyed(&imagov1.CreateConnectionRequest{OrgUrl: bad.url}, name))
			if pr := problemOf(t, err, bad.code); pr.GetField() != bad.field || !strings.Contains(pr.GetWhat(), bad.says) || pr.GetHint() == "" {
				t.Errorf("%v; want %q in field %q, and a way out", pr, bad.says, bad.field)
			}
			for _, f := range org.ClearFaults() {
				if f.Fired != 1 {
					t.Errorf("the fault fired %d times", f.Fired)
				}
			}
			if after := w.everything(p); after != before {
				t.Errorf("something changed: %s, was %s", after, before)
			}
		})
	}
	if status, body := w.rest(p, "POST", "/v1/connections", `{"org_url":"`+org.Control+`"}`); status != 400 || body["field"] != "org_url" || body["hint"] == nil {
		t.Errorf("by REST: %d %v", status, body)
	}
	if w.connect(p, org.URL).GetOrgId() == "" {
		t.Error("the org is not connected when it is there again")
	}
}

// What was answered is answered again, whether the org is there or not; what was refused
// has not used its key up.
func TestAnAnswerOutlastsTheOrg(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{AllowLoopbackOrgs: true})
	p := w.owner()
	org := oktasimtest.Start(t, oktasimtest.Options{})
	away := oktasimtest.Fault{Path: introductionPath, Kind: "status", Status: 503}
	create := func(m *imagov1.CreateConnectionRequest) (*connect.Response[imagov1.CreateConnectionResponse], error) {
		return p.connections.CreateConnection(t.Context(), keyed(m, "k"))
	}
	m := &imagov1.CreateConnectionRequest{OrgUrl: org.URL}
	org.Fault(away)
	_, err := create(m)
	problemOf(t, err, connect.CodeUnavailable)
	org.ClearFaults()
	first, err := create(m)
	if err != nil {
		t.Fatalf("when the org is back: %v", err)
	}
	org.Fault(away)
	again, err := create(m)
	if err != nil || !proto.Equal(first.Msg, again.Msg) {
		t.Errorf("again: %v, %v; want the first answer", again, err)
	}
	_, err = create(&imagov1.CreateConnectionRequest{OrgUrl: org.Control})
	if pr := problemOf(t, err, connect.CodeAlreadyExists); pr.GetField() != idempotencyHeader {
		t.Errorf("another request with that key: %v", pr)
	}
	if n := w.count(`select count(*) from connections where account_id = $1`, p.account); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
