package accounts

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Renewal is the account's keyring, and what is to be done to it.
type Renewal struct {
	Wrapped         []byte
	RotationAskedAt *time.Time // a new data key is to seal
	PreparedAt      *time.Time // since when the keyring has it
	RewrapAskedAt   *time.Time // another master key is to wrap
	ResealAskedAt   *time.Time // what lies under older data keys is to be sealed anew
	Behind          bool       // the bucket may hold an older keyring
	RenewedAt       *time.Time
}

// RenewalOf reads it.
func RenewalOf(ctx context.Context, tx *postgres.Tx) (Renewal, error) {
	return rows.One[Renewal](ctx, tx, "keyring", `
		select wrapped, rotation_asked_at, prepared_at, rewrap_asked_at, reseal_asked_at, behind, renewed_at from account_keys`)
}

// AskRotation has the worker give the account a new data key; false: that was asked
// for before, and is under way.
func AskRotation(ctx context.Context, tx *postgres.Tx) (bool, error) {
	n, err := rows.Exec(ctx, tx, `update account_keys set rotation_asked_at = now() where rotation_asked_at is null`)
	return n > 0, err
}

// AskReseal has the worker seal anew what lies under older data keys, and retire these;
// false: that was asked for before, and is under way.
func AskReseal(ctx context.Context, tx *postgres.Tx) (bool, error) {
	n, err := rows.Exec(ctx, tx, `update account_keys set reseal_asked_at = now() where reseal_asked_at is null`)
	return n > 0, err
}

// Retired says that the older data keys are retired.
func Retired(ctx context.Context, tx *postgres.Tx) error {
	_, err := rows.Exec(ctx, tx, `update account_keys set reseal_asked_at = null`)
	return err
}

// Unsealed lists the connections of whose snapshots something may lie under an older data
// key than one.
func Unsealed(ctx context.Context, tx *postgres.Tx, key uint32) ([]account.ConnectionID, error) {
	type row struct{ ID account.ConnectionID }
	all, err := rows.All[row](ctx, tx, `select id from connections where data_key < $1 order by id`, int64(key))
	out := make([]account.ConnectionID, len(all))
	for i, r := range all {
		out[i] = r.ID
	}
	return out, err
}

// SealedUnder says that nothing of a connection's snapshots lies under an older data key.
func SealedUnder(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, key uint32) error {
	_, err := rows.Exec(ctx, tx, `update connections set data_key = $2 where id = as_uuid($1) and data_key < $2`, id, int64(key))
	return err
}

// KeyUse is how many objects lie under a data key.
type KeyUse struct {
	Version int32
	Objects int64
}

// KeyUses tells it of all of the account's snapshots, as they were counted last.
func KeyUses(ctx context.Context, tx *postgres.Tx) ([]KeyUse, error) {
	return rows.All[KeyUse](ctx, tx, `select version, sum(objects)::bigint as objects from repository_keys group by version order by version`)
}

// CountKeys writes down what was counted of a connection's.
func CountKeys(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, counted map[uint32]int64, now time.Time) error {
	if _, err := rows.Exec(ctx, tx, `delete from repository_keys where connection_id = as_uuid($1)`, id); err != nil {
		return err
	}
	for version, n := range counted {
		if _, err := rows.Exec(ctx, tx, `insert into repository_keys (account_id, connection_id, version, objects, counted_at) values ($1, as_uuid($2), $3, $4, $5)`,
			tx.Account(), id, int64(version), n, now); err != nil {
			return err
		}
	}
	return nil
}

