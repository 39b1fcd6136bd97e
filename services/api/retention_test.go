package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// aged puts a snapshot that began hours ago and added some bytes into the database, and gives
// its ID.
func (w *world) aged(p *person, c account.ConnectionID, trigger string, hours int) (id string) {
	w.t.Helper()
	w.row([]any{&id}, `insert into snapshots (account_id, connection_id, trigger, state, created_at, started_at, ended_at, manifest_digest, bytes)
		select $1, $2, $3, 'complete', at, at, at, 'sha256:x', 1000 from (select now() - make_interval(hours => $4) as at) as began
		returning id`, p.account, c, trigger, hours)
	return id
}

// preview asks for all pages of what would be let go, and gives the last, the IDs of all and
// by which rules each is kept so far.
func (w *world) preview(p *person, m *imagov1.PreviewRetentionRequest) (last *imagov1.PreviewRetentionResponse, ids, kept []string) {
	w.t.Helper()
	for m.PageSize = 2; last.GetNextPageToken() != "" || last == nil; m.PageToken = last.GetNextPageToken() {
		res, err := p.connections.PreviewRetention(w.t.Context(), req(m))
		if err != nil {
			w.t.Fatal(err)
		}
		last = res.Msg
		for _, s := range last.GetSnapshots() {
			ids, kept = append(ids, s.GetId()), append(kept, rules(s))
		}
	}
	return last, ids, slices.Compact(kept)
}

// TestPreviewOfRetention tells page by page what would be let go, as it is set or as it might
// be, and changes nothing.
func TestPreviewOfRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	var sweeps, points []string
	for n := range 5 {
		sweeps = append(sweeps, w.aged(p, c, "schedule", 400*24-n))
	}
	for n := range 3 {
		w.aged(p, c, "schedule", 3-n)
		points = append(points, w.aged(p, c, "change", 8*24-n))
	}
	const changed = `select (select count(*) from snapshots where connection_id = $1 and expired_at is not null)
		+ (select count(*) from activity_logs where account_id = $2)
		+ (select count(*) from connections where id = $1 and (thin or forget_at is not null))`
	before, thin := w.count(changed, c, p.account), true
	for name, test := range map[string]struct {
		thin                  *bool
		points                bool
		sweeps, count, stored int64
		ids, kept             []string
	}{
		"as it is set":        {nil, false, 0, 3, 3000, nil, nil},
		"as it is set, all":   {nil, true, 0, 3, 3000, points, []string{""}},
		"if it were thinned":  {&thin, false, 5, 3, 8000, sweeps, []string{"plan"}},
		"if it were, and all": {&thin, true, 5, 3, 8000, slices.Concat(sweeps, points), []string{"", "plan"}},
	} {
		sum, ids, kept := w.preview(p, &imagov1.PreviewRetentionRequest{ConnectionId: string(c), Thin: test.thin, Points: test.points})
		want := slices.Clone(test.ids)
		slices.Sort(want)
		slices.Reverse(want)
		slices.Sort(kept)
		if diff := cmp.Diff(want, ids) + cmp.Diff(test.kept, slices.Compact(kept)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if sum.GetSweepCount() != test.sweeps || sum.GetPointCount() != test.count || sum.GetStoredBytes() != test.stored || sum.GetNextLookAt() != nil {
			t.Errorf("%s: %v", name, sum)
		}
	}
	if n := w.count(changed, c, p.account) - before; n != 0 {
		t.Errorf("%d rows were changed, or written", n)
	}
	if _, err := p.connections.SetRetention(t.Context(), req(&imagov1.SetRetentionRequest{ConnectionId: string(c), Thin: true})); err != nil {
		t.Fatal(err)
	}
	if sum, _, _ := w.preview(p, &imagov1.PreviewRetentionRequest{ConnectionId: string(c)}); sum.GetSweepCount() != 5 || !sum.GetNextLookAt().AsTime().After(w.clock.now().Add(23*time.Hour)) {
		t.Errorf("once it is set: %v", sum)
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
