// Package worker does what takes longer than a request: it checks connections, takes
// snapshots, plans and applies restores, sends mail, and keeps the clockwork that starts
// what nobody asked for. Everything is a River job, worked in slices that may be killed
// at any moment; whoever is left takes over.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/billing"
	"imago/pkg/blob"
	"imago/pkg/demo"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/keyrings"
	"imago/pkg/postgres/orgs"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/repository"
)

// Config is how one worker behaves. Its zero value works every queue.
type Config struct {
	// Queues says how many jobs of each queue are worked at once; nil: those of
	// DefaultQueues. The restore queue may be left to a worker of its own.
	Queues map[string]int `env:"QUEUES" help:"how many jobs of which queue at once; absent: backup:4,restore:2,mail:4,tick:1"`
	// Patience is how long a snapshot or restore that gets no further is tried again;
	// zero: six hours.
	Patience time.Duration `env:"PATIENCE" help:"how long what gets no further is tried again; absent: 6h"`
	// Window is how long a restore waits for its write app to be activated; zero: a day.
	Window time.Duration `env:"WINDOW" help:"how long a restore waits for its write app; absent: 24h"`
	// PublicURL is where people open the console, for links in mails; "": they show commands.
	PublicURL string `env:"PUBLIC_URL" help:"where people open the console, as https://imago.example.com; absent: mails show commands instead of links"`
	// DemoOrgs and DemoControl are the ports of the operator's simulator of orgs, in which
	// demo orgs live; "": there are none.
	DemoOrgs    string `env:"DEMO_ORGS_URL" help:"where the orgs of a simulator (oktasim) answer that holds demo orgs, as http://oktasim:8080; absent: there are no demo orgs"`
	DemoControl string `env:"DEMO_CONTROL_URL" help:"that simulator's control port, as http://oktasim:8081, which nobody else should reach"`
}

// Validate tells what cannot be.
func (c Config) Validate() error {
	known := DefaultQueues()
	for name, n := range c.Queues {
		if known[name] == 0 {
			return problem.InField("QUEUES", "%q is none of the worker's queues", name).WithHint("name backup, restore, mail or tick")
		}
		if n < 1 || n > 100 {
			return problem.InField("QUEUES", "%d jobs of %s at once", n, name).WithHint("between 1 and 100")
		}
	}
	if c.Patience < 0 || c.Window < 0 {
		return problem.InField("PATIENCE", "%v and WINDOW %v must not be negative", c.Patience, c.Window)
	}
	_, err := c.demos()
	return errors.Join(err, validURL(c.PublicURL))
}

// demos are the demo orgs; nil: there are none.
func (c Config) demos() (*demo.Orgs, error) {
	if c.DemoOrgs == "" && c.DemoControl == "" {
		return nil, nil
	}
	return demo.New(c.DemoOrgs, c.DemoControl)
}

// validURL refuses what no link in a mail should begin with.
func validURL(public string) error {
	u, err := url.Parse(public)
	if err != nil || public != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		return problem.InField("PUBLIC_URL", "it is not the address of a site").WithHint("write https://imago.example.com, with nothing after it")
	}
	return nil
}

// DefaultQueues are all of the worker's queues.
func DefaultQueues() map[string]int {
	return map[string]int{job.QueueBackup: 4, job.QueueRestore: 2, job.QueueMail: 4, job.QueueTick: 1}
}

// Deps is what the worker works with; all of it is needed but Billing and Now.
type Deps struct {
	DB        *postgres.DB // as imago_worker
	Store     blob.Store   // of snapshots
	Keys      envelope.KeyService
	Box       *envelope.PrivateKey // opens credentials
	Providers []provider.Provider
	Mail      notify.Sender
	Billing   billing.Processor // nil: nothing is sold
	Software  string            // name and version, for manifests
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Now       func() time.Time // nil: time.Now
}

// Service is the worker.
type Service struct {
	Deps
	config    Config
	keyrings  *keyrings.Keyrings
	orgs      *orgs.Orgs
	demos     *demo.Orgs // nil: there are none
	templates *notify.Templates
	metrics   *metrics
	jobs      *postgres.Jobs
	cache     *repository.Cache // of what snapshots have written last
}

// cached is how much of that is kept, in bytes.
const cached = 16 << 20

