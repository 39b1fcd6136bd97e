package snapshots

import (
	"context"
	"errors"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
	"imago/pkg/snapshot/retention"
)

// Kept lists what retention must know of a connection's snapshots that were taken and
// began at a moment or later, oldest first; zero: of all.
func Kept(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, since time.Time) ([]retention.Snapshot, error) {
	return rows.All[retention.Snapshot](ctx, tx, `
		select s.id, s.started_at as began, s.ended_at as ended, s.bytes, s.state = 'complete' as complete, s.trigger = 'change' as point, s.pinned_at is not null as pinned,
			exists (select from restores r where r.account_id = s.account_id and r.snapshot_id = s.id
				and r.state not in ('closed', 'failed', 'cancelled', 'stopped')) as restore,
			exists (select from findings f where f.account_id = s.account_id and f.snapshot_id = s.id
				and f.state in ('open', 'acknowledged', 'snoozed')) as finding
		from snapshots s
		where s.connection_id = as_uuid($1) and s.state in ('complete', 'partial') and s.expired_at is null and s.started_at >= $2
		order by s.started_at, s.id`, id, since)
}

// Some reads snapshots by their IDs, newest first; those that are gone are missing.
func Some(ctx context.Context, tx *postgres.Tx, ids []string) ([]Snapshot, error) {
	return rows.All[Snapshot](ctx, tx, `select `+columns+` from snapshots where id = any($1::uuid[]) order by id desc`, ids)
}

// LetGo lists those that Kept does and a policy keeps no longer, oldest first: they would be
// let go, or are about to be.
func LetGo(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p retention.Policy, now time.Time) ([]retention.Snapshot, error) {
	kept, err := Kept(ctx, tx, id, time.Time{})
	if err != nil {
		return nil, err
	}
	var out []retention.Snapshot
	for i, v := range retention.Judge(kept, p, now) {
		if !v.Keep() {
			out = append(out, kept[i])
		}
	}
	return out, nil
}

// Lock keeps a connection's snapshots as they are until the transaction ends: who pins
// one, or plans a restore of it, waits. Read what decides after it.
func Lock(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) error {
	_, err := rows.Exec(ctx, tx, `select from snapshots
		where connection_id = as_uuid($1) and state in ('complete', 'partial') and expired_at is null
		order by id for update`, id)
	return err
}

// Expire lets a snapshot go, by a rule for a sentence: from now on nobody sees it but a
// forget_snapshots job. Stale: it is pinned, or needed, or was let go before.
func Expire(ctx context.Context, tx *postgres.Tx, id, rule string, at time.Time) error {
	return rows.Must(ctx, tx, problem.New(problem.Stale, "snapshot %s is kept", id), `update snapshots set expired_at = $2, expired_for = $3
		where id = as_uuid($1) and expired_at is null and pinned_at is null and state in ('complete', 'partial')`, id, at, rule)
}

// Find is Get for people, who are told since when a snapshot is gone, and by which rule: for
// imago_api. It is a problem of kind NotFound all the same.
func Find(ctx context.Context, tx *postgres.Tx, id string) (Snapshot, error) {
	s, err := Get(ctx, tx, id)
	if !problem.Is(err, problem.NotFound) {
		return s, err
	}
	gone, ok, asked := rows.Maybe[struct {
		ExpiredAt  time.Time
		ExpiredFor string
	}](ctx, tx, `select expired_at, expired_for from expired_snapshot(as_uuid($1))`, id)
	if asked != nil || !ok {
		return s, errors.Join(asked, err)
	}
	what := "the snapshot expired on " + gone.ExpiredAt.UTC().Format(time.DateOnly)
	if gone.ExpiredFor != "" {
		what += ": " + gone.ExpiredFor
	}
	return s, problem.New(problem.NotFound, "%s", what)
}

// Expired lists a connection's snapshots that were let go before a moment and still lie in
// the store, oldest first: for a forget_snapshots job.
func Expired(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, before time.Time, most int) ([]Snapshot, error) {
	return rows.All[Snapshot](ctx, tx, `select `+columns+` from snapshots
		where connection_id = as_uuid($1) and expired_at <= $2 and forgotten_at is null
		order by id limit $3`, id, before, most)
}

// Forgotten says that nothing of an expired snapshot is left in the store.
func Forgotten(ctx context.Context, tx *postgres.Tx, id string, at time.Time) error {
	return rows.Must(ctx, tx, problem.New(problem.Stale, "snapshot %s has not expired", id),
		`update snapshots set forgotten_at = $2 where id = as_uuid($1) and expired_at is not null`, id, at)
}

