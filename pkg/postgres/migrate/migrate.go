// Package migrate brings a database to the schema of this release: River's tables in
// the schema river, then our own migrations. It is run by the database's owner, which
// needs createrole (or to be a superuser) the first time, and may run side by side
// with itself: the second waits.
package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"imago/migrations"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// schema is where River's tables stand.
const schema = "river"

// Result is what a run did.
type Result struct {
	River   []int   // River's migrations that were run
	Applied []int64 // our own
	Version int64   // where the schema stands now
}

// Run migrates the database that the URL names, as its owner.
func Run(ctx context.Context, url string) (Result, error) {
	var done Result
	err := locked(ctx, url, func(pool *pgxpool.Pool, db *sql.DB) (err error) {
		if done.River, err = runRiver(ctx, pool); err != nil {
			return err
		}
		done.Applied, done.Version, err = runOwn(ctx, db)
		return err
	})
	return done, rows.Problem(err)
}

// locked opens the database and holds one lock for all that is run in it.
func locked(ctx context.Context, url string, run func(*pgxpool.Pool, *sql.DB) error) (err error) {
	config, err := rows.ParseURL(url)
	if err != nil {
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer pool.Close()
	db := stdlib.OpenDBFromPool(pool)
	defer func() { err = errors.Join(err, db.Close()) }()
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("prepare lock: %w", err)
	}
	held, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if err := locker.SessionLock(ctx, held); err != nil {
		return fmt.Errorf("wait for another migration: %w", err)
	}
	defer func() { err = errors.Join(err, locker.SessionUnlock(context.WithoutCancel(ctx), held)) }()
	return run(pool, db)
}

func runRiver(ctx context.Context, pool *pgxpool.Pool) ([]int, error) {
	if _, err := pool.Exec(ctx, `create schema if not exists `+schema); err != nil {
		return nil, fmt.Errorf("create schema %s: %w", schema, err)
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema})
	if err != nil {
		return nil, fmt.Errorf("prepare river's migrations: %w", err)
	}
	result, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	if err != nil {
		return nil, fmt.Errorf("migrate river: %w", err)
	}
	var versions []int
	for _, v := range result.Versions {
		versions = append(versions, v.Version)
	}
	return versions, nil
}

// An owner that is no superuser must be a member of imago_definer to hand functions
// over to it. It is one for the migration alone: what imago_definer sees through the
// tables' policies, the owner must not.
const (
	join = `do $$ begin
		if exists (select from pg_roles where rolname = 'imago_definer')
				and not (select rolsuper from pg_roles where rolname = current_user) then
			execute format('grant imago_definer to %I', current_user);
		end if;
	end $$`
	leave = `do $$ begin
		if exists (select from pg_roles where rolname = 'imago_definer')
				and not (select rolsuper from pg_roles where rolname = current_user) then
			execute format('revoke imago_definer from %I', current_user);
		end if;
	end $$`
)

func runOwn(ctx context.Context, db *sql.DB) (applied []int64, version int64, err error) {
	if _, err := db.ExecContext(ctx, join); err != nil {
		return nil, 0, fmt.Errorf("join imago_definer: %w", err)
	}
	defer func() {
		_, left := db.ExecContext(context.WithoutCancel(ctx), leave)
		err = errors.Join(err, left)
	}()
	return up(ctx, db)
}

func up(ctx context.Context, db *sql.DB) ([]int64, int64, error) {
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files)
	if err != nil {
		return nil, 0, fmt.Errorf("prepare migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("migrate: %w", err)
	}
	var applied []int64
	for _, r := range results {
		applied = append(applied, r.Source.Version)
	}
	version, err := provider.GetDBVersion(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return applied, version, nil
}

// Check says whether anything is left to be run, and changes nothing. A database that
// is behind is a problem of kind Stale.
func Check(ctx context.Context, url string) (err error) {
	config, err := rows.ParseURL(url)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return rows.Problem(fmt.Errorf("connect: %w", err))
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	want, err := migrations.Latest()
	if err != nil {
		return err
	}
	var there bool
	if err := conn.QueryRow(ctx, `select to_regclass('public.goose_db_version') is not null`).Scan(&there); err != nil {
		return rows.Problem(fmt.Errorf("look for the schema: %w", err))
	}
	var have int64
	if there {
		err := conn.QueryRow(ctx, `select coalesce(max(version_id), 0) from public.goose_db_version where is_applied`).Scan(&have)
		if err != nil {
			return rows.Problem(fmt.Errorf("read the schema's version: %w", err))
		}
	}
	if have < want {
		return problem.New(problem.Stale, "the schema is at %d, this release needs %d", have, want).WithHint("run imago-migrate")
	}
	return nil
}
