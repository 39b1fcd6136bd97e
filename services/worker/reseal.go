package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/repository"
)

const (
	// countsEvery is how often it is counted, meanwhile, what lies under which data key.
	countsEvery = time.Minute
	// failsAgain is how long a repository that cannot be sealed anew as a whole is left alone.
	failsAgain = 24 * time.Hour
)

// reseal has everything sealed anew that lies under an older data key, and retires these
// once nothing does. A slice of a job that opened the keyring before the last rotation has
// ended by the time that it begins.
func (r *renewing) reseal(ctx context.Context) (wait time.Duration, err error) {
	if at := r.asked.RenewedAt; at != nil && r.Now().Before(at.Add(settles)) {
		return at.Add(settles).Sub(r.Now()), nil
	}
	var left []account.ConnectionID
	err = r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		if left, err = accounts.Unsealed(ctx, tx, r.ring.Current()); err != nil {
			return err
		}
		for _, id := range left {
			if err := tx.Enqueue(ctx, job.ResealRepository{AccountID: string(tx.Account()), ConnectionID: string(id)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(left) > 0 {
		return 0, err
	}
	return 0, r.replace(ctx, r.ring.Retire, "retire_keys")
}

// resealing is one job that seals a connection's snapshots anew.
type resealing struct {
	*Service
	unit    work.Unit
	id      account.ConnectionID
	ring    *envelope.Keyring
	repo    *repository.Repository
	counted time.Time
	made    int64  // snapshots that were sealed anew
	newest  string // digest of the newest of them
	locked  int64  // that the store holds on to
	waits   bool   // for the locks of some of these
	failed  []error
}

// resealRepository seals anew what of a connection's snapshots lies under an older data key
// than seals now. It may end anywhere: what was done is not done again.
func (s *Service) resealRepository(ctx context.Context, u work.Unit, a job.ResealRepository) (work.End, error) {
	id, connection := account.ID(a.AccountID), account.ConnectionID(a.ConnectionID)
	ring, err := s.keyrings.Of(ctx, u.Proof, id)
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	repo, err := repository.New(s.Store, ring, id, connection, repository.Options{})
	if err != nil {
		return work.End{}, err
	}
	r := &resealing{Service: s, unit: u, id: connection, ring: ring, repo: repo}
	end, err := r.run(ctx)
	if told := r.tell(ctx); told != nil {
		return work.End{}, fmt.Errorf("note that %d snapshots were sealed anew: %w", r.made, told)
	}
	if stopped(ctx) {
		return work.Again(0, outcome("stopped")), nil
	}
	if problem.Is(err, problem.Stale) {
		s.keyrings.Forget(id)
		return work.Again(0, outcome("renewed meanwhile")), nil
	}
	if err != nil {
		return work.End{}, fmt.Errorf("seal the repository of connection %s anew: %w", connection, err)
	}
	return end, nil
}

func (r *resealing) run(ctx context.Context) (work.End, error) {
	if err := r.snapshots(ctx); err != nil {
		return work.End{}, err
	}
	taken, err := r.unfinished(ctx, r.unit, r.id)
	if err != nil {
		return work.End{}, err
	}
	stats, err := r.count(ctx)
	if err != nil {
		return work.End{}, err
	}
	var old int64
	for version, n := range stats.Keys {
		if version < r.ring.Current() {
			old += n
		}
	}
	if old > 0 && len(taken) == 0 {
		if err := r.meetStrangers(ctx); err != nil {
			return work.End{}, err
		}
	}
	attrs := []slog.Attr{slog.Int64("snapshots", r.made), slog.Int64("left", old), slog.Int64("locked", r.locked)}
	switch {
	case len(r.failed) > 0 || stats.Unreadable > 0:
		return work.Again(failsAgain, append(attrs, outcome("cannot be sealed anew"))...), nil
	case len(taken) > 0: // it may stand on what was there before
		return work.Again(time.Minute, append(attrs, outcome("a snapshot is being taken"))...), nil
	case old > 0 || r.waits: // of what was let go and is not removed yet, or is locked
		return work.Again(lingers, append(attrs, outcome("something stays under an older key for now"))...), nil
	}
	return work.Done(attrs...), r.done(ctx)
}

// meetStrangers fails for each snapshot that no row tells of: nothing seals that anew, nor lets
// it go.
func (r *resealing) meetStrangers(ctx context.Context) error {
	strangers, err := r.strangers(ctx, r.unit, r.repo, r.id)
	for _, prefix := range strangers {
		r.failed = append(r.failed, problem.New(problem.Conflict, "the database does not know %s, which lies in the bucket", path.Base(prefix)).
			WithHint("the check of the repository tells what to do about it"))
	}
	return err
}

// stays tells besides why a snapshot is not sealed anew what ends that. One that opens, and lacks
// something, is not given up.
func stays(err error) error {
	p := work.Problem(err)
	hint := "the older keys stay until it can be, or is let go: by imago snapshot give-up where it does not open, else by retention, and imago snapshots --why tells what keeps it"
	if p.Hint != "" {
		hint = p.Hint + "; " + hint
	}
	return problem.New(p.Kind, "%s", p.What).WithHint("%s", hint).Because(err)
}

// done says so, and has the keyring looked at: it may be the last connection.
func (r *resealing) done(ctx context.Context) error {
	return r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		if err := accounts.SealedUnder(ctx, tx, r.id, r.ring.Current()); err != nil {
			return err
		}
		return tx.Enqueue(ctx, job.RenewKeyring{AccountID: string(tx.Account())})
	})
}

// snapshots seals one after the other, oldest first.
func (r *resealing) snapshots(ctx context.Context) error {
	var all []snapshots.Moment
	err := r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) (err error) {
		all, err = snapshots.AllLive(ctx, tx, r.id)
		return err
	})
	if err != nil {
		return err
	}
	x := r.repo.Resealing(r.Now())
	for _, s := range all {
		if r.Now().Sub(r.counted) >= countsEvery {
			if _, err := r.count(ctx); err != nil {
				return err
			}
		}
		if err := r.snapshot(ctx, x, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// snapshot seals one. It is read again right before: one that was let go meanwhile is left
// alone, since its manifest is removed an hour after that, and must not come back.
func (r *resealing) snapshot(ctx context.Context, x *repository.Resealing, id string) error {
	var s snapshots.Moment
	var live bool
	err := r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) (err error) {
		s, live, err = snapshots.StillLive(ctx, tx, id)
		return err
	})
	if err != nil || !live {
		return err
	}
	there := s.ManifestDigest // as the row has it
	x.Before = func(ctx context.Context, from, to string) error {
		there = from
		return r.announce(ctx, s, from, to)
	}
	done, err := x.Snapshot(ctx, s.Known())
	if errors.Is(err, blob.ErrLocked) {
		r.locked++
		r.waits = r.waits || done.Digest == ""
		err = nil
	}
	switch {
	case errors.Is(err, repository.ErrDamaged), errors.Is(err, envelope.ErrNoKey), problem.Is(err, problem.NotFound):
		r.Log.ErrorContext(ctx, "snapshot is not sealed anew", "job", r.unit.Job, "connection", r.id, "snapshot", id, "error", err)
		r.failed = append(r.failed, stays(err))
		return nil
	case err != nil || done.Digest == "" || done.Digest == there:
		return err
	}
	r.made, r.newest = r.made+1, done.Digest
	ctx, cancel := aftermath(ctx)
	defer cancel()
	err = r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		return snapshots.Resealed(ctx, tx, id, there, done.Digest)
	})
	if problem.Is(err, problem.Stale) {
		return nil
	}
	return err
}

