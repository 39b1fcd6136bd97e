// Package snapshots keeps which snapshots there are and how far each is. What they
// hold lies in the store; a row is complete only after its manifest is there.
package snapshots

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// State is how far a snapshot is.
type State string

// The states. Partial: it was taken, and has gaps.
const (
	Queued   State = "queued"
	Running  State = "running"
	Complete State = "complete"
	Partial  State = "partial"
	Failed   State = "failed"

	// A point gathers what the org's log names, then reads that again. Its states are its
	// own, because it holds up no sweep that is asked for.
	Gathering State = "gathering"
	Reading   State = "reading"
)

// Ended reports whether nothing more will happen.
func (s State) Ended() bool { return s == Complete || s == Partial || s == Failed }

// Trigger is why a snapshot is taken.
type Trigger string

// The triggers.
const (
	Schedule Trigger = "schedule"
	Manual   Trigger = "manual"
	Verify   Trigger = "verify" // to compare the org with another snapshot
	Change   Trigger = "change" // of a point: what the org's log has named is read again
)

// Type is how far one type is. No directory data.
type Type struct {
	Type    resource.Type  `json:"type"`
	Objects int64          `json:"objects"`
	Calls   int64          `json:"calls"`
	Done    bool           `json:"done"`
	Gaps    []snapshot.Gap `json:"gaps,omitempty"`
}

// Snapshot is one row.
type Snapshot struct {
	ID             string
	AccountID      account.ID
	ConnectionID   account.ConnectionID
	Trigger        Trigger
	State          State
	RequestedBy    *account.UserID
	CreatedAt      time.Time
	StartedAt      *time.Time
	EndedAt        *time.Time
	WaitsUntil     *time.Time // when a run that waits goes on
	WaitsFor       string     // what holds it up, for a person; "": the org's rate limit, or nothing
	ManifestDigest string
	ManifestNext   string // digest of the manifest that is about to be put in the place of its own; "": none is
	Objects        int64
	Bytes          int64 // in the store
	PlainBytes     int64
	Calls          int64
	Gaps           int
	Types          []Type
	Problem        *problem.Problem
	PinnedAt       *time.Time      // nil: its age decides how long it is kept
	PinnedBy       *account.UserID // who keeps it whatever its age
	GivenUpAt      *time.Time      // since when somebody takes it for lost
	ExpiredAt      *time.Time      // since when nobody sees it but the job that removes it
}

const columns = `id, account_id, connection_id, trigger, state, requested_by, created_at, started_at, ended_at,
	waits_until, waits_for, manifest_digest, manifest_next, objects, bytes, plain_bytes, calls, gaps, types, problem, pinned_at, pinned_by, given_up_at, expired_at`

// Queue queues a snapshot and enqueues its job. While one of the connection is
// unfinished that one is answered, and made is false.
func Queue(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, trigger Trigger) (s Snapshot, made bool, err error) {
	s, made, err = rows.Maybe[Snapshot](ctx, tx, `
		insert into snapshots (account_id, connection_id, trigger, requested_by)
		values ($1, $2, $3, $4)
		on conflict (account_id, connection_id) where state in ('queued', 'running') do nothing
		returning `+columns, tx.Account(), id, trigger, rows.Null(tx.User()))
	if rows.Violates(err, "snapshots_connection_fkey") {
		err = problem.New(problem.NotFound, "there is no such connection").Because(err)
	}
	if err != nil {
		return s, false, err
	}
	if !made {
		s, err = rows.One[Snapshot](ctx, tx, "snapshot", `select `+columns+` from snapshots
			where connection_id = $1 and state in ('queued', 'running')`, id)
		return s, false, err
	}
	return s, true, tx.Enqueue(ctx, job.TakeSnapshot{
		AccountID: string(s.AccountID), ConnectionID: string(id), SnapshotID: s.ID,
	})
}

