package api

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
)

// overviewOf reads the overview of a connection.
func (w *world) overviewOf(p *person, c account.ConnectionID) *imagov1.Overview {
	w.t.Helper()
	res, err := p.overview.GetOverview(w.t.Context(), req(&imagov1.GetOverviewRequest{ConnectionId: string(c)}))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Msg.GetOverview()
}

// snap puts the row of a snapshot into the database, which began some hours ago and took
// half an hour.
func (w *world) snap(p *person, c account.ConnectionID, state string, hours int, types string) {
	w.t.Helper()
	digest, ended := "", "null"
	if state != "running" {
		digest, ended = "sha256:x", "now() - make_interval(hours => $4) + interval '30 minutes'"
	}
	id, err := uuid.NewV7() // later ones sort after earlier ones, also within a millisecond
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(`insert into snapshots (id, account_id, connection_id, trigger, state, started_at, ended_at, manifest_digest, calls, types)
		values ($7, $1, $2, 'manual', $3, now() - make_interval(hours => $4), `+ended+`, $5, 600, $6)`, p.account, c, state, hours, digest, types, id.String())
}

func TestOverviewOfAConnectionThatHoldsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	w.exec(`insert into log_cursors (account_id, connection_id, cursor, polled_at) values ($1, $2, 'c', now())`, p.account, c)
	got := w.overviewOf(p, c)
	// A log that is read protects nothing by itself.
	if got.GetProtectedSince() != nil || got.GetRecoveryPoint() != nil || got.GetLastTaken() != nil || got.GetBudget().GetCalls() != 0 {
		t.Errorf("nothing is protected, and it says %v", got)
	}
	if len(got.GetDays()) != sparkDays || len(got.GetOpenFindings()) != 4 {
		t.Errorf("%d days, %d severities", len(got.GetDays()), len(got.GetOpenFindings()))
	}
}

func TestOverview(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c, other := w.db.Connection(t, p.account), w.db.Connection(t, p.account)
	w.snap(p, c, "complete", 50, `[]`)
	w.snap(p, c, "partial", 20, `[{"type": "group", "gaps": [{"type": "group", "reason": "failed"}]},
		{"type": "app", "gaps": [{"type": "app", "reason": "forbidden", "parent": "a"}, {"type": "app", "reason": "forbidden", "parent": "b"}]}]`)
	w.snap(p, c, "failed", 10, `[]`)
	w.snap(p, c, "running", 1, `[]`)
	w.some(p, c)
	w.some(p, other)
	w.exec(`insert into change_days (account_id, connection_id, day, changes) values
		($1, $2, (now() at time zone 'UTC')::date, 7), ($1, $2, (now() at time zone 'UTC')::date - 29, 3), ($1, $2, (now() at time zone 'UTC')::date - 30, 9)`, p.account, c)
	got := w.overviewOf(p, c)
	hoursAgo := func(at *timestamppb.Timestamp) float64 { return time.Since(at.AsTime()).Round(time.Minute).Hours() }
	if h := hoursAgo(got.GetProtectedSince()); h != 49.5 {
		t.Errorf("protected for %v hours", h)
	}
	if h := hoursAgo(got.GetRecoveryPoint()); h != 20 {
		t.Errorf("the recovery point is %v hours ago, want the beginning of the newest snapshot", h)
	}
	if got.GetLastComplete().GetState() != "complete" || got.GetLastTaken().GetState() != "partial" || got.GetRunning().GetState() != "running" {
		t.Errorf("snapshots: %v", got)
	}
	if age := got.GetLastCompleteAgeSeconds(); age < 50*3600-60 || age > 50*3600+60 {
		t.Errorf("the last complete snapshot is %d s old", age)
	}
	if b := got.GetBudget(); b.GetRateShare() != 0.5 || b.GetCalls() != 600 || b.GetCallsAMinute() > 10.1 || b.GetCallsAMinute() < 9.9 {
		t.Errorf("budget: %v", b)
	}
	gaps := []*imagov1.GapCount{{Reason: "failed", Gaps: 1, Types: []string{"group"}}, {Reason: "forbidden", Gaps: 2, Types: []string{"app"}}}
	open := []*imagov1.SeverityCount{{Severity: "critical"}, {Severity: "high", Open: 1}, {Severity: "medium"}, {Severity: "low", Open: 1}}
	if diff := cmp.Diff(gaps, got.GetGaps(), protocmp.Transform()) + cmp.Diff(open, got.GetOpenFindings(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	days := got.GetDays()
	if first, last := days[0], days[len(days)-1]; first.GetChanges() != 3 || last.GetChanges() != 7 || last.GetDay() != time.Now().UTC().Format(time.DateOnly) {
		t.Errorf("from %v to %v", first, last)
	}
	var seen int64
	for _, d := range days {
		seen += d.GetFindings()
	}
	if seen != 4 {
		t.Errorf("%d findings in its days, want 4", seen)
	}
	w.exec(`insert into log_cursors (account_id, connection_id, cursor, polled_at) values ($1, $2, 'c', now() - interval '2 hours')`, p.account, c)
	if h := hoursAgo(w.overviewOf(p, c).GetRecoveryPoint()); h != 2 {
		t.Errorf("the recovery point is %v hours ago, want where the log was read to", h)
	}
}
