// Package restores keeps restores, from the selection to the receipt, and the journal
// of their steps. The database itself holds their states to their order, a plan to
// what was approved, and an approval to the person who is signed in.
package restores

import (
	"context"
	"slices"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// State is how far a restore is.
type State string

// The states, in their order. Waiting: for the write app to be activated; Closing: for
// it to be deactivated.
const (
	Planning  State = "planning"
	Planned   State = "planned"
	Approved  State = "approved"
	Waiting   State = "waiting"
	Applying  State = "applying"
	Verifying State = "verifying"
	Verified  State = "verified"
	Closing   State = "closing"
	Closed    State = "closed"

	Failed    State = "failed"
	Cancelled State = "cancelled"
	Stopped   State = "stopped" // a step was stale or failed; the journal says what was made
)

// Ended reports whether nothing more will happen.
func (s State) Ended() bool {
	return s == Closed || s == Failed || s == Cancelled || s == Stopped
}

// Restore is one row.
type Restore struct {
	ID               string
	AccountID        account.ID
	ConnectionID     account.ConnectionID
	SnapshotID       string
	State            State
	SelectionSealed  []byte
	PlanSealed       []byte
	PlanDigest       *string // "sha256:…" of the canonical plan
	RequestedBy      account.UserID
	ApprovedBy       *account.UserID
	ApprovedAt       *time.Time
	ReceiptSealed    []byte
	Problem          *problem.Problem
	CreatedAt        time.Time
	ApplyRequestedAt *time.Time
	WindowOpenedAt   *time.Time
	WindowClosedAt   *time.Time
	ClosedBy         *account.UserID // on whose word the window is closed; nil: the org refused the write app
	RemindedAt       *time.Time      // when the members were told that the write app is still active
	EndedAt          *time.Time
}

const columns = `id, account_id, connection_id, snapshot_id, state, selection_sealed, plan_sealed, plan_digest,
	requested_by, approved_by, approved_at, receipt_sealed, problem, created_at, apply_requested_at, window_opened_at,
	window_closed_at, closed_by, reminded_at, ended_at`

// Wanted is a restore to be begun.
type Wanted struct {
	ID              string // a new UUID of version 7: the selection is sealed for it
	ConnectionID    account.ConnectionID
	SnapshotID      string
	SelectionSealed []byte
}

// Request begins a restore in the name of whoever is signed in, and enqueues its
// planning. A connection or snapshot that the account does not have is NotFound.
func Request(ctx context.Context, tx *postgres.Tx, w Wanted) (Restore, error) {
	r, err := rows.One[Restore](ctx, tx, "restore", `
		insert into restores (id, account_id, connection_id, snapshot_id, selection_sealed, requested_by)
		select $6, $1, s.connection_id, s.id, $4, $5
		from snapshots s
		where s.id = as_uuid($3) and s.connection_id = as_uuid($2) and s.state in ('complete', 'partial')
		for share of s
		returning `+columns, tx.Account(), w.ConnectionID, w.SnapshotID, w.SelectionSealed, tx.User(), w.ID)
	if problem.Is(err, problem.NotFound) {
		return r, problem.New(problem.NotFound, "that connection has no such snapshot that was taken")
	}
	if err != nil {
		return r, err
	}
	return r, tx.Enqueue(ctx, job.PlanRestore{AccountID: string(r.AccountID), RestoreID: r.ID})
}

// Window is the time in which a restore may have written to its org.
type Window struct {
	OpenedAt time.Time  `db:"window_opened_at"`
	ClosedAt *time.Time `db:"window_closed_at"` // nil: it may still
}

// Windows lists the windows of a connection's restores that were open at a moment or
// later: for imago_drift, which sees no more of restores.
func Windows(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, since time.Time) ([]Window, error) {
	return rows.All[Window](ctx, tx, `select window_opened_at, window_closed_at from restores
		where connection_id = as_uuid($1) and window_opened_at is not null
			and (window_closed_at is null and state in ('waiting', 'applying', 'verifying', 'verified', 'closing')
				or window_closed_at >= $2)
		order by window_opened_at`, id, since)
}

// Get reads a restore.
func Get(ctx context.Context, tx *postgres.Tx, id string) (Restore, error) {
	return rows.One[Restore](ctx, tx, "restore", `select `+columns+` from restores where id = as_uuid($1)`, id)
}

// List lists restores, newest first; of one connection, or of all ("").
func List(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p postgres.Page) ([]Restore, error) {
	return rows.All[Restore](ctx, tx, `select `+columns+` from restores
		where ($1::uuid is null or connection_id = $1) and ($2::uuid is null or id < $2)
		order by id desc limit $3`, rows.Null(id), rows.Null(p.Before), p.Most())
}

// Approve approves exactly the plan that has this digest, in the name of whoever is
// signed in. Another digest, or a restore that is not planned, is Stale.
func Approve(ctx context.Context, tx *postgres.Tx, id, digest string) (Restore, error) {
	return move(ctx, tx, id, `
		update restores set state = 'approved', approved_by = current_user_id(), approved_at = now()
		where id = as_uuid($1) and state = 'planned' and plan_digest = $2
		returning `+columns, func(r Restore) error {
		if r.State == Planned {
			p := problem.New(problem.Stale, "the plan's digest is %s", *r.PlanDigest).WithHint("read the plan again, then approve that digest")
			p.Field = "digest"
			return p
		}
		return problem.New(problem.Stale, "the restore is %s, and only a planned one is approved", r.State).
			WithHint("%s", r.State.onward())
	}, digest)
}

// Apply asks a worker to carry out the approved plan. It may be asked again until the
// restore is applied; the job is enqueued once.
func Apply(ctx context.Context, tx *postgres.Tx, id string) (Restore, error) {
	r, err := move(ctx, tx, id, `
		update restores set apply_requested_at = coalesce(apply_requested_at, now())
		where id = as_uuid($1) and state in ('approved', 'waiting')
		returning `+columns, func(r Restore) error {
		if r.State == Planning || r.State == Planned {
			return problem.New(problem.Conflict, "the plan is not approved").WithHint("approve its digest first")
		}
		return problem.New(problem.Stale, "the restore is %s already", r.State).WithHint("%s", r.State.onward())
	})
	if err != nil {
		return r, err
	}
	return r, tx.Enqueue(ctx, job.ApplyRestore{AccountID: string(r.AccountID), RestoreID: r.ID})
}

// Cancel ends a restore before anything of it was written; later it is Stale.
func Cancel(ctx context.Context, tx *postgres.Tx, id string) (Restore, error) {
	return move(ctx, tx, id, `
		update restores set state = 'cancelled', ended_at = now()
		where id = as_uuid($1) and state in ('planning', 'planned', 'approved', 'waiting') and window_opened_at is null
		returning `+columns, func(r Restore) error {
		return problem.New(problem.Stale, "the restore is %s, and cannot be cancelled any more", r.State).WithHint("%s", r.State.onward())
	})
}

// Close ends a restore that waits for its write app to be deactivated, on the word of
// whoever is signed in. One that does not wait for that is Stale; so says the database of
// one whose app the org let in within the last hour.
func Close(ctx context.Context, tx *postgres.Tx, id string) (Restore, error) {
	r, err := rows.One[Restore](ctx, tx, "restore", `select `+columns+` from restores where id = as_uuid($1) for update`, id)
	if err != nil {
		return r, err
	}
	steps, err := Steps(ctx, tx, id)
	if err != nil {
		return r, err
	}
	to, why := Verdict(r, steps)
	reason, err := rows.ProblemJSON(why)
	if err != nil {
		return r, err
	}
	return move(ctx, tx, id, `
		update restores set state = $2, problem = $3, window_closed_at = now(), closed_by = current_user_id(), ended_at = now()
		where id = as_uuid($1) and state = 'closing'
		returning `+columns, func(r Restore) error {
		return problem.New(problem.Stale, "the restore is %s, and only one that waits for its write app to be deactivated is closed", r.State).
			WithHint("%s", r.State.onward())
	}, to, reason)
}

// Verdict is how a restore ends whose window is shut, and the problem that it ends with:
// one that was stopped before it had a receipt ends with what stopped it.
func Verdict(r Restore, steps []Step) (State, *problem.Problem) {
	if r.Cut() {
		return Stopped, r.Problem
	}
	if !slices.ContainsFunc(steps, func(s Step) bool { return s.State == StepFailed || s.State == StepSkipped }) {
		return Closed, nil
	}
	return Stopped, problem.New(problem.Stale, "not every write of the plan was made").
		WithHint("the receipt says which and why: plan the rest again")
}

// Cut reports whether the restore was stopped before it had a receipt: its problem says
// why until it has ended, and nothing else.
func (r Restore) Cut() bool { return r.State == Closing && r.ReceiptSealed == nil }

// onward is what a person can do who wanted something else of a restore in this state.
func (s State) onward() string {
	switch s {
	case Planning:
		return "wait until it is planned"
	case Planned, Approved:
		return "read its plan, then go on with it or cancel it"
	case Waiting:
		return "keep the write app deactivated: nothing more is written, and it ends by itself"
	case Applying:
		return "to stop it, deactivate the write app in the org: what was written stays, and nothing more is written"
	case Verifying, Verified, Closing:
		return "everything is written: deactivate the write app in the org, and it ends"
	}
	return "it has ended: show it to see how, and plan another restore for what is still to be done"
}

// move runs an update that asks for a state; when it finds no row, why says what to
// answer about the row as it stands.
func move(ctx context.Context, tx *postgres.Tx, id, sql string, why func(Restore) error, more ...any) (Restore, error) {
	r, ok, err := rows.Maybe[Restore](ctx, tx, sql, append([]any{id}, more...)...)
	if err != nil || ok {
		return r, err
	}
	if r, err = Get(ctx, tx, id); err != nil {
		return r, err
	}
	return r, why(r)
}
