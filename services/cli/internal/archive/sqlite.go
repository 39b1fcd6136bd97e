package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"imago/pkg/export"

	_ "modernc.org/sqlite" // the driver, without C
)

// schema of the SQLite file. Bodies are JSON text: json_extract(value, '$.profile.email').
const schema = `
create table snapshot (format integer not null, id text not null, account text not null, connection text not null, provider text not null,
  org text not null, org_id text not null, engine text not null, kind text not null, started text not null, ended text not null) strict;
create table types (type text not null primary key, title text not null, objects integer not null, complete integer not null) strict;
create table gaps (type text not null, parent text not null, reason text not null, detail text not null) strict;
create table objects (type text not null, parent text not null, id text not null, label text not null, natural_key text not null, value text not null,
  primary key (type, parent, id)) strict, without rowid;`

const indexes = `
create index objects_by_id on objects (id);
create index objects_by_label on objects (label);`

// Export writes what package export tells of as a database file, too.
type Export struct{ export.Export }

// SQLite writes a database file, which must not be there, and gives how many objects it
// has. What it leaves behind with an error is no use.
func (e Export) SQLite(ctx context.Context, path string) (n int64, err error) {
	// Nobody else sees the file before it is whole: it needs no journal.
	name := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: "_pragma=journal_mode(off)&_pragma=synchronous(off)&_pragma=locking_mode(exclusive)"}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", path, err)
	}
	if n, err = e.fill(ctx, tx); err != nil {
		return n, errors.Join(err, tx.Rollback())
	}
	return n, tx.Commit()
}

func (e Export) fill(ctx context.Context, tx *sql.Tx) (n int64, err error) {
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return 0, fmt.Errorf("make tables: %w", err)
	}
	if err := e.describe(ctx, tx); err != nil {
		return 0, fmt.Errorf("describe the snapshot: %w", err)
	}
	insert, err := tx.PrepareContext(ctx, "insert into objects (type, parent, id, label, natural_key, value) values (?, ?, ?, ?, ?, ?)")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for o, err := range e.Objects(ctx) {
		if err != nil {
			return n, err
		}
		if _, err := insert.ExecContext(ctx, string(o.Type), o.Parent, o.ID, o.Label, o.Natural, string(o.Body)); err != nil {
			return n, fmt.Errorf("write %s: %w", o.Key, err)
		}
		n++
	}
	_, err = tx.ExecContext(ctx, indexes)
	return n, err
}

// describe writes what is known of the snapshot, its types and its gaps.
func (e Export) describe(ctx context.Context, tx *sql.Tx) error {
	f := e.Facts()
	const layout = "2006-01-02T15:04:05.000Z"
	if _, err := tx.ExecContext(ctx, "insert into snapshot values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", f.Format, f.ID, f.Account, f.Connection,
		f.Provider, f.Org, f.OrgID, f.Engine, string(f.Kind), f.Started.Format(layout), f.Ended.Format(layout)); err != nil {
		return err
	}
	for _, t := range e.States() {
		info, _ := e.Catalog.Info(t.Type)
		if _, err := tx.ExecContext(ctx, "insert into types values (?, ?, ?, ?)", string(t.Type), info.Title, t.Objects, t.Complete()); err != nil {
			return err
		}
		for _, g := range t.Gaps {
			if _, err := tx.ExecContext(ctx, "insert into gaps values (?, ?, ?, ?)", string(g.Type), g.Parent, string(g.Reason), g.Detail); err != nil {
				return err
			}
		}
	}
	return nil
}
