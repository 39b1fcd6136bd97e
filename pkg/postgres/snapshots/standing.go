package snapshots

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Standing is how a connection stands with its sweeps; nil: there is none such. Points do
// not count: they tell nothing of what the log did not name.
type Standing struct {
	Since    *time.Time // when the first one was taken
	Taken    *Snapshot  // the newest that was taken, complete or partial
	Complete *Snapshot  // the newest without a gap
	Running  *Snapshot  // queued or running
}

// Stand reads how a connection stands with its snapshots.
func Stand(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (s Standing, err error) {
	first, err := rows.One[struct{ Since *time.Time }](ctx, tx, "connection", `select min(ended_at) as since from snapshots
		where connection_id = as_uuid($1) and state in ('complete', 'partial') and trigger <> 'change'`, id)
	if err != nil {
		return s, err
	}
	s.Since = first.Since
	for _, one := range []struct {
		into   **Snapshot
		states []State
	}{{&s.Taken, []State{Complete, Partial}}, {&s.Complete, []State{Complete}}, {&s.Running, []State{Queued, Running}}} {
		found, ok, err := rows.Maybe[Snapshot](ctx, tx, `select `+columns+` from snapshots
			where connection_id = as_uuid($1) and state = any ($2) and trigger <> 'change' order by id desc limit 1`, id, one.states)
		if err != nil {
			return s, err
		}
		if ok {
			*one.into = &found
		}
	}
	return s, nil
}
