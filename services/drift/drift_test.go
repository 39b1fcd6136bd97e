package drift_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	judge "imago/pkg/drift"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/sealed"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/resource"
	"imago/services/drift"
	"imago/services/worker"
	"imago/services/worker/workertest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// watch runs a drift monitor until the test ends, or until stop is called.
func watch(t *testing.T, w *workertest.World) (stop func()) {
	t.Helper()
	s, err := drift.New(drift.Config{}, drift.Deps{
		DB: w.Base.Open(t, "imago_drift"), Store: w.Store, Keys: w.Keys, Box: w.Box,
		Providers: []provider.Provider{okta.New(okta.Options{})}, Log: workertest.Logger(t), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return workertest.Run(t, s.Run)
}

// found opens every finding of the world, oldest first.
func found(t *testing.T, w *workertest.World) (out []judge.Finding) {
	t.Helper()
	var rows []findings.Finding
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		rows, err = findings.List(ctx, tx, w.Connection, postgres.Page{})
		return err
	})
	for _, row := range rows {
		var f judge.Finding
		if err := sealed.Finding(w.Connection, row.DedupKey).Open(w.Ring, row.Sealed, &f); err != nil {
			t.Fatal(err)
		}
		out = append([]judge.Finding{f}, out...)
	}
	return out
}

// cursor waits until the log has been read to its end after the call.
func cursor(t *testing.T, w *workertest.World, what string, is func(cursors.Cursor) bool) (c cursors.Cursor) {
	t.Helper()
	workertest.Until(t, what, func() bool {
		w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
			c, err = cursors.Status(ctx, tx, w.Connection)
			return err
		})
		return is(c)
	})
	return c
}

// polled waits for a look at the log that began after the call.
func polled(t *testing.T, w *workertest.World) {
	t.Helper()
	var first cursors.Cursor
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		first, err = cursors.Status(ctx, tx, w.Connection)
		return err
	})
	for range 2 { // the first may have been under way
		was := first.PolledAt
		first = cursor(t, w, "the log is read", func(c cursors.Cursor) bool {
			return c.PolledAt != nil && (was == nil || c.PolledAt.After(*was))
		})
	}
}

func remove(t *testing.T, w *workertest.World, group string) (id string) {
	t.Helper()
	id, ok := w.Group(t, group)
	if !ok {
		t.Fatalf("there is no group %s", group)
	}
	w.Org.Call(http.MethodDelete, "/api/v1/groups/"+id, nil, nil)
	return id
}

// deletions are the findings about deleted groups, by label.
func deletions(all []judge.Finding) (labels []string) {
	for _, f := range all {
		if f.Change.Key.Type == "group" {
			labels = append(labels, f.Label)
		}
	}
	return labels
}

// The main job of the monitor, to the end: somebody deletes a group; the members hear
// what, who and from where; the restore's own writes are no drift.
func TestDeletedGroupIsNoticedOnce(t *testing.T) {
	t.Parallel()
	w := workertest.New(t, workertest.Options{})
	w.Work(t, worker.Config{}, w.Deps(t))
	watch(t, w)
	watch(t, w) // two monitors must not tell twice
	taken := w.Taken(t, w.Queue(t))
	finance := remove(t, w, "Finance")
	workertest.Until(t, "a finding", func() bool { return len(deletions(found(t, w))) > 0 })
	polled(t, w)
	if diff := cmp.Diff([]string{"Finance"}, deletions(found(t, w))); diff != "" {
		t.Fatalf("findings (-want +got):\n%s", diff)
	}
	f := found(t, w)[0]
	if e := f.Attribution.Event; e == nil || e.Actor.Login != "root@acme.example" || e.Client.IP == "" || e.Name != "group.lifecycle.delete" {
		t.Errorf("attribution: %s", workertest.JSON(t, f.Attribution))
	}
	if f.Snapshot != taken.ID || f.Change.Key.ID != finance {
		t.Errorf("finding of snapshot %s about %s", f.Snapshot, f.Change.Key)
	}
	ctx, cancel := context.WithTimeout(t.Context(), workertest.Patience)
	defer cancel()
	mail := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Text, finance) })
	for _, want := range []string{"root@acme.example", "127.0.0.1", "imago restore plan --snapshot " + taken.ID + " group/" + finance} {
		if !strings.Contains(mail.Text, want) {
			t.Errorf("the mail lacks %q:\n%s", want, mail.Text)
		}
	}
	before := len(found(t, w))

	planned := w.Plan(t, taken.ID, resource.Key{Type: "group", ID: finance})
	w.Apply(t, planned)
	w.Write.Activate()
	w.Restored(t, planned.ID, restores.Closing)
	w.Write.Deactivate()
	w.Restored(t, planned.ID, restores.Closed)
	polled(t, w)
	if all := found(t, w); len(all) != before {
		t.Errorf("the restore led to findings: %s", workertest.JSON(t, all[before:]))
	}
	mails := 0
	for _, m := range w.Mails.Mails() {
		if strings.Contains(m.Text, finance) && !strings.Contains(m.Subject, "Restore") {
			mails++
		}
	}
	if mails != 1 {
		t.Errorf("%d mails about the group", mails)
	}
}

// What happens while nobody can look is found afterwards, all of it, and the activity
// log tells of the time in between.
func TestOutageLosesNothing(t *testing.T) {
	t.Parallel()
	w := workertest.New(t, workertest.Options{})
	w.Work(t, worker.Config{}, w.Deps(t))
	stop := watch(t, w)
	w.Taken(t, w.Queue(t))
	polled(t, w)
	w.Org.Fault(oktasimtest.Fault{Path: "/api/v1/logs*", Kind: "status", Status: 503, Count: 1_000_000})
	cursor(t, w, "the connection says that its log is lost", func(c cursors.Cursor) bool { return c.Problem != nil })
	remove(t, w, "Marketing")
	stop() // the monitor itself dies, too
	remove(t, w, "Support")
	w.Org.ClearFaults()
	watch(t, w)
	cursor(t, w, "the log is found again", func(c cursors.Cursor) bool { return c.Problem == nil && c.PolledAt != nil })
	workertest.Until(t, "both findings", func() bool { return len(deletions(found(t, w))) == 2 })
	var told []string
	for _, a := range w.Actions(t) {
		if a == "lose_log" || a == "regain_log" {
			told = append(told, a)
		}
	}
	if diff := cmp.Diff([]string{"lose_log", "regain_log"}, told); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
}

// Before the first snapshot there is nothing to compare with; what happens while it is
// taken is not lost.
func TestFollowingBeginsWithTheFirstSnapshot(t *testing.T) {
	t.Parallel()
	w := workertest.New(t, workertest.Options{})
	watch(t, w)
	workertest.Until(t, "the connection is followed", func() bool {
		var n int
		if err := w.Base.Owner().QueryRow(t.Context(),
			`select count(*) from river.river_job where kind = 'follow_log' and state in ('scheduled', 'available')`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
	remove(t, w, "Contractors") // before any snapshot: nobody can know what it was
	w.Work(t, worker.Config{}, w.Deps(t))
	w.Taken(t, w.Queue(t))
	polled(t, w)
	if all := deletions(found(t, w)); len(all) != 0 {
		t.Errorf("found %v", all)
	}
	remove(t, w, "Managers")
	workertest.Until(t, "a finding", func() bool { return len(deletions(found(t, w))) == 1 })
}
