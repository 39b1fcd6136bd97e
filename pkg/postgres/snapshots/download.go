package snapshots

import (
	"context"
	"crypto/sha256"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Download is an address that gives a snapshot, or all of a connection, away, once.
type Download struct {
	ID           string
	ConnectionID account.ConnectionID
	SnapshotID   *string // nil: all that are kept of the connection
	Plain        bool    // decrypted
	CreatedAt    time.Time
	ExpiresAt    time.Time
	TakenAt      *time.Time // nil: not yet
	Late         bool       // by the database's clock
}

const downloadColumns = `id, connection_id, snapshot_id, plain, created_at, expires_at, taken_at, expires_at <= now() as late`

// Offer makes a download for whoever is signed in, by the hash of its address's secret.
func Offer(ctx context.Context, tx *postgres.Tx, d Download, secret [sha256.Size]byte) (Download, error) {
	return rows.One[Download](ctx, tx, "download", `
		insert into downloads (account_id, connection_id, snapshot_id, plain, token_hash) values ($1, $2, $3, $4, $5)
		returning `+downloadColumns, tx.Account(), d.ConnectionID, d.SnapshotID, d.Plain, secret[:])
}

// Redeem takes a download, if the secret is right, it is in time, and nobody took it yet: ok
// is false else. It can be taken by nobody but who asked for it.
func Redeem(ctx context.Context, tx *postgres.Tx, id string, secret [sha256.Size]byte) (d Download, ok bool, err error) {
	return rows.Maybe[Download](ctx, tx, `update downloads set taken_at = now()
		where id = as_uuid($1) and token_hash = $2 and taken_at is null and expires_at > now()
		returning `+downloadColumns, id, secret[:])
}

// Offered reads a download of whoever is signed in; ok is false if there is none.
func Offered(ctx context.Context, tx *postgres.Tx, id string) (d Download, ok bool, err error) {
	return rows.Maybe[Download](ctx, tx, `select `+downloadColumns+` from downloads where id = as_uuid($1)`, id)
}
