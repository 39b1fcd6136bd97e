// Package fault wraps a blob.Store and makes it fail on purpose: before an
// operation, after it, or half way through, so that tests can stand a writer at
// every place where a program, a network or a disk may stop.
package fault

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"

	"imago/pkg/blob"
)

// Op is an operation of a store.
type Op string

// The operations; Any stands for each of them.
const (
	Put     Op = "put"
	Replace Op = "replace"
	Get     Op = "get"
	List    Op = "list"
	Delete  Op = "delete"
	Any     Op = "any"
)

// Fault is one planned failure. Its methods are called before the store is used.
type Fault struct {
	op       Op
	after    int // operations to let pass first
	times    int // firings left; negative: for ever
	fired    int
	before   error
	done     error // after the operation was made
	truncate int64 // bytes of a Get to hand out; negative: all
	wait     <-chan struct{}
}

// After lets n operations of the kind pass unharmed first.
func (f *Fault) After(n int) *Fault { f.after = n; return f }

// Repeat makes the fault fire n times; once is the default.
func (f *Fault) Repeat(n int) *Fault { f.times = n; return f }

// Forever makes the fault fire from now on: the program is dead.
func (f *Fault) Forever() *Fault { f.times = -1; return f }

// ErrorInstead answers with err and does nothing.
func (f *Fault) ErrorInstead(err error) *Fault { f.before = err; return f }

// ErrorAfter does the operation and answers with err: done, and looks failed.
func (f *Fault) ErrorAfter(err error) *Fault { f.done = err; return f }

// Truncate ends a Get's content after n bytes with an error, as a connection does
// that is cut.
func (f *Fault) Truncate(n int64) *Fault { f.truncate = n; return f }

// Wait holds the operation until the channel is closed or the context ends.
func (f *Fault) Wait(c <-chan struct{}) *Fault { f.wait = c; return f }

// Store is a blob.Store with faults.
type Store struct {
	under  blob.Store
	mu     sync.Mutex
	faults []*Fault
	ops    []Call
}

// Call is an operation that was asked for.
type Call struct {
	Op  Op
	Key string
}

// New wraps a store. With no faults it is that store.
func New(under blob.Store) *Store { return &Store{under: under} }

var (
	_ blob.Store    = (*Store)(nil)
	_ blob.Replacer = (*Store)(nil)
)

// AddFault plans a fault of an operation; the oldest that applies fires.
func (s *Store) AddFault(op Op) *Fault {
	f := &Fault{op: op, times: 1, truncate: -1}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
	return f
}

// Calls lists the operations that were asked for, in their order.
func (s *Store) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Call(nil), s.ops...)
}

// Unwrap gives the store below.
func (s *Store) Unwrap() blob.Store { return s.under }

// VerifyAllFired fails the test for each fault that never fired: what it was
// there to test was not tested.
func (s *Store) VerifyAllFired(t interface {
	Helper()
	Errorf(format string, args ...any)
}) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.fired == 0 || f.times > 0 {
			t.Errorf("fault %d of %s fired %d times, %d left", i, f.op, f.fired, f.times)
		}
	}
}

// next notes the call and finds the fault that it meets; never nil.
func (s *Store) next(op Op, key string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, Call{op, key})
	for _, f := range s.faults {
		if f.op != op && f.op != Any || f.times == 0 {
			continue
		}
		if f.after > 0 {
			f.after--
			continue
		}
		if f.times > 0 {
			f.times--
		}
		f.fired++
		return f
	}
	return &Fault{truncate: -1}
}

// do makes an operation with its fault.
func (s *Store) do(ctx context.Context, op Op, key string, operation func(*Fault) error) error {
	f := s.next(op, key)
	if f.wait != nil {
		select {
		case <-f.wait:
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w", op, key, ctx.Err())
		}
	}
	if f.before != nil {
		return fmt.Errorf("%s %s: %w", op, key, f.before)
	}
	if err := operation(f); err != nil {
		return err
	}
	if f.done != nil {
		return fmt.Errorf("%s %s: %w", op, key, f.done)
	}
	return nil
}

// Put writes an object, or meets a fault.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	return s.do(ctx, Put, key, func(*Fault) error { return s.under.Put(ctx, key, r, size) })
}

// Replace replaces an object, or meets a fault.
func (s *Store) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	under, ok := s.under.(blob.Replacer)
	if !ok {
		return fmt.Errorf("replace %s: the store cannot", key)
	}
	return s.do(ctx, Replace, key, func(*Fault) error { return under.Replace(ctx, key, r, size) })
}

// Get reads an object, or meets a fault; one that was done but failed is an
// error when the content ends.
func (s *Store) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := s.do(ctx, Get, key, func(f *Fault) error {
		r, err := s.under.Get(ctx, key, rng)
		if err == nil && f.truncate >= 0 {
			r = &cut{r, f.truncate}
		}
		body = r
		return err
	})
	if err != nil && body != nil {
		if e := body.Close(); e != nil {
			return nil, fmt.Errorf("%w; close: %w", err, e)
		}
		return nil, err
	}
	return body, err
}

// cut ends a reader early.
type cut struct {
	io.ReadCloser
	left int64
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// List lists objects, or meets a fault: instead of them, or after the last.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		stopped := false
		err := s.do(ctx, List, prefix, func(*Fault) error {
			for o, err := range s.under.List(ctx, prefix) {
				if err != nil {
					return err
				}
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

// Delete removes an object, or meets a fault.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.do(ctx, Delete, key, func(*Fault) error { return s.under.Delete(ctx, key) })
}

// Capabilities are those of the store below.
func (s *Store) Capabilities() blob.Capabilities { return s.under.Capabilities() }
