package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"imago/pkg/account"
	"imago/pkg/backup"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/orgs"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

const (
	// checkpointEvery is how much reading a killed process costs, or a slice whose last
	// call hangs until its time is over. Each checkpoint writes a segment.
	checkpointEvery = 4 * time.Second
	// giveUpPlace is after how many slices that failed at one list it becomes a gap.
	giveUpPlace = 5
	// busy is how long to stay away when another attempt holds the lease.
	busy = 5 * time.Second
)

// takeSnapshot takes one slice of a snapshot.
func (s *Service) takeSnapshot(ctx context.Context, u work.Unit, a job.TakeSnapshot) (work.End, error) {
	return s.take(ctx, u, account.ID(a.AccountID), a.SnapshotID, (*taking).slice)
}

func (s *Service) take(
	ctx context.Context, u work.Unit, id account.ID, snapshot string, slice func(*taking, context.Context) (work.End, error),
) (work.End, error) {
	ring, err := s.keyrings.Of(ctx, u.Proof, id)
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	t, err := s.beginSnapshot(ctx, u, ring, snapshot)
	if err != nil {
		return s.notTaken(ctx, u, err)
	}
	end, err := slice(t, ctx)
	if err != nil {
		return t.failed(ctx, err)
	}
	return end, nil
}

// notTaken is for a slice that did not begin: its snapshot has ended, or waits for another
// one of the connection.
func (s *Service) notTaken(ctx context.Context, u work.Unit, err error) (work.End, error) {
	switch {
	case problem.Is(err, problem.Stale), problem.Is(err, problem.NotFound):
		return work.Done(outcome("ended before")), nil
	case problem.Is(err, problem.Conflict):
		return work.Again(busy), nil
	}
	return s.notBegun(ctx, u, err)
}

// taking is one slice of one snapshot.
type taking struct {
	*Service
	unit  work.Unit
	ring  *envelope.Keyring
	row   snapshots.Snapshot
	lease snapshots.Lease
	last  snapshots.Snapshot // the one before; the zero one: there is none
	mark  mark
	draft *repository.Draft
	named []resource.Key // what a point reads
}

// mark is what a checkpoint holds.
type mark struct {
	Backup json.RawMessage `json:"backup,omitempty"` // backup's state
	Moved  time.Time       `json:"moved"`            // when the snapshot last got further
	Reads  int64           `json:"reads,omitempty"`  // requests and objects by then
}

// beginSnapshot takes the lease and reads the checkpoint. The first slice of all writes
// the activity log's start.
func (s *Service) beginSnapshot(ctx context.Context, u work.Unit, ring *envelope.Keyring, id string) (*taking, error) {
	t := &taking{Service: s, unit: u, ring: ring}
	var checkpoint []byte
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) (err error) {
		if t.row, t.lease, checkpoint, err = snapshots.Begin(ctx, tx, id); err != nil {
			return err
		}
		last, err := snapshots.Newest(ctx, tx, t.row.ConnectionID)
		if err != nil && !problem.Is(err, problem.NotFound) {
			return err
		}
		t.last = last
		if t.point() {
			return t.readNamed(ctx, tx)
		}
		if t.lease.Number > 1 {
			return nil
		}
		return u.Record(ctx, tx, ring, t.event("start_snapshot", "trigger: "+string(t.row.Trigger)))
	})
	if err != nil {
		return nil, fmt.Errorf("begin snapshot %s: %w", id, err)
	}
	t.mark.Moved = *t.row.StartedAt
	if checkpoint == nil {
		return t, nil
	}
	return t, sealed.Checkpoint(id).Open(ring, checkpoint, &t.mark)
}

func (t *taking) event(action, detail string) work.Event {
	return work.Event{At: t.Now(), Action: action, TargetType: "snapshot", TargetID: t.row.ID, Detail: detail}
}

// slice reads on until the slice is over.
func (t *taking) slice(ctx context.Context) (work.End, error) {
	org, err := t.orgs.Read(ctx, t.unit.Proof, t.row.ConnectionID)
	if err != nil {
		return work.End{}, err
	}
	in, err := t.input(ctx, org)
	if err != nil {
		return work.End{}, err
	}
	out, err := backup.Slice(ctx, in, backup.Options{Now: t.Now, Until: t.unit.Until, Every: checkpointEvery, GiveUp: giveUpPlace})
	switch {
	case err != nil:
		return work.End{}, err
	case out.Done:
		return t.finish(ctx, out)
	case !out.Wait.IsZero():
		if err := t.save(ctx, out.Progress, out.Wait); err != nil {
			return work.End{}, err
		}
		return work.Again(out.Wait.Sub(t.Now()), outcome("waits for the org's rate limit")), nil
	}
	return work.Again(0), nil
}

