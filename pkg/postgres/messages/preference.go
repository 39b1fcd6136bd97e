package messages

import (
	"context"
	"time"

	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
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
