package worker

import (
	"context"
	"fmt"
	"log/slog"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/repository"
)

// rubbishAfter is also what a sweep is once in.
const rubbishAfter = repository.RubbishAfter

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
	repo, err := repository.New(s.Store, ring, id, connection, repository.Options{})
	if err != nil {
		return work.End{}, err
	}
	swept, err := s.sweep(ctx, u, repo, connection)
	if swept.Objects > 0 {
		e := work.Event{At: s.Now(), Action: "sweep_repository", TargetType: "connection", TargetID: a.ConnectionID,
			Detail: count(swept.Objects, "object") + " that belonged to no snapshot, " + count(swept.Bytes, "byte")}
		if told := s.tell(ctx, u, ring, e); told != nil {
			return work.End{}, fmt.Errorf("note that %d objects were removed: %w", swept.Objects, told)
		}
	}
	switch {
	case stopped(ctx):
		return work.Again(0, outcome("stopped")), nil
	case err != nil && u.Attempt < triesOfSweep:
		return work.End{}, fmt.Errorf("sweep the repository of connection %s: %w", connection, err)
	case err == nil:
		err = refusal(swept)
	}
	if noted := s.afterSweep(ctx, u, ring, connection, err); noted != nil {
		return work.End{}, noted
	}
	if err != nil {
		s.Log.ErrorContext(ctx, "repository is not swept", "job", u.Job, "connection", connection, "missing", swept.Missing, "unread", swept.Unread, "error", err)
		return work.Done(outcome("given up")), nil
	}
	return work.Done(slog.Int64("objects", swept.Objects), slog.Int64("bytes", swept.Bytes), slog.Int64("locked", swept.Locked)), nil
}

func (s *Service) sweep(ctx context.Context, u work.Unit, repo *repository.Repository, id account.ConnectionID) (swept repository.Swept, err error) {
	o := repository.SweepOptions{Before: s.Now().Add(-rubbishAfter)}
	if o.Keep, err = s.unfinished(ctx, u, id); err != nil {
		return swept, err
	}
	if o.Known, err = s.live(ctx, u, id); err != nil {
		return swept, err
	}
	return repo.Sweep(ctx, o)
}

// refusal says why a sweep removed nothing, if it did so on purpose. To try again would not
// help: the check that comes next says what is wrong.
func refusal(swept repository.Swept) error {
	switch {
	case len(swept.Missing) > 0:
		return problem.New(problem.NotFound, "the store lacks %s that nobody let go, and what that stood on must not be lost, too", count(int64(len(swept.Missing)), "snapshot")).
			WithHint("the check of the repository tells which; one that is lost for good is given up: imago snapshot give-up")
	case len(swept.Unread) > 0:
		return problem.New(problem.Invalid, "the store has %s that cannot be read or was replaced, and nobody knows what that stands on", count(int64(len(swept.Unread)), "manifest")).
			WithHint("the check of the repository tells which")
	}
	return nil
}

// afterSweep tells why a repository was not swept, if it was not: the first snapshot of
// another day has it swept again. What is left is looked at either way, once a day as this
// is.
func (s *Service) afterSweep(ctx context.Context, u work.Unit, ring *envelope.Keyring, id account.ConnectionID, cause error) error {
	ctx, cancel := aftermath(ctx)
	defer cancel()
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		if err := tx.Enqueue(ctx, job.CheckRepository{AccountID: string(tx.Account()), ConnectionID: string(id)}); err != nil || cause == nil {
			return err
		}
		return u.Record(ctx, tx, ring, work.Event{At: s.Now(), Action: "fail_sweep", TargetType: "connection", TargetID: string(id),
			Detail: "what belongs to no snapshot was not cleared away: " + work.Problem(cause).Error()})
	})
	if err != nil {
		return fmt.Errorf("have the repository of connection %s checked: %w", id, err)
	}
	return nil
}

// live are the snapshots of a connection that must be in the store. A row is complete only
// once its manifest is there, and since it was let go the manifest stays for an hour at
// least (lingers): who reads the rows, and lists the store then, finds each of these, or it
// was lost. The other way round a snapshot that is taken in between would seem to be.
func (s *Service) live(ctx context.Context, u work.Unit, id account.ConnectionID) (out []repository.Known, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		all, err := snapshots.AllLive(ctx, tx, id)
		out = nil
		for _, s := range all {
			out = append(out, s.Known())
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which snapshots there are of connection %s: %w", id, err)
	}
	return out, nil
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
