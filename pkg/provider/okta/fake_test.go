package okta

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"imago/pkg/account"
)

// testKey is a PKCS#8 key of its own.
func testKey(t testing.TB) account.Secret {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return account.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func testCredential(t testing.TB, purpose account.Purpose) account.Credential {
	t.Helper()
	return account.Credential{Purpose: purpose, ClientID: "0oaclient", KeyID: "k", PrivateKey: testKey(t), Scopes: []string{"okta.groups.read", "okta.users.read"}}
}

// testReader is a reader with the provider's insides at hand.
func testReader(t testing.TB, url string, o Options) *Reader {
	t.Helper()
	r, err := New(o).Reader(t.Context(), account.Org{URL: url, Share: 1}, testCredential(t, account.Read))
	if err != nil {
		t.Fatal(err)
	}
	return r.(*Reader)
}

// testClock stands still until somebody sleeps.
type testClock struct {
	mu    sync.Mutex
	at    time.Time
	slept []time.Duration
}

func newTestClock() *testClock { return &testClock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	c.slept = append(c.slept, d)
	return ctx.Err()
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *testClock) options() Options { return Options{Now: c.now, Sleep: c.sleep} }

// fakeOrg answers API calls one after the other from a script, the last one for
// ever; tokens are given freely.
type fakeOrg struct {
	*httptest.Server
	clock *testClock

	mu     sync.Mutex
	script []http.HandlerFunc
	calls  []*http.Request
	tokens int
}

func newFakeOrg(t *testing.T, script ...http.HandlerFunc) *fakeOrg {
	t.Helper()
	o := &fakeOrg{clock: newTestClock(), script: script}
	o.Server = httptest.NewUnstartedServer(o)
	o.Config.SetKeepAlivesEnabled(false) // net/http itself repeats a call on a kept connection
	o.Start()
	t.Cleanup(o.Close)
	return o
}

func (o *fakeOrg) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", o.clock.now().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.URL.Path == tokenPath {
		o.tokens++
		write(w, `{"access_token":"token","token_type":"Bearer","expires_in":3600}`)
		return
	}
	o.calls = append(o.calls, r)
	o.script[min(len(o.calls), len(o.script))-1](w, r)
}

func (o *fakeOrg) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.calls)
}

func write(w io.Writer, s string) {
	if _, err := io.WriteString(w, s); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// answer is a scripted answer with headers, "name", "value", …
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Del(headers[i])
			w.Header().Add(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		write(w, body)
	}
}