// Get reads a snapshot.
func Get(ctx context.Context, tx *postgres.Tx, id string) (Snapshot, error) {
	return rows.One[Snapshot](ctx, tx, "snapshot", `select `+columns+` from snapshots where id = as_uuid($1)`, id)
}

// Latest reads the newest sweep of a connection that was taken, complete or partial.
func Latest(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (Snapshot, error) {
	return rows.One[Snapshot](ctx, tx, "snapshot of that connection", `select `+columns+` from snapshots
		where connection_id = as_uuid($1) and state in ('complete', 'partial') and trigger <> 'change' order by id desc limit 1`, id)
}

// Newest reads the newest snapshot of a connection that was taken, sweep or point: the one
// that the next is a layer over. As one at a time is being taken, the last that began is it.
func Newest(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (Snapshot, error) {
	return rows.One[Snapshot](ctx, tx, "snapshot of that connection", `select `+columns+` from snapshots
		where connection_id = as_uuid($1) and state in ('complete', 'partial') order by started_at desc, id desc limit 1`, id)
}

// Taken lists the sweeps of a connection that were taken, complete or partial, newest
// first.
func Taken(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, most int) ([]Snapshot, error) {
	return rows.All[Snapshot](ctx, tx, `select `+columns+` from snapshots
		where connection_id = as_uuid($1) and state in ('complete', 'partial') and trigger <> 'change' order by id desc limit $2`, id, most)
}

// Moment is what tells of a snapshot that was taken where it lies, which it is, and of when.
type Moment struct {
	ID             string
	AccountID      account.ID
	ConnectionID   account.ConnectionID
	StartedAt      time.Time
	EndedAt        time.Time
	ManifestDigest string
	ManifestNext   string // as Snapshot's
}

const momentColumns = `id, account_id, connection_id, started_at, ended_at, manifest_digest, manifest_next`

// Moments lists the snapshots of a connection that were taken, points too, in the order of
// their layers, newest first: those that had begun by a moment; the zero time: all.
func Moments(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, by time.Time) ([]Moment, error) {
	return rows.All[Moment](ctx, tx, `select `+momentColumns+` from snapshots
		where connection_id = as_uuid($1) and state in ('complete', 'partial') and started_at is not null and ended_at is not null
			and ($2 or started_at <= $3)
		order by started_at desc, id desc`, id, by.IsZero(), by)
}

// At reads the snapshot of a connection that was current at a moment: the newest that was
// taken and had been begun by then.
func At(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, at time.Time) (Snapshot, error) {
	return rows.One[Snapshot](ctx, tx, "snapshot of that time", `select `+columns+` from snapshots
		where connection_id = as_uuid($1) and state in ('complete', 'partial') and started_at <= $2
		order by started_at desc, id desc limit 1`, id, at)
}

// Unfinished lists the snapshots of a connection that are still being taken: a sweep that
// waits or reads, and a point that reads.
func Unfinished(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Snapshot, error) {
	return rows.All[Snapshot](ctx, tx, `select `+columns+` from snapshots
		where connection_id = as_uuid($1) and state in ('queued', 'running', 'reading')`, id)
}

// List lists sweeps, newest first; of one connection, or of all ("").
func List(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p postgres.Page) ([]Snapshot, error) {
	return rows.All[Snapshot](ctx, tx, `select `+columns+` from snapshots
		where ($1::uuid is null or connection_id = $1) and ($2::uuid is null or id < $2) and trigger <> 'change'
		order by id desc limit $3`, rows.Null(id), rows.Null(p.Before), p.Most())
}

// ListAll lists what List does, and points.
func ListAll(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p postgres.Page) ([]Snapshot, error) {
	return rows.All[Snapshot](ctx, tx, `select `+columns+` from snapshots
		where ($1::uuid is null or connection_id = $1) and ($2::uuid is null or id < $2)
		order by id desc limit $3`, rows.Null(id), rows.Null(p.Before), p.Most())
}
