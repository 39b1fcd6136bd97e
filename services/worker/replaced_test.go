package worker_test

import (
	"path"
	"strings"
	"testing"

	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/problem"
	"imago/pkg/repository/repositorytest"
	"imago/pkg/resource"
	"imago/services/worker"
)

// TestReplacedSnapshot: from what who has an old data key put in the place of a snapshot
// nothing is restored, and nothing stands on it; from one that was sealed anew, and on it, yes.
func TestReplacedSnapshot(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	stop := work(t, w, worker.Config{}, deps(t, w))
	first := w.Taken(t, w.Queue(t))
	stop() // it knows the keyring of before
	thief, taken := w.Rotate(t), w.Open(t, first)
	repositorytest.Reseal(t, w.Store, w.Ring, taken)
	stop = work(t, w, worker.Config{}, deps(t, w))
	second := w.Open(t, w.Taken(t, w.Queue(t)))
	if got := second.Manifest().Parent; got != path.Base(first.Place()) {
		t.Errorf("the next one stands on %q", got)
	}
	support, _ := w.Group(t, "Support")
	key := resource.Key{Type: "group", ID: support}
	w.Plan(t, first.ID, key)

	repositorytest.Forge(t, w.Store, thief, taken)
	r := w.Restored(t, w.RequestPlan(t, first.ID, key), restores.Failed)
	if p := r.Problem; p == nil || p.Kind != problem.Damaged ||
		p.What != first.Place()+"/manifest is damaged: another snapshot lies in the place of the one that was taken" ||
		!strings.HasPrefix(p.Hint, "see who may write to the bucket") {
		t.Errorf("the restore failed: %v", p)
	}
	stop() // it has kept what it wrote
	repositorytest.Forge(t, w.Store, thief, second)
	work(t, w, worker.Config{}, deps(t, w))
	if s := w.Open(t, w.Taken(t, w.Queue(t))); s.Manifest().Parent != "" || s.Manifest().Previous != second.Digest() {
		t.Errorf("the next one stands on %q, previous %q", s.Manifest().Parent, s.Manifest().Previous)
	}
}