// input puts together what backup needs. A fresh snapshot's account keyring is laid
// beside it first, so that a copied bucket opens with the master key alone.
func (t *taking) input(ctx context.Context, org orgs.Org) (backup.Input, error) {
	repo, err := repository.New(t.Store, t.ring, t.row.AccountID, t.row.ConnectionID,
		repository.Options{Catalog: org.Provider.Catalog(), Cache: t.cache})
	if err != nil {
		return backup.Input{}, err
	}
	if t.mark.Backup == nil && !t.point() { // below a point it lies already
		if err := repository.SaveKeyring(ctx, t.Store, t.ring); err != nil {
			t.keyrings.Forget(t.row.AccountID) // it may have been renewed since it was opened
			return backup.Input{}, err
		}
	}
	open := func(ctx context.Context, state []byte) (backup.Draft, error) {
		t.draft, err = t.open(ctx, repo, state)
		return t.draft, err
	}
	return backup.Input{
		Facts: snapshot.Manifest{
			ID: t.row.ID, Account: string(t.row.AccountID), Connection: string(t.row.ConnectionID),
			Provider: org.Provider.Name(), Org: org.OrgURL, Software: t.Software, Started: *t.row.StartedAt, Previous: t.last.ManifestDigest,
		},
		Catalog: org.Provider.Catalog(), Reader: org.Reader, Open: open, Journal: t,
	}, nil
}

// open begins the draft, or goes on with it.
func (t *taking) open(ctx context.Context, repo *repository.Repository, state []byte) (*repository.Draft, error) {
	if state != nil {
		return repo.Resume(ctx, state)
	}
	parent, err := t.parent(ctx, repo)
	if err != nil {
		return nil, err
	}
	if t.point() {
		return repo.BeginNamed(t.row.ID, *t.row.StartedAt, parent)
	}
	return repo.Begin(t.row.ID, *t.row.StartedAt, parent)
}

// parent is the snapshot before, which this one is a layer over. One that is not there any
// more, or not as it was written, is none: this one stands by itself then.
func (t *taking) parent(ctx context.Context, repo *repository.Repository) (*repository.Snapshot, error) {
	if t.last.ID == "" {
		return nil, nil
	}
	parent, err := repo.OpenKnown(ctx, t.last.Known())
	if err == nil || !problem.Is(err, problem.NotFound) && !errors.Is(err, repository.ErrDamaged) {
		return parent, err
	}
	t.Log.ErrorContext(ctx, "the snapshot before cannot be built on: a full one is taken", "job", t.unit.Job,
		"connection", t.row.ConnectionID, "snapshot", t.last.ID, "error", err)
	return nil, nil
}

var _ backup.Journal = (*taking)(nil)

// Load gives backup's state as it was at the slice's start.
func (t *taking) Load(context.Context) ([]byte, error) { return t.mark.Backup, nil }

// Save stores a checkpoint under the lease.
func (t *taking) Save(ctx context.Context, state []byte, p backup.Progress) error {
	t.mark.Backup = state
	return t.save(ctx, p, time.Time{})
}

func (t *taking) save(ctx context.Context, p backup.Progress, wait time.Time) error {
	shown := progress(p)
	if reads := shown.Calls + shown.Objects; reads != t.mark.Reads {
		t.mark.Reads, t.mark.Moved = reads, t.Now()
	}
	shown.WaitsUntil = wait
	checkpoint, err := sealed.Checkpoint(t.row.ID).Seal(t.ring, t.mark)
	if err != nil {
		return err
	}
	return mine(t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error {
		return snapshots.Save(ctx, tx, t.lease, checkpoint, shown)
	}))
}

// errTakenOver ends a slow ghost: what it was about is another attempt's by now.
var errTakenOver = errors.New("another attempt has taken over")

// mine tells a lost lease from whatever else the database may answer.
func mine(err error) error {
	if problem.Is(err, problem.Stale) {
		return fmt.Errorf("%w: %w", errTakenOver, err)
	}
	return err
}

