package api

import (
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/billing"
	imagov1 "imago/proto/imago/v1"
)

// reasons lists, newest first, why a connection's snapshots are kept.
func (w *world) reasons(p *person, c account.ConnectionID) (out []string) {
	w.t.Helper()
	res, err := p.snapshots.ListSnapshots(w.t.Context(), req(&imagov1.ListSnapshotsRequest{ConnectionId: string(c)}))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range res.Msg.GetSnapshots() {
		out = append(out, rules(s))
		got, err := p.snapshots.GetSnapshot(w.t.Context(), req(&imagov1.GetSnapshotRequest{SnapshotId: s.GetId()}))
		if err != nil || rules(got.Msg.GetSnapshot()) != rules(s) {
			w.t.Errorf("alone, it is kept because of %q, in the list %q (%v)", rules(got.Msg.GetSnapshot()), rules(s), err)
		}
	}
	return out
}

func rules(s *imagov1.Snapshot) string {
	var out []string
	for _, k := range s.GetKeptBecause() {
		out = append(out, k.GetRule())
	}
	return strings.Join(out, " ")
}

// snapped puts four snapshots of some days ago into the database, and gives their IDs,
// newest first.
func (w *world) snapped(p *person, c account.ConnectionID) (ids []string) {
	w.t.Helper()
	for _, days := range []int{100, 3, 2, 1} {
		w.snap(p, c, "complete", 24*days, `[]`)
	}
	res, err := p.snapshots.ListSnapshots(w.t.Context(), req(&imagov1.ListSnapshotsRequest{ConnectionId: string(c)}))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range res.Msg.GetSnapshots() {
		ids = append(ids, s.GetId())
	}
	return ids
}

func TestSnapshotsSayWhyTheyAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	ids := w.snapped(p, c)
	w.snap(p, c, "running", 0, `[]`)
	if diff := cmp.Diff([]string{"", "newest last_complete plan", "least plan", "least plan", "plan"}, w.reasons(p, c)); diff != "" {
		t.Errorf("where nothing is sold: %s", diff)
	}
	res, err := p.connections.SetRetention(t.Context(), req(&imagov1.SetRetentionRequest{ConnectionId: string(c), Thin: true}))
	if err != nil || !res.Msg.GetConnection().GetThin() {
		t.Fatalf("thin: %v, %v", res, err)
	}
	got := w.reasons(p, c)
	if !strings.HasPrefix(got[1], "newest last_complete") || !strings.HasPrefix(got[2], "least daily") || got[4] != "monthly" && got[4] != "weekly monthly" {
		t.Errorf("thinned: %q", got)
	}
	if n := w.count(`select count(*) from connections where id = $1 and forget_at > now() + interval '23 hours'`, c); n != 1 {
		t.Error("there is no time to take it back")
	}
	pinned, err := p.snapshots.PinSnapshot(t.Context(), req(&imagov1.PinSnapshotRequest{SnapshotId: ids[3]}))
	if err != nil || !strings.HasPrefix(rules(pinned.Msg.GetSnapshot()), "pinned ") || pinned.Msg.GetSnapshot().GetPinnedAt() == nil || pinned.Msg.GetSnapshot().GetKeptUntil() != nil {
		t.Errorf("pinned: %v, %v", pinned, err)
	}
	unpinned, err := p.snapshots.UnpinSnapshot(t.Context(), req(&imagov1.UnpinSnapshotRequest{SnapshotId: ids[3]}))
	if err != nil || rules(unpinned.Msg.GetSnapshot()) != got[4] || unpinned.Msg.GetSnapshot().GetKeptUntil() == nil {
		t.Errorf("unpinned: %v, %v", unpinned, err)
	}
	for _, action := range []string{"set_retention", "pin_snapshot", "unpin_snapshot"} {
		if n := w.count(`select count(*) from activity_logs where account_id = $1 and action = $2`, p.account, action); n != 1 {
			t.Errorf("%s stands in the activity log %d times", action, n)
		}
	}
}