// New makes a worker.
func New(c Config, d Deps) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	s := &Service{Deps: d, config: c.withDefaults(), keyrings: keyrings.New(d.DB, d.Keys, keyrings.Options{Now: d.Now}), orgs: orgs.New(d.DB, d.Box, d.Providers...), cache: repository.NewCache(cached)}
	var err error
	if s.demos, err = c.demos(); err != nil {
		return nil, err
	}
	if s.templates, err = notify.NewTemplates(c.PublicURL); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(d.Metrics); err != nil {
		return nil, err
	}
	return s, s.prepare()
}

func (c Config) withDefaults() Config {
	if len(c.Queues) == 0 {
		c.Queues = DefaultQueues()
	}
	if c.Patience == 0 {
		c.Patience = 6 * time.Hour
	}
	if c.Window == 0 {
		c.Window = 24 * time.Hour
	}
	return c
}

// prepare registers a worker for every kind.
func (s *Service) prepare() error {
	desk, err := work.New(s.Log, s.Metrics, work.Options{Now: s.Now})
	if err != nil {
		return err
	}
	kinds := postgres.NewWorkers()
	for _, err := range []error{
		work.Register(kinds, desk, s.checkConnection),
		work.Register(kinds, desk, s.takeSnapshot),
		work.Register(kinds, desk, s.takePoint),
		work.Register(kinds, desk, s.sweepRepository),
		work.Register(kinds, desk, s.checkRepository),
		work.Register(kinds, desk, s.forgetSnapshots),
		work.Register(kinds, desk, s.renewKeyring),
		work.Register(kinds, desk, s.resealRepository),
		work.Register(kinds, desk, s.deleteAccount),
		work.Register(kinds, desk, s.planRestore),
		work.Register(kinds, desk, s.applyRestore),
		work.Register(kinds, desk, s.sendCode),
		work.Register(kinds, desk, s.sendInvitation),
		work.Register(kinds, desk, s.sendMessage),
		work.Register(kinds, desk, s.sendDigest),
		work.Register(kinds, desk, s.sendUpdate),
		work.Register(kinds, desk, s.reportStopped),
		work.Register(kinds, desk, s.reportEnd),
		work.Register(kinds, desk, s.runSchedules),
		work.Register(kinds, desk, s.reportFailure),
		work.Register(kinds, desk, s.applyBilling),
		work.Register(kinds, desk, s.endSnooze),
		work.Register(kinds, desk, s.makeDemo),
		work.Register(kinds, desk, s.switchDemo),
		work.Register(kinds, desk, s.removeDemo),
	} {
		if err != nil {
			return err
		}
	}
	if s.jobs, err = s.DB.Jobs(kinds, postgres.JobsOptions{Queues: s.config.Queues, Logger: work.Quiet(s.Log)}); err != nil {
		return fmt.Errorf("prepare the worker: %w", err)
	}
	return nil
}

// Run works until ctx ends, then lets what is under way come to the end of its slice.
func (s *Service) Run(ctx context.Context) error { return s.jobs.Run(ctx) }

// Ready reports whether the worker can do its work: a check for /readyz.
func (s *Service) Ready(ctx context.Context) error { return s.DB.Ready(ctx) }

// metrics are what operators watch besides the jobs' own. No label holds directory
// data or an account.
type metrics struct {
	snapshots *prometheus.CounterVec
	objects   prometheus.Counter
	calls     prometheus.Counter
	gaps      prometheus.Counter
	bytes     prometheus.Counter
	restores  *prometheus.CounterVec
	mails     *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	by := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		snapshots: by("imago_snapshots_total", "Snapshots that ended, by state.", "state"),
		objects:   counter("imago_snapshot_objects_total", "Objects in snapshots that were taken."),
		calls:     counter("imago_snapshot_calls_total", "Requests to orgs for snapshots that were taken."),
		gaps:      counter("imago_snapshot_gaps_total", "Gaps in snapshots that were taken."),
		bytes:     counter("imago_snapshot_bytes_total", "Sealed bytes of snapshots that were taken."),
		restores:  by("imago_restores_total", "Restores that ended, by state.", "state"),
		mails:     by("imago_mails_total", "Mails, by kind and outcome: sent, refused, failed.", "kind", "outcome"),
	}
	for _, c := range []prometheus.Collector{m.snapshots, m.objects, m.calls, m.gaps, m.bytes, m.restores, m.mails} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the worker's metrics: %w", err)
		}
	}
	return m, nil
}
