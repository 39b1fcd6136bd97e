// Package changes counts, day by day, what the drift monitor saw change in an org:
// numbers, and nothing of what changed.
package changes

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Day is one day, in UTC.
type Day struct {
	Day      time.Time // its midnight
	Changes  int64     // in the org, that the monitor saw
	Findings int64     // those of them, and of what the log alone tells, that a rule is about
}

// Count adds to the number of a moment's day: for imago_drift, in the transaction that
// stores what was seen, so that nothing is counted twice.
func Count(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, at time.Time, n int) error {
	if n == 0 {
		return nil
	}
	_, err := rows.Exec(ctx, tx, `
		insert into change_days as d (account_id, connection_id, day, changes)
		values ($1, as_uuid($2), $3, $4)
		on conflict (account_id, connection_id, day) do update set changes = d.changes + $4`,
		tx.Account(), id, at.UTC().Truncate(24*time.Hour), n)
	return err
}

// Days answers the n days that end with the one of a moment, oldest first.
func Days(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, last time.Time, n int) ([]Day, error) {
	return rows.All[Day](ctx, tx, `
		with days as (select $2::date - g as day from generate_series(0, $3 - 1) g)
		select d.day::timestamp at time zone 'UTC' as day, coalesce(c.changes, 0) as changes, count(f.id) as findings
		from days d
		left join change_days c on c.connection_id = as_uuid($1) and c.day = d.day
		left join findings f on f.connection_id = as_uuid($1)
			and f.found_at >= d.day::timestamp at time zone 'UTC' and f.found_at < (d.day + 1)::timestamp at time zone 'UTC'
		group by d.day, c.changes
		order by d.day`, id, last.UTC().Truncate(24*time.Hour), n)
}
