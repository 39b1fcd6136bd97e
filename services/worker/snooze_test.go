package worker_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/postgres"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/resource"
	"imago/services/worker"
)

// about is a finding that something was deleted.
func about(rule string, key resource.Key) drift.Finding {
	return drift.Finding{Rule: rule, Severity: drift.High, Title: rule, Observation: drift.Observation{Change: diff.Change{Key: key, Op: diff.Delete}}}
}

// statesOf are the findings' states, by rule.
func statesOf(t *testing.T, w *worldtest.World) map[string]string {
	t.Helper()
	out := map[string]string{}
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		all, err := findings.List(ctx, tx, findings.Filter{Connection: w.Connection}, postgres.Page{})
		for _, f := range all {
			out[f.Rule] = f.State
		}
		return err
	})
	return out
}

// sayOf has the account's owner say something of the finding of a rule.
func sayOf(t *testing.T, w *worldtest.World, rule string, word findings.Word) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		all, err := findings.List(ctx, tx, findings.Filter{Connection: w.Connection}, postgres.Page{})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(f findings.Finding) bool { return f.Rule == rule })
		word.ID = uuid.NewString()
		return findings.Say(ctx, tx, all[i].ID, word)
	})
}

func TestASnoozeEnds(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	group := resource.Key{Type: "group", ID: "00g1"}
	store(t, w, about("snoozed", group), about("accepted", group), about("again", group), about("asleep", group))
	soon, later := time.Now().Add(time.Second), time.Now().Add(time.Hour)
	for _, rule := range []string{"snoozed", "accepted", "again"} {
		sayOf(t, w, rule, findings.Word{State: findings.Snoozed, Until: &soon})
	}
	sayOf(t, w, "asleep", findings.Word{State: findings.Snoozed, Until: &later})
	sayOf(t, w, "accepted", findings.Word{State: findings.Accepted})
	sayOf(t, w, "again", findings.Word{State: findings.Snoozed, Until: &later})
	work(t, w, worker.Config{}, deps(t, w))
	worldtest.Until(t, "the jobs of what ends soon have ended", func() bool {
		var n int
		if err := w.Base.Owner().QueryRow(t.Context(),
			`select count(*) from river.river_job where kind = 'end_snooze' and state = 'completed'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 3
	})
	want := map[string]string{"snoozed": "open", "accepted": "accepted", "again": "snoozed", "asleep": "snoozed"}
	if diff := cmp.Diff(want, statesOf(t, w)); diff != "" {
		t.Error(diff)
	}
	if got := w.Detail(t, "reopen_finding"); got != "the snooze is over" {
		t.Errorf("the activity log says %q", got)
	}
}

func TestARestoreResolvesItsFindings(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	taken := w.Taken(t, w.Queue(t))
	finance, _ := w.Group(t, "Finance")
	w.Org.Call("DELETE", "/api/v1/groups/"+finance, nil, nil)
	key := resource.Key{Type: "group", ID: finance}
	store(t, w, about("deleted", key), about("another", resource.Key{Type: "group", ID: "00gother"}))
	planned := w.Plan(t, taken.ID, key)
	w.Write.Activate()
	w.Apply(t, planned)
	w.Restored(t, planned.ID, restores.Closing)
	if diff := cmp.Diff(map[string]string{"deleted": "resolved", "another": "open"}, statesOf(t, w)); diff != "" {
		t.Error(diff)
	}
	if got, want := w.Detail(t, "resolve_finding"), "restore "+planned.ID+" put it back"; got != want {
		t.Errorf("the activity log says %q, want %q", got, want)
	}
	w.Write.Deactivate()
	w.Restored(t, planned.ID, restores.Closed)
}
