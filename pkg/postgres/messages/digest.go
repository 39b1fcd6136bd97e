package messages

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Due is a member for whom messages are held whose time has come.
type Due struct {
	AccountID account.ID
	UserID    account.UserID
}

// DueDigests gives the members, of all accounts, for whom messages are held whose time has
// come: for a running run_schedules job.
func DueDigests(ctx context.Context, tx *postgres.Tx, now time.Time, most int) ([]Due, error) {
	return rows.All[Due](ctx, tx, `select account_id, user_id from due_digests($1, $2)`, now, most)
}

// Gather makes one message of each kind of digest that is due for a member, and enqueues
// it. What the member does not want any more is let go. It answers how many messages it
// made.
func Gather(ctx context.Context, tx *postgres.Tx, user account.UserID, now time.Time) (int, error) {
	if err := letGo(ctx, tx, user); err != nil {
		return 0, err
	}
	n := 0
	for _, kind := range []Kind{Digest, Storm} {
		due, ok, err := rows.Maybe[made](ctx, tx, `
			insert into messages (account_id, kind, subject_id, user_id)
			select $1, $2, new_id(), $3
			where exists (select from messages where user_id = $3 and state = 'held' and waits_for = $2 and due_at <= $4)
			returning id, state`, tx.Account(), kind, user, now)
		if err != nil || !ok {
			if err != nil {
				return n, err
			}
			continue
		}
		if _, err := rows.Exec(ctx, tx, `
			update messages set state = 'gathered', due_at = null,
				digest_id = (select d.subject_id from messages d where d.id = as_uuid($2))
			where user_id = $1 and state = 'held' and waits_for = $3`, user, due.ID, kind); err != nil {
			return n, err
		}
		n++
		if err := tx.Enqueue(ctx, job.SendMessage{AccountID: string(tx.Account()), MessageID: due.ID}); err != nil {
			return n, err
		}
	}
	return n, nil
}

// letGo ends the messages that a member has said no to since, or whose mail is stopped.
func letGo(ctx context.Context, tx *postgres.Tx, user account.UserID) error {
	_, err := rows.Exec(ctx, tx, `
		update messages m set state = 'failed', due_at = null
		from mail_preferences p
		where m.user_id = $1 and m.state = 'held' and p.user_id = m.user_id and p.topic = m.topic
			and (p.timing = 'never' or p.stopped <> '')`, user)
	return err
}

// Gathered lists the messages that a digest is made of, the worst first, and then the
// newest.
func Gathered(ctx context.Context, tx *postgres.Tx, digest string) ([]Message, error) {
	return rows.All[Message](ctx, tx, `
		select `+columns+`
		where m.digest_id = as_uuid($1)
		order by array_position(array['critical', 'high', 'medium', 'low', ''], m.severity), m.id desc`, digest)
}
