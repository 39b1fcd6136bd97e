package drift

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"imago/pkg/account"
	"imago/pkg/drift"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/orgs"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

const (
	// lookFor bounds a look, so that what it led to can be stored before the slice is over:
	// an org or a store that hangs must not keep it from being told.
	lookFor = postgres.SliceTimeout - 4*time.Second
	// busy is how long to stay away when another attempt has read on.
	busy = 5 * time.Second
	// around is how far an org's clock may be off, where what it says is held against ours:
	// whether something happened in a restore's window, or after a snapshot.
	around = 5 * time.Minute
	// mostSnapshots bounds how far back the state that events are compared with is sought.
	mostSnapshots = 50
)

// followLog reads on in one org's log.
func (s *Service) followLog(ctx context.Context, u work.Unit, a job.FollowLog) (work.End, error) {
	f := &following{Service: s, unit: u, id: account.ConnectionID(a.ConnectionID)}
	var err error
	if f.ring, err = s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID)); err != nil {
		return work.End{}, err
	}
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error { return f.read(ctx, tx) })
	if problem.Is(err, problem.NotFound) {
		return work.Done(slog.String("result", "disconnected")), nil
	}
	if err != nil {
		return work.End{}, fmt.Errorf("read what is known of connection %s: %w", f.id, err)
	}
	switch {
	case f.connection.State != connections.Ready:
		return work.Done(slog.String("result", "not ready")), nil // the tick starts it again when it is
	case f.cursor.Cursor == "" && len(f.snapshots) == 0:
		// There is nothing to compare with yet. Nothing is lost: following begins where
		// the log stood when the first snapshot was begun.
		return work.Again(f.interval()), nil
	}
	looking, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	found, err := f.look(looking)
	if err != nil {
		return f.failed(ctx, err)
	}
	return f.store(ctx, found)
}

// following is one look at one org.
type following struct {
	*Service
	unit       work.Unit
	id         account.ConnectionID
	ring       *envelope.Keyring
	connection connections.Connection
	cursor     cursors.Cursor
	snapshots  []snapshots.Snapshot // that were taken, newest first
	client     string               // of the write app
}

// read collects what the database knows.
func (f *following) read(ctx context.Context, tx *postgres.Tx) (err error) {
	if f.connection, err = connections.Get(ctx, tx, f.id); err != nil {
		return err
	}
	if f.cursor, err = cursors.Get(ctx, tx, f.id); err != nil {
		return err
	}
	if f.snapshots, err = snapshots.Taken(ctx, tx, f.id, mostSnapshots); err != nil {
		return err
	}
	f.client, err = connections.WriteClient(ctx, tx, f.id)
	return err
}

func (f *following) interval() time.Duration {
	return time.Duration(f.connection.FollowSeconds) * time.Second
}

// found is what one look led to.
type found struct {
	observed drift.Observed
	findings []drift.Finding
	base     snapshots.Snapshot
	since    *time.Time // what was seen before is of no use any more
	events   int
	newest   time.Time
	cursor   string // to go on from
	more     bool
	named    []resource.Key // by the log, of what the worker reads again
	anew     bool           // the log could not be read on, and is read from where it stands
	// later is why not everything was looked at; the cursor stays.
	later error
}

// look reads the log from the cursor on, and looks into what it tells.
func (f *following) look(ctx context.Context) (found, error) {
	org, err := f.orgs.Read(ctx, f.unit.Proof, f.id)
	if err != nil {
		return found{}, err
	}
	follower, ok := org.Reader.(provider.Follower)
	if !ok {
		return found{}, problem.New(problem.Invalid, "%s has no log to follow", org.Provider.Name())
	}
	from, err := f.from(ctx)
	if err != nil {
		return found{}, err
	}
	events, err := follower.Follow(ctx, from)
	if problem.Is(err, problem.Stale) {
		return anew(ctx, follower)
	}
	if err != nil {
		return found{}, err
	}
	out := found{events: len(events.Events), cursor: events.Cursor, more: events.More}
	for _, e := range events.Events {
		if e.Time.After(out.newest) {
			out.newest = e.Time
		}
	}
	f.metrics.events.Add(float64(out.events))
	out.observed.Complete = true
	if f.concerns(events.Events) {
		err = f.observe(ctx, org, events.Events, &out)
	}
	out.named = named(org.Provider.Catalog(), events.Events, out)
	return out, err
}

