// Package messages keeps which mail goes to whom: IDs only. What a message says is
// rendered when it is sent.
package messages

import (
	"context"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Kind is what a message is about.
type Kind string

// The kinds. Its subject is the ID of a finding, restore, snapshot, alarm or warning.
const (
	Finding         Kind = "finding" // the first of those that one look at the org found
	Receipt         Kind = "receipt"
	WindowOpen      Kind = "window_open" // of a restore whose write app nobody switched off
	SnapshotFailed  Kind = "snapshot_failed"
	LogSilent       Kind = "log_silent"       // of an alarm: see cursors.Alarm
	SnapshotOverdue Kind = "snapshot_overdue" // of the last snapshot that was taken, or of the connection if none was

	PaymentFailed     Kind = "payment_failed"     // of a warning: see subscriptions.Subscription
	SubscriptionEnded Kind = "subscription_ended" // of a warning, too
)

// roles are those whose members get a message: who may do something about it.
func (k Kind) roles() []account.Role {
	if k == PaymentFailed || k == SubscriptionEnded {
		return []account.Role{account.Owner, account.Admin}
	}
	return []account.Role{account.Owner, account.Admin, account.Operator}
}

// Queue queues a message about a subject to every member who gets such (owners and
// admins; alerts also operators), once each, and enqueues the jobs. It answers how many
// are new.
func Queue(ctx context.Context, tx *postgres.Tx, kind Kind, subjectID string) (int, error) {
	made, err := rows.All[struct{ ID string }](ctx, tx, `
		insert into messages (account_id, kind, subject_id, user_id)
		select m.account_id, $1, $2, m.user_id from members m where m.role = any ($3)
		on conflict (account_id, kind, subject_id, user_id) do nothing
		returning id`, kind, subjectID, kind.roles())
	if err != nil {
		return 0, err
	}
	for _, m := range made {
		if err := tx.Enqueue(ctx, job.SendMessage{AccountID: string(tx.Account()), MessageID: m.ID}); err != nil {
			return 0, err
		}
	}
	return len(made), nil
}

// Message is one row, with where it goes to.
type Message struct {
	ID        string
	Kind      Kind
	SubjectID string
	Email     string
	State     string // queued, sent, failed
}

// Get reads a message: for imago_worker.
func Get(ctx context.Context, tx *postgres.Tx, id string) (Message, error) {
	return rows.One[Message](ctx, tx, "message", `
		select m.id, m.kind, m.subject_id, u.email, m.state
		from messages m join users u on u.id = m.user_id
		where m.id = as_uuid($1)`, id)
}

// SetSent says that the message was delivered.
func SetSent(ctx context.Context, tx *postgres.Tx, id string) error {
	return end(ctx, tx, id, "sent")
}

// SetFailed says that the message will never be delivered: its recipient cannot be
// reached for good, or what it would tell is not so any more.
func SetFailed(ctx context.Context, tx *postgres.Tx, id string) error {
	return end(ctx, tx, id, "failed")
}

func end(ctx context.Context, tx *postgres.Tx, id, state string) error {
	return rows.Must(ctx, tx, problem.New(problem.NotFound, "there is no such message"), `
		update messages set state = $2, sent_at = case $2 when 'sent' then now() end where id = as_uuid($1)`, id, state)
}
