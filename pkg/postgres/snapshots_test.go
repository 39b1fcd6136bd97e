package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/riverqueue/river"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/problem"
	"imago/pkg/snapshot"
)

// bench is an account with a connection, an api, a worker and the job that works.
type bench struct {
	base        *postgrestest.Database
	acme        postgrestest.Account
	connection  account.ConnectionID
	api, worker *postgres.DB
	job         postgres.Proof
}

func newBench(t *testing.T) bench {
	t.Helper()
	return benchIn(t, postgrestest.New(t))
}

func benchIn(t *testing.T, base *postgrestest.Database) bench {
	t.Helper()
	acme := base.Account(t)
	return bench{base, acme, base.Connection(t, acme.ID), base.Open(t, "imago_api"), base.Open(t, "imago_worker"),
		base.Job(t, job.TakeSnapshot{AccountID: string(acme.ID), ConnectionID: "running"})}
}

func (b bench) queue(t *testing.T) (s snapshots.Snapshot, made bool) {
	t.Helper()
	in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) (err error) {
		s, made, err = snapshots.Queue(t.Context(), tx, b.connection, snapshots.Manual)
		return err
	})
	return s, made
}

func (b bench) begin(t *testing.T, id string) (lease snapshots.Lease, checkpoint []byte) {
	t.Helper()
	in(t, b.worker, b.job, func(tx *postgres.Tx) (err error) {
		_, lease, checkpoint, err = snapshots.Begin(t.Context(), tx, id)
		return err
	})
	return lease, checkpoint
}

func (b bench) taken(t *testing.T) snapshots.Snapshot {
	t.Helper()
	s, _ := b.queue(t)
	lease, _ := b.begin(t, s.ID)
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		return snapshots.Finish(t.Context(), tx, lease, "digest", snapshots.Progress{})
	})
	return s
}

func TestSnapshotFromQueuedToPartial(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s, made := b.queue(t)
	if !made || s.State != snapshots.Queued || *s.RequestedBy != b.acme.User {
		t.Fatalf("queued %+v", s)
	}
	if again, made := b.queue(t); made || again.ID != s.ID {
		t.Errorf("while one is unfinished: %s, made %v", again.ID, made)
	}
	lease, checkpoint := b.begin(t, s.ID)
	if checkpoint != nil {
		t.Errorf("checkpoint %q", checkpoint)
	}
	until := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	progress := snapshots.Progress{
		Objects: 7, Bytes: 80, PlainBytes: 900, Calls: 3, WaitsUntil: until,
		Types: []snapshots.Type{{Type: "group", Objects: 7, Calls: 3, Done: true,
			Gaps: []snapshot.Gap{{Type: "group", Parent: "g1", Reason: snapshot.Truncated, Detail: "cut off"}}}},
	}
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		return snapshots.Save(t.Context(), tx, lease, []byte("page 3"), progress)
	})
	in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) error {
		got, err := snapshots.Get(t.Context(), tx, s.ID)
		if got.State != snapshots.Running || !got.WaitsUntil.Equal(until) || got.Objects != 7 || got.Gaps != 1 {
			t.Errorf("running %+v", got)
		}
		return err
	})
	held := func(want string) {
		t.Helper()
		in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) error {
			got, err := snapshots.Get(t.Context(), tx, s.ID)
			if got.WaitsFor != want {
				t.Errorf("waits for %q, want %q", got.WaitsFor, want)
			}
			return err
		})
	}
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		return snapshots.Hold(t.Context(), tx, lease, until, "okta answers 503")
	})
	lease, checkpoint = b.begin(t, s.ID)
	if string(checkpoint) != "page 3" {
		t.Errorf("goes on at %q", checkpoint)
	}
	held("okta answers 503") // until something was read
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		return snapshots.Save(t.Context(), tx, lease, []byte("page 4"), progress)
	})
	held("")
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		return snapshots.Finish(t.Context(), tx, lease, "manifest digest", progress)
	})
	in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) error {
		got, err := snapshots.Latest(t.Context(), tx, b.connection)
		if got.ID != s.ID || got.State != snapshots.Partial || got.EndedAt == nil || got.ManifestDigest != "manifest digest" {
			t.Errorf("taken %+v", got)
		}
		if diff := cmp.Diff(progress.Types, got.Types); diff != "" {
			t.Error(diff)
		}
		return err
	})
	err := b.worker.As(t.Context(), b.job, func(tx *postgres.Tx) error {
		_, _, _, err := snapshots.Begin(t.Context(), tx, s.ID)
		return err
	})
	if !problem.Is(err, problem.Stale) {
		t.Errorf("begun after its end: %v", err)
	}
}

