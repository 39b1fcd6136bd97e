package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Slice takes a snapshot further, until it is done, o.Until has passed, or the
// provider asks for patience. On an error what was read so far is saved as well as
// may be; call Slice again, later. It is the journal's error when another worker has
// taken over, and then nothing was saved.
func Slice(ctx context.Context, in Input, o Options) (Outcome, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	t := &taking{Input: in, Options: o}
	err := t.begin(ctx)
	if err == nil {
		err = t.read(ctx)
	}
	if err != nil {
		return t.pause(ctx, err)
	}
	m, err := t.commit(ctx)
	return Outcome{Done: err == nil, Manifest: m, Progress: t.s.progress()}, err
}

// errOver ends a slice whose time is over.
var errOver = errors.New("the slice is over")

// taking is one slice at work.
type taking struct {
	Input
	Options
	s     *state
	draft Draft
	saved time.Time // the last checkpoint
}

// begin goes on from the journal, or starts: the log's cursor is taken before
// anything is read, so that what changes meanwhile is found in the log.
func (t *taking) begin(ctx context.Context) error {
	raw, err := t.Journal.Load(ctx)
	if err != nil {
		return fmt.Errorf("load the snapshot's checkpoint: %w", err)
	}
	s, err := read(raw, t.Catalog)
	if err != nil {
		return err
	}
	if s.Draft == nil {
		if err := t.start(ctx, s); err != nil {
			return err
		}
	}
	draft, err := t.Open(ctx, s.Draft)
	if err != nil {
		return fmt.Errorf("open the draft: %w", err)
	}
	t.s, t.draft, t.saved = s, draft, t.Now()
	if s.Draft == nil {
		return t.save(ctx)
	}
	return nil
}

func (t *taking) start(ctx context.Context, s *state) error {
	if renewer, ok := t.Reader.(provider.Renewer); ok {
		renewer.Renew() // somebody may have filled the last snapshot's gaps
	}
	facts, err := t.Reader.Org(ctx)
	if err != nil {
		return fmt.Errorf("ask the org what it is: %w", err)
	}
	s.OrgID, s.Engine = facts.ID, facts.Engine
	follower, ok := t.Reader.(provider.Follower)
	if !ok {
		return nil
	}
	events, err := follower.Follow(ctx, "")
	if _, unreadable := errors.AsType[*provider.Unreadable](err); unreadable {
		return nil // a log that nobody may read is no reason not to back up the rest
	}
	if err != nil {
		return fmt.Errorf("ask where the log stands: %w", err)
	}
	s.LogCursor = events.Cursor
	return nil
}

