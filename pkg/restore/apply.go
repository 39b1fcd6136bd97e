package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// Work is an approved plan at work.
type Work struct {
	Catalog resource.Catalog
	// Plan is the encoded plan, Approved the digest that a person approved: nothing
	// is written when they do not match.
	Plan     []byte
	Approved string
	Reader   provider.Reader
	Writer   provider.Writer
	Journal  Journal
}

// Options says how a slice works; the zero value is a slice without end.
type Options struct {
	Now   func() time.Time // nil: time.Now
	Until time.Time        // the slice ends with the first step after this; zero: never
	// SignIn asks the org, after a write that it denied, whether it lets the write
	// credential in at all. If it does, the step fails; else the slice ends with SignIn's
	// error, the step to be tried again. nil: it ends with the write's (of kind Denied).
	SignIn func(context.Context) error
}

// Outcome is how a slice ended without an error.
type Outcome struct {
	Done    bool      // every step has ended, one way or another
	Wait    time.Time // when to go on, when the provider asked for patience
	Entries []Entry   // the journal as it stands, by N
}

// Stopped reports whether a step was not made.
func (o Outcome) Stopped() bool {
	return slices.ContainsFunc(o.Entries, func(e Entry) bool { return e.State == Failed || e.State == Skipped })
}

// Apply makes the steps of an approved plan that the journal does not say are
// made, one after another. A step whose object moved since the plan fails, and what
// needs it is skipped; the others go on. A step that was begun and not confirmed is
// looked for before it is tried again. On an error call Apply again, later.
func Apply(ctx context.Context, w Work, o Options) (Outcome, error) {
	plan, err := Decode(w.Plan, w.Approved)
	if err != nil {
		return Outcome{}, err
	}
	entries, err := w.Journal.Load(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("load the journal: %w", err)
	}
	a := newApplying(w, o, plan, entries)
	for _, s := range plan.Steps {
		if a.ended(s.N) {
			continue
		}
		if !a.Until.IsZero() && !a.Now().Before(a.Until) {
			return a.outcome(false), nil
		}
		err := a.step(ctx, s)
		if wait := provider.WaitOf(err); wait != nil {
			out := a.outcome(false)
			out.Wait = wait.Until
			return out, nil
		}
		if err != nil {
			return a.outcome(false), fmt.Errorf("step %d, %s a %s: %w", s.N, s.Op, s.Key.Type, err)
		}
	}
	return a.outcome(true), nil
}

// applying is one slice at work.
type applying struct {
	Work
	Options
	plan    Plan
	entries map[int]Entry
	made    ids
}

func newApplying(w Work, o Options, plan Plan, entries []Entry) *applying {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &applying{Work: w, Options: o, plan: plan, entries: numbered(entries), made: ids{}}
	for _, s := range plan.Steps {
		a.learn(s)
	}
	return a
}

// learn takes note of the ID that a made step gave.
func (a *applying) learn(s Step) {
	if e := a.entries[s.N]; e.State == Done && s.Op == provider.Create {
		a.made[nameOf(s.Key)] = e.Key.ID
	}
}

func (a *applying) ended(n int) bool {
	s := a.entries[n].State
	return s == Done || s == Failed || s == Skipped
}

func (a *applying) outcome(done bool) Outcome {
	o := Outcome{Done: done}
	for _, s := range a.plan.Steps {
		if e, ok := a.entries[s.N]; ok {
			o.Entries = append(o.Entries, e)
		}
	}
	return o
}

// step makes one step, and writes down how it ended.
func (a *applying) step(ctx context.Context, s Step) error {
	begun := a.entries[s.N].State == Begun
	if err := a.Journal.Begin(ctx, s); err != nil {
		return fmt.Errorf("begin it in the journal: %w", err)
	}
	a.entries[s.N] = Entry{N: s.N, State: Begun}
	e, err := a.make(ctx, s, begun)
	if err != nil {
		return err
	}
	e.N, e.Resumed = s.N, e.Resumed || begun
	if err := a.Journal.End(ctx, s, e); err != nil {
		return fmt.Errorf("end it in the journal: %w", err)
	}
	a.entries[s.N] = e
	a.learn(s)
	return nil
}