// Renew puts a new keyring in the place of the one that was read: for a running
// renew_keyring job. The bucket is behind from then on. A problem of kind Stale says that
// another one was faster. rotated: the data key that was asked for seals.
func (r Renewal) Renew(ctx context.Context, tx *postgres.Tx, wrapped []byte, preparedAt *time.Time, rotated bool, now time.Time) error {
	return rows.Must(ctx, tx, problem.New(problem.Stale, "the keyring was renewed meanwhile"), `
		update account_keys set wrapped = $2, prepared_at = $3, behind = true, renewed_at = $6,
			rotation_asked_at = case when $4 then null else rotation_asked_at end,
			rewrap_asked_at = case when rewrap_asked_at is not distinct from $5 then null else rewrap_asked_at end
		where wrapped = $1`, r.Wrapped, wrapped, preparedAt, rotated, r.RewrapAskedAt, now)
}

// CaughtUp says that the bucket holds the keyring.
func CaughtUp(ctx context.Context, tx *postgres.Tx, wrapped []byte) error {
	_, err := rows.Exec(ctx, tx, `update account_keys set behind = false where wrapped = $1`, wrapped)
	return err
}

// DueRenewal is an account whose keyring is to be renewed.
type DueRenewal struct{ AccountID string }

// DueRenewals gives those that no job sees to: for a running run_schedules job.
func DueRenewals(ctx context.Context, tx *postgres.Tx, most int) ([]DueRenewal, error) {
	return rows.All[DueRenewal](ctx, tx, `select account_id from due_keyrings($1)`, most)
}

// Escrow is the account's keyring, sealed to an age recipient of its own.
type Escrow struct {
	ID        string
	Recipient string
	Oldest    int32  // the first data key that it holds
	Version   int32  // the last one; 0: it is still to be made
	File      string // armored
	CreatedBy *account.UserID
	CreatedAt time.Time
	MadeAt    *time.Time
}

const escrowColumns = `id, recipient, oldest, version, file, created_by, created_at, made_at`

// Escrows lists them, oldest first.
func Escrows(ctx context.Context, tx *postgres.Tx) ([]Escrow, error) {
	return rows.All[Escrow](ctx, tx, `select `+escrowColumns+` from key_escrows where removed_at is null order by created_at, id`)
}

// FindEscrow reads one.
func FindEscrow(ctx context.Context, tx *postgres.Tx, id string) (Escrow, error) {
	return rows.One[Escrow](ctx, tx, "escrow", `select `+escrowColumns+` from key_escrows where id = as_uuid($1) and removed_at is null`, id)
}

// EscrowEver reads one that may have been removed.
func EscrowEver(ctx context.Context, tx *postgres.Tx, id string) (Escrow, error) {
	return rows.One[Escrow](ctx, tx, "escrow", `select `+escrowColumns+` from key_escrows where id = as_uuid($1)`, id)
}

// AddEscrow has the worker make one.
func AddEscrow(ctx context.Context, tx *postgres.Tx, recipient string, by account.UserID) (Escrow, error) {
	e, ok, err := rows.Maybe[Escrow](ctx, tx, `
		insert into key_escrows (account_id, recipient, created_by) values ($1, $2, $3)
		on conflict do nothing returning `+escrowColumns, tx.Account(), recipient, by)
	if err == nil && !ok {
		err = problem.New(problem.Conflict, "there is an escrow to this recipient").WithHint("the worker keeps it up to date by itself")
	}
	return e, err
}

// RemoveEscrow forgets one. Whoever has the file, and the recipient's identity, still opens it.
func RemoveEscrow(ctx context.Context, tx *postgres.Tx, id string) (Escrow, error) {
	return rows.One[Escrow](ctx, tx, "escrow", `
		update key_escrows set removed_at = now() where id = as_uuid($1) and removed_at is null returning `+escrowColumns, id)
}

// MakeEscrow stores what was sealed; an escrow that was removed meanwhile stays so.
func MakeEscrow(ctx context.Context, tx *postgres.Tx, id string, oldest, version uint32, file []byte, now time.Time) error {
	_, err := rows.Exec(ctx, tx, `update key_escrows set oldest = $2, version = $3, file = $4, made_at = $5 where id = as_uuid($1)`,
		id, int32(oldest), int32(version), string(file), now)
	return err
}
