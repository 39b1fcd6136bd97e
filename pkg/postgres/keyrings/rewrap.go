package keyrings

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// AskRewrap has every keyring wrapped anew by the master key that the workers use: an
// operator's command. It answers how many there are. url is the database's, as its owner.
func AskRewrap(ctx context.Context, url string) (n int64, err error) {
	err = rows.AsOwner(ctx, url, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select ask_rewrap()`).Scan(&n)
	})
	return n, err
}

// By is how many keyrings a master key wraps.
type By struct {
	Name     string // "": of keyrings that do not say
	Keyrings int64
	Waiting  int64 // to be wrapped anew, in Postgres and in the bucket
}

// Wrapped tells which master keys wrap how many keyrings. url is the database's, as its owner.
func Wrapped(ctx context.Context, url string) (all []By, err error) {
	err = rows.AsOwner(ctx, url, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, `select name, keyrings, waiting from keyrings_by()`)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(found, pgx.RowToStructByName[By])
		return err
	})
	return all, err
}

// dueKey is a keyring of the installation that is to be wrapped anew.
type dueKey struct {
	Purpose string
	Wrapped []byte
}

// RewrapInstallation wraps the installation's own keyrings anew, if an operator asked for
// it: for a running run_schedules job. It answers how many it has.
func (k *Keyrings) RewrapInstallation(ctx context.Context, proof postgres.Proof) (n int, err error) {
	var due []dueKey
	err = k.db.As(ctx, proof, func(tx *postgres.Tx) (err error) {
		due, err = rows.All[dueKey](ctx, tx, `select purpose, wrapped from due_installation_keys()`)
		return err
	})
	for _, d := range due {
		if err != nil {
			break
		}
		n++
		err = k.rewrap(ctx, proof, d)
	}
	if err != nil {
		return 0, fmt.Errorf("wrap the installation's keyrings anew: %w", away(err))
	}
	return n, nil
}

func (k *Keyrings) rewrap(ctx context.Context, proof postgres.Proof, d dueKey) error {
	ring, err := envelope.OpenKeyring(ctx, k.keys, account.ID(d.Purpose), d.Wrapped)
	if err != nil {
		return err
	}
	if ring, err = ring.Rewrap(ctx, k.keys); err != nil {
		return err
	}
	return k.db.As(ctx, proof, func(tx *postgres.Tx) error {
		// One that changed meanwhile is still due, and comes with the next tick.
		_, err := rows.Exec(ctx, tx, `select rewrap_installation_key($1, $2, $3)`, d.Purpose, d.Wrapped, ring.Wrapped())
		return err
	})
}
