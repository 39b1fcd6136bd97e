package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/restores"
	"imago/pkg/problem"
)

// applies asks for the approved plan to be carried out.
func (s surgery) applies(t *testing.T) {
	t.Helper()
	in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) error {
		_, err := restores.Apply(t.Context(), tx, s.restore.ID)
		return err
	})
}

// approved is a restore that somebody has approved.
func approved(t *testing.T) surgery {
	t.Helper()
	s := newSurgery(t)
	s.plan(t)
	if _, err := s.approve("sha256:1"); err != nil {
		t.Fatal(err)
	}
	return s
}

// writable counts the write credentials that a running job sees.
func (s surgery) writable(t *testing.T, args river.JobArgs) (seen []account.ConnectionID) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.base.URL("imago_worker"))
	if err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `select set_config('app.proof_kind', 'job', true), set_config('app.proof', $1, true)`,
			fmt.Sprint(s.base.JobRow(t, args))); err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), `select connection_id from credentials where purpose = 'write'`)
		if err != nil {
			return err
		}
		seen, err = pgx.CollectRows(rows, pgx.RowTo[account.ConnectionID])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return seen
}

// The write credential is shown to the job of one approved restore, of its own
// connection, from the asking to the end: not to a job with a made-up restore, and not
// beside the one that it is about.
func TestWriteCredentialIsForOneApprovedRestore(t *testing.T) {
	t.Parallel()
	s, other := newSurgery(t), newSurgery(t)
	s.base.Connection(t, s.acme.ID) // another org of the account
	own := job.ApplyRestore{AccountID: string(s.acme.ID), RestoreID: s.restore.ID}
	sees := func(when string, args river.JobArgs, want ...account.ConnectionID) {
		t.Helper()
		if got := s.writable(t, args); !slices.Equal(got, want) {
			t.Errorf("%s: sees the write credentials of %v, want %v", when, got, want)
		}
	}
	sees("while it is planned", own)
	s.plan(t)
	sees("planned", own)
	if _, err := s.approve("sha256:1"); err != nil {
		t.Fatal(err)
	}
	sees("approved", own)
	s.applies(t)
	sees("asked for", own, s.connection)
	sees("a restore that there is not", job.ApplyRestore{AccountID: string(s.acme.ID), RestoreID: "00000000-0000-0000-0000-000000000000"})
	sees("another account's restore", job.ApplyRestore{AccountID: string(s.acme.ID), RestoreID: other.restore.ID})
	sees("in another account's name", job.ApplyRestore{AccountID: string(other.acme.ID), RestoreID: s.restore.ID})
	sees("another kind of job", job.PlanRestore{AccountID: string(s.acme.ID), RestoreID: s.restore.ID})
	for _, state := range []restores.State{restores.Waiting, restores.Applying, restores.Verifying, restores.Verified, restores.Closing} {
		s.to(t, state)
		sees(string(state), own, s.connection)
	}
	s.to(t, restores.Closed)
	sees("closed", own)
}

