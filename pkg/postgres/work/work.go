// Package work runs jobs as units of work: each let in by its own proof, told of in
// one log line at its start and one at its end, counted, and failing without leaving
// in the queue what nobody may read there.
package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"

	"imago/pkg/postgres"
	"imago/pkg/problem"
)

// Slice is how long a unit of work should go on before it makes place: well within
// postgres.SliceTimeout, so that what is under way can still be written down.
const Slice = 8 * time.Second

// Options tunes a Desk. Its zero value is right for a program.
type Options struct {
	Now func() time.Time // nil: time.Now
}

// Desk is where a program's jobs are run.
type Desk struct {
	log     *slog.Logger
	now     func() time.Time
	jobs    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// New makes a desk. Its counters are imago_jobs_total and imago_job_seconds.
func New(log *slog.Logger, metrics prometheus.Registerer, o Options) (*Desk, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &Desk{
		log: log, now: o.Now,
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imago_jobs_total", Help: "Jobs worked, by kind and outcome: done, again (goes on later), failed.",
		}, []string{"kind", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "imago_job_seconds", Help: "Time that one slice of a job took, by kind.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 15, 60, 300},
		}, []string{"kind"}),
	}
	if err := errors.Join(metrics.Register(d.jobs), metrics.Register(d.seconds)); err != nil {
		return nil, fmt.Errorf("register metrics of jobs: %w", err)
	}
	return d, nil
}

// Quiet is a logger that passes on warnings and worse: for River, which tells every few
// seconds how it is.
func Quiet(log *slog.Logger) *slog.Logger { return slog.New(quiet{log.Handler()}) }

type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }

// Unit is one slice of one job.
type Unit struct {
	Job     int64
	Kind    string
	Proof   postgres.Proof
	Since   time.Time // when the job was enqueued
	Until   time.Time // when the slice should be over
	Attempt int       // failures before, plus one
	First   bool      // no slice of the job came before
}

// Name is how activity rows name the job as the request that they belong to.
func (u Unit) Name() string { return fmt.Sprintf("job %d", u.Job) }

// End is how a slice ended without an error.
type End struct {
	again bool
	after time.Duration
	attrs []slog.Attr
}

// Done ends the job. The attributes go into its last log line: IDs, counts and words
// of closed lists only.
func Done(attrs ...slog.Attr) End { return End{attrs: attrs} }

// Again lets the job go on later, without using up an attempt. Its log line is shown
// only if it has attributes.
func Again(after time.Duration, attrs ...slog.Attr) End {
	return End{again: true, after: max(0, after), attrs: attrs}
}

// Register adds the worker of a kind: fn works one slice. What fn returns as an error
// is logged whole, so it must hold no directory data; in the queue stands only what a
// person may see of it. Kinds that hold an account name it in the JSON of their args.
func Register[T river.JobArgs](w *postgres.Workers, d *Desk, fn func(context.Context, Unit, T) (End, error)) error {
	return postgres.AddWorker(w, &worker[T]{desk: d, fn: fn})
}

type worker[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	desk *Desk
	fn   func(context.Context, Unit, T) (End, error)
}

// Work is River's call.
func (w *worker[T]) Work(ctx context.Context, j *river.Job[T]) error {
	began := w.desk.now()
	var said struct {
		Account    string `json:"account_id"`
		Connection string `json:"connection_id"`
		Snoozes    int    `json:"snoozes"`
	}
	if err := errors.Join(json.Unmarshal(j.EncodedArgs, &said), json.Unmarshal(j.Metadata, &said)); err != nil {
		return errors.New("the job's row cannot be read")
	}
	unit := Unit{
		Job: j.ID, Kind: j.Kind, Proof: postgres.Job(j.ID), Since: j.CreatedAt, Until: began.Add(Slice),
		Attempt: len(j.Errors) + 1, First: len(j.Errors) == 0 && said.Snoozes == 0,
	}
	log := w.desk.log.With("job", j.ID, "kind", j.Kind, "account", said.Account, "connection", said.Connection)
	log.Log(ctx, level(unit.First && !clockwork(j.Kind)), "job begins", "attempt", unit.Attempt)
	end, err := w.safely(ctx, unit, j.Args)
	return w.desk.end(ctx, log, j.Kind, began, end, err)
}

// safely turns a panic into an error: River would put its text into the queue, where
// nobody's data may stand.
func (w *worker[T]) safely(ctx context.Context, u Unit, args T) (end End, err error) {
	defer func() {
		if p := recover(); p != nil {
			end, err = End{}, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return w.fn(ctx, u, args)
}

// clockwork marks the kinds that come every few seconds and mostly find nothing to do.
func clockwork(kind string) bool { return kind == "run_schedules" || kind == "start_follows" }

func level(shown bool) slog.Level {
	if shown {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func (d *Desk) end(ctx context.Context, log *slog.Logger, kind string, began time.Time, end End, err error) error {
	took := d.now().Sub(began)
	d.seconds.WithLabelValues(kind).Observe(took.Seconds())
	attrs := append(end.attrs, slog.Duration("duration", took))
	outcome := "done"
	switch {
	case err != nil:
		outcome = "failed"
		log.LogAttrs(ctx, slog.LevelError, "job ends", append(attrs, slog.String("outcome", outcome), slog.String("error", whole(err)))...)
	case end.again:
		outcome = "again"
		log.LogAttrs(ctx, level(len(end.attrs) > 0), "job ends", append(attrs, slog.String("outcome", outcome), slog.Duration("after", end.after))...)
	default:
		shown := !clockwork(kind) || len(end.attrs) > 0
		log.LogAttrs(ctx, level(shown), "job ends", append(attrs, slog.String("outcome", outcome))...)
	}
	d.jobs.WithLabelValues(kind, outcome).Inc()
	switch {
	case err != nil:
		return public(err)
	case end.again:
		return river.JobSnooze(end.after)
	}
	return nil
}

// whole is an error with the cause that a problem keeps from people.
func whole(err error) string {
	if p := problem.Of(err); p != nil && p.Err != nil {
		return err.Error() + ": " + p.Err.Error()
	}
	return err.Error()
}

// public is what of an error may stand in the queue's table.
func public(err error) error {
	if p := problem.Of(err); p != nil {
		return fmt.Errorf("%s: %s", p.Kind, p.What)
	}
	return errors.New("internal error: the program's log has it")
}

// Transient reports whether the same call may well succeed later: a neighbour is away
// or busy, or time ran out.
func Transient(err error) bool {
	return problem.Is(err, problem.Unavailable) || problem.Is(err, problem.OverLimit) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Problem is what a person may see of an error; one that is internal is Unavailable,
// and names the account of nobody.
func Problem(err error) *problem.Problem {
	if p := problem.Of(err); p != nil {
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return problem.New(problem.Unavailable, "it took too long").Because(err)
	}
	return problem.New(problem.Unavailable, "something went wrong inside Imago").WithHint("its operator finds the cause in the log").Because(err)
}
