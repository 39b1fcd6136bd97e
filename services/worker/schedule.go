package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/work"
)

const (
	// batch bounds what one transaction of the tick holds locked.
	batch = 50
	// grace is how late a snapshot may be, besides two periods, before it is overdue.
	grace = time.Hour
)

// runSchedules is the tick: it queues the snapshots whose time has come, ends what was
// given up, raises the alarms, has refused sign-ins and ended sessions told, digests made
// and product updates sent, and clears away what has expired.
func (s *Service) runSchedules(ctx context.Context, u work.Unit, _ job.RunSchedules) (work.End, error) {
	var done []slog.Attr
	var failed []error
	for _, part := range []struct {
		name string
		do   func(context.Context, work.Unit) (int, error)
	}{
		{"started", s.startDue}, {"orphans", s.endOrphans}, {"alarms", s.raiseAlarms}, {"silent", s.alarmSilent},
		{"refused", s.claimRefusals}, {"digests", s.startDigests}, {"updates", s.startUpdates}, {"ended", s.startEnds}, {"looks", s.lookAtBilling}, {"forgetting", s.startForgetting}, {"renewals", s.startRenewals}, {"rewrapped", s.rewrapInstallation}, {"deletions", s.startDeletions}, {"purged", s.purge},
	} {
		n, err := part.do(ctx, u) // one that fails holds up no other
		if n > 0 {
			done = append(done, slog.Int(part.name, n))
		}
		failed = append(failed, err)
	}
	return work.Done(done...), errors.Join(failed...)
}

// purge clears away what has expired, and counts none of it.
func (s *Service) purge(ctx context.Context, u work.Unit) (int, error) {
	if err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error { return schedules.Purge(ctx, tx) }); err != nil {
		return 0, fmt.Errorf("purge: %w", err)
	}
	return 0, nil
}

// startDue queues snapshots, batch by batch. A schedule that missed several runs while
// Imago was away has one now, and its next one after now. One that cannot be started
// holds up no other; it is tried again with the next tick.
func (s *Service) startDue(ctx context.Context, u work.Unit) (started int, err error) {
	for more := true; more && err == nil; {
		var n int
		err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) (err error) {
			n, more, err = s.startBatch(ctx, tx)
			return err
		})
		started += n
	}
	if err != nil {
		return started, fmt.Errorf("start scheduled snapshots: %w", err)
	}
	return started, nil
}

// startBatch queues the snapshots of one batch; more: there may be others after it.
func (s *Service) startBatch(ctx context.Context, tx *postgres.Tx) (started int, more bool, err error) {
	now := s.Now()
	due, err := schedules.ClaimDue(ctx, tx, now, batch)
	if err != nil {
		return 0, false, err
	}
	more = len(due) == batch
	var ids []account.ConnectionID
	for _, d := range due {
		ids = append(ids, d.ConnectionID)
	}
	pays, err := s.pays(ctx, tx, ids)
	if err != nil {
		return 0, false, err
	}
	for _, d := range due {
		var ok bool
		err := tx.Apart(ctx, func(tx *postgres.Tx) (err error) {
			ok, err = s.start(ctx, tx, d, pays[d.ConnectionID], now)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return 0, false, ctx.Err()
		case err != nil:
			s.Log.ErrorContext(ctx, "scheduled snapshot cannot be started", "connection", d.ConnectionID, "error", err)
			more = false // it would be claimed again
		case ok:
			started++
		}
	}
	return started, more, nil
}

// start queues one snapshot; ok is false when one is unfinished or the connection is not
// ready. A schedule that never comes again (its time zone was abolished) is asked again
// in a day: the alarm tells of it.
func (s *Service) start(ctx context.Context, tx *postgres.Tx, d schedules.Due, pays billing.Subscription, now time.Time) (ok bool, err error) {
	next, err := nextRun(d.Cron, d.TimeZone, d.DueAt, now, billing.Entitlements(pays, now))
	if err != nil {
		s.Log.ErrorContext(ctx, "schedule cannot be read", "connection", d.ConnectionID, "error", err)
		next = now.Add(24 * time.Hour)
	}
	_, ok, err = schedules.Start(ctx, tx, d.ConnectionID, next)
	return ok, err
}

// endOrphans ends snapshots and restores whose job is gone, and has their accounts told.
// A restore that has only its window left to close is not left alone with it.
func (s *Service) endOrphans(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		orphans, err := schedules.EndOrphans(ctx, tx)
		if err != nil {
			return err
		}
		n = len(orphans)
		for _, o := range orphans {
			if err := succeed(ctx, tx, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("end what was given up: %w", err)
	}
	return n, nil
}

// succeed enqueues what comes after a job that is gone.
func succeed(ctx context.Context, tx *postgres.Tx, o schedules.Orphan) error {
	id := string(o.AccountID)
	switch o.Kind {
	case "window":
		return tx.Enqueue(ctx, job.ApplyRestore{AccountID: id, RestoreID: o.ID})
	case "restore":
		return tx.Enqueue(ctx, job.ReportFailure{AccountID: id, RestoreID: o.ID})
	}
	return tx.Enqueue(ctx, job.ReportFailure{AccountID: id, SnapshotID: o.ID})
}

// raiseAlarms has accounts told of schedules without a snapshot for two periods and an
// hour, once, and works out when that is for those that had one.
func (s *Service) raiseAlarms(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		n = 0
		alarms, err := schedules.ClaimAlarms(ctx, tx, s.Now(), batch)
		if err != nil {
			return err
		}
		var ids []account.ConnectionID
		for _, a := range alarms {
			ids = append(ids, a.ConnectionID)
		}
		pays, err := s.pays(ctx, tx, ids)
		if err != nil {
			return err
		}
		for _, a := range alarms {
			at := s.alarmOf(a, pays[a.ConnectionID])
			if a.Due {
				n++
				at = time.Time{}
				if err := tx.Enqueue(ctx, job.ReportFailure{AccountID: string(a.AccountID), ConnectionID: string(a.ConnectionID)}); err != nil {
					return err
				}
			}
			if err := schedules.SetAlarm(ctx, tx, a.ConnectionID, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("raise alarms: %w", err)
	}
	return n, nil
}

// alarmSilent has accounts told of logs that nobody reads, because the drift monitor is
// away or the org does not let it.
func (s *Service) alarmSilent(ctx context.Context, u work.Unit) (n int, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		silent, err := schedules.AlarmSilent(ctx, tx, s.Now(), batch)
		n = len(silent)
		for _, c := range silent {
			if err != nil {
				break
			}
			err = tx.Enqueue(ctx, job.ReportFailure{AccountID: string(c.AccountID), LogOf: string(c.ConnectionID)})
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("raise alarms of silent logs: %w", err)
	}
	return n, nil
}

// alarmOf is two runs from now and an hour; a day if the schedule cannot be read.
func (s *Service) alarmOf(a schedules.Alarm, pays billing.Subscription) time.Time {
	at, e := s.Now(), billing.Entitlements(pays, s.Now())
	for range 2 {
		next, err := nextRun(a.Cron, a.TimeZone, at, at, e)
		if err != nil {
			return s.Now().Add(24 * time.Hour)
		}
		at = next
	}
	return at.Add(grace)
}
