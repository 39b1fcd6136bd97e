package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"imago/pkg/job"
)

// How long things take, so that a killed process is taken over well within a minute:
// a slice works up to 10 s and is stopped at 15; what still stands as running after 20
// is taken over by whoever looks next, every 5 s, leader or not. A long kind may take
// LongTimeout: its process says every 5 s that it is alive.
const (
	SliceTimeout  = 15 * time.Second
	LongTimeout   = 10 * time.Minute
	takeOverAfter = 20 * time.Second
	takeOverEvery = 5 * time.Second
	tickEvery     = 5 * time.Second
)

// Workers is what a program works: register with AddWorker.
type Workers struct {
	river *river.Workers
	kinds map[string]bool
	alive *alive
}

// NewWorkers makes an empty registry.
func NewWorkers() *Workers {
	return &Workers{river: river.NewWorkers(), kinds: map[string]bool{}, alive: &alive{jobs: map[int64]int{}}}
}

// AddWorker registers the worker of a kind.
func AddWorker[T river.JobArgs](w *Workers, worker river.Worker[T]) error {
	var args T
	if kinds[args.Kind()].long {
		worker = long[T]{worker, w.alive}
	}
	if err := river.AddWorkerSafely(w.river, worker); err != nil {
		return fmt.Errorf("register worker of %s: %w", args.Kind(), err)
	}
	w.kinds[args.Kind()] = true
	return nil
}

// elsewhere stands in for a kind that another program works. River's leader throws
// stuck jobs away whose kind it does not know, and any program may be the leader; so
// each knows all kinds, and takes only the queues that it works.
type elsewhere[T river.JobArgs] struct{ river.WorkerDefaults[T] }

// Work is never reached: the kind's queue is not among the program's.
func (elsewhere[T]) Work(context.Context, *river.Job[T]) error {
	var args T
	return fmt.Errorf("%s is worked by another program: take its queue out of this one's", args.Kind())
}

func standIn[T river.JobArgs](w *Workers) error {
	var args T
	if w.kinds[args.Kind()] {
		return nil
	}
	return AddWorker(w, elsewhere[T]{})
}

func (w *Workers) complete() error {
	return errors.Join(standIn[job.CheckConnection](w), standIn[job.TakeSnapshot](w), standIn[job.FollowLog](w),
		standIn[job.SweepRepository](w), standIn[job.CheckRepository](w), standIn[job.ForgetSnapshots](w), standIn[job.PlanRestore](w), standIn[job.ApplyRestore](w),
		standIn[job.SendCode](w), standIn[job.SendInvitation](w), standIn[job.SendMessage](w), standIn[job.ReportFailure](w),
		standIn[job.EndSnooze](w), standIn[job.SendDigest](w), standIn[job.SendUpdate](w), standIn[job.ReportStopped](w), standIn[job.ReportEnd](w), standIn[job.RunSchedules](w), standIn[job.StartFollows](w),
		standIn[job.ApplyBilling](w), standIn[job.MakeDemo](w), standIn[job.SwitchDemo](w), standIn[job.RemoveDemo](w),
		standIn[job.RenewKeyring](w), standIn[job.DeleteAccount](w), standIn[job.ResealRepository](w), standIn[job.TakePoint](w))
}

// JobsOptions tunes Jobs.
type JobsOptions struct {
	Queues map[string]int // how many jobs of each queue at once; required
	Logger *slog.Logger   // River's own; nil: nothing is logged
	// OnError is told of each job that failed or panicked; nil: only River's log is.
	OnError river.ErrorHandler
	// StopWithin is how long running slices may go on when Run is to end; zero: 10 s.
	StopWithin time.Duration
}

// Jobs works jobs until it is told to stop.
type Jobs struct {
	db     *DB
	client *river.Client[pgx.Tx]
	alive  *alive
	logger *slog.Logger
}

