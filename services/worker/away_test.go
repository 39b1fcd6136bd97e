package worker_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/notify"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/problem"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/resource"
	"imago/services/worker"
)

// The org is half down, then the store is away: the snapshot goes on afterwards, and
// has nothing less.
func TestNeighboursAwayForAWhile(t *testing.T) {
	t.Parallel()
	store := fault.New(mem.New(mem.Options{}))
	store.AddFault(fault.Put).After(3).ErrorInstead(errors.New("the store is away")).Repeat(4)
	w := worldtest.New(t, worldtest.Options{Store: store})
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodGet, Path: "/api/v1/groups/*", Kind: "status", Status: 503, After: 4, Count: 12})
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodGet, Path: "/api/v1/apps*", Kind: "cut", After: 3, Count: 5, Bytes: 50})
	work(t, w, worker.Config{}, deps(t, w))
	taken := w.Taken(t, w.Queue(t))
	store.VerifyAllFired(t)
	for _, f := range w.Org.ClearFaults() {
		if f.Fired == 0 {
			t.Errorf("fault %s %s never fired", f.Kind, f.Path)
		}
	}
	undisturbed := w.Taken(t, w.Queue(t))
	if taken.State != snapshots.Partial || taken.Objects != undisturbed.Objects || taken.Gaps != undisturbed.Gaps {
		t.Errorf("%s with %d objects and %d gaps; undisturbed %s with %d and %d", taken.State, taken.Objects, taken.Gaps,
			undisturbed.State, undisturbed.Objects, undisturbed.Gaps)
	}
}

// An org that takes longer for one list than a slice should last is waited for: Okta
// itself gives a query 30 s.
func TestSlowListIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	undisturbed := w.Taken(t, w.Queue(t))
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodGet, Path: "/api/v1/zones*", Kind: "delay", Delay: "17s", Count: 1_000_000})
	slow := w.Taken(t, w.Queue(t))
	if slow.Objects != undisturbed.Objects || slow.Gaps != undisturbed.Gaps {
		t.Errorf("%d objects and %d gaps; undisturbed %d and %d", slow.Objects, slow.Gaps, undisturbed.Objects, undisturbed.Gaps)
	}
}

// The org answers 503 in the middle of a restore: to writes that it has not made, to
// writes that it has made, and to whatever is read between them and to verify them. Each
// time longer than the client's own patience, so that slices end by it. The restore ends
// as the undisturbed one does, and has made nothing twice.
func TestOrgFailsInTheMiddleOfARestore(t *testing.T) {
	t.Parallel()
	const members, reads = "/api/v1/groups/*/users/*", "/api/v1/*"
	type disturbed struct {
		*apart
		planned restores.Restore
	}
	begin := func(faults ...oktasimtest.Fault) disturbed {
		t.Helper()
		w := worldtest.New(t, worldtest.Options{})
		work(t, w, worker.Config{}, deps(t, w))
		d := disturbed{&apart{World: w}, planned(t, w)}
		w.Write.Activate()
		for _, f := range faults {
			w.Org.Fault(f)
		}
		w.Apply(t, d.planned)
		return d
	}
	quiet := begin()
	all := map[string]disturbed{}
	for name, faults := range map[string][]oktasimtest.Fault{
		"writes that were not made": {
			{Method: http.MethodPost, Path: "/api/v1/groups", Kind: "status", Status: 503, Count: 2},
			{Method: http.MethodPut, Path: members, Kind: "status", Status: 503, After: 4, Count: 7},
			{Method: http.MethodPut, Path: "/api/v1/policies/*", Kind: "status", Status: 503, Count: 7},
		},
		"writes that were made": {
			{Method: http.MethodPost, Path: "/api/v1/groups", Kind: "done_but_failed", Status: 503, Count: 1},
			{Method: http.MethodPut, Path: members, Kind: "done_but_failed", Status: 503, After: 4, Count: 7},
			{Method: http.MethodPut, Path: "/api/v1/apps/*/groups/*", Kind: "done_but_failed", Status: 503, Count: 7},
			{Method: http.MethodPut, Path: "/api/v1/policies/*", Kind: "done_but_failed", Status: 503, Count: 7},
		},
		"what is read between them": {
			{Method: http.MethodGet, Path: reads, Kind: "status", Status: 503, After: 8, Count: 7},
			{Method: http.MethodPost, Path: "/api/v1/groups", Kind: "done_but_failed", Status: 503, Count: 1},
			{Method: http.MethodGet, Path: reads, Kind: "status", Status: 503, After: 40, Count: 7},
		},
	} {
		all[name] = begin(faults...)
	}
	want, made := quiet.outcome(t, quiet.planned), quiet.creations(t)
	for name, d := range all {
		t.Run(name, func(t *testing.T) {
			got := d.outcome(t, d.planned)
			for _, f := range d.Org.ClearFaults() {
				if f.Fired != f.Count {
					t.Errorf("fault %s %s %s fired %d of %d times", f.Kind, f.Method, f.Path, f.Fired, f.Count)
				}
			}
			if got.receipt.Failed+got.receipt.Skipped+len(got.receipt.Report.Differences) > 0 || got.receipt.Made != want.receipt.Made {
				t.Errorf("%d writes undisturbed; receipt: %s", want.receipt.Made, worldtest.JSON(t, got.receipt))
			}
			if diff := cmp.Diff(want.state, got.state); diff != "" {
				t.Errorf("the org differs (-undisturbed +disturbed):\n%s", diff)
			}
			if diff := cmp.Diff(made, d.creations(t)); diff != "" {
				t.Errorf("made twice (-undisturbed +disturbed):\n%s", diff)
			}
		})
	}
}

