package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"imago/pkg/account"
	"imago/pkg/backup"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// takePoint takes one slice of a point: a snapshot between sweeps, of what the org's log
// named. It waits while a sweep is queued or under way. Both stand on the newest snapshot,
// and whichever ended first would not be in the chain of the other; and the sweep reads
// most of what is named anyway.
func (s *Service) takePoint(ctx context.Context, u work.Unit, a job.TakePoint) (work.End, error) {
	return s.take(ctx, u, account.ID(a.AccountID), a.SnapshotID, (*taking).pointSlice)
}

// point reports whether what is taken is a point.
func (t *taking) point() bool { return t.row.Trigger == snapshots.Change }

// readNamed reads what the point is to read.
func (t *taking) readNamed(ctx context.Context, tx *postgres.Tx) error {
	objects, err := snapshots.Named(ctx, tx, t.row.ID)
	t.named = nil
	for _, o := range objects {
		var key resource.Key
		if err == nil {
			err = sealed.Named(t.row.ConnectionID, o.Resource).Open(t.ring, o.Sealed, &key)
		}
		t.named = append(t.named, key)
	}
	return err
}

// errNothingBelow ends a point: there is no snapshot that it could be a layer over.
var errNothingBelow = fmt.Errorf("the snapshot before cannot be built on: %w", repository.ErrDamaged)

// pointSlice reads on until the slice is over.
func (t *taking) pointSlice(ctx context.Context) (work.End, error) {
	org, err := t.orgs.Read(ctx, t.unit.Proof, t.row.ConnectionID)
	if err != nil {
		return work.End{}, err
	}
	in, err := t.input(ctx, org)
	if err != nil {
		return work.End{}, err
	}
	over, err := t.below(ctx, org.Provider.Catalog())
	if err != nil {
		return work.End{}, err
	}
	out, err := backup.Point(ctx, backup.Named{Input: in, Over: over, Keys: t.named},
		backup.Options{Now: t.Now, Until: t.unit.Until, Every: checkpointEvery, GiveUp: giveUpPlace})
	switch {
	case err != nil:
		return work.End{}, err
	case out.Done:
		return t.finishPoint(ctx, out)
	case !out.Wait.IsZero():
		return work.Again(out.Wait.Sub(t.Now()), outcome("waits for the org's rate limit")), nil
	}
	return work.Again(0), nil
}

// below opens the snapshot that the point is a layer over.
func (t *taking) below(ctx context.Context, catalog resource.Catalog) (*repository.Snapshot, error) {
	repo, err := repository.New(t.Store, t.ring, t.row.AccountID, t.row.ConnectionID, repository.Options{Catalog: catalog, Cache: t.cache})
	if err != nil {
		return nil, err
	}
	over, err := t.parent(ctx, repo)
	if err == nil && over == nil {
		err = errNothingBelow
	}
	return over, err
}

// finishPoint makes the row say what the manifest says already. No alarm is put off by it:
// what the log does not name is as old as the last sweep.
func (t *taking) finishPoint(ctx context.Context, out backup.Outcome) (work.End, error) {
	p := progress(out.Progress)
	p.Bytes = out.Manifest.Added()
	err := t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error {
		err := errors.Join(snapshots.Finish(ctx, tx, t.lease, t.draft.Digest(), p), snapshots.Unname(ctx, tx, t.row.ID))
		if err != nil {
			return err
		}
		if err := t.sweepLater(ctx, tx); err != nil {
			return err
		}
		return t.unit.Record(ctx, tx, t.ring, t.event("take_point",
			fmt.Sprintf("%s read again, manifest %s", count(int64(len(t.named)), "object"), t.draft.Digest())))
	})
	if err != nil {
		return work.End{}, fmt.Errorf("finish point %s: %w", t.row.ID, mine(err))
	}
	return work.Done(outcome(string(p.Ends())), slog.Int("objects", len(t.named)), slog.Int64("bytes", p.Bytes)), nil
}
