// Package retry wraps a blob.Store and tries again what another attempt may mend: a store
// that is unavailable for now, or slow, and a connection that breaks.
//
// A read that breaks in the middle goes on where it had got to, in the same object. A put
// whose answer got lost is a success only if the object there has its bytes. The store
// below does not try again by itself, so that attempts do not multiply.
package retry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"slices"
	"syscall"
	"time"

	"imago/pkg/blob"
)

// Options of New. All times are of the clock that timers run by.
type Options struct {
	Attempts int           // of one operation, and of a read or listing since it last got on; zero: 5
	First    time.Duration // most that is waited before the second attempt, and twice as much each time; zero: 200 ms
	Longest  time.Duration // most that is ever waited; zero: 10 seconds
	Timeout  time.Duration // of an attempt until its answer begins, but for the bytes it sends; zero: 30 seconds
	Slowest  int64         // bytes a second that a put must manage beyond that; zero: 64 KiB
	Idle     time.Duration // that a read may wait for its next bytes; zero: 30 seconds

	// Wait waits between attempts; an error ends the operation. nil: until d has passed
	// or the context has ended.
	Wait func(ctx context.Context, d time.Duration) error
	// Jitter is a number from 0 up to 1 that the wait is multiplied by. nil: a random one.
	Jitter func() float64
}

