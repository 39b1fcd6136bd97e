package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/subscriptions"
	"imago/pkg/postgres/work"
	"imago/pkg/repository"
	"imago/pkg/snapshot/retention"
)

// lingers is how long a snapshot that was let go stays in the store, where nobody sees it
// any more: whoever was reading it comes to the end. The next day's job removes it.
const lingers = time.Hour

// startForgetting has the snapshots of connections looked through, each once a day.
func (s *Service) startForgetting(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) (err error) {
		n, err = snapshots.ClaimForgetting(ctx, tx, s.Now(), batch)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("start to look for what is let go: %w", err)
	}
	return n, nil
}

// forgetting is one job that lets snapshots of a connection go.
type forgetting struct {
	*Service
	unit   work.Unit
	id     account.ConnectionID
	ring   *envelope.Keyring
	repo   *repository.Repository
	unseen error // why nobody can see whether what was given up is lost
}

// forgetSnapshots lets go what nothing keeps, and removes what was let go before. First
// nobody sees a snapshot any more, later its manifest goes, then the rest: it may end
// anywhere, and the next attempt goes on there.
func (s *Service) forgetSnapshots(ctx context.Context, u work.Unit, a job.ForgetSnapshots) (work.End, error) {
	id, connection := account.ID(a.AccountID), account.ConnectionID(a.ConnectionID)
	ring, err := s.keyrings.Of(ctx, u.Proof, id)
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	repo, err := repository.New(s.Store, ring, id, connection, repository.Options{})
	if err != nil {
		return work.End{}, err
	}
	f := &forgetting{Service: s, unit: u, id: connection, ring: ring, repo: repo}
	if err := f.giveUp(ctx); err != nil {
		return work.End{}, fmt.Errorf("let go what of connection %s is lost: %w", connection, err)
	}
	expired, err := f.expire(ctx)
	if err != nil {
		return work.End{}, fmt.Errorf("let snapshots of connection %s go: %w", connection, err)
	}
	taken, err := f.unfinished(ctx, u, connection)
	if err != nil {
		return work.End{}, err
	}
	if len(taken) > 0 { // it may be a layer over what would go
		return work.Again(lingers, outcome("a snapshot is being taken"), slog.Int("expired", expired)), nil
	}
	removed, err := f.remove(ctx)
	err = errors.Join(f.unseen, err)
	switch {
	case stopped(ctx):
		return work.Again(0, outcome("stopped")), nil
	case err != nil:
		return f.unremoved(ctx, err)
	}
	return work.Done(slog.Int("expired", expired), slog.Int("removed", removed)), nil
}

// expire lets go what nothing keeps. Whoever pins a snapshot meanwhile, or plans a restore
// of it, waits until it is decided.
func (f *forgetting) expire(ctx context.Context) (n int, err error) {
	err = f.DB.As(ctx, f.unit.Proof, func(tx *postgres.Tx) error {
		points := 0
		if err := snapshots.Lock(ctx, tx, f.id); err != nil {
			return err
		}
		p, plan, err := f.policy(ctx, tx)
		if err != nil {
			return err
		}
		gone, err := snapshots.LetGo(ctx, tx, f.id, p, f.Now())
		if err != nil {
			return err
		}
		n = len(gone)
		for _, s := range gone {
			if s.Point {
				points++
			}
			if err := f.letGo(ctx, tx, s, f.rule(s, p, plan)); err != nil {
				return err
			}
		}
		return f.tellPoints(ctx, tx, points)
	})
	return n, err
}

// tellPoints tells of all points that were let go at once: there may be one a minute.
func (f *forgetting) tellPoints(ctx context.Context, tx *postgres.Tx, n int) error {
	if n == 0 {
		return nil
	}
	return f.unit.Record(ctx, tx, f.ring, work.Event{At: f.Now(), Action: "expire_points", TargetType: "connection", TargetID: string(f.id),
		Detail: count(int64(n), "snapshot") + " of single changes that nothing keeps"})
}

// policy is what the account's plan keeps, and the connection of that.
func (f *forgetting) policy(ctx context.Context, tx *postgres.Tx) (retention.Policy, billing.Plan, error) {
	c, err := connections.Get(ctx, tx, f.id)
	if err != nil {
		return retention.Policy{}, "", err
	}
	pays := subscriptions.Subscription{Subscription: billing.Subscription{Plan: billing.SelfHosted}}
	if f.Billing != nil {
		if pays, err = subscriptions.Get(ctx, tx); err != nil {
			return retention.Policy{}, "", err
		}
	}
	e := billing.Entitlements(pays.Subscription, f.Now())
	return c.Retention(e, f.Store.Capabilities()), e.Plan, nil
}

