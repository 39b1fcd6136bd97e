package worker

import (
	"context"
	"fmt"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
)

// reportFailure tells an account that something which should have happened by itself
// did not, in its activity log and by mail; of a refused sign-in in its log.
func (s *Service) reportFailure(ctx context.Context, u work.Unit, a job.ReportFailure) (work.End, error) {
	ring, err := s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID))
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	if a.RefusalID != "" {
		return s.reportRefusals(ctx, u, ring)
	}
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		e := work.Event{At: s.Now()}
		var err error
		switch {
		case a.SnapshotID != "":
			e.Action, e.TargetType, e.TargetID = "fail_snapshot", "snapshot", a.SnapshotID
			e.Detail = "given up after many tries"
			err = tellFailed(ctx, tx, a.SnapshotID)
		case a.RestoreID != "":
			e.Action, e.TargetType, e.TargetID = "stop_restore", "restore", a.RestoreID
			e.Detail = "given up after many tries; its journal says what was made"
			err = queueStopped(ctx, tx, a.RestoreID)
		case a.LogOf != "":
			e.Action, e.TargetType, e.TargetID = "raise_alarm", "connection", a.LogOf
			e.Detail = "the org's log was not read for an hour: changes in it are not noticed"
			err = queueSilent(ctx, tx, account.ConnectionID(a.LogOf))
		default:
			e.Action, e.TargetType, e.TargetID = "raise_alarm", "connection", a.ConnectionID
			e.Detail = "no snapshot was taken for two periods of its schedule"
			err = queueOverdue(ctx, tx, account.ConnectionID(a.ConnectionID))
		}
		if err != nil {
			return err
		}
		return u.Record(ctx, tx, ring, e)
	})
	if err != nil {
		return work.End{}, fmt.Errorf("report failure: %w", err)
	}
	return work.Done(), nil
}

// tellFailed has the members told of a sweep that failed. Of a point the activity log tells
// alone: the next sweep reads what it was to read.
func tellFailed(ctx context.Context, tx *postgres.Tx, id string) error {
	row, err := snapshots.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if row.Trigger == snapshots.Change {
		return snapshots.Unname(ctx, tx, id)
	}
	_, err = messages.Queue(ctx, tx, messages.SnapshotFailed, id)
	return err
}

// queueStopped queues the mail about a restore that may have written something.
func queueStopped(ctx context.Context, tx *postgres.Tx, id string) error {
	r, err := restores.Get(ctx, tx, id)
	if err != nil || r.WindowOpenedAt == nil || r.ReceiptSealed != nil {
		return err // nothing was written, or a receipt has told of it
	}
	_, err = messages.Queue(ctx, tx, messages.Receipt, id)
	return err
}

// queueSilent queues the mail, once for each alarm.
func queueSilent(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) error {
	alarm, err := cursors.Alarm(ctx, tx, id)
	if err != nil {
		return err
	}
	_, err = messages.Queue(ctx, tx, messages.LogSilent, alarm)
	return err
}

// queueOverdue queues the mail once for each last snapshot: its subject is that
// snapshot or, if none was ever taken, the connection.
func queueOverdue(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) error {
	subject := string(id)
	last, err := snapshots.Latest(ctx, tx, id)
	switch {
	case err == nil:
		subject = last.ID
	case !problem.Is(err, problem.NotFound):
		return err
	}
	_, err = messages.Queue(ctx, tx, messages.SnapshotOverdue, subject)
	return err
}
