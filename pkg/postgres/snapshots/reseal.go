package snapshots

import (
	"context"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// All lists a connection's snapshots that were taken, and that somebody sees, oldest
// first.
func All(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Snapshot, error) {
	return rows.All[Snapshot](ctx, tx, `select `+columns+` from snapshots
		where connection_id = as_uuid($1) and state in ('complete', 'partial') and expired_at is null order by started_at, id`, id)
}

// Live lists what All does, as moments: thousands of them are read at once.
func Live(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Moment, error) {
	return rows.All[Moment](ctx, tx, `select id, account_id, connection_id, started_at, ended_at, manifest_digest from snapshots
		where connection_id = as_uuid($1) and state in ('complete', 'partial') and started_at is not null and expired_at is null
		order by started_at, id`, id)
}

// Resealed says which digest a snapshot's manifest has since it was sealed anew: for a
// running reseal_repository job. Stale: another one has said so.
func Resealed(ctx context.Context, tx *postgres.Tx, id, from, to string) error {
	return rows.Must(ctx, tx, problem.New(problem.Stale, "snapshot %s was sealed anew meanwhile", id),
		`update snapshots set manifest_digest = $3 where id = as_uuid($1) and manifest_digest = $2`, id, from, to)
}
