// Package drift is the drift monitor: it follows the log of every connection's org,
// reads again what the log names, and tells the account's members what somebody should
// hear about. Following is one small River job per connection, which polls, and snoozes
// until its next poll.
package drift

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/blob"
	"imago/pkg/demo"
	"imago/pkg/drift"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/keyrings"
	"imago/pkg/postgres/orgs"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/provider"
)

// Config is how one monitor behaves.
type Config struct {
	// AtOnce is how many orgs are looked at at once; zero: 16.
	AtOnce int `env:"AT_ONCE" help:"how many orgs are looked at at once; absent: 16"`
	// Gather is how long what the log names is gathered before the worker reads it again;
	// zero: a minute.
	Gather time.Duration `env:"GATHER" help:"how long changes are gathered before a snapshot of them is taken; absent: 1m"`
	// DemoOrgs is the worker's setting of the same name.
	DemoOrgs string `env:"DEMO_ORGS_URL" help:"as the worker's: where demo orgs answer; absent: there are none"`
}

// Validate tells what is out of bounds.
func (c Config) Validate() error {
	if c.AtOnce < 0 || c.AtOnce > 1000 {
		return problem.InField("AT_ONCE", "%d orgs at once", c.AtOnce).WithHint("between 1 and 1000")
	}
	if c.Gather < 0 || c.Gather > time.Hour {
		return problem.InField("GATHER", "changes are gathered for %v", c.Gather).WithHint("between 0s, which is a minute, and 1h")
	}
	if _, err := demo.Address(c.DemoOrgs); err != nil && c.DemoOrgs != "" {
		return problem.InField("DEMO_ORGS_URL", "%v", err)
	}
	return nil
}

// Deps is what the monitor works with; all of it is needed but Rules and Now.
type Deps struct {
	DB        *postgres.DB // as imago_drift
	Store     blob.Store   // of snapshots; only read
	Keys      envelope.KeyService
	Box       *envelope.PrivateKey // opens read credentials
	Providers []provider.Provider
	Rules     *drift.Rules // nil: those that Imago comes with
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Now       func() time.Time // nil: time.Now
}

// Service is the drift monitor.
type Service struct {
	Deps
	keyrings *keyrings.Keyrings
	orgs     *orgs.Orgs
	gather   time.Duration
	metrics  *metrics
	jobs     *postgres.Jobs
}

// New makes a monitor.
func New(c Config, d Deps) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.AtOnce == 0 {
		c.AtOnce = 16
	}
	if c.Gather == 0 {
		c.Gather = time.Minute
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	var err error
	if d.Rules == nil {
		if d.Rules, err = drift.Standard(); err != nil {
			return nil, err
		}
	}
	s := &Service{Deps: d, keyrings: keyrings.New(d.DB, d.Keys, keyrings.Options{Now: d.Now}), orgs: orgs.New(d.DB, d.Box, d.Providers...), gather: c.Gather}
	if s.metrics, err = newMetrics(d.Metrics); err != nil {
		return nil, err
	}
	return s, s.prepare(c)
}

func (s *Service) prepare(c Config) error {
	desk, err := work.New(s.Log, s.Metrics, work.Options{Now: s.Now})
	if err != nil {
		return err
	}
	kinds := postgres.NewWorkers()
	if err := work.Register(kinds, desk, s.followLog); err != nil {
		return err
	}
	if err := work.Register(kinds, desk, s.startFollows); err != nil {
		return err
	}
	s.jobs, err = s.DB.Jobs(kinds, postgres.JobsOptions{Queues: map[string]int{job.QueueDrift: c.AtOnce}, Logger: work.Quiet(s.Log)})
	if err != nil {
		return fmt.Errorf("prepare the drift monitor: %w", err)
	}
	return nil
}

// Run follows until ctx ends, then lets running looks come to their end.
func (s *Service) Run(ctx context.Context) error { return s.jobs.Run(ctx) }

// Ready reports whether the monitor can do its work: a check for /readyz.
func (s *Service) Ready(ctx context.Context) error { return s.DB.Ready(ctx) }

// startFollows is the tick: a ready connection that nobody follows is followed.
func (s *Service) startFollows(ctx context.Context, u work.Unit, _ job.StartFollows) (work.End, error) {
	const most = 200
	started := 0
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		found, err := cursors.StartFollows(ctx, tx, most)
		started = len(found)
		return err
	})
	if err != nil {
		return work.End{}, fmt.Errorf("start following: %w", err)
	}
	if started == 0 {
		return work.Done(), nil
	}
	return work.Done(slog.Int("started", started)), nil
}

// metrics are what operators watch besides the jobs' own. No label holds directory
// data or an account.
type metrics struct {
	polls    *prometheus.CounterVec
	events   prometheus.Counter
	findings *prometheus.CounterVec
	lag      prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imago_drift_polls_total", Help: "Looks at orgs' logs, by outcome: read, held_up.",
		}, []string{"outcome"}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "imago_drift_events_total", Help: "Events that were read.",
		}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imago_drift_findings_total", Help: "Findings that were stored, by severity.",
		}, []string{"severity"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "imago_drift_lag_seconds", Help: "How old the newest event was when it had been looked into.",
			Buckets: []float64{1, 2, 5, 10, 30, 60, 120, 300, 900, 3600},
		}),
	}
	for _, c := range []prometheus.Collector{m.polls, m.events, m.findings, m.lag} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the drift monitor's metrics: %w", err)
		}
	}
	return m, nil
}