// Pin keeps a snapshot, whatever its age, in the name of whoever is signed in. One that is
// pinned already stays who pinned it; one that was not taken is a problem of kind Conflict.
func Pin(ctx context.Context, tx *postgres.Tx, id string) (Snapshot, error) {
	return pin(ctx, tx, id, `update snapshots set pinned_at = coalesce(pinned_at, now()), pinned_by = coalesce(pinned_by, current_user_id()),
			given_up_at = null, given_up_by = null
		where id = as_uuid($1) and state in ('complete', 'partial') returning `+columns)
}

// Unpin has a snapshot's age decide again.
func Unpin(ctx context.Context, tx *postgres.Tx, id string) (Snapshot, error) {
	return pin(ctx, tx, id, `update snapshots set pinned_at = null, pinned_by = null
		where id = as_uuid($1) and state in ('complete', 'partial') returning `+columns)
}

func pin(ctx context.Context, tx *postgres.Tx, id, sql string) (Snapshot, error) {
	s, ok, err := rows.Maybe[Snapshot](ctx, tx, sql, id)
	if err != nil || ok {
		return s, err
	}
	if s, err = Get(ctx, tx, id); err == nil {
		err = problem.New(problem.Conflict, "the snapshot is %s, and only one that was taken is kept", s.State).
			WithHint("wait until it is taken")
	}
	return s, err
}

// GiveUp says that a snapshot is lost: for who has seen it. The newest one is not let go, so
// it cannot be given up.
func GiveUp(ctx context.Context, tx *postgres.Tx, id string) (Snapshot, error) {
	s, ok, err := rows.Maybe[Snapshot](ctx, tx, `update snapshots set given_up_at = coalesce(given_up_at, now()), given_up_by = coalesce(given_up_by, current_user_id())
		where id = as_uuid($1) and state in ('complete', 'partial') and pinned_at is null and exists (
			select from snapshots newer
			where newer.connection_id = snapshots.connection_id and newer.state in ('complete', 'partial') and newer.expired_at is null
				and (newer.started_at, newer.id) > (snapshots.started_at, snapshots.id))
		returning `+columns, id)
	if err != nil || ok {
		return s, err
	}
	switch s, err = Get(ctx, tx, id); {
	case err != nil:
	case s.State != Complete && s.State != Partial:
		err = problem.New(problem.Conflict, "the snapshot is %s, and there is nothing to give up", s.State)
	case s.PinnedAt != nil:
		err = problem.New(problem.Conflict, "the snapshot is pinned").WithHint("unpin it first")
	default:
		err = problem.New(problem.Conflict, "the snapshot is the newest of its connection, which always stays").WithHint("take another one first")
	}
	return s, err
}

// GivenUp lists the snapshots of a connection that somebody takes for lost and that were not let
// go yet.
func GivenUp(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Moment, error) {
	return rows.All[Moment](ctx, tx, live+`connection_id = as_uuid($1) and given_up_at is not null order by started_at, id`, id)
}

// IsBack says that a snapshot which somebody gave up is not lost.
func IsBack(ctx context.Context, tx *postgres.Tx, id string) error {
	_, err := rows.Exec(ctx, tx, `update snapshots set given_up_at = null, given_up_by = null where id = as_uuid($1) and expired_at is null`, id)
	return err
}

// Pins counts a connection's pinned snapshots.
func Pins(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (int, error) {
	n, err := rows.One[struct{ N int }](ctx, tx, "connection",
		`select count(*)::int as n from snapshots where connection_id = as_uuid($1) and pinned_at is not null`, id)
	return n.N, err
}

// ClaimForgetting gives connections, of all accounts, whose snapshots are to be looked
// through, each once a day, and enqueues that: for a running run_schedules job.
func ClaimForgetting(ctx context.Context, tx *postgres.Tx, now time.Time, most int) (int, error) {
	due, err := rows.All[struct {
		AccountID    account.ID
		ConnectionID account.ConnectionID
	}](ctx, tx, `select account_id, connection_id from claim_forgetting($1, $2)`, now, most)
	for _, d := range due {
		if err != nil {
			break
		}
		err = tx.Enqueue(ctx, job.ForgetSnapshots{AccountID: string(d.AccountID), ConnectionID: string(d.ConnectionID)})
	}
	return len(due), err
}