// rule is what let a snapshot go, for a sentence.
func (f *forgetting) rule(s retention.Snapshot, p retention.Policy, plan billing.Plan) string {
	if s.Point {
		return "snapshots of single changes are kept for a day, the first of each hour for a week, and no longer than the plan keeps any"
	}
	if p.Keep > 0 && f.Now().Sub(s.Began) > p.Keep {
		return fmt.Sprintf("the %s plan keeps snapshots for %s", plan.Title(), count(int64(p.Keep/(24*time.Hour)), "day"))
	}
	return "older snapshots of this connection are thinned: hourly for a day, daily for a week, weekly for a month, monthly for a year"
}

func (f *forgetting) letGo(ctx context.Context, tx *postgres.Tx, s retention.Snapshot, rule string) error {
	if err := snapshots.Expire(ctx, tx, s.ID, rule, f.Now()); err != nil || s.Point {
		return err
	}
	return f.unit.Record(ctx, tx, f.ring, work.Event{At: f.Now(), Action: "expire_snapshot", TargetType: "snapshot", TargetID: s.ID,
		Detail: fmt.Sprintf("taken %s: nothing keeps it; %s", s.Began.UTC().Format("2006-01-02 15:04 MST"), rule)})
}

// remove removes what was let go long enough ago; a sweep of the repository comes after it.
// What the store locks stays, and is tried again with the next day's.
func (f *forgetting) remove(ctx context.Context) (n int, err error) {
	var gone []snapshots.Snapshot
	err = f.DB.As(ctx, f.unit.Proof, func(tx *postgres.Tx) (err error) {
		gone, err = snapshots.Expired(ctx, tx, f.id, f.Now().Add(-lingers), mostForgotten)
		return err
	})
	if err != nil {
		return 0, err
	}
	var locked []error
	for _, s := range gone {
		err := f.forget(ctx, s)
		switch {
		case errors.Is(err, blob.ErrLocked):
			locked = append(locked, err)
		case err != nil:
			return n, err
		default:
			n++
		}
	}
	return n, f.tellLocked(ctx, locked)
}

// mostForgotten is how many are removed a day: a day of points, and a month of sweeps.
const mostForgotten = 3000

// tellLocked tells of what was let go and is locked: by a lock of its own, since what the
// bucket locks is not let go before that ends.
func (f *forgetting) tellLocked(ctx context.Context, locked []error) error {
	if len(locked) == 0 {
		return nil
	}
	detail := "left in the store, which locks it: " + count(int64(len(locked)), "snapshot") + " that nothing keeps"
	if l, ok := errors.AsType[*blob.LockedError](locked[0]); ok && !l.Until.IsZero() {
		detail += "; the first until " + l.Until.UTC().Format("2006-01-02 15:04 MST")
	}
	return f.tell(ctx, f.unit, f.ring, work.Event{At: f.Now(), Action: "hold_snapshots", TargetType: "connection", TargetID: string(f.id), Detail: detail})
}

// forget removes one snapshot from the store, and says so.
func (f *forgetting) forget(ctx context.Context, s snapshots.Snapshot) error {
	if err := f.repo.Forget(ctx, s.Place()); err != nil {
		return err
	}
	ctx, cancel := aftermath(ctx)
	defer cancel()
	return f.DB.As(ctx, f.unit.Proof, func(tx *postgres.Tx) error {
		if err := snapshots.Forgotten(ctx, tx, s.ID, f.Now()); err != nil {
			return err
		}
		if err := tx.Enqueue(ctx, job.SweepRepository{AccountID: string(tx.Account()), ConnectionID: string(f.id)}); err != nil {
			return err
		}
		if s.Trigger == snapshots.Change {
			return nil // told of when it was let go
		}
		return f.unit.Record(ctx, tx, f.ring, work.Event{At: f.Now(), Action: "forget_snapshot", TargetType: "snapshot", TargetID: s.ID,
			Detail: count(s.Objects, "object") + ": what no other snapshot stands on is removed from the store"})
	})
}

// unremoved tries again, and tells when it gives up: the next day it is tried anew.
func (f *forgetting) unremoved(ctx context.Context, cause error) (work.End, error) {
	if f.unit.Attempt < triesOfSweep {
		return work.End{}, fmt.Errorf("remove snapshots of connection %s: %w", f.id, cause)
	}
	f.Log.ErrorContext(ctx, "snapshots are not removed", "job", f.unit.Job, "connection", f.id, "error", cause)
	e := work.Event{At: f.Now(), Action: "fail_forget", TargetType: "connection", TargetID: string(f.id),
		Detail: "snapshots that were let go, or given up, still lie in the store: " + work.Problem(cause).Error()}
	return work.Done(outcome("given up")), f.tell(ctx, f.unit, f.ring, e)
}
