package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
)

// name has objects read again, as the drift monitor does.
func (b bench) name(t *testing.T, resources ...string) (err error) {
	t.Helper()
	var objects []snapshots.Object
	for _, r := range resources {
		objects = append(objects, snapshots.Object{Resource: r, Sealed: []byte(r)})
	}
	proof := b.base.Job(t, job.FollowLog{AccountID: string(b.acme.ID), ConnectionID: string(b.connection)})
	return b.base.Open(t, "imago_drift").As(t.Context(), proof, func(tx *postgres.Tx) error {
		return snapshots.Name(t.Context(), tx, b.connection, time.Now().Add(time.Hour), objects)
	})
}

// points lists the connection's points, oldest first, each with what it reads.
func (b bench) points(t *testing.T) (all []snapshots.Snapshot, named [][]string) {
	t.Helper()
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		found, err := snapshots.ListAll(t.Context(), tx, b.connection, postgres.Page{})
		for _, s := range found {
			if s.Trigger != snapshots.Change {
				continue
			}
			objects, err := snapshots.Named(t.Context(), tx, s.ID)
			if err != nil {
				return err
			}
			var names []string
			for _, o := range objects {
				names = append(names, o.Resource)
			}
			all, named = append([]snapshots.Snapshot{s}, all...), append([][]string{names}, named...)
		}
		return err
	})
	return all, named
}

// tries is a worker's try to begin a snapshot.
func (b bench) tries(t *testing.T, id string) (s snapshots.Snapshot, err error) {
	t.Helper()
	err = b.worker.As(t.Context(), b.job, func(tx *postgres.Tx) (err error) {
		s, _, _, err = snapshots.Begin(t.Context(), tx, id)
		return err
	})
	return s, err
}

// What is named gathers in one point with one job, until that begins to read.
func TestPointGathers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.taken(t)
	for _, names := range [][]string{{"a", "b"}, {"b", "c"}} {
		if err := b.name(t, names...); err != nil {
			t.Fatal(err)
		}
	}
	points, _ := b.points(t)
	if s, err := b.tries(t, points[0].ID); err != nil || s.State != snapshots.Reading {
		t.Fatalf("it begins: %s, %v", s.State, err)
	}
	if err := b.name(t, "a"); err != nil {
		t.Fatal(err)
	}
	points, named := b.points(t)
	if diff := cmp.Diff([][]string{{"a", "b", "c"}, {"a"}}, named); diff != "" {
		t.Errorf("named (-want +got):\n%s", diff)
	}
	var jobs, early int
	if err := b.base.Owner().QueryRow(t.Context(), `select count(*), count(*) filter (where scheduled_at < now() + interval '59 minutes')
		from river.river_job where kind = 'take_point' and args ->> 'account_id' = $1`, b.acme.ID).Scan(&jobs, &early); err != nil || jobs != 2 || early != 0 {
		t.Errorf("%d jobs for 2 points, %d of them at once: %v", jobs, early, err)
	}
	if _, err := b.tries(t, points[1].ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("two points are taken at once: %v", err)
	}
}

// Only whoever follows a connection's log has anything of it read again.
func TestOnlyTheLogNames(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	other := benchIn(t, b.base)
	drift := b.base.Open(t, "imago_drift")
	for name, c := range map[string]struct {
		db    *postgres.DB
		proof postgres.Proof
	}{
		"another account's monitor": {drift, b.base.Job(t, job.FollowLog{AccountID: string(other.acme.ID), ConnectionID: string(other.connection)})},
		"a tick":                    {drift, b.base.Job(t, job.StartFollows{})},
		"a worker":                  {b.worker, b.job},
		"a session":                 {b.api, b.acme.Proof},
	} {
		err := c.db.As(t.Context(), c.proof, func(tx *postgres.Tx) error {
			return snapshots.Name(t.Context(), tx, b.connection, time.Now(), nil)
		})
		if !problem.Is(err, problem.Denied) {
			t.Errorf("%s names: %v", name, err)
		}
	}
	if points, _ := b.points(t); len(points) > 0 {
		t.Errorf("points: %v", points)
	}
}

