package worker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/s3"
	"imago/pkg/envelope/local"
	"imago/pkg/notify/smtp"
	"imago/pkg/postgres"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/services/standalone/gateway"
	"imago/services/worker"
	"imago/services/worker/workertest"
)

// This test binary is also, by its first argument, a worker ("as-worker") and an S3
// server ("as-store") in processes of their own, so that a worker can be killed.

// bucket is how the store is reached.
type bucket struct{ Endpoint, Region, Bucket, AccessKeyID, SecretAccessKey string }

// workerProcess is all that a worker in another process needs.
type workerProcess struct {
	Database, Dir, Mail string
	Store               bucket
}

func inAnotherProcess(as, config string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run := asStore
	if as == "as-worker" {
		run = asWorker
	}
	if err := run(ctx, config); err != nil {
		fmt.Fprintln(os.Stderr, as+":", err)
		return 1
	}
	return 0
}

func asStore(ctx context.Context, dir string) error {
	s, err := gateway.Start(ctx, dir, gateway.Options{})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(bucket{s.Endpoint, s.Region, s.Bucket, s.AccessKeyID, s.SecretAccessKey}); err != nil {
		return err
	}
	<-ctx.Done()
	return s.Close()
}

func asWorker(ctx context.Context, config string) error {
	var c workerProcess
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	deps := worker.Deps{Providers: []provider.Provider{okta.New(okta.Options{})}, Software: "imago test",
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Metrics: prometheus.NewRegistry()}
	var err error
	if deps.DB, err = postgres.Open(ctx, c.Database, postgres.Options{}); err != nil {
		return err
	}
	defer deps.DB.Close()
	if deps.Keys, err = local.Open(filepath.Join(c.Dir, "master.keys")); err != nil {
		return err
	}
	if deps.Box, err = local.ReadBoxKey(filepath.Join(c.Dir, "credentials.key")); err != nil {
		return err
	}
	if deps.Mail, err = smtp.New(c.Mail, "imago@backup.example", smtp.Options{TLS: smtp.Plain}); err != nil {
		return err
	}
	if deps.Store, err = c.Store.open(ctx); err != nil {
		return err
	}
	s, err := worker.New(worker.Config{}, deps)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

func (b bucket) open(ctx context.Context) (*s3.Store, error) {
	return s3.New(ctx, b.Bucket, s3.Options{Endpoint: b.Endpoint, Region: b.Region, PathStyle: true, Encryption: "none",
		AccessKeyID: b.AccessKeyID, SecretAccessKey: account.Secret(b.SecretAccessKey),
		Capabilities: &blob.Capabilities{ConditionalPut: true}})
}

// process is a child of the test.
type process struct {
	cmd    *exec.Cmd
	stdout io.Reader
	ended  chan struct{}
}

// again runs this test binary as something else, until the test ends.
func again(t testing.TB, as, config string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], as, config), ended: make(chan struct{})}
	p.cmd.Stderr = t.Output()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t, syscall.SIGTERM) })
	return p
}

// end sends the process a signal, unless it ended before, and waits for its end.
func (p *process) end(t testing.TB, how syscall.Signal) {
	t.Helper()
	select {
	case <-p.ended:
		return
	default:
	}
	if err := p.cmd.Process.Signal(how); err != nil {
		t.Errorf("signal the process: %v", err)
	}
	if err := p.cmd.Wait(); err != nil && how != syscall.SIGKILL {
		t.Errorf("the process ended: %v", err)
	}
	close(p.ended)
}

// storeProcess is the S3 server that the package's tests share.
var storeProcess = struct {
	sync.Mutex
	bucket bucket
	users  int
	p      *process
	dir    string
}{}

// shared starts the S3 server for the first of the tests that use it, and ends it with
// the last.
func shared(t *testing.T) bucket {
	t.Helper()
	s := &storeProcess
	s.Lock()
	defer s.Unlock()
	if s.users++; s.users == 1 {
		var err error
		if s.dir, err = os.MkdirTemp("", "imago-store-"); err != nil {
			t.Fatal(err)
		}
		s.p = startStore(t, s.dir)
		line, err := bufio.NewReader(s.p.stdout).ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(line, &s.bucket); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		s.Lock()
		defer s.Unlock()
		if s.users--; s.users == 0 {
			s.p.end(t, syscall.SIGTERM)
			if err := os.RemoveAll(s.dir); err != nil {
				t.Error(err)
			}
		}
	})
	return s.bucket
}

// startStore starts the server without tying its life to one test.
func startStore(t *testing.T, dir string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], "as-store", dir), ended: make(chan struct{})}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// apart is a world whose workers are processes.
type apart struct {
	*workertest.World
	config string
}

func newApart(t *testing.T) *apart {
	t.Helper()
	b := shared(t)
	store, err := b.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	w := workertest.New(t, workertest.Options{Store: store})
	config, err := json.Marshal(workerProcess{Database: w.Base.URL("imago_worker"), Dir: w.Dir, Mail: w.Mails.Address, Store: b})
	if err != nil {
		t.Fatal(err)
	}
	return &apart{w, string(config)}
}

// worker starts a worker as a process.
func (a *apart) worker(t *testing.T) *process { return again(t, "as-worker", a.config) }

// fired reports whether the simulator has hit a fault.
func (a *apart) fired(t *testing.T) bool {
	t.Helper()
	resp, err := http.Get(a.Org.Control + "/control/v1/faults")
	if err != nil {
		t.Fatal(err)
	}
	var had struct{ Faults []struct{ Fired int } }
	if err := json.NewDecoder(resp.Body).Decode(&had); err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range had.Faults {
		if f.Fired > 0 {
			return true
		}
	}
	return false
}
