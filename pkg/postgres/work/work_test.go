package work

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"imago/pkg/job"
	"imago/pkg/problem"
)

// run works one slice of a job, and gives River's answer and the log.
func run(t *testing.T, row *rivertype.JobRow, fn func(context.Context, Unit, job.TakeSnapshot) (End, error)) (string, *prometheus.Registry, error) {
	t.Helper()
	var log bytes.Buffer
	metrics := prometheus.NewRegistry()
	d, err := New(slog.New(slog.NewTextHandler(&log, nil)), metrics, Options{})
	if err != nil {
		t.Fatal(err)
	}
	args := job.TakeSnapshot{AccountID: "a-1", ConnectionID: "c-1", SnapshotID: "s-1"}
	row.Kind, row.EncodedArgs = args.Kind(), []byte(`{"account_id":"a-1","connection_id":"c-1"}`)
	if row.Metadata == nil {
		row.Metadata = []byte(`{}`)
	}
	w := &worker[job.TakeSnapshot]{desk: d, fn: fn}
	err = w.Work(t.Context(), &river.Job[job.TakeSnapshot]{JobRow: row, Args: args})
	return log.String(), metrics, err
}

func TestUnitIsToldAtItsStartAndEnd(t *testing.T) {
	t.Parallel()
	log, metrics, err := run(t, &rivertype.JobRow{ID: 42}, func(_ context.Context, u Unit, _ job.TakeSnapshot) (End, error) {
		if u.Name() != "job 42" || !u.First || u.Attempt != 1 || time.Until(u.Until) > Slice {
			t.Errorf("unit: %+v", u)
		}
		return Done(slog.Int("objects", 7)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"job begins", "job ends", "job=42", "account=a-1", "connection=c-1", "objects=7", "outcome=done", "duration="} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0.0
	for _, f := range families {
		if f.GetName() == "imago_jobs_total" {
			counted += f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if counted != 1 {
		t.Errorf("counted %v times", counted)
	}
}

func TestAgainSnoozesQuietly(t *testing.T) {
	t.Parallel()
	row := &rivertype.JobRow{ID: 42, Metadata: []byte(`{"snoozes":3}`)}
	log, _, err := run(t, row, func(_ context.Context, u Unit, _ job.TakeSnapshot) (End, error) {
		if u.First {
			t.Error("a snoozed job is at its first slice")
		}
		return Again(-time.Second), nil
	})
	var snooze *rivertype.JobSnoozeError
	if !errors.As(err, &snooze) || snooze.Duration != 0 {
		t.Errorf("River hears %v", err)
	}
	if log != "" {
		t.Errorf("log: %s", log)
	}
}

// The queue's table is in clear, and kept: what it says of an error is for everybody.
func TestErrorsStayOutOfTheQueue(t *testing.T) {
	t.Parallel()
	secret := errors.New("user ada@acme.example")
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"internal": {fmt.Errorf("read: %w", secret), "internal error: the program's log has it"},
		"problem":  {problem.New(problem.Unavailable, "the org does not answer").Because(secret), "unavailable: the org does not answer"},
	} {
		log, _, err := run(t, &rivertype.JobRow{ID: 1}, func(context.Context, Unit, job.TakeSnapshot) (End, error) { return End{}, test.err })
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: River hears %v, want %s", name, err, test.want)
		}
		if !strings.Contains(log, "outcome=failed") || !strings.Contains(log, secret.Error()) {
			t.Errorf("%s: the log lacks the cause: %s", name, log)
		}
	}
}

// A panic is an error like others: counted, logged with where it was, and kept from the
// queue.
func TestPanicStaysOutOfTheQueue(t *testing.T) {
	t.Parallel()
	log, _, err := run(t, &rivertype.JobRow{ID: 1}, func(context.Context, Unit, job.TakeSnapshot) (End, error) {
		panic("user ada@acme.example")
	})
	if err == nil || strings.Contains(err.Error(), "ada") {
		t.Errorf("River hears %v", err)
	}
	if !strings.Contains(log, "outcome=failed") || !strings.Contains(log, "work_test.go") {
		t.Errorf("the log: %s", log)
	}
}

func TestProblemIsForPeople(t *testing.T) {
	t.Parallel()
	if p := Problem(errors.New("pq: secret")); p.Kind != problem.Unavailable || strings.Contains(p.Error(), "secret") {
		t.Errorf("internal: %v", p)
	}
	if p := Problem(fmt.Errorf("x: %w", problem.New(problem.Denied, "no"))); p.Kind != problem.Denied {
		t.Errorf("problem: %v", p)
	}
	if p := Problem(context.DeadlineExceeded); p.What != "it took too long" {
		t.Errorf("deadline: %v", p)
	}
}

func TestTransient(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		problem.New(problem.Unavailable, "x"): true, problem.New(problem.OverLimit, "x"): true, context.DeadlineExceeded: true,
		problem.New(problem.Denied, "x"): false, errors.New("x"): false,
	} {
		if Transient(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}

func TestQuietPassesWarningsOn(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := Quiet(slog.New(slog.NewTextHandler(&out, nil))).With("a", 1).WithGroup("g")
	log.Info("not this")
	log.Warn("but this", "b", 2)
	if got := out.String(); strings.Contains(got, "not this") || !strings.Contains(got, "a=1") || !strings.Contains(got, "g.b=2") {
		t.Errorf("log: %s", got)
	}
}
