package messages

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Preference is what a member chose of a topic, and what has become of it.
type Preference struct {
	Topic     notify.Topic
	Timing    notify.Timing // "": what their role gets
	Threshold string        // the least severity that is worth a mail; "": any
	Stopped   string        // why nothing is sent: bounce, dropped or spam_report; "": it is
	StoppedAt *time.Time
}

// Preferences lists what the caller chose, and which of their mail is stopped: for
// imago_api. A topic that they left alone is not among them.
func Preferences(ctx context.Context, tx *postgres.Tx) ([]Preference, error) {
	return rows.All[Preference](ctx, tx, `
		select topic, coalesce(timing, '') as timing, coalesce(threshold, '') as threshold, stopped, stopped_at
		from mail_preferences`)
}

// Prefer stores what the caller chose of a topic: for imago_api. With it, such mail is
// sent again that was stopped.
func Prefer(ctx context.Context, tx *postgres.Tx, p Preference) error {
	_, err := rows.Exec(ctx, tx, `
		insert into mail_preferences (account_id, user_id, topic, timing, threshold)
		values ($1, $2, $3, $4, $5)
		on conflict on constraint mail_preferences_pkey do update
			set timing = $4, threshold = $5, stopped = '', stopped_at = null`,
		tx.Account(), tx.User(), p.Topic, rows.Null(p.Timing), rows.Null(p.Threshold))
	return err
}

// DigestTime is when a member's daily digest comes.
type DigestTime struct {
	Hour     int    // 0 to 23
	TimeZone string // an IANA name
}

// DigestTimeOf is when the caller's daily digest comes: for imago_api.
func DigestTimeOf(ctx context.Context, tx *postgres.Tx) (DigestTime, error) {
	d, ok, err := rows.Maybe[DigestTime](ctx, tx, `select hour, time_zone from digest_times`)
	if !ok {
		d = DigestTime{DigestHour, "UTC"}
	}
	return d, err
}

// SetDigestTime stores when the caller's daily digest is to come: for imago_api. What is held
// already comes when it would have. A time zone that the database does not know is a problem
// of kind Invalid.
func SetDigestTime(ctx context.Context, tx *postgres.Tx, d DigestTime) error {
	err := tx.Apart(ctx, func(tx *postgres.Tx) error {
		_, err := rows.Exec(ctx, tx, `
			insert into digest_times as t (account_id, user_id, hour, time_zone)
			select $1, $2, $3, $4 where now() at time zone $4 is not null
			on conflict on constraint digest_times_pkey do update set hour = $3, time_zone = $4`,
			tx.Account(), tx.User(), d.Hour, d.TimeZone)
		return err
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "22023" {
		return problem.InField("digest_time.time_zone", "%q is no time zone", d.TimeZone).WithHint("write it as Europe/Amsterdam, or UTC")
	}
	return err
}
