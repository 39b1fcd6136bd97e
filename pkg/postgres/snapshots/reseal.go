package snapshots

import (
	"context"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Live is a snapshot that must be in the store.
type Live struct {
	Moment
	ManifestNext string // digest of the manifest that is about to be put in the place of its own; "": none is
}

const live = `select id, account_id, connection_id, started_at, ended_at, manifest_digest, manifest_next from snapshots
	where state in ('complete', 'partial') and started_at is not null and expired_at is null and `

// AllLive lists a connection's, oldest first.
func AllLive(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Live, error) {
	return rows.All[Live](ctx, tx, live+`connection_id = as_uuid($1) order by started_at, id`, id)
}

// Places lists what of a connection a snapshot may lie in the store for: it is being taken,
// was taken, or was let go and is not removed yet. One that has not ended has no end here.
func Places(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Moment, error) {
	return rows.All[Moment](ctx, tx, `
		select id, account_id, connection_id, started_at, coalesce(ended_at, 'epoch') as ended_at, manifest_digest from snapshots
		where connection_id = as_uuid($1) and started_at is not null and forgotten_at is null`, id)
}

// StillLive reads one; false: it is no more.
func StillLive(ctx context.Context, tx *postgres.Tx, id string) (Live, bool, error) {
	return rows.Maybe[Live](ctx, tx, live+`id = as_uuid($1)`, id)
}

// Resealing says which digest a snapshot's manifest will have once it is sealed anew: for a
// running reseal_repository job. Stale: another one has sealed it.
func Resealing(ctx context.Context, tx *postgres.Tx, id, from, to string) error {
	return rows.Must(ctx, tx, resealed(id), `update snapshots set manifest_next = $3 where id = as_uuid($1) and manifest_digest = $2`, id, from, to)
}

// Resealed says which digest a snapshot's manifest has since it was sealed anew: for a
// running reseal_repository job. Stale: another one has said so.
func Resealed(ctx context.Context, tx *postgres.Tx, id, from, to string) error {
	return rows.Must(ctx, tx, resealed(id),
		`update snapshots set manifest_digest = $3, manifest_next = '' where id = as_uuid($1) and manifest_digest = $2`, id, from, to)
}

func resealed(id string) error {
	return problem.New(problem.Stale, "snapshot %s was sealed anew meanwhile", id)
}