// Jobs prepares a program's work. Work in a job by db.As(ctx, postgres.Job(job.ID), …).
// The ticks (run_schedules, start_follows) come by themselves, every 5 s.
func (db *DB) Jobs(workers *Workers, o JobsOptions) (*Jobs, error) {
	if err := workers.complete(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	config, err := riverConfig(workers, o)
	if err != nil {
		return nil, err
	}
	client, err := river.NewClient(riverpgxv5.New(db.pool), config)
	if err != nil {
		return nil, fmt.Errorf("make job client: %w", err)
	}
	return &Jobs{db: db, client: client, alive: workers.alive, logger: o.Logger}, nil
}

func riverConfig(workers *Workers, o JobsOptions) (*river.Config, error) {
	schedules, err := tick(job.RunSchedules{})
	if err != nil {
		return nil, err
	}
	follows, err := tick(job.StartFollows{})
	if err != nil {
		return nil, err
	}
	queues := map[string]river.QueueConfig{}
	for name, most := range o.Queues {
		queues[name] = river.QueueConfig{MaxWorkers: most}
	}
	return &river.Config{
		Schema: schema, Workers: workers.river, Queues: queues, Logger: o.Logger, ErrorHandler: o.OnError,
		FetchCooldown: 50 * time.Millisecond, FetchPollInterval: 500 * time.Millisecond,
		JobTimeout: SliceTimeout, RescueStuckJobsAfter: takeOverAfter, RetryPolicy: retry{time.Now},
		CompletedJobRetentionPeriod: time.Hour, CancelledJobRetentionPeriod: 24 * time.Hour,
		DiscardedJobRetentionPeriod: 7 * 24 * time.Hour,
		// Only the owner of an index may rebuild it, and the programs own nothing.
		ReindexerSchedule: river.NeverSchedule(),
		SoftStopTimeout:   orDefault(o.StopWithin, 10*time.Second),
		PeriodicJobs:      []*river.PeriodicJob{schedules, follows},
	}, nil
}

// tick makes a job that comes by itself. Every program knows every tick, because the
// leader alone enqueues them.
func tick(args river.JobArgs) (*river.PeriodicJob, error) {
	opts, err := insertOpts(args)
	if err != nil {
		return nil, err
	}
	next := func() (river.JobArgs, *river.InsertOpts) { return args, &opts }
	return river.NewPeriodicJob(river.PeriodicInterval(tickEvery), next, &river.PeriodicJobOpts{RunOnStart: true}), nil
}

// Run works jobs until ctx ends, then lets running slices come to their end.
func (j *Jobs) Run(ctx context.Context) error {
	if err := j.client.Start(ctx); err != nil {
		return fmt.Errorf("start working jobs: %w", err)
	}
	j.takeOver(ctx)
	<-j.client.Stopped()
	return nil
}

// takeOver puts jobs back whose process must be dead. River's own rescuer looks every
// 30 s, and only where the leader lives; this one makes that 5, everywhere.
func (j *Jobs) takeOver(ctx context.Context) {
	ticker := time.NewTicker(takeOverEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		j.beat(ctx)
	}
}

// beat says that the jobs that run here are alive. Only then are others taken for dead:
// as long as that cannot be said, our own would be among them.
func (j *Jobs) beat(ctx context.Context) {
	if err := j.alive.beat(ctx, j.db.pool); err != nil {
		j.complain(ctx, "say that jobs are alive", err)
		return
	}
	n, err := j.db.takeOver(ctx, takeOverAfter)
	if err != nil {
		j.complain(ctx, "take over jobs", err)
		return
	}
	if n > 0 {
		j.logger.WarnContext(ctx, "took over jobs of a process that is gone", "jobs", n)
	}
}

// complain logs an error, unless it is that the program ends.
func (j *Jobs) complain(ctx context.Context, doing string, err error) {
	if ctx.Err() == nil {
		j.logger.ErrorContext(ctx, doing, "error", err)
	}
}

// putBack goes by the database's clock, as attempted_at does. It leaves jobs to River's
// rescuer that have used up their attempts or were cancelled: it knows how to end them.
const putBack = `update river.river_job
set state = 'available', scheduled_at = now(),
    errors = array_append(errors, jsonb_build_object('at', now(), 'attempt', attempt,
        'error', 'the process that worked it is gone', 'trace', ''))
where state = 'running' and attempted_at < now() - $1::interval and attempt < max_attempts
    and not metadata ? 'cancel_attempted_at'`

func (db *DB) takeOver(ctx context.Context, after time.Duration) (int64, error) {
	tag, err := db.pool.Exec(ctx, putBack, after)
	return tag.RowsAffected(), err
}