// anew begins where the log stands now, because the provider takes the cursor no
// longer: what happened in between shows only in the next snapshot, and the activity log
// says so.
func anew(ctx context.Context, follower provider.Follower) (found, error) {
	events, err := follower.Follow(ctx, "")
	return found{anew: true, cursor: events.Cursor, observed: drift.Observed{Complete: true}}, err
}

// from is the stored cursor; at first where the log stood when the oldest snapshot that
// is known was begun.
func (f *following) from(ctx context.Context) (string, error) {
	if f.cursor.Cursor != "" {
		return f.cursor.Cursor, nil
	}
	first := f.snapshots[len(f.snapshots)-1]
	snap, err := f.open(ctx, first)
	if err != nil {
		return "", err
	}
	return snap.Manifest().LogCursor, nil
}

func (f *following) open(ctx context.Context, s snapshots.Snapshot) (*repository.Snapshot, error) {
	repo, err := repository.New(f.Store, f.ring, f.connection.AccountID, f.id, repository.Options{})
	if err != nil {
		return nil, err
	}
	snap, err := repo.OpenKnown(ctx, s.Known())
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", s.ID, err)
	}
	return snap, nil
}

// usable opens the ith snapshot. Where that is damaged or gone it is the one before, and so
// on: what differs from an older one is told all the same, if with more besides. A newer one
// may hold already what happened, and hide it. With none left the log is held up, which the
// connection and the activity log say, and nothing is lost once one is brought back.
func (f *following) usable(ctx context.Context, i int) (*repository.Snapshot, int, error) {
	for {
		snap, err := f.open(ctx, f.snapshots[i])
		if lost(err) {
			f.Log.ErrorContext(ctx, "snapshot cannot be compared with", "job", f.unit.Job, "account", f.connection.AccountID,
				"connection", f.id, "snapshot", f.snapshots[i].ID, "error", err)
		}
		if !lost(err) || i+1 == len(f.snapshots) {
			return snap, i, err
		}
		i++
	}
}

// lost reports whether a snapshot that was taken is not there any more, or not as it was.
func lost(err error) bool {
	return errors.Is(err, repository.ErrDamaged) || problem.Is(err, problem.NotFound)
}

// concerns reports whether any event touched something that a rule is about, so that
// an org in which people merely sign in costs no look at the store.
func (f *following) concerns(events []provider.Event) bool {
	return slices.ContainsFunc(events, func(e provider.Event) bool {
		return slices.ContainsFunc(e.Touched, func(t provider.Touch) bool {
			return f.Rules.Wants(t.Key.Type) || len(f.Rules.ParentHas(t.Key.Type)) > 0 || slices.ContainsFunc(t.Children, f.Rules.Wants)
		})
	})
}

// observe reads again what the events touched, and judges what changed.
func (f *following) observe(ctx context.Context, org orgs.Org, events []provider.Event, into *found) error {
	own, err := f.own(ctx, events)
	if err != nil {
		return err
	}
	if own.unsettled(events) {
		into.observed = drift.Observed{Wait: f.Now().Add(time.Second)}
		return nil
	}
	var ended []time.Time
	for _, s := range f.snapshots {
		ended = append(ended, *s.EndedAt)
	}
	i := drift.Base(ended, events)
	if i < 0 {
		return errors.New("there is no snapshot to compare with")
	}
	snap, i, err := f.usable(ctx, i)
	if err != nil {
		return err
	}
	into.base, into.since = f.snapshots[i], f.snapshots[min(i+1, len(f.snapshots)-1)].StartedAt
	earlier, err := f.earlier(ctx, i, events)
	if err != nil {
		return err
	}
	catalog := org.Provider.Catalog()
	into.observed, into.later = drift.Observe(ctx, drift.Input{
		Catalog: catalog, Reader: org.Reader, Snapshot: snap, Earlier: earlier, Seen: seen{f}, Ours: own.wrote,
		Wants: f.Rules.Wants, ParentHas: f.Rules.ParentHas, Now: f.Now, Until: f.unit.Until,
	}, events)
	into.findings, err = f.Rules.Evaluate(drift.Facts{Catalog: catalog, Snapshot: into.base.ID, Found: f.Now().UTC()}, into.observed.Changes)
	return err
}

