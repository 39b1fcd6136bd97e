package postgres_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
)

// letsGo is a running job that may let snapshots go.
func (b bench) letsGo(t *testing.T) postgres.Proof {
	t.Helper()
	return b.base.Job(t, job.ForgetSnapshots{AccountID: string(b.acme.ID), ConnectionID: string(b.connection)})
}

// expire lets a snapshot go as a job does.
func (b bench) expire(t *testing.T, proof postgres.Proof, id string) error {
	t.Helper()
	return b.worker.As(t.Context(), proof, func(tx *postgres.Tx) error {
		return snapshots.Expire(t.Context(), tx, id, "the Free plan keeps snapshots for 7 days", time.Now())
	})
}

func (b bench) pin(t *testing.T, id string, set func(context.Context, *postgres.Tx, string) (snapshots.Snapshot, error)) (s snapshots.Snapshot, err error) {
	t.Helper()
	err = b.api.As(t.Context(), b.acme.Proof, func(tx *postgres.Tx) (err error) {
		s, err = set(t.Context(), tx, id)
		return err
	})
	return s, err
}

// seesSnapshot reports whether a program sees a snapshot.
func seesSnapshot(t *testing.T, db *postgres.DB, proof postgres.Proof, id string) bool {
	t.Helper()
	err := db.As(t.Context(), proof, func(tx *postgres.Tx) error {
		_, err := snapshots.Get(t.Context(), tx, id)
		return err
	})
	if err != nil && !problem.Is(err, problem.NotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// TestWhatHasExpiredIsNobodysToSee: before anything of it goes from the store.
func TestWhatHasExpiredIsNobodysToSee(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old, proof := b.taken(t), b.letsGo(t)
	b.taken(t)
	if err := b.expire(t, proof, old.ID); err != nil {
		t.Fatal(err)
	}
	follow := b.base.Job(t, job.FollowLog{AccountID: string(b.acme.ID), ConnectionID: string(b.connection)})
	for name, c := range map[string]struct {
		db    *postgres.DB
		proof postgres.Proof
		sees  bool
	}{
		"the api": {b.api, b.acme.Proof, false}, "the drift monitor": {b.base.Open(t, "imago_drift"), follow, false},
		"another job": {b.worker, b.job, false}, "the job that removes it": {b.worker, proof, true},
	} {
		if got := seesSnapshot(t, c.db, c.proof, old.ID); got != c.sees {
			t.Errorf("%s sees it: %v", name, got)
		}
	}
	if _, err := b.pin(t, old.ID, snapshots.Pin); !problem.Is(err, problem.NotFound) {
		t.Errorf("it is pinned: %v", err)
	}
	b.tellsOfExpiry(t, old.ID)
	err := b.api.As(t.Context(), b.acme.Proof, func(tx *postgres.Tx) error {
		_, err := restores.Request(t.Context(), tx, wanted(t, b.connection, old.ID))
		return err
	})
	if !problem.Is(err, problem.NotFound) {
		t.Errorf("a restore of it is planned: %v", err)
	}
	b.forgets(t, proof, old.ID)
}

// TestSealedAnew: a row knows which manifest is there and which comes, step by step. Who read it
// before another step was made makes none, and nobody makes one of what was let go.
func TestSealedAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.taken(t).ID
	b.taken(t)
	proof := b.base.Job(t, job.ResealRepository{AccountID: string(b.acme.ID), ConnectionID: string(b.connection)})
	do := func(fn func(*postgres.Tx) error) error { t.Helper(); return b.worker.As(t.Context(), proof, fn) }
	read := func() (s snapshots.Moment) {
		t.Helper()
		if err := do(func(tx *postgres.Tx) (err error) { s, _, err = snapshots.StillLive(t.Context(), tx, id); return err }); err != nil {
			t.Fatal(err)
		}
		return s
	}
	resealing := func(was snapshots.Moment, from, to string) error {
		return do(func(tx *postgres.Tx) error { return snapshots.Resealing(t.Context(), tx, was, from, to) })
	}
	resealed := func(from, to string) error {
		return do(func(tx *postgres.Tx) error { return snapshots.Resealed(t.Context(), tx, id, from, to) })
	}
	first := read()
	taken := first.ManifestDigest
	for _, c := range []struct {
		step         string
		do           func() error
		digest, next string
		stale        bool
	}{
		{"one comes", func() error { return resealing(first, taken, "x") }, taken, "x", false},
		{"another comes, for who has not heard of that", func() error { return resealing(first, taken, "y") }, taken, "x", true},
		{"the one is there, and another comes", func() error { return resealing(read(), "x", "y") }, "x", "y", false},
		{"the first is the one that is there", func() error { return resealed(taken, "z") }, "x", "y", true},
		{"the other is there", func() error { return resealed("x", "y") }, "y", "", false},
	} {
		if err := c.do(); problem.Is(err, problem.Stale) != c.stale || !c.stale && err != nil {
			t.Errorf("%s: %v", c.step, err)
		}
		if s := read(); s.ManifestDigest != c.digest || s.ManifestNext != c.next {
			t.Errorf("%s: %q, then %q", c.step, s.ManifestDigest, s.ManifestNext)
		}
	}
	last := read()
	if err := b.expire(t, b.letsGo(t), id); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"comes": resealing(last, "y", "z"), "is there": resealed("y", "z")} {
		if !problem.Is(err, problem.Stale) {
			t.Errorf("let go, and another %s: %v", name, err)
		}
	}
}

