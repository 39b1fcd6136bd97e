package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/blob/mem"
	"imago/pkg/envelope/local"
	"imago/pkg/memory"
	"imago/pkg/notify/smtp"
	"imago/pkg/postgres"
	"imago/pkg/postgres/worldtest"
	"imago/services/worker"
)

// This test binary is also, by its first argument, a worker ("as-worker") in a process
// of its own, so that it can be killed, and what a sweep is measured by: its floor
// ("as-floor") and a bare download ("as-download").

// workerProcess is all that a worker in another process needs.
type workerProcess struct{ Database, Dir, Mail, Store string }

func inAnotherProcess(as, config string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run := map[string]func(context.Context, string) error{"as-worker": asWorker, "as-floor": asFloor, "as-download": asDownload}[as]
	if run == nil {
		return 2
	}
	if err := run(ctx, config); err != nil {
		fmt.Fprintln(os.Stderr, as+":", err)
		return 1
	}
	return 0
}

func asWorker(ctx context.Context, config string) error {
	memory.Thrift()
	var c workerProcess
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	deps := worker.Deps{Providers: worldtest.Providers(), Software: "imago test",
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
	deps.Store = remote{c.Store}
	s, err := worker.New(worker.Config{}, deps)
	if err != nil {
		return err
	}
	return s.Run(ctx)
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

// apart is a world whose workers are processes.
type apart struct {
	*worldtest.World
	config string
}

func newApart(t testing.TB, o worldtest.Options) *apart {
	t.Helper()
	store := mem.New(mem.Options{})
	server := httptest.NewServer(&lender{store})
	t.Cleanup(server.Close)
	o.Store = store
	w := worldtest.New(t, o)
	config, err := json.Marshal(workerProcess{Database: w.Base.URL("imago_worker"), Dir: w.Dir, Mail: w.Mails.Address, Store: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return &apart{w, string(config)}
}

// worker starts a worker as a process.
func (a *apart) worker(t testing.TB) *process { return again(t, "as-worker", a.config) }

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
