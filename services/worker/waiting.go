package worker

import (
	"context"
	"errors"
	"iter"
	"time"

	"imago/pkg/postgres/work"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// waiting is a reader that waits where the org asks for it, for work that cannot be left
// in the middle and taken up again. A wait beyond the context's deadline is told.
type waiting struct {
	provider.Reader
	now func() time.Time
}

// List goes on from the last page after a wait.
func (w waiting) List(ctx context.Context, t resource.Type, parent resource.Key, cursor string) iter.Seq2[provider.Page, error] {
	return func(yield func(provider.Page, error) bool) {
		for {
			var held error
			for page, err := range w.Reader.List(ctx, t, parent, cursor) {
				if provider.WaitOf(err) != nil {
					held = err
					break
				}
				if err == nil {
					cursor = page.Cursor
				}
				if !yield(page, err) {
					return
				}
			}
			if held == nil {
				return
			}
			if err := w.wait(ctx, held); err != nil {
				yield(provider.Page{}, err)
				return
			}
		}
	}
}

// Get reads one resource.
func (w waiting) Get(ctx context.Context, key resource.Key) (r resource.Resource, err error) {
	err = w.patiently(ctx, func() error {
		r, err = w.Reader.Get(ctx, key)
		return err
	})
	return r, err
}

// Find looks for resources with a natural key.
func (w waiting) Find(ctx context.Context, like resource.Resource) (all []resource.Resource, err error) {
	err = w.patiently(ctx, func() error {
		all, err = w.Reader.Find(ctx, like)
		return err
	})
	return all, err
}

func (w waiting) patiently(ctx context.Context, call func() error) error {
	for {
		err := call()
		if provider.WaitOf(err) == nil {
			return err
		}
		if err := w.wait(ctx, err); err != nil {
			return err
		}
	}
}

// wait waits as long as the error asks for; it gives the error back when that is longer
// than there is time.
func (w waiting) wait(ctx context.Context, err error) error {
	until := provider.WaitOf(err).Until
	if deadline, ok := ctx.Deadline(); ok && until.After(deadline) {
		return err
	}
	timer := time.NewTimer(until.Sub(w.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// aftermath is the context in which to write down how something ended whose own time is
// over.
func aftermath(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
}

// stopped reports whether the program is about to end; the next one goes on.
func stopped(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// notBegun is for what could not even begin, because the database or the key service is
// away: it uses up no attempt, of which there are enough for some twenty minutes only.
func (s *Service) notBegun(ctx context.Context, u work.Unit, err error) (work.End, error) {
	if stopped(ctx) {
		return work.Again(0, outcome("stopped")), nil
	}
	if final(err) {
		return work.End{}, err
	}
	s.Log.WarnContext(ctx, "job cannot begin", "job", u.Job, "kind", u.Kind, "error", err)
	return work.Again(s.later(u.Since), outcome("held up")), nil
}
