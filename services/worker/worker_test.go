package worker_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/job"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	"imago/services/worker"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && strings.HasPrefix(os.Args[1], "as-") {
		os.Exit(inAnotherProcess(os.Args[1], os.Args[2]))
	}
	postgrestest.Main(m)
}

// deps are a worker's, as imago_worker.
func deps(t testing.TB, w *worldtest.World) worker.Deps {
	t.Helper()
	return worker.Deps{
		DB: w.Base.Open(t, "imago_worker"), Store: w.Store, Keys: w.Keys, Box: w.Box, Providers: worldtest.Providers(),
		Mail: w.Sender(t), Software: "imago test", Log: worldtest.Logger(t), Metrics: prometheus.NewRegistry(),
	}
}

// work runs a worker until the test ends, or until stop is called.
func work(t testing.TB, w *worldtest.World, c worker.Config, d worker.Deps) (stop func()) {
	t.Helper()
	s, err := worker.New(c, d)
	if err != nil {
		t.Fatal(err)
	}
	return worldtest.Run(t, s.Run)
}

// The main job of the worker: a snapshot, a group that is deleted, its restore.
func TestSnapshotAndRestore(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	taken := w.Taken(t, w.Queue(t))
	if taken.State != snapshots.Partial || taken.Objects < 300 || taken.Calls < 10 || taken.Bytes == 0 || len(taken.Types) < 10 {
		t.Fatalf("snapshot: %s", worldtest.JSON(t, taken))
	}
	for _, typ := range taken.Types {
		for _, gap := range typ.Gaps { // a read-only admin sees no roles, and the org lacks a feature
			if gap.Reason != snapshot.Forbidden && gap.Reason != snapshot.NotLicensed {
				t.Errorf("gap: %+v", gap)
			}
		}
	}
	snap := w.Open(t, taken)
	if snap.Digest() != taken.ManifestDigest || snap.Manifest().Objects() != taken.Objects {
		t.Errorf("the row and the manifest differ")
	}

	finance, _ := w.Group(t, "Finance")
	w.Org.Call("DELETE", "/api/v1/groups/"+finance, nil, nil)
	planned := w.Plan(t, taken.ID, resource.Key{Type: "group", ID: finance})
	w.Apply(t, planned)
	waiting := w.Restored(t, planned.ID, restores.Waiting)
	if _, ok := w.Group(t, "Finance"); ok {
		t.Fatal("the group is back before the write app was active")
	}
	worldtest.Until(t, "the restore says what it waits for", func() bool {
		waiting = w.Restored(t, planned.ID, restores.Waiting)
		return waiting.Problem != nil
	})
	w.Write.Activate()
	closing := w.Restored(t, planned.ID, restores.Closing)
	receipt := w.Receipt(t, closing)
	if receipt.Failed+receipt.Skipped+len(receipt.Report.Differences) > 0 || receipt.Made < 10 {
		t.Fatalf("receipt: %s", worldtest.JSON(t, receipt))
	}
	if now, ok := w.Group(t, "Finance"); !ok || now == finance {
		t.Errorf("the group is %q now", now)
	}
	w.Write.Deactivate()
	closed := w.Restored(t, planned.ID, restores.Closed)
	if closed.WindowOpenedAt == nil || closed.WindowClosedAt == nil || closed.Problem != nil {
		t.Errorf("closed: %s", worldtest.JSON(t, closed))
	}
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	mail := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, "Restore verified") })
	if mail.To != w.Account.Email || !strings.Contains(mail.Text, closed.ID) || !strings.Contains(mail.Text, *closed.PlanDigest) {
		t.Errorf("receipt mail: %s", mail.Text)
	}
	want := []string{"start_snapshot", "complete_snapshot", "plan_restore", "open_window", "complete_restore", "close_window"}
	if diff := cmp.Diff(want, w.Actions(t)); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
	// Whoever swaps the manifest, and the row with it, has not swapped what is chained.
	if got := w.Detail(t, "complete_snapshot"); !strings.Contains(got, "manifest "+taken.ManifestDigest) {
		t.Errorf("the activity log says of the snapshot: %s", got)
	}
}

func TestCheckConnection(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	w.Exec(t, `update connections set state = 'checking' where id = $1`, w.Connection)
	work(t, w, worker.Config{}, deps(t, w))
	check := func() (c connections.Connection) {
		t.Helper()
		before := time.Now()
		w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
			if _, err := connections.StartCheck(ctx, tx, w.Connection); err != nil {
				return err
			}
			return tx.Enqueue(ctx, job.CheckConnection{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
		})
		worldtest.Until(t, "the check ends", func() bool {
			w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
				c, err = connections.Get(ctx, tx, w.Connection)
				return err
			})
			return c.CheckedAt != nil && c.CheckedAt.After(before)
		})
		return c
	}
	c := check()
	readable := 0
	for _, a := range c.Access {
		if a.Readable {
			readable++
		}
	}
	if c.State != connections.Ready || c.OrgID == "" || c.Engine != "oie" || readable < 10 {
		t.Fatalf("connection: %s", worldtest.JSON(t, c))
	}
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		s, ok, err := schedules.Get(ctx, tx, w.Connection)
		if !ok || !s.Enabled || s.NextRunAt == nil || !strings.HasSuffix(s.Cron, " 2 * * *") {
			t.Errorf("schedule: %+v", s)
		}
		return err
	})
	right := w.Read.Credential
	for name, test := range map[string]struct {
		spoil func()
		kind  string
		field string
	}{
		"another app's key": {func() { c := right; c.PrivateKey = w.Write.Credential.PrivateKey; w.Credential(t, c) }, "denied", "private_key"},
		"unknown client":    {func() { c := right; c.ClientID = "0oanobody"; w.Credential(t, c) }, "denied", "client_id"},
		"scope not granted": {func() { c := right; c.Scopes = []string{"okta.brands.read"}; w.Credential(t, c) }, "denied", "scopes"},
		"a lost key":        {func() { w.Exec(t, `update credentials set sealed_key = 'lost' where connection_id = $1`, w.Connection) }, "conflict", ""},
	} {
		test.spoil()
		c := check()
		if c.State != connections.Failed || c.Problem == nil || string(c.Problem.Kind) != test.kind || c.Problem.Field != test.field || c.Problem.Hint == "" {
			t.Errorf("%s: %s", name, worldtest.JSON(t, c))
		}
	}
	w.Credential(t, right)
	if c := check(); c.State != connections.Ready || c.Problem != nil {
		t.Errorf("after the repair: %s", worldtest.JSON(t, c))
	}
}
