package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/postgrestest"
)

// work runs a worker function until the test ends.
type work[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	do func(context.Context, *river.Job[T]) error
}

func (w work[T]) Work(ctx context.Context, j *river.Job[T]) error { return w.do(ctx, j) }

// runJobs works jobs until the test ends.
func runJobs(t *testing.T, db *postgres.DB, workers *postgres.Workers, o postgres.JobsOptions) {
	t.Helper()
	o.StopWithin = time.Second
	jobs, err := db.Jobs(workers, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- jobs.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run jobs: %v", err)
		}
	})
}

// await waits for something that will happen, for as long as a slow machine may need.
func await[T any](t *testing.T, c <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s: nothing happened within a minute", what)
	}
	return got
}

// A job is enqueued by the api, worked by the worker with the job as its proof, and
// gone from sight when it is done.
func TestJobIsWorkedWithItsOwnProof(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	worker := base.Open(t, "imago_worker")
	seen := make(chan string, 1)
	workers := postgres.NewWorkers()
	err := postgres.AddWorker(workers, work[job.CheckConnection]{do: func(ctx context.Context, j *river.Job[job.CheckConnection]) error {
		return worker.As(ctx, postgres.Job(j.ID), func(tx *postgres.Tx) error {
			seen <- string(tx.Account())
			return nil
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	runJobs(t, worker, workers, postgres.JobsOptions{Queues: map[string]int{job.QueueBackup: 1}})
	err = base.Open(t, "imago_api").As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
		return tx.Enqueue(t.Context(), job.CheckConnection{AccountID: string(acme.ID), ConnectionID: "c"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := await(t, seen, "the job"); got != string(acme.ID) {
		t.Errorf("worked as %q", got)
	}
}

// The work of a process that was killed: its row says running, and nobody works it.
// Any other process takes it over; the leader need not be alive.
func TestWorkOfADeadProcessIsTakenOver(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	id := base.JobRow(t, job.TakeSnapshot{AccountID: string(acme.ID), ConnectionID: "c", SnapshotID: "s"})
	fresh := base.JobRow(t, job.TakeSnapshot{AccountID: string(acme.ID), ConnectionID: "d", SnapshotID: "s"})
	if _, err := base.Owner().Exec(t.Context(), `update river.river_job set attempted_at = now() - interval '21 seconds' where id = $1`, id); err != nil {
		t.Fatal(err)
	}
	// Somebody else led, and died with it: leadership itself is free only later.
	if _, err := base.Owner().Exec(t.Context(), `insert into river.river_leader (elected_at, expires_at, leader_id)
		values (now(), now() + interval '1 hour', 'dead')`); err != nil {
		t.Fatal(err)
	}
	taken := make(chan int64, 2)
	workers := postgres.NewWorkers()
	err := postgres.AddWorker(workers, work[job.TakeSnapshot]{do: func(_ context.Context, j *river.Job[job.TakeSnapshot]) error {
		taken <- j.ID
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	runJobs(t, base.Open(t, "imago_worker"), workers, postgres.JobsOptions{Queues: map[string]int{job.QueueBackup: 2}})
	if got := await(t, taken, "the take-over"); got != id {
		t.Errorf("took over %d, want %d", got, id)
	}
	var state string
	if err := base.Owner().QueryRow(t.Context(), `select state from river.river_job where id = $1`, fresh).Scan(&state); err != nil {
		t.Fatal(err)
	}
	if state != "running" {
		t.Errorf("a job that was fetched just now is %s", state)
	}
}

// A long job is its process's for as long as that lives, and no longer.
func TestLongJobIsKeptWhileItsProcessLives(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	begun, end := make(chan int64, 2), make(chan struct{})
	workers := postgres.NewWorkers()
	err := postgres.AddWorker(workers, work[job.PlanRestore]{do: func(ctx context.Context, j *river.Job[job.PlanRestore]) error {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < postgres.LongTimeout/2 {
			t.Errorf("it must end by %v", deadline)
		}
		begun <- j.ID
		<-end
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	runJobs(t, base.Open(t, "imago_worker"), workers, postgres.JobsOptions{Queues: map[string]int{job.QueueBackup: 2}})
	err = base.Open(t, "imago_api").As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
		return tx.Enqueue(t.Context(), job.PlanRestore{AccountID: string(acme.ID), RestoreID: "r"})
	})
	if err != nil {
		t.Fatal(err)
	}
	id := await(t, begun, "the job")
	defer close(end)
	dead := base.JobRow(t, job.PlanRestore{AccountID: string(acme.ID), RestoreID: "of the dead"})
	// As long as it lives, it is younger than 20 s again and again; the other is not.
	for range 2 {
		if _, err := base.Owner().Exec(t.Context(), `update river.river_job set attempted_at = now() - interval '19 seconds'
			where id in ($1, $2) and state = 'running'`, id, dead); err != nil {
			t.Fatal(err)
		}
		deadline := time.After(time.Minute)
		for young := false; !young; {
			if err := base.Owner().QueryRow(t.Context(), `select attempted_at > now() - interval '15 seconds' from river.river_job where id = $1`, id).Scan(&young); err != nil {
				t.Fatal(err)
			}
			select {
			case other := <-begun:
				if other != dead {
					t.Fatalf("job %d was taken over while it ran", other)
				}
			case <-deadline:
				t.Fatal("nobody said that the job is alive")
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

// complaints passes on what is logged as wrong.
type complaints struct {
	slog.Handler
	said chan string
}

func (c complaints) Enabled(context.Context, slog.Level) bool { return true }

func (c complaints) Handle(_ context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return nil
	}
	select {
	case c.said <- r.Message:
	default: // nobody listens any more
	}
	return nil
}

// A process that cannot say that its jobs are alive does not take them for dead itself.
func TestLongJobIsNotTakenOverByItsOwnProcess(t *testing.T) {
	t.Parallel()
	base := postgrestest.Fresh(t)
	acme := base.Account(t)
	begun, end := make(chan int64, 2), make(chan struct{})
	defer close(end)
	workers := postgres.NewWorkers()
	err := postgres.AddWorker(workers, work[job.PlanRestore]{do: func(_ context.Context, j *river.Job[job.PlanRestore]) error {
		begun <- j.ID
		<-end
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	runJobs(t, base.Open(t, "imago_worker"), workers, postgres.JobsOptions{
		Queues: map[string]int{job.QueueBackup: 2}, Logger: slog.New(complaints{slog.DiscardHandler, said}),
	})
	in(t, base.Open(t, "imago_api"), acme.Proof, func(tx *postgres.Tx) error {
		return tx.Enqueue(t.Context(), job.PlanRestore{AccountID: string(acme.ID), RestoreID: "r"})
	})
	id := await(t, begun, "the job")
	for _, sql := range []string{
		`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$`,
		`create trigger refuse before update of attempted_at on river.river_job for each row
			when (old.state = new.state and session_user = 'imago_worker') execute function refuse()`,
		`update river.river_job set attempted_at = now() - interval '1 minute' where id = ` + fmt.Sprint(id),
	} {
		if _, err := base.Owner().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for beats := 0; beats < 2; {
		switch message := await(t, said, "a complaint"); message {
		case "say that jobs are alive":
			beats++
		case "took over jobs of a process that is gone":
			t.Fatal("its own process took it over")
		}
	}
	var state string
	if err := base.Owner().QueryRow(t.Context(), `select state from river.river_job where id = $1`, id).Scan(&state); err != nil {
		t.Fatal(err)
	}
	if state != "running" {
		t.Errorf("the job is %s", state)
	}
}

// Either program may lead, and enqueues the ticks of both; a leader knows all kinds, so
// it throws nothing away.
func TestEitherProgramKeepsBothTicking(t *testing.T) {
	t.Parallel()
	for _, leader := range []string{"imago_worker", "imago_drift"} {
		t.Run(leader, func(t *testing.T) {
			t.Parallel()
			base := postgrestest.Fresh(t)
			runJobs(t, base.Open(t, leader), postgres.NewWorkers(), postgres.JobsOptions{Queues: map[string]int{"none": 1}})
			listen, err := base.Owner().Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer listen.Release()
			ticker := time.NewTicker(50 * time.Millisecond)
			defer ticker.Stop()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for n := 0; n < 2; {
				select {
				case <-ctx.Done():
					t.Fatal("no ticks within a minute")
				case <-ticker.C:
				}
				if err := listen.QueryRow(ctx, `select count(distinct kind) from river.river_job
					where kind in ('run_schedules', 'start_follows')`).Scan(&n); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestUnfinishedJobKeepsAnotherOut(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	api := base.Open(t, "imago_api")
	count := func() (n int) {
		if err := base.Owner().QueryRow(t.Context(), `select count(*) from river.river_job where args ->> 'account_id' = $1`, acme.ID).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	enqueue := func() {
		err := api.As(t.Context(), acme.Proof, func(tx *postgres.Tx) error {
			return tx.Enqueue(t.Context(), job.TakeSnapshot{AccountID: string(acme.ID), ConnectionID: "c", SnapshotID: "s"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	enqueue()
	enqueue()
	if n := count(); n != 1 {
		t.Errorf("%d jobs for one snapshot", n)
	}
	if _, err := base.Owner().Exec(t.Context(), `update river.river_job set state = 'completed', finalized_at = now()
		where args ->> 'account_id' = $1`, acme.ID); err != nil {
		t.Fatal(err)
	}
	enqueue()
	if n := count(); n != 2 {
		t.Errorf("%d jobs after the first was done", n)
	}
}

// What a job is about is its proof: nobody changes it, not even the programs that run it.
func TestJobStaysAboutWhatItWasAbout(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme := base.Account(t)
	id := base.JobRow(t, job.TakeSnapshot{AccountID: string(acme.ID), ConnectionID: "c"})
	for _, change := range []string{`kind = 'apply_restore'`, `args = '{}'`, `queue = 'restore'`} {
		_, err := base.Owner().Exec(t.Context(), `update river.river_job set `+change+` where id = $1`, id)
		if err == nil {
			t.Errorf("%s was taken", change)
		}
	}
}

type unheard struct{}

func (unheard) Kind() string { return "unheard_of" }

func TestEveryKindHasItsQueue(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	db := base.Open(t, "imago_api")
	err := db.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) error { return tx.Enqueue(t.Context(), unheard{}) })
	if err == nil {
		t.Error("a kind without a queue was enqueued")
	}
	workers := postgres.NewWorkers()
	one := work[job.SendMessage]{}
	if err := errors.Join(postgres.AddWorker(workers, one)); err != nil {
		t.Fatal(err)
	}
	if err := postgres.AddWorker(workers, one); err == nil {
		t.Error("a kind was registered twice")
	}
}
