package api

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"imago/pkg/account"
)

// scene is what there is in one account to be asked about.
type scene struct {
	owner *person
	ids   map[string]string // by the names in testdata/requests.txt
}

// scene makes an account in which every request has something to be about.
func (w *world) scene() scene {
	w.t.Helper()
	p := w.owner()
	w.member(p, account.Owner) // so that an owner may go
	s := scene{owner: p, ids: map[string]string{"account": string(p.account), "nothing": nobodys}}
	c := w.db.Connection(w.t, p.account)
	s.ids["connection"] = string(c)
	s.ids["finding"] = w.finding(p, c)
	s.ids["member"] = string(w.member(p, account.Viewer).user)
	var snapshot, restore, invitation, session, escrow string
	w.row([]any{&escrow}, `insert into key_escrows (account_id, recipient, created_by) values ($1, 'age1ofsomebodyelse0000', $2) returning id`, p.account, p.user)
	w.row([]any{&session}, `select id from sessions where user_id = $1`, p.user)
	w.row([]any{&snapshot}, `insert into snapshots (account_id, connection_id, trigger, state, started_at, ended_at)
		values ($1, $2, 'manual', 'failed', now(), now()) returning id`, p.account, c)
	w.row([]any{&restore}, `insert into restores (account_id, connection_id, snapshot_id, selection_sealed, requested_by, state, ended_at)
		values ($1, $2, $3, 'sealed', $4, 'failed', now()) returning id`, p.account, c, snapshot, p.user)
	w.row([]any{&invitation}, `insert into invitations (account_id, email, role, invited_by)
		values ($1, 'guest@acme.test', 'viewer', $2) returning id`, p.account, p.user)
	s.ids["token"], s.ids["soon"] = w.token(p, account.ViewAccount).id, w.clock.now().Add(time.Hour).Format(time.RFC3339)
	s.ids["snapshot"], s.ids["restore"], s.ids["invitation"], s.ids["session"] = snapshot, restore, invitation, session
	s.ids["escrow"] = escrow
	return s
}

// fill puts the scene's IDs into a request's JSON.
func (s scene) fill(text string) string {
	return os.Expand(text, func(name string) string { return s.ids[name] })
}

// rpcs is the contract, method by method.
func rpcs() (out []protoreflect.MethodDescriptor) {
	protoregistry.GlobalFiles.RangeFilesByPackage("imago.v1", func(f protoreflect.FileDescriptor) bool {
		out = append(out, methods(f)...)
		return true
	})
	return out
}

// requests reads testdata/requests.txt: the JSON for each RPC.
func requests(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, body, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			out["/imago.v1."+name] = body
		}
	}
	return out
}

// call sends a request that is written as JSON to any RPC.
func (w *world) call(p *person, m protoreflect.MethodDescriptor, body string) error {
	w.t.Helper()
	msg := dynamicpb.NewMessage(m.Input())
	if err := protojson.Unmarshal([]byte(body), msg); err != nil {
		w.t.Fatalf("%s %s: %v", procedure(m), body, err)
	}
	raw, err := proto.Marshal(msg)
	if err != nil {
		w.t.Fatal(err)
	}
	in := &emptypb.Empty{} // stands for every message: what it does not know it sends on
	in.ProtoReflect().SetUnknown(raw)
	c := connect.NewClient[emptypb.Empty, emptypb.Empty](http.DefaultClient, w.url+procedure(m), connect.WithInterceptors(from{p.token, w.ip}))
	if !m.IsStreamingServer() {
		_, err := c.CallUnary(w.t.Context(), req(in))
		return err
	}
	s, err := c.CallServerStream(w.t.Context(), req(in))
	if err != nil {
		return err
	}
	for s.Receive() {
	}
	return errFirst(s.Err(), s.Close())
}

// TestMatrix asks for every RPC of the contract: in one's own account with every role,
// about the rows of another account, without a session, with one that has ended, and
// with a token that is no session's, and with API tokens. An RPC without a request in the table fails.
func TestMatrix(t *testing.T) {
	t.Parallel()
	w, table := newWorld(t, Config{}), requests(t)
	other := w.scene()
	cells := 0
	for _, m := range rpcs() {
		body, ok := table[procedure(m)]
		if !ok {
			t.Errorf("%s has no request in testdata/requests.txt", procedure(m))
			continue
		}
		delete(table, procedure(m))
		for _, c := range w.cells(m, body, other) {
			cells++
			if got := connect.CodeOf(c.ask()); !c.want(got) {
				t.Errorf("%s, %s: %v", procedure(m), c.name, got)
			}
		}
	}
	for name := range table {
		t.Errorf("%s is not in the contract", name)
	}
	t.Logf("%d cells", cells)
}

// cell is one field of the matrix: who asks for what, and what may come back.
type cell struct {
	name string
	ask  func() error
	want func(connect.Code) bool
}

func (w *world) cells(m protoreflect.MethodDescriptor, body string, other scene) (out []cell) {
	w.t.Helper()
	may := permissions[procedure(m)]
	own := w.scene()
	for _, role := range account.Roles() {
		allowed := may.public || may.action == "" || role.May(may.action)
		out = append(out, cell{fmt.Sprintf("%s in the own account", role), func() error {
			s := own
			if allowed { // it may be done, so each finds it undone
				s = w.scene()
			}
			return w.call(w.member(s.owner, role), m, s.fill(body))
		}, func(c connect.Code) bool { return allowed != denied(c) && c != connect.CodeInternal }})
	}
	if may.public {
		return out
	}
	outside := func(c connect.Code) bool { return c == connect.CodeUnauthenticated }
	expired, removed := w.session(own.owner), w.member(own.owner, account.Owner)
	w.exec(`update sessions set expires_at = now() - interval '1 second' where token_hash = $1`, hashOf(expired))
	w.exec(`delete from members where user_id = $1`, removed.user)
	nobodies := map[string]*person{
		"no session": w.stranger(), "expired session": expired, "removed member": removed,
		"a token that is no session's": w.clients(&person{token: tokenPrefix + "invite_" + secret()}),
	}
	if !may.pending {
		half := w.session(own.owner)
		w.exec(`update sessions set pending = true where token_hash = $1`, hashOf(half))
		nobodies["a session that waits"] = half
	}
	for name, p := range nobodies {
		out = append(out, cell{name, func() error { return w.call(p, m, own.fill(body)) }, outside})
	}
	for name, scopes := range map[string][]account.Action{"a token of all that tokens may": harmless(), "a token of the activity": {account.ViewActivity}} {
		allowed := may.tokens || !may.stepUp && may.action.ForTokens() && slices.Contains(scopes, may.action)
		out = append(out, cell{name, func() error { return w.call(w.token(own.owner, scopes...).person, m, own.fill(body)) },
			func(c connect.Code) bool { return allowed != denied(c) && c != connect.CodeInternal }})
	}
	if strings.Contains(strings.ReplaceAll(body, "$soon", ""), "$") {
		out = append(out, cell{"about another account", func() error { return w.call(w.session(own.owner), m, other.fill(body)) },
			func(c connect.Code) bool { return c == connect.CodeNotFound }})
	}
	return out
}

// denied tells whether an answer is the guard's.
func denied(c connect.Code) bool {
	return c == connect.CodePermissionDenied || c == connect.CodeUnauthenticated
}
