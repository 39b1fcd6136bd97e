// Package postgres is the database: every line of SQL, behind proofs. A program
// presents a session or a running job, and the database itself derives the account
// that it lets in; nothing here takes an account from the program.
//
// Queries stand in the packages by subject below this one: plain functions that take
// a *Tx and answer plain structs. What reaches across accounts is one file of
// security definer functions in migrations.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"imago/migrations"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Options tunes a DB. Its zero value is right for a program.
type Options struct {
	MaxConns  int           // of the pool; zero: 12
	Statement time.Duration // the longest that one statement may take; zero: 20 s
}

// DB is the database, as one role sees it. It shows no pool: everything goes through As.
type DB struct {
	pool  *pgxpool.Pool
	adder *river.Client[pgx.Tx] // adds jobs in a transaction, works none
}

// Open connects as the role that the URL names (postgres://…, or keyword=value), and
// checks that the database has been migrated far enough for this program. A database
// that is away, or too old, is a problem of kind Unavailable.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	config, err := configure(url, o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{pool: pool}
	if db.adder, err = newAdder(); err != nil {
		pool.Close()
		return nil, err
	}
	if err := db.Ready(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return db, nil
}

// configure reads the URL, and sets how long a connection may take for what.
func configure(url string, o Options) (*pgxpool.Config, error) {
	config, err := rows.ParseURL(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(orDefault(o.MaxConns, 12))
	statement := orDefault(o.Statement, 20*time.Second)
	set := config.ConnConfig.RuntimeParams
	set["statement_timeout"] = fmt.Sprint(statement.Milliseconds())
	set["lock_timeout"] = fmt.Sprint((statement / 2).Milliseconds())
	set["idle_in_transaction_session_timeout"] = fmt.Sprint((2 * statement).Milliseconds())
	set["timezone"] = "UTC"
	if set["application_name"] == "" {
		set["application_name"] = config.ConnConfig.User
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	return config, nil
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// newAdder makes a River client without a pool: it can only add jobs in a transaction.
func newAdder() (*river.Client[pgx.Tx], error) {
	client, err := river.NewClient(riverpgxv5.New(nil), &river.Config{Schema: schema})
	if err != nil {
		return nil, fmt.Errorf("make job queue client: %w", err)
	}
	return client, nil
}

// Close lets go of every connection.
func (db *DB) Close() { db.pool.Close() }

// Ready reports whether the database answers and has been migrated far enough: a
// check for /readyz.
func (db *DB) Ready(ctx context.Context) error {
	want, err := migrations.Latest()
	if err != nil {
		return err
	}
	var have int64
	err = db.pool.QueryRow(ctx, `select coalesce(max(version_id), 0) from public.goose_db_version where is_applied`).Scan(&have)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "42P01" || pg.Code == "42501") {
		return tooOld(0, want)
	}
	if err != nil {
		return rows.Problem(fmt.Errorf("ask for the schema's version: %w", err))
	}
	if have < want {
		return tooOld(have, want)
	}
	return nil
}

func tooOld(have, want int64) error {
	return problem.New(problem.Unavailable, "the database's schema is at %d, this program needs %d", have, want).
		WithHint("run imago-migrate")
}

// tries is how often As runs a transaction that keeps losing races.
const tries = 5

// As runs fn in a transaction that the proof opens, and commits it if fn returns nil.
//
// A proof that is not, or no longer, good is a problem of kind Denied. A transaction
// that loses a race (deadlock, serialization) is run again, so fn must be safe to
// repeat: no I/O outside of the transaction. Errors of Postgres come back as problems
// where a person can do something: Conflict, NotFound, Denied, Stale, OverLimit,
// Unavailable. A commit whose answer is lost is Unavailable: it may have happened.
func (db *DB) As(ctx context.Context, proof Proof, fn func(*Tx) error) error {
	for n := 1; ; n++ {
		err := db.try(ctx, proof, fn)
		pg, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || !rows.Retriable(pg.Code) || n == tries {
			return rows.Problem(err)
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
}

// pause waits a few milliseconds, by chance, so that two that collided do not again.
func pause(ctx context.Context, n int) error {
	timer := time.NewTimer(rand.N(time.Duration(n) * 10 * time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// try runs the transaction once.
func (db *DB) try(ctx context.Context, proof Proof, fn func(*Tx) error) error {
	return pgx.BeginFunc(ctx, db.pool, func(raw pgx.Tx) error {
		tx := &Tx{raw: raw, adder: db.adder}
		if err := tx.present(ctx, proof); err != nil {
			return err
		}
		return fn(tx)
	})
}
