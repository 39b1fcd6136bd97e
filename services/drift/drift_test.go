package drift_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/account"
	"imago/pkg/backup"
	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	judge "imago/pkg/drift"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/repository"
	"imago/pkg/repository/repositorytest"
	"imago/pkg/snapshot"
	"imago/services/drift"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// watch runs a drift monitor until the test ends, or until stop is called.
func watch(t *testing.T, w *worldtest.World) (stop func()) {
	t.Helper()
	s, err := drift.New(drift.Config{}, drift.Deps{
		DB: w.Base.Open(t, "imago_drift"), Store: w.Store, Keys: w.Keys, Box: w.Box,
		Providers: worldtest.Providers(), Log: worldtest.Logger(t), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return worldtest.Run(t, s.Run)
}

// found opens every finding of the world, oldest first.
func found(t *testing.T, w *worldtest.World) (out []judge.Finding) {
	t.Helper()
	var rows []findings.Finding
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		rows, err = findings.List(ctx, tx, findings.Filter{Connection: w.Connection}, postgres.Page{})
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
func cursor(t *testing.T, w *worldtest.World, what string, is func(cursors.Cursor) bool) (c cursors.Cursor) {
	t.Helper()
	worldtest.Until(t, what, func() bool {
		w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
			c, err = cursors.Status(ctx, tx, w.Connection)
			return err
		})
		return is(c)
	})
	return c
}

// polled waits for a look at the log that began after the call.
func polled(t *testing.T, w *worldtest.World) {
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

func remove(t *testing.T, w *worldtest.World, group string) (id string) {
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

// take takes a snapshot, as a worker does.
func take(t *testing.T, w *worldtest.World) snapshots.Snapshot {
	t.Helper()
	id := w.Queue(t)
	db := w.Base.Open(t, "imago_worker")
	proof := w.Base.Job(t, job.TakeSnapshot{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection), SnapshotID: id})
	var row snapshots.Snapshot
	var lease snapshots.Lease
	must(t, db.As(t.Context(), proof, func(tx *postgres.Tx) (err error) {
		row, lease, _, err = snapshots.Begin(t.Context(), tx, id)
		return err
	}))
	repo, err := repository.New(w.Store, w.Ring, w.Account.ID, w.Connection, repository.Options{})
	must(t, err)
	draft, err := repo.Begin(id, *row.StartedAt, nil)
	must(t, err)
	provider := worldtest.Providers()[0]
	out, err := backup.Slice(t.Context(), backup.Input{
		Facts: snapshot.Manifest{ID: id, Account: string(w.Account.ID), Connection: string(w.Connection), Provider: provider.Name(),
			Org: w.Org.URL, Software: "imago test", Started: *row.StartedAt},
		Catalog: provider.Catalog(), Reader: reader(t, w), Journal: forgetful{},
		Open: func(context.Context, []byte) (backup.Draft, error) { return draft, nil },
	}, backup.Options{Every: time.Hour})
	must(t, err)
	if !out.Done {
		t.Fatal("the snapshot is not done")
	}
	must(t, db.As(t.Context(), proof, func(tx *postgres.Tx) error {
		return snapshots.Finish(t.Context(), tx, lease, draft.Digest(), snapshots.Progress{})
	}))
	return w.Snapshot(t, id)
}

// forgetful is a journal for a snapshot that is taken in one go.
type forgetful struct{}

func (forgetful) Load(context.Context) ([]byte, error)                { return nil, nil }
func (forgetful) Save(context.Context, []byte, backup.Progress) error { return nil }

func reader(t *testing.T, w *worldtest.World) provider.Reader {
	t.Helper()
	r, err := worldtest.Providers()[0].Reader(t.Context(), account.Org{URL: w.Org.URL}, w.Read.Credential)
	must(t, err)
	return r
}

func must(t *testing.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// number counts what an owner's query counts.
func number(t *testing.T, w *worldtest.World, sql string, args ...any) (n int) {
	t.Helper()
	must(t, w.Base.Owner().QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// The main job of the monitor: somebody deletes a group; what, who and from where is
// found once, and the members are written to once.
func TestDeletedGroupIsNoticedOnce(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	watch(t, w)
	watch(t, w) // two monitors must not tell twice
	taken := take(t, w)
	finance := remove(t, w, "Finance")
	worldtest.Until(t, "a finding", func() bool { return len(deletions(found(t, w))) > 0 })
	polled(t, w)
	if diff := cmp.Diff([]string{"Finance"}, deletions(found(t, w))); diff != "" {
		t.Fatalf("findings (-want +got):\n%s", diff)
	}
	for _, f := range found(t, w) {
		if e := f.Attribution.Event; e == nil || e.Actor.Login != "root@acme.example" || e.Client.IP != "127.0.0.1" || e.Name != "group.lifecycle.delete" {
			t.Errorf("%s is attributed to %s", f.Change.Key, worldtest.JSON(t, f.Attribution))
		}
		if f.Snapshot != taken.ID {
			t.Errorf("finding of snapshot %s", f.Snapshot)
		}
	}
	if f := found(t, w)[0]; f.Change.Key.ID != finance && len(deletions(found(t, w)[:1])) > 0 {
		t.Errorf("finding about %s", f.Change.Key)
	}
	if n := number(t, w, `select count(*) from messages where kind = 'finding' and account_id = $1`, w.Account.ID); n != 1 {
		t.Errorf("%d mails about one look", n)
	}
	if n := number(t, w, `select count(*) from river.river_job where kind = 'send_message'`); n != 1 {
		t.Errorf("%d jobs to send them", n)
	}
}

// What happens while nobody can look is found afterwards, all of it, and the activity
// log tells of the time in between.
func TestOutageLosesNothing(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	take(t, w)
	stop := watch(t, w)
	polled(t, w)
	w.Org.Fault(oktasimtest.Fault{Path: "/api/v1/logs*", Kind: "status", Status: 503, Count: 1_000_000})
	cursor(t, w, "the connection says that its log is lost", func(c cursors.Cursor) bool { return c.Problem != nil })
	remove(t, w, "Marketing")
	stop() // the monitor itself dies, too
	remove(t, w, "Support")
	w.Org.ClearFaults()
	watch(t, w)
	cursor(t, w, "the log is found again", func(c cursors.Cursor) bool { return c.Problem == nil && c.PolledAt != nil })
	worldtest.Until(t, "both findings", func() bool { return len(deletions(found(t, w))) == 2 })
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

// What the org does not let us look into is no deletion; that it was not looked into is
// told once, and the log is read on.
func TestWhatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	take(t, w)
	id, _ := w.Group(t, "Marketing")
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodGet, Path: "/api/v1/groups/" + id, Kind: "status", Status: 403, Count: 1_000_000})
	remove(t, w, "Marketing")
	remove(t, w, "Support")
	watch(t, w)
	worldtest.Until(t, "the other deletion is found", func() bool { return len(deletions(found(t, w))) > 0 })
	polled(t, w)
	if diff := cmp.Diff([]string{"Support"}, deletions(found(t, w))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if n := number(t, w, `select count(*) from activity_logs where account_id = $1 and action = 'miss_changes'`, w.Account.ID); n != 1 {
		t.Errorf("%d rows of activity about what could not be read: %v", n, w.Actions(t))
	}
}

// Snapshots that fail one after the other do not hide the one that was taken.
func TestFailedSnapshotsHideNothing(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	take(t, w)
	w.Exec(t, `insert into snapshots (account_id, connection_id, trigger, state, ended_at)
		select $1, $2, 'manual', 'failed', now() from generate_series(1, 60)`, w.Account.ID, w.Connection)
	remove(t, w, "Marketing")
	watch(t, w)
	worldtest.Until(t, "the deletion is found", func() bool { return len(deletions(found(t, w))) == 1 })
}

// Before the first snapshot there is nothing to compare with; what happens while it is
// taken is not lost.
func TestFollowingBeginsWithTheFirstSnapshot(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	watch(t, w)
	worldtest.Until(t, "the connection is followed", func() bool {
		var n int
		if err := w.Base.Owner().QueryRow(t.Context(),
			`select count(*) from river.river_job where kind = 'follow_log' and state in ('scheduled', 'available')`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
	remove(t, w, "Contractors") // before any snapshot: nobody can know what it was
	take(t, w)
	polled(t, w)
	if all := deletions(found(t, w)); len(all) != 0 {
		t.Errorf("found %v", all)
	}
	remove(t, w, "Managers")
	worldtest.Until(t, "a finding", func() bool { return len(deletions(found(t, w))) == 1 })
}

// A connection that was deleted is followed no more, and nothing fails of it.
func TestDisconnectedOrgIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{Seed: `{"seed":1,"users":1,"groups":1}`})
	watch(t, w)
	jobs := func(of string) int { return number(t, w, `select count(*) from river.river_job where `+of) }
	worldtest.Until(t, "the log is followed", func() bool { return jobs(`kind = 'follow_log' and metadata ->> 'snoozes' <> '0'`) == 1 })
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := connections.Delete(ctx, tx, w.Connection)
		return err
	})
	worldtest.Until(t, "the job ends", func() bool { return jobs(`kind = 'follow_log' and finalized_at is not null`) == 1 })
	if n := jobs(`state <> 'completed' and kind = 'follow_log' or array_length(errors, 1) > 0`); n != 0 {
		t.Errorf("%d jobs failed", n)
	}
}

// An org that hangs in the middle of a look is told of, and what was found before is kept.
func TestHangingOrgIsTold(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	take(t, w)
	stuck, _ := w.Group(t, "Support")
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodGet, Path: "/api/v1/groups/" + stuck, Kind: "delay", Delay: "1h", Count: 1_000_000})
	remove(t, w, "Marketing")
	remove(t, w, "Support")
	watch(t, w)
	cursor(t, w, "the connection says that its org hangs", func(c cursors.Cursor) bool { return c.Problem != nil })
	if diff := cmp.Diff([]string{"Marketing"}, deletions(found(t, w))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	w.Org.ClearFaults()
	worldtest.Until(t, "the other finding", func() bool { return len(deletions(found(t, w))) == 2 })
}

// A log that is not kept for as long as the monitor was away is followed from now on,
// and that there is a hole is told: when nobody has followed it before, too.
func TestForgottenLogIsFollowedAnew(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	take(t, w)
	restarts := func() (n int) {
		for _, a := range w.Actions(t) {
			if a == "restart_log" {
				n++
			}
		}
		return n
	}
	for n, group := range []string{"Marketing", "Support"} {
		for range 10 {
			w.Org.AdvanceClock(20 * 24 * time.Hour)
			w.Group(t, group) // the administrator's token lives for as long as it is used
		}
		stop := watch(t, w)
		polled(t, w)
		remove(t, w, group)
		worldtest.Until(t, "the deletion is found", func() bool { return len(deletions(found(t, w))) == n+1 })
		if got := restarts(); got != n+1 {
			t.Errorf("told %d times that the log begins anew, want %d: %v", got, n+1, w.Actions(t))
		}
		stop()
	}
}

// A change that the newest snapshot holds already, although by the database's clock that
// was ended before, is told all the same.
func TestClocksApartHideNothing(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	first := take(t, w)
	before := time.Now()
	var apps []struct{ ID, Label string }
	w.Org.Call(http.MethodGet, "/api/v1/apps?limit=1", nil, &apps)
	w.Org.Call(http.MethodPost, "/api/v1/apps/"+apps[0].ID+"/lifecycle/deactivate", nil, nil)
	second := take(t, w)
	w.Exec(t, `alter table snapshots disable trigger snapshots_guard`)
	w.Exec(t, `update snapshots set ended_at = $2 where id = $1`, second.ID, before)
	watch(t, w)
	worldtest.Until(t, "a finding", func() bool { return len(found(t, w)) > 0 })
	for _, f := range found(t, w) {
		if f.Rule != "app_deactivated" || f.Change.Key.ID != apps[0].ID || f.Snapshot != first.ID {
			t.Errorf("found %s", worldtest.JSON(t, f))
		}
	}
}

// TestSealedAnewAndNotNotedHidesNothing: a snapshot that a worker sealed anew, and died before the
// row heard of it, is compared with, also once another data key seals.
func TestSealedAnewAndNotNotedHidesNothing(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	row := take(t, w)
	s := w.Open(t, row)
	w.Rotate(t)
	w.Base.Announce(t, row.ID, repositorytest.Reseal(t, w.Store, w.Ring, s))
	w.Rotate(t)
	remove(t, w, "Marketing")
	watch(t, w)
	worldtest.Until(t, "the deletion is found", func() bool { return len(deletions(found(t, w))) == 1 })
}

// TestForgedSnapshotsHideNothing: what is not as it was taken is not compared with. The
// snapshot before is, and where there is none the log is held up, and nothing is lost.
func TestForgedSnapshotsHideNothing(t *testing.T) {
	t.Parallel()
	store := mem.New(mem.Options{})
	w := worldtest.New(t, worldtest.Options{Store: store})
	taken := []snapshots.Snapshot{take(t, w), take(t, w)}
	thief := w.Rotate(t)
	forge := make([]func(), len(taken))
	mend := make([]func(), len(taken))
	for i, row := range taken {
		s := w.Open(t, row)
		repositorytest.Reseal(t, store, w.Ring, s) // the row has the digest of before
		key := s.Prefix() + "/" + snapshot.ManifestName
		genuine, err := blob.ReadAll(t.Context(), store, key, 1<<20)
		must(t, err)
		forge[i] = func() { repositorytest.Forge(t, store, thief, s) }
		mend[i] = func() { store.Edit(key, func([]byte) []byte { return genuine }) }
	}
	watch(t, w)
	polled(t, w) // events of before the second
	tells := func(group string, against snapshots.Snapshot) {
		t.Helper()
		before := len(deletions(found(t, w)))
		remove(t, w, group)
		worldtest.Until(t, group+" is told of", func() bool { return len(deletions(found(t, w))) > before })
		told := func(f judge.Finding) bool { return f.Label == group && f.Snapshot == against.ID }
		if all := found(t, w); !slices.ContainsFunc(all, told) {
			t.Errorf("%s is not told against snapshot %s: %s", group, against.ID, worldtest.JSON(t, all))
		}
	}
	tells("Marketing", taken[1])
	forge[0]()
	tells("Finance", taken[1])
	mend[0]()
	forge[1]()
	tells("Support", taken[0])
	polled(t, w)

	forge[0]()
	remove(t, w, "Managers")
	c := cursor(t, w, "the log is held up", func(c cursors.Cursor) bool { return c.Problem != nil })
	if c.Problem.Kind != problem.Damaged || !strings.Contains(c.Problem.What, taken[0].Place()+"/manifest is damaged: another snapshot") {
		t.Errorf("held up by %v", c.Problem)
	}
	mend[0]()
	worldtest.Until(t, "what happened meanwhile is told", func() bool { return len(deletions(found(t, w))) == 4 })
	if diff := cmp.Diff([]string{"Marketing", "Finance", "Support", "Managers"}, deletions(found(t, w))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
