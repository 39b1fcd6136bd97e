package api

import (
	"strings"
	"testing"

	"connectrpc.com/connect"

	"imago/pkg/blob/count"
	imagov1 "imago/proto/imago/v1"
)

// TestGetByName: by the name that is shown, or the natural key; what is not clear is refused
// with the candidates. A name that identifies costs a chunk more than an ID, in a snapshot that
// knows names.
func TestGetByName(t *testing.T) {
	t.Parallel()
	for name, nameless := range map[string]bool{"names": false, "no names": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			getsByName(t, nameless)
		})
	}
}

func getsByName(t *testing.T, nameless bool) {
	t.Helper()
	w := newWorld(t, Config{})
	w.nameless = nameless
	p := w.owner()
	jane := thing{"user/00u7", `{"id":"00u7","profile":{"displayName":"Jane Roe","login":"jane@acme.test"},"status":"ACTIVE"}`}
	id := w.take(p, w.db.Connection(t, p.account), append([]thing{jane, group("00g7", "Twice"), group("00g8", "twice")}, acme...))
	get := func(key string) (*connect.Response[imagov1.GetResourceResponse], error) {
		return p.snapshots.GetResource(t.Context(), req(&imagov1.GetResourceRequest{SnapshotId: id, Key: key}))
	}
	for key, want := range map[string]string{
		"user:jane@acme.test": "user/00u7", "user:JANE roe": "user/00u7", "user:ann@acme.test": "user/00u1",
		"group:finance": "group/00g1", "group/00g3": "group/00g3",
	} {
		res, err := get(key)
		if err != nil || res.Msg.GetSummary().GetKey() != want {
			t.Errorf("%s: %v, %v", key, res, err)
		}
	}
	_, err := get("group:twice")
	if pr := problemOf(t, err, connect.CodeInvalidArgument); pr.GetField() != "key" || !strings.Contains(pr.GetHint(), "group/00g7, group/00g8") {
		t.Errorf("two of one name: %v", pr)
	}
	_, err = get("user:nobody@acme.test")
	if pr := problemOf(t, err, connect.CodeNotFound); pr.GetField() != "key" {
		t.Errorf("nobody: %v", pr)
	}
	_, err = get("moon:x")
	problemOf(t, err, connect.CodeInvalidArgument)
	if nameless {
		return
	}
	w.reads.Reset()
	if _, err := get("user:jane@acme.test"); err != nil {
		t.Fatal(err)
	}
	if n := w.reads.Reset()[count.Get].Requests; n > 4 {
		t.Errorf("a name costs %d reads", n)
	}
}
