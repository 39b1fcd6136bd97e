package snapshots

import (
	"context"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// live are the snapshots that must be in the store.
const live = `select ` + momentColumns + ` from snapshots
	where state in ('complete', 'partial') and started_at is not null and expired_at is null and `

// AllLive lists the snapshots of a connection that must be in the store, oldest first.
func AllLive(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Moment, error) {
	return rows.All[Moment](ctx, tx, live+`connection_id = as_uuid($1) order by started_at, id`, id)
}

// Places lists what of a connection a snapshot may lie in the store for: it is being taken,
// was taken, or was let go and is not removed yet. One that failed lies there only if a worker
// died between its manifest and its row, and nobody goes by that row. One that has not ended has
// no end here.
func Places(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Moment, error) {
	return rows.All[Moment](ctx, tx, `
		select id, account_id, connection_id, started_at, coalesce(ended_at, 'epoch') as ended_at, manifest_digest, manifest_next from snapshots
		where connection_id = as_uuid($1) and started_at is not null and forgotten_at is null and state <> 'failed'`, id)
}

// StillLive reads one; false: it is no more.
func StillLive(ctx context.Context, tx *postgres.Tx, id string) (Moment, bool, error) {
	return rows.Maybe[Moment](ctx, tx, live+`id = as_uuid($1)`, id)
}

// Resealing says which digest a snapshot's manifest has that is there, and which it will have
// once it is sealed anew: for a running reseal_repository job. Of who died before he said that
// his was put, that is the one that is there: nobody would know it else. Stale: another one has
// sealed it, or it was let go.
func Resealing(ctx context.Context, tx *postgres.Tx, was Moment, from, to string) error {
	return rows.Must(ctx, tx, resealed(was.ID), `update snapshots set manifest_digest = $4, manifest_next = $5
		where id = as_uuid($1) and manifest_digest = $2 and manifest_next = $3 and expired_at is null`,
		was.ID, was.ManifestDigest, was.ManifestNext, from, to)
}

// Resealed says which digest a snapshot's manifest has since it was sealed anew: for a
// running reseal_repository job. Stale: another one has said so, or it was let go.
func Resealed(ctx context.Context, tx *postgres.Tx, id, from, to string) error {
	return rows.Must(ctx, tx, resealed(id),
		`update snapshots set manifest_digest = $3, manifest_next = '' where id = as_uuid($1) and manifest_digest = $2 and expired_at is null`, id, from, to)
}

func resealed(id string) error {
	return problem.New(problem.Stale, "snapshot %s was sealed anew meanwhile, or let go", id)
}
