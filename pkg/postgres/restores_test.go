package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/postgres/restores"
	"imago/pkg/problem"
	"imago/pkg/provider"
)

// surgery is a bench with a restore that was asked for.
type surgery struct {
	bench
	restore restores.Restore
	apply   postgres.Proof
}

func newSurgery(t *testing.T) surgery {
	t.Helper()
	s := surgery{bench: newBench(t)}
	taken := s.taken(t)
	in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) (err error) {
		s.restore, err = restores.Request(t.Context(), tx, wanted(t, s.connection, taken.ID))
		return err
	})
	s.apply = s.base.Job(t, job.ApplyRestore{AccountID: string(s.acme.ID), RestoreID: "running"})
	return s
}

func wanted(t *testing.T, id account.ConnectionID, snapshotID string) restores.Wanted {
	t.Helper()
	made, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return restores.Wanted{ID: made.String(), ConnectionID: id, SnapshotID: snapshotID, SelectionSealed: []byte("selection")}
}

// work runs a writer with a lease of its own.
func (s surgery) work(t *testing.T, fn func(context.Context, *postgres.Tx, restores.Lease) error) error {
	t.Helper()
	return s.worker.As(t.Context(), s.apply, func(tx *postgres.Tx) error {
		_, lease, err := restores.Begin(t.Context(), tx, s.restore.ID)
		if err != nil {
			return err
		}
		return fn(t.Context(), tx, lease)
	})
}

func (s surgery) must(t *testing.T, fn func(context.Context, *postgres.Tx, restores.Lease) error) {
	t.Helper()
	if err := s.work(t, fn); err != nil {
		t.Fatal(err)
	}
}

func (s surgery) plan(t *testing.T) {
	t.Helper()
	s.must(t, func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
		return restores.SetPlan(ctx, tx, l, []byte("plan"), "sha256:1")
	})
}

func (s surgery) approve(digest string) (r restores.Restore, err error) {
	err = s.api.As(context.Background(), s.acme.Proof, func(tx *postgres.Tx) (err error) {
		r, err = restores.Approve(context.Background(), tx, s.restore.ID, digest)
		return err
	})
	return r, err
}

func (s surgery) to(t *testing.T, states ...restores.State) {
	t.Helper()
	for _, state := range states {
		s.must(t, func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
			return restores.Move(ctx, tx, l, state)
		})
	}
}

func (s surgery) get(t *testing.T) (r restores.Restore) {
	t.Helper()
	in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) (err error) {
		r, err = restores.Get(t.Context(), tx, s.restore.ID)
		return err
	})
	return r
}

func TestRestoreFromPlanToClosed(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	s.plan(t)
	if _, err := s.approve("sha256:2"); !problem.Is(err, problem.Stale) || problem.Of(err).Field != "digest" {
		t.Errorf("another digest: %v", err)
	}
	r, err := s.approve("sha256:1")
	if err != nil || r.State != restores.Approved || *r.ApprovedBy != s.acme.User {
		t.Fatalf("%+v: %v", r, err)
	}
	for range 2 { // asked twice, enqueued once
		in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) error {
			_, err := restores.Apply(t.Context(), tx, s.restore.ID)
			return err
		})
	}
	s.to(t, restores.Waiting, restores.Applying, restores.Verifying, restores.Verified)
	s.must(t, func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
		return restores.SetReceipt(ctx, tx, l, []byte("receipt"))
	})
	s.to(t, restores.Closing, restores.Closed)
	got := s.get(t)
	if got.State != restores.Closed || got.WindowOpenedAt == nil || got.WindowClosedAt == nil || got.EndedAt == nil || string(got.ReceiptSealed) != "receipt" {
		t.Errorf("closed %+v", got)
	}
	if err := s.work(t, func(context.Context, *postgres.Tx, restores.Lease) error { return nil }); !problem.Is(err, problem.Stale) {
		t.Errorf("begun after its end: %v", err)
	}
	var jobs int
	if err := s.base.Owner().QueryRow(t.Context(), `select count(*) from river.river_job where args ->> 'restore_id' = $1 and kind = 'apply_restore'`, s.restore.ID).Scan(&jobs); err != nil {
		t.Fatal(err)
	}
	if jobs != 1 {
		t.Errorf("%d jobs to apply it", jobs)
	}
}

