package connections

import (
	"context"
	"fmt"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Deleted is a connection that is gone.
type Deleted struct {
	Connection
	// Rubbish: a snapshot of it failed, and may have left something in the store.
	Rubbish bool
}

// Delete deletes a connection with its credentials, its schedule, and what is known of
// its org's log. It is a Conflict while the connection holds a snapshot, which only
// retention lets go of, or while something is under way for it; but a demo goes with all
// that it holds, which is nobody's, and what is under way for it ends.
func Delete(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (Deleted, error) {
	// Whoever begins something for the connection needs its row, too, and waits here or
	// is seen.
	c, err := rows.One[Connection](ctx, tx, "connection",
		`select `+columns+` from connections where id = as_uuid($1) for update`, id)
	if err != nil {
		return Deleted{}, err
	}
	h, err := holdingsOf(ctx, tx, id)
	if err != nil {
		return Deleted{}, err
	}
	if err := h.keep(); err != nil && c.Demo == "" {
		return Deleted{}, err
	}
	return Deleted{c, h.Failed > 0}, rows.Must(ctx, tx, missing(), `delete from connections where id = as_uuid($1)`, id)
}

// holdings is what hangs on a connection.
type holdings struct {
	Taken, Unfinished, Failed int64 // snapshots
	Checks                    int64 // of its credential, under way
}

// A job that follows the log is always there, and ends when its connection is gone.
func holdingsOf(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (holdings, error) {
	return rows.One[holdings](ctx, tx, "connection", `
		select count(*) filter (where s.state in ('complete', 'partial')) as taken,
			count(*) filter (where s.state in ('queued', 'running')) as unfinished,
			count(*) filter (where s.state = 'failed') as failed,
			(select count(*) from river.river_job j
				where j.kind = 'check_connection' and j.args @> jsonb_build_object('connection_id', $1::text)
					and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled')) as checks
		from snapshots s where s.connection_id = as_uuid($1)`, id)
}

// keep says why a connection with these holdings is not deleted; nil: it may be.
func (h holdings) keep() error {
	switch {
	case h.Taken > 0:
		return problem.New(problem.Conflict, "the connection holds %s", counted(h.Taken)).
			WithHint("switch its schedule off instead (imago schedule NAME --off): no more are taken, and those that it holds stay")
	case h.Unfinished > 0:
		return problem.New(problem.Conflict, "a snapshot of the connection is being taken").WithHint("wait until it has ended")
	case h.Checks > 0:
		return problem.New(problem.Conflict, "the connection is being checked").WithHint("try again in a moment")
	}
	return nil
}

func counted(snapshots int64) string {
	if snapshots == 1 {
		return "1 snapshot"
	}
	return fmt.Sprintf("%d snapshots", snapshots)
}
