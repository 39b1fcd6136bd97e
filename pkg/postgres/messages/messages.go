// Package messages keeps which mail goes to whom: IDs only. What a message says is
// rendered when it is sent.
package messages

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Kind is what a message is about.
type Kind string

// The kinds. A message's subject is the ID of a finding, restore, snapshot, alarm or warning.
const (
	Finding         Kind = "finding" // the first of those that one look at the org found
	Receipt         Kind = "receipt"
	WindowOpen      Kind = "window_open" // of a restore whose write app nobody switched off
	SnapshotFailed  Kind = "snapshot_failed"
	LogSilent       Kind = "log_silent"       // of an alarm: see cursors.Alarm
	SnapshotOverdue Kind = "snapshot_overdue" // of the last snapshot that was taken, or of the connection if none was

	PaymentFailed     Kind = "payment_failed"     // of a warning: see subscriptions.Subscription
	SubscriptionEnds  Kind = "subscription_ends"  // of itself: that somebody set it to end
	SubscriptionEnded Kind = "subscription_ended" // of a warning, too
	TrialEndsSoon     Kind = "trial_ends"         // of the account
	TrialEnded        Kind = "trial_ended"        // of the account

	Digest Kind = "digest" // of itself: those messages name it that it is made of
	Storm  Kind = "storm"  // a digest of what came too thick

	ProductUpdate Kind = "product_update" // of a product update: see updates.Update

	RepositoryDamaged Kind = "repository_damaged" // of an alarm: see checks.Alarmed

	EscrowMade      Kind = "escrow_made"      // of an escrow: see accounts.Escrow
	AccountDeletion Kind = "account_deletion" // of a deletion: see accounts.Deletion

	MailStopped Kind = "mail_stopped" // of a mail event: mail to another member is stopped
)

// topics say what a person chooses by, to get a kind or not.
var topics = map[Kind]notify.Topic{
	Finding: notify.Drift, Receipt: notify.Restores, WindowOpen: notify.Restores,
	SnapshotFailed: notify.Backups, SnapshotOverdue: notify.Backups, LogSilent: notify.Backups, RepositoryDamaged: notify.Backups,
	PaymentFailed: notify.Billing, SubscriptionEnds: notify.Billing, SubscriptionEnded: notify.Billing, TrialEndsSoon: notify.Billing, TrialEnded: notify.Billing,
}

// urgent are the kinds that wait for no digest: a door stands open, or nobody watches.
var urgent = map[Kind]bool{WindowOpen: true, LogSilent: true, RepositoryDamaged: true}

// When too many alerts come, the others become one mail: after Crowd alerts within Window
// that are as bad or worse. What is worse than those that filled it comes at once.
const (
	Crowd  = 5
	Window = time.Hour
)

// DigestHour is when daily digests are due, in UTC, for who has not said otherwise.
const DigestHour = 6

// Queue queues a message about a subject to every member who wants such, once each, and
// enqueues the jobs of those that are not held for a digest. It answers how many are new.
func Queue(ctx context.Context, tx *postgres.Tx, kind Kind, subjectID string) (int, error) {
	return queue(ctx, tx, kind, subjectID, "")
}

// QueueFinding queues an alert; its severity is the worst of its findings'.
func QueueFinding(ctx context.Context, tx *postgres.Tx, subjectID, severity string) (int, error) {
	return queue(ctx, tx, Finding, subjectID, severity)
}

// made is a message that was queued, or is held.
type made struct{ ID, State string }

// insert adds a message for each member who wants it: $1 account, $2 kind, $3 topic, $4
// roles that may have it, $5 roles that get it unless they choose, $6 severity, $7
// severities from the worst, $8 whether it is urgent, $9 Crowd, $10 Window, $11 subject,
// $12 DigestHour.
const insert = `
	with wanted as (
		select m.user_id, coalesce(p.timing, case when m.role = any ($5) then 'now' else 'never' end) as timing
		from members m
		left join mail_preferences p on p.account_id = m.account_id and p.user_id = m.user_id and p.topic = $3
		where m.role = any ($4) and coalesce(p.stopped, '') = ''
			and ($6 = '' or array_position($7::text[], $6) <= array_position($7::text[], coalesce(p.threshold, 'low')))
	), timed as (
		select w.user_id,
			coalesce(d.hour, $12) as hour, coalesce(d.time_zone, 'UTC') as time_zone,
			case when $8 or w.timing = 'now' and $6 = '' then ''
				when w.timing = 'daily' then 'digest'
				when crowd.until is not null then 'storm' else '' end as waits_for,
			crowd.until
		from wanted w
		left join digest_times d on d.account_id = $1 and d.user_id = w.user_id
		left join lateral (
			select min(s.created_at) + $10::interval as until from messages s
			where s.user_id = w.user_id and s.kind = 'finding' and s.state in ('queued', 'sent')
				and s.created_at > now() - $10::interval
				and array_position($7::text[], s.severity) <= array_position($7::text[], $6)
			having count(*) >= $9
		) crowd on true
		where w.timing <> 'never'
	)
	insert into messages (account_id, kind, subject_id, user_id, topic, severity, state, waits_for, due_at)
	select $1, $2, $11, t.user_id, $3, $6, case t.waits_for when '' then 'queued' else 'held' end, t.waits_for,
		case t.waits_for when 'storm' then t.until
			when 'digest' then next_digest(t.hour, t.time_zone, now()) end
	from timed t
	on conflict (account_id, kind, subject_id, user_id) do nothing
	returning id, state`

func queue(ctx context.Context, tx *postgres.Tx, kind Kind, subjectID, severity string) (int, error) {
	topic := topics[kind]
	all, err := rows.All[made](ctx, tx, insert, tx.Account(), kind, topic, topic.Open(), topic.Gets(), severity,
		notify.Severities(), urgent[kind], Crowd, Window, subjectID, DigestHour)
	if err != nil {
		return 0, err
	}
	for _, m := range all {
		if err := m.enqueue(ctx, tx); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

// enqueue has the message sent, unless it waits for a digest.
func (m made) enqueue(ctx context.Context, tx *postgres.Tx) error {
	if m.State == "held" {
		return nil
	}
	return tx.Enqueue(ctx, job.SendMessage{AccountID: string(tx.Account()), MessageID: m.ID})
}

// Message is one row, with where it goes to.
type Message struct {
	ID        string
	Kind      Kind
	SubjectID string
	Email     string
	Role      account.Role // its recipient's, now
	Topic     notify.Topic // "": it always comes
	State     string       // queued, sent, failed, held (for a digest), gathered (into one)
	Severity  string       // of an alert: the worst of its findings'
	CreatedAt time.Time
}

const columns = `m.id, m.kind, m.subject_id, u.email, b.role, m.topic, m.state, m.severity, m.created_at
	from messages m
	join users u on u.id = m.user_id
	join members b on b.account_id = m.account_id and b.user_id = m.user_id`

// Barred reports whether the recipient may not have such a message any more: their role
// has changed since it was queued.
func (m Message) Barred() bool { return m.Topic != "" && m.Topic.Default(m.Role) == "" }

// Get reads a message: for imago_worker.
func Get(ctx context.Context, tx *postgres.Tx, id string) (Message, error) {
	return rows.One[Message](ctx, tx, "message", `
		select `+columns+` where m.id = as_uuid($1)`, id)
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
