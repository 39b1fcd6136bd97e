package worker_test

import (
	"bytes"
	"context"
	"testing"

	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/postgres"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/snapshot"
	"imago/services/worker"
)

// TestWhatIsGivenUpGoes: a snapshot that is lost, and that somebody gave up, keeps nothing from
// being cleared away any more; one that is back stays.
func TestWhatIsGivenUpGoes(t *testing.T) {
	t.Parallel()
	store := mem.New(mem.Options{})
	w := worldtest.New(t, worldtest.Options{Store: store})
	stop := work(t, w, worker.Config{}, deps(t, w))
	lost, back := w.Taken(t, w.Queue(t)), w.Taken(t, w.Queue(t))
	newest := w.Taken(t, w.Queue(t))
	stop()
	manifests := map[string][]byte{}
	for _, s := range []snapshots.Snapshot{lost, back} {
		key := s.Place() + "/" + snapshot.ManifestName
		text, err := blob.ReadAll(t.Context(), store, key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		manifests[s.ID] = text
		if err := store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
			_, err := snapshots.GiveUp(ctx, tx, s.ID)
			return err
		})
	}
	key := back.Place() + "/" + snapshot.ManifestName
	if err := store.Put(t.Context(), key, bytes.NewReader(manifests[back.ID]), int64(len(manifests[back.ID]))); err != nil {
		t.Fatal(err)
	}
	w.Exec(t, `delete from river.river_job where kind = 'forget_snapshots'`)
	w.Exec(t, `update connections set forget_at = null`)
	work(t, w, worker.Config{}, deps(t, w))
	looked(t, w, 1)
	var gone, given int
	err := w.Base.Owner().QueryRow(t.Context(), `select count(*) filter (where expired_at is not null), count(*) filter (where given_up_at is not null) from snapshots
		where id = any ($1)`, []string{lost.ID, back.ID}).Scan(&gone, &given)
	if err != nil || gone != 1 || given != 1 {
		t.Errorf("%d of one went, %d of one are given up: %v", gone, given, err)
	}
	if count(w.Actions(t), "expire_snapshot") != 1 || count(w.Actions(t), "find_snapshot") != 1 {
		t.Errorf("the activity log tells of %v", w.Actions(t))
	}
	if c := check(t, w); c.Damaged != 0 {
		t.Errorf("it is damage yet: %+v", c)
	}
	for _, s := range []snapshots.Snapshot{back, newest} {
		w.Open(t, s)
	}
}