// A restore that the org holds up says so, and no longer when it goes on.
func TestHeldUpRestoreSaysWhy(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	r := planned(t, w)
	w.Write.Activate()
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodPut, Path: "/api/v1/groups/*/users/*", Kind: "status", Status: 503, After: 2, Count: 1_000_000})
	w.Apply(t, r)
	worldtest.Until(t, "the restore says what holds it up", func() bool {
		r = w.Restored(t, r.ID, restores.Approved, restores.Waiting, restores.Applying)
		return r.State == restores.Applying && r.Problem != nil
	})
	if r.Problem.Kind != problem.Unavailable || r.Problem.What != "create group_membership: okta answers 503" {
		t.Errorf("held up by %v", r.Problem)
	}
	w.Org.ClearFaults()
	w.Restored(t, r.ID, restores.Closing)
	w.Write.Deactivate()
	if r = w.Restored(t, r.ID, restores.Closed); r.Problem != nil {
		t.Errorf("closed with %v", r.Problem)
	}
}

// creations counts what the org's log says was made or added, by event. A PUT whose
// answer was lost is sent again, and changes nothing: that is told of as an update.
func (a *apart) creations(t *testing.T) map[string]int {
	t.Helper()
	var events []struct{ EventType string }
	a.Org.Call(http.MethodGet, "/api/v1/logs?limit=1000", nil, &events)
	out := map[string]int{}
	for _, e := range events {
		if strings.HasSuffix(e.EventType, ".create") || strings.HasSuffix(e.EventType, ".add") {
			out[e.EventType]++
		}
	}
	return out
}

// A snapshot that the org holds up says what it waits for, and no longer when it goes on.
func TestHeldUpSnapshotSaysWhy(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodGet, Path: "/api/v1/groups*", Kind: "status", Status: 503, Count: 1_000_000})
	work(t, w, worker.Config{}, deps(t, w))
	id := w.Queue(t)
	var s snapshots.Snapshot
	worldtest.Until(t, "the snapshot waits", func() bool { s = w.Snapshot(t, id); return s.WaitsUntil != nil })
	if s.WaitsFor != "list group: okta answers 503" || !s.WaitsUntil.After(*s.StartedAt) {
		t.Errorf("waits for %q until %v, began %v", s.WaitsFor, s.WaitsUntil, s.StartedAt)
	}
	w.Org.ClearFaults()
	if s = w.Taken(t, id); s.State != snapshots.Partial || s.WaitsFor != "" || s.WaitsUntil != nil {
		t.Errorf("taken: %s", worldtest.JSON(t, s))
	}
}

