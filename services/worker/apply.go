package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/restore"
)

const (
	// look is how often the write app is asked for at first.
	look = 2 * time.Second
	// settle is how long after the last write the org may take to do its own part (rules
	// that assign members) before what is not there counts as a difference.
	settle = 20 * time.Second
	// remindAfter is how long after a restore its write app may stay switched on before
	// the members are reminded.
	remindAfter = time.Hour
)

// applyRestore takes one slice of an approved restore, from waiting for the write app
// to the proof that it is switched off again:
//
//	approved → waiting → applying → verifying → verified → closing → closed
//
// A restore of which a step was not made is verified, told and closed too, and one that
// cannot go on is told and closed; both end as stopped. What the org's admin does with the write app moves it on or holds it up.
func (s *Service) applyRestore(ctx context.Context, u work.Unit, a job.ApplyRestore) (work.End, error) {
	r, err := s.beginRestore(ctx, u, a.AccountID, a.RestoreID)
	if over(err) {
		return work.Done(outcome("ended before")), nil
	}
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	step := map[restores.State]func(context.Context) (work.End, error){
		restores.Approved: r.wait, restores.Waiting: r.wait, restores.Applying: r.apply,
		restores.Verifying: r.verify, restores.Verified: r.release, restores.Closing: r.close,
	}[r.row.State]
	if step == nil {
		return work.Done(outcome("not approved")), nil
	}
	end, err := step(ctx)
	if err != nil {
		return r.applyFailed(ctx, err)
	}
	return end, nil
}

// writer opens the write app, and asks the org whether it lets it in: refused is why
// not. Nothing is written.
func (r *restoring) writer(ctx context.Context) (w provider.Writer, refused *problem.Problem, err error) {
	if w, err = r.orgs.Write(ctx, r.unit.Proof, r.row.ConnectionID); err == nil {
		err = signIn(ctx, w)
	}
	if err != nil && hopeless(err) && !keyLost(err) {
		return w, problem.Of(err), nil
	}
	return w, nil, err
}

// keyLost reports whether the credential cannot be opened here: that is no answer of the org's.
func keyLost(err error) bool {
	return errors.Is(err, envelope.ErrNoKey) || errors.Is(err, envelope.ErrNotOpened)
}

// signIn asks the org whether it lets a writer in: every provider's writer can tell
// which org it is.
func signIn(ctx context.Context, w provider.Writer) error {
	asker, ok := w.(interface {
		Org(context.Context) (provider.OrgFacts, error)
	})
	if !ok {
		return nil
	}
	_, err := asker.Org(ctx)
	return err
}

// wait waits for its turn, and for the write app to be activated.
func (r *restoring) wait(ctx context.Context) (work.End, error) {
	end, err := r.enter(ctx)
	if !errors.Is(err, restores.ErrBusy) {
		return end, err
	}
	busy := problem.New(problem.Conflict, "another restore of the same org is not at its end").
		WithHint("it goes on when that one is closed: deactivate the write app once it has written all")
	if r.late() {
		return r.giveUp(ctx, busy)
	}
	return r.hold(ctx, r.row.State, at(r.row.ApplyRequestedAt), busy)
}

// enter opens the window if the write app is active.
func (r *restoring) enter(ctx context.Context) (work.End, error) {
	_, refused, err := r.writer(ctx)
	if err != nil {
		return work.End{}, err
	}
	if refused == nil {
		e := r.event("open_window", "the write app is active: the approved plan is applied")
		err := r.change(ctx, e, func(tx *postgres.Tx) error { return restores.Move(ctx, tx, r.lease, restores.Applying) })
		return work.Again(0, outcome("window open")), err
	}
	if r.late() {
		return r.giveUp(ctx, problem.New(problem.Denied, "the write app was not activated in time: %s", refused.What).
			WithHint("activate it, then plan the restore again"))
	}
	return r.hold(ctx, restores.Waiting, at(r.row.ApplyRequestedAt), refused)
}

// late reports whether the restore has waited long enough.
func (r *restoring) late() bool { return r.Now().Sub(at(r.row.ApplyRequestedAt)) > r.config.Window }

