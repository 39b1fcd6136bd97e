package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/sightings"
	"imago/pkg/problem"
)

func TestLogIsReadOnFromWhereItWasRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	drift := b.base.Open(t, "imago_drift")
	follow := b.base.Job(t, job.FollowLog{AccountID: string(b.acme.ID), ConnectionID: string(b.connection)})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	advance := func(from string, next cursors.Cursor) error {
		return drift.As(t.Context(), follow, func(tx *postgres.Tx) error {
			return cursors.Advance(t.Context(), tx, b.connection, from, next)
		})
	}
	down := problem.New(problem.Unavailable, "the org does not answer")
	for from, next := range map[string]cursors.Cursor{"": {Cursor: "a", PolledAt: &at, LagSeconds: 1.5}} {
		if err := advance(from, next); err != nil {
			t.Fatal(err)
		}
	}
	if err := advance("a", cursors.Cursor{Cursor: "b", PolledAt: &at, Problem: down}); err != nil {
		t.Fatal(err)
	}
	if err := advance("a", cursors.Cursor{Cursor: "c"}); !problem.Is(err, problem.Stale) {
		t.Errorf("a ghost moved the cursor: %v", err)
	}
	in(t, drift, follow, func(tx *postgres.Tx) error {
		got, err := cursors.Get(t.Context(), tx, b.connection)
		if got.Cursor != "b" || !got.PolledAt.Equal(at) {
			t.Errorf("got %+v", got)
		}
		return err
	})
	in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) error {
		got, err := cursors.Status(t.Context(), tx, b.connection)
		if diff := cmp.Diff(down, got.Problem); got.Cursor != "" || diff != "" {
			t.Errorf("shown %+v %s", got, diff)
		}
		return err
	})
}

func TestEveryReadyConnectionIsFollowedOnce(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme, other := base.Account(t), base.Account(t)
	one, two := base.Connection(t, acme.ID), base.Connection(t, other.ID)
	unready := base.Connection(t, acme.ID)
	if _, err := base.Owner().Exec(t.Context(), `update connections set state = 'new' where id = $1`, unready); err != nil {
		t.Fatal(err)
	}
	drift, tick := base.Open(t, "imago_drift"), base.Job(t, job.StartFollows{})
	start := func() (found []cursors.Followable) {
		in(t, drift, tick, func(tx *postgres.Tx) (err error) {
			found, err = cursors.StartFollows(t.Context(), tx, 100)
			return err
		})
		return found
	}
	want := []cursors.Followable{{AccountID: acme.ID, ConnectionID: one}, {AccountID: other.ID, ConnectionID: two}}
	if diff := cmp.Diff(want, start()); diff != "" {
		t.Error(diff)
	}
	if again := start(); len(again) != 0 {
		t.Errorf("followed twice: %v", again)
	}
	if _, err := base.Owner().Exec(t.Context(), `update river.river_job set state = 'discarded', finalized_at = now()
		where args ->> 'connection_id' = $1`, one); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[:1], start()); diff != "" {
		t.Errorf("one that was given up: %s", diff)
	}
}

func TestFindingIsStoredAndMailedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.base.Member(t, b.acme.ID, account.Operator)
	b.base.Member(t, b.acme.ID, account.Viewer) // gets no alerts
	drift := b.base.Open(t, "imago_drift")
	follow := b.base.Job(t, job.FollowLog{AccountID: string(b.acme.ID), ConnectionID: string(b.connection)})
	f := findings.Finding{ConnectionID: b.connection, Rule: "group_deleted", Severity: "high", DedupKey: "k",
		ResourceType: "group", Sealed: []byte("sealed"), EventTime: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var id string
	for n, want := range []struct {
		added bool
		mails int
	}{{true, 2}, {false, 0}} {
		in(t, drift, follow, func(tx *postgres.Tx) error {
			got, added, err := findings.Add(t.Context(), tx, f)
			if err != nil {
				return err
			}
			if id == "" {
				id = got
			}
			mails, err := messages.Queue(t.Context(), tx, messages.Finding, id)
			if added != want.added || mails != want.mails {
				t.Errorf("time %d: added %v, %d mails", n+1, added, mails)
			}
			return err
		})
	}
	in(t, b.api, b.acme.Proof, func(tx *postgres.Tx) error {
		list, err := findings.List(t.Context(), tx, findings.Filter{Connection: b.connection}, postgres.Page{})
		if err != nil || len(list) != 1 || string(list[0].Sealed) != "sealed" || list[0].State != "open" {
			t.Errorf("listed %+v", list)
		}
		if err := findings.Say(t.Context(), tx, id, findings.Word{ID: uuid.NewString(), State: findings.Accepted}); err != nil {
			return err
		}
		got, err := findings.Get(t.Context(), tx, id)
		if got.State != "accepted" || *got.ResolvedBy != b.acme.User {
			t.Errorf("resolved %+v", got)
		}
		return err
	})
	var queued []string
	rows, err := b.base.Owner().Query(t.Context(), `select args ->> 'message_id' from river.river_job where kind = 'send_message' and args ->> 'account_id' = $1`, b.acme.ID)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var m string
		if err := rows.Scan(&m); err != nil {
			t.Fatal(err)
		}
		queued = append(queued, m)
	}
	if len(queued) != 2 {
		t.Fatalf("%d jobs", len(queued))
	}
	send := b.base.Job(t, job.SendMessage{AccountID: string(b.acme.ID), MessageID: queued[0]})
	in(t, b.worker, send, func(tx *postgres.Tx) error {
		m, err := messages.Get(t.Context(), tx, queued[0])
		if err != nil || m.SubjectID != id || m.Email == "" || m.State != "queued" {
			t.Errorf("message %+v: %v", m, err)
		}
		return messages.SetSent(t.Context(), tx, m.ID)
	})
}

