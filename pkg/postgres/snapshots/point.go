package snapshots

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Object is one that the org's log has named.
type Object struct {
	Resource string // keyed digest of its key
	Sealed   []byte // its resource.Key as JSON
}

// Name has objects of a connection read again, by a point that is taken at a moment, or
// by the one that gathers already: for a running follow_log job.
func Name(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, at time.Time, objects []Object) error {
	point, err := rows.One[struct {
		ID   string
		Made bool
	}](ctx, tx, "connection", `select id, made from gather_point(as_uuid($1))`, id)
	if err != nil {
		return err
	}
	for _, o := range objects {
		_, err := rows.Exec(ctx, tx, `insert into named_objects (account_id, snapshot_id, resource, sealed)
			values ($1, $2, $3, $4) on conflict do nothing`, tx.Account(), point.ID, o.Resource, o.Sealed)
		if err != nil {
			return err
		}
	}
	if !point.Made {
		return nil
	}
	return tx.EnqueueAt(ctx, job.TakePoint{AccountID: string(tx.Account()), ConnectionID: string(id), SnapshotID: point.ID}, at)
}

// Named lists what a point reads again, always in one order. None is added once it has
// begun.
func Named(ctx context.Context, tx *postgres.Tx, id string) ([]Object, error) {
	return rows.All[Object](ctx, tx, `select resource, sealed from named_objects where snapshot_id = as_uuid($1) order by resource`, id)
}

// Unname forgets what a point that has ended was to read.
func Unname(ctx context.Context, tx *postgres.Tx, id string) error {
	_, err := rows.Exec(ctx, tx, `delete from named_objects where snapshot_id = as_uuid($1)`, id)
	return err
}
