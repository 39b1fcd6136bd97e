package fault

import (
	"cmp"
	"context"
	"io"
	"iter"
	"slices"
	"strings"

	"imago/pkg/blob"
)

// change is what an operation made of the objects.
type change struct {
	key    string
	before *blob.Object // nil: there was none
}

// change makes an operation that changes the store, with its fault, and keeps what a
// stale listing will have to say.
func (s *Store) change(ctx context.Context, op Op, key string, operation func() error) error {
	return s.do(ctx, op, key, func(*Fault) error {
		before, err := s.before(ctx, op, key)
		if err != nil {
			return err
		}
		if err = operation(); !made(op, err) {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changes = append(s.changes, change{key, before})
		return err
	})
}

// before finds the object that an operation takes away; a put takes none.
func (s *Store) before(ctx context.Context, op Op, key string) (*blob.Object, error) {
	if op == Put || !s.forgetful() {
		return nil, nil
	}
	for o, err := range s.under.List(ctx, key) {
		if err != nil || o.Key == key {
			return &o, err
		}
	}
	return nil, nil
}

// forgetful reports whether a stale listing is planned.
func (s *Store) forgetful() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.faults, func(f *Fault) bool { return f.stale > 0 })
}

// List lists objects, or meets a fault: instead of them, among them, or after the last.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		stopped := false
		err := s.do(ctx, List, prefix, func(f *Fault) error {
			left := f.truncate
			for o, err := range s.listing(ctx, prefix, f.stale) {
				if err != nil {
					return err
				}
				if left == 0 && f.silent {
					return nil
				}
				if left == 0 {
					return io.ErrUnexpectedEOF
				}
				left--
				if !yield(o, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(blob.Object{}, err)
		}
	}
}

// listing is the store's, or what it was some changes ago.
func (s *Store) listing(ctx context.Context, prefix string, ago int) iter.Seq2[blob.Object, error] {
	if ago == 0 {
		return s.under.List(ctx, prefix)
	}
	return func(yield func(blob.Object, error) bool) {
		var now []blob.Object
		for o, err := range s.under.List(ctx, prefix) {
			if err != nil {
				yield(o, err)
				return
			}
			now = append(now, o)
		}
		for _, o := range s.undo(now, prefix, ago) {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// undo takes the newest changes back.
func (s *Store) undo(list []blob.Object, prefix string, ago int) []blob.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.changes[max(0, len(s.changes)-ago):]) {
		if !strings.HasPrefix(c.key, prefix) {
			continue
		}
		list = slices.DeleteFunc(list, func(o blob.Object) bool { return o.Key == c.key })
		if c.before != nil {
			list = append(list, *c.before)
		}
	}
	slices.SortFunc(list, func(a, b blob.Object) int { return cmp.Compare(a.Key, b.Key) })
	return list
}
