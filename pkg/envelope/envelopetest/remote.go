package envelopetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"imago/pkg/envelope"
)

// Fault is a way in which a key service on the other side of a network fails.
type Fault string

// The faults. The last five are the network's, whatever the service is.
const (
	Healthy   Fault = ""
	Throttled Fault = "throttled" // asked more often than it allows
	Denied    Fault = "denied"    // the key is not for us
	Disabled  Fault = "disabled"  // the key may not be used now
	Deleted   Fault = "deleted"   // the key is gone, or about to be
	Internal  Fault = "internal"  // it has trouble of its own

	Unreachable Fault = "unreachable" // nobody answers
	Slow        Fault = "slow"        // the answer does not come
	Cut         Fault = "cut"         // the answer ends half way
	Garbage     Fault = "garbage"     // somebody else answers, and repeats what was sent
	Hollow      Fault = "hollow"      // the answer says nothing
)

// Faulty is the part of a stand-in that fails as it is told.
type Faulty struct {
	Handler http.Handler
	// Say answers as the service does in a fault of its own; false: it never has that one.
	Say func(w http.ResponseWriter, r *http.Request, f Fault) bool

	mu    sync.Mutex
	fault Fault
	left  int // how many requests are still to fail; below zero: all
	calls int
	heard func()
}

// Fail has the next n requests fail; all of them, if n is below zero.
func (s *Faulty) Fail(f Fault, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.left, s.calls = f, n, 0
}

// Hear has something done when a request has come, before it is answered; nil: nothing.
func (s *Faulty) Hear(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = do
}

// Calls is how many requests have come since the last Fail.
func (s *Faulty) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *Faulty) next() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.heard != nil {
		s.heard()
	}
	if s.left == 0 {
		return Healthy
	}
	s.left--
	return s.fault
}

// ServeHTTP answers, or fails.
func (s *Faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch f := s.next(); f {
	case Healthy:
		s.Handler.ServeHTTP(w, r)
	case Unreachable:
		panic(http.ErrAbortHandler)
	case Slow:
		<-r.Context().Done()
	case Cut:
		w.Header().Set("Content-Length", "1000")
		write(w, []byte(`{"KeyId":"arn:aws`))
		if err := http.NewResponseController(w).Flush(); err != nil {
			http.Error(w, err.Error(), http.StatusNotImplemented)
		}
		panic(http.ErrAbortHandler)
	case Garbage:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		write(w, append([]byte("<html>cannot forward "), body...))
	case Hollow:
		write(w, []byte("{}"))
	default:
		if !s.Say(w, r, f) {
			http.Error(w, "no such fault", http.StatusNotImplemented)
		}
	}
}

