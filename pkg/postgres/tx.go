package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"imago/pkg/account"
	"imago/pkg/postgres/internal/rows"
)

// Tx is a transaction that a proof has opened.
type Tx struct {
	raw   pgx.Tx
	adder *river.Client[pgx.Tx]
	who   who
}

// Account is the account that the proof lets in; "" for Nobody, and for the jobs
// that are no account's (send_code and the ticks).
func (t *Tx) Account() account.ID { return t.who.Account }

// User is whose session was presented; "" for a job.
func (t *Tx) User() account.UserID { return t.who.User }

// Person is whose session was presented, also if it waits for its second factor.
func (t *Tx) Person() account.UserID { return t.who.Person }

// Waits reports whether the session that was presented waits for its second factor.
func (t *Tx) Waits() bool { return t.who.Pending != "" }

// Role is what the session's user may do in the account; "" for a job.
func (t *Tx) Role() account.Role { return t.who.Role }

// SteppedUp reports whether the session's person proved in the last ten minutes who they
// are; false for a job.
func (t *Tx) SteppedUp() bool { return t.who.Fresh }

// Scopes are the actions of the API token that was presented; nil: it is a person's
// session, or none.
func (t *Tx) Scopes() []string { return t.who.Scopes }

// SessionID is the session that was presented; "" for a job.
func (t *Tx) SessionID() string { return t.who.Session }

// SQL opens the transaction to the packages below postgres, which alone can name the key.
func (t *Tx) SQL(rows.Key) pgx.Tx { return t.raw }

// ForCode lets a transaction of Nobody enqueue the mail of a sign-in code that it has
// just begun. Only signin needs it.
func (t *Tx) ForCode(ctx context.Context, _ rows.Key, codeID string) error {
	return t.set(ctx, Proof{"code", codeID})
}

// ForEvent lets a transaction of Nobody enqueue the job of a notification that it has just
// noted. Only subscriptions needs it.
func (t *Tx) ForEvent(ctx context.Context, _ rows.Key, noteID string) error {
	return t.set(ctx, Proof{"event", noteID})
}

// Apart runs fn in a part of the transaction that is undone alone when it fails.
func (t *Tx) Apart(ctx context.Context, fn func(*Tx) error) error {
	return pgx.BeginFunc(ctx, t.raw, func(raw pgx.Tx) error {
		return fn(&Tx{raw: raw, adder: t.adder, who: t.who})
	})
}

// Enqueue adds a job in this transaction, with the queue, priority and uniqueness of
// its kind. A job that is unique and there already is left as it is, without error.
// A job for another account than the transaction's is refused by the database.
func (t *Tx) Enqueue(ctx context.Context, args river.JobArgs) error {
	return t.EnqueueAt(ctx, args, time.Time{})
}

// EnqueueAt adds a job that does not run before a moment; zero: now.
func (t *Tx) EnqueueAt(ctx context.Context, args river.JobArgs, at time.Time) error {
	opts, err := insertOpts(args)
	if err != nil {
		return err
	}
	opts.ScheduledAt = at
	if _, err := t.adder.InsertTx(ctx, t.raw, args, &opts); err != nil {
		return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return nil
}
