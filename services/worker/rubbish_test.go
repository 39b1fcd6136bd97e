package worker_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/job"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/snapshot"
	"imago/services/worker"
)

// What a snapshot that died has left is cleared away once it is a day old, by the first
// snapshot of a day; what is younger, and what is being written, stays.
func TestRubbishIsSwept(t *testing.T) {
	t.Parallel()
	var c clock
	w := worldtest.New(t, worldtest.Options{Store: mem.New(mem.Options{Now: c.now})})
	rubbish := func(age time.Duration) (key string) {
		t.Helper()
		c.ahead.Store(-int64(age))
		defer c.ahead.Store(0)
		key = snapshot.Prefix(w.Account.ID, w.Connection, c.now(), uuid.NewString()) + "/segment"
		if err := w.Store.Put(t.Context(), key, bytes.NewReader([]byte("x")), 1); err != nil {
			t.Fatal(err)
		}
		return key
	}
	old, young := rubbish(25*time.Hour), rubbish(23*time.Hour)
	there := func(key string) (found bool) {
		for o, err := range w.Store.List(t.Context(), key) {
			if err != nil {
				t.Fatal(err)
			}
			found = found || o.Key == key
		}
		return found
	}
	work(t, w, worker.Config{}, deps(t, w))
	first := w.Taken(t, w.Queue(t))
	worldtest.Until(t, "the rubbish goes", func() bool { return !there(old) })
	worldtest.Until(t, "the activity log says so", func() bool { return count(w.Actions(t), "sweep_repository") == 1 })
	if !there(young) {
		t.Error("what may still be written to is gone")
	}
	w.Open(t, first)
	sweeps := func() (n int) {
		if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from river.river_job where kind = 'sweep_repository'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	w.Taken(t, w.Queue(t))
	if n := sweeps(); n != 1 {
		t.Errorf("%d sweeps on one day", n)
	}
	// A snapshot of the next day sweeps again, and has nothing to tell of.
	w.Exec(t, `alter table snapshots disable trigger snapshots_guard`)
	w.Exec(t, `update snapshots set ended_at = ended_at - interval '1 day'`)
	w.Taken(t, w.Queue(t))
	worldtest.Until(t, "another sweep ends", func() bool { return sweeps() == 2 })
	if n := count(w.Actions(t), "sweep_repository"); n != 1 {
		t.Errorf("%d rows of activity", n)
	}
}

// A repository that cannot be swept is tried a few times, and told of once.
func TestSweepThatIsGivenUpIsTold(t *testing.T) {
	t.Parallel()
	store := fault.New(mem.New(mem.Options{}))
	store.AddFault(fault.List).ErrorInstead(errors.New("the store lists nothing")).Repeat(1_000)
	w := worldtest.New(t, worldtest.Options{Store: store})
	row := w.Base.JobRow(t, job.SweepRepository{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
	w.Exec(t, `update river.river_job set state = 'available', attempt = 0, attempted_at = null where id = $1`, row)
	work(t, w, worker.Config{}, deps(t, w))
	worldtest.Until(t, "the sweep is given up", func() bool {
		w.Exec(t, `update river.river_job set scheduled_at = now() where id = $1 and state in ('retryable', 'scheduled')`, row)
		var ended bool
		if err := w.Base.Owner().QueryRow(t.Context(), `select state = 'completed' from river.river_job where id = $1`, row).Scan(&ended); err != nil {
			t.Fatal(err)
		}
		return ended
	})
	if n := count(w.Actions(t), "fail_sweep"); n != 1 {
		t.Errorf("%d rows of activity", n)
	}
}
