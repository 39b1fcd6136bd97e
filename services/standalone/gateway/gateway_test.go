package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/blobtest"
	"imago/pkg/blob/s3"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	"imago/services/standalone/gateway"
)

// The tests here are not parallel: a process has one gateway.

func start(t *testing.T, dir string) *gateway.Server {
	t.Helper()
	server, err := gateway.Start(t.Context(), dir, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// serve starts a gateway that stops at the end of the test, after its clients.
func serve(t *testing.T, dir string) *gateway.Server {
	t.Helper()
	server := start(t, dir)
	t.Cleanup(func() { stop(t, server) })
	return server
}

func stop(t *testing.T, server *gateway.Server) {
	t.Helper()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}

func open(t *testing.T, server *gateway.Server) *s3.Store {
	t.Helper()
	store, err := s3.New(t.Context(), server.Bucket, options(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

func options(server *gateway.Server) s3.Options {
	return s3.Options{
		Endpoint: server.Endpoint, Region: server.Region, PathStyle: true,
		AccessKeyID: server.AccessKeyID, SecretAccessKey: account.Secret(server.SecretAccessKey),
	}
}

// TestStore is where blob/s3 meets a real server.
func TestStore(t *testing.T) {
	server := serve(t, t.TempDir())
	store := open(t, server)
	if got, want := store.Capabilities(), (blob.Capabilities{ConditionalPut: true}); got != want {
		t.Fatalf("found %+v, want %+v", got, want)
	}
	blobtest.Run(t, store)
}

func TestKeepsWhatItTook(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	store := open(t, first)
	if err := store.Put(t.Context(), "users/a/b", strings.NewReader("kept"), 4); err != nil {
		t.Fatal(err)
	}
	store.Close()
	stop(t, first)
	second := serve(t, dir)
	if got, err := blob.ReadAll(t.Context(), open(t, second), "users/a/b", 10); err != nil || string(got) != "kept" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	if first.SecretAccessKey == second.SecretAccessKey {
		t.Error("two starts with the same secret")
	}
}

func TestRefusesWhatItCannotDo(t *testing.T) {
	server := serve(t, t.TempDir())
	o := options(server)
	o.Encryption = "AES256"
	if _, err := s3.New(t.Context(), server.Bucket, o); err == nil || !strings.Contains(err.Error(), "does not encrypt") {
		t.Errorf("encryption at rest, demanded: %v", err)
	}
	o = options(server)
	o.SecretAccessKey = "wrong"
	if _, err := s3.New(t.Context(), server.Bucket, o); err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("wrong secret: %v", err)
	}
	if _, err := s3.New(t.Context(), "elsewhere", options(server)); err == nil || !strings.Contains(err.Error(), "create it") {
		t.Errorf("bucket that is not there: %v", err)
	}
	resp, err := http.Get(server.Endpoint + "/" + server.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("unsigned request: %s", resp.Status)
	}
}

func TestOneAtATime(t *testing.T) {
	server := serve(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if second, err := gateway.Start(ctx, t.TempDir(), gateway.Options{}); err == nil {
		stop(t, second)
		t.Error("a second gateway started in the same process")
	}
	// The first one is unharmed.
	if err := open(t, server).Put(t.Context(), "still", strings.NewReader("up"), 2); err != nil {
		t.Error(err)
	}
}

// TestRepository takes a snapshot through the server and reads it back: the whole
// way down to the disk.
func TestRepository(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "master")
	store := open(t, serve(t, t.TempDir()))
	ks, err := local.Create(keys, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	const id account.ID = "0b6a9f0e-0000-7000-8000-00000000000a"
	k, err := envelope.NewKeyring(t.Context(), ks, id)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := repository.SaveKeyring(t.Context(), store, k); err != nil {
			t.Fatal(err)
		}
	}
	r, err := repository.New(store, k, id, "0b6a9f0e-0000-7000-8000-0000000000c1", repository.Options{SegmentPlain: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Begin("snapshot", time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	for i := range n {
		key := resource.Key{Type: "user", ID: fmt.Sprintf("00u%06d", i*7%n)}
		if err := d.Add(t.Context(), resource.Resource{Key: key, Body: fmt.Appendf(nil, `{"id":%q}`, key.ID)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Commit(t.Context(), snapshot.Manifest{}); err != nil {
		t.Fatal(err)
	}
	report, err := r.Check(t.Context(), repository.CheckOptions{Data: true})
	if err != nil || report.Objects != n || len(report.Damage) != 0 || report.Segments < 4 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := r.Forget(t.Context(), d.Prefix()); err != nil {
		t.Fatal(err)
	}
	for o, err := range store.List(t.Context(), "users/") {
		if err != nil || o.Key != snapshot.KeyringName(id) {
			t.Errorf("left %s, %v", o.Key, err)
		}
	}
}
