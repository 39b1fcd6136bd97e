package api

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/emptypb"

	"imago/pkg/account"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestPermissionsFitTheContract(t *testing.T) {
	t.Parallel()
	if err := checkPermissions(permissions, procedures()); err != nil {
		t.Error(err)
	}
	if n := len(procedures()); n < 27 {
		t.Errorf("only %d RPCs were found in the contract", n)
	}
	lacking := map[string]permission{"/a/B": public, "/a/D": public}
	err := checkPermissions(lacking, []string{"/a/B", "/a/C"})
	if err == nil || !strings.Contains(err.Error(), "/a/C has no permission") || !strings.Contains(err.Error(), "/a/D is not in the contract") {
		t.Errorf("checkPermissions = %v; want both mistakes named", err)
	}
}

// ask calls any RPC with an empty request; what matters is who is let in. Empty stands
// for every message: no bytes are every message's default.
func (w *world) ask(p *person, procedure string, streams bool) error {
	c := connect.NewClient[emptypb.Empty, emptypb.Empty](http.DefaultClient, w.url+procedure, connect.WithInterceptors(from{p.token, w.ip}))
	if !streams {
		_, err := c.CallUnary(w.t.Context(), req(&emptypb.Empty{}))
		return err
	}
	s, err := c.CallServerStream(w.t.Context(), req(&emptypb.Empty{}))
	if err != nil {
		return err
	}
	for s.Receive() {
	}
	return errFirst(s.Err(), s.Close())
}

func errFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var streaming = map[string]bool{"WatchSnapshot": true, "WatchRestore": true, "Compare": true}

// TestWhoMayDoWhat calls every RPC of the contract as every role, and holds who was let
// in against testdata/permissions.golden: a change there is a decision.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{SignUp: SignUpOpen})
	owner := w.owner()
	var people []*person
	for _, role := range account.Roles() {
		people = append(people, w.member(owner, role))
	}
	var got strings.Builder
	fmt.Fprintf(&got, "%-44s %s\n", "rpc", "nobody owner admin operator auditor viewer")
	for _, procedure := range procedures() {
		name := procedure[strings.LastIndexByte(procedure, '/')+1:]
		fmt.Fprintf(&got, "%-44s", strings.TrimPrefix(procedure, "/imago.v1."))
		fmt.Fprintf(&got, " %s", letIn(t, w.ask(w.stranger(), procedure, streaming[name])))
		for _, p := range people {
			// A session of its own: one of the RPCs ends it.
			fmt.Fprintf(&got, " %s", letIn(t, w.ask(w.session(p), procedure, streaming[name])))
		}
		got.WriteString("\n")
	}
	golden(t, "testdata/permissions.golden", got.String())
}

// letIn tells whether an answer is one of the guard or one of the handler behind it.
func letIn(t *testing.T, err error) string {
	t.Helper()
	switch connect.CodeOf(err) {
	case connect.CodeUnauthenticated, connect.CodePermissionDenied:
		return "-"
	case connect.CodeInternal, connect.CodeUnknown:
		if err != nil {
			t.Errorf("an internal error came back: %v", err)
		}
	}
	return "yes"
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update rewrites it:\n%s", file, diff)
	}
}

// TestSessionsThatAreNone presents what is no live session to every RPC. All get the
// same answer, so that none tells why.
func TestSessionsThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner := w.owner()
	expired, idle, revoked, removed := w.session(owner), w.session(owner), w.session(owner), w.member(owner, account.Owner)
	w.exec(`update sessions set expires_at = now() - interval '1 second' where token_hash = $1`, hashOf(expired))
	w.exec(`update sessions set idle_expires_at = now() - interval '1 second' where token_hash = $1`, hashOf(idle))
	w.exec(`update sessions set revoked_at = now() where token_hash = $1`, hashOf(revoked))
	w.exec(`delete from members where user_id = $1`, removed.user)
	garbage := w.clients(&person{token: "imago_garbage"})
	foreign := w.sessionWith(owner, "a-token-without-our-prefix")
	var first string
	for name, p := range map[string]*person{
		"nobody": w.stranger(), "expired": expired, "idle": idle, "revoked": revoked, "removed": removed, "garbage": garbage, "foreign": foreign,
	} {
		for _, procedure := range procedures() {
			if permissions[procedure].public {
				continue
			}
			err := w.ask(p, procedure, streaming[procedure[strings.LastIndexByte(procedure, '/')+1:]])
			if first == "" {
				first = fmt.Sprint(err)
			}
			if connect.CodeOf(err) != connect.CodeUnauthenticated || fmt.Sprint(err) != first {
				t.Errorf("%s as %s: %v; want %s", procedure, name, err, first)
			}
		}
		if status, body := w.rest(p, "GET", "/v1/me", ""); status != 401 || body["kind"] != "denied" || body["hint"] == "" {
			t.Errorf("GET /v1/me as %s: %d %v", name, status, body)
		}
	}
}

func hashOf(p *person) []byte {
	h := hash(p.token)
	return h[:]
}