func (o *Options) settle() error {
	if o.Attempts < 0 || o.First < 0 || o.Longest < 0 || o.Timeout < 0 || o.Slowest < 0 || o.Idle < 0 {
		return errors.New("retry: an option is negative")
	}
	o.Attempts, o.Slowest = cmp.Or(o.Attempts, 5), cmp.Or(o.Slowest, 64<<10)
	o.First, o.Longest = cmp.Or(o.First, 200*time.Millisecond), cmp.Or(o.Longest, 10*time.Second)
	o.Timeout, o.Idle = cmp.Or(o.Timeout, 30*time.Second), cmp.Or(o.Idle, 30*time.Second)
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Store is a blob.Store that tries again, safe for concurrent use.
type Store struct {
	under blob.Store
	o     Options
}

// New wraps a store.
func New(under blob.Store, o Options) (*Store, error) {
	if err := o.settle(); err != nil {
		return nil, err
	}
	return &Store{under, o}, nil
}

var (
	_ blob.Store    = (*Store)(nil)
	_ blob.Replacer = (*Store)(nil)
	_ blob.Resumer  = (*Store)(nil)
	_ blob.Deleter  = (*Store)(nil)
)

// Unwrap gives the store below.
func (s *Store) Unwrap() blob.Store { return s.under }

// Capabilities are those of the store below.
func (s *Store) Capabilities() blob.Capabilities { return s.under.Capabilities() }

// errSlow ends an attempt that takes too long.
var errSlow = fmt.Errorf("no answer in time: %w", blob.ErrUnavailable)

// worth reports whether another attempt may go better.
func worth(err error) bool {
	if errors.Is(err, blob.ErrUnavailable) {
		return true
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return true
	}
	for _, e := range []error{syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// tries counts the attempts of one operation.
type tries struct {
	o    *Options
	made int
}

// again waits for the next attempt after one that failed; else it gives the error to end
// with: the failure itself when none is left or worth it, or the context's.
func (t *tries) again(ctx context.Context, err error) error {
	t.made++
	if e := ctx.Err(); e != nil {
		return errors.Join(e, err)
	}
	if !worth(err) {
		return err
	}
	if t.made >= t.o.Attempts {
		return fmt.Errorf("%w (attempt %d)", err, t.made)
	}
	if e := t.o.Wait(ctx, t.pause()); e != nil {
		return errors.Join(e, err)
	}
	return nil
}

// pause grows twofold with each attempt, and is scattered, so that many writers do not
// come back together.
func (t *tries) pause() time.Duration {
	most := t.o.First
	for range t.made - 1 {
		most = min(2*most, t.o.Longest)
	}
	return time.Duration(t.o.Jitter() * float64(min(most, t.o.Longest)))
}

// attempt runs one attempt, which must answer in time.
func attempt(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	return late(ctx, do(ctx))
}

// late names the reason of an error that our own limit caused, which would else look like
// the caller's deadline. An answer that came at the last moment is one.
func late(ctx context.Context, err error) error {
	if err == nil || answered(err) || !errors.Is(context.Cause(ctx), errSlow) {
		return err
	}
	return fmt.Errorf("%w: %v", errSlow, err) //nolint:errorlint // the deadline was ours: it must not pass for the caller's
}

// answered reports whether an error is what the store had to say.
func answered(err error) bool {
	for _, e := range []error{blob.ErrExists, blob.ErrNotFound, blob.ErrLocked, blob.ErrChanged, blob.ErrRange} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	for t := (tries{o: &s.o}); ; {
		err := attempt(ctx, s.o.Timeout, func(ctx context.Context) error { return s.under.Delete(ctx, key) })
		if err == nil {
			return nil
		}
		if err := t.again(ctx, err); err != nil {
			return err
		}
	}
}

// DeleteAll removes objects: those that another attempt may take, again.
func (s *Store) DeleteAll(ctx context.Context, keys []string) (failed map[string]error) {
	for some := range slices.Chunk(keys, atATime) {
		for key, err := range s.deleteSome(ctx, some) {
			failed = blob.Failed(failed, key, err)
		}
	}
	return failed
}

// atATime is how many objects are deleted in one attempt: as many as S3 takes in a request.
const atATime = 1000

func (s *Store) deleteSome(ctx context.Context, keys []string) (failed map[string]error) {
	for t := (tries{o: &s.o}); ; {
		var left map[string]error
		err := attempt(ctx, s.o.Timeout, func(ctx context.Context) error {
			left = blob.DeleteAll(ctx, s.under, keys)
			return hopeful(left)
		})
		keys = keys[:0:0]
		for key, e := range left {
			if worth(e) {
				keys = append(keys, key)
			} else {
				failed = blob.Failed(failed, key, e)
			}
		}
		if len(keys) == 0 {
			return failed
		}
		if err := t.again(ctx, err); err != nil {
			for _, key := range keys {
				failed = blob.Failed(failed, key, err)
			}
			return failed
		}
	}
}

// hopeful is an error that another attempt may mend; nil: there is none.
func hopeful(failed map[string]error) error {
	for _, err := range failed {
		if worth(err) {
			return err
		}
	}
	return nil
}

// List yields objects. A listing that breaks begins anew, and what was yielded is passed
// over: keys come in order.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		t, last := tries{o: &s.o}, ""
		for {
			got, err := s.list(ctx, prefix, last, yield)
			if got > last {
				t.made, last = 0, got
			}
			if err == nil {
				return
			}
			if err := t.again(ctx, err); err != nil {
				yield(blob.Object{}, err)
				return
			}
		}
	}
}

// list yields the objects after a key, and gives the last one's.
func (s *Store) list(ctx context.Context, prefix, last string, yield func(blob.Object, error) bool) (string, error) {
	ctx, watch := watched(ctx, s.o.Timeout)
	defer watch.stop()
	for o, err := range s.under.List(ctx, prefix) {
		if err != nil {
			return last, cut(late(ctx, err))
		}
		if o.Key <= last {
			watch.reset(s.o.Timeout)
			continue
		}
		watch.pause() // the caller may take its time
		if last = o.Key; !yield(o, nil) {
			return last, nil
		}
		watch.reset(s.o.Timeout)
	}
	return last, nil
}

// cut marks content that broke off as worth another attempt.
func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, blob.ErrRange) {
		return fmt.Errorf("%w: %w", blob.ErrUnavailable, err)
	}
	return err
}
