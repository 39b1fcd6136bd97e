package keyrings

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/problem"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// counting is a key service that counts how often it is asked.
type counting struct {
	envelope.KeyService
	asked atomic.Int32
	err   error
}

func (c *counting) Unwrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error) {
	c.asked.Add(1)
	if c.err != nil {
		return nil, c.err
	}
	return c.KeyService.Unwrap(ctx, id, wrapped)
}

func TestKeyringsAreOpenedOnceInAWhile(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	a, b := base.Account(t), base.Account(t)
	master, err := local.Create(t.TempDir()+"/master.keys", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []postgrestest.Account{a, b} {
		ring, err := envelope.NewKeyring(t.Context(), master, of.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := base.Owner().Exec(t.Context(), `update account_keys set wrapped = $2 where account_id = $1`, of.ID, ring.Wrapped()); err != nil {
			t.Fatal(err)
		}
	}
	ks, now := &counting{KeyService: master}, time.Unix(1000, 0)
	k := New(base.Open(t, "imago_api"), ks, Options{Now: func() time.Time { return now }})
	open := func(want int32) {
		t.Helper()
		ring, err := k.Of(t.Context(), a.Proof, a.ID)
		if err != nil || ring.Account() != a.ID {
			t.Fatalf("Of = %v, %v", ring, err)
		}
		if got := ks.asked.Load(); got != want {
			t.Errorf("the key service was asked %d times, want %d", got, want)
		}
	}
	open(1)
	open(1)
	now = now.Add(time.Minute)
	open(2)
	k.Forget(a.ID)
	open(3)
	if _, err := k.Of(t.Context(), a.Proof, b.ID); err == nil {
		t.Error("one account's proof opened another account's keyring")
	}
	for _, err := range []error{envelope.ErrUnavailable, envelope.ErrRefused} {
		k.Forget(a.ID)
		ks.err = fmt.Errorf("arn:aws:kms:secret: %w", err)
		_, err := k.Of(t.Context(), a.Proof, a.ID)
		if p := problem.Of(err); p == nil || p.Kind != problem.Unavailable || strings.Contains(p.Error(), "arn") || !errors.Is(err, ks.err) {
			t.Errorf("Of = %v; want a problem that waits, with what the service said for the log alone", err)
		}
	}
	k.Forget(a.ID)
	ks.err = errors.New("the key service is away")
	if _, err := k.Of(t.Context(), a.Proof, a.ID); !errors.Is(err, ks.err) {
		t.Errorf("Of = %v; want the key service's error", err)
	}
}

// Every api of an installation, and the one after it, takes the same digests; another
// installation, with a master key of its own, takes others.
func TestSignInKeyringIsTheInstallations(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	master, err := local.Create(t.TempDir()+"/master.keys", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	ks, db := &counting{KeyService: master}, base.Open(t, "imago_api")
	apis := []*Keyrings{New(db, ks, Options{}), New(db, ks, Options{}), New(postgrestest.Fresh(t).Open(t, "imago_api"), ks, Options{})}
	digests := make([]string, len(apis))
	var all sync.WaitGroup
	for i, k := range apis {
		all.Go(func() {
			for range 2 {
				ring, err := k.SignIn(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				digests[i] = string(ring.Digest("x", []byte("192.0.2.1")))
			}
		})
	}
	all.Wait()
	if digests[0] != digests[1] || digests[0] == digests[2] {
		t.Errorf("digests %x", digests)
	}
	if asked := ks.asked.Load(); asked != 3 {
		t.Errorf("the key service was asked %d times for 3 keyrings", asked)
	}
	other := New(db, ks, Options{})
	ks.err = errors.New("the key service is away")
	if _, err := other.SignIn(t.Context()); !errors.Is(err, ks.err) {
		t.Errorf("SignIn = %v; want the key service's error", err)
	}
	ks.err = nil
	if ring, err := other.SignIn(t.Context()); err != nil || string(ring.Digest("x", []byte("192.0.2.1"))) != digests[0] {
		t.Errorf("when it is back: %v", err)
	}
	for _, role := range []string{"imago_worker", "imago_drift"} {
		if _, err := New(base.Open(t, role), ks, Options{}).SignIn(t.Context()); !problem.Is(err, problem.Denied) {
			t.Errorf("%s: %v", role, err)
		}
	}
}
