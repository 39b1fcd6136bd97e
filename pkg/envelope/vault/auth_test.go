package vault

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"imago/pkg/account"
	"imago/pkg/envelope"
)

// slow is a Vault that answers a sign-in when it is told how.
type slow struct {
	logins atomic.Int32
	answer chan string
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.logins.Add(1)
	select {
	case body := <-s.answer:
		status := http.StatusOK
		if body == "" {
			status = http.StatusBadRequest
		}
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func waiting(t *testing.T) (*slow, *session) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	v := &slow{answer: make(chan string)}
	c := &client{http: &http.Client{Transport: v}, base: "https://vault.example.com/v1/", attempts: 1}
	s, err := newSession(c, Auth{RoleID: "imago", SecretIDFile: secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v, s
}

// TestSignInIsShared: who waits for a sign-in gets what comes of it, be it a failure, and
// signs in no second time.
func TestSignInIsShared(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]error{`{"auth":{"client_token":"token"}}`: nil, "": envelope.ErrRefused} {
		synctest.Test(t, func(t *testing.T) {
			v, s := waiting(t)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if got, err := s.token(t.Context()); !errors.Is(err, want) || err == nil && got != "token" {
						t.Errorf("%v", err)
					}
				})
			}
			synctest.Wait()
			v.answer <- answer
			all.Wait()
			if n := v.logins.Load(); n != 1 {
				t.Errorf("%d sign-ins", n)
			}
		})
	}
}

// TestWaiterGivesUp: nobody waits for a sign-in longer than their own context, whoever
// began it; and who goes on waiting gets the token although who began has given up.
func TestWaiterGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, s := waiting(t)
		ask := func(ctx context.Context) chan error {
			done := make(chan error, 1)
			go func() {
				got, err := s.token(ctx)
				if err == nil && got != account.Secret("token") {
					err = errors.New("another token")
				}
				done <- err
			}()
			synctest.Wait()
			return done
		}
		impatient, cancel := context.WithCancel(t.Context())
		first, second, patient := ask(impatient), ask(impatient), ask(t.Context())
		cancel()
		for _, done := range []chan error{first, second} {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up: %v", err)
			}
		}
		v.answer <- `{"auth":{"client_token":"token"}}`
		if err := <-patient; err != nil {
			t.Errorf("who waited: %v", err)
		}
	})
}
