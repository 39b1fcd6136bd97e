package api

import (
	"bytes"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"imago/pkg/blob"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
)

// TestGiveUpSnapshot: one that opens is not given up, whatever is kept in memory, nor is one
// that is pinned, or the newest; one that is lost is, and a pin takes it back.
func TestGiveUpSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	first, newest := w.take(p, c, acme), w.take(p, c, acme)
	giveUp := func(id string) (*imagov1.Snapshot, error) {
		res, err := p.snapshots.GiveUpSnapshot(t.Context(), req(&imagov1.GiveUpSnapshotRequest{SnapshotId: id}))
		if err != nil {
			return nil, err
		}
		return res.Msg.GetSnapshot(), nil
	}
	refused := func(id, what string) {
		t.Helper()
		_, err := giveUp(id)
		if got := problemOf(t, err, connect.CodeAlreadyExists); !strings.Contains(got.GetWhat(), what) || got.GetHint() == "" {
			t.Errorf("%v, want %s", got, what)
		}
	}
	refused(first, "the snapshot is there, and opens")
	if _, err := p.snapshots.ListResources(t.Context(), req(&imagov1.ListResourcesRequest{SnapshotId: first, Type: "group"})); err != nil {
		t.Fatal(err)
	}
	for id, object := range map[string]string{first: "list-", newest: snapshot.ManifestName} { // a list stays in memory
		_, s, err := w.stored(p, id)
		if err != nil {
			t.Fatal(err)
		}
		w.lose(s.Prefix() + "/" + object)
	}
	refused(newest, "newest")
	pin := func() *imagov1.Snapshot {
		t.Helper()
		res, err := p.snapshots.PinSnapshot(t.Context(), req(&imagov1.PinSnapshotRequest{SnapshotId: first}))
		if err != nil {
			t.Fatal(err)
		}
		return res.Msg.GetSnapshot()
	}
	pin()
	refused(first, "pinned")
	if _, err := p.snapshots.UnpinSnapshot(t.Context(), req(&imagov1.UnpinSnapshotRequest{SnapshotId: first})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if s, err := giveUp(first); err != nil || s.GetGivenUpAt() == nil {
			t.Fatalf("%v, %v", s, err)
		}
	}
	if s := pin(); s.GetGivenUpAt() != nil || s.GetPinnedAt() == nil {
		t.Errorf("pinned: %v", s)
	}
	stranger := w.proven(w.owner())
	_, err := stranger.snapshots.GiveUpSnapshot(t.Context(), req(&imagov1.GiveUpSnapshotRequest{SnapshotId: first}))
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("another account's: %v", err)
	}
}

// lose removes what lies below a prefix from the store.
func (w *world) lose(prefix string) {
	w.t.Helper()
	var gone int
	for o, err := range w.store.List(w.t.Context(), prefix) {
		if err == nil {
			err = w.store.Delete(w.t.Context(), o.Key)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		gone++
	}
	if gone == 0 {
		w.t.Fatalf("nothing lies below %s", prefix)
	}
}

// TestGiveUpSnapshotAgain: the same request under the same key gets the same answer, though the
// manifest is back by then; another one is refused.
func TestGiveUpSnapshotAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.proven(w.owner())
	c := w.db.Connection(t, p.account)
	lost := w.take(p, c, acme)
	w.take(p, c, acme)
	_, s, err := w.stored(p, lost)
	if err != nil {
		t.Fatal(err)
	}
	key := s.Prefix() + "/" + snapshot.ManifestName
	text, err := blob.ReadAll(t.Context(), w.store, key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	w.lose(key)
	giveUp := func(under string) (*imagov1.Snapshot, error) {
		res, err := p.snapshots.GiveUpSnapshot(t.Context(), keyed(&imagov1.GiveUpSnapshotRequest{SnapshotId: lost}, under))
		if err != nil {
			return nil, err
		}
		return res.Msg.GetSnapshot(), nil
	}
	first, err := giveUp("k")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Put(t.Context(), key, bytes.NewReader(text), int64(len(text))); err != nil {
		t.Fatal(err)
	}
	if again, err := giveUp("k"); err != nil || !proto.Equal(again, first) {
		t.Errorf("under the same key: %v, %v; want %v", again, err, first)
	}
	if _, err := giveUp("another"); connect.CodeOf(err) != connect.CodeAlreadyExists {
		t.Errorf("under another key: %v", err)
	}
}
