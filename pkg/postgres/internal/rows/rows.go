// Package rows runs SQL for the packages by subject: rows into plain structs, and
// Postgres's errors into problems.
package rows

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"imago/pkg/problem"
)

// Key opens a transaction for its SQL. Only packages below postgres can name it, so
// that SQL stands nowhere else.
type Key struct{}

// Tx is a transaction that SQL can be run in.
type Tx interface{ SQL(Key) pgx.Tx }

// All reads every row into a T by the names of its columns.
func All[T any](ctx context.Context, tx Tx, sql string, args ...any) ([]T, error) {
	found, err := tx.SQL(Key{}).Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByName[T])
}

// One reads the only row into a T; none is a problem of kind NotFound that names what.
func One[T any](ctx context.Context, tx Tx, what, sql string, args ...any) (T, error) {
	found, err := tx.SQL(Key{}).Query(ctx, sql, args...)
	if err != nil {
		var none T
		return none, err
	}
	row, err := pgx.CollectExactlyOneRow(found, pgx.RowToStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return row, problem.New(problem.NotFound, "there is no such %s", what)
	}
	return row, err
}

// Maybe reads the row, or reports that there is none.
func Maybe[T any](ctx context.Context, tx Tx, sql string, args ...any) (row T, ok bool, err error) {
	all, err := All[T](ctx, tx, sql, args...)
	if err != nil || len(all) == 0 {
		return row, false, err
	}
	if len(all) > 1 {
		return row, false, fmt.Errorf("%d rows where one at most was expected", len(all))
	}
	return all[0], true, nil
}

// Exec runs a statement and counts the rows that it touched.
func Exec(ctx context.Context, tx Tx, sql string, args ...any) (int64, error) {
	tag, err := tx.SQL(Key{}).Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// Must runs a statement that has to touch one row; otherwise missing is the error.
func Must(ctx context.Context, tx Tx, missing error, sql string, args ...any) error {
	n, err := Exec(ctx, tx, sql, args...)
	if err == nil && n == 0 {
		return missing
	}
	return err
}