// A tick lets into no account: what it starts must stand in the database already, so
// that a program that makes a tick of its own cannot name an account.
func TestTickStartsOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	s := approved(t)
	none := string(newID(t, s.base)) // of nothing, but for the snapshot below
	id, connection, restore := string(s.acme.ID), string(s.connection), s.restore.ID
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := s.base.Owner().Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	tick := func(name string, args river.JobArgs, may bool) {
		t.Helper()
		s.wantJob(t, name, s.worker, job.RunSchedules{}, args, may)
	}
	snapshot := func(snapshot string) job.TakeSnapshot {
		return job.TakeSnapshot{AccountID: id, ConnectionID: connection, SnapshotID: snapshot}
	}
	manual, _ := s.queue(t)
	tick("that a person asked for", snapshot(manual.ID), false)
	tick("that has not failed", job.ReportFailure{AccountID: id, SnapshotID: manual.ID}, false)
	exec(`update snapshots set state = 'failed', ended_at = now() where id = $1`, manual.ID)
	tick("that has failed", job.ReportFailure{AccountID: id, SnapshotID: manual.ID}, true)
	tick("that has failed, of another account", job.ReportFailure{AccountID: none, SnapshotID: manual.ID}, false)
	exec(`insert into snapshots (id, account_id, connection_id, trigger) values ($1, $2, $3, 'schedule')`, none, id, connection)
	tick("that is scheduled", snapshot(none), true)
	tick("that there is not", snapshot(restore), false)
	tick("of no ID", snapshot(""), false)
	tick("of another connection", job.TakeSnapshot{AccountID: id, ConnectionID: none, SnapshotID: none}, false)
	tick("of another account", job.TakeSnapshot{AccountID: none, ConnectionID: connection, SnapshotID: none}, false)

	tick("that nobody asked for", job.ApplyRestore{AccountID: id, RestoreID: restore}, false)
	s.to(t, restores.Applying, restores.Verifying, restores.Verified)
	tick("whose window is to be closed", job.ApplyRestore{AccountID: id, RestoreID: restore}, true)
	tick("of another account", job.ApplyRestore{AccountID: none, RestoreID: restore}, false)
	tick("that there is not", job.ApplyRestore{AccountID: id, RestoreID: none}, false)
	tick("that goes on", job.ReportFailure{AccountID: id, RestoreID: restore}, false)
	s.to(t, restores.Stopped)
	tick("that was stopped", job.ReportFailure{AccountID: id, RestoreID: restore}, true)

	tick("of a connection that is not looked through", job.ForgetSnapshots{AccountID: id, ConnectionID: connection}, false)
	exec(`update connections set forget_at = now() where id = $1`, connection)
	tick("of a connection", job.ForgetSnapshots{AccountID: id, ConnectionID: connection}, true)
	tick("of another account", job.ForgetSnapshots{AccountID: none, ConnectionID: connection}, false)

	tick("of a schedule that there is not", job.ReportFailure{AccountID: id, ConnectionID: connection}, false)
	exec(`insert into schedules (account_id, connection_id, cron, time_zone, enabled, next_run_at) values ($1, $2, '', '', true, now())`, id, connection)
	tick("of a schedule", job.ReportFailure{AccountID: id, ConnectionID: connection}, true)
	tick("of a log that is read", job.ReportFailure{AccountID: id, LogOf: connection}, false)
	exec(`insert into log_cursors (account_id, connection_id, cursor, alarmed_at) values ($1, $2, '', now())`, id, connection)
	tick("of a silent log", job.ReportFailure{AccountID: id, LogOf: connection}, true)
	tick("of another account's log", job.ReportFailure{AccountID: none, LogOf: connection}, false)
	tick("of no refusal", job.ReportFailure{AccountID: id, RefusalID: none}, false)
	tick("of nothing", job.ReportFailure{AccountID: id}, false)

	drift := s.base.Open(t, "imago_drift")
	follow := func(name, account, connection string, may bool) {
		t.Helper()
		s.wantJob(t, name, drift, job.StartFollows{}, job.FollowLog{AccountID: account, ConnectionID: connection}, may)
	}
	follow("that is ready", id, connection, true)
	follow("that there is not", id, none, false)
	follow("of another account", none, connection, false)
	exec(`update connections set state = 'failed' where id = $1`, connection)
	follow("that is not ready", id, connection, false)
}

// wantJob adds a job by a tick, and expects it to be taken or refused.
func (s surgery) wantJob(t *testing.T, name string, db *postgres.DB, tick, args river.JobArgs, may bool) {
	t.Helper()
	err := db.As(t.Context(), s.base.Job(t, tick), func(tx *postgres.Tx) error { return tx.Enqueue(t.Context(), args) })
	if may && err != nil || !may && !problem.Is(err, problem.Denied) {
		t.Errorf("%s, %s: %v", args.Kind(), name, err)
	}
}

// move brings the restore to a state.
func (s surgery) move(to restores.State) error {
	ctx := context.Background()
	return s.worker.As(ctx, s.apply, func(tx *postgres.Tx) error {
		_, lease, err := restores.Begin(ctx, tx, s.restore.ID)
		if err != nil {
			return err
		}
		return restores.Move(ctx, tx, lease, to)
	})
}

// setWrite names the service app that writes.
func (s surgery) setWrite(clientID string, scopes ...string) error {
	ctx := context.Background()
	return s.api.As(ctx, s.acme.Proof, func(tx *postgres.Tx) error {
		_, err := connections.SetClientID(ctx, tx, s.connection, account.Write, clientID, scopes)
		return err
	})
}

