// Package cursors keeps how far each org's log was read.
package cursors

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Cursor is how far a connection's log was read. Its zero value was never read.
type Cursor struct {
	Cursor     string
	PolledAt   *time.Time // when it was last read to its end
	NextPollAt *time.Time
	LagSeconds float64          // how old the newest event was when it was read
	Problem    *problem.Problem // why the log cannot be read
}

// Get reads a connection's cursor: for imago_drift.
func Get(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (Cursor, error) {
	c, _, err := rows.Maybe[Cursor](ctx, tx, `select cursor, polled_at, next_poll_at, lag_seconds, problem
		from log_cursors where connection_id = as_uuid($1)`, id)
	return c, err
}

// Status reads what a person may see of it; Cursor is empty: for imago_api.
func Status(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (Cursor, error) {
	c, _, err := rows.Maybe[Cursor](ctx, tx, `select '' as cursor, polled_at, next_poll_at, lag_seconds, problem
		from log_cursors where connection_id = as_uuid($1)`, id)
	return c, err
}

// Advance moves the cursor on from the one that was read before; Problem is taken from
// next too. Stale: another attempt has moved it; what this one found was found already.
func Advance(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, from string, next Cursor) error {
	why, err := rows.ProblemJSON(next.Problem)
	if err != nil {
		return err
	}
	return rows.Must(ctx, tx, problem.New(problem.Stale, "the log was read on by another attempt"), `
		insert into log_cursors (connection_id, account_id, cursor, polled_at, next_poll_at, lag_seconds, problem)
		values ($1, $2, $4, $5, $6, $7, $8)
		on conflict (account_id, connection_id) do update
			set cursor = $4, polled_at = $5, next_poll_at = $6, lag_seconds = $7, problem = $8,
				alarmed_at = case when $5 is distinct from log_cursors.polled_at then null else log_cursors.alarmed_at end
			where log_cursors.cursor = $3`,
		id, tx.Account(), from, next.Cursor, next.PolledAt, next.NextPollAt, next.LagSeconds, why)
}

// Alarm names the last alarm that nobody reads a connection's log: for imago_worker.
func Alarm(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (alarmID string, err error) {
	a, err := rows.One[struct{ AlarmID string }](ctx, tx, "alarm", `
		select coalesce(alarm_id, connection_id) as alarm_id from log_cursors where connection_id = as_uuid($1)`, id)
	return a.AlarmID, err
}

// Alarmed is the connection whose last alarm this is: for imago_worker. Before alarms had
// IDs, a snapshot of the connection stood for one.
func Alarmed(ctx context.Context, tx *postgres.Tx, alarmID string) (account.ConnectionID, error) {
	c, err := rows.One[struct{ ConnectionID account.ConnectionID }](ctx, tx, "alarm", `
		select connection_id from log_cursors where coalesce(alarm_id, connection_id) = as_uuid($1)
		union all select connection_id from snapshots where id = as_uuid($1)`, alarmID)
	return c.ConnectionID, err
}

// Followable is a ready connection whose log nobody follows.
type Followable struct {
	AccountID    account.ID
	ConnectionID account.ConnectionID
}

// StartFollows enqueues a follow_log job for every ready connection, of all accounts,
// that has none: for a running start_follows job. It answers which.
func StartFollows(ctx context.Context, tx *postgres.Tx, most int) ([]Followable, error) {
	found, err := rows.All[Followable](ctx, tx, `select account_id, connection_id from followable_connections($1)`, most)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		err := tx.Enqueue(ctx, job.FollowLog{AccountID: string(f.AccountID), ConnectionID: string(f.ConnectionID)})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
