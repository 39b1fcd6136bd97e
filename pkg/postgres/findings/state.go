package findings

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
	"imago/pkg/resource"
)

// Word is one thing that was said of a finding.
type Word struct {
	ID        string
	State     string
	ChangedBy *account.UserID // nil: nobody; a snooze ended, or a restore put it back
	ChangedAt time.Time
	Until     *time.Time // when a snooze ends
	RestoreID *string    // the restore that put it back
	Sealed    []byte     // Said as JSON, under the account's key
}

// Said is what of a word is sealed.
type Said struct {
	Actor  string `json:"actor"` // the address of who said it; "imago": nobody
	Reason string `json:"reason,omitempty"`
}

// Say sets a finding's state in the name of whoever is signed in, or of nobody in a job,
// and keeps the word: ID, State, Until, RestoreID and Sealed are taken from w. A snooze's
// end is enqueued with it.
func Say(ctx context.Context, tx *postgres.Tx, findingID string, w Word) error {
	err := rows.Must(ctx, tx, problem.New(problem.NotFound, "there is no such finding"), `
		update findings set state = $2, snoozed_until = $3,
			resolved_by = case $2 when 'open' then null else current_user_id() end,
			resolved_at = case $2 when 'open' then null else now() end
		where id = as_uuid($1)`, findingID, w.State, w.Until)
	if err != nil {
		return err
	}
	_, err = rows.Exec(ctx, tx, `
		insert into finding_states (id, account_id, connection_id, finding_id, state, changed_by, until, restore_id, sealed)
		select $1, f.account_id, f.connection_id, f.id, $3, current_user_id(), $4, $5, $6
		from findings f where f.id = as_uuid($2)`,
		w.ID, findingID, w.State, w.Until, w.RestoreID, w.Sealed)
	if err != nil || w.Until == nil {
		return err
	}
	return tx.EnqueueAt(ctx, job.EndSnooze{AccountID: string(tx.Account()), FindingID: findingID, WordID: w.ID}, *w.Until)
}

// History lists what was said of a finding, oldest first.
func History(ctx context.Context, tx *postgres.Tx, findingID string) ([]Word, error) {
	return rows.All[Word](ctx, tx, `select id, state, changed_by, changed_at, until, restore_id, sealed
		from finding_states
		where finding_id = as_uuid($1) and connection_id = (select f.connection_id from findings f where f.id = as_uuid($1))
		order by changed_at, id`, findingID)
}

// Snooze reads the finding that the word put to sleep, and holds it until the
// transaction ends; ok is false when something else was said of it since.
func Snooze(ctx context.Context, tx *postgres.Tx, findingID, wordID string) (f Finding, ok bool, err error) {
	return rows.Maybe[Finding](ctx, tx, `select `+columns+` from findings f
		where id = as_uuid($1) and state = 'snoozed' and as_uuid($2) = (
			select s.id from finding_states s where s.connection_id = f.connection_id and s.finding_id = f.id order by s.changed_at desc, s.id desc limit 1)
		for update`, findingID, wordID)
}

// Unresolved lists a connection's findings about some types that happened before a
// moment and that nobody has resolved, oldest first.
func Unresolved(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, types []resource.Type, before time.Time) ([]Finding, error) {
	return rows.All[Finding](ctx, tx, `select `+columns+` from findings
		where connection_id = as_uuid($1) and state <> 'resolved' and resource_type = any ($2) and event_time < $3
		order by id`, id, types, before)
}