// giveUp ends a restore that cannot go on. Once something may have been written, its
// window has to be closed first.
func (r *restoring) giveUp(ctx context.Context, cause error) (work.End, error) {
	if r.row.WindowOpenedAt == nil {
		return r.fail(ctx, cause)
	}
	return r.stop(ctx, cause)
}

// stop writes no more, has the members told, as no receipt will, and goes on to close the
// window.
func (r *restoring) stop(ctx context.Context, cause error) (work.End, error) {
	ctx, cancel := aftermath(ctx)
	defer cancel()
	why := *work.Problem(cause)
	why.Hint = strings.TrimPrefix(why.Hint+"; ", "; ") + "deactivate the write app, then plan the rest again"
	err := r.change(ctx, r.event("stop_restore", why.Error()), func(tx *postgres.Tx) error {
		if err := restores.Move(ctx, tx, r.lease, restores.Closing); err != nil {
			return err
		}
		if err := restores.SetProblem(ctx, tx, r.lease, &why); err != nil {
			return err
		}
		_, err := messages.Queue(ctx, tx, messages.Receipt, r.row.ID)
		return err
	})
	if err != nil {
		return work.End{}, fmt.Errorf("stop restore %s: %w", r.row.ID, err)
	}
	r.complain(ctx, "restore stopped", cause)
	return work.Again(0, outcome("closing"), slog.String("problem", string(why.Kind))), nil
}

// show shows what hinders the restore.
func (r *restoring) show(ctx context.Context, tx *postgres.Tx, why *problem.Problem) error {
	if r.row.Cut() {
		return nil
	}
	return restores.SetProblem(ctx, tx, r.lease, why)
}

// hold stays in a state, or goes back to it, and shows why.
func (r *restoring) hold(ctx context.Context, in restores.State, since time.Time, why *problem.Problem) (work.End, error) {
	err := r.change(ctx, work.Event{}, func(tx *postgres.Tx) error {
		if in != r.row.State {
			if err := restores.Move(ctx, tx, r.lease, in); err != nil {
				return err
			}
		}
		return r.show(ctx, tx, why)
	})
	if in == r.row.State {
		return work.Again(r.patient(since)), err
	}
	return work.Again(look, outcome(string(in))), err
}

// patient looks often while somebody is likely to sit in front of it.
func (r *restoring) patient(since time.Time) time.Duration {
	return min(max(r.Now().Sub(since)/30, look), 30*time.Second)
}

// apply makes steps until the slice is over.
func (r *restoring) apply(ctx context.Context) (work.End, error) {
	w, refused, err := r.writer(ctx)
	if err != nil {
		return work.End{}, err
	}
	if refused != nil { // switched off in the middle: what is written stays, and is not written again
		return r.hold(ctx, restores.Waiting, r.Now(), refused)
	}
	out, err := r.steps(ctx, w, func(ctx context.Context) error {
		err := signIn(ctx, w)
		if hopeless(err) {
			refused = problem.Of(err)
		}
		return err
	})
	switch {
	case refused != nil:
		return r.hold(ctx, restores.Waiting, r.Now(), refused)
	case err != nil:
		return work.End{}, err
	case !out.Wait.IsZero():
		return work.Again(out.Wait.Sub(r.Now()), outcome("waits for the org's rate limit")), nil
	case !out.Done:
		return work.Again(0), nil
	}
	err = r.change(ctx, work.Event{}, func(tx *postgres.Tx) error { return restores.Move(ctx, tx, r.lease, restores.Verifying) })
	return work.Again(0, outcome("applied"), slog.Int("steps", len(out.Entries))), err
}

// steps makes steps; in asks whether the org lets the write app in at all.
func (r *restoring) steps(ctx context.Context, w provider.Writer, in func(context.Context) error) (restore.Outcome, error) {
	org, err := r.org(ctx)
	if err != nil {
		return restore.Outcome{}, err
	}
	text, err := sealed.Plan(r.row.ID).OpenBytes(r.ring, r.row.PlanSealed)
	if err != nil {
		return restore.Outcome{}, err
	}
	return restore.Apply(ctx, restore.Work{
		Catalog: org.Provider.Catalog(), Plan: text, Approved: *r.row.PlanDigest, Reader: org.Reader, Writer: w, Journal: journal{r},
	}, restore.Options{Now: r.Now, Until: r.unit.Until, SignIn: in})
}