// tellsOfExpiry: its account is told since when it is gone and why, and nobody else anything.
func (b bench) tellsOfExpiry(t *testing.T, id string) {
	t.Helper()
	gone := "the snapshot expired on " + time.Now().UTC().Format(time.DateOnly) + ": the Free plan keeps snapshots for 7 days"
	for _, who := range []struct {
		proof     postgres.Proof
		id, wants string
	}{
		{b.acme.Proof, id, gone}, {b.acme.Proof, string(b.acme.ID), "there is no such snapshot"}, {b.base.Account(t).Proof, id, "there is no such snapshot"},
	} {
		err := b.api.As(t.Context(), who.proof, func(tx *postgres.Tx) error {
			_, err := snapshots.Find(t.Context(), tx, who.id)
			return err
		})
		if p := problem.Of(err); p == nil || p.Kind != problem.NotFound || p.What != who.wants {
			t.Errorf("told %v, want %q", err, who.wants)
		}
	}
}

// forgets: it stays to be removed until it was.
func (b bench) forgets(t *testing.T, proof postgres.Proof, id string) {
	t.Helper()
	expired := func(before time.Time) (n int) {
		in(t, b.worker, proof, func(tx *postgres.Tx) error {
			all, err := snapshots.Expired(t.Context(), tx, b.connection, before, 10)
			n = len(all)
			return err
		})
		return n
	}
	if now, before := expired(time.Now()), expired(time.Now().Add(-time.Hour)); now != 1 || before != 0 {
		t.Errorf("to be removed: %d, and %d an hour ago; want 1 and 0", now, before)
	}
	in(t, b.worker, proof, func(tx *postgres.Tx) error { return snapshots.Forgotten(t.Context(), tx, id, time.Now()) })
	if n := expired(time.Now()); n != 0 {
		t.Errorf("%d are to be removed again", n)
	}
}

// TestWhatIsNeededDoesNotExpire, whatever a job makes of the plan's retention.
func TestWhatIsNeededDoesNotExpire(t *testing.T) {
	t.Parallel()
	s := newSurgery(t) // a restore is planned of its snapshot
	pinned := s.taken(t)
	if got, err := s.pin(t, pinned.ID, snapshots.Pin); err != nil || got.PinnedAt == nil || *got.PinnedBy != s.acme.User {
		t.Fatalf("pinned: %+v, %v", got, err)
	}
	free, newest := s.taken(t), s.taken(t)
	queued, _ := s.queue(t)
	proof := s.letsGo(t)
	for name, id := range map[string]string{"a restore's": s.restore.SnapshotID, "a pinned one": pinned.ID, "the newest": newest.ID, "one that is being taken": queued.ID} {
		if err := s.expire(t, proof, id); !problem.Is(err, problem.Stale) {
			t.Errorf("%s expires: %v", name, err)
		}
	}
	if err := s.expire(t, s.job, free.ID); err == nil {
		t.Error("another job lets it go")
	}
	if err := s.expire(t, proof, free.ID); err != nil {
		t.Error(err)
	}
	if _, err := s.pin(t, pinned.ID, snapshots.Unpin); err != nil {
		t.Fatal(err)
	}
	in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) error {
		_, err := restores.Cancel(t.Context(), tx, s.restore.ID)
		return err
	})
	for name, id := range map[string]string{"the restore's": s.restore.SnapshotID, "the pinned one": pinned.ID} {
		if err := s.expire(t, proof, id); err != nil {
			t.Errorf("%s is needed no more, and does not expire: %v", name, err)
		}
	}
}

