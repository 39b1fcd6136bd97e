// Package checks keeps how each connection's repository was found when it was last looked
// at, and which alarm was raised about it.
package checks

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Check is one row.
type Check struct {
	ConnectionID account.ConnectionID
	CheckedAt    time.Time
	Sample       float32 // the part of the segments that was to be read, from 0 to 1
	Snapshots    int64
	Segments     int64
	SegmentsRead int64
	Bytes        int64 // that the segments take in the store
	Damaged      int   // objects that are damaged or missing
	Concerned    int   // snapshots that stand on one of those
	Sealed       []byte
	AlarmID      *string // the last alarm; nil: there was none
}

// Damaged is an object that is not as it should be. A check's sealed column holds a list of them.
type Damaged struct {
	Object    string    `json:"object"` // its key in the store
	What      string    `json:"what"`
	Snapshots int       `json:"snapshots"` // how many stand on it
	First     time.Time `json:"first"`     // when the oldest of those began
	Last      time.Time `json:"last"`      // when the newest did
}

const columns = `connection_id, checked_at, sample, snapshots, segments, segments_read, bytes, damaged, concerned, sealed, alarm_id`

// Get reads how a connection's repository was found; false: nobody has looked yet.
func Get(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (Check, bool, error) {
	return rows.Maybe[Check](ctx, tx, `select `+columns+` from repository_checks where connection_id = as_uuid($1)`, id)
}

// Save stores how it was found: for a running check_repository job. With alarm, something is
// damaged that was not before: a new alarm is raised, which the row then has.
func Save(ctx context.Context, tx *postgres.Tx, c Check, alarm bool) (Check, error) {
	return rows.One[Check](ctx, tx, "connection", `
		insert into repository_checks as r (account_id, connection_id, checked_at, sample, snapshots, segments, segments_read, bytes, damaged, concerned, sealed, alarm_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, case when $12 then new_id() end)
		on conflict on constraint repository_checks_pkey do update set checked_at = excluded.checked_at, sample = excluded.sample,
			snapshots = excluded.snapshots, segments = excluded.segments, segments_read = excluded.segments_read, bytes = excluded.bytes,
			damaged = excluded.damaged, concerned = excluded.concerned, sealed = excluded.sealed, alarm_id = coalesce(excluded.alarm_id, r.alarm_id)
		returning `+columns,
		tx.Account(), c.ConnectionID, c.CheckedAt, c.Sample, c.Snapshots, c.Segments, c.SegmentsRead, c.Bytes, c.Damaged, c.Concerned, c.Sealed, alarm)
}

// Alarmed reads the check whose last alarm this is; false: there is a later one, or none.
func Alarmed(ctx context.Context, tx *postgres.Tx, alarmID string) (Check, bool, error) {
	return rows.Maybe[Check](ctx, tx, `select `+columns+` from repository_checks where alarm_id = as_uuid($1)`, alarmID)
}
