// Package signin lets people in by mailed codes. Begin, Check and OpenSession are
// called as postgres.Nobody, by the api; SetCodeHash by the send_code job; the rest
// with the session itself.
//
// Codes, client secrets and tokens come here as SHA-256 hashes only; hash a code together
// with its attempt's ID, since six digits are soon tried. A client's place is a keyed
// digest of its network address (keyrings.SignIn), since those are soon tried too.
package signin

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Hash is a SHA-256 hash.
type Hash = [sha256.Size]byte

// Attempt is a sign-in that was begun.
type Attempt struct {
	ID        string
	ExpiresAt time.Time
}

// Begin begins a sign-in and enqueues the mail with its code; the answer is the same
// whether anybody knows the address. A problem of kind OverLimit is, in an hour, more
// than 5 codes for an address from one place, 20 from one place, or 20 for an address
// from places where nobody has signed in with it in the last weeks.
func Begin(ctx context.Context, tx *postgres.Tx, email string, client, place Hash) (Attempt, error) {
	attempt, err := rows.One[Attempt](ctx, tx, "attempt",
		`select id, expires_at from begin_sign_in($1, $2, $3)`, strings.ToLower(email), client[:], place[:])
	if err != nil {
		return attempt, err
	}
	if err := tx.ForCode(ctx, rows.Key{}, attempt.ID); err != nil {
		return attempt, err
	}
	return attempt, tx.Enqueue(ctx, job.SendCode{CodeID: attempt.ID})
}

// Recipient is where a code goes to.
type Recipient struct {
	Email     string
	ExpiresAt time.Time
	StepsUp   bool // a session that is there; else the code signs in
}

// SetCodeHash stores the hash of the code that the running send_code job is about to
// mail, and tells where to. A job that runs again makes a new code. NotFound: the
// attempt has expired or was used, and there is nothing to send.
func SetCodeHash(ctx context.Context, tx *postgres.Tx, code Hash) (Recipient, error) {
	return rows.One[Recipient](ctx, tx, "sign-in to send a code for",
		`select email, expires_at, steps_up from set_code_hash($1)`, code[:])
}

// Membership is an account that a person may enter, and as what.
type Membership struct {
	Account account.ID
	Role    account.Role
}

// Answer is what became of a code.
type Answer struct {
	// Wrong says why the code does not let in; nil: it was right. Return it after the
	// transaction has committed, or the try is not counted.
	Wrong *problem.Problem
	// Suspicious says that it may have been guessed at: call Note.
	Suspicious bool
	// Memberships are the person's accounts, oldest first; none: a first sign-in.
	Memberships []Membership
}

// Check compares a code: five tries, ten minutes, only for the client that asked.
func Check(ctx context.Context, tx *postgres.Tx, attemptID string, code, client Hash) (Answer, error) {
	found, err := rows.All[struct {
		Outcome    string
		TriesLeft  int
		AccountID  *account.ID
		MemberRole *account.Role
	}](ctx, tx, `select outcome, tries_left, account_id, member_role
		from check_code(as_uuid($1), $2, $3)`, attemptID, code[:], client[:])
	if err != nil {
		return Answer{}, err
	}
	var answer Answer
	for _, f := range found {
		answer.Wrong = wrong(f.Outcome, f.TriesLeft)
		answer.Suspicious = f.Outcome == "wrong" || f.Outcome == "exhausted"
		if f.AccountID != nil {
			answer.Memberships = append(answer.Memberships, Membership{*f.AccountID, *f.MemberRole})
		}
	}
	return answer, nil
}

