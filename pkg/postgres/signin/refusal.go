package signin

import (
	"context"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Refusal is what is kept of a refused sign-in until the accounts of its address are
// told: a new UUID, and where the request came from, sealed to the workers
// (sealed.RefusalBox). It is noted for any address, so that neither the answer nor its
// time tells whether the address has an account.
type Refusal struct {
	ID  string
	Box []byte
}

// Origin is what a refusal's box holds, as JSON.
type Origin struct {
	RequestID string `json:"request_id"`
	SourceIP  string `json:"source_ip"`
}

// Note notes that a code was wrong, in the transaction of the Check that said so: each
// of its five tries, and one more of all that come after them.
func Note(ctx context.Context, tx *postgres.Tx, attemptID string, client Hash, r Refusal) error {
	_, err := rows.Exec(ctx, tx, `select note_refusal(as_uuid($1), as_uuid($2), $3, $4)`, r.ID, attemptID, client[:], r.Box)
	return err
}

// NoteThrottle notes that too many codes were asked for an address, once an hour. Begin
// refused and its transaction is undone, so it takes one of its own.
func NoteThrottle(ctx context.Context, tx *postgres.Tx, email string, r Refusal) error {
	_, err := rows.Exec(ctx, tx, `select note_throttle(as_uuid($1), $2, $3)`, r.ID, strings.ToLower(email), r.Box)
	return err
}

// Untold is a refusal that an account is to be told of.
type Untold struct {
	AccountID account.ID
	RefusalID string
}

// ClaimRefusals gives the refusals, of all accounts, that nobody was told of, each once:
// for a running run_schedules job. Those of an address without an account are done with.
func ClaimRefusals(ctx context.Context, tx *postgres.Tx, most int) ([]Untold, error) {
	return rows.All[Untold](ctx, tx, `select account_id, refusal_id from claim_refusals($1)`, most)
}

// Refused is a refused sign-in of one of an account's members.
type Refused struct {
	ID     string
	CodeID string // of the attempt
	Email  string
	// Nth is 1 to 5 for the wrong tries of a code, 6 for tries after those, 0 if too many codes
	// were asked for; 7 to 11 for the wrong tries of a second factor, 12 for tries after those.
	Nth int
	At  time.Time
	Box []byte
}

// TakeRefusals reads the refusals that the account was not told of, oldest first, each
// once: for a running report_failure job about one of them. Append the activity rows in
// the same transaction.
func TakeRefusals(ctx context.Context, tx *postgres.Tx) ([]Refused, error) {
	return rows.All[Refused](ctx, tx, `select id, code_id, email, nth, at, box from take_refusals()`)
}