// The database is away in the middle of a restore: it goes on afterwards.
func TestDatabaseAwayForAWhile(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	taken := w.Taken(t, w.Queue(t))
	finance, _ := w.Group(t, "Finance")
	w.Org.Call(http.MethodDelete, "/api/v1/groups/"+finance, nil, nil)
	planned := w.Plan(t, taken.ID, resource.Key{Type: "group", ID: finance})
	w.Write.Activate()
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodPut, Path: "/api/v1/groups/*/users/*", Kind: "delay", Delay: "1s", After: 3, Count: 1})
	w.Apply(t, planned)
	worldtest.Until(t, "the restore is under way", func() bool { return fired(t, w) })
	outage(t, w)
	closing := w.Restored(t, planned.ID, restores.Closing)
	if r := w.Receipt(t, closing); r.Failed+r.Skipped+len(r.Report.Differences) > 0 {
		t.Errorf("receipt: %s", worldtest.JSON(t, r))
	}
}

// The database server is shut down and started again in the middle of a snapshot: what
// was under way goes on, and the snapshot has nothing less.
func TestDatabaseRestartsInASnapshot(t *testing.T) {
	t.Parallel()
	base, restart := postgrestest.Own(t)
	w := worldtest.New(t, worldtest.Options{Base: base})
	work(t, w, worker.Config{}, deps(t, w))
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodGet, Path: "/api/v1/groups/*", Kind: "delay", Delay: "1s", After: 3, Count: 1})
	id := w.Queue(t)
	worldtest.Until(t, "the snapshot is under way", func() bool { return fired(t, w) })
	restart()
	w.API = base.Open(t, "imago_api")
	taken := w.Taken(t, id)
	undisturbed := w.Taken(t, w.Queue(t))
	if taken.State != snapshots.Partial || taken.Objects != undisturbed.Objects || taken.Gaps != undisturbed.Gaps {
		t.Errorf("%s with %d objects and %d gaps; undisturbed %s with %d and %d", taken.State, taken.Objects, taken.Gaps,
			undisturbed.State, undisturbed.Objects, undisturbed.Gaps)
	}
	w.Open(t, taken)
	if n := count(w.Actions(t), "start_snapshot"); n != 2 {
		t.Errorf("activity: %v", w.Actions(t))
	}
}

