package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/blobtest"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
)

var errDown = errors.New("down")

func TestNoFaultsIsTheStore(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, fault.New(mem.New(mem.Options{})))
}

// unfired asks a process of this test to run the suite with a fault that never fires.
const unfired = "IMAGO_TEST_UNFIRED_FAULT"

func TestSuiteFailsWhenAFaultDidNotFire(t *testing.T) {
	t.Parallel()
	if os.Getenv(unfired) != "" {
		s := fault.New(mem.New(mem.Options{}))
		s.AddFault(fault.List).On("no such key").ErrorInstead(errDown)
		blobtest.Run(t, s)
		return
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuiteFailsWhenAFaultDidNotFire$")
	again.Env = append(os.Environ(), unfired+"=1")
	out, err := again.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); !failed || !strings.Contains(string(out), "fault 0 of list fired 0 times") {
		t.Errorf("the suite passed a fault that never fired: %v\n%s", err, out)
	}
}

func put(t *testing.T, s blob.Store, key string) error {
	return s.Put(t.Context(), key, strings.NewReader("0123456789"), 10)
}

func read(t *testing.T, s blob.Store, key string) (string, error) {
	data, err := blob.ReadAll(t.Context(), s, key, 100)
	return string(data), err
}

func TestErrorInstead(t *testing.T) {
	t.Parallel()
	s := fault.New(mem.New(mem.Options{}))
	s.AddFault(fault.Put).After(1).ErrorInstead(errDown).Repeat(2)
	for i, want := range []error{nil, errDown, errDown, nil} {
		key := fmt.Sprint("k", i)
		if err := put(t, s, key); !errors.Is(err, want) {
			t.Errorf("put %d: %v, want %v", i, err, want)
		}
		if _, err := read(t, s, key); (err == nil) != (want == nil) {
			t.Errorf("put %d failed with %v and read with %v", i, want, err)
		}
	}
	s.VerifyAllFired(t)
}

func TestErrorAfter(t *testing.T) {
	t.Parallel()
	s := fault.New(mem.New(mem.Options{}))
	s.AddFault(fault.Put).ErrorAfter(errDown)
	s.AddFault(fault.Get).After(1).ErrorAfter(errDown)
	s.AddFault(fault.List).ErrorAfter(errDown)
	if err := put(t, s, "k"); !errors.Is(err, errDown) {
		t.Fatal(err)
	}
	if got, err := read(t, s, "k"); err != nil || got != "0123456789" {
		t.Errorf("done but failed: %q, %v", got, err)
	}
	if _, err := read(t, s, "k"); !errors.Is(err, errDown) {
		t.Errorf("get: %v", err)
	}
	n, last := 0, error(nil)
	for _, err := range s.List(t.Context(), "") {
		n, last = n+1, err
	}
	if n != 2 || !errors.Is(last, errDown) {
		t.Errorf("list: %d answers, the last %v", n, last)
	}
	s.VerifyAllFired(t)
}

// TestReplacedBeforeALock: what a lock holds behind a new object was replaced, and what a store
// does not write over was not.
func TestReplacedBeforeALock(t *testing.T) {
	t.Parallel()
	for _, refuses := range []bool{false, true} {
		s := fault.New(mem.New(mem.Options{LockFor: time.Hour, Refuses: refuses}))
		s.AddFault(fault.List).Stale(1)
		if err := put(t, s, "k"); err != nil {
			t.Fatal(err)
		}
		replace := func() error { return s.Replace(t.Context(), "k", strings.NewReader("new"), 3) }
		err := replace()
		got, readErr := read(t, s, "k")
		if !errors.Is(err, blob.ErrLocked) || blob.Replaced(err) == refuses || readErr != nil || (got == "new") == refuses {
			t.Errorf("refuses %v: %v, and %q is there, %v", refuses, err, got, readErr)
		}
		if got, err := list(t, s); err != nil || (got == "") != refuses {
			t.Errorf("refuses %v: one change ago there was %q, %v", refuses, got, err)
		}
		s.AddFault(fault.Replace).ErrorAfter(errDown)
		if err := replace(); errors.Is(err, errDown) == refuses {
			t.Errorf("refuses %v: done but failed: %v", refuses, err)
		}
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	s := fault.New(mem.New(mem.Options{}))
	s.AddFault(fault.Get).Truncate(4)
	if err := put(t, s, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, s, "k"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut short: %v", err)
	}
	s.VerifyAllFired(t)
}

// TestAlter: a read that lies says nothing of it, and the next one does not.
func TestAlter(t *testing.T) {
	t.Parallel()
	s := fault.New(mem.New(mem.Options{}))
	s.AddFault(fault.Get).Alter(func(b []byte) []byte { return b[:len(b)/2] })
	s.AddFault(fault.Get).Alter(func(b []byte) []byte { return append(b, '!') })
	if err := put(t, s, "k"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"01234", "0123456789!", "0123456789"} {
		if got, err := read(t, s, "k"); err != nil || got != want {
			t.Errorf("read %q, %v; want %q", got, err, want)
		}
	}
	s.VerifyAllFired(t)
}

func TestForeverAndWait(t *testing.T) {
	t.Parallel()
	s := fault.New(mem.New(mem.Options{}))
	open := make(chan struct{})
	s.AddFault(fault.Put).Wait(open)
	s.AddFault(fault.Any).ErrorInstead(errDown).Forever()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, "k", strings.NewReader("x"), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("held: %v", err)
	}
	for range 3 {
		if err := s.Delete(t.Context(), "k"); !errors.Is(err, errDown) {
			t.Errorf("dead: %v", err)
		}
	}
	if got := s.Calls(); len(got) != 4 || got[3] != (fault.Call{Op: fault.Delete, Key: "k"}) {
		t.Errorf("calls: %v", got)
	}
	s.VerifyAllFired(t)
}

