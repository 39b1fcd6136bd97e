package worker_test

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/job"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/snapshot"
	"imago/services/worker"
)

// TestAMissingSnapshotIsTold: somebody removes a manifest from the bucket. The activity log
// names the snapshot, people are mailed, and what it stood on is not cleared away, however
// old it is: once the manifest is back all is as it was.
func TestAMissingSnapshotIsTold(t *testing.T) {
	t.Parallel()
	var c clock
	store := mem.New(mem.Options{Now: c.now})
	w := worldtest.New(t, worldtest.Options{Store: store})
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	w.Taken(t, w.Queue(t))
	newest := w.Taken(t, w.Queue(t))
	if c := check(t, w); c.Damaged != 0 {
		t.Fatalf("at first: %+v", c)
	}
	key := newest.Place() + "/" + snapshot.ManifestName
	manifest, err := blob.ReadAll(t.Context(), store, key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	c.advance(25 * time.Hour)
	left := keysBelow(t, store, "users/")
	unchecked(t, w)
	sweepNow(t, w)
	worldtest.Until(t, "the activity log tells of it", func() bool { return count(w.Actions(t), "find_damage") == 1 })
	if got := w.Detail(t, "find_damage"); !strings.HasPrefix(got, "1 object damaged or missing: 2 snapshots on ") || !strings.Contains(got, "nobody let go of: "+path.Base(newest.Place())+";") {
		t.Errorf("the activity log says %q", got)
	}
	if got := w.Detail(t, "fail_sweep"); !strings.Contains(got, "not cleared away: the store lacks 1 snapshot that nobody let go") {
		t.Errorf("the activity log says %q", got)
	}
	if now := keysBelow(t, store, "users/"); !slices.Equal(left, now) {
		t.Errorf("cleared away: %v of %v is left", now, left)
	}
	var mails int
	if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from messages where kind = 'repository_damaged'`).Scan(&mails); err != nil || mails != 1 {
		t.Errorf("%d mails, %v", mails, err)
	}
	if err := store.Put(t.Context(), key, bytes.NewReader(manifest), int64(len(manifest))); err != nil {
		t.Fatal(err)
	}
	sweepNow(t, w)
	worldtest.Until(t, "it is whole again", func() bool { c, _ := lastCheck(t, w); return c.Damaged == 0 })
	if got := w.Open(t, newest).Digest(); got != newest.ManifestDigest {
		t.Errorf("%s is another", newest.ID)
	}
	if n := count(w.Actions(t), "fail_sweep"); n != 1 {
		t.Errorf("the activity log tells %d times that nothing is cleared away", n)
	}
}

// sweepNow has the repository swept, and waits until that has ended.
func sweepNow(t *testing.T, w *worldtest.World) {
	t.Helper()
	row := w.Base.JobRow(t, job.SweepRepository{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
	w.Exec(t, `update river.river_job set state = 'available', attempt = 0, attempted_at = null where id = $1`, row)
	worldtest.Until(t, "the sweep ends", func() (done bool) {
		if err := w.Base.Owner().QueryRow(t.Context(), `select state = 'completed' from river.river_job where id = $1`, row).Scan(&done); err != nil {
			t.Fatal(err)
		}
		return done
	})
}