// write answers; whoever has gone need not have it.
func write(w io.Writer, b []byte) {
	if _, err := w.Write(b); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// Remote is a key service and the stand-in that it speaks to.
type Remote struct {
	Service envelope.KeyService // gives up an attempt after less than a second
	// Patient is the same that gives up no attempt within patience; nil: there is none, and
	// whether an attempt ends with its context is not seen.
	Patient envelope.KeyService
	Server  *Faulty
	Other   envelope.KeyService // the same service's, with another key
	Never   []Fault             // those that the service never has
}

// patience is how long a call may go on whose context is over, before the test fails. One
// that heeds its context ends at once.
const patience = 10 * time.Second

// attempts is the most that one call may make.
const attempts = 6

// RunRemote tests a key service on the other side of a network: Run, and its failures.
func RunRemote(t *testing.T, r Remote) {
	Run(t, r.Service)
	for fault, want := range map[Fault]error{
		Throttled: envelope.ErrUnavailable, Internal: envelope.ErrUnavailable, Unreachable: envelope.ErrUnavailable,
		Slow: envelope.ErrUnavailable, Cut: envelope.ErrUnavailable, Garbage: envelope.ErrUnavailable, Hollow: envelope.ErrUnavailable,
		Denied: envelope.ErrRefused, Disabled: envelope.ErrRefused, Deleted: envelope.ErrRefused,
	} {
		if !contains(r.Never, fault) {
			t.Run("Fails/"+string(fault), func(t *testing.T) { r.fails(t, fault, want) })
		}
	}
	for _, fault := range []Fault{Throttled, Internal, Unreachable, Cut} {
		t.Run("Passes/"+string(fault), func(t *testing.T) { r.passes(t, fault) })
	}
	t.Run("WaitsNoLongerThanItsContext", r.waitsNoLonger)
	t.Run("KnowsAnotherKey", r.knowsAnotherKey)
}

func contains(all []Fault, f Fault) bool {
	for _, a := range all {
		if a == f {
			return true
		}
	}
	return false
}

// both wraps and unwraps, and gives both errors.
func (r Remote) both(ctx context.Context, wrapped []byte) (errs []error) {
	_, wrapping := r.Service.Wrap(ctx, alice, secret)
	_, unwrapping := r.Service.Unwrap(ctx, alice, wrapped)
	return []error{wrapping, unwrapping}
}

var secret = []byte("a secret that nobody else may see")

// fails: the error says what it is, in some words, and nothing of the secret; and it
// does not stay when the service is well again.
func (r Remote) fails(t *testing.T, f Fault, want error) {
	wrapped := wrap(t, r.Service, alice, secret)
	r.Server.Fail(f, -1)
	errs := r.both(t.Context(), wrapped)
	if n := r.Server.Calls(); n < 2 || n > 2*attempts {
		t.Errorf("%d requests for two calls", n)
	}
	r.Server.Fail(Healthy, 0)
	for _, err := range errs {
		if !errors.Is(err, want) || errors.Is(err, envelope.ErrNotOpened) {
			t.Errorf("%v; want one that is: %v", err, want)
		} else if len(err.Error()) < 60 {
			t.Errorf("%q says neither what it means nor what to do", err)
		}
		if Shows(fmt.Sprintf("%+v %#v", err, err), secret) {
			t.Errorf("the secret shows: %v", err)
		}
	}
	for _, err := range r.both(t.Context(), wrapped) {
		if err != nil {
			t.Errorf("when it is well again: %v", err)
		}
	}
}

// passes: what fails twice and then works is not told.
func (r Remote) passes(t *testing.T, f Fault) {
	defer r.Server.Fail(Healthy, 0)
	wrapped := wrap(t, r.Service, alice, secret)
	r.Server.Fail(f, 2)
	if _, err := r.Service.Wrap(t.Context(), alice, secret); err != nil {
		t.Errorf("wrap: %v", err)
	}
	r.Server.Fail(f, 2)
	if got, err := r.Service.Unwrap(t.Context(), alice, wrapped); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("unwrap: %v", err)
	}
	if n := r.Server.Calls(); n < 3 {
		t.Errorf("%d requests, and two of them were to fail", n)
	}
}

// waitsNoLonger: a context that ends while a request is under way ends the call, with its
// error, and no other request is made.
func (r Remote) waitsNoLonger(t *testing.T) {
	for _, ks := range []envelope.KeyService{r.Service, r.Patient} {
		if ks == nil {
			continue
		}
		wrapped := wrap(t, ks, alice, secret)
		for _, f := range []Fault{Slow, Throttled} {
			r.ends(t, f, "wrap", func(ctx context.Context) error {
				_, err := ks.Wrap(ctx, alice, secret)
				return err
			})
			r.ends(t, f, "unwrap", func(ctx context.Context) error {
				_, err := ks.Unwrap(ctx, alice, wrapped)
				return err
			})
		}
	}
}

// ends ends the context of a call when its first request has come.
func (r Remote) ends(t *testing.T, f Fault, what string, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r.Server.Fail(f, -1)
	defer r.Server.Fail(Healthy, 0)
	r.Server.Hear(cancel)
	defer r.Server.Hear(nil)
	done := make(chan error, 1)
	go func() { done <- call(ctx) }()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) || errors.Is(err, envelope.ErrUnavailable) {
			t.Errorf("%s, %s: %v", what, f, err)
		}
	case <-time.After(patience):
		t.Fatalf("%s, %s: it waits for what nobody wants any more", what, f)
	}
	if n := r.Server.Calls(); n != 1 {
		t.Errorf("%s, %s: %d requests", what, f, n)
	}
}

func (r Remote) knowsAnotherKey(t *testing.T) {
	wrapped := wrap(t, r.Other, alice, secret)
	if _, err := r.Service.Unwrap(t.Context(), alice, wrapped); !errors.Is(err, envelope.ErrNotOpened) {
		t.Errorf("wrapped by %s: %v", r.Other.Name(), err)
	}
	if r.Other.Name() == r.Service.Name() {
		t.Errorf("two keys are both called %s", r.Service.Name())
	}
}
