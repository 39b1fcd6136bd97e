package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/blobtest"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/blob/retry"
)

var (
	errBusy   = fmt.Errorf("503 slow down: %w", blob.ErrUnavailable)
	errDenied = errors.New("403 denied")
)

// world is a store that retries over one with faults, and what it waited.
type world struct {
	*retry.Store
	faults *fault.Store
	mem    *mem.Store
	waited []time.Duration
}

// newWorld makes one that waits for nothing, at full length.
func newWorld(t *testing.T, o retry.Options) *world {
	t.Helper()
	w := &world{mem: mem.New(mem.Options{})}
	w.faults = fault.New(w.mem)
	o.Wait = func(ctx context.Context, d time.Duration) error {
		w.waited = append(w.waited, d)
		return ctx.Err()
	}
	o.Jitter = func() float64 { return 1 }
	var err error
	if w.Store, err = retry.New(w.faults, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.faults.VerifyAllFired(t) })
	return w
}

func (w *world) put(t *testing.T, key, data string) error {
	t.Helper()
	return w.Put(t.Context(), key, strings.NewReader(data), int64(len(data)))
}

func (w *world) read(t *testing.T, key string, rng blob.Range) (string, error) {
	t.Helper()
	r, err := w.Get(t.Context(), key, rng)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(iotest.OneByteReader(r))
	return string(data), errors.Join(err, r.Close())
}

// calls counts the operations that the store below was asked for.
func (w *world) calls(op fault.Op) (n int) {
	for _, c := range w.faults.Calls() {
		if c.Op == op {
			n++
		}
	}
	return n
}

// TestStore runs the suite over a store in which every kind of fault happens that another
// attempt mends.
func TestStore(t *testing.T) {
	t.Parallel()
	faults := fault.New(mem.New(mem.Options{}))
	for _, op := range []fault.Op{fault.Put, fault.Replace, fault.Get, fault.List, fault.Delete} {
		faults.AddFault(op).ErrorInstead(errBusy)
		faults.AddFault(op).After(1).ErrorAfter(syscall.ECONNRESET)
		faults.AddFault(op).After(2).ErrorInstead(&net.DNSError{IsTimeout: true})
		faults.AddFault(op).After(3).Delay(time.Hour)
	}
	for i := range int64(5) {
		faults.AddFault(fault.Get).After(int(i)).Truncate(i)
		faults.AddFault(fault.Get).After(int(i)).Stall(i)
	}
	faults.AddFault(fault.List).Truncate(3)
	faults.AddFault(fault.List).On("listsmany").Truncate(700)
	faults.AddFault(fault.Put).On("blobtest/listsmany").After(100).ErrorAfter(errBusy).Repeat(20)
	s, err := retry.New(faults, retry.Options{Attempts: 30})
	if err != nil {
		t.Fatal(err)
	}
	blobtest.RunByFakeClock(t, s)
}

// TestStoreWithoutFaults shows that retrying adds nothing.
func TestStoreWithoutFaults(t *testing.T) {
	t.Parallel()
	for _, o := range []mem.Options{{}, {LockFor: time.Hour}, {LockFor: time.Hour, Refuses: true}} {
		s, err := retry.New(mem.New(o), retry.Options{})
		if err != nil {
			t.Fatal(err)
		}
		blobtest.Run(t, s)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, retry.Options{Attempts: 6, First: time.Second, Longest: 5 * time.Second})
	w.faults.AddFault(fault.Delete).ErrorInstead(errBusy).Repeat(6)
	if err := w.Delete(t.Context(), "a"); !errors.Is(err, blob.ErrUnavailable) || w.calls(fault.Delete) != 6 {
		t.Errorf("%v after %d attempts: six are the bound", err, w.calls(fault.Delete))
	}
	if got, want := fmt.Sprint(w.waited), "[1s 2s 4s 5s 5s]"; got != want {
		t.Errorf("waited %s, want %s", got, want)
	}
	// What comes after an outage is tried as often as ever.
	w.faults.AddFault(fault.Delete).ErrorInstead(errBusy).Repeat(5)
	if err := w.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// TestDeletesTheRestAgain: of many, those are deleted again that another attempt may take.
func TestDeletesTheRestAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, retry.Options{Attempts: 3})
	w.faults.AddFault(fault.Delete).On("busy").ErrorInstead(errBusy).Repeat(2)
	w.faults.AddFault(fault.Delete).On("denied").ErrorInstead(errDenied)
	w.faults.AddFault(fault.Delete).On("down").ErrorInstead(errBusy).Repeat(3)
	failed := w.DeleteAll(t.Context(), []string{"a", "busy", "denied", "down", "z"})
	if len(failed) != 2 || !errors.Is(failed["denied"], errDenied) || !errors.Is(failed["down"], blob.ErrUnavailable) {
		t.Errorf("%v", failed)
	}
	if got := w.calls(fault.Delete); got != 5+2+2 {
		t.Errorf("%d deletes: what is done, or denied, is not asked for again", got)
	}
}