// A sweep that is asked for goes before points, and neither begins while the other reads:
// each stands on the one before it.
func TestSweepsAndPointsTakeTurns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.taken(t)
	if err := b.name(t, "a"); err != nil {
		t.Fatal(err)
	}
	points, _ := b.points(t)
	sweep, made := b.queue(t)
	if !made {
		t.Fatalf("a point that gathers stands for a sweep: %+v", sweep)
	}
	if _, err := b.tries(t, points[0].ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("a point begins before a sweep that is queued: %v", err)
	}
	lease, _ := b.begin(t, sweep.ID)
	if _, err := b.tries(t, points[0].ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("a point begins while a sweep runs: %v", err)
	}
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		return snapshots.Finish(t.Context(), tx, lease, "digest", snapshots.Progress{})
	})
	b.newest(t, sweep.ID, first.ID)
	pointLease, _ := b.begin(t, points[0].ID)
	next, made := b.queue(t)
	if !made || next.State != snapshots.Queued {
		t.Fatalf("a point that reads stands for a sweep: %+v", next)
	}
	if _, err := b.tries(t, next.ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("a sweep begins while a point reads: %v", err)
	}
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		return snapshots.Finish(t.Context(), tx, pointLease, "digest", snapshots.Progress{})
	})
	// Its row is older than the sweep's; it began after it.
	b.newest(t, points[0].ID, sweep.ID)
	if _, err := b.tries(t, next.ID); err != nil {
		t.Errorf("the sweep begins: %v", err)
	}
}

// newest: the next snapshot stands on the one, and people are shown sweeps.
func (b bench) newest(t *testing.T, id, older string) {
	t.Helper()
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		newest, err := snapshots.Newest(t.Context(), tx, b.connection)
		if err != nil || newest.ID != id || newest.ID == older {
			t.Errorf("the newest is %s, want %s", newest.ID, id)
		}
		shown, err := snapshots.List(t.Context(), tx, b.connection, postgres.Page{})
		for _, s := range shown {
			if s.Trigger == snapshots.Change {
				t.Errorf("the list shows point %s", s.ID)
			}
		}
		latest, failed := snapshots.Latest(t.Context(), tx, b.connection)
		if failed != nil || latest.Trigger == snapshots.Change {
			t.Errorf("the latest is a point: %v", failed)
		}
		return err
	})
}

// A point whose job is gone holds up no sweep.
func TestOrphanedPointEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.taken(t)
	if err := b.name(t, "a"); err != nil {
		t.Fatal(err)
	}
	points, _ := b.points(t)
	tick := b.base.Job(t, job.RunSchedules{})
	end := func() (n int) {
		if _, err := b.base.Owner().Exec(t.Context(), `update snapshots set created_at = now() - interval '2 minutes' where id = $1`, points[0].ID); err != nil {
			t.Fatal(err)
		}
		in(t, b.worker, tick, func(tx *postgres.Tx) error {
			orphans, err := endOrphans(t, tx, b)
			n = orphans
			return err
		})
		return n
	}
	if n := end(); n != 0 {
		t.Errorf("%d points with a job are ended", n)
	}
	if _, err := b.base.Owner().Exec(t.Context(), `delete from river.river_job where kind = 'take_point' and args ->> 'account_id' = $1`, b.acme.ID); err != nil {
		t.Fatal(err)
	}
	if n := end(); n != 1 {
		t.Errorf("%d points without a job are ended", n)
	}
}

// endOrphans counts what of the account is ended.
func endOrphans(t *testing.T, tx *postgres.Tx, b bench) (n int, err error) {
	t.Helper()
	all, err := schedules.EndOrphans(t.Context(), tx)
	for _, o := range all {
		if o.AccountID == b.acme.ID {
			n++
		}
	}
	return n, err
}