// While a restore may write, the write credential stays the one that it writes with: a
// refusal of another app would prove nothing about the one whose window is open.
func TestWriteCredentialStaysWhileARestoreMayWrite(t *testing.T) {
	t.Parallel()
	s := approved(t)
	if err := s.setWrite("0oa1"); err != nil {
		t.Fatalf("before it is asked for: %v", err)
	}
	s.applies(t)
	stays := func(when restores.State) {
		t.Helper()
		for what, err := range map[string]error{"client": s.setWrite("0oa2"), "scopes": s.setWrite("0oa1", "okta.groups.manage")} {
			if p := problem.Of(err); p == nil || p.Kind != problem.Stale || p.Hint != "wait until the restore is closed, or cancel it" {
				t.Errorf("%s: another %s: %v", when, what, err)
			}
		}
		if _, err := s.base.Owner().Exec(t.Context(), `update credentials set key_id = 'other' where connection_id = $1 and purpose = 'write'`, s.connection); err == nil {
			t.Errorf("%s: another key was taken", when)
		}
		if err := s.setWrite("0oa1"); err != nil {
			t.Errorf("%s: the same again: %v", when, err)
		}
	}
	stays(restores.Approved)
	for _, state := range []restores.State{restores.Waiting, restores.Applying, restores.Verifying, restores.Verified, restores.Closing} {
		s.to(t, state)
		stays(state)
	}
	in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) error {
		_, err := connections.SetClientID(t.Context(), tx, s.connection, account.Read, "0oa3", nil)
		return err
	})
	s.to(t, restores.Closed)
	if err := s.setWrite("0oa2"); err != nil {
		t.Errorf("closed: %v", err)
	}
}

// Who asks for a restore and who changes the credential at the same moment: one waits
// for the other.
func TestWriteCredentialDoesNotChangeUnderTheAsking(t *testing.T) {
	t.Parallel()
	s := approved(t)
	changed := make(chan error, 1)
	in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) error {
		if _, err := restores.Apply(t.Context(), tx, s.restore.ID); err != nil {
			return err
		}
		go func() { changed <- s.setWrite("0oa2") }()
		return s.waits(t, "%update credentials%")
	})
	if err := await(t, changed, "the change"); !problem.Is(err, problem.Stale) {
		t.Errorf("changed while it was asked for: %v", err)
	}
}

// waits until a statement waits for a lock.
func (s surgery) waits(t *testing.T, statement string) error {
	t.Helper()
	deadline := time.After(time.Minute)
	for waiting := false; !waiting; {
		if err := s.base.Owner().QueryRow(t.Context(), `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock' and query like $1)`, statement).Scan(&waiting); err != nil {
			return err
		}
		select {
		case <-deadline:
			t.Fatalf("nothing like %s waits", statement)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// Who may approve is looked at when the plan is approved, and again when its window
// opens; the database has the same table as the programs.
func TestApproverMayApproveWhenTheWindowOpens(t *testing.T) {
	t.Parallel()
	for _, role := range account.Roles() {
		s := newSurgery(t)
		s.plan(t)
		set := func(role account.Role) {
			if _, err := s.base.Owner().Exec(t.Context(), `update members set role = $2 where user_id = $1`, s.acme.User, role); err != nil {
				t.Fatal(err)
			}
		}
		may := role.May(account.ApproveRestore)
		set(role)
		if _, err := s.approve("sha256:1"); may != (err == nil) || err != nil && !problem.Is(err, problem.Denied) {
			t.Errorf("%s approves: %v", role, err)
		}
		if !may {
			set(account.Owner)
			if _, err := s.approve("sha256:1"); err != nil {
				t.Fatal(err)
			}
			set(role)
		}
		if err := s.move(restores.Applying); may != (err == nil) || err != nil && !problem.Is(err, problem.Denied) {
			t.Errorf("the window opens for the plan of one who is %s by now: %v", role, err)
		}
		if err := s.move(restores.Failed); err != nil {
			t.Errorf("%s: it does not end: %v", role, err)
		}
	}
	s := approved(t)
	if _, err := s.base.Owner().Exec(t.Context(), `delete from members where user_id = $1`, s.acme.User); err != nil {
		t.Fatal(err)
	}
	if err := s.move(restores.Applying); !problem.Is(err, problem.Denied) {
		t.Errorf("the window opens for one who has left: %v", err)
	}
}
