package restores

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Write is a line of the journal of a restore that may have written to its org.
type Write struct {
	RestoreID string
	N         int
	State     StepState
	Sealed    []byte // as Step's
	BegunAt   time.Time
	EndedAt   *time.Time
}

// Writes lists the steps of a connection's restores that ended at a moment or later, or
// have not ended and may yet: for imago_drift.
func Writes(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, since time.Time) ([]Write, error) {
	return rows.All[Write](ctx, tx, `
		select s.restore_id, s.n, s.state, s.sealed, s.begun_at, s.ended_at
		from restore_steps s join restores r on r.account_id = s.account_id and r.id = s.restore_id
		where r.connection_id = as_uuid($1) and (s.ended_at >= $2
			or s.ended_at is null and r.state in ('waiting', 'applying', 'verifying', 'verified', 'closing'))
		order by s.restore_id, s.n`, id, since)
}
