package worker_test

import (
	"context"
	"strings"
	"testing"

	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/job"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/checks"
	"imago/pkg/postgres/worldtest"
	"imago/services/worker"
)

// A repository is checked after it was swept; an object that is gone stands in the
// activity log, without a word of the org.
func TestDamageIsTold(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{Store: mem.New(mem.Options{})})
	work(t, w, worker.Config{}, deps(t, w))
	w.Taken(t, w.Queue(t))
	checks := func() (n int) {
		if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from river.river_job where kind = 'check_repository' and state = 'completed'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	worldtest.Until(t, "a check ends", func() bool { return checks() == 1 })
	if n := count(w.Actions(t), "find_damage"); n != 0 {
		t.Errorf("damage is told where there is none: %v", w.Actions(t))
	}
	removeChecksums(t, w.Store)
	w.Exec(t, `alter table snapshots disable trigger snapshots_guard`)
	w.Exec(t, `update snapshots set ended_at = ended_at - interval '1 day'`)
	w.Taken(t, w.Queue(t))
	worldtest.Until(t, "the activity log tells of it", func() bool { return count(w.Actions(t), "find_damage") == 1 })
}

// TestDamageIsMailedOnce: the connection's check says how its repository is; members are told
// by mail of new damage, and not again each day. What heals and comes back is new.
func TestDamageIsMailedOnce(t *testing.T) {
	t.Parallel()
	store := mem.New(mem.Options{})
	w := worldtest.New(t, worldtest.Options{Store: store})
	work(t, w, worker.Config{}, deps(t, w))
	one, two := w.Taken(t, w.Queue(t)), w.Taken(t, w.Queue(t))
	worldtest.Until(t, "the check after the first snapshot ends", func() bool { _, ok := lastCheck(t, w); return ok })
	whole := check(t, w)
	if whole.Damaged != 0 || whole.Concerned != 0 || whole.Snapshots != 2 || whole.Segments == 0 || whole.AlarmID != nil {
		t.Errorf("at first: %+v", whole)
	}
	for _, step := range []struct {
		name           string
		flipped        string
		damaged, mails int
	}{
		{"damaged", one.Place() + "/checksums", 1, 1},
		{"still damaged", "", 1, 1},
		{"more is damaged", two.Place() + "/checksums", 2, 2},
		{"one is healed", one.Place() + "/checksums", 1, 2},
		{"both are", two.Place() + "/checksums", 0, 2},
		{"damaged again", two.Place() + "/checksums", 1, 3},
	} {
		store.Edit(step.flipped, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		c, mails := check(t, w), 0
		if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from messages where kind = 'repository_damaged'`).Scan(&mails); err != nil {
			t.Fatal(err)
		}
		if c.Damaged != step.damaged || c.Concerned != step.damaged || mails != step.mails {
			t.Fatalf("%s: %d objects, %d snapshots, %d mails", step.name, c.Damaged, c.Concerned, mails)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	m := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, "Backups are damaged") })
	if !strings.Contains(m.Text, "1 of 2 snapshots") {
		t.Errorf("the mail says %s", m.Text)
	}
}

// lastCheck reads the connection's check.
func lastCheck(t testing.TB, w *worldtest.World) (c checks.Check, ok bool) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		c, ok, err = checks.Get(ctx, tx, w.Connection)
		return err
	})
	return c, ok
}

// unchecked waits until no check is under way: one that is asked for beside it is no other.
func unchecked(t *testing.T, w *worldtest.World) {
	t.Helper()
	worldtest.Until(t, "no check is under way", func() (idle bool) {
		if err := w.Base.Owner().QueryRow(t.Context(), `select not exists (select from river.river_job
			where kind = 'check_repository' and state <> 'completed')`).Scan(&idle); err != nil {
			t.Fatal(err)
		}
		return idle
	})
}

// check has the repository checked, as a sweep does, and waits for it.
func check(t *testing.T, w *worldtest.World) (c checks.Check) {
	t.Helper()
	unchecked(t, w)
	before, _ := lastCheck(t, w)
	sweep := w.Base.JobRow(t, job.SweepRepository{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
	err := w.Base.Open(t, "imago_worker").As(t.Context(), postgres.Job(sweep), func(tx *postgres.Tx) error {
		return tx.Enqueue(t.Context(), job.CheckRepository{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Base.EndJob(t, sweep)
	worldtest.Until(t, "the check ends", func() bool {
		c, _ = lastCheck(t, w)
		return c.CheckedAt.After(before.CheckedAt)
	})
	return c
}

// removeChecksums loses an object that the next snapshot does not need.
func removeChecksums(t *testing.T, store blob.Store) {
	t.Helper()
	for o, err := range store.List(t.Context(), "users/") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(o.Key, "/checksums") {
			if err := store.Delete(t.Context(), o.Key); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("there are no checksums")
}