func TestNothingIsAppliedWithoutApproval(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	s.plan(t)
	err := s.api.As(t.Context(), s.acme.Proof, func(tx *postgres.Tx) error {
		_, err := restores.Apply(t.Context(), tx, s.restore.ID)
		return err
	})
	if !problem.Is(err, problem.Conflict) {
		t.Errorf("applied without approval: %v", err)
	}
	for _, state := range []restores.State{restores.Approved, restores.Waiting, restores.Applying, restores.Verified, restores.Closed} {
		err := s.work(t, func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
			return restores.Move(ctx, tx, l, state)
		})
		if err == nil {
			t.Errorf("the worker itself went to %s", state)
		}
	}
}

func TestPlanStaysWhatWasApproved(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	s.plan(t)
	err := s.work(t, func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
		return restores.SetPlan(ctx, tx, l, []byte("another"), "sha256:2")
	})
	if !problem.Is(err, problem.Stale) {
		t.Errorf("planned again: %v", err)
	}
	// Even a worker that writes SQL of its own, and the owner.
	if _, err := s.base.Owner().Exec(t.Context(), `update restores set plan_digest = 'sha256:2' where id = $1`, s.restore.ID); err == nil {
		t.Error("the plan was changed behind the approval")
	}
	if _, err := s.base.Owner().Exec(t.Context(), `update restores set state = 'approved', approved_by = requested_by, approved_at = now() where id = $1`, s.restore.ID); err == nil {
		t.Error("approved in somebody's name")
	}
}

func (s surgery) cancel(t *testing.T) error {
	t.Helper()
	return s.api.As(t.Context(), s.acme.Proof, func(tx *postgres.Tx) error {
		_, err := restores.Cancel(t.Context(), tx, s.restore.ID)
		return err
	})
}

func TestRestoreIsCancelledBeforeItWrites(t *testing.T) {
	t.Parallel()
	for state, hint := range map[restores.State]string{
		restores.Applying: "to stop it, deactivate the write app", restores.Waiting: "keep the write app deactivated",
		restores.Closing: "deactivate the write app in the org, and it ends", restores.Stopped: "it has ended",
	} {
		s := newSurgery(t)
		s.plan(t)
		if _, err := s.approve("sha256:1"); err != nil {
			t.Fatal(err)
		}
		s.to(t, restores.Applying)
		if state != restores.Applying {
			s.to(t, state)
		}
		if err := s.cancel(t); !problem.Is(err, problem.Stale) || !strings.Contains(problem.Of(err).Hint, hint) {
			t.Errorf("cancelled while %s: %v", state, err)
		}
	}
	other := newSurgery(t)
	if err := other.cancel(t); err != nil {
		t.Error(err)
	}
	if got := other.get(t); got.State != restores.Cancelled || got.EndedAt == nil {
		t.Errorf("cancelled %+v", got)
	}
}

func TestRestoreNeedsASnapshotThatWasTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	unfinished, _ := b.queue(t)
	theirs := newBench(t)
	taken := theirs.taken(t)
	for name, id := range map[string]string{"unfinished": unfinished.ID, "somebody else's": taken.ID, "none": "x"} {
		err := b.api.As(t.Context(), b.acme.Proof, func(tx *postgres.Tx) error {
			_, err := restores.Request(t.Context(), tx, wanted(t, b.connection, id))
			return err
		})
		if !problem.Is(err, problem.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJournalWritesAStepOnce(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	begin := func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
		return restores.BeginStep(ctx, tx, l, 1, provider.Create, "group")
	}
	end := func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
		return restores.EndStep(ctx, tx, l, 1, restores.StepDone, []byte("new ID"))
	}
	if err := s.work(t, end); !problem.Is(err, problem.Conflict) {
		t.Errorf("ended before it began: %v", err)
	}
	s.must(t, begin)
	s.must(t, begin) // taken over after a crash between begin and end
	s.must(t, end)
	for name, again := range map[string]func(context.Context, *postgres.Tx, restores.Lease) error{"begun": begin, "ended": end} {
		if err := s.work(t, again); !problem.Is(err, problem.Conflict) {
			t.Errorf("%s again: %v", name, err)
		}
	}
	in(t, s.worker, s.apply, func(tx *postgres.Tx) error {
		got, err := restores.Steps(t.Context(), tx, s.restore.ID)
		want := []restores.Step{{N: 1, State: restores.StepDone, Op: provider.Create, Type: "group", Sealed: []byte("new ID")}}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(restores.Step{}, "BegunAt", "EndedAt")); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

func TestGhostOfARestoreCannotWrite(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	var ghost restores.Lease
	s.must(t, func(_ context.Context, _ *postgres.Tx, l restores.Lease) error { ghost = l; return nil })
	s.must(t, func(context.Context, *postgres.Tx, restores.Lease) error { return nil })
	for name, write := range map[string]func(context.Context, *postgres.Tx) error{
		"plan": func(ctx context.Context, tx *postgres.Tx) error {
			return restores.SetPlan(ctx, tx, ghost, []byte("p"), "d")
		},
		"move": func(ctx context.Context, tx *postgres.Tx) error {
			return restores.Move(ctx, tx, ghost, restores.Failed)
		},
		"begin": func(ctx context.Context, tx *postgres.Tx) error {
			return restores.BeginStep(ctx, tx, ghost, 1, provider.Create, "group")
		},
		"end": func(ctx context.Context, tx *postgres.Tx) error {
			return restores.EndStep(ctx, tx, ghost, 1, restores.StepDone, nil)
		},
		"receipt": func(ctx context.Context, tx *postgres.Tx) error {
			return restores.SetReceipt(ctx, tx, ghost, []byte("r"))
		},
		"problem": func(ctx context.Context, tx *postgres.Tx) error {
			return restores.End(ctx, tx, ghost, restores.Failed, problem.New(problem.Stale, "x"))
		},
	} {
		err := s.worker.As(t.Context(), s.apply, func(tx *postgres.Tx) error { return write(t.Context(), tx) })
		if !problem.Is(err, problem.Stale) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One restore at a time writes to an org.
func TestTwoRestoresDoNotWriteAtOnce(t *testing.T) {
	t.Parallel()
	s := newSurgery(t)
	two := s
	in(t, s.api, s.acme.Proof, func(tx *postgres.Tx) (err error) {
		two.restore, err = restores.Request(t.Context(), tx, wanted(t, s.connection, s.restore.SnapshotID))
		return err
	})
	for _, each := range []surgery{s, two} {
		each.plan(t)
		if _, err := each.approve("sha256:1"); err != nil {
			t.Fatal(err)
		}
	}
	s.to(t, restores.Applying)
	err := two.work(t, func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
		return restores.Move(ctx, tx, l, restores.Applying)
	})
	if !problem.Is(err, problem.Conflict) {
		t.Errorf("both apply: %v", err)
	}
}

// longWriting is a restore that has had its window open for two hours.
func longWriting(t *testing.T) surgery {
	t.Helper()
	s := newSurgery(t)
	s.plan(t)
	if _, err := s.approve("sha256:1"); err != nil {
		t.Fatal(err)
	}
	s.to(t, restores.Applying)
	s.ago(t, "window_opened_at", "2 hours")
	return s
}

func (s surgery) closeOnWord(t *testing.T) (r restores.Restore, err error) {
	t.Helper()
	err = s.api.As(t.Context(), s.acme.Proof, func(tx *postgres.Tx) (err error) {
		r, err = restores.Close(t.Context(), tx, s.restore.ID)
		return err
	})
	return r, err
}

// ago moves what the org was last seen to do into the past.
func (s surgery) ago(t *testing.T, column, interval string) {
	t.Helper()
	if _, err := s.base.Owner().Exec(t.Context(), `update restores set `+column+` = now() - $2::interval where id = $1`, s.restore.ID, interval); err != nil {
		t.Fatal(err)
	}
}

// A window is closed on a person's word only when the restore waits for that, and the org
// has not let the write app in for an hour.
func TestWindowIsClosedOnAPersonsWord(t *testing.T) {
	t.Parallel()
	s := longWriting(t)
	if _, err := s.closeOnWord(t); !problem.Is(err, problem.Stale) || !strings.Contains(err.Error(), "is applying") {
		t.Errorf("closed while it writes: %v", err)
	}
	s.must(t, func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
		return restores.BeginStep(ctx, tx, l, 1, provider.Create, "group")
	})
	s.must(t, func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
		return restores.EndStep(ctx, tx, l, 1, restores.StepFailed, []byte("why"))
	})
	s.must(t, func(ctx context.Context, tx *postgres.Tx, l restores.Lease) error {
		return restores.SetReceipt(ctx, tx, l, []byte("receipt"))
	})
	s.to(t, restores.Closing)
	if _, err := s.closeOnWord(t); !problem.Is(err, problem.Stale) || !strings.Contains(err.Error(), "within the last hour") {
		t.Errorf("closed as soon as it had written: %v", err)
	}
	s.ago(t, "seen_open_at", "61 minutes")
	s.must(t, restores.SeenOpen)
	if _, err := s.closeOnWord(t); !problem.Is(err, problem.Stale) || !strings.Contains(err.Error(), "within the last hour") {
		t.Errorf("closed while the app is let in: %v", err)
	}
	s.ago(t, "seen_open_at", "61 minutes")
	if _, err := s.base.Owner().Exec(t.Context(), `update members set role = 'operator' where account_id = $1`, s.acme.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.closeOnWord(t); !problem.Is(err, problem.Denied) {
		t.Errorf("closed by an operator: %v", err)
	}
	if _, err := s.base.Owner().Exec(t.Context(), `update members set role = 'owner' where account_id = $1`, s.acme.ID); err != nil {
		t.Fatal(err)
	}
	r, err := s.closeOnWord(t)
	if err != nil || r.State != restores.Stopped || r.ClosedBy == nil || *r.ClosedBy != s.acme.User || r.WindowClosedAt == nil || r.EndedAt == nil ||
		r.Problem == nil || !strings.Contains(r.Problem.What, "not every write") {
		t.Errorf("closed: %+v, %v", r, err)
	}
	if _, err := s.closeOnWord(t); !problem.Is(err, problem.Stale) || !strings.Contains(err.Error(), "is stopped") {
		t.Errorf("closed twice: %v", err)
	}
}

// An api that writes SQL of its own shuts no window either.
func TestWindowIsGuarded(t *testing.T) {
	t.Parallel()
	s := longWriting(t)
	for _, sql := range []string{
		`update restores set window_closed_at = now(), closed_by = current_user_id() where id = $1`,
		`update restores set state = 'stopped', ended_at = now(), window_closed_at = now(), closed_by = current_user_id() where id = $1`,
		`update restores set state = 'stopped', ended_at = now() where id = $1`,
	} {
		if err := s.apiSQL(t, sql); err == nil {
			t.Errorf("ended while it writes: %s", sql)
		}
	}
	s.to(t, restores.Closing)
	s.ago(t, "seen_open_at", "61 minutes")
	for what, sql := range map[string]string{
		"of the state alone":   `update restores set state = 'closed', ended_at = now() where id = $1`,
		"without a time":       `update restores set state = 'closed', ended_at = now(), closed_by = current_user_id() where id = $1`,
		"without saying who":   `update restores set state = 'closed', window_closed_at = now(), ended_at = now() where id = $1`,
		"without an end":       `update restores set window_closed_at = now(), closed_by = current_user_id() where id = $1`,
		"with a problem alone": `update restores set problem = '{"kind": "denied"}' where id = $1`,
	} {
		if err := s.apiSQL(t, sql); err == nil {
			t.Errorf("a person's change %s was taken", what)
		}
	}
	s.must(t, restores.SeenOpen)
	if err := s.apiSQL(t, `update restores set state = 'closed', window_closed_at = now(), closed_by = current_user_id(), ended_at = now() where id = $1`); err == nil {
		t.Error("a window was closed that was just seen open")
	}
}

func (s surgery) apiSQL(t *testing.T, sql string) error {
	t.Helper()
	return s.api.As(t.Context(), s.acme.Proof, func(tx *postgres.Tx) error {
		_, err := rows.Exec(t.Context(), tx, sql, s.restore.ID)
		return err
	})
}