// read reads every type that is not done yet, in catalog order.
func (t *taking) read(ctx context.Context) error {
	for _, info := range t.Catalog {
		at := t.s.of(info.Type)
		if at.Done {
			continue
		}
		if err := t.readType(ctx, info, at); err != nil {
			return err
		}
		at.finish()
		if err := t.checkpoint(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *taking) readType(ctx context.Context, info resource.Info, at *typeState) error {
	if info.Parent == "" || info.Swept {
		return t.readPlace(ctx, info, at, resource.Key{})
	}
	t.inherit(info, at)
	parents, err := t.parents(ctx, info)
	if err != nil {
		return err
	}
	for _, id := range parents {
		if at.Any && id <= at.Parent {
			continue
		}
		if refused, err := t.refused(ctx, info, at, parents[len(parents)-1]); refused || err != nil {
			return err
		}
		known := len(at.Gaps)
		if err := t.readPlace(ctx, info, at, keyOf(info.Parent, id)); err != nil {
			return err
		}
		if len(at.Gaps) > known && at.Gaps[known].Parent == "" {
			return nil // nor would any other parent's list be answered
		}
		if err := t.checkpoint(ctx); err != nil {
			return err
		}
	}
	return nil
}

// refused reports whether it is plain that no parent's list will be answered: the first
// ones were refused, and so is the last, which says that it is not about some of them.
// Their gaps become one of the type then.
func (t *taking) refused(ctx context.Context, info resource.Info, at *typeState, last string) (bool, error) {
	if !at.suspect() {
		return false, nil
	}
	for _, err := range t.Reader.List(ctx, info.Type, keyOf(info.Parent, last), "") {
		if provider.WaitOf(err) != nil || ctx.Err() != nil {
			return false, &listError{err}
		}
		u, ok := errors.AsType[*provider.Unreadable](err)
		if !ok || u.Gap.Reason != at.Gaps[0].Reason {
			return false, nil // what else it may be is found out when its turn comes
		}
		break
	}
	at.generalise()
	return true, nil
}

// inherit notes that the children of what could not be listed are unknown, too.
func (t *taking) inherit(info resource.Info, at *typeState) {
	g := t.s.of(info.Parent).whole()
	if g == nil || at.whole() != nil {
		return
	}
	detail := g.Detail // a feature that the org does not have lacks all of its parts alike
	if g.Reason != snapshot.NotLicensed {
		parent, _ := t.Catalog.Info(info.Parent)
		detail = fmt.Sprintf("what hangs on %s is not known, because not all of those could be read: %s", cmp.Or(strings.ToLower(parent.Title), string(parent.Type)), g.Detail)
	}
	at.miss(snapshot.Gap{Type: info.Type, Reason: g.Reason, Detail: detail})
}

// readPlace reads one list to its end: a type, or what of it is below one parent.
func (t *taking) readPlace(ctx context.Context, info resource.Info, at *typeState, parent resource.Key) error {
	for restarts := 0; ; restarts++ {
		err := t.readPages(ctx, info, at, parent)
		unreadable, isGap := errors.AsType[*provider.Unreadable](err)
		switch {
		case err == nil:
		case isGap:
			at.miss(gap(unreadable.Gap, info, parent))
		case parent.ID != "" && problem.Is(err, problem.NotFound):
			// Deleted since it was listed. It stands in the snapshot, so what it held must
			// not look like nothing.
			at.miss(provider.Gone(info.Type, idOf(parent)))
		case problem.Is(err, problem.Stale) && at.Cursor != "" && restarts == 0:
			at.Cursor = ""
			continue
		case t.givenUp(ctx, err):
			at.miss(gap(snapshot.Gap{Reason: snapshot.Failed,
				Detail: fmt.Sprintf("the provider failed %d times in a row", t.GiveUp)}, info, parent))
		default:
			return fmt.Errorf("list %s: %w", info.Type, err)
		}
		t.s.Failures = 0
		at.next(idOf(parent))
		return nil
	}
}

// gap completes what the reader said of a place.
func gap(g snapshot.Gap, info resource.Info, parent resource.Key) snapshot.Gap {
	g.Type = info.Type
	if parent.ID != "" && (g.Parent != "" || g.Reason == snapshot.Truncated || g.Reason == snapshot.Failed) {
		g.Parent = idOf(parent) // what went wrong in one list says nothing about the others
	}
	return g
}

// readPages reads from the cursor to the end, and takes note at every page.
func (t *taking) readPages(ctx context.Context, info resource.Info, at *typeState, parent resource.Key) error {
	for page, err := range t.Reader.List(ctx, info.Type, parent, at.Cursor) {
		if err != nil {
			return &listError{err}
		}
		if err := t.add(ctx, info, at, parent, page); err != nil {
			return err
		}
		page.Release() // the draft has copied what it keeps
		if page.Cursor == "" {
			return nil
		}
		at.Cursor = page.Cursor
		if err := t.checkpoint(ctx); err != nil {
			return err
		}
	}
	// The door forbids it: a page may have been lost, and nobody would know.
	return &listError{errors.New("the list ended without a last page")}
}

// listError is the provider's, not the store's: it may become a gap.
type listError struct{ err error }

func (e *listError) Error() string { return e.err.Error() }
func (e *listError) Unwrap() error { return e.err }

// add takes a page in. What an earlier page gave already, as lists move while they are
// read, is the draft's to make single.
func (t *taking) add(ctx context.Context, info resource.Info, at *typeState, parent resource.Key, page provider.Page) error {
	for _, r := range page.Resources {
		if r.Type != info.Type || parent.ID != "" && r.Parent != idOf(parent) {
			return &listError{fmt.Errorf("the list holds a %s of another place", r.Type)}
		}
	}
	for _, r := range page.Resources {
		err := t.draft.Add(ctx, r)
		if errors.Is(err, snapshot.ErrUnfit) {
			at.miss(snapshot.Gap{Type: info.Type, Parent: r.Parent, Reason: snapshot.Failed,
				Detail: "it holds an object that a snapshot cannot keep: its ID has a slash, or it is larger than 16 MiB"})
			continue
		}
		if err != nil {
			return fmt.Errorf("keep a %s: %w", info.Type, err)
		}
		at.Objects++
		at.Bytes += int64(len(r.Body))
	}
	for _, g := range page.Gaps {
		at.miss(gap(g, info, parent))
	}
	at.Calls += int64(page.Calls)
	t.s.Failures = 0
	return nil
}

// givenUp counts a failure, and tells whether the place is left at that. An org
// that does not answer at all is waited for.
func (t *taking) givenUp(ctx context.Context, err error) bool {
	if t.GiveUp == 0 || ctx.Err() != nil || provider.WaitOf(err) != nil || !errors.As(err, new(*listError)) {
		return false
	}
	if _, down := t.Reader.Org(ctx); down != nil {
		return false
	}
	t.s.Failures++
	return t.s.Failures >= t.GiveUp
}

// checkpoint saves when it is time to, and ends a slice whose time is over.
func (t *taking) checkpoint(ctx context.Context) error {
	now := t.Now()
	if now.Sub(t.saved) >= t.Every {
		if err := t.save(ctx); err != nil {
			return err
		}
	}
	if !t.Until.IsZero() && !now.Before(t.Until) {
		return errOver
	}
	return nil
}

// saveError is a checkpoint that could not be written: the slice cannot go on.
type saveError struct{ err error }

func (e *saveError) Error() string { return "save the snapshot's checkpoint: " + e.err.Error() }
func (e *saveError) Unwrap() error { return e.err }

// save makes the draft durable first: a state must never tell of what is lost.
func (t *taking) save(ctx context.Context) error {
	if err := t.draft.Flush(ctx); err != nil {
		return &saveError{err}
	}
	draft, err := t.draft.State()
	if err != nil {
		return &saveError{err}
	}
	t.s.Draft = draft
	raw, err := json.Marshal(t.s)
	if err != nil {
		return &saveError{err}
	}
	if err := t.Journal.Save(ctx, raw, t.s.progress()); err != nil {
		return &saveError{err}
	}
	t.saved = t.Now()
	return nil
}

// pause ends a slice that is not done: it saves, unless saving is what failed.
func (t *taking) pause(ctx context.Context, cause error) (Outcome, error) {
	var out Outcome
	wait := provider.WaitOf(cause)
	if wait != nil {
		out.Wait, cause = wait.Until, nil
	}
	if errors.Is(cause, errOver) {
		cause = nil
	}
	if t.draft == nil || ctx.Err() != nil || errors.As(cause, new(*saveError)) {
		return out, cause
	}
	err := t.save(ctx)
	out.Progress = t.s.progress()
	return out, errors.Join(cause, err)
}

// commit makes the snapshot exist. What it says is fixed before, so that a commit
// that was cut off is made again word for word.
func (t *taking) commit(ctx context.Context) (snapshot.Manifest, error) {
	if t.s.Ended.IsZero() {
		t.s.Ended = t.Now().UTC()
	}
	if err := t.save(ctx); err != nil {
		return snapshot.Manifest{}, err
	}
	m := t.Facts
	m.OrgID, m.Engine, m.LogCursor, m.Ended = t.s.OrgID, t.s.Engine, t.s.LogCursor, t.s.Ended
	m.Types = nil
	for _, info := range t.Catalog {
		m.Types = append(m.Types, t.s.of(info.Type).status())
	}
	m, err := t.draft.Commit(ctx, m)
	if err != nil {
		return snapshot.Manifest{}, fmt.Errorf("commit the snapshot: %w", err)
	}
	for _, status := range m.Types {
		if at := t.s.of(status.Type); at != nil {
			at.Objects = status.Objects // each once, by now
		}
	}
	return m, nil
}
