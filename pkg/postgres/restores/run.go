package restores

import (
	"context"

	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Lease is the right to write to a restore's row and journal. Each Begin takes it from
// whoever had it: a slow ghost of an earlier attempt gets a problem of kind Stale.
type Lease struct {
	Restore string
	Number  int64
}

func (l Lease) lost() error {
	return problem.New(problem.Stale, "another attempt has taken over restore %s, or it has ended", l.Restore)
}

// Begin starts a slice of planning or applying; the state is left as it is. A restore
// that has ended is a problem of kind Stale.
func Begin(ctx context.Context, tx *postgres.Tx, id string) (Restore, Lease, error) {
	type begun struct {
		Restore
		Lease int64
	}
	b, ok, err := rows.Maybe[begun](ctx, tx, `
		update restores set lease = lease + 1 where id = as_uuid($1) and ended_at is null
		returning `+columns+`, lease`, id)
	if err != nil || ok {
		return b.Restore, Lease{b.ID, b.Lease}, err
	}
	r, err := Get(ctx, tx, id)
	if err == nil {
		err = problem.New(problem.Stale, "the restore has ended: it is %s", r.State)
	}
	return r, Lease{}, err
}

// SetPlan stores the plan, and the digest to be approved.
func SetPlan(ctx context.Context, tx *postgres.Tx, l Lease, planSealed []byte, digest string) error {
	return rows.Must(ctx, tx, l.lost(), `
		update restores set state = 'planned', plan_sealed = $3, plan_digest = $4
		where id = as_uuid($1) and lease = $2 and state = 'planning'`, l.Restore, l.Number, planSealed, digest)
}

// Move brings a restore to its next state; the database refuses one that does not
// follow (Stale). To Applying opens the window; to an ended state ends the restore, and
// the window with it: what the write app does from then on is not ours. What hindered it
// in the state that it leaves does so no longer. ErrBusy: another restore writes to the org.
func Move(ctx context.Context, tx *postgres.Tx, l Lease, to State) error {
	err := rows.Must(ctx, tx, l.lost(), `
		update restores set state = $3, problem = case when $4 then problem end,
			window_opened_at = case when $3 = 'applying' then coalesce(window_opened_at, now()) else window_opened_at end,
			window_closed_at = case when $4 and window_opened_at is not null then now() else window_closed_at end,
			ended_at = case when $4 then now() end
		where id = as_uuid($1) and lease = $2 and ended_at is null`, l.Restore, l.Number, to, to.Ended())
	if rows.Violates(err, "restores_writing_key") {
		return ErrBusy
	}
	return err
}

// ErrBusy says that another restore of the connection may be writing to its org.
var ErrBusy error = problem.New(problem.Conflict, "another restore of the org is not at its end")

// SetReceipt stores what the restore led to, sealed.
func SetReceipt(ctx context.Context, tx *postgres.Tx, l Lease, receiptSealed []byte) error {
	return rows.Must(ctx, tx, l.lost(), `update restores set receipt_sealed = $3
		where id = as_uuid($1) and lease = $2 and ended_at is null`, l.Restore, l.Number, receiptSealed)
}

// SetProblem stores what hinders a restore that goes on; nil: nothing.
func SetProblem(ctx context.Context, tx *postgres.Tx, l Lease, why *problem.Problem) error {
	reason, err := rows.ProblemJSON(why)
	if err != nil {
		return err
	}
	return rows.Must(ctx, tx, l.lost(), `update restores set problem = $3
		where id = as_uuid($1) and lease = $2 and ended_at is null`, l.Restore, l.Number, reason)
}

// Remind notes that the members are told of a window that stays open. It answers false
// when they were before.
func Remind(ctx context.Context, tx *postgres.Tx, l Lease) (first bool, err error) {
	if err := hold(ctx, tx, l); err != nil {
		return false, err
	}
	n, err := rows.Exec(ctx, tx, `update restores set reminded_at = now() where id = as_uuid($1) and reminded_at is null`, l.Restore)
	return n > 0, err
}

// SeenOpen notes that the org still lets the write app in.
func SeenOpen(ctx context.Context, tx *postgres.Tx, l Lease) error {
	return rows.Must(ctx, tx, l.lost(), `update restores set seen_open_at = now()
		where id = as_uuid($1) and lease = $2 and ended_at is null`, l.Restore, l.Number)
}

// End ends a restore: Closed without a problem, Failed if nothing was written, else
// Stopped.
func End(ctx context.Context, tx *postgres.Tx, l Lease, to State, why *problem.Problem) error {
	if err := SetProblem(ctx, tx, l, why); err != nil {
		return err
	}
	return Move(ctx, tx, l, to)
}