// The drift monitor reads and finds; it writes no snapshots and sees no addresses.
func TestDriftMonitorMayNotWriteElsewhere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	drift := b.base.Open(t, "imago_drift")
	follow := b.base.Job(t, job.FollowLog{AccountID: string(b.acme.ID), ConnectionID: string(b.connection)})
	err := drift.As(t.Context(), follow, func(tx *postgres.Tx) error {
		_, err := connections.StartCheck(t.Context(), tx, b.connection)
		return err
	})
	if !problem.Is(err, problem.Denied) {
		t.Errorf("changed a connection: %v", err)
	}
	var n int
	if err := b.base.Owner().QueryRow(t.Context(), `select count(*) from unnest(array['snapshots', 'restores', 'restore_steps', 'connections', 'credentials', 'schedules', 'accounts', 'members', 'sessions']) t
		cross join unnest(array['insert', 'update', 'delete']) v where has_any_column_privilege('imago_drift', t, case v when 'delete' then 'update' else v end)
			or has_table_privilege('imago_drift', t, v)`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 0 {
		t.Errorf("%d ways to write", n)
	}
}

func TestSightingTakesThePlaceOfAnEarlierOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	drift := b.base.Open(t, "imago_drift")
	follow := b.base.Job(t, job.FollowLog{AccountID: string(b.acme.ID), ConnectionID: string(b.connection)})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in(t, drift, follow, func(tx *postgres.Tx) error {
		for n, s := range []sightings.Sighting{{Resource: "a", Sealed: []byte("1"), SeenAt: at}, {Resource: "b", Sealed: []byte("1"), SeenAt: at}, {Resource: "a", Sealed: []byte("2"), SeenAt: at.Add(time.Hour)}} {
			if err := sightings.Put(t.Context(), tx, b.connection, s); err != nil {
				t.Errorf("%d: %v", n, err)
			}
		}
		got, ok, err := sightings.Get(t.Context(), tx, b.connection, "a")
		if err != nil || !ok || string(got.Sealed) != "2" {
			t.Errorf("a: %+v %v", got, ok)
		}
		if err := sightings.Forget(t.Context(), tx, b.connection, at.Add(time.Minute)); err != nil {
			return err
		}
		_, ok, err = sightings.Get(t.Context(), tx, b.connection, "b")
		if ok {
			t.Error("b was seen before, and is still there")
		}
		if _, kept, err := sightings.Get(t.Context(), tx, b.connection, "a"); !kept || err != nil {
			t.Errorf("a was forgotten: %v", err)
		}
		return err
	})
}

// The drift monitor knows the write app by its client ID, and by nothing else of it.
func TestWriteAppIsKnownByItsClientID(t *testing.T) {
	t.Parallel()
	b, other := newBench(t), newBench(t)
	drift := b.base.Open(t, "imago_drift")
	follow := b.base.Job(t, job.FollowLog{AccountID: string(b.acme.ID), ConnectionID: string(b.connection)})
	for id, want := range map[account.ConnectionID]string{b.connection: "client-write", other.connection: ""} {
		in(t, drift, follow, func(tx *postgres.Tx) error {
			got, err := connections.WriteClient(t.Context(), tx, id)
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			return err
		})
	}
}

// An alarm that a log is silent names its connection, and the next one is another; what
// was queued before alarms had IDs names it, too.
func TestAlarmOfASilentLog(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	connection, worker := base.Connection(t, acme.ID), base.Open(t, "imago_worker")
	tick, report := base.Job(t, job.RunSchedules{}), base.Job(t, job.ReportFailure{AccountID: string(acme.ID), LogOf: string(connection)})
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := base.Owner().Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	exec(`insert into log_cursors (connection_id, account_id, cursor, polled_at) values ($1, $2, 'c', $3)`, connection, acme.ID, now)
	seen := map[string]bool{}
	alarm := func() {
		t.Helper()
		in(t, worker, report, func(tx *postgres.Tx) error {
			id, err := cursors.Alarm(t.Context(), tx, connection)
			if err != nil || seen[id] {
				t.Errorf("alarm %q, seen %v: %v", id, seen[id], err)
			}
			seen[id] = true
			of, err := cursors.Alarmed(t.Context(), tx, id)
			if of != connection {
				t.Errorf("alarm %s is of %q", id, of)
			}
			return err
		})
	}
	alarm() // one without an ID
	for n := range 2 {
		at := now.Add(time.Duration(n+1) * 3 * time.Hour)
		in(t, worker, tick, func(tx *postgres.Tx) error {
			found, err := schedules.AlarmSilent(t.Context(), tx, at, 10)
			if len(found) != 1 {
				t.Errorf("alarm %d of %v", n, found)
			}
			return err
		})
		alarm()
		exec(`update log_cursors set polled_at = $2, alarmed_at = null where connection_id = $1`, connection, at)
	}
}
