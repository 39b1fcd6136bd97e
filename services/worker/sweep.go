package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/repository"
)

// rubbishAfter is how long what no snapshot names is left alone: far longer than a slow
// ghost may go on writing.
const rubbishAfter = 24 * time.Hour

// triesOfSweep is how often a store that does not do what it should is tried.
const triesOfSweep = 9

// sweepLater has the repository swept once the snapshot has ended, if it is the first
// one of its day: the sweep reads every manifest.
func (t *taking) sweepLater(ctx context.Context, tx *postgres.Tx) error {
	if at(t.last.EndedAt).UTC().Truncate(rubbishAfter).Equal(t.Now().UTC().Truncate(rubbishAfter)) {
		return nil
	}
	return tx.Enqueue(ctx, job.SweepRepository{AccountID: string(t.row.AccountID), ConnectionID: string(t.row.ConnectionID)})
}

// sweepRepository clears away what snapshots that died have left in the store. The
// activity log hears of it if there was anything.
func (s *Service) sweepRepository(ctx context.Context, u work.Unit, a job.SweepRepository) (work.End, error) {
	id, connection := account.ID(a.AccountID), account.ConnectionID(a.ConnectionID)
	ring, err := s.keyrings.Of(ctx, u.Proof, id)
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	keep, err := s.unfinished(ctx, u, connection)
	if err != nil {
		return work.End{}, err
	}
	repo, err := repository.New(s.Store, ring, id, connection, repository.Options{})
	if err != nil {
		return work.End{}, err
	}
	swept, err := repo.Sweep(ctx, repository.SweepOptions{Before: s.Now().Add(-rubbishAfter), Keep: keep})
	if swept.Objects > 0 {
		e := work.Event{At: s.Now(), Action: "sweep_repository", TargetType: "connection", TargetID: a.ConnectionID,
			Detail: count(swept.Objects, "object") + " that belonged to no snapshot, " + count(swept.Bytes, "byte")}
		if told := s.tell(ctx, u, ring, e); told != nil {
			return work.End{}, fmt.Errorf("note that %d objects were removed: %w", swept.Objects, told)
		}
	}
	if stopped(ctx) {
		return work.Again(0, outcome("stopped")), nil
	}
	if err == nil && len(swept.Unread) > 0 {
		err = fmt.Errorf("%s cannot be read, so that nobody knows what they stand on: nothing is removed", count(int64(len(swept.Unread)), "manifest"))
	}
	if err != nil {
		return s.unswept(ctx, u, ring, connection, err)
	}
	// What is left is looked at, once a day as this is.
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		return tx.Enqueue(ctx, job.CheckRepository(a))
	})
	if err != nil {
		return work.End{}, fmt.Errorf("have the repository of connection %s checked: %w", connection, err)
	}
	return work.Done(slog.Int64("objects", swept.Objects), slog.Int64("bytes", swept.Bytes), slog.Int64("locked", swept.Locked)), nil
}

// unswept tries again, and tells when it gives up: the first snapshot of another day has
// it swept again.
func (s *Service) unswept(ctx context.Context, u work.Unit, ring *envelope.Keyring, id account.ConnectionID, cause error) (work.End, error) {
	if u.Attempt < triesOfSweep {
		return work.End{}, fmt.Errorf("sweep the repository of connection %s: %w", id, cause)
	}
	s.Log.ErrorContext(ctx, "repository is not swept", "job", u.Job, "connection", id, "error", cause)
	e := work.Event{At: s.Now(), Action: "fail_sweep", TargetType: "connection", TargetID: string(id),
		Detail: "what belongs to no snapshot was not cleared away: " + work.Problem(cause).Error()}
	if err := s.tell(ctx, u, ring, e); err != nil {
		return work.End{}, fmt.Errorf("note that the repository was not swept: %w", err)
	}
	return work.Done(outcome("given up")), nil
}

// unfinished are the places of snapshots that are being taken.
func (s *Service) unfinished(ctx context.Context, u work.Unit, id account.ConnectionID) (places []string, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		all, err := snapshots.Unfinished(ctx, tx, id)
		places = nil
		for _, row := range all {
			if place := row.Place(); place != "" {
				places = append(places, place)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what is being taken of connection %s: %w", id, err)
	}
	return places, nil
}

// tell writes one row of activity, also when the job's own time is over.
func (s *Service) tell(ctx context.Context, u work.Unit, ring *envelope.Keyring, e work.Event) error {
	ctx, cancel := aftermath(ctx)
	defer cancel()
	return s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error { return u.Record(ctx, tx, ring, e) })
}