// make writes to the org. The error is for what may pass; what will not is a
// failed entry.
func (a *applying) make(ctx context.Context, s Step, begun bool) (Entry, error) {
	if i := slices.IndexFunc(s.After, func(n int) bool { return a.entries[n].State != Done }); i >= 0 {
		return Entry{State: Skipped, Problem: fmt.Sprintf("step %d, which it needs, was not made", s.After[i])}, nil
	}
	w, err := a.write(s)
	if err != nil {
		return Entry{}, err
	}
	if s.Provided {
		if w, err = a.provided(ctx, s, w); err != nil {
			return a.judge(ctx, nil, err)
		}
	}
	if begun {
		done, adjusted, err := a.recover(ctx, s, w)
		if done != nil || err != nil {
			return a.judge(ctx, done, err)
		}
		w = adjusted
	}
	if !begun {
		if why, err := a.reordered(ctx, s); why != "" || err != nil {
			return Entry{State: Failed, Problem: why}, err
		}
	}
	if why, err := a.leaver(ctx, s); why != "" || err != nil {
		return Entry{State: Skipped, Problem: why}, err
	}
	done, err := a.Writer.Apply(ctx, w)
	if err == nil {
		return Entry{State: Done, Key: keyAfter(w, done), Transaction: done.Transaction, Transactions: done.Transactions}, nil
	}
	if (problem.Is(err, problem.Conflict) || problem.Is(err, problem.Stale)) && (begun || w.Key.ID != "") {
		// Perhaps it is as it should be: by our own write, whose answer was lost on the
		// way, or by somebody else's. But what has our name and is not known to be
		// begun by us is another's.
		found, _, look := a.recover(ctx, s, w)
		if found != nil {
			found.Resumed, found.Transactions = true, done.Transactions
		}
		if found != nil || look != nil {
			return a.judge(ctx, found, look)
		}
	}
	e, err := a.judge(ctx, nil, err)
	e.Transactions = done.Transactions // what was written before it failed is ours, too
	return e, err
}

// keyAfter is the key of what was written, as it is now.
func keyAfter(w provider.Write, done provider.Done) resource.Key {
	if done.Resource.ID == "" {
		return w.Key
	}
	return done.Resource.Key
}

// write resolves a step to what the writer takes.
func (a *applying) write(s Step) (provider.Write, error) {
	key, err := a.made.key(s.Target)
	if err != nil {
		return provider.Write{}, err
	}
	want, err := a.made.body(s.Want)
	if err != nil {
		return provider.Write{}, err
	}
	return provider.Write{Op: s.Op, Key: key, Want: want, Expect: s.Expect}, nil
}

// judge tells what may pass from what will not.
func (a *applying) judge(ctx context.Context, done *Entry, err error) (Entry, error) {
	p := problem.Of(err)
	switch {
	case err == nil:
		return *done, nil
	case p == nil || provider.WaitOf(err) != nil || p.Kind == problem.Unavailable || p.Kind == problem.OverLimit:
		return Entry{}, err
	case p.Kind == problem.Denied && a.SignIn == nil:
		return Entry{}, err
	case p.Kind == problem.Denied:
		if out := a.SignIn(ctx); out != nil {
			return Entry{}, out
		}
	}
	return Entry{State: Failed, Problem: said(err, p)}, nil
}

// said is the problem for a person who may see the org's data, in the provider's
// own words where it has any.
func said(err error, p *problem.Problem) string {
	var words interface{ Detail() string }
	if errors.As(err, &words) && words.Detail() != "" {
		return p.Error() + ": " + words.Detail()
	}
	return p.Error()
}

// leaver looks once more whether the person who gets access has left meanwhile.
func (a *applying) leaver(ctx context.Context, s Step) (why string, err error) {
	if s.Person == nil {
		return "", nil
	}
	now, err := a.Reader.Get(ctx, *s.Person) // each time anew: people leave while a restore goes on
	switch {
	case problem.Is(err, problem.NotFound):
		return "the person does not exist any more", nil
	case err != nil:
		return "", fmt.Errorf("look whether the person has left: %w", err)
	case left(a.Catalog, now):
		return "the person has left since the plan was made", nil
	}
	return "", nil
}