func TestRetentionGoesByThePlan(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.owner()
	c := s.db.Connection(t, p.account)
	s.snapped(p, c)
	for name, test := range map[string]struct {
		sub  billing.Subscription
		want []string
	}{
		"business": {billing.Subscription{Plan: billing.Business, State: billing.Active}, []string{"newest last_complete plan", "least plan", "least plan", "plan"}},
		"standard": {billing.Subscription{Plan: billing.Standard, State: billing.Active}, []string{"newest last_complete plan", "least plan", "least plan", ""}},
	} {
		s.exec(`delete from subscriptions where account_id = $1`, p.account)
		s.exec(`insert into subscriptions (account_id, customer_id, plan, state) values ($1, $2, $3, $4)`, p.account, string(p.account), test.sub.Plan, test.sub.State)
		if diff := cmp.Diff(test.want, s.reasons(p, c)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestPinsAreBounded where a plan's retention ends: else Free would keep for ever, too.
func TestPinsAreBounded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.owner()
	c := s.db.Connection(t, p.account)
	for range 4 {
		s.snapped(p, c)
	}
	var ids []string
	res, err := p.snapshots.ListSnapshots(t.Context(), req(&imagov1.ListSnapshotsRequest{ConnectionId: string(c)}))
	if err != nil {
		t.Fatal(err)
	}
	for _, snap := range res.Msg.GetSnapshots() {
		ids = append(ids, snap.GetId())
	}
	pin := func(id string) error {
		_, err := p.snapshots.PinSnapshot(t.Context(), req(&imagov1.PinSnapshotRequest{SnapshotId: id}))
		return err
	}
	for _, id := range ids[:mostPins] {
		if err := pin(id); err != nil {
			t.Fatal(err)
		}
	}
	if got := problemOf(t, pin(ids[mostPins]), connect.CodeResourceExhausted); !strings.Contains(got.GetHint(), "unpin one") {
		t.Errorf("problem: %v", got)
	}
	if err := pin(ids[0]); err != nil {
		t.Errorf("pinned again: %v", err)
	}
	s.exec(`insert into subscriptions (account_id, customer_id, plan, state) values ($1, $2, 'business', 'active')`, p.account, fmt.Sprint(p.account))
	if err := pin(ids[mostPins]); err != nil {
		t.Errorf("on Business: %v", err)
	}
}

func TestPinningWhatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p, stranger := w.owner(), w.owner()
	c := w.db.Connection(t, p.account)
	w.snap(p, c, "running", 1, `[]`)
	var running string
	w.row([]any{&running}, `select id from snapshots where connection_id = $1`, c)
	_, err := p.snapshots.PinSnapshot(t.Context(), req(&imagov1.PinSnapshotRequest{SnapshotId: running}))
	if got := problemOf(t, err, connect.CodeAlreadyExists); !strings.Contains(got.GetWhat(), "running") {
		t.Errorf("running: %v", got)
	}
	_, err = stranger.snapshots.PinSnapshot(t.Context(), req(&imagov1.PinSnapshotRequest{SnapshotId: running}))
	if got := problemOf(t, err, connect.CodeNotFound); got.GetField() != "snapshot_id" {
		t.Errorf("another's: %v", got)
	}
	operator := w.member(p, account.Operator)
	ids := w.snapped(p, w.db.Connection(t, p.account))
	if _, err := operator.snapshots.PinSnapshot(t.Context(), req(&imagov1.PinSnapshotRequest{SnapshotId: ids[0]})); err != nil {
		t.Errorf("an operator pins: %v", err)
	}
	if _, err := operator.snapshots.UnpinSnapshot(t.Context(), req(&imagov1.UnpinSnapshotRequest{SnapshotId: ids[0]})); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("an operator unpins: %v", err)
	}
}
