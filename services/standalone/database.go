package standalone

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"imago/pkg/postgres"
	"imago/pkg/postgres/cluster"
	"imago/pkg/postgres/migrate"
)

// databaseName is the database in the private cluster.
const databaseName = "imago"

// database is the private cluster and its three pools: each part of the program has
// the role that it would have in production, and its limits.
type database struct {
	cluster            *cluster.Cluster
	api, worker, drift *postgres.DB
}

// openDatabase starts the cluster, brings it to this release's schema, and connects.
func openDatabase(ctx context.Context, dir string) (_ *database, err error) {
	d := &database{}
	if d.cluster, err = cluster.Start(ctx, dir, cluster.Options{}); err != nil {
		return nil, err
	}
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) prepare(ctx context.Context) (err error) {
	if err := d.create(ctx); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	if _, err := migrate.Run(ctx, d.cluster.URL(databaseName, cluster.Superuser)); err != nil {
		return err
	}
	for role, db := range map[string]**postgres.DB{"imago_api": &d.api, "imago_worker": &d.worker, "imago_drift": &d.drift} {
		if *db, err = postgres.Open(ctx, d.cluster.URL(databaseName, role), postgres.Options{}); err != nil {
			return fmt.Errorf("connect as %s: %w", role, err)
		}
	}
	return nil
}

// create makes the database the first time.
func (d *database) create(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, d.cluster.URL("postgres", cluster.Superuser))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var there bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", databaseName).Scan(&there); err != nil || there {
		return err
	}
	_, err = conn.Exec(ctx, "create database "+databaseName)
	return err
}

// close lets go of the pools and stops the cluster.
func (d *database) close() error {
	for _, db := range []*postgres.DB{d.api, d.worker, d.drift} {
		if db != nil {
			db.Close()
		}
	}
	return d.cluster.Stop()
}

// watch ends when the program is to end, or with an error when the cluster has ended by
// itself: whoever supervises the program starts it anew, and the cluster recovers.
func (d *database) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-d.cluster.Done():
		return errors.New("the database has ended; its log is postgres/postgres.log in the data directory")
	}
}