// TestNotWorthIt: what another attempt cannot mend is asked once.
func TestNotWorthIt(t *testing.T) {
	t.Parallel()
	for _, e := range []error{errDenied, blob.ErrNotFound, blob.ErrExists, &blob.LockedError{Err: errDenied}, blob.ErrRange} {
		w := newWorld(t, retry.Options{})
		for _, op := range []fault.Op{fault.Put, fault.Replace, fault.Get, fault.List, fault.Delete} {
			w.faults.AddFault(op).ErrorInstead(e)
		}
		_, getErr := w.read(t, "a", blob.Whole)
		var listErr error
		for _, listErr = range w.List(t.Context(), "") {
		}
		for op, err := range map[fault.Op]error{
			fault.Put: w.put(t, "a", "x"), fault.Delete: w.Delete(t.Context(), "a"), fault.Get: getErr, fault.List: listErr,
			fault.Replace: w.Replace(t.Context(), "a", strings.NewReader("x"), 1),
		} {
			if !errors.Is(err, e) || w.calls(op) != 1 {
				t.Errorf("%s: %v after %d attempts, want %v after one", op, err, w.calls(op), e)
			}
		}
	}
}

// TestGoesOn: a read that breaks goes on where it had got to, and asks for no byte twice.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	for _, rng := range []blob.Range{blob.Whole, {Offset: 2, Length: 7}, {Offset: 2, Length: -1}, {Offset: 0, Length: 10}} {
		w := newWorld(t, retry.Options{Attempts: 3})
		if err := w.put(t, "a", "0123456789"); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int64{3, 1, 2} { // seven attempts, but it got on between
			w.faults.AddFault(fault.Get).Truncate(n)
			w.faults.AddFault(fault.Get).ErrorInstead(errBusy)
		}
		want := "0123456789"[rng.Offset:]
		if rng.Length >= 0 {
			want = want[:rng.Length]
		}
		if got, err := w.read(t, "a", rng); err != nil || got != want {
			t.Errorf("%+v: read %q and %v, want %q", rng, got, err, want)
		}
	}
}

// TestBreaksBehindTheLastByte: nothing is missing.
func TestBreaksBehindTheLastByte(t *testing.T) {
	t.Parallel()
	for _, rng := range []blob.Range{blob.Whole, {Offset: 0, Length: 10}} {
		w := newWorld(t, retry.Options{})
		if err := w.put(t, "a", "0123456789"); err != nil {
			t.Fatal(err)
		}
		w.faults.AddFault(fault.Get).Truncate(10)
		if got, err := w.read(t, "a", rng); err != nil || got != "0123456789" {
			t.Errorf("%+v: read %q and %v", rng, got, err)
		}
		if n := w.calls(fault.Get); rng != blob.Whole && n != 1 {
			t.Errorf("%+v: asked %d times, and all was there", rng, n)
		}
	}
}

func TestStopsGoingOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		break_ func(*world)
		want   error
	}{
		"no bytes any more": {func(w *world) { w.faults.AddFault(fault.Get).Truncate(0).Repeat(4) }, blob.ErrUnavailable},
		"refused":           {func(w *world) { w.faults.AddFault(fault.Get).ErrorInstead(errDenied) }, errDenied},
		"replaced":          {func(w *world) { w.mem.Edit("a", func([]byte) []byte { return []byte("9876543210") }) }, blob.ErrChanged},
		"cut shorter":       {func(w *world) { w.mem.Edit("a", func(b []byte) []byte { return b[:2] }) }, blob.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, retry.Options{})
			if err := w.put(t, "a", "0123456789"); err != nil {
				t.Fatal(err)
			}
			w.faults.AddFault(fault.Get).Truncate(4)
			r, err := w.Get(t.Context(), "a", blob.Whole)
			if err != nil {
				t.Fatal(err)
			}
			c.break_(w)
			data, err := io.ReadAll(r)
			if string(data) != "0123" || !errors.Is(err, c.want) {
				t.Errorf("read %q and %v, want 0123 and %v", data, err, c.want)
			}
			if _, again := r.Read(make([]byte, 1)); again != err { //nolint:errorlint // the very same
				t.Errorf("then %v", again)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// bare is a store of the least abilities.
type bare struct{ blob.Store }

// TestCannotGoOn: without a way to know that it is the same object, none is read on.
func TestCannotGoOn(t *testing.T) {
	t.Parallel()
	below := mem.New(mem.Options{})
	faults := fault.New(bare{below})
	s, err := retry.New(faults, retry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "a", strings.NewReader("0123"), 4); err != nil {
		t.Fatal(err)
	}
	faults.AddFault(fault.Get).Truncate(2)
	if data, err := blob.ReadAll(t.Context(), s, "a", 10); err == nil {
		t.Errorf("read %q", data)
	}
	if err := s.Replace(t.Context(), "a", strings.NewReader("x"), 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("replaced: %v", err)
	}
}

// TestLostAnswer: a put that was made, and whose answer got lost, went well if the bytes
// that are there are its own.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, retry.Options{})
	w.faults.AddFault(fault.Put).ErrorAfter(errBusy)
	w.faults.AddFault(fault.Get).ErrorInstead(errBusy) // comparing tries again, too
	if err := w.put(t, "a", "ours"); err != nil {
		t.Errorf("made, and its answer lost: %v", err)
	}
	if err := w.put(t, "a", "ours"); !errors.Is(err, blob.ErrExists) {
		t.Errorf("a second put of the same: %v, want ErrExists", err)
	}
	for _, theirs := range []string{"them", "theirs", "our", ""} {
		w := newWorld(t, retry.Options{})
		if err := w.put(t, "a", theirs); err != nil {
			t.Fatal(err)
		}
		w.faults.AddFault(fault.Put).ErrorInstead(errBusy)
		if err := w.put(t, "a", "ours"); !errors.Is(err, blob.ErrExists) {
			t.Errorf("%q is there: %v, want ErrExists", theirs, err)
		}
	}
}

// TestLostAnswerOfAReplacement: a store that does not write over what it locks refuses after
// what the first attempt has put, as it does before what another did.
func TestLostAnswerOfAReplacement(t *testing.T) {
	t.Parallel()
	faults := fault.New(mem.New(mem.Options{LockFor: time.Hour, Refuses: true}))
	s, err := retry.New(faults, retry.Options{Wait: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	replace := func(data string) error {
		return s.Replace(t.Context(), "a", strings.NewReader(data), int64(len(data)))
	}
	faults.AddFault(fault.Replace).ErrorAfter(errBusy)
	faults.AddFault(fault.Replace).After(1).ErrorInstead(errBusy)
	if err := replace("ours"); err != nil {
		t.Errorf("made, and its answer lost: %v", err)
	}
	if err := replace("another"); !errors.Is(err, blob.ErrLocked) || blob.Replaced(err) {
		t.Errorf("another is there, and is locked: %v", err)
	}
	faults.VerifyAllFired(t)
}

// TestContent: each attempt sends all of it, whatever kind of reader it comes from.
func TestContent(t *testing.T) {
	t.Parallel()
	wound := strings.NewReader("xxours")
	if _, err := wound.Seek(2, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.Reader{
		"rewindable": strings.NewReader("ours"), "from its middle": wound, "not rewindable": io.MultiReader(strings.NewReader("ou"), strings.NewReader("rs")),
	} {
		w := newWorld(t, retry.Options{})
		w.faults.AddFault(fault.Put).ErrorAfter(errBusy)
		w.faults.AddFault(fault.Put).ErrorInstead(errBusy)
		err := w.Put(t.Context(), "a", r, 4)
		if got, e := w.read(t, "a", blob.Whole); err != nil || e != nil || got != "ours" {
			t.Errorf("%s: %v, and %q is there, %v", name, err, got, e)
		}
	}
}

func TestListsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, retry.Options{Attempts: 2})
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		if err := w.put(t, key, key); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int64{0, 2, 4, 5} {
		w.faults.AddFault(fault.List).Truncate(n)
	}
	var got string
	for o, err := range w.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got += o.Key
	}
	if got != "abcde" {
		t.Errorf("listed %s", got)
	}
	w.faults.AddFault(fault.List).Truncate(3).Repeat(2)
	var last error
	for _, err := range w.List(t.Context(), "") {
		last = err
	}
	if !errors.Is(last, io.ErrUnexpectedEOF) {
		t.Errorf("a listing that does not get on ended with %v", last)
	}
}

// TestContext: who does not wait any longer is not kept waiting.
func TestContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := fault.New(mem.New(mem.Options{}))
		faults.AddFault(fault.Delete).ErrorInstead(errBusy).Forever()
		faults.AddFault(fault.Get).Delay(time.Hour)
		s, err := retry.New(faults, retry.Options{First: time.Hour, Longest: time.Hour, Jitter: func() float64 { return 1 }})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Delete(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("between attempts: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := s.Get(ctx, "a", blob.Whole); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("in an attempt: %v", err)
		}
		if waited := time.Since(begun); waited != 20*time.Second {
			t.Errorf("kept waiting for %v", waited)
		}
		faults.VerifyAllFired(t)
	})
}

