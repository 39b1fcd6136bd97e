package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

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