// outage ends every connection to the world's database and lets nobody in, until the
// programs have noticed.
func outage(t *testing.T, w *worldtest.World) {
	t.Helper()
	admin := w.Base.Owner()
	if _, err := admin.Exec(t.Context(), `revoke connect on database `+w.Base.Name+` from public`); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := admin.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = $1 and usename = 'imago_worker'`, w.Base.Name); err != nil {
			t.Fatal(err)
		}
		_, err := postgres.Open(t.Context(), w.Base.URL("imago_worker"), postgres.Options{})
		if err == nil {
			t.Fatal("the database lets the worker in")
		}
	}
	if _, err := admin.Exec(t.Context(), `grant connect on database `+w.Base.Name+` to public`); err != nil {
		t.Fatal(err)
	}
}

// A credential that the org refuses ends the snapshot at once, and the members hear.
func TestSnapshotOfARefusedCredentialFails(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	w.Read.Deactivate()
	work(t, w, worker.Config{}, deps(t, w))
	s := w.Taken(t, w.Queue(t))
	if s.State != snapshots.Failed || s.Problem == nil || s.Problem.Kind != problem.Denied || s.Problem.Hint == "" {
		t.Fatalf("snapshot: %s", worldtest.JSON(t, s))
	}
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	mail := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, "Snapshot failed") })
	if !strings.Contains(mail.Text, s.ID) || !strings.Contains(mail.Text, s.Problem.What) {
		t.Errorf("mail: %s", mail.Text)
	}
	want := []string{"start_snapshot", "fail_snapshot"}
	if got := w.Actions(t); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("activity: %v, want %v", got, want)
	}
}

// An org that stays away is waited for as long as the configuration says, and not longer.
func TestSnapshotOfAnOrgThatStaysAwayFails(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	w.Org.Fault(oktasimtest.Fault{Path: "/*", Kind: "status", Status: 503, Count: 1_000_000})
	work(t, w, worker.Config{Patience: 3 * time.Second}, deps(t, w))
	s := w.Taken(t, w.Queue(t))
	if s.State != snapshots.Failed || s.Problem == nil || s.Problem.Kind != problem.Unavailable {
		t.Errorf("snapshot: %s", worldtest.JSON(t, s))
	}
	if s.EndedAt.Sub(*s.StartedAt) < 3*time.Second {
		t.Errorf("given up after %s", s.EndedAt.Sub(*s.StartedAt))
	}
}

// refusing is a mail server that takes nothing for some people, and is busy at first.
type refusing struct {
	under notify.Sender
	calls chan string
	busy  int
}

func (r *refusing) Send(ctx context.Context, m notify.Message) error {
	r.calls <- m.ID
	if r.busy > 0 {
		r.busy--
		return problem.New(problem.Unavailable, "the mail server asks to try again later")
	}
	return r.under.Send(ctx, m)
}

// Mail that cannot go out now goes out later, under the same Message-ID; mail to an
// address that is refused for good is given up.
func TestMailIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	gone := w.Base.Member(t, w.Account.ID, "admin")
	w.Exec(t, `update users set email = $2 where id = $1`, gone.User, notifytest.RefusedAddress)
	w.Read.Deactivate()
	d := deps(t, w)
	sender := &refusing{under: d.Mail, calls: make(chan string, 100), busy: 1}
	d.Mail = sender
	work(t, w, worker.Config{Queues: map[string]int{"mail": 1, "backup": 1}}, d)
	w.Taken(t, w.Queue(t))
	states := func() (out map[string]int) {
		out = map[string]int{}
		rows, err := w.Base.Owner().Query(t.Context(), `select state from messages where account_id = $1`, w.Account.ID)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			out[s]++
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	worldtest.Until(t, "one mail is sent and one given up", func() bool { s := states(); return s["sent"] == 1 && s["failed"] == 1 })
	times := map[string]int{}
	for len(sender.calls) > 0 {
		times[<-sender.calls]++
	}
	if len(times) != 2 {
		t.Errorf("Message-IDs: %v", times)
	}
	if got := w.Mails.Mails(); len(got) != 1 {
		t.Errorf("%d mails arrived", len(got))
	}
	var errs string
	if err := w.Base.Owner().QueryRow(t.Context(), `select coalesce(string_agg(errors::text, ''), '') from river.river_job`).Scan(&errs); err != nil {
		t.Fatal(err)
	}
	if errs != "" {
		t.Errorf("a busy mail server used up attempts: %s", errs)
	}
}

// Mail that nobody takes for three days is given up, and the activity log says so.
func TestMailIsGivenUp(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	w.Read.Deactivate()
	var c clock
	d := deps(t, w)
	d.Now = c.now
	sender := &refusing{under: d.Mail, calls: make(chan string, 1000), busy: 1000}
	d.Mail = sender
	work(t, w, worker.Config{}, d)
	w.Taken(t, w.Queue(t))
	<-sender.calls
	c.advance(73 * time.Hour)
	worldtest.Until(t, "it is given up", func() bool { return count(w.Actions(t), "fail_message") == 1 })
	var state string
	if err := w.Base.Owner().QueryRow(t.Context(), `select state from messages where account_id = $1`, w.Account.ID).Scan(&state); err != nil {
		t.Fatal(err)
	}
	if state != "failed" {
		t.Errorf("the message is %s", state)
	}
}

// fired reports whether the simulator has hit a fault.
func fired(t *testing.T, w *worldtest.World) bool { return (&apart{World: w}).fired(t) }
