package worker_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/postgres"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/snapshot"
	"imago/services/worker"
)

// TestWhatIsGivenUpGoes: a snapshot that is lost, and that somebody gave up, keeps nothing from
// being cleared away any more, and what is left of it is; one that is back stays, and so does
// one that a restore is about.
func TestWhatIsGivenUpGoes(t *testing.T) {
	t.Parallel()
	store := mem.New(mem.Options{})
	w := worldtest.New(t, worldtest.Options{Store: store})
	stop := work(t, w, worker.Config{}, deps(t, w))
	lost, damaged, back, needed := w.Taken(t, w.Queue(t)), w.Taken(t, w.Queue(t)), w.Taken(t, w.Queue(t)), w.Taken(t, w.Queue(t))
	newest := w.Taken(t, w.Queue(t))
	stop()
	left := manifests(t, store, back, damaged)
	for _, s := range []snapshots.Snapshot{lost, damaged, back, needed} {
		if err := store.Delete(t.Context(), manifest(s)); err != nil {
			t.Fatal(err)
		}
		w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
			_, err := snapshots.GiveUp(ctx, tx, s.ID)
			return err
		})
	}
	w.RequestPlan(t, needed.ID)
	put(t, store, back, left[back.ID])
	left[damaged.ID][len(left[damaged.ID])/2] ^= 1
	put(t, store, damaged, left[damaged.ID])
	w.Exec(t, `delete from river.river_job where kind in ('forget_snapshots', 'plan_restore')`)
	w.Exec(t, `update connections set forget_at = null`)
	var c clock
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)

	looked(t, w, 1)
	for name, want := range map[string]struct {
		snapshots.Snapshot
		gone, givenUp bool
	}{
		"the lost one":    {lost, true, true},
		"the damaged one": {damaged, true, true},
		"what is back":    {back, false, false},
		"what is needed":  {needed, false, true},
		"the newest":      {newest, false, false},
	} {
		var gone, givenUp bool
		err := w.Base.Owner().QueryRow(t.Context(), `select expired_at is not null, given_up_at is not null from snapshots where id = $1`, want.ID).Scan(&gone, &givenUp)
		if err != nil || gone != want.gone || givenUp != want.givenUp {
			t.Errorf("%s: gone %v, given up %v: %v", name, gone, givenUp, err)
		}
	}
	if count(w.Actions(t), "expire_snapshot") != 2 || count(w.Actions(t), "find_snapshot") != 1 {
		t.Errorf("the activity log tells of %v", w.Actions(t))
	}
	c.advance(24 * time.Hour) // whoever was reading it reads no more
	looked(t, w, 2)
	if c := check(t, w); c.Damaged != 1 {
		t.Errorf("what is needed is not the damage: %+v", c)
	}
	if keys := keysBelow(t, store, manifest(damaged)); len(keys) > 0 {
		t.Errorf("left in the store: %v", keys)
	}
	for _, s := range []snapshots.Snapshot{back, newest} {
		w.Open(t, s)
	}
}

// TestOneThatDoesNotReadHoldsUpNoOther: a snapshot that was given up, and of which the store does
// not say whether it is lost, stays, and is told of once it was tried often enough; meanwhile
// another that was given up goes, and so does what nothing keeps.
func TestOneThatDoesNotReadHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	under := mem.New(mem.Options{})
	store := fault.New(under)
	w := worldtest.New(t, worldtest.Options{Store: store})
	stop := work(t, w, worker.Config{}, deps(t, w))
	unread, lost, old := w.Taken(t, w.Queue(t)), w.Taken(t, w.Queue(t)), w.Taken(t, w.Queue(t))
	w.Taken(t, w.Queue(t))
	stop()
	for _, s := range []snapshots.Snapshot{unread, lost} {
		w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
			_, err := snapshots.GiveUp(ctx, tx, s.ID)
			return err
		})
	}
	if err := under.Delete(t.Context(), manifest(lost)); err != nil {
		t.Fatal(err)
	}
	store.AddFault(fault.Get).On(manifest(unread)).Forever().ErrorInstead(errors.New("access denied"))
	w.Exec(t, `update snapshots set expired_at = now() - interval '2 hours' where id = $1`, old.ID)
	w.Exec(t, `delete from river.river_job where kind = 'forget_snapshots'`)
	w.Exec(t, `update connections set forget_at = null`)
	work(t, w, worker.Config{}, deps(t, w))
	worldtest.Until(t, "the job was tried", func() bool {
		var n int
		err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from river.river_job where kind = 'forget_snapshots' and state = 'retryable'`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
	if len(keysBelow(t, under, manifest(old))) > 0 {
		t.Error("what nothing keeps is still there")
	}
	triedOften(t, w)
	if got := w.Detail(t, "fail_forget"); !strings.Contains(got, "given up, still lie in the store") {
		t.Error(got)
	}
	for s, want := range map[string]bool{lost.ID: true, unread.ID: false} {
		var gone, givenUp bool
		err := w.Base.Owner().QueryRow(t.Context(), `select expired_at is not null, given_up_at is not null from snapshots where id = $1`, s).Scan(&gone, &givenUp)
		if err != nil || gone != want || !givenUp {
			t.Errorf("%s: gone %v, want %v, given up %v: %v", s, gone, want, givenUp, err)
		}
	}
}

func manifest(s snapshots.Snapshot) string { return s.Place() + "/" + snapshot.ManifestName }

// manifests reads those of snapshots, by their IDs.
func manifests(t *testing.T, store blob.Store, all ...snapshots.Snapshot) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, s := range all {
		text, err := blob.ReadAll(t.Context(), store, manifest(s), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		out[s.ID] = text
	}
	return out
}

func put(t *testing.T, store blob.Store, s snapshots.Snapshot, text []byte) {
	t.Helper()
	if err := store.Put(t.Context(), manifest(s), bytes.NewReader(text), int64(len(text))); err != nil {
		t.Fatal(err)
	}
}
