// Package catalogue puts rows back that the database has lost and the bucket knows of:
// accounts, connections and snapshots, under the IDs that they had. What is there stays as
// it is, but for rows of snapshots that failed though they lie in the bucket. Only the database's owner may, who presents no proof.
package catalogue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"imago/pkg/account"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
	"imago/pkg/snapshot"
)

// Catalogue is a database, as its owner.
type Catalogue struct{ url string }

// New names the database by its URL, as its owner.
func New(url string) *Catalogue { return &Catalogue{url} }

// as runs fn in a transaction. A schema that is too old is a problem of kind Stale.
func (c *Catalogue) as(ctx context.Context, fn func(pgx.Tx) error) error {
	return rows.AsOwner(ctx, c.url, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, `select to_regproc('public.rebuild_account') is not null`).Scan(&there); err != nil {
			return err
		}
		if !there {
			return problem.New(problem.Stale, "the database's schema is not that of this release").WithHint("run imago-migrate first")
		}
		return fn(tx)
	})
}

// Account is what the catalogue has of an account.
type Account struct {
	Wrapped []byte // its keyring; empty: there is none
	Deleted bool   // its keys were destroyed, for good
	Owners  int64
}

// Account reads what there is of an account; false: nothing.
func (c *Catalogue) Account(ctx context.Context, id account.ID) (a Account, ok bool, err error) {
	err = c.as(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `select wrapped, deleted, owners from known_account($1)`, id).Scan(&a.Wrapped, &a.Deleted, &a.Owners)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	return a, ok, err
}

// Connections lists the orgs of an account's connections that there are.
func (c *Catalogue) Connections(ctx context.Context, id account.ID) (map[account.ConnectionID]string, error) {
	out := map[account.ConnectionID]string{}
	err := c.as(ctx, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, `select id, org_url from known_connections($1)`, id)
		if err != nil {
			return err
		}
		var one account.ConnectionID
		var org string
		_, err = pgx.ForEachRow(found, []any{&one, &org}, func() error { out[one] = org; return nil })
		return err
	})
	return out, err
}

// Folders lists the folders of a connection's snapshots that there are, but for those that
// failed: where one lies in the bucket all the same it is put back.
func (c *Catalogue) Folders(ctx context.Context, id account.ID, of account.ConnectionID) (map[string]bool, error) {
	out := map[string]bool{}
	err := c.as(ctx, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, `select id, started_at from known_snapshots($1, $2)`, id, of)
		if err != nil {
			return err
		}
		var one string
		var started time.Time
		_, err = pgx.ForEachRow(found, []any{&one, &started}, func() error { out[snapshot.Folder(started, one)] = true; return nil })
		return err
	})
	return out, err
}

// Made is what was put back.
type Made struct {
	Account    bool // or its keyring, where that alone was missing
	Keyring    bool // a newer one than there was
	Owner      bool
	Connection bool
	Snapshots  int64
}

// any reports whether something was.
func (m Made) any() bool { return m.Account || m.Keyring || m.Owner || m.Connection || m.Snapshots > 0 }

// PutBack puts back what is missing of a batch, in one transaction with a row of the
// account's activity log that tells of it. An account that was deleted is a problem of kind
// Denied.
func (c *Catalogue) PutBack(ctx context.Context, b Batch) (m Made, err error) {
	err = c.as(ctx, func(tx pgx.Tx) error {
		m = Made{}
		for _, put := range []func(context.Context, pgx.Tx, *Made) error{b.putAccount, b.putOwner, b.putConnection, b.putSnapshots} {
			if err := put(ctx, tx, &m); err != nil {
				return err
			}
		}
		if !m.any() {
			return nil
		}
		return b.tell(ctx, tx, m)
	})
	if err != nil {
		return Made{}, fmt.Errorf("put back what is missing of account %s: %w", b.Keyring.Account(), err)
	}
	return m, nil
}