// verify reads again what was written, and stores the receipt.
func (r *restoring) verify(ctx context.Context) (work.End, error) {
	plan, entries, err := r.made(ctx)
	if err != nil {
		return work.End{}, err
	}
	org, err := r.org(ctx)
	if err != nil {
		return work.End{}, err
	}
	snap, err := r.open(ctx)
	if err != nil {
		return work.End{}, err
	}
	report, err := restore.Verify(ctx, restore.Check{
		Catalog: org.Provider.Catalog(), Snapshot: snap, Reader: waiting{org.Reader, r.Now}, Plan: plan, Entries: entries,
	})
	if wait := provider.WaitOf(err); wait != nil {
		return work.Again(wait.Until.Sub(r.Now()), outcome("waits for the org's rate limit")), nil
	}
	if err != nil {
		return work.End{}, fmt.Errorf("verify: %w", err)
	}
	last, err := r.lastWrite(ctx)
	if err != nil {
		return work.End{}, err
	}
	if len(report.Pending)+len(report.Differences) > 0 && r.Now().Sub(last) < settle {
		return work.Again(look), nil
	}
	return r.storeReceipt(ctx, plan, entries, report)
}

// made is the approved plan, and what the journal says of it.
func (r *restoring) made(ctx context.Context) (restore.Plan, []restore.Entry, error) {
	text, err := sealed.Plan(r.row.ID).OpenBytes(r.ring, r.row.PlanSealed)
	if err != nil {
		return restore.Plan{}, nil, err
	}
	plan, err := restore.Decode(text, *r.row.PlanDigest)
	if err != nil {
		return restore.Plan{}, nil, err
	}
	entries, err := journal{r}.Load(ctx)
	return plan, entries, err
}

// lastWrite is when the last step ended; the window's opening if the plan had none.
func (r *restoring) lastWrite(ctx context.Context) (last time.Time, err error) {
	err = r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		steps, err := restores.Steps(ctx, tx, r.row.ID)
		last = lastOf(r.row, steps)
		return err
	})
	return last, err
}

func lastOf(r restores.Restore, steps []restores.Step) (last time.Time) {
	last = at(r.WindowOpenedAt)
	for _, s := range steps {
		if ended := at(s.EndedAt); ended.After(last) {
			last = ended
		}
	}
	return last
}

func (r *restoring) storeReceipt(ctx context.Context, plan restore.Plan, entries []restore.Entry, report restore.Report) (work.End, error) {
	facts, err := r.facts(ctx)
	if err != nil {
		return work.End{}, err
	}
	receipt, err := restore.NewReceipt(facts, plan, entries, report)
	if err != nil {
		return work.End{}, err
	}
	shut, err := sealed.Receipt(r.row.ID).Seal(r.ring, receipt)
	if err != nil {
		return work.End{}, err
	}
	to, action := restores.Verified, "complete_restore"
	if receipt.Failed+receipt.Skipped > 0 {
		to, action = restores.Closing, "stop_restore"
	}
	e := r.event(action, fmt.Sprintf("%d written, %d failed, %d skipped, %s",
		receipt.Made, receipt.Failed, receipt.Skipped, count(int64(len(report.Differences)), "difference")))
	err = r.change(ctx, e, func(tx *postgres.Tx) error {
		if err := restores.SetReceipt(ctx, tx, r.lease, shut); err != nil {
			return err
		}
		if err := restores.Move(ctx, tx, r.lease, to); err != nil {
			return err
		}
		if _, err := messages.Queue(ctx, tx, messages.Receipt, r.row.ID); err != nil {
			return err
		}
		return r.settle(ctx, tx, putBack(plan, entries, report))
	})
	return work.Again(0, outcome(string(to)), slog.Int("made", receipt.Made), slog.Int("differences", len(report.Differences))), err
}

// facts names who asked and who approved.
func (r *restoring) facts(ctx context.Context) (restore.Facts, error) {
	f := restore.Facts{Restore: r.row.ID, Approved: at(r.row.ApprovedAt), Ended: r.Now().UTC()}
	err := r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		members, err := accounts.Members(ctx, tx)
		f.RequestedBy = addressOf(members, r.row.RequestedBy)
		if r.row.ApprovedBy != nil {
			f.ApprovedBy = addressOf(members, *r.row.ApprovedBy)
		}
		return err
	})
	return f, err
}