// A slow attempt that was taken over cannot write any more, whatever it tries.
func TestGhostOfASnapshotCannotWrite(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s, _ := b.queue(t)
	ghost, _ := b.begin(t, s.ID)
	lease, _ := b.begin(t, s.ID)
	for name, write := range map[string]func(context.Context, *postgres.Tx, snapshots.Lease) error{
		"save": func(ctx context.Context, tx *postgres.Tx, l snapshots.Lease) error {
			return snapshots.Save(ctx, tx, l, []byte("old"), snapshots.Progress{})
		},
		"finish": func(ctx context.Context, tx *postgres.Tx, l snapshots.Lease) error {
			return snapshots.Finish(ctx, tx, l, "old", snapshots.Progress{})
		},
		"fail": func(ctx context.Context, tx *postgres.Tx, l snapshots.Lease) error {
			return snapshots.Fail(ctx, tx, l, problem.New(problem.Unavailable, "old"))
		},
	} {
		err := b.worker.As(t.Context(), b.job, func(tx *postgres.Tx) error { return write(t.Context(), tx, ghost) })
		if !problem.Is(err, problem.Stale) {
			t.Errorf("%s: %v", name, err)
		}
	}
	why := problem.New(problem.Denied, "no scope")
	in(t, b.worker, b.job, func(tx *postgres.Tx) error { return snapshots.Fail(t.Context(), tx, lease, why) })
	in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) error {
		got, err := snapshots.Get(t.Context(), tx, s.ID)
		if diff := cmp.Diff(why, got.Problem); got.State != snapshots.Failed || diff != "" {
			t.Errorf("%s: %s", got.State, diff)
		}
		return err
	})
}

func TestNoSnapshotIsTakenWithoutItsManifest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s, _ := b.queue(t)
	lease, _ := b.begin(t, s.ID)
	err := b.worker.As(t.Context(), b.job, func(tx *postgres.Tx) error {
		return snapshots.Finish(t.Context(), tx, lease, "", snapshots.Progress{})
	})
	if err == nil {
		t.Error("listed without a manifest")
	}
}

