// Package sightings keeps each resource that the drift monitor looked at as it was
// seen last, since the snapshot that it compares with: sealed, under a keyed digest of
// its key.
package sightings

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Sighting is one row.
type Sighting struct {
	Resource string // keyed digest of the resource's key
	Sealed   []byte // drift.Sighting as JSON
	SeenAt   time.Time
}

// Get reads a sighting; ok is false when the resource was not seen.
func Get(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, resource string) (s Sighting, ok bool, err error) {
	return rows.Maybe[Sighting](ctx, tx, `select resource, sealed, seen_at from sightings
		where connection_id = as_uuid($1) and resource = $2`, id, resource)
}

// Put stores a sighting in the place of an earlier one.
func Put(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, s Sighting) error {
	_, err := rows.Exec(ctx, tx, `
		insert into sightings (connection_id, account_id, resource, sealed, seen_at)
		values ($1, $2, $3, $4, $5)
		on conflict (account_id, connection_id, resource) do update set sealed = $4, seen_at = $5`,
		id, tx.Account(), s.Resource, s.Sealed, s.SeenAt)
	return err
}

// Forget drops what was seen before a moment, because a snapshot that was begun then
// knows better.
func Forget(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, before time.Time) error {
	_, err := rows.Exec(ctx, tx, `delete from sightings where connection_id = as_uuid($1) and seen_at < $2`, id, before)
	return err
}
