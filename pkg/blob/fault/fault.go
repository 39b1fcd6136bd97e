// Package fault wraps a blob.Store and makes it fail on purpose: before an
// operation, after it, or half way through, slowly, by listing what was, or by giving
// other bytes than it has, so that tests can stand a writer at every place where a program,
// a network or a disk may stop, and a reader before one that lies.
package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

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
	part     string // of the keys that it meets
	after    int    // operations to let pass first
	times    int    // firings left; negative: for ever
	fired    int
	before   error
	done     error               // after the operation was made
	truncate int64               // bytes of a Get, or objects of a List, to hand out; negative: all
	silent   bool                // a List that is truncated ends without an error
	stall    int64               // bytes of a Get to hand out before it stops answering; negative: all
	stale    int                 // changes that a List does not know yet
	alter    func([]byte) []byte // makes of a Get's content what is handed out; nil: nothing else
	delay    time.Duration
	wait     <-chan struct{}
}

// On lets it meet only operations whose key, or prefix, contains part.
func (f *Fault) On(part string) *Fault { f.part = part; return f }

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

// Truncate ends a Get's content after n bytes, or a List after n objects, with an
// error, as a connection does that is cut.
func (f *Fault) Truncate(n int64) *Fault { f.truncate = n; return f }

// Omit ends a List after n objects as if these were all, which no store may.
func (f *Fault) Omit(n int64) *Fault { f.truncate, f.silent = n, true; return f }

// Stall stops a Get's content after n bytes without an end: nothing comes until the
// context ends.
func (f *Fault) Stall(n int64) *Fault { f.stall = n; return f }

// Alter hands out what change makes of a Get's content, as if that were all of it: a store
// that gives less than it has, or other bytes, and does not say so. No store may.
func (f *Fault) Alter(change func([]byte) []byte) *Fault { f.alter = change; return f }

// Stale lists the store as it was n changes ago: what was put since is missing, and what
// was deleted is there. Plan it before the changes.
func (f *Fault) Stale(n int) *Fault { f.stale = n; return f }

// Delay makes the operation begin later.
func (f *Fault) Delay(d time.Duration) *Fault { f.delay = d; return f }

// Wait holds the operation until the channel is closed or the context ends.
func (f *Fault) Wait(c <-chan struct{}) *Fault { f.wait = c; return f }

// Store is a blob.Store with faults.
type Store struct {
	under   blob.Store
	mu      sync.Mutex
	faults  []*Fault
	ops     []Call
	changes []change // all that were made, if there is a fault
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
	_ blob.Resumer  = (*Store)(nil)
	_ blob.Tagger   = (*body)(nil)
)

// AddFault plans a fault of an operation; the oldest that applies fires.
func (s *Store) AddFault(op Op) *Fault {
	f := &Fault{op: op, times: 1, truncate: -1, stall: -1}
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

// T is as much of a test as VerifyAllFired needs.
type T interface {
	Helper()
	Errorf(format string, args ...any)
}

// VerifyAllFired fails the test for each fault that never fired: what it was
// there to test was not tested.
func (s *Store) VerifyAllFired(t T) {
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
		if f.op != op && f.op != Any || f.times == 0 || !strings.Contains(key, f.part) {
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
	return &Fault{truncate: -1, stall: -1}
}

// do makes an operation with its fault.
func (s *Store) do(ctx context.Context, op Op, key string, operation func(*Fault) error) error {
	f := s.next(op, key)
	if err := f.hold(ctx); err != nil {
		return fmt.Errorf("%s %s: %w", op, key, err)
	}
	if f.before != nil {
		return fmt.Errorf("%s %s: %w", op, key, f.before)
	}
	err := operation(f)
	if f.done != nil && made(op, err) {
		return fmt.Errorf("%s %s: %w", op, key, f.done)
	}
	return err
}

// made reports, by its error, whether an operation was made.
func made(op Op, err error) bool {
	return err == nil || op == Replace && blob.Replaced(err)
}

// hold keeps the operation from its beginning.
func (f *Fault) hold(ctx context.Context) error {
	if f.delay > 0 {
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.wait == nil {
		return nil
	}
	select {
	case <-f.wait:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Put writes an object, or meets a fault.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	return s.change(ctx, Put, key, func() error { return s.under.Put(ctx, key, r, size) })
}

// Replace replaces an object, or meets a fault.
func (s *Store) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	under, ok := blob.As[blob.Replacer](s.under)
	if !ok {
		return fmt.Errorf("replace %s: %w", key, errors.ErrUnsupported)
	}
	return s.change(ctx, Replace, key, func() error { return under.Replace(ctx, key, r, size) })
}

// Delete removes an object, or meets a fault.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.change(ctx, Delete, key, func() error { return s.under.Delete(ctx, key) })
}

// Get reads an object, or meets a fault; one that was done but failed is an
// error when the content ends.
func (s *Store) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	return s.read(ctx, key, func() (io.ReadCloser, error) { return s.under.Get(ctx, key, rng) })
}

// Resume reads on in an object, or meets a fault of Get.
func (s *Store) Resume(ctx context.Context, key string, rng blob.Range, tag string) (io.ReadCloser, error) {
	under, ok := blob.As[blob.Resumer](s.under)
	if !ok {
		return nil, fmt.Errorf("resume %s: %w", key, errors.ErrUnsupported)
	}
	return s.read(ctx, key, func() (io.ReadCloser, error) { return under.Resume(ctx, key, rng, tag) })
}

// Capabilities are those of the store below.
func (s *Store) Capabilities() blob.Capabilities { return s.under.Capabilities() }