// earlier opens the snapshot before the ith, if an event came so soon after that one that
// clocks which differ leave it in doubt which was first; nil: it is in no doubt, or there is
// none before that could be opened. The doubt is no reason to tell nothing.
func (f *following) earlier(ctx context.Context, i int, events []provider.Event) (drift.Snapshot, error) {
	soon := func(e provider.Event) bool { return e.Time.Before(f.snapshots[i].EndedAt.Add(around)) }
	if i+1 == len(f.snapshots) || !slices.ContainsFunc(events, soon) {
		return nil, nil
	}
	snap, _, err := f.usable(ctx, i+1)
	if lost(err) {
		return nil, nil
	}
	return snap, err
}

// failed keeps the cursor where it is, says why on the connection, and comes back. The
// activity log is told when it begins.
func (f *following) failed(ctx context.Context, err error) (work.End, error) {
	if wait := provider.WaitOf(err); wait != nil {
		return work.Again(max(f.interval(), wait.Until.Sub(f.Now())), slog.String("result", "waits for the org's rate limit")), nil
	}
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return work.Again(0), nil // the program ends; the next one goes on
	}
	f.metrics.polls.WithLabelValues("held_up").Inc()
	f.Log.WarnContext(ctx, "log cannot be followed", "job", f.unit.Job, "account", f.connection.AccountID, "connection", f.id, "error", err)
	next := f.cursor
	next.Problem = publicProblem(err)
	err = f.advance(ctx, next, func(tx *postgres.Tx) error {
		if f.cursor.Problem != nil {
			return nil // told when it began
		}
		return f.tell(ctx, tx, "lose_log", "the org's log cannot be followed: "+next.Problem.Error())
	})
	if err != nil {
		return f.unstored(err)
	}
	return work.Again(f.retry()), nil
}

// publicProblem is what a person may see of why the log is not followed.
func publicProblem(err error) *problem.Problem {
	if u, ok := errors.AsType[*provider.Unreadable](err); ok {
		return problem.New(problem.Denied, "the log cannot be read: %s", u.Gap.Detail)
	}
	return work.Problem(err)
}

// retry is the next try while the log cannot be followed: sooner at first, every
// minute in the end.
func (f *following) retry() time.Duration {
	last := f.unit.Since
	if f.cursor.PolledAt != nil {
		last = *f.cursor.PolledAt
	}
	return min(max(f.Now().Sub(last)/8, time.Second), time.Minute)
}

// tell writes a row of activity about the connection.
func (f *following) tell(ctx context.Context, tx *postgres.Tx, action, detail string) error {
	return f.unit.Record(ctx, tx, f.ring,
		work.Event{At: f.Now(), Action: action, TargetType: "connection", TargetID: string(f.id), Detail: detail})
}

// advance moves the cursor in one transaction with what belongs to it.
func (f *following) advance(ctx context.Context, next cursors.Cursor, with func(*postgres.Tx) error) error {
	return f.DB.As(ctx, f.unit.Proof, func(tx *postgres.Tx) error {
		if err := cursors.Advance(ctx, tx, f.id, f.cursor.Cursor, next); err != nil {
			return err
		}
		return with(tx)
	})
}

// unstored is for what could not be stored: by a slow ghost, whose place another attempt
// has taken, or because the database is away.
func (f *following) unstored(err error) (work.End, error) {
	if problem.Is(err, problem.Stale) {
		return work.Again(busy), nil
	}
	return work.End{}, fmt.Errorf("store what was found in connection %s: %w", f.id, err)
}
