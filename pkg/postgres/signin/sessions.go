package signin

import (
	"context"
	"time"

	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Place is what a session's origin holds, sealed (sealed.Session).
type Place struct {
	SourceIP  string `json:"source_ip"`
	UserAgent string `json:"user_agent"`
}

// SetOrigin stores where the presented session was signed in from.
func SetOrigin(ctx context.Context, tx *postgres.Tx, origin []byte) error {
	_, err := rows.Exec(ctx, tx, `update sessions set origin = $1 where id = current_session_id()`, origin)
	return err
}

// Live is one of a person's live sessions.
type Live struct {
	ID          string
	Kind        string
	AccountName string
	CreatedAt   time.Time
	SeenAt      time.Time
	ExpiresAt   time.Time // if it is not used until then
	Origin      []byte    // nil: nobody knows
	Current     bool      // it is the one that was presented
}

// List lists the live sessions of the presented session's person, in all of their
// accounts, the last used first.
func List(ctx context.Context, tx *postgres.Tx) ([]Live, error) {
	return rows.All[Live](ctx, tx, `select id, kind, account_name, created_at, seen_at, expires_at, origin,
		is_current as current from my_sessions()`)
}

// End ends one of the person's own sessions; NotFound: there is none such.
func End(ctx context.Context, tx *postgres.Tx, id string) error {
	answer, err := rows.One[struct{ Ended bool }](ctx, tx, "session", `select end_session($1) as ended`, id)
	if err == nil && !answer.Ended {
		return problem.New(problem.NotFound, "you have no such session")
	}
	return err
}

// EndOthers ends all of the person's sessions but the presented one, and counts them.
func EndOthers(ctx context.Context, tx *postgres.Tx) (int64, error) {
	answer, err := rows.One[struct{ Ended int64 }](ctx, tx, "answer", `select end_other_sessions() as ended`)
	return answer.Ended, err
}

// SteppedUpFor is how long a step-up counts; current_stepped_up() in the database decides.
const SteppedUpFor = 10 * time.Minute

// BeginStepUp makes a code for the presented session and enqueues its mail. It is the last
// thing that can be done in its transaction, which from then on shows no account.
// OverLimit: more than 10 codes in an hour.
func BeginStepUp(ctx context.Context, tx *postgres.Tx) (Attempt, error) {
	attempt, err := rows.One[Attempt](ctx, tx, "attempt", `select id, expires_at from begin_step_up()`)
	if err != nil {
		return attempt, err
	}
	if err := tx.ForCode(ctx, rows.Key{}, attempt.ID); err != nil {
		return attempt, err
	}
	return attempt, tx.Enqueue(ctx, job.SendCode{CodeID: attempt.ID})
}

// CheckStepUp compares a code: five tries, ten minutes, only for the session that asked.
// The problem says why it is wrong; return it after the transaction has committed, or the
// try is not counted.
func CheckStepUp(ctx context.Context, tx *postgres.Tx, attemptID string, code Hash) (*problem.Problem, error) {
	found, err := rows.One[struct {
		Outcome   string
		TriesLeft int
	}](ctx, tx, "answer", `select outcome, tries_left from check_step_up(as_uuid($1), $2)`, attemptID, code[:])
	if err != nil {
		return nil, err
	}
	return wrong(found.Outcome, found.TriesLeft), nil
}

// StepUp uses up a code that CheckStepUp found right. The session goes on under the new
// token's hash: the presented proof is worth nothing from then on. It answers when the
// session ends whatever its use.
func StepUp(ctx context.Context, tx *postgres.Tx, attemptID string, token Hash) (time.Time, error) {
	answer, err := rows.One[struct{ Ends time.Time }](ctx, tx, "session",
		`select step_up(as_uuid($1), $2) as ends`, attemptID, token[:])
	return answer.Ends, err
}