// addressOf is a member's address; of one who has left, the ID is what is known.
func addressOf(members []accounts.Member, id account.UserID) string {
	for _, m := range members {
		if m.UserID == id {
			return m.Email
		}
	}
	return string(id)
}

// release gives the token back, and from here on the org's admin may switch the app off.
// That it was not taken back is no reason to go on: closing tries again, and the token
// ends by itself within the hour.
func (r *restoring) release(ctx context.Context) (work.End, error) {
	w, err := r.orgs.Write(ctx, r.unit.Proof, r.row.ConnectionID)
	if err == nil {
		r.giveBack(ctx, w)
	}
	if err != nil && !hopeless(err) {
		return work.End{}, err
	}
	err = r.change(ctx, work.Event{}, func(tx *postgres.Tx) error { return restores.Move(ctx, tx, r.lease, restores.Closing) })
	return work.Again(0, outcome("closing")), err
}

// giveBack gives the token back, if the org takes it.
func (r *restoring) giveBack(ctx context.Context, w provider.Writer) {
	if err := w.Release(ctx); err != nil {
		r.Log.WarnContext(ctx, "token was not given back", "job", r.unit.Job, "account", r.row.AccountID,
			"connection", r.row.ConnectionID, "restore", r.row.ID, "error", err)
	}
}

// close waits until the org refuses the write app, which proves that the window is shut.
func (r *restoring) close(ctx context.Context) (work.End, error) {
	w, why, err := r.writer(ctx)
	if err != nil {
		if why = problem.Of(err); why == nil {
			return work.End{}, err
		}
	}
	switch {
	case why == nil:
		r.giveBack(ctx, w)
		if err := r.change(ctx, work.Event{}, func(tx *postgres.Tx) error { return restores.SeenOpen(ctx, tx, r.lease) }); err != nil {
			return work.End{}, err
		}
		return r.stillOpen(ctx, problem.New(problem.Denied, "the write app is still active"))
	case !provider.Shut(why): // the org was not asked, something else answered, or it refuses for another reason
		return r.stillOpen(ctx, problem.New(problem.Unavailable, "whether the write app is still active cannot be seen: %s", why.What))
	}
	return r.shut(ctx, why)
}

// stillOpen waits on, shows why, and reminds when it has taken too long.
func (r *restoring) stillOpen(ctx context.Context, why *problem.Problem) (work.End, error) {
	hint := "deactivate it in the org: until then it can write"
	if why.Kind == problem.Unavailable {
		hint += "; if Imago cannot ask the org any more: imago restore close"
	}
	end, err := r.hold(ctx, restores.Closing, at(r.row.WindowOpenedAt), why.WithHint("%s", hint))
	if err != nil {
		return end, err
	}
	return end, r.remind(ctx)
}

// remind has the members told, once, of a write app that was not seen switched off for
// an hour after the restore.
func (r *restoring) remind(ctx context.Context) error {
	if r.row.RemindedAt != nil {
		return nil
	}
	last, err := r.lastWrite(ctx)
	if err != nil || r.Now().Sub(last) < remindAfter {
		return err
	}
	e := r.event("raise_alarm", "the write app was not seen switched off for an hour after the restore")
	return mine(r.DB.As(ctx, r.unit.Proof, func(tx *postgres.Tx) error {
		first, err := restores.Remind(ctx, tx, r.lease)
		if err != nil || !first {
			return err
		}
		if _, err := messages.Queue(ctx, tx, messages.WindowOpen, r.row.ID); err != nil {
			return err
		}
		return r.unit.Record(ctx, tx, r.ring, e)
	}))
}

// shut ends the restore: the org refuses the write app, which is what the activity log
// gets to know. Whether every step was made stands there since the receipt.
func (r *restoring) shut(ctx context.Context, refused *problem.Problem) (work.End, error) {
	var to restores.State
	e := r.event("close_window", "the org refuses the write app: "+refused.What)
	err := r.change(ctx, e, func(tx *postgres.Tx) error {
		steps, err := restores.Steps(ctx, tx, r.row.ID)
		if err != nil {
			return err
		}
		var why *problem.Problem
		to, why = restores.Verdict(r.row, steps)
		return restores.End(ctx, tx, r.lease, to, why)
	})
	if err != nil {
		return work.End{}, err
	}
	r.metrics.restores.WithLabelValues(string(to)).Inc()
	return work.Done(outcome(string(to))), nil
}

