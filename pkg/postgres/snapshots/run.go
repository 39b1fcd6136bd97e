package snapshots

import (
	"context"
	"time"

	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Lease is the right to write to a snapshot's row. Each Begin takes it from whoever
// had it: a slow ghost of an earlier attempt gets a problem of kind Stale.
type Lease struct {
	Snapshot string
	Number   int64
}

// Begin starts a slice: the row is running, and the lease is the caller's. The
// checkpoint is as Save stored it; nil at the first slice. A snapshot that has ended
// is a problem of kind Stale; one that must wait, because another of the connection is being
// taken, of kind Conflict: so each stands on the one before it. A point waits for sweeps.
func Begin(ctx context.Context, tx *postgres.Tx, id string) (s Snapshot, lease Lease, checkpoint []byte, err error) {
	type begun struct {
		Snapshot
		Lease      int64
		Checkpoint []byte
	}
	b, ok, err := rows.Maybe[begun](ctx, tx, `
		update snapshots s set lease = lease + 1, state = case when s.trigger = 'change' then 'reading' else 'running' end,
			started_at = coalesce(s.started_at, clock_timestamp()), waits_until = null
		where s.id = as_uuid($1) and (s.state in ('queued', 'running', 'reading')
			or s.state = 'gathering' and not exists (
				select from snapshots w where w.account_id = s.account_id and w.connection_id = s.connection_id
					and w.state in ('queued', 'running')))
		returning `+columns+`, lease, checkpoint`, id)
	switch {
	case rows.Violates(err, "snapshots_taking_key"):
		return s, lease, nil, waits(err)
	case err != nil:
		return s, lease, nil, err
	case ok:
		return b.Snapshot, Lease{b.ID, b.Lease}, b.Checkpoint, nil
	}
	if s, err = Get(ctx, tx, id); err != nil {
		return s, lease, nil, err
	}
	if s.State == Gathering {
		return s, lease, nil, waits(nil)
	}
	return s, lease, nil, problem.New(problem.Stale, "the snapshot has ended: it is %s", s.State)
}

func waits(cause error) error {
	return problem.New(problem.Conflict, "another snapshot of the connection is being taken").Because(cause)
}

// Progress is what a run shows of itself.
type Progress struct {
	Objects    int64
	Bytes      int64
	PlainBytes int64
	Calls      int64
	Types      []Type
	WaitsUntil time.Time // when the org's rate limit lets it go on; zero: it does not wait
}

// Gaps counts what the snapshot lacks of what the org has.
func (p Progress) Gaps() (n int) {
	for _, t := range p.Types {
		for _, g := range t.Gaps {
			if g.Missing() {
				n++
			}
		}
	}
	return n
}

// Ends is how a snapshot with this progress ends: complete, or partial if it has gaps.
func (p Progress) Ends() State {
	if p.Gaps() > 0 {
		return Partial
	}
	return Complete
}

func (l Lease) lost() error {
	return problem.New(problem.Stale, "another attempt has taken over snapshot %s", l.Snapshot)
}

// Save stores where the next slice goes on, sealed, and the progress. Stale: another
// attempt has taken over; stop without writing anything.
func Save(ctx context.Context, tx *postgres.Tx, l Lease, checkpoint []byte, p Progress) error {
	types, err := rows.JSON(p.Types)
	if err != nil {
		return err
	}
	var until *time.Time
	if !p.WaitsUntil.IsZero() {
		until = &p.WaitsUntil
	}
	return rows.Must(ctx, tx, l.lost(), `
		update snapshots set checkpoint = $3, objects = $4, bytes = $5, plain_bytes = $6, calls = $7, gaps = $8,
			types = $9, waits_until = $10, waits_for = ''
		where id = as_uuid($1) and lease = $2 and state in ('running', 'reading')`,
		l.Snapshot, l.Number, checkpoint, p.Objects, p.Bytes, p.PlainBytes, p.Calls, p.Gaps(), types, until)
}

// Hold says until when a run that does not get on is left alone, and why. The reason
// stays until something was read. Stale: another attempt has taken over.
func Hold(ctx context.Context, tx *postgres.Tx, l Lease, until time.Time, why string) error {
	return rows.Must(ctx, tx, l.lost(), `update snapshots set waits_until = $3, waits_for = $4
		where id = as_uuid($1) and lease = $2 and state in ('running', 'reading')`, l.Snapshot, l.Number, until, why)
}

// Finish ends a snapshot whose manifest is in the store: complete, or partial if there
// are gaps. Stale: another attempt has taken over.
func Finish(ctx context.Context, tx *postgres.Tx, l Lease, manifestDigest string, p Progress) error {
	types, err := rows.JSON(p.Types)
	if err != nil {
		return err
	}
	return rows.Must(ctx, tx, l.lost(), `
		update snapshots set state = $3, ended_at = now(), manifest_digest = $4, checkpoint = null, waits_until = null,
			waits_for = '', objects = $5, bytes = $6, plain_bytes = $7, calls = $8, gaps = $9, types = $10
		where id = as_uuid($1) and lease = $2 and state in ('running', 'reading')`,
		l.Snapshot, l.Number, p.Ends(), manifestDigest, p.Objects, p.Bytes, p.PlainBytes, p.Calls, p.Gaps(), types)
}

// Fail ends a snapshot that cannot be taken. Stale: another attempt has taken over.
func Fail(ctx context.Context, tx *postgres.Tx, l Lease, why *problem.Problem) error {
	reason, err := rows.ProblemJSON(why)
	if err != nil {
		return err
	}
	return rows.Must(ctx, tx, l.lost(), `
		update snapshots set state = 'failed', ended_at = now(), checkpoint = null, waits_until = null, waits_for = '', problem = $3
		where id = as_uuid($1) and lease = $2 and state in ('running', 'reading')`, l.Snapshot, l.Number, reason)
}
