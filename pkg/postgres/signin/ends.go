package signin

import (
	"context"
	"time"

	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// DueEnd is a session that its person ended from another account, of which its own account
// is to be told.
type DueEnd struct{ AccountID, SessionID string }

// DueEnds lists such sessions that no job sees to: for a running run_schedules job.
func DueEnds(ctx context.Context, tx *postgres.Tx, most int) ([]DueEnd, error) {
	return rows.All[DueEnd](ctx, tx, `select account_id, session_id from due_ends($1)`, most)
}

// Ended is whose session it was.
type Ended struct {
	Email   string
	Kind    string // cli, web or token
	EndedAt time.Time
}

// TakeEnd tells whose session it was, once: for a report_end job; ok is false when the
// account was told before.
func TakeEnd(ctx context.Context, tx *postgres.Tx, sessionID string) (e Ended, ok bool, err error) {
	return rows.Maybe[Ended](ctx, tx, `select email, kind, ended_at from take_end(as_uuid($1))`, sessionID)
}
