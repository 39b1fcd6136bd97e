// Package updates keeps product updates: what the operator of an installation tells
// everybody who asked for such mail.
package updates

import (
	"context"

	"github.com/jackc/pgx/v5"

	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/postgres/messages"
	"imago/pkg/problem"
)

// Update is one product update.
type Update struct {
	Subject string
	Body    string // Markdown
}

// How long an update may be, in characters.
const (
	MostSubject = 120
	MostBody    = 20_000
)

// Validate tells what cannot be sent.
func (u Update) Validate() error {
	if n := len([]rune(u.Subject)); n == 0 || n > MostSubject {
		return problem.InField("subject", "it has %d characters", n).WithHint("write 1 to %d", MostSubject)
	}
	if n := len([]rune(u.Body)); n == 0 || n > MostBody {
		return problem.InField("body", "it has %d characters", n).WithHint("write 1 to %d", MostBody)
	}
	return nil
}

// Count tells how many people would get the update now: those who asked for such and have
// not got this one. url is the database's, as its owner.
func Count(ctx context.Context, url string, u Update) (n int, err error) {
	err = rows.AsOwner(ctx, url, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			select count(*) from update_recipients((select id from product_updates where subject = $1 and body = $2))`,
			u.Subject, u.Body).Scan(&n)
	})
	return n, err
}

// Announce has the update sent to who asked for such, by the worker; the same update again
// goes to those alone who have not got it. It answers how many those are. url is the
// database's, as its owner.
func Announce(ctx context.Context, url string, u Update) (n int, err error) {
	if err := u.Validate(); err != nil {
		return 0, err
	}
	err = rows.AsOwner(ctx, url, func(tx pgx.Tx) error {
		var id string
		if err := tx.QueryRow(ctx, `
			insert into product_updates as u (subject, body) values ($1, $2)
			on conflict (md5(subject || chr(10) || body)) do update set queued_at = null
			returning id`, u.Subject, u.Body).Scan(&id); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `select count(*) from update_recipients($1)`, id).Scan(&n)
	})
	return n, err
}

// Due is an account in which somebody is to get an update.
type Due struct{ AccountID, UpdateID string }

// ListDue gives the accounts in which somebody is to get an update and no job sees to it:
// for a running run_schedules job.
func ListDue(ctx context.Context, tx *postgres.Tx, most int) ([]Due, error) {
	return rows.All[Due](ctx, tx, `select account_id, update_id from due_updates($1)`, most)
}

// made is a message that was queued.
type made struct{ ID string }

// Queue queues the update to every member of the job's account who is to get it, with the
// jobs that send it. It answers how many there are.
func Queue(ctx context.Context, tx *postgres.Tx, updateID string) (int, error) {
	all, err := rows.All[made](ctx, tx, `
		insert into messages (account_id, kind, subject_id, user_id, topic)
		select $1, $2, as_uuid($3), r.user_id, 'updates' from own_update_recipients(as_uuid($3)) r
		on conflict do nothing
		returning id`, tx.Account(), messages.ProductUpdate, updateID)
	for _, m := range all {
		if err != nil {
			break
		}
		err = tx.Enqueue(ctx, job.SendMessage{AccountID: string(tx.Account()), MessageID: m.ID})
	}
	return len(all), err
}

// Get reads an update.
func Get(ctx context.Context, tx *postgres.Tx, id string) (Update, error) {
	return rows.One[Update](ctx, tx, "product update", `select subject, body from product_updates where id = as_uuid($1)`, id)
}

// Wanted reports whether the recipient of a message about an update still asks for such.
func Wanted(ctx context.Context, tx *postgres.Tx, messageID string) (bool, error) {
	_, ok, err := rows.Maybe[made](ctx, tx, `
		select m.id from messages m
		join mail_preferences p on p.account_id = m.account_id and p.user_id = m.user_id and p.topic = m.topic
		where m.id = as_uuid($1) and p.timing = 'now' and p.stopped = ''`, messageID)
	return ok, err
}