// wrong words an outcome of check_code; nil for the right code. Only what is Invalid in
// the field code may be tried again.
func wrong(outcome string, left int) *problem.Problem {
	over := func(kind problem.Kind, field, what string) *problem.Problem {
		return &problem.Problem{Kind: kind, Field: field, What: what, Hint: "ask for a new code"}
	}
	switch {
	case outcome == "right":
		return nil
	case outcome == "wrong" && left > 0:
		return problem.InField("code", "it is not the code that was mailed").WithHint("%s", triesLeft(left))
	case outcome == "wrong":
		return over(problem.OverLimit, "code", "it is not the code that was mailed, and no tries are left")
	case outcome == "exhausted":
		return over(problem.OverLimit, "", "the code was tried too often")
	case outcome == "expired":
		return over(problem.Stale, "code", "it has expired")
	case outcome == "used":
		return over(problem.Stale, "code", "it was used already")
	}
	return over(problem.Invalid, "attempt_id", "there is no such sign-in from this client")
}

func triesLeft(n int) string {
	if n == 1 {
		return "1 try is left"
	}
	return fmt.Sprintf("%d tries are left", n)
}

// Opening is a session to be opened with a code that Check found right.
type Opening struct {
	AttemptID string
	Client    Hash
	Account   account.ID // one of the memberships, or a new ID for a first sign-in
	// Name and Wrapped are for a first sign-in: the new account's name, and its keyring
	// as the key service wrapped it for that ID. Nil Wrapped: no account is made.
	Name    string
	Wrapped []byte
	Token   Hash
	Kind    string // "cli" or "web"
	Idle    time.Duration
	Life    time.Duration
}

// Opened is a session that was opened.
type Opened struct {
	ID            string
	UserID        account.UserID
	IdleExpiresAt time.Time
	ExpiresAt     time.Time
	Made          bool // the account was made with it
}

// OpenSession uses the code up, once. Denied: it was not checked, was used, or does
// not open that account.
func OpenSession(ctx context.Context, tx *postgres.Tx, o Opening) (Opened, error) {
	return rows.One[Opened](ctx, tx, "session", `
		select id, user_id, idle_expires_at, expires_at, made
		from open_session(as_uuid($1), $2, $3, $4, $5, $6, $7, $8, $9)`,
		o.AttemptID, o.Client[:], o.Account, o.Name, o.Wrapped, o.Token[:], o.Kind, o.Idle, o.Life)
}

// Session is who is signed in, to which account, with which role.
type Session struct {
	ID            string
	Kind          string
	UserID        account.UserID
	Email         string
	AccountID     account.ID
	AccountName   string
	Role          account.Role
	TokenName     string   // of an API token
	Scopes        []string // an API token's actions; nil: it is a person's session
	CreatedAt     time.Time
	SeenAt        time.Time
	IdleExpiresAt time.Time
	ExpiresAt     time.Time
}

// Current reads the session that was presented.
func Current(ctx context.Context, tx *postgres.Tx) (Session, error) {
	return rows.One[Session](ctx, tx, "session", `
		select s.id, s.kind, s.user_id, u.email, s.account_id, a.name as account_name,
			current_member_role() as role, coalesce(s.name, '') as token_name, s.scopes, s.created_at, s.seen_at, s.idle_expires_at, s.expires_at
		from sessions s
		join users u on u.id = s.user_id
		join accounts a on a.id = s.account_id
		where s.id = current_session_id()`)
}

// Touch keeps the session from ending for idleness. It writes at most once a minute.
func Touch(ctx context.Context, tx *postgres.Tx, idle Idle) error {
	_, err := rows.Exec(ctx, tx, `
		update sessions set seen_at = now(), used_at = case kind when 'token' then now() end,
			idle_expires_at = case kind when 'token' then expires_at
				else least(now() + case kind when 'web' then $2::interval else $1::interval end, expires_at) end
		where id = current_session_id() and (seen_at < now() - interval '1 minute' or kind = 'token' and used_at is null)`, idle.CLI, idle.Web)
	return err
}

// Idle is how long a session of each kind lives on without being used.
type Idle struct{ CLI, Web time.Duration }

// SignOut ends the session that was presented, at once and for good.
func SignOut(ctx context.Context, tx *postgres.Tx) error {
	_, err := rows.Exec(ctx, tx, `update sessions set revoked_at = now() where id = current_session_id()`)
	return err
}