// applyFailed waits, tries again, or stops the restore where it is.
func (r *restoring) applyFailed(ctx context.Context, err error) (work.End, error) {
	if wait := provider.WaitOf(err); wait != nil {
		return work.Again(wait.Until.Sub(r.Now()), outcome("waits for the org's rate limit")), nil
	}
	if errors.Is(err, errTakenOver) {
		return work.Again(busy, outcome("taken over")), nil
	}
	if stopped(ctx) {
		return work.Again(0, outcome("stopped")), nil
	}
	ctx, cancel := aftermath(ctx)
	defer cancel()
	moved, dberr := r.lastWrite(ctx)
	if dberr != nil {
		return work.End{}, errors.Join(err, dberr)
	}
	if moved.IsZero() {
		moved = at(r.row.ApplyRequestedAt)
	}
	if r.afterwards() || !final(err) && !problem.Is(err, problem.Stale) && r.Now().Sub(moved) < r.config.Patience {
		return r.heldUp(ctx, r.later(moved), err), nil
	}
	return r.giveUp(ctx, err)
}

// heldUp leaves a restore that does not get on alone for a while, and shows why. That
// this cannot be shown either, the database being away itself, changes nothing.
func (r *restoring) heldUp(ctx context.Context, wait time.Duration, cause error) work.End {
	shown := r.change(ctx, work.Event{}, func(tx *postgres.Tx) error {
		return r.show(ctx, tx, work.Problem(cause))
	})
	r.Log.WarnContext(ctx, "restore is held up", "job", r.unit.Job, "account", r.row.AccountID,
		"connection", r.row.ConnectionID, "restore", r.row.ID, "state", r.row.State, "error", errors.Join(cause, shown))
	return work.Again(wait, outcome("held up"))
}

// afterwards reports whether all is written, verified and told, and only the window is
// left: nothing is a reason to leave it alone.
func (r *restoring) afterwards() bool {
	return r.row.State == restores.Verified || r.row.State == restores.Closing
}

// journal keeps the steps of the restore, under its lease.
type journal struct{ r *restoring }

var _ restore.Journal = journal{}

// Load reads the journal.
func (j journal) Load(ctx context.Context) (entries []restore.Entry, err error) {
	var steps []restores.Step
	err = j.r.DB.As(ctx, j.r.unit.Proof, func(tx *postgres.Tx) (err error) {
		steps, err = restores.Steps(ctx, tx, j.r.row.ID)
		return err
	})
	for _, s := range steps {
		e := restore.Entry{}
		if s.Sealed != nil && err == nil {
			err = sealed.Step(j.r.row.ID, s.N).Open(j.r.ring, s.Sealed, &e)
		}
		e.N, e.State = s.N, restore.State(s.State)
		entries = append(entries, e)
	}
	return entries, err
}

// Begin notes that a step is about to be made.
func (j journal) Begin(ctx context.Context, s restore.Step) error {
	return j.r.change(ctx, work.Event{}, func(tx *postgres.Tx) error {
		return restores.BeginStep(ctx, tx, j.r.lease, s.N, s.Op, s.Key.Type)
	})
}

// End notes how it ended.
func (j journal) End(ctx context.Context, s restore.Step, e restore.Entry) error {
	shut, err := sealed.Step(j.r.row.ID, s.N).Seal(j.r.ring, e)
	if err != nil {
		return err
	}
	err = j.r.change(ctx, work.Event{}, func(tx *postgres.Tx) error {
		if j.r.row.Problem != nil { // it gets on again
			if err := restores.SetProblem(ctx, tx, j.r.lease, nil); err != nil {
				return err
			}
		}
		return restores.EndStep(ctx, tx, j.r.lease, s.N, restores.StepState(e.State), shut)
	})
	if err == nil {
		j.r.row.Problem = nil
	}
	return err
}
