package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
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

// start starts a gateway on a folder that is made if absent.
func start(t *testing.T, dir string) *gateway.Server {
	t.Helper()
	if err := gateway.Make(dir, gateway.Options{}); err != nil {
		t.Fatal(err)
	}
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
	if got, want := store.Capabilities(), (blob.Capabilities{ConditionalPut: true, Region: server.Region}); got != want {
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
	r, err := repository.New(store, k, id, "0b6a9f0e-0000-7000-8000-0000000000c1", repository.Options{SegmentPlain: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Begin("snapshot", time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), nil)
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
	report, err := r.Check(t.Context(), repository.CheckOptions{Data: true, Records: true})
	if err != nil || report.Objects != n || len(report.Damage) != 0 || report.Segments < 4 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := r.Forget(t.Context(), d.Prefix()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sweep(t.Context(), repository.SweepOptions{Before: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for o, err := range store.List(t.Context(), "users/") {
		if err != nil || o.Key != snapshot.KeyringName(id) {
			t.Errorf("left %s, %v", o.Key, err)
		}
	}
}

// once opens the store by a client that does not try again.
func once(t *testing.T, server *gateway.Server) *s3.Store {
	t.Helper()
	o := options(server)
	o.Encryption = "none"
	store, err := s3.New(t.Context(), server.Bucket, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// TestRefusesAStoreThatIsMissing: one made anew would look like one that holds nothing.
func TestRefusesAStoreThatIsMissing(t *testing.T) {
	for _, missing := range []string{"", "buckets", "buckets/imago"} {
		t.Run(missing, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "objects")
			stop(t, start(t, dir))
			path := filepath.Join(dir, missing)
			if err := os.Rename(path, filepath.Join(t.TempDir(), "elsewhere")); err != nil {
				t.Fatal(err)
			}
			s, err := gateway.Start(t.Context(), dir, gateway.Options{})
			if err == nil {
				t.Fatal("started", s.Close())
			}
			wayOut := filepath.Join(dir, "buckets/imago")
			for _, want := range []string{path + " is missing", "put it back", "make the empty folder " + wayOut} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %q", err, want)
				}
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it was made anew: %v", err)
			}
			if err := os.MkdirAll(wayOut, 0o700); err != nil { // as the error says
				t.Fatal(err)
			}
			if s, err = gateway.Start(t.Context(), dir, gateway.Options{}); err != nil {
				t.Fatal(err)
			}
			stop(t, s)
		})
	}
	file := filepath.Join(t.TempDir(), "objects")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := gateway.Start(t.Context(), file, gateway.Options{}); err == nil || !strings.Contains(err.Error(), "is not a folder") {
		t.Error("started on a file", err, s)
	}
}

// TestRefusesAStoreThatWasMoved: while it is away nothing is served or made, and it
// goes on when it is back.
func TestRefusesAStoreThatWasMoved(t *testing.T) {
	for _, part := range []string{"", "buckets", "buckets/imago"} {
		t.Run(part, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "objects")
			server := serve(t, dir)
			store := once(t, server)
			put := func(key string) error { return store.Put(t.Context(), key, strings.NewReader("kept"), 4) }
			get := func(key string) error { _, err := blob.ReadAll(t.Context(), store, key, 10); return err }
			if err := errors.Join(put("a"), get("a"), server.Ready(t.Context())); err != nil {
				t.Fatal(err)
			}
			path, elsewhere := filepath.Join(dir, part), filepath.Join(t.TempDir(), "elsewhere")
			if err := os.Rename(path, elsewhere); err != nil {
				t.Fatal(err)
			}
			refused := func(state string) {
				t.Helper()
				for name, err := range map[string]error{
					"put": put("b"), "get": get("a"), "get of nothing": get("c"), "list": list(t, store), "delete": store.Delete(t.Context(), "a"),
					"ready": server.Ready(t.Context()),
				} {
					if err == nil || errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), path+" was moved") ||
						!strings.Contains(err.Error(), "put it back") {
						t.Errorf("%s, %s: %v", state, name, err)
					}
				}
			}
			refused("moved")
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it was made anew: %v", err)
			}
			if err := gateway.Make(dir, gateway.Options{}); err != nil {
				t.Fatal(err)
			}
			refused("replaced")
			if err := errors.Join(os.RemoveAll(path), os.Rename(elsewhere, path)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(get("a"), put("b"), list(t, store), store.Delete(t.Context(), "a"), server.Ready(t.Context())); err != nil {
				t.Errorf("put back: %v", err)
			}
		})
	}
}

func list(t *testing.T, store *s3.Store) error {
	for _, err := range store.List(t.Context(), "") {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestLogsWhatTheGatewayPrints: an internal error is a line of the log, and nothing
// reaches the program's own stderr.
func TestLogsWhatTheGatewayPrints(t *testing.T) {
	raw, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = raw
	t.Cleanup(func() { os.Stderr = before })
	var log bytes.Buffer
	dir := t.TempDir()
	if err := gateway.Make(dir, gateway.Options{}); err != nil {
		t.Fatal(err)
	}
	server, err := gateway.Start(t.Context(), dir, gateway.Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	store := once(t, server)
	if err := os.Symlink("loop", filepath.Join(dir, "buckets/imago/loop")); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.ReadAll(t.Context(), store, "loop", 10); err == nil || !strings.Contains(err.Error(), "InternalError") {
		t.Errorf("read of what cannot be read: %v", err)
	}
	store.Close()
	stop(t, server)
	if os.Stderr != raw {
		t.Error("the program's stderr was not given back")
	}
	var line struct{ Level, Msg, Text string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil { // one line, and no more
		t.Fatalf("%v: %s", err, log.String())
	}
	if line.Level != "ERROR" || line.Msg != "the object store reports an error" ||
		!strings.HasPrefix(line.Text, "[INTERNAL ERROR]: ") || !strings.HasSuffix(line.Text, "too many levels of symbolic links") {
		t.Errorf("logged %+v", line)
	}
	if printed, err := os.ReadFile(raw.Name()); err != nil || len(printed) != 0 {
		t.Errorf("printed %q, %v", printed, err)
	}
	if err := raw.Close(); err != nil {
		t.Error(err)
	}
}

// TestClosesOnce: a second Close does not end the gateway that came after.
func TestClosesOnce(t *testing.T) {
	first := start(t, t.TempDir())
	stop(t, first)
	second := serve(t, t.TempDir())
	stop(t, first)
	if s, err := gateway.Start(t.Context(), t.TempDir(), gateway.Options{}); err == nil {
		t.Error("the guard of the second is gone", s.Close())
	}
	if err := once(t, second).Put(t.Context(), "still", strings.NewReader("up"), 2); err != nil {
		t.Error(err)
	}
}

// TestWatch tells the end of a server that nobody closed.
func TestWatch(t *testing.T) {
	server := start(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Watch(ctx); err != nil {
		t.Errorf("told to end: %v", err)
	}
	stop(t, server)
	if err := server.Watch(t.Context()); err == nil {
		t.Error("it ended, and Watch says nothing")
	}
}
