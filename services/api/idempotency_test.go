package api

import (
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	imagov1 "imago/proto/imago/v1"
)

func keyed[T any](m *T, key string) *connect.Request[T] {
	r := connect.NewRequest(m)
	r.Header().Set(idempotencyHeader, key)
	return r
}

func TestTheSameRequestWithTheSameKeyIsDoneOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	m := &imagov1.CreateConnectionRequest{OrgUrl: "https://acme.okta.com"}
	first, err := p.connections.CreateConnection(t.Context(), keyed(m, "k1"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.connections.CreateConnection(t.Context(), keyed(m, "k1"))
	if err != nil || !proto.Equal(first.Msg, again.Msg) {
		t.Errorf("again: %v, %v; want the first answer", again, err)
	}
	if n := w.count(`select count(*) from connections where account_id = $1`, p.account); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if got := w.activityOf(p); len(got) != 1 {
		t.Errorf("the activity log tells %v", got)
	}
	// Without a key it is another request, and refused.
	_, err = p.connections.CreateConnection(t.Context(), req(m))
	if pr := problemOf(t, err, connect.CodeAlreadyExists); pr.GetField() != "name" && pr.GetField() != "org_url" {
		t.Errorf("without a key: %v", pr)
	}
}

func TestAKeyStandsForOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	if _, err := p.connections.CreateConnection(t.Context(), keyed(&imagov1.CreateConnectionRequest{OrgUrl: "https://a.okta.com"}, "k")); err != nil {
		t.Fatal(err)
	}
	_, err := p.connections.CreateConnection(t.Context(), keyed(&imagov1.CreateConnectionRequest{OrgUrl: "https://b.okta.com"}, "k"))
	if pr := problemOf(t, err, connect.CodeAlreadyExists); pr.GetField() != idempotencyHeader || pr.GetHint() == "" {
		t.Errorf("another request: %v", pr)
	}
	if status, body := w.rest(p, "POST", "/v1/connections", `{"org_url":"https://b.okta.com"}`, idempotencyHeader, "k"); status != 409 || body["field"] != idempotencyHeader {
		t.Errorf("another request by REST: %d %v", status, body)
	}
	if n := w.count(`select count(*) from connections where account_id = $1`, p.account); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	// Keys are a person's own.
	other := w.owner()
	if _, err := other.connections.CreateConnection(t.Context(), keyed(&imagov1.CreateConnectionRequest{OrgUrl: "https://c.okta.com"}, "k")); err != nil {
		t.Errorf("somebody else's same key: %v", err)
	}
}

func TestARefusedRequestDoesNotUseItsKeyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := string(w.db.Connection(t, p.account))
	w.exec(`update connections set state = 'checking' where id = $1`, c)
	m := &imagov1.TakeSnapshotRequest{ConnectionId: c}
	if _, err := p.snapshots.TakeSnapshot(t.Context(), keyed(m, "k")); connect.CodeOf(err) != connect.CodeAlreadyExists {
		t.Fatalf("got %v", err)
	}
	w.exec(`update connections set state = 'ready' where id = $1`, c)
	if _, err := p.snapshots.TakeSnapshot(t.Context(), keyed(m, "k")); err != nil {
		t.Errorf("when it can be done: %v", err)
	}
}

func TestTheSameKeyAtTheSameMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	m := &imagov1.CreateConnectionRequest{OrgUrl: "https://acme.okta.com"}
	var group sync.WaitGroup
	ids := make([]string, 4)
	for i := range ids {
		group.Go(func() {
			res, err := p.connections.CreateConnection(t.Context(), keyed(m, "k"))
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = res.Msg.GetConnection().GetId()
		})
	}
	group.Wait()
	if n := w.count(`select count(*) from connections where account_id = $1`, p.account); n != 1 || ids[0] == "" || ids[0] != ids[3] {
		t.Errorf("%d connections, answers %v; want one", n, ids)
	}
}

func TestKeptAnswersAreSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	if _, err := p.connections.CreateConnection(t.Context(), keyed(&imagov1.CreateConnectionRequest{OrgUrl: "https://very-visible.okta.com"}, "k")); err != nil {
		t.Fatal(err)
	}
	var kept []byte
	w.row([]any{&kept}, `select response from idempotency_keys where account_id = $1`, p.account)
	if len(kept) == 0 || strings.Contains(string(kept), "very-visible") {
		t.Errorf("the answer is kept in clear, or not at all (%d bytes)", len(kept))
	}
	for _, key := range []string{strings.Repeat("x", 201), "a\tb"} {
		if status, body := w.rest(p, "POST", "/v1/connections", `{"org_url":"https://x.okta.com"}`, idempotencyHeader, key); status != 400 || body["field"] != idempotencyHeader {
			t.Errorf("key %.10q: %d %v", key, status, body)
		}
	}
}