// TestSlow: a store that does not answer is asked again; one that answers slowly, but
// goes on answering, is not.
func TestSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := fault.New(mem.New(mem.Options{}))
		o := retry.Options{Timeout: 10 * time.Second, Idle: 5 * time.Second, Slowest: 1, First: time.Nanosecond, Longest: time.Nanosecond}
		s, err := retry.New(faults, o)
		if err != nil {
			t.Fatal(err)
		}
		put := func(key string) error { return s.Put(t.Context(), key, strings.NewReader("0123456789"), 10) }
		took := func(what string, want time.Duration, do func() error) {
			t.Helper()
			begun := time.Now()
			if err := do(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if got := time.Since(begun).Round(time.Second); got != want {
				t.Errorf("%s took %v, want %v", what, got, want)
			}
		}
		faults.AddFault(fault.Put).Delay(19 * time.Second)
		took("a large body over a slow line", 19*time.Second, func() error { return put("a") })
		faults.AddFault(fault.Put).Delay(21 * time.Second)
		took("a put that hangs", 20*time.Second, func() error { return put("b") })
		for op, do := range map[fault.Op]func() error{
			fault.Delete: func() error { return s.Delete(t.Context(), "b") },
			fault.Get:    func() error { _, err := blob.ReadAll(t.Context(), s, "a", 10); return err },
			fault.List: func() (last error) {
				for _, last = range s.List(t.Context(), "") {
				}
				return last
			},
		} {
			faults.AddFault(op).Delay(time.Hour)
			took(string(op)+" that hangs", 10*time.Second, do)
		}
		faults.AddFault(fault.Get).Stall(3)
		faults.AddFault(fault.Get).Stall(3)
		took("content that stops twice", 10*time.Second, func() error {
			data, err := blob.ReadAll(t.Context(), s, "a", 10)
			if string(data) != "0123456789" {
				t.Errorf("read %q", data)
			}
			return err
		})
		gets := len(faults.Calls())
		took("a reader that takes its time", 2*time.Hour, func() error {
			r, err := s.Get(t.Context(), "a", blob.Whole)
			if err != nil {
				return err
			}
			first := make([]byte, 4)
			_, err = io.ReadFull(r, first)
			<-time.After(2 * time.Hour)
			rest, e := io.ReadAll(r)
			if string(first)+string(rest) != "0123456789" {
				t.Errorf("read %q and %q", first, rest)
			}
			return errors.Join(err, e, r.Close())
		})
		if n := len(faults.Calls()) - gets; n != 1 {
			t.Errorf("asked %d times", n)
		}
		if err := put("c"); err != nil {
			t.Fatal(err)
		}
		lists := len(faults.Calls())
		took("a listing whose reader takes its time", 4*time.Hour, func() (last error) {
			for _, last = range s.List(t.Context(), "") {
				<-time.After(2 * time.Hour)
			}
			return last
		})
		if n := len(faults.Calls()) - lists; n != 1 {
			t.Errorf("listed %d times", n)
		}
		faults.VerifyAllFired(t)
	})
}

// TestNobodyWaits: when the context has ended, an attempt that failed is the last.
func TestNobodyWaits(t *testing.T) {
	t.Parallel()
	faults := fault.New(mem.New(mem.Options{}))
	faults.AddFault(fault.Delete).ErrorInstead(errBusy).Forever()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := retry.New(faults, retry.Options{Wait: func(context.Context, time.Duration) error { cancel(); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "a"); !errors.Is(err, context.Canceled) || len(faults.Calls()) != 2 {
		t.Errorf("%v after %d attempts", err, len(faults.Calls()))
	}
}

// lastMoment answers when the time is up.
type lastMoment struct {
	blob.Store
	answers error
	asked   int
}

func (s *lastMoment) Delete(ctx context.Context, _ string) error {
	s.asked++
	<-ctx.Done()
	return s.answers
}

// TestLastMoment: an answer counts, however late.
func TestLastMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, answer := range []error{&blob.LockedError{Err: errDenied}, blob.ErrNotFound, blob.ErrExists, blob.ErrChanged} {
			below := &lastMoment{Store: mem.New(mem.Options{}), answers: answer}
			s, err := retry.New(below, retry.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Delete(t.Context(), "a"); !errors.Is(err, answer) || below.asked != 1 {
				t.Errorf("%v after %d attempts, want %v", err, below.asked, answer)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if _, err := retry.New(mem.New(mem.Options{}), retry.Options{Attempts: -1}); err == nil {
		t.Error("a negative number of attempts was taken")
	}
}