// TestKeptTellsWhatNeedsASnapshot is what retention is told.
func TestKeptTellsWhatNeedsASnapshot(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	pinned, pointed := s.taken(t), s.taken(t)
	if _, err := s.pin(t, pinned.ID, snapshots.Pin); err != nil {
		t.Fatal(err)
	}
	drift := s.base.Open(t, "imago_drift")
	follow := s.base.Job(t, job.FollowLog{AccountID: string(s.acme.ID), ConnectionID: string(s.connection)})
	var id string
	in(t, drift, follow, func(tx *postgres.Tx) (err error) {
		id, _, err = findings.Add(t.Context(), tx, findings.Finding{ConnectionID: s.connection, Rule: "r", Severity: "high", DedupKey: "d",
			ResourceType: "group", Sealed: []byte("x"), EventTime: time.Now(), SnapshotID: &pointed.ID})
		return err
	})
	needs := func() (out []string) {
		in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) error {
			all, err := snapshots.Kept(t.Context(), tx, s.connection, time.Time{})
			for _, k := range all {
				out = append(out, map[[3]bool]string{{true}: "pinned", {false, true}: "restore", {false, false, true}: "finding"}[[3]bool{k.Pinned, k.Restore, k.Finding}])
			}
			return err
		})
		return out
	}
	if diff := cmp.Diff([]string{"restore", "pinned", "finding"}, needs()); diff != "" {
		t.Error(diff)
	}
	for state, want := range map[string]string{findings.Snoozed: "finding", findings.Resolved: "", findings.Acknowledged: "finding", findings.Accepted: ""} {
		_, err := s.base.Owner().Exec(t.Context(), `update findings set state = $2, snoozed_until = now() where id = $1`, id, state)
		if got := needs(); err != nil || got[2] != want {
			t.Errorf("%s: needed by %q, want %q (%v)", state, got[2], want, err)
		}
	}
}

// TestWhoPlansARestoreWaits: what is let go at the same moment is not planned from.
func TestWhoPlansARestoreWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old, proof := b.taken(t), b.letsGo(t)
	b.taken(t)
	want := wanted(t, b.connection, old.ID)
	planned := make(chan error, 1)
	in(t, b.worker, proof, func(tx *postgres.Tx) error {
		if err := snapshots.Lock(t.Context(), tx, b.connection); err != nil {
			return err
		}
		go func() {
			planned <- b.api.As(t.Context(), b.acme.Proof, func(tx *postgres.Tx) error {
				_, err := restores.Request(t.Context(), tx, want)
				return err
			})
		}()
		b.waits(t)
		return snapshots.Expire(t.Context(), tx, old.ID, "", time.Now())
	})
	if err := <-planned; !problem.Is(err, problem.NotFound) {
		t.Errorf("planned: %v", err)
	}
}

// waits comes back when somebody waits for a lock.
func (b bench) waits(t *testing.T) {
	t.Helper()
	for n := 0; n == 0; {
		err := b.base.Owner().QueryRow(t.Context(), `select count(*) from pg_locks l join pg_stat_activity a using (pid)
			where not l.granted and a.datname = current_database() and a.usename = 'imago_api'`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectionsAreLookedThroughOnceADay(t *testing.T) {
	t.Parallel()
	b := benchIn(t, postgrestest.Fresh(t)) // it claims whatever is there
	empty := b.base.Connection(t, b.acme.ID)
	b.taken(t)
	tick := b.base.Job(t, job.RunSchedules{})
	claimed := func(at time.Time) []account.ConnectionID {
		_, err := b.base.Owner().Exec(t.Context(), `delete from river.river_job where kind = 'forget_snapshots'`)
		if err != nil {
			t.Fatal(err)
		}
		in(t, b.worker, tick, func(tx *postgres.Tx) error {
			_, err := snapshots.ClaimForgetting(t.Context(), tx, at, 1000)
			return err
		})
		rows, err := b.base.Owner().Query(t.Context(), `select args ->> 'connection_id' from river.river_job
			where kind = 'forget_snapshots' and args ->> 'account_id' = $1`, b.acme.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var out []account.ConnectionID
		for rows.Next() {
			var id account.ConnectionID
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			out = append(out, id)
		}
		return out
	}
	now := time.Now()
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {23 * time.Hour, false}, {24 * time.Hour, true}, {25 * time.Hour, false}} {
		got := claimed(now.Add(c.after))
		if slices.Contains(got, b.connection) != c.want || slices.Contains(got, empty) {
			t.Errorf("after %v: %v", c.after, got)
		}
	}
	err := b.worker.As(t.Context(), b.job, func(tx *postgres.Tx) error {
		n, err := snapshots.ClaimForgetting(t.Context(), tx, now.Add(100*time.Hour), 1000)
		if n != 0 {
			t.Errorf("a job of an account claims %d connections", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
