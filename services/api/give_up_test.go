package api

import (
	"strings"
	"testing"

	"connectrpc.com/connect"

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
	for _, id := range []string{first, newest} {
		_, s, err := w.stored(p, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.store.Delete(t.Context(), s.Prefix()+"/"+snapshot.ManifestName); err != nil {
			t.Fatal(err)
		}
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
