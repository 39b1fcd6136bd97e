package restores

import (
	"context"
	"time"

	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// StepState is how far a step is.
type StepState string

// The states of a step. Begun and never ended: look whether it was made.
const (
	StepBegun   StepState = "begun"
	StepDone    StepState = "done"
	StepFailed  StepState = "failed"
	StepSkipped StepState = "skipped"
)

// Step is one line of the journal.
type Step struct {
	N       int // of the plan's step
	State   StepState
	Op      provider.Op
	Type    resource.Type `db:"resource_type"`
	Sealed  []byte        // new ID, transaction, error: under the account's key
	BegunAt time.Time
	EndedAt *time.Time
}

// Steps reads the journal, in the plan's order.
func Steps(ctx context.Context, tx *postgres.Tx, restoreID string) ([]Step, error) {
	return rows.All[Step](ctx, tx, `select n, state, op, resource_type, sealed, begun_at, ended_at
		from restore_steps where restore_id = as_uuid($1) order by n`, restoreID)
}

// hold makes sure of the lease until the transaction ends.
func hold(ctx context.Context, tx *postgres.Tx, l Lease) error {
	return rows.Must(ctx, tx, l.lost(),
		`update restores set lease = lease where id = as_uuid($1) and lease = $2 and ended_at is null`, l.Restore, l.Number)
}

// BeginStep writes down that a step is about to be made; commit before making it. A
// step that was begun before stays begun; one that has ended is a Conflict.
func BeginStep(ctx context.Context, tx *postgres.Tx, l Lease, n int, op provider.Op, t resource.Type) error {
	if err := hold(ctx, tx, l); err != nil {
		return err
	}
	return rows.Must(ctx, tx, problem.New(problem.Conflict, "step %d has ended already", n), `
		insert into restore_steps (restore_id, account_id, n, state, op, resource_type)
		values ($1, $2, $3, 'begun', $4, $5)
		on conflict (account_id, restore_id, n) do update set state = 'begun' where restore_steps.state = 'begun'`,
		l.Restore, tx.Account(), n, op, t)
}

// EndStep writes down what became of a step that was begun; one that has ended stays
// as it was (Conflict).
func EndStep(ctx context.Context, tx *postgres.Tx, l Lease, n int, state StepState, sealed []byte) error {
	if err := hold(ctx, tx, l); err != nil {
		return err
	}
	return rows.Must(ctx, tx, problem.New(problem.Conflict, "step %d was not begun, or has ended already", n), `
		update restore_steps set state = $3, sealed = $4, ended_at = now()
		where restore_id = as_uuid($1) and n = $2 and state = 'begun'`, l.Restore, n, state, sealed)
}
