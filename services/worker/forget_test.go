package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"imago/pkg/billing"
	"imago/pkg/blob"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/snapshot"
	"imago/pkg/snapshot/retention"
	"imago/services/worker"
)

// keysBelow lists what lies in a store.
func keysBelow(t *testing.T, store blob.Store, prefix string) (keys []string) {
	t.Helper()
	for o, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// looked waits until connections have been looked through so often.
func looked(t *testing.T, w *worldtest.World, times int) {
	t.Helper()
	worldtest.Until(t, "the snapshots are looked through", func() bool {
		var n int
		err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from river.river_job where kind = 'forget_snapshots' and state = 'completed'`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n >= times
	})
}

// newestThree takes as many as retention never lets go, and gives the last.
func newestThree(t *testing.T, w *worldtest.World) (last snapshots.Snapshot) {
	t.Helper()
	for range retention.AtLeast {
		last = w.Taken(t, w.Queue(t))
	}
	return last
}

// TestWhatThePlanDoesNotKeepGoes: an account whose trial is over for longer than what it
// kept. First a snapshot is not there for anybody, a day later not in the store either,
// though the store fails half way.
func TestWhatThePlanDoesNotKeepGoes(t *testing.T) {
	t.Parallel()
	store := mem.New(mem.Options{})
	failing := fault.New(store)
	s := newShopIn(t, worldtest.Options{Store: failing})
	d := deps(t, s.World)
	d.Billing = s.processor
	stop := work(t, s.World, worker.Config{}, d)
	old, pinned := s.Taken(t, s.Queue(t)), s.Taken(t, s.Queue(t))
	newest := newestThree(t, s.World)
	stop()
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := snapshots.Pin(ctx, tx, pinned.ID)
		return err
	})
	s.Exec(t, `delete from river.river_job where kind = 'forget_snapshots'`)
	s.Exec(t, `update connections set forget_at = null`)
	var c clock
	d = deps(t, s.World)
	d.Billing, d.Now = s.processor, c.now
	failing.AddFault(fault.Delete).After(1).ErrorInstead(errors.New("the store is away"))
	work(t, s.World, worker.Config{}, d)

	looked(t, s.World, 1)
	if n := len(list(t, s.World)); n != 5 {
		t.Fatalf("%d snapshots while the trial goes on, want 5", n)
	}
	c.advance(45 * 24 * time.Hour) // the trial of two weeks, and the month for which its snapshots are kept
	looked(t, s.World, 2)
	if all := list(t, s.World); len(all) != 4 || all[0].ID != newest.ID || all[3].ID != pinned.ID {
		t.Fatalf("left: %s", worldtest.JSON(t, all))
	}
	if len(keysBelow(t, store, old.Place())) == 0 {
		t.Fatal("whoever was reading it reads no more")
	}
	c.advance(24 * time.Hour)
	looked(t, s.World, 3)
	for _, left := range keysBelow(t, store, old.Place()) { // the others stand on some of it
		if strings.HasSuffix(left, "/"+snapshot.ManifestName) || strings.HasSuffix(left, "/"+snapshot.ChecksumsName) {
			t.Errorf("left in the store: %v", left)
		}
	}
	failing.VerifyAllFired(t)
	for name, kept := range map[string]snapshots.Snapshot{"the pinned": pinned, "the newest": newest} {
		if got := s.Open(t, kept).Digest(); got != kept.ManifestDigest {
			t.Errorf("%s is another", name)
		}
	}
	if got := s.Detail(t, "expire_snapshot"); !strings.Contains(got, "nothing keeps it; the Free plan keeps snapshots for 7 days") {
		t.Errorf("the activity log says %q", got)
	}
	if got := s.Detail(t, "forget_snapshot"); !strings.Contains(got, "removed from the store") {
		t.Errorf("the activity log says %q", got)
	}
}

// TestADowngradeKeepsDataForAMonth is the promise that nobody loses snapshots by a card
// that has run out.
func TestADowngradeKeepsDataForAMonth(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	d := deps(t, s.World)
	stop := work(t, s.World, worker.Config{}, d)
	s.Taken(t, s.Queue(t))
	newestThree(t, s.World)
	stop()
	var c clock
	s.Exec(t, `delete from river.river_job where kind = 'forget_snapshots'`)
	s.Exec(t, `update connections set forget_at = null`)
	s.sells(t, 400)
	if err := s.stripe.Cancel(s.buy(t, billing.Business)); err != nil {
		t.Fatal(err)
	}
	d = deps(t, s.World)
	d.Billing, d.Now = s.processor, c.now
	work(t, s.World, worker.Config{}, d)
	worldtest.Until(t, "the worker has heard of it", func() bool {
		var state string
		if err := s.Base.Owner().QueryRow(t.Context(), `select state from subscriptions`).Scan(&state); err != nil {
			t.Fatal(err)
		}
		return state == string(billing.Cancelled)
	})
	for n, want := range []int{4, 4, 3} {
		looked(t, s.World, n+1)
		if got := len(list(t, s.World)); got != want {
			t.Fatalf("look %d: %d snapshots, want %d", n, got, want)
		}
		c.advance(29 * 24 * time.Hour)
	}
}

// TestThinning: where nothing is sold nothing is limited, and what the customer thins goes.
func TestThinning(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	d := deps(t, w)
	stop := work(t, w, worker.Config{}, d)
	first := w.Taken(t, w.Queue(t))
	w.Taken(t, w.Queue(t))
	newest := newestThree(t, w)
	stop()
	w.Exec(t, `delete from river.river_job where kind = 'forget_snapshots'`)
	w.Exec(t, `update connections set forget_at = null`)
	var c clock
	d = deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	looked(t, w, 1)
	if n := len(list(t, w)); n != 5 {
		t.Fatalf("%d snapshots, want 5: nobody asked for less", n)
	}
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := connections.Thin(ctx, tx, w.Connection, true, c.now())
		return err
	})
	c.advance(23 * time.Hour)
	ticks(t, w, 2)
	if n := len(list(t, w)); n != 5 {
		t.Fatalf("%d snapshots within a day, want 5: there is time to take it back", n)
	}
	c.advance(2 * time.Hour)
	looked(t, w, 2)
	if all := list(t, w); len(all) != 4 || all[0].ID != newest.ID || all[3].ID != first.ID {
		t.Errorf("left: %s", worldtest.JSON(t, all))
	}
}

// TestWhatTheBucketLocksIsKept, and shown with that as its reason, until the lock ends.
func TestWhatTheBucketLocksIsKept(t *testing.T) {
	t.Parallel()
	var c clock
	store := mem.New(mem.Options{Now: c.now, LockFor: 60 * 24 * time.Hour})
	s := newShopIn(t, worldtest.Options{Store: store})
	d := deps(t, s.World)
	d.Billing, d.Now = s.processor, c.now
	stop := work(t, s.World, worker.Config{}, d)
	old := s.Taken(t, s.Queue(t))
	newestThree(t, s.World)
	stop()
	s.Exec(t, `delete from river.river_job where kind = 'forget_snapshots'`) // one that came while a snapshot was taken
	s.Exec(t, `update connections set forget_at = null`)
	d = deps(t, s.World)
	d.Billing, d.Now = s.processor, c.now
	work(t, s.World, worker.Config{}, d)
	looked(t, s.World, 1)
	c.advance(45 * 24 * time.Hour) // nothing but the lock keeps it
	looked(t, s.World, 2)
	if n := len(list(t, s.World)); n != 4 {
		t.Fatalf("%d snapshots while the bucket locks them", n)
	}
	c.advance(16 * 24 * time.Hour)
	looked(t, s.World, 3)
	if n := len(list(t, s.World)); n != 3 {
		t.Fatalf("%d snapshots when it no longer does", n)
	}
	c.advance(25 * time.Hour)
	looked(t, s.World, 4)
	for _, left := range keysBelow(t, store, old.Place()) {
		if strings.HasSuffix(left, "/"+snapshot.ManifestName) {
			t.Errorf("left in the store: %v", left)
		}
	}
	if n := count(s.Actions(t), "fail_forget"); n != 0 {
		t.Errorf("it failed %d times", n)
	}
}

// TestALockOfItsOwnIsPassedOver: one object that somebody locked keeps none of the others.
func TestALockOfItsOwnIsPassedOver(t *testing.T) {
	t.Parallel()
	under := mem.New(mem.Options{})
	store := fault.New(under)
	w := worldtest.New(t, worldtest.Options{Store: store})
	stop := work(t, w, worker.Config{}, deps(t, w))
	locked, old := w.Taken(t, w.Queue(t)), w.Taken(t, w.Queue(t))
	w.Taken(t, w.Queue(t))
	stop()
	until := time.Date(2031, 5, 6, 7, 8, 0, 0, time.UTC)
	store.AddFault(fault.Delete).On(locked.Place() + "/" + snapshot.ManifestName).ErrorInstead(&blob.LockedError{Until: until, Err: errors.New("held")})
	w.Exec(t, `update snapshots set expired_at = now() - interval '2 hours' where id = any ($1)`, []string{locked.ID, old.ID})
	w.Exec(t, `delete from river.river_job where kind = 'forget_snapshots'`)
	w.Exec(t, `update connections set forget_at = null`)
	work(t, w, worker.Config{}, deps(t, w))
	looked(t, w, 1)
	manifest := "/" + snapshot.ManifestName
	if keysBelow(t, under, locked.Place()+manifest) == nil || keysBelow(t, under, old.Place()+manifest) != nil {
		t.Error("what is locked is gone, or the other is not")
	}
	if got := w.Detail(t, "hold_snapshots"); got != "left in the store, which locks it: 1 snapshot that nothing keeps; the first until 2031-05-06 07:08 UTC" {
		t.Error(got)
	}
	store.VerifyAllFired(t)
	w.Exec(t, `update connections set forget_at = null`)
	looked(t, w, 2)
	if keysBelow(t, under, locked.Place()+manifest) != nil {
		t.Error("it is not tried again")
	}
}

// TestAStoreThatRemovesNothingIsToldOf, when it was tried often enough.
func TestAStoreThatRemovesNothingIsToldOf(t *testing.T) {
	t.Parallel()
	failing := fault.New(mem.New(mem.Options{}))
	w := worldtest.New(t, worldtest.Options{Store: failing})
	stop := work(t, w, worker.Config{}, deps(t, w))
	old := w.Taken(t, w.Queue(t))
	w.Taken(t, w.Queue(t))
	stop()
	w.Exec(t, `update snapshots set expired_at = now() - interval '2 hours' where id = $1`, old.ID)
	w.Exec(t, `delete from river.river_job where kind = 'forget_snapshots'`)
	w.Exec(t, `update connections set forget_at = null`)
	failing.AddFault(fault.Delete).Forever().ErrorInstead(errors.New("the store is away"))
	work(t, w, worker.Config{}, deps(t, w))
	triedOften(t, w)
	if got := w.Detail(t, "fail_forget"); !strings.Contains(got, "still lie in the store") {
		t.Errorf("the activity log says %q", got)
	}
}

// triedOften waits until a job that forgets gives up, as if it had been tried often, each time a
// while after the other.
func triedOften(t *testing.T, w *worldtest.World) {
	t.Helper()
	worldtest.Until(t, "the job gives up", func() bool {
		w.Exec(t, `update river.river_job set errors = array_fill(errors[1], array[8]), scheduled_at = now(), state = 'available'
			where kind = 'forget_snapshots' and state = 'retryable'`)
		return count(w.Actions(t), "fail_forget") == 1
	})
}
