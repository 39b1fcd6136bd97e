package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/jackc/pgx/v5"

	"imago/pkg/account"
	"imago/pkg/problem"
)

// Proof is what a program presents to be let in. Its zero value, Nobody, lets into
// no account: only the functions of sign-in can be called with it.
type Proof struct{ kind, value string }

// Nobody is no proof, for signing in.
var Nobody = Proof{}

// Session presents the SHA-256 hash of a session's token: for imago_api.
func Session(tokenHash [sha256.Size]byte) Proof {
	return Proof{"session", hex.EncodeToString(tokenHash[:])}
}

// Pending presents the SHA-256 hash of the token of a session that waits for its second
// factor: for imago_api. It opens no account.
func Pending(tokenHash [sha256.Size]byte) Proof {
	return Proof{"pending", hex.EncodeToString(tokenHash[:])}
}

// Job presents the ID of a River job that is running: for imago_worker and imago_drift.
func Job(id int64) Proof { return Proof{"job", strconv.FormatInt(id, 10)} }

// String says what kind of proof it is, and never its value.
func (p Proof) String() string {
	if p.kind == "" {
		return "nobody"
	}
	return p.kind
}

// who is what the database made of a proof.
type who struct {
	Account account.ID
	Session string
	User    account.UserID
	Role    account.Role
	JobKind string
	Pending string
	Person  account.UserID
	Fresh   bool // who the person is was proven in the last ten minutes
	Scopes  []string
}

const askWho = `select coalesce(current_account()::text, '') as account,
    coalesce(current_session_id()::text, '') as session,
    coalesce(current_user_id()::text, '') as user,
    coalesce(current_member_role(), '') as role,
    coalesce(current_job_kind(), '') as job_kind,
    coalesce(current_pending_id()::text, '') as pending,
    coalesce(current_person()::text, '') as person,
    current_stepped_up() as fresh, current_scopes() as scopes`

// present hands the proof to the database, and learns whom it lets in.
func (t *Tx) present(ctx context.Context, p Proof) error {
	if err := t.set(ctx, p); err != nil || p == Nobody {
		return err
	}
	found, err := t.raw.Query(ctx, askWho)
	if err != nil {
		return err
	}
	if t.who, err = pgx.CollectExactlyOneRow(found, pgx.RowToStructByName[who]); err != nil {
		return err
	}
	switch {
	case p.kind == "session" && t.who.Account == "":
		return problem.New(problem.Denied, "the session has ended").WithHint("sign in again")
	case p.kind == "pending" && t.who.Pending == "":
		return problem.New(problem.Denied, "no sign-in waits for its second factor").WithHint("sign in again")
	case p.kind == "job" && t.who.JobKind == "":
		return problem.New(problem.Denied, "job %s is not running, or not for this program", p.value)
	}
	return nil
}

// set puts the proof where current_account() looks for it, until the transaction ends.
func (t *Tx) set(ctx context.Context, p Proof) error {
	_, err := t.raw.Exec(ctx,
		`select set_config('app.proof_kind', $1, true), set_config('app.proof', $2, true)`, p.kind, p.value)
	return err
}
