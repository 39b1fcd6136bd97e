// Package boot is how every program starts and ends: its configuration from the
// environment, all that is wrong with it told at once; a log; whether it lives and is
// ready, and its metrics; signals, and an end that lets running work come to its own.
//
//	type config struct {
//		boot.Common
//		Database boot.File `env:"DATABASE_URL_FILE,required" help:"file with the database's URL"`
//	}
//
//	func main() {
//		boot.Main("imago-worker", "works snapshots, restores and mail", func(ctx context.Context, c config, p *boot.Process) error {
//			db, err := postgres.Open(ctx, c.Database.Text(), postgres.Options{})
//			if err != nil {
//				return err
//			}
//			p.OnStop(func() error { db.Close(); return nil })
//			p.Check("database", db.Ready)
//			p.Go("jobs", service.Run)
//			return nil
//		})
//	}
package boot

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"imago/pkg/memory"
)

// Common is what every program's configuration embeds.
type Common struct {
	Health     Listener      `envPrefix:"HEALTH_"` // /healthz, /readyz, /metrics
	LogLevel   slog.Level    `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	StopWithin time.Duration `env:"STOP_WITHIN" envDefault:"25s" help:"how long running work may go on when the program is to end"`
}

func (c Common) common() Common { return c }

// Config is a program's configuration: a struct that embeds Common, its fields tagged
// with env (the name after IMAGO_), envDefault and help. One that has a Validate method
// is asked what else is wrong.
type Config interface{ common() Common }

// Process is the running program, as its setup sees it.
type Process struct {
	Name    string
	Version string
	Log     *slog.Logger
	Metrics *prometheus.Registry

	checks  []check
	tasks   []task
	stops   []func() error
	state   atomic.Int32 // starting, ready, stopping
	looking bool         // -check
	told    []string     // by setup, for -check to say
}

type task struct {
	name string
	run  func(context.Context) error
}

// The states of a process.
const (
	starting int32 = iota
	ready
	stopping
)

// Go runs a part of the program until ctx ends; all parts start when the setup has
// returned. A part that ends before, with or without an error, ends the program.
func (p *Process) Go(name string, run func(context.Context) error) {
	p.tasks = append(p.tasks, task{name, run})
}

// Check adds what must hold for the program to be ready.
func (p *Process) Check(name string, holds func(context.Context) error) {
	p.checks = append(p.checks, check{name, holds})
}

// Tell adds a line to what -check says, about something that the setup opened.
func (p *Process) Tell(line string) { p.told = append(p.told, line) }

// OnStop runs when every part has ended, the last one added first.
func (p *Process) OnStop(stop func() error) { p.stops = append(p.stops, stop) }

// Looking reports whether the program was asked to look whether it could run (-check):
// its setup must then open what it needs, and change nothing that stays. No part will be run.
func (p *Process) Looking() bool { return p.looking }

// Setup prepares a program from its configuration: it opens what it needs, and adds its
// parts to the process.
type Setup[C Config] func(ctx context.Context, c C, p *Process) error

// Main is a program, from its environment to its exit code: 0 after a signal, or if
// -check or -ready finds nothing wrong; 1 on an error; 2 if the configuration is wrong.
func Main[C Config](name, summary string, setup Setup[C]) {
	memory.Thrift()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the program at once.
	go func() { <-ctx.Done(); stop() }()
	w := world{args: os.Args[1:], environ: os.Environ(), out: os.Stdout, err: os.Stderr}
	os.Exit(run(ctx, w, name, summary, setup))
}

// world is where a program runs.
type world struct {
	args     []string
	environ  []string
	out, err io.Writer
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitConfig = 2
)

// asked is what a command line asks for, instead of a run.
type asked struct{ check, ready, reference, version bool }

func (a *asked) parse(w world, name string, usage func()) error {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(w.err)
	flags.Usage = usage
	for _, m := range modes {
		flags.BoolVar(m.of(a), m.name, false, m.help)
	}
	return flags.Parse(w.args)
}

// modes are the flags of every program.
var modes = []struct {
	name, help string
	of         func(*asked) *bool
}{
	{"check", "open what the program needs, say of each whether it answers, and exit", func(a *asked) *bool { return &a.check }},
	{"ready", "ask the running program at IMAGO_HEALTH_ADDR whether it is ready, and exit", func(a *asked) *bool { return &a.ready }},
	{"reference", "print the variables as a table in Markdown, and exit", func(a *asked) *bool { return &a.reference }},
	{"version", "print the version, and exit", func(a *asked) *bool { return &a.version }},
}

func run[C Config](ctx context.Context, w world, name, summary string, setup Setup[C]) int {
	var what asked
	if err := what.parse(w, name, func() { usage[C](w.err, name, summary) }); errors.Is(err, flag.ErrHelp) {
		return exitDone
	} else if err != nil {
		return exitConfig
	}
	switch {
	case what.version:
		return say(w.out, exitDone, "%s %s\n", name, Version())
	case what.reference:
		return say(w.out, exitDone, "%s", Reference[C](name, summary))
	}
	c, err := Load[C](w.environ)
	if err != nil {
		return say(w.err, exitConfig, "%s: the configuration is wrong:\n%s\n", name, indent(err))
	}
	p := newProcess(name, w, c.common())
	prepare := func(ctx context.Context) error { return setup(ctx, c, p) }
	switch {
	case what.check:
		return p.look(ctx, w, thorough, prepare)
	case what.ready:
		return p.ask(ctx, w, c.common().Health)
	}
	if err := p.live(ctx, c.common(), prepare); err != nil {
		p.Log.Error("ended", "error", err)
		return exitFailed
	}
	return exitDone
}

// say prints, and gives the exit code; one that could not print has failed.
func say(w io.Writer, code int, format string, args ...any) int {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		return exitFailed
	}
	return code
}

func newProcess(name string, w world, c Common) *Process {
	p := &Process{Name: name, Version: Version(), Metrics: prometheus.NewRegistry()}
	p.Log = newLogger(w.err, c.LogLevel).With("program", name)
	built := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "imago_build_info", Help: "The version that runs; always 1.",
		ConstLabels: prometheus.Labels{"program": name, "version": p.Version},
	})
	built.Set(1)
	p.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), built)
	return p
}

// live is the program's life: health first, so that somebody can see it start; then
// setup, the parts, and the end.
func (p *Process) live(ctx context.Context, c Common, setup func(context.Context) error) (err error) {
	began := time.Now()
	p.Log.Info("starting", "version", p.Version)
	healthCtx, stopHealth := context.WithCancel(context.WithoutCancel(ctx))
	health, err := c.Health.listen(healthCtx, p.Log)
	if err != nil {
		stopHealth()
		return fmt.Errorf("health: %w", err)
	}
	served := make(chan error, 1)
	go func() { served <- health.serve(healthCtx, p.health(true)) }()
	defer func() {
		stopHealth()
		err = errors.Join(err, <-served)
	}()
	defer func() { err = errors.Join(err, p.close()) }()
	if err := setup(ctx); err != nil {
		return err
	}
	p.state.Store(ready)
	p.Log.Info("started", "after", time.Since(began).Round(time.Millisecond))
	err = p.work(ctx, c.StopWithin)
	p.Log.Info("stopped")
	return err
}

// work runs the parts until ctx ends or one of them does, then waits for the others.
func (p *Process) work(ctx context.Context, within time.Duration) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	errs := make(chan error, len(p.tasks))
	for _, t := range p.tasks {
		all.Go(func() {
			if err := t.until(ctx); err != nil {
				errs <- err
				stop(err)
			}
		})
	}
	<-ctx.Done()
	p.state.Store(stopping)
	p.Log.Info("stopping", "why", context.Cause(ctx).Error())
	ended := make(chan struct{})
	go func() { all.Wait(); close(errs); close(ended) }()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		return fmt.Errorf("running work did not end within %s", within)
	}
	var joined error
	for err := range errs {
		joined = errors.Join(joined, err)
	}
	return joined
}

// until runs a part, and takes its end for an error unless it was told to end.
func (t task) until(ctx context.Context) error {
	err := t.run(ctx)
	switch {
	case ctx.Err() == nil && err == nil:
		return fmt.Errorf("%s ended by itself", t.name)
	case err == nil, ctx.Err() != nil && errors.Is(err, context.Canceled):
		return nil
	}
	return fmt.Errorf("%s: %w", t.name, err)
}

func (p *Process) close() (err error) {
	for _, stop := range slices.Backward(p.stops) {
		err = errors.Join(err, stop())
	}
	return err
}
