package worker

import (
	"context"
	"errors"

	"imago/pkg/postgres"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/repository"
)

// giveUp lets go what somebody gave up as lost, and is. One that opens again stays, and is
// given up no more. Where neither can be seen the others go on.
func (f *forgetting) giveUp(ctx context.Context) error {
	var all []snapshots.Moment
	err := f.DB.As(ctx, f.unit.Proof, func(tx *postgres.Tx) (err error) {
		all, err = snapshots.GivenUp(ctx, tx, f.id)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range all {
		if failed := f.giveUpOne(ctx, s); failed != nil {
			f.Log.ErrorContext(ctx, "snapshot that was given up is not looked at", "job", f.unit.Job, "connection", f.id, "snapshot", s.ID, "error", failed)
			f.unseen = errors.Join(f.unseen, failed)
		}
	}
	return nil
}

const lostFor = "its manifest was lost from the bucket, or damaged there, and somebody gave it up"

func (f *forgetting) giveUpOne(ctx context.Context, s snapshots.Moment) error {
	_, err := f.repo.OpenKnown(ctx, s.Known())
	lost := repository.Lost(err)
	if err != nil && !lost {
		return err
	}
	e := work.Event{At: f.Now(), Action: "find_snapshot", TargetType: "snapshot", TargetID: s.ID,
		Detail: "taken " + s.StartedAt.UTC().Format("2006-01-02 15:04 MST") + ": it was given up, and opens again, so it stays"}
	do := func(tx *postgres.Tx) error { return snapshots.IsBack(ctx, tx, s.ID) }
	if lost {
		e.Action, e.Detail = "expire_snapshot", "taken "+s.StartedAt.UTC().Format("2006-01-02 15:04 MST")+": "+lostFor
		do = func(tx *postgres.Tx) error { return snapshots.Expire(ctx, tx, s.ID, lostFor, f.Now()) }
	}
	err = f.DB.As(ctx, f.unit.Proof, func(tx *postgres.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return f.unit.Record(ctx, tx, f.ring, e)
	})
	if problem.Is(err, problem.Stale) || problem.Is(err, problem.Conflict) {
		f.Log.WarnContext(ctx, "snapshot that is lost is not let go yet", "job", f.unit.Job, "connection", f.id, "snapshot", s.ID, "error", err)
		return nil // it was pinned meanwhile, or something needs it
	}
	return err
}