func TestSnapshotsAreListedInParts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var want []string
	for range 3 {
		want = append([]string{b.taken(t).ID}, want...)
	}
	var got []string
	in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) error {
		got = nil
		for before := ""; ; {
			part, err := snapshots.List(t.Context(), tx, b.connection, postgres.Page{Before: before, Limit: 2})
			if err != nil || len(part) == 0 {
				return err
			}
			for _, s := range part {
				got, before = append(got, s.ID), s.ID
			}
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestScheduleQueuesASnapshotOnce(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t) // a tick sees all accounts' schedules
	acme := base.Account(t)
	connection, unready := base.Connection(t, acme.ID), base.Connection(t, acme.ID)
	if _, err := base.Owner().Exec(t.Context(), `update connections set state = 'failed' where id = $1`, unready); err != nil {
		t.Fatal(err)
	}
	api, worker := base.Open(t, "imago_api"), base.Open(t, "imago_worker")
	due := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for _, id := range []account.ConnectionID{connection, unready} {
		in(t, api, acme.Proof, func(tx *postgres.Tx) error {
			_, err := schedules.Put(t.Context(), tx, schedules.Schedule{ConnectionID: id, Cron: "0 2 * * *", TimeZone: "Europe/Berlin", Enabled: true, NextRunAt: &due})
			return err
		})
	}
	tick := base.Job(t, job.RunSchedules{})
	started := map[account.ConnectionID]int{}
	run := func(now time.Time) (claimed int) {
		in(t, worker, tick, func(tx *postgres.Tx) error {
			list, err := schedules.ClaimDue(t.Context(), tx, now, 10)
			if err != nil {
				return err
			}
			for _, s := range list {
				_, ok, err := schedules.Start(t.Context(), tx, s.ConnectionID, s.DueAt.Add(24*time.Hour))
				if err != nil {
					return err
				}
				if ok {
					started[s.ConnectionID]++
				}
			}
			claimed = len(list)
			return nil
		})
		return claimed
	}
	if n := run(due.Add(-time.Second)); n != 0 {
		t.Errorf("%d claimed before their time", n)
	}
	if n := run(due); n != 2 {
		t.Errorf("%d claimed", n)
	}
	if n := run(due); n != 0 {
		t.Errorf("%d claimed twice", n)
	}
	run(due.Add(24 * time.Hour)) // the first snapshot is still unfinished
	if diff := cmp.Diff(map[account.ConnectionID]int{connection: 1}, started); diff != "" {
		t.Error(diff)
	}
	var jobs int
	if err := base.Owner().QueryRow(t.Context(), `select count(*) from river.river_job j join snapshots s on s.id::text = j.args ->> 'snapshot_id'
		where j.kind = 'take_snapshot' and s.trigger = 'schedule' and s.state = 'queued'`).Scan(&jobs); err != nil {
		t.Fatal(err)
	}
	if jobs != 1 {
		t.Errorf("%d jobs", jobs)
	}
	in(t, api, acme.Proof, func(tx *postgres.Tx) error {
		got, _, err := schedules.Get(t.Context(), tx, connection)
		next, last := due.Add(48*time.Hour), due.Add(24*time.Hour)
		want := schedules.Schedule{ConnectionID: connection, Cron: "0 2 * * *", TimeZone: "Europe/Berlin", Enabled: true, NextRunAt: &next, LastRunAt: &last}
		if diff := cmp.Diff(want, got, cmpopts.EquateApproxTime(0)); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

func TestTwoTicksDoNotClaimTheSame(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	api, worker := base.Open(t, "imago_api"), base.Open(t, "imago_worker")
	due := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	in(t, api, acme.Proof, func(tx *postgres.Tx) error {
		_, err := schedules.Put(t.Context(), tx, schedules.Schedule{ConnectionID: base.Connection(t, acme.ID), Cron: "0 2 * * *", TimeZone: "UTC", Enabled: true, NextRunAt: &due})
		return err
	})
	one, two := base.Job(t, job.RunSchedules{}), base.Job(t, job.RunSchedules{})
	in(t, worker, one, func(tx *postgres.Tx) error {
		list, err := schedules.ClaimDue(t.Context(), tx, due, 10)
		if len(list) != 1 {
			t.Errorf("the first claims %d", len(list))
		}
		in(t, worker, two, func(tx *postgres.Tx) error {
			list, err := schedules.ClaimDue(t.Context(), tx, due, 10)
			if len(list) != 0 {
				t.Errorf("the second claims %d", len(list))
			}
			return err
		})
		return err
	})
}

// The functions that reach across accounts want the tick's own proof.
func TestOnlyTicksReachAcross(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in(t, b.worker, b.job, func(tx *postgres.Tx) error {
		list, err := schedules.ClaimDue(t.Context(), tx, time.Now().Add(100*24*time.Hour), 10)
		if len(list) != 0 {
			t.Errorf("a snapshot's job claims %d schedules", len(list))
		}
		return err
	})
	for name, call := range map[string]func(*postgres.Tx) error{
		"start": func(tx *postgres.Tx) error {
			_, _, err := schedules.Start(t.Context(), tx, b.connection, time.Now())
			return err
		},
		"end orphans": func(tx *postgres.Tx) error { _, err := schedules.EndOrphans(t.Context(), tx); return err },
		"purge":       func(tx *postgres.Tx) error { return schedules.Purge(t.Context(), tx) },
	} {
		if err := b.worker.As(t.Context(), b.job, call); !problem.Is(err, problem.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A snapshot whose job was given up does not hold its connection's place for ever.
func TestOrphansAreEnded(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	b := bench{base, acme, base.Connection(t, acme.ID), base.Open(t, "imago_api"), base.Open(t, "imago_worker"),
		base.Job(t, job.TakeSnapshot{AccountID: string(acme.ID), ConnectionID: "running"})}
	s, _ := b.queue(t)
	old := func() {
		if _, err := base.Owner().Exec(t.Context(), `update snapshots set created_at = now() - interval '2 minutes' where id = $1`, s.ID); err != nil {
			t.Fatal(err)
		}
	}
	old()
	tick := base.Job(t, job.RunSchedules{})
	end := func() (ended []schedules.Orphan) {
		in(t, b.worker, tick, func(tx *postgres.Tx) (err error) {
			ended, err = schedules.EndOrphans(t.Context(), tx)
			return err
		})
		return ended
	}
	if ended := end(); len(ended) != 0 {
		t.Errorf("ended while its job lives: %v", ended)
	}
	if _, err := base.Owner().Exec(t.Context(), `update river.river_job set state = 'discarded', finalized_at = now() where args ->> 'snapshot_id' = $1`, s.ID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]schedules.Orphan{{AccountID: acme.ID, Kind: "snapshot", ID: s.ID}}, end()); diff != "" {
		t.Error(diff)
	}
	if again, made := b.queue(t); !made || again.ID == s.ID {
		t.Error("the place is still held")
	}
}

// A restore that may have written something before its job was given up has its window
// closed by another job; until then it counts as open, for the drift monitor, too.
func TestOrphanedRestoreHasItsWindowClosed(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	connection := base.Connection(t, acme.ID)
	if _, err := base.Owner().Exec(t.Context(), `
		with s as (insert into snapshots (account_id, connection_id, trigger, state, ended_at, manifest_digest)
			values ($1, $2, 'manual', 'complete', now(), 'x') returning id)
		insert into restores (account_id, connection_id, snapshot_id, state, selection_sealed, plan_sealed, plan_digest,
			requested_by, approved_by, approved_at, window_opened_at, created_at)
		select $1, $2, s.id, 'applying', 'x', 'x', 'x', $3, $3, now(), now() - interval '3 minutes', now() - interval '5 minutes' from s`,
		acme.ID, connection, acme.User); err != nil {
		t.Fatal(err)
	}
	in(t, base.Open(t, "imago_worker"), base.Job(t, job.RunSchedules{}), func(tx *postgres.Tx) error {
		ended, err := schedules.EndOrphans(t.Context(), tx)
		if len(ended) != 2 || ended[0].Kind != "restore" || ended[1].Kind != "window" || ended[0].ID != ended[1].ID {
			t.Errorf("ended %v", ended)
		}
		for _, args := range []river.JobArgs{
			job.ReportFailure{AccountID: string(acme.ID), RestoreID: ended[0].ID}, job.ApplyRestore{AccountID: string(acme.ID), RestoreID: ended[1].ID},
		} {
			if err == nil {
				err = tx.Enqueue(t.Context(), args)
			}
		}
		return err
	})
	in(t, base.Open(t, "imago_drift"), base.Job(t, job.FollowLog{AccountID: string(acme.ID)}), func(tx *postgres.Tx) error {
		open, err := restores.Windows(t.Context(), tx, connection, time.Now().Add(-time.Minute))
		if len(open) != 1 || open[0].ClosedAt != nil {
			t.Errorf("its window is %v", open)
		}
		return err
	})
}

// A silent schedule's alarm is worked out, raised once, and armed again by a snapshot.
func TestAlarmIsRaisedOnce(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	connection := base.Connection(t, acme.ID)
	worker := base.Open(t, "imago_worker")
	work, tick := base.Job(t, job.TakeSnapshot{AccountID: string(acme.ID)}), base.Job(t, job.RunSchedules{})
	due := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	in(t, worker, work, func(tx *postgres.Tx) error {
		return schedules.Default(t.Context(), tx, schedules.Schedule{ConnectionID: connection, Cron: "0 2 * * *", TimeZone: "UTC", Enabled: true, NextRunAt: &due})
	})
	claim := func(now time.Time, set time.Time) (got []bool) {
		in(t, worker, tick, func(tx *postgres.Tx) error {
			got = nil
			list, err := schedules.ClaimAlarms(t.Context(), tx, now, 10)
			if err != nil {
				return err
			}
			for _, a := range list {
				got = append(got, a.Due)
				if err := schedules.SetAlarm(t.Context(), tx, a.ConnectionID, set); err != nil {
					return err
				}
			}
			return nil
		})
		return got
	}
	alarm := due.Add(time.Hour)
	for _, step := range []struct {
		what     string
		now, set time.Time
		want     []bool
	}{
		{"to be worked out", due, alarm, []bool{false}},
		{"not yet", alarm.Add(-time.Second), alarm, nil},
		{"due", alarm, time.Time{}, []bool{true}},
		{"raised already", alarm.Add(1000 * time.Hour), time.Time{}, nil},
	} {
		if diff := cmp.Diff(step.want, claim(step.now, step.set)); diff != "" {
			t.Errorf("%s: %s", step.what, diff)
		}
	}
	in(t, worker, work, func(tx *postgres.Tx) error { return schedules.Rearm(t.Context(), tx, connection) })
	if diff := cmp.Diff([]bool{false}, claim(due, alarm)); diff != "" {
		t.Errorf("armed again: %s", diff)
	}
	if err := worker.As(t.Context(), work, func(tx *postgres.Tx) error {
		return schedules.SetAlarm(t.Context(), tx, connection, time.Time{})
	}); !problem.Is(err, problem.Denied) {
		t.Errorf("a snapshot's job sets an alarm across accounts: %v", err)
	}
}

// A connection whose check was given up does not stay at it.
func TestOrphanedCheckFails(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	id, worker := base.Connection(t, acme.ID), base.Open(t, "imago_worker")
	tick, check := base.Job(t, job.RunSchedules{}), base.JobRow(t, job.CheckConnection{AccountID: string(acme.ID), ConnectionID: string(id)})
	if _, err := base.Owner().Exec(t.Context(), `update connections set state = 'checking' where id = $1`, id); err != nil {
		t.Fatal(err)
	}
	state := func() (state connections.State) {
		in(t, worker, tick, func(tx *postgres.Tx) error { _, err := schedules.EndOrphans(t.Context(), tx); return err })
		if err := base.Owner().QueryRow(t.Context(), `select state from connections where id = $1`, id).Scan(&state); err != nil {
			t.Fatal(err)
		}
		return state
	}
	if got := state(); got != "checking" {
		t.Errorf("%s while its job lives", got)
	}
	base.EndJob(t, check)
	if got := state(); got != connections.Failed {
		t.Errorf("%s after its job is gone", got)
	}
}