// progress is backup's progress as the row shows it.
func progress(p backup.Progress) snapshots.Progress {
	out := snapshots.Progress{}
	for _, t := range p.Types {
		out.Types = append(out.Types, snapshots.Type{Type: t.Type, Objects: t.Objects, Calls: t.Calls, Done: t.Done, Gaps: t.Gaps})
	}
	out.Objects, out.Calls, out.PlainBytes, _ = p.Sum()
	return out
}

// finish makes the row say what the manifest says already.
func (t *taking) finish(ctx context.Context, out backup.Outcome) (work.End, error) {
	p := progress(out.Progress)
	p.Bytes = out.Manifest.Added()
	gaps, state := p.Gaps(), p.Ends()
	err := t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error {
		if err := snapshots.Finish(ctx, tx, t.lease, t.draft.Digest(), p); err != nil {
			return err
		}
		if err := schedules.Rearm(ctx, tx, t.row.ConnectionID); err != nil {
			return err
		}
		if err := t.sweepLater(ctx, tx); err != nil {
			return err
		}
		return t.unit.Record(ctx, tx, t.ring, t.event("complete_snapshot",
			fmt.Sprintf("%s: %s, %s, manifest %s", state, count(p.Objects, "object"), count(int64(gaps), "gap"), t.draft.Digest())))
	})
	if err != nil {
		return work.End{}, fmt.Errorf("finish snapshot %s: %w", t.row.ID, mine(err))
	}
	t.metrics.snapshots.WithLabelValues(string(state)).Inc()
	t.metrics.objects.Add(float64(p.Objects))
	t.metrics.calls.Add(float64(p.Calls))
	t.metrics.gaps.Add(float64(gaps))
	t.metrics.bytes.Add(float64(p.Bytes))
	return work.Done(outcome(string(state)), slog.Int64("objects", p.Objects), slog.Int64("calls", p.Calls),
		slog.Int("gaps", gaps), slog.Int64("bytes", p.Bytes)), nil
}

// failed decides what an error means: another attempt took over, a neighbour is away
// for a while, or the snapshot cannot be taken.
func (t *taking) failed(ctx context.Context, err error) (work.End, error) {
	if errors.Is(err, errTakenOver) {
		return work.Again(busy, outcome("taken over")), nil
	}
	if stopped(ctx) {
		return work.Again(0, outcome("stopped")), nil
	}
	if !final(err) && t.Now().Sub(t.mark.Moved) < t.config.Patience {
		return t.hold(ctx, err), nil
	}
	ctx, cancel := aftermath(ctx)
	defer cancel()
	why := work.Problem(err)
	failed := t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error {
		if err := snapshots.Fail(ctx, tx, t.lease, why); err != nil {
			return err
		}
		if err := tellFailed(ctx, tx, t.row.ID); err != nil {
			return err
		}
		if err := t.sweepLater(ctx, tx); err != nil {
			return err
		}
		return t.unit.Record(ctx, tx, t.ring, t.event("fail_snapshot", why.Error()))
	})
	if failed != nil {
		return work.End{}, fmt.Errorf("fail snapshot %s: %w", t.row.ID, failed)
	}
	t.metrics.snapshots.WithLabelValues(string(snapshots.Failed)).Inc()
	t.Log.ErrorContext(ctx, "snapshot failed", "job", t.unit.Job, "account", t.row.AccountID,
		"connection", t.row.ConnectionID, "snapshot", t.row.ID, "error", err)
	return work.Done(outcome("failed"), slog.String("problem", string(why.Kind))), nil
}

// hold leaves a snapshot that does not get on alone for a while, and shows why. That this
// cannot be shown either, the database being away itself, changes nothing.
func (t *taking) hold(ctx context.Context, cause error) work.End {
	ctx, cancel := aftermath(ctx)
	defer cancel()
	wait := t.later(t.mark.Moved)
	shown := t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error {
		return snapshots.Hold(ctx, tx, t.lease, t.Now().Add(wait), work.Problem(cause).What)
	})
	t.Log.WarnContext(ctx, "snapshot is held up", "job", t.unit.Job, "account", t.row.AccountID,
		"connection", t.row.ConnectionID, "snapshot", t.row.ID, "error", errors.Join(cause, shown))
	return work.Again(wait, outcome("held up"))
}

// hopeless reports whether a person has to do something before it can work: the org
// refuses the credential, what it is asked for makes no sense to it, or what is stored is
// damaged.
func hopeless(err error) bool {
	for _, k := range []problem.Kind{problem.Denied, problem.Invalid, problem.NotFound, problem.Conflict, problem.Damaged} {
		if problem.Is(err, k) {
			return true
		}
	}
	return false
}
