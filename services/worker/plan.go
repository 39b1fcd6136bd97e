package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/orgs"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/repository"
	"imago/pkg/restore"
)

// restoring is one slice of one restore.
type restoring struct {
	*Service
	unit     work.Unit
	ring     *envelope.Keyring
	row      restores.Restore
	lease    restores.Lease
	snapshot snapshots.Snapshot
}

// beginRestore takes the lease.
func (s *Service) beginRestore(ctx context.Context, u work.Unit, accountID, id string) (*restoring, error) {
	r := &restoring{Service: s, unit: u}
	var err error
	if r.ring, err = s.keyrings.Of(ctx, u.Proof, account.ID(accountID)); err != nil {
		return nil, err
	}
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) (err error) {
		if r.row, r.lease, err = restores.Begin(ctx, tx, id); err != nil {
			return err
		}
		r.snapshot, err = snapshots.Get(ctx, tx, r.row.SnapshotID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("begin restore %s: %w", id, err)
	}
	return r, nil
}

// over reports whether an error of beginRestore means that nothing is left to do.
func over(err error) bool {
	return problem.Is(err, problem.Stale) || problem.Is(err, problem.NotFound)
}

// open opens the snapshot that the restore takes things from.
func (r *restoring) open(ctx context.Context) (*repository.Snapshot, error) {
	repo, err := repository.New(r.Store, r.ring, r.row.AccountID, r.row.ConnectionID, repository.Options{})
	if err != nil {
		return nil, err
	}
	snap, err := repo.OpenKnown(ctx, r.snapshot.Known())
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", r.row.SnapshotID, err)
	}
	return snap, nil
}

func (r *restoring) event(action, detail string) work.Event {
	return work.Event{At: r.Now(), Action: action, TargetType: "restore", TargetID: r.row.ID, Detail: detail}
}

// change writes to the restore's row under the lease, with an activity row about it
// unless its action is empty.
func (r *restoring) change(ctx context.Context, e work.Event, fn func(*postgres.Tx) error) error {
	return mine(r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		if err := fn(tx); err != nil || e.Action == "" {
			return err
		}
		return r.unit.Record(ctx, tx, r.ring, e)
	}))
}

// planRestore compares the selection with the live org and stores the plan.
func (s *Service) planRestore(ctx context.Context, u work.Unit, a job.PlanRestore) (work.End, error) {
	r, err := s.beginRestore(ctx, u, a.AccountID, a.RestoreID)
	if over(err) || err == nil && r.row.State != restores.Planning {
		return work.Done(outcome("ended before")), nil
	}
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	plan, err := r.plan(ctx)
	if err == nil {
		err = r.storePlan(ctx, plan)
	}
	if err != nil {
		return r.planFailed(ctx, err)
	}
	return work.Done(outcome("planned"), slog.Int("steps", len(plan.Steps)), slog.Int("left_out", len(plan.LeftOut))), nil
}

func (r *restoring) plan(ctx context.Context) (restore.Plan, error) {
	var selection restore.Selection
	if err := sealed.Selection(r.row.ID).Open(r.ring, r.row.SelectionSealed, &selection); err != nil {
		return restore.Plan{}, err
	}
	org, err := r.org(ctx)
	if err != nil {
		return restore.Plan{}, err
	}
	snap, err := r.open(ctx)
	if err != nil {
		return restore.Plan{}, err
	}
	return restore.MakePlan(ctx, restore.Input{
		Catalog: org.Provider.Catalog(), Snapshot: snap, Reader: waiting{org.Reader, r.Now}, Selection: selection, Now: r.Now,
	})
}

func (r *restoring) org(ctx context.Context) (orgs.Org, error) {
	return r.orgs.Read(ctx, r.unit.Proof, r.row.ConnectionID)
}

func (r *restoring) storePlan(ctx context.Context, plan restore.Plan) error {
	text, err := plan.Encode()
	if err != nil {
		return err
	}
	digest, err := plan.Digest()
	if err != nil {
		return err
	}
	shut, err := sealed.Plan(r.row.ID).SealBytes(r.ring, text)
	if err != nil {
		return err
	}
	e := r.event("plan_restore", fmt.Sprintf("%s, %d left out, %s", count(int64(len(plan.Steps)), "step"), len(plan.LeftOut), digest))
	return r.change(ctx, e, func(tx *postgres.Tx) error { return restores.SetPlan(ctx, tx, r.lease, shut, digest) })
}

// planFailed waits, tries again, or ends the restore with what a person can do.
func (r *restoring) planFailed(ctx context.Context, err error) (work.End, error) {
	if wait := provider.WaitOf(err); wait != nil {
		return work.Again(wait.Until.Sub(r.Now()), outcome("waits for the org's rate limit")), nil
	}
	if errors.Is(err, errTakenOver) {
		return work.Again(busy, outcome("taken over")), nil
	}
	if stopped(ctx) {
		return work.Again(0, outcome("stopped")), nil
	}
	const patience = 6 // people wait for a plan
	if ctx.Err() == nil && !final(err) && r.unit.Attempt < patience {
		return work.End{}, fmt.Errorf("plan restore %s: %w", r.row.ID, err)
	}
	return r.fail(ctx, err)
}

// final reports whether trying again would end the same: a person has to do something.
// An object of the snapshot that is damaged or gone will not come back by itself.
func final(err error) bool {
	return hopeless(err) || errors.Is(err, repository.ErrDamaged) || errors.Is(err, blob.ErrNotFound) || errors.Is(err, envelope.ErrNotOpened)
}

// fail ends a restore of which nothing was written.
func (r *restoring) fail(ctx context.Context, cause error) (work.End, error) {
	ctx, cancel := aftermath(ctx)
	defer cancel()
	why := work.Problem(cause)
	err := r.change(ctx, r.event("fail_restore", why.Error()), func(tx *postgres.Tx) error {
		return restores.End(ctx, tx, r.lease, restores.Failed, why)
	})
	if err != nil {
		return work.End{}, fmt.Errorf("end restore %s: %w", r.row.ID, err)
	}
	r.metrics.restores.WithLabelValues(string(restores.Failed)).Inc()
	r.complain(ctx, "restore ended", cause)
	return work.Done(outcome("failed"), slog.String("problem", string(why.Kind))), nil
}

// complain logs what a restore could not go on for.
func (r *restoring) complain(ctx context.Context, message string, cause error) {
	r.Log.ErrorContext(ctx, message, "job", r.unit.Job, "account", r.row.AccountID, "connection", r.row.ConnectionID,
		"restore", r.row.ID, "error", cause)
}
