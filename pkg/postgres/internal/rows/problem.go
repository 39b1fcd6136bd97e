package rows

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"imago/pkg/problem"
)

// The errors that our own functions raise; migrations/…_functions.sql lists them.
const (
	raisedTooOften = "IM001"
	raisedRefused  = "IM002"
	raisedMoved    = "IM003"
)

// Problem words an error of Postgres for a person where there is something that a
// person can do; others stay as they are, and are internal.
func Problem(err error) error {
	if err == nil || problem.Of(err) != nil {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return problem.New(problem.NotFound, "there is no such thing").Because(err)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fromServer(pg, err)
	}
	if away(err) {
		return problem.New(problem.Unavailable, "the database does not answer").WithHint("try again in a minute").Because(err)
	}
	return err
}

// fromServer tells apart what the server answered, by SQLSTATE (Postgres manual, appendix A).
func fromServer(pg *pgconn.PgError, err error) error {
	switch {
	case pg.Code == "23505":
		return problem.New(problem.Conflict, "that is there already").Because(err)
	case pg.Code == "23503":
		return problem.New(problem.NotFound, "it names something that does not exist").Because(err)
	case pg.Code == "22P02": // a text that is no UUID names nothing
		return problem.New(problem.NotFound, "there is no such thing").Because(err)
	case pg.Code == "42501":
		return problem.New(problem.Denied, "that is not yours to see or change").Because(err)
	case pg.Code == raisedTooOften:
		return problem.New(problem.OverLimit, "%s", pg.Message).WithHint("%s", cmp.Or(pg.Hint, "try again in an hour")).Because(err)
	case pg.Code == raisedRefused:
		return problem.New(problem.Denied, "%s", pg.Message).WithHint("%s", pg.Hint).Because(err)
	case pg.Code == raisedMoved:
		return problem.New(problem.Stale, "%s", pg.Message).WithHint("%s", cmp.Or(pg.Hint, "look again")).Because(err)
	case goingAway(pg.Code):
		return problem.New(problem.Unavailable, "the database is busy or going away").WithHint("try again in a minute").Because(err)
	}
	return err
}

// goingAway lists the classes of a server that is there and cannot serve: connection
// exceptions, too few resources, shutting down or starting, timeouts, lost races.
func goingAway(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "57P") ||
		code == "57014" || code == "55P03" || code == "25P03" || Retriable(code)
}

// Retriable reports whether a transaction lost a race and may simply be run again:
// serialization failure, deadlock.
func Retriable(code string) bool { return code == "40001" || code == "40P01" }

// away reports whether no server was heard. A caller's own deadline is not that.
func away(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok && !errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed")
}

// Violates reports whether an error is about the constraint of that name.
func Violates(err error, constraint string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.ConstraintName == constraint
}