// TestTruncatedListing ends one among its objects, with an error and without.
func TestTruncatedListing(t *testing.T) {
	t.Parallel()
	s := fault.New(mem.New(mem.Options{}))
	s.AddFault(fault.List).Truncate(2)
	for _, key := range []string{"a", "b", "c"} {
		if err := put(t, s, key); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := list(t, s); got != "a b" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut short: %s, %v", got, err)
	}
	s.AddFault(fault.List).Omit(1)
	for _, want := range []string{"a", "a b c"} {
		if got, err := list(t, s); got != want || err != nil {
			t.Errorf("listed %s, %v; want %s", got, err, want)
		}
	}
	s.VerifyAllFired(t)
}

func list(t *testing.T, s blob.Store) (keys string, err error) {
	t.Helper()
	var all []string
	for o, err := range s.List(t.Context(), "") {
		if err != nil {
			return strings.Join(all, " "), err
		}
		all = append(all, o.Key)
	}
	return strings.Join(all, " "), nil
}

func TestStaleListing(t *testing.T) {
	t.Parallel()
	for ago, want := range []string{"a c d", "a c", "a b c", "a b", "a", "", ""} {
		s := fault.New(mem.New(mem.Options{}))
		if ago > 0 {
			s.AddFault(fault.List).Stale(ago)
		}
		for _, key := range []string{"a", "b", "c"} {
			if err := put(t, s, key); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(s.Delete(t.Context(), "b"), put(t, s, "d")); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{want, "a c d"} {
			if got, err := list(t, s); err != nil || got != want {
				t.Errorf("%d changes ago: %q, %v; want %q", ago, got, err, want)
			}
		}
		s.VerifyAllFired(t)
	}
}

// TestSlow runs on a clock of its own.
func TestSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := fault.New(mem.New(mem.Options{}))
		s.AddFault(fault.Put).Delay(time.Minute)
		begun := time.Now()
		if err := put(t, s, "k"); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("a slow put: %v after %v", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.AddFault(fault.Get).Stall(4)
		if data, err := blob.ReadAll(ctx, s, "k", 100); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a get that stops: %q, %v", data, err)
		}
		s.AddFault(fault.Delete).On("other").Delay(time.Hour)
		if err := s.Delete(ctx, "other"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a slow delete: %v", err)
		}
		s.VerifyAllFired(t)
	})
}

type complaints int

func (*complaints) Helper()                 {}
func (c *complaints) Errorf(string, ...any) { *c++ }

func TestVerifyAllFired(t *testing.T) {
	t.Parallel()
	s := fault.New(mem.New(mem.Options{}))
	s.AddFault(fault.Put).ErrorInstead(errDown)
	s.AddFault(fault.Get).ErrorInstead(errDown)
	if err := put(t, s, "k"); !errors.Is(err, errDown) {
		t.Fatal(err)
	}
	var c complaints
	if s.VerifyAllFired(&c); c != 1 {
		t.Errorf("%d complaints of one fault that never fired", c)
	}
}
