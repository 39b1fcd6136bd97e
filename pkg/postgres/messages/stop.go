package messages

import (
	"context"
	"crypto/sha256"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// noted is an event that has stopped mail.
type noted struct{ ID, AccountID string }

// Note notes what the mail provider tells of a message, stops further mail by it, and
// enqueues the job that tells the account: for imago_api as postgres.Nobody. It answers
// false, and does nothing, for what was noted before, for messages that there are not, and
// where nothing is left to stop.
func Note(ctx context.Context, tx *postgres.Tx, e notify.Event) (bool, error) {
	n, ok, err := rows.Maybe[noted](ctx, tx, `select id, account_id from note_mail_event($1, $2, as_uuid($3), $4)`,
		e.ID, e.Reason, e.Message, e.Address)
	return n.tell(ctx, tx, ok, err)
}

// End ends what the mail with a token came by, and enqueues the jobs that tell the accounts:
// for imago_api as postgres.Nobody; the token is the proof, and one that is none is a
// problem of kind Denied. It answers false where nothing was left to end.
func End(ctx context.Context, tx *postgres.Tx, tokenHash [sha256.Size]byte) (bool, error) {
	all, err := rows.All[noted](ctx, tx, `select id, account_id from unsubscribe($1)`, tokenHash[:])
	for _, n := range all {
		if _, err := n.tell(ctx, tx, true, nil); err != nil {
			return false, err
		}
	}
	return len(all) > 0, err
}

// tell enqueues the job that tells the account.
func (n noted) tell(ctx context.Context, tx *postgres.Tx, ok bool, err error) (bool, error) {
	if err != nil || !ok {
		return false, err
	}
	if err := tx.ForEvent(ctx, rows.Key{}, n.ID); err != nil {
		return false, err
	}
	return true, tx.Enqueue(ctx, job.ReportStopped{AccountID: n.AccountID, EventID: n.ID})
}

// SetUnsubscribe says by which token a message is ended with one click: for imago_worker.
func SetUnsubscribe(ctx context.Context, tx *postgres.Tx, id string, tokenHash [sha256.Size]byte) error {
	_, err := rows.Exec(ctx, tx, `update messages set unsubscribe_hash = $2 where id = as_uuid($1)`, id, tokenHash[:])
	return err
}

// Stop is mail to a member that was stopped.
type Stop struct {
	UserID account.UserID
	Email  string
	Kind   notify.Reason
	Topics []notify.Topic
}

// Stopped reads what an event has stopped: for imago_worker.
func Stopped(ctx context.Context, tx *postgres.Tx, eventID string) (Stop, error) {
	return rows.One[Stop](ctx, tx, "mail event", `
		select e.user_id, u.email, e.kind, e.topics
		from mail_events e join users u on u.id = e.user_id where e.id = as_uuid($1)`, eventID)
}

// QueueStopped tells the owners that mail to a member is stopped, but not that member.
func QueueStopped(ctx context.Context, tx *postgres.Tx, eventID string, about account.UserID) error {
	all, err := rows.All[made](ctx, tx, `
		insert into messages (account_id, kind, subject_id, user_id)
		select m.account_id, $1, as_uuid($2), m.user_id from members m where m.role = $3 and m.user_id <> $4
		on conflict (account_id, kind, subject_id, user_id) do nothing
		returning id, state`, MailStopped, eventID, account.Owner, about)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := m.enqueue(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// QueueOwners tells every owner, whatever mail they have chosen, each once.
func QueueOwners(ctx context.Context, tx *postgres.Tx, kind Kind, subjectID string) error {
	all, err := rows.All[made](ctx, tx, `
		insert into messages (account_id, kind, subject_id, user_id)
		select m.account_id, $1, as_uuid($2), m.user_id from members m where m.role = $3
		on conflict (account_id, kind, subject_id, user_id) do nothing
		returning id, state`, kind, subjectID, account.Owner)
	for _, m := range all {
		if err == nil {
			err = m.enqueue(ctx, tx)
		}
	}
	return err
}