// announce says which manifest is there and which is about to be put, so that who dies in
// between has left none that nobody believes, however often. Stale: under a key that seals no
// more, which would be as bad.
func (r *resealing) announce(ctx context.Context, s snapshots.Moment, from, to string) error {
	return r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		now, err := accounts.RenewalOf(ctx, tx)
		if err != nil {
			return err
		}
		if !bytes.Equal(now.Wrapped, r.ring.Wrapped()) {
			return problem.New(problem.Stale, "the keyring was renewed meanwhile")
		}
		return snapshots.Resealing(ctx, tx, s, from, to)
	})
}

// count writes down what lies under which key.
func (r *resealing) count(ctx context.Context) (repository.Stats, error) {
	stats, err := r.repo.Stats(ctx)
	if err != nil {
		return stats, err
	}
	r.counted = r.Now()
	return stats, r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		return accounts.CountKeys(ctx, tx, r.id, stats.Keys, r.counted)
	})
}

// tell has the activity log hear of it.
func (r *resealing) tell(ctx context.Context) error {
	e := work.Event{At: r.Now(), TargetType: "connection", TargetID: string(r.id)}
	switch {
	case len(r.failed) > 0:
		e.Action = "fail_reseal"
		e.Detail = fmt.Sprintf("%s cannot be sealed anew, and no data key is retired: %s", count(int64(len(r.failed)), "snapshot"), work.Problem(r.failed[0]).Error())
	case r.made > 0:
		e.Action = "reseal_repository"
		e.Detail = fmt.Sprintf("%s sealed anew under data key %d, manifest of the newest %s", count(r.made, "snapshot"), r.ring.Current(), r.newest)
	default:
		return nil
	}
	return r.Service.tell(ctx, r.unit, r.ring, e)
}
