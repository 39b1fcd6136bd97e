package mem_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/blobtest"
	"imago/pkg/blob/mem"
)

func TestStore(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, mem.New(mem.Options{}))
}

func TestStoreThatLocks(t *testing.T) {
	t.Parallel()
	for _, refuses := range []bool{false, true} {
		s := mem.New(mem.Options{LockFor: time.Hour, Refuses: refuses})
		blobtest.Run(t, s)
		if err := errors.Join(put(t, s, "a"), s.Replace(t.Context(), "a", strings.NewReader("y"), 1)); blob.Replaced(err) == refuses {
			t.Errorf("refuses to write over what it locks: %v, want %v: %v", !refuses, refuses, err)
		}
	}
}

func put(t *testing.T, s *mem.Store, key string) error {
	t.Helper()
	return s.Put(t.Context(), key, strings.NewReader("x"), 1)
}

func TestLocksEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := mem.New(mem.Options{Now: func() time.Time { return now }, LockFor: time.Hour})
	if err := put(t, s, "a"); err != nil {
		t.Fatal(err)
	}
	replace := func() error { return s.Replace(t.Context(), "a", strings.NewReader("y"), 1) }
	remove := func() error { return s.Delete(t.Context(), "a") }
	for _, c := range []struct {
		after  time.Duration
		do     func() error
		locked bool
	}{{0, remove, true}, {time.Hour - 1, remove, true}, {0, replace, true}, {1, remove, true}, {time.Hour, replace, false}, {time.Hour, remove, false}} {
		now = now.Add(c.after)
		if err := c.do(); errors.Is(err, blob.ErrLocked) != c.locked || !c.locked && err != nil {
			t.Errorf("at %v: %v, want locked %v", now, err, c.locked)
		}
	}
}

func TestNoKeyBelowAnother(t *testing.T) {
	t.Parallel()
	s := mem.New(mem.Options{})
	if err := put(t, s, "a/b"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b/c"} {
		if put(t, s, key) == nil {
			t.Errorf("%s beside a/b: a file system could not hold both", key)
		}
	}
}

func TestEditAndClone(t *testing.T) {
	t.Parallel()
	s := mem.New(mem.Options{})
	if err := s.Put(t.Context(), "a", strings.NewReader("abc"), 3); err != nil {
		t.Fatal(err)
	}
	before := s.Clone()
	if !s.Edit("a", bytes.ToUpper) || s.Edit("b", bytes.ToUpper) {
		t.Error("Edit reports wrongly whether there was an object")
	}
	for want, store := range map[string]*mem.Store{"ABC": s, "abc": before} {
		if got, err := blob.ReadAll(t.Context(), store, "a", 10); err != nil || string(got) != want {
			t.Errorf("%q and %v, want %q", got, err, want)
		}
	}
	if _, err := blob.ReadAll(t.Context(), s, "a", 2); err == nil {
		t.Error("an object over the limit was read")
	}
}
