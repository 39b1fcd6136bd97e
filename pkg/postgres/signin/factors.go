package signin

import (
	"context"
	"time"

	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// WaitsFor tells what a session that OpenSession has just opened needs before it lets in:
// "totp", "passkey", "enroll", or "" for nothing.
func WaitsFor(ctx context.Context, tx *postgres.Tx, token Hash) (string, error) {
	answer, err := rows.One[struct{ Factor string }](ctx, tx, "session", `select session_waits_for($1) as factor`, token[:])
	return answer.Factor, err
}

// Factors is what a person has for a second factor.
type Factors struct {
	TotpAt        *time.Time // when their authenticator was confirmed; nil: they have none
	RecoveryCodes int64      // that are left
	Required      bool       // one of their accounts wants a second factor
	// AccountRequires says whether the session's own account does.
	AccountRequires bool
}

// FactorsOf reads the factors of the presented session's person; like all functions of
// this file it takes a session that waits for its factor, too.
func FactorsOf(ctx context.Context, tx *postgres.Tx) (Factors, error) {
	return rows.One[Factors](ctx, tx, "person", `select totp_at, recovery_codes, required, account_requires from my_factors()`)
}

// Address reads the mail address of the presented session's person.
func Address(ctx context.Context, tx *postgres.Tx) (string, error) {
	who, err := rows.One[struct{ Email string }](ctx, tx, "person", `select my_address() as email`)
	return who.Email, err
}

// NoteFactor notes, in a session that waits, that a second factor was wrong: call it after
// TryFactor has been committed.
func NoteFactor(ctx context.Context, tx *postgres.Tx, r Refusal) error {
	_, err := rows.Exec(ctx, tx, `select note_factor_refusal(as_uuid($1), $2)`, r.ID, r.Box)
	return err
}

// EnrollTOTP keeps the sealed secret of an authenticator, which counts from its first code
// on; until then one that there is does. Denied: a session that waits for a factor cannot
// add another.
func EnrollTOTP(ctx context.Context, tx *postgres.Tx, secret []byte) error {
	_, err := rows.Exec(ctx, tx, `select enroll_totp($1)`, secret)
	return err
}

// Authenticator is what a code is compared with.
type Authenticator struct {
	Allowed   bool // false: too many tries, which end ten minutes after the first
	Secret    []byte
	Confirmed bool
}

// TryFactor counts a try at the person's authenticator, or at the one that they are
// enrolling: commit it before telling whether the code was right. NotFound: they have none.
func TryFactor(ctx context.Context, tx *postgres.Tx, enrolling bool) (Authenticator, error) {
	return rows.One[Authenticator](ctx, tx, "authenticator", `select allowed, secret, confirmed from try_factor($1)`, enrolling)
}

// The functions below give the session the new token: the presented proof is worth nothing
// from then on. They answer when the session ends whatever its use; nil: what was given
// does not count.
type risen struct{ Ends *time.Time }

// ConfirmTOTP makes the authenticator that is being enrolled count, with the hashes of its
// recovery codes.
func ConfirmTOTP(ctx context.Context, tx *postgres.Tx, step int64, recovery [][]byte, token Hash) (*time.Time, error) {
	r, err := rows.One[risen](ctx, tx, "session", `select confirm_totp($1, $2, $3) as ends`, step, recovery, token[:])
	return r.Ends, err
}

// RiseByTOTP takes the right code of a time step, each step once and none before the last.
func RiseByTOTP(ctx context.Context, tx *postgres.Tx, step int64, token Hash) (*time.Time, error) {
	r, err := rows.One[risen](ctx, tx, "session", `select rise_by_totp($1, $2) as ends`, step, token[:])
	return r.Ends, err
}

// RiseByRecovery uses a recovery code up.
func RiseByRecovery(ctx context.Context, tx *postgres.Tx, code, token Hash) (*time.Time, error) {
	r, err := rows.One[risen](ctx, tx, "session", `select rise_by_recovery($1, $2) as ends`, code[:], token[:])
	return r.Ends, err
}

// RemoveTOTP removes the person's authenticator and recovery codes. Denied: an account of
// theirs wants a second factor.
func RemoveTOTP(ctx context.Context, tx *postgres.Tx) error {
	_, err := rows.Exec(ctx, tx, `select remove_totp()`)
	return err
}

// RequireSecondFactor says whether the account wants a second factor of everybody. Sessions
// that never gave one end when it comes to. Conflict: the one that asks is of those.
func RequireSecondFactor(ctx context.Context, tx *postgres.Tx, required bool) error {
	own, err := rows.One[struct{ Gave bool }](ctx, tx, "session", `select gave_second_factor(current_session_id()) as gave`)
	if err != nil {
		return err
	}
	if required && !own.Gave {
		return problem.New(problem.Conflict, "this session never gave a second factor").
			WithHint("enrol an authenticator of your own first, and give its code")
	}
	_, err = rows.Exec(ctx, tx, `update accounts set require_second_factor = $1 where id = current_account()`, required)
	return err
}
