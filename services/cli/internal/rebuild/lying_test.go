package rebuild_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/s3"
	"imago/pkg/envelope"
	"imago/pkg/postgres/catalogue"
	"imago/services/cli/internal/archive"
	"imago/services/cli/internal/rebuild"
	"imago/services/standalone/gateway"
)

// shelves are a catalogue in memory: what was put back, the digests of snapshots by their
// folders.
type shelves struct {
	wrapped []byte
	of      map[account.ConnectionID]string
	digests map[string]string
}

func newShelves() *shelves {
	return &shelves{of: map[account.ConnectionID]string{}, digests: map[string]string{}}
}

func (s *shelves) Account(context.Context, account.ID) (catalogue.Account, bool, error) {
	return catalogue.Account{Wrapped: s.wrapped}, len(s.wrapped) > 0, nil
}

func (s *shelves) Connections(context.Context, account.ID) (map[account.ConnectionID]string, error) {
	return s.of, nil
}

// Folders knows of none: what is there is put back again, and must be the same.
func (s *shelves) Folders(context.Context, account.ID, account.ConnectionID) (map[string]bool, error) {
	return nil, nil
}

func (s *shelves) PutBack(_ context.Context, b catalogue.Batch) (made catalogue.Made, err error) {
	if len(s.wrapped) == 0 || envelope.WrappingOf(s.wrapped).Before(envelope.WrappingOf(b.Keyring.Wrapped())) {
		s.wrapped, made.Account = b.Keyring.Wrapped(), true
	}
	if b.Connection != nil {
		s.of[account.ConnectionID(b.Connection.Connection)] = b.Connection.Org
	}
	for _, one := range b.Snapshots {
		s.digests[one.Connection+"/"+one.ID] = one.Digest
		made.Snapshots++
	}
	return made, nil
}

// liar is a proxy before a bucket that lies about one object that is read.
type liar struct {
	proxy *httputil.ReverseProxy
	reads atomic.Int32 // objects that are read before
	about atomic.Value // the object's path
	lie   func([]byte) []byte
}

func newLiar(at string) (*liar, error) {
	to, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	l := &liar{proxy: httputil.NewSingleHostReverseProxy(to)}
	l.proxy.ModifyResponse = func(r *http.Response) (err error) {
		if r.Request.Method != http.MethodGet || !strings.Contains(r.Request.URL.Path, "/users/") || l.reads.Add(-1) != -1 || r.StatusCode >= 300 {
			return nil
		}
		data, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return err
		}
		l.about.Store(r.Request.URL.Path)
		data = l.lie(data)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		r.Header.Set("Content-Length", strconv.Itoa(len(data)))
		return nil
	}
	return l, nil
}

// TestRebuildsFromABucketThatLies: whichever object comes short, or with another bit, and no
// word of it, nothing wrong is put back, the object is named, and the next run puts back the rest.
func TestRebuildsFromABucketThatLies(t *testing.T) {
	b, _, _ := furnish(t)
	dir := t.TempDir()
	t.Chdir(dir) // the gateway goes elsewhere
	must(t, gateway.Make(filepath.Join(dir, "objects"), gateway.Options{}))
	server, err := gateway.Start(t.Context(), filepath.Join(dir, "objects"), gateway.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	l, err := newLiar(server.Endpoint)
	must(t, err)
	front := httptest.NewServer(l.proxy)
	t.Cleanup(front.Close)
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	bucket := s3.Config{
		Bucket: server.Bucket, Endpoint: server.Endpoint, Region: server.Region, PathStyle: true,
		KeyID: at("id", server.AccessKeyID), Key: at("secret", server.SecretAccessKey),
	}
	fill(t, b, bucket)
	bucket.Endpoint = front.URL
	runs := func(into *shelves) (passed []rebuild.Passed, err error) {
		a, err := archive.Open(t.Context(), archive.Source{Place: "s3://" + bucket.Bucket, Bucket: bucket}, archive.Keys{Service: b.keys}, "")
		if err != nil {
			return nil, err
		}
		err = rebuild.Run(t.Context(), a, into, rebuild.Options{Now: noon, Batch: 2, Tell: func(d rebuild.Done) { passed = append(passed, d.Passed...) }})
		return passed, err
	}
	const never = 1 << 30
	l.reads.Store(never)
	want := newShelves()
	passed, err := runs(want)
	reads := never - int(l.reads.Load())
	if err != nil || len(passed) > 0 || len(want.digests) != len(b.taken) || reads < 10 {
		t.Fatalf("%d reads: %+v, %+v, %v", reads, want.digests, passed, err)
	}
	for n := range reads {
		for name, lie := range map[string]func([]byte) []byte{
			"half":        func(b []byte) []byte { return b[:len(b)/2] },
			"another bit": func(b []byte) []byte { b[len(b)/3] ^= 1; return b },
		} {
			when := fmt.Sprintf("read %d, %s", n, name)
			l.reads.Store(int32(n))
			l.lie = lie
			got := newShelves()
			passed, err := runs(got)
			about, lied := l.about.Swap("").(string)
			if !lied || about == "" {
				t.Fatalf("%s: nobody was lied to", when)
			}
			for key, digest := range got.digests {
				if want.digests[key] != digest {
					t.Errorf("%s of %s: put back %s as %s", when, about, key, digest)
				}
			}
			whole := maps.Equal(got.digests, want.digests)
			for _, p := range passed {
				if !p.Damage || !strings.Contains(about, p.Object) {
					t.Errorf("%s of %s: passed over %+v", when, about, p)
				}
			}
			if err == nil && !whole && len(passed) == 0 {
				t.Errorf("%s of %s: %d of %d put back, without a word", when, about, len(got.digests), len(want.digests))
			}
			if passed, err = runs(got); err != nil || len(passed) > 0 || !maps.Equal(got.digests, want.digests) || !bytes.Equal(got.wrapped, want.wrapped) {
				t.Errorf("%s of %s: the next run: %+v, %v", when, about, passed, err)
			}
		}
	}
}

// fill puts all of it into a bucket.
func fill(t *testing.T, b *bucket, into s3.Config) {
	t.Helper()
	store, err := into.Open(t.Context())
	must(t, err)
	for o, err := range b.store.List(t.Context(), "") {
		must(t, err)
		data, err := blob.ReadAll(t.Context(), b.store, o.Key, o.Size)
		must(t, err)
		must(t, store.Put(t.Context(), o.Key, bytes.NewReader(data), int64(len(data))))
	}
}
