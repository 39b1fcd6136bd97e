// Package schedules keeps when snapshots are taken by themselves: what a cron expression
// means (Next), each connection's schedule, and what the tick starts by them.
package schedules

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Schedule is a connection's schedule and where it stands.
type Schedule struct {
	ConnectionID account.ConnectionID
	Cron         string // five fields
	TimeZone     string // IANA name
	Enabled      bool
	NextRunAt    *time.Time // nil when off
	LastRunAt    *time.Time
}

const columns = `connection_id, cron, time_zone, enabled, next_run_at, last_run_at`

// Put sets a connection's schedule; an enabled one needs NextRunAt.
func Put(ctx context.Context, tx *postgres.Tx, s Schedule) (Schedule, error) {
	return rows.One[Schedule](ctx, tx, "schedule", `
		insert into schedules (connection_id, account_id, cron, time_zone, enabled, next_run_at)
		values ($1, $2, $3, $4, $5, $6)
		on conflict (account_id, connection_id) do update
			set cron = $3, time_zone = $4, enabled = $5, next_run_at = $6, alarm_at = null
		returning `+columns, s.ConnectionID, tx.Account(), s.Cron, s.TimeZone, s.Enabled, s.NextRunAt)
}

// Default gives a connection its first schedule, and leaves one that it has alone: for
// imago_worker, when the connection has become ready.
func Default(ctx context.Context, tx *postgres.Tx, s Schedule) error {
	_, err := rows.Exec(ctx, tx, `
		insert into schedules (connection_id, account_id, cron, time_zone, enabled, next_run_at)
		values ($1, $2, $3, $4, $5, $6)
		on conflict (account_id, connection_id) do nothing`, s.ConnectionID, tx.Account(), s.Cron, s.TimeZone, s.Enabled, s.NextRunAt)
	return err
}

// Rearm says that a snapshot of the connection was taken: the alarm is worked out anew.
func Rearm(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) error {
	_, err := rows.Exec(ctx, tx, `update schedules set alarm_at = null where connection_id = as_uuid($1)`, id)
	return err
}

// Get reads a connection's schedule; ok is false when it has none.
func Get(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (s Schedule, ok bool, err error) {
	return rows.Maybe[Schedule](ctx, tx, `select `+columns+` from schedules where connection_id = as_uuid($1)`, id)
}

// Enabled lists the current account's schedules that are on.
func Enabled(ctx context.Context, tx *postgres.Tx) ([]Schedule, error) {
	return rows.All[Schedule](ctx, tx, `select `+columns+` from schedules where enabled order by connection_id`)
}

// Hasten has a connection's schedule run at a time, unless it runs before: for
// imago_worker. The alarm is worked out anew.
func Hasten(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, at time.Time) error {
	_, err := rows.Exec(ctx, tx, `
		update schedules set next_run_at = $2, alarm_at = null
		where connection_id = as_uuid($1) and enabled and next_run_at > $2`, id, at)
	return err
}

// Due is a schedule whose time has come.
type Due struct {
	ConnectionID account.ConnectionID
	Cron         string
	TimeZone     string
	DueAt        time.Time
}

// ClaimDue gives schedules, of all accounts, whose time has come, and holds them until
// the transaction ends: for a running run_schedules job. Call Start for each.
func ClaimDue(ctx context.Context, tx *postgres.Tx, now time.Time, most int) ([]Due, error) {
	return rows.All[Due](ctx, tx, `select connection_id, cron, time_zone, due_at from claim_due_schedules($1, $2)`, now, most)
}

// Started is a snapshot that a schedule has queued.
type Started struct {
	AccountID  account.ID
	SnapshotID string
}

// Start moves a claimed schedule on to its next run, queues its snapshot and enqueues
// the job: for a running run_schedules job. ok is false when nothing was queued,
// because one is unfinished or the connection is not ready.
func Start(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, next time.Time) (s Started, ok bool, err error) {
	s, ok, err = rows.Maybe[Started](ctx, tx,
		`select account_id, snapshot_id from start_scheduled_snapshot($1, $2)`, id, next)
	if err != nil || !ok {
		return s, false, err
	}
	return s, true, tx.Enqueue(ctx, job.TakeSnapshot{
		AccountID: string(s.AccountID), ConnectionID: string(id), SnapshotID: s.SnapshotID,
	})
}

// Alarm is a schedule whose alarm is to be raised or, if it is not Due, worked out.
type Alarm struct {
	AccountID    account.ID
	ConnectionID account.ConnectionID
	Cron         string
	TimeZone     string
	Due          bool
}

// ClaimAlarms gives the alarms, of all accounts, that something must be done about, and
// holds them until the transaction ends: for a running run_schedules job. Call SetAlarm
// for each.
func ClaimAlarms(ctx context.Context, tx *postgres.Tx, now time.Time, most int) ([]Alarm, error) {
	return rows.All[Alarm](ctx, tx, `select account_id, connection_id, cron, time_zone, due from claim_alarms($1, $2)`, now, most)
}

// SetAlarm says when a claimed alarm is to be raised unless a snapshot is taken before;
// zero: it was raised, and is not again until one was.
func SetAlarm(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, at time.Time) error {
	var alarm *time.Time
	if !at.IsZero() {
		alarm = &at
	}
	_, err := rows.Exec(ctx, tx, `select set_alarm($1, $2)`, id, alarm)
	return err
}

// Silent is a connection whose log nobody reads.
type Silent struct {
	AccountID    account.ID
	ConnectionID account.ConnectionID
}

// AlarmSilent gives the ready connections, of all accounts, whose log nobody has read for
// an hour, each once until it is read again: for a running run_schedules job.
func AlarmSilent(ctx context.Context, tx *postgres.Tx, now time.Time, most int) ([]Silent, error) {
	return rows.All[Silent](ctx, tx, `select account_id, connection_id from alarm_silent_logs($1, $2)`, now, most)
}

// Orphan is a snapshot or restore that was ended because its job is gone, or the window
// of a restore whose job is gone.
type Orphan struct {
	AccountID account.ID
	Kind      string // "snapshot", "restore" or "window"
	ID        string
}

// EndOrphans ends snapshots and restores whose job was given up, so that they hold no
// place for ever, and finds restores that only wait for their window to be closed: for a
// running run_schedules job.
func EndOrphans(ctx context.Context, tx *postgres.Tx) ([]Orphan, error) {
	return rows.All[Orphan](ctx, tx, `select account_id, kind, id from end_orphans()`)
}

// Purge forgets expired sign-in codes, sessions and idempotency keys: for a running
// run_schedules job.
func Purge(ctx context.Context, tx *postgres.Tx) error {
	_, err := rows.Exec(ctx, tx, `select purge_expired()`)
	return err
}
