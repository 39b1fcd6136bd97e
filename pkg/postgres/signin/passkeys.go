package signin

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// The kinds of a ceremony: what a browser is asked to do with a passkey.
const (
	CeremonySignIn   = "sign_in"  // postgres.Nobody's
	CeremonyRegister = "register" // a session's, also one's that waits, as the one below
	CeremonyProve    = "prove"
)

// BeginCeremony keeps what a browser is asked, and names it. The client's hash is for
// CeremonySignIn alone; the others are bound to their session. OverLimit: more than 300 in
// an hour from one place.
func BeginCeremony(ctx context.Context, tx *postgres.Tx, kind string, client, place Hash, data []byte) (string, error) {
	made, err := rows.One[struct{ ID string }](ctx, tx, "ceremony",
		`select begin_ceremony($1, $2, $3, $4) as id`, kind, client[:], place[:], data)
	return made.ID, err
}

// Ceremony is what a browser was asked, and where it was when it asked for that.
type Ceremony struct {
	Data  []byte
	Place []byte `db:"ip_hash"`
}

// TakeCeremony gives what a browser was asked, once: commit it before telling whether the
// answer was right. Stale: it is over, was answered, or another client's.
func TakeCeremony(ctx context.Context, tx *postgres.Tx, id, kind string, client Hash) (Ceremony, error) {
	c, err := rows.One[Ceremony](ctx, tx, "ceremony", `select data, ip_hash from take_ceremony(as_uuid($1), $2, $3)`, id, kind, client[:])
	if problem.Is(err, problem.NotFound) {
		err = problem.New(problem.Stale, "the passkey was asked for too long ago, or has answered already").WithHint("begin again")
	}
	return c, err
}

// Passkey is one of a person's, its record sealed (sealed.Passkey).
type Passkey struct {
	ID        string
	Record    []byte
	CreatedAt time.Time
	UsedAt    *time.Time // nil: never
}

// Passkeys lists those of the presented session's person, which may wait for its factor;
// the oldest first.
func Passkeys(ctx context.Context, tx *postgres.Tx) ([]Passkey, error) {
	return rows.All[Passkey](ctx, tx, `select id, record, created_at, used_at from my_passkeys()`)
}

// FindPasskey finds, for postgres.Nobody, a person's passkey by the hash of its
// credential's ID. NotFound: they have none such.
func FindPasskey(ctx context.Context, tx *postgres.Tx, of account.UserID, credential Hash) (id string, record []byte, err error) {
	p, err := rows.One[struct {
		ID     string
		Record []byte
	}](ctx, tx, "passkey", `select id, record from find_passkey($1, $2)`, of, credential[:])
	return p.ID, p.Record, err
}

// AddPasskey keeps a new passkey, and the session goes on under the new token. Nil: that
// credential is registered already.
func AddPasskey(ctx context.Context, tx *postgres.Tx, id string, credential Hash, record []byte, token Hash) (*time.Time, error) {
	r, err := rows.One[risen](ctx, tx, "session", `select add_passkey(as_uuid($1), $2, $3, $4) as ends`, id, credential[:], record, token[:])
	return r.Ends, err
}

// SetRecoveryCodes gives the person recovery codes, if they have none left; call it before
// what changes the session's token.
func SetRecoveryCodes(ctx context.Context, tx *postgres.Tx, hashes [][]byte) (bool, error) {
	answer, err := rows.One[struct{ Set bool }](ctx, tx, "answer", `select set_recovery_codes($1) as set`, hashes)
	return answer.Set, err
}

// RiseByPasskey takes a passkey's answer that was found right, and what its record is now.
func RiseByPasskey(ctx context.Context, tx *postgres.Tx, id string, record []byte, token Hash) (*time.Time, error) {
	r, err := rows.One[risen](ctx, tx, "session", `select rise_by_passkey(as_uuid($1), $2, $3) as ends`, id, record, token[:])
	return r.Ends, err
}

// SignInByPasskey makes of a passkey's answer that was found right what a mailed code is
// once it was checked: an attempt that OpenSession uses up. Denied: its owner is in no account.
func SignInByPasskey(ctx context.Context, tx *postgres.Tx, id string, record []byte, client Hash, place []byte) (attempt string, of []Membership, err error) {
	found, err := rows.All[struct {
		Code       string
		AccountID  account.ID
		MemberRole account.Role
	}](ctx, tx, `select code, account_id, member_role from sign_in_by_passkey(as_uuid($1), $2, $3, $4)`, id, record, client[:], place)
	if err == nil && len(found) == 0 {
		err = problem.New(problem.Denied, "the passkey's owner is in no account any more").WithHint("ask an owner of the account to invite you")
	}
	for _, f := range found {
		attempt, of = f.Code, append(of, Membership{f.AccountID, f.MemberRole})
	}
	return attempt, of, err
}

// RemovePasskey removes one of the person's own. NotFound: there is none such. Denied: it
// is their last factor, and an account of theirs wants one.
func RemovePasskey(ctx context.Context, tx *postgres.Tx, id string) error {
	answer, err := rows.One[struct{ Removed bool }](ctx, tx, "answer", `select remove_passkey(as_uuid($1)) as removed`, id)
	if err == nil && !answer.Removed {
		return problem.New(problem.NotFound, "you have no such passkey")
	}
	return err
}
