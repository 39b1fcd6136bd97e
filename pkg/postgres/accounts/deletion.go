package accounts

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Grace is how long a deletion can be taken back. The database holds the api to it.
const Grace = 72 * time.Hour

// Deletion is how far the account's deletion is.
type Deletion struct {
	ID         string // "": the account stays
	AskedAt    *time.Time
	AskedBy    *account.UserID
	DueAt      *time.Time
	ShreddedAt *time.Time // when the keyring was destroyed
	PurgedAt   *time.Time // when the rest was gone, too
}

const deletionColumns = `coalesce(deletion_id::text, '') as id, deletion_asked_at as asked_at, deletion_asked_by as asked_by,
	deletion_due_at as due_at, shredded_at, purged_at`

// DeletionOf reads it.
func DeletionOf(ctx context.Context, tx *postgres.Tx) (Deletion, error) {
	return rows.One[Deletion](ctx, tx, "account", `select `+deletionColumns+` from accounts`)
}

// AskDeletion has the account deleted after Grace. A problem of kind Conflict says that this
// was asked for before.
func AskDeletion(ctx context.Context, tx *postgres.Tx) (Deletion, error) {
	d, ok, err := rows.Maybe[Deletion](ctx, tx, `
		update accounts set deletion_id = new_id(), deletion_asked_at = now(), deletion_asked_by = $1, deletion_due_at = now() + interval '72 hours'
		where deletion_id is null returning `+deletionColumns, tx.User())
	if err == nil && !ok {
		err = problem.New(problem.Conflict, "the account is to be deleted already").WithHint("imago account keep takes it back")
	}
	return d, err
}

// CancelDeletion keeps the account.
func CancelDeletion(ctx context.Context, tx *postgres.Tx) error {
	return rows.Must(ctx, tx, problem.New(problem.NotFound, "nobody has asked to have the account deleted"), `
		update accounts set deletion_id = null, deletion_asked_at = null, deletion_asked_by = null, deletion_due_at = null
		where deletion_id is not null`)
}

// Shred destroys the keyring in Postgres and ends every session, if the deletion is due:
// for a running delete_account job.
func (d Deletion) Shred(ctx context.Context, tx *postgres.Tx) (bool, error) {
	done, err := rows.One[struct{ Done bool }](ctx, tx, "deletion", `select shred_account(as_uuid($1)) as done`, d.ID)
	return done.Done, err
}

// Purge removes what is left of the account, but for its activity log: for a running
// delete_account job, once the keyring is destroyed.
func Purge(ctx context.Context, tx *postgres.Tx) (bool, error) {
	done, err := rows.One[struct{ Done bool }](ctx, tx, "account", `select purge_account() as done`)
	return done.Done, err
}

// DueDeletion is an account that is to be deleted.
type DueDeletion struct{ AccountID, DeletionID string }

// DueDeletions gives those that no job sees to: for a running run_schedules job.
func DueDeletions(ctx context.Context, tx *postgres.Tx, most int) ([]DueDeletion, error) {
	return rows.All[DueDeletion](ctx, tx, `select account_id, deletion_id from due_deletions($1)`, most)
}
