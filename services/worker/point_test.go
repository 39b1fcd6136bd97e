package worker_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/problem"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	"imago/services/worker"
)

// rename gives a group another description, and its key.
func rename(t *testing.T, w *worldtest.World, name, description string) resource.Key {
	t.Helper()
	id, ok := w.Group(t, name)
	if !ok {
		t.Fatalf("there is no group %s", name)
	}
	w.Org.Call(http.MethodPut, "/api/v1/groups/"+id, map[string]any{"profile": map[string]string{"name": name, "description": description}}, nil)
	return resource.Key{Type: "group", ID: id}
}

// drop deletes a group, and gives its key.
func drop(t *testing.T, w *worldtest.World, name string) resource.Key {
	t.Helper()
	id, _ := w.Group(t, name)
	w.Org.Call(http.MethodDelete, "/api/v1/groups/"+id, nil, nil)
	return resource.Key{Type: "group", ID: id}
}

// holds reports whether a snapshot holds a resource with a text in its body.
func holds(t *testing.T, s *repository.Snapshot, key resource.Key, text string) bool {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if problem.Is(err, problem.NotFound) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(r.Body, []byte(text))
}

// below counts what a snapshot holds of a group's members.
func below(t *testing.T, s *repository.Snapshot, key resource.Key) (n int) {
	t.Helper()
	for _, err := range s.Below(t.Context(), "group_membership", key.ID) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// A change in the org becomes a point that holds it, and all else as the sweep had it. The
// next sweep stands on the point.
func TestPointHoldsWhatChanged(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	sweep := w.Taken(t, w.Queue(t))
	support := rename(t, w, "Support", "who answers")
	finance := drop(t, w, "Finance")
	var made struct{ ID string }
	w.Org.Call(http.MethodPost, "/api/v1/groups", map[string]any{"profile": map[string]string{"name": "Fresh"}}, &made)
	fresh := resource.Key{Type: "group", ID: made.ID}
	w.Name(t, support, finance, fresh)
	taken := w.Points(t, 1)[0]
	before, point := w.Open(t, sweep), w.Open(t, taken)
	members := below(t, before, finance)
	if members == 0 {
		t.Fatal("the group that is deleted has no members")
	}
	if holds(t, before, support, "who answers") || !holds(t, point, support, "who answers") || !holds(t, point, fresh, "Fresh") {
		t.Error("the point does not hold what changed")
	}
	if holds(t, point, finance, "") || below(t, point, finance) > 0 {
		t.Error("the point holds what is gone")
	}
	if want := sweep.Objects + 1 - 1 - int64(members); taken.State != sweep.State || taken.Objects != want || taken.Calls != 3 || point.Manifest().Objects() != want {
		t.Errorf("point: %s, want %d objects", worldtest.JSON(t, taken), want)
	}
	if m := point.Manifest(); m.Previous != sweep.ManifestDigest || m.Kind != snapshot.Incremental || point.Digest() != taken.ManifestDigest {
		t.Errorf("manifest: kind %s after %s", m.Kind, m.Previous)
	}
	next := w.Taken(t, w.Queue(t))
	if m := w.Open(t, next).Manifest(); m.Previous != taken.ManifestDigest {
		t.Errorf("the next sweep comes after %s, not the point", m.Previous)
	}
	want := []string{"start_snapshot", "complete_snapshot", "take_point", "start_snapshot", "complete_snapshot"}
	if diff := cmp.Diff(want, w.Actions(t)); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
	if n := number(t, w, `select count(*) from named_objects`); n != 0 {
		t.Errorf("%d objects are still named", n)
	}
}

// A point whose job was given up is ended, and told of in the activity log alone: nobody has to
// do anything, since the next sweep reads what it was to read.
func TestPointThatIsGivenUp(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	stop := work(t, w, worker.Config{}, deps(t, w))
	w.Taken(t, w.Queue(t))
	stop()
	w.Name(t, rename(t, w, "Support", "who answers"))
	w.Exec(t, `delete from river.river_job where kind in ('take_point', 'run_schedules')`)
	w.Exec(t, `update snapshots set created_at = now() - interval '5 minutes' where state = 'gathering' and connection_id = $1`, w.Connection)
	work(t, w, worker.Config{}, deps(t, w))
	worldtest.Until(t, "the activity log tells of it", func() bool { return count(w.Actions(t), "fail_snapshot") == 1 })
	for what, sql := range map[string]string{
		"points that gather": `select count(*) from snapshots where state = 'gathering'`,
		"objects named":      `select count(*) from named_objects`,
		"mails about it":     `select count(*) from messages where kind = 'snapshot_failed'`,
	} {
		if n := number(t, w, sql); n != 0 {
			t.Errorf("%d %s are left", n, what)
		}
	}
}

func number(t *testing.T, w *worldtest.World, sql string) (n int) {
	t.Helper()
	if err := w.Base.Owner().QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What cannot be read stays as it was, and a gap says so; the rest is read.
func TestPointTellsWhatItCouldNotRead(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	sweep := w.Taken(t, w.Queue(t))
	support, marketing := rename(t, w, "Support", "who answers"), rename(t, w, "Marketing", "who asks")
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodGet, Path: "/api/v1/groups/" + marketing.ID, Kind: "status", Status: 403, Count: 1_000_000})
	w.Name(t, support, marketing)
	taken := w.Points(t, 1)[0]
	point := w.Open(t, taken)
	if taken.State != snapshots.Partial || taken.Objects != sweep.Objects || !holds(t, point, support, "who answers") {
		t.Errorf("point: %s", worldtest.JSON(t, taken))
	}
	if !holds(t, point, marketing, "Marketing") || holds(t, point, marketing, "who asks") {
		t.Error("what could not be read is not as it was")
	}
	status, _ := point.Manifest().Status("group")
	if len(status.Gaps) != 1 || status.Gaps[0].Reason != snapshot.Forbidden || status.Gaps[0].Hides {
		t.Errorf("gaps: %+v", status.Gaps)
	}
	w.Org.ClearFaults()
	w.Name(t, marketing)
	if again := w.Open(t, w.Points(t, 2)[0]); !holds(t, again, marketing, "who asks") || !holds(t, again, support, "who answers") {
		t.Error("the next point does not hold what can be read again")
	}
}

// A burst is one point.
func TestBurstIsOnePoint(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	stop := work(t, w, worker.Config{}, deps(t, w))
	sweep := w.Open(t, w.Taken(t, w.Queue(t)))
	stop()
	var all []resource.Key
	for _, typ := range []resource.Type{"user", "group", "app"} {
		for r, err := range sweep.Walk(t.Context(), typ) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r.Key)
		}
	}
	for part := range slices.Chunk(all, 20) {
		w.Name(t, part...)
	}
	support := rename(t, w, "Support", "who answers")
	work(t, w, worker.Config{}, deps(t, w))
	points := w.Points(t, 1)
	if len(all) < 60 || len(points) != 1 || points[0].Calls != int64(len(all)) || !holds(t, w.Open(t, points[0]), support, "who answers") {
		t.Errorf("%d objects became %s", len(all), worldtest.JSON(t, points))
	}
	if m := w.Open(t, points[0]).Manifest(); m.Objects() != sweep.Manifest().Objects() {
		t.Errorf("%d objects, want %d", m.Objects(), sweep.Manifest().Objects())
	}
}

// Each put of a point fails, once before it is done and once when only its answer is lost:
// it is tried again, and the point that is there then counts.
func TestPointWhosePutsFail(t *testing.T) {
	t.Parallel()
	store := fault.New(mem.New(mem.Options{}))
	w := worldtest.New(t, worldtest.Options{Store: store})
	work(t, w, worker.Config{}, deps(t, w))
	w.Taken(t, w.Queue(t))
	puts := func() int {
		return len(slices.DeleteFunc(store.Calls(), func(c fault.Call) bool { return c.Op != fault.Put }))
	}
	before := puts()
	w.Name(t, rename(t, w, "Support", "undisturbed"))
	w.Points(t, 1)
	taken, reset := 1, errors.New("connection reset")
	for n := range puts() - before {
		for _, put := range []func() *fault.Fault{
			func() *fault.Fault { return store.AddFault(fault.Put).After(n).ErrorInstead(reset) },
			func() *fault.Fault { return store.AddFault(fault.Put).After(n).ErrorAfter(reset) },
		} {
			put()
			taken++
			text := fmt.Sprintf("failure %d", taken)
			support := rename(t, w, "Support", text)
			w.Name(t, support)
			points := w.Points(t, taken)
			if point := w.Open(t, points[0]); len(points) != taken || point.Digest() != points[0].ManifestDigest || !holds(t, point, support, text) {
				t.Errorf("put %d fails: %s", n, worldtest.JSON(t, points[0]))
			}
		}
	}
	store.VerifyAllFired(t)
	if taken < 5 {
		t.Errorf("only %d points", taken)
	}
}

// A worker is killed in the middle of a point: another one takes it over.
func TestKilledInAPoint(t *testing.T) {
	t.Parallel()
	type killing struct {
		*apart
		keys []resource.Key
	}
	killed := map[string]*killing{}
	for name, after := range map[string]int{"before anything was read": 0, "in the middle": 1, "with the last": 2} {
		k := &killing{apart: newApart(t, worldtest.Options{})}
		k.first(t)
		for _, g := range []string{"Support", "Marketing", "Finance"} {
			k.keys = append(k.keys, rename(t, k.World, g, "after"))
		}
		k.killAt(t, oktasimtest.Fault{Method: http.MethodGet, Path: "/api/v1/groups/*", After: after}, func() { k.Name(t, k.keys...) })
		killed[name] = k
	}
	for name, k := range killed {
		t.Run(name, func(t *testing.T) {
			points := k.Points(t, 1)
			point := k.Open(t, points[0])
			for _, key := range k.keys {
				if !holds(t, point, key, "after") {
					t.Errorf("the point lacks %s", key)
				}
			}
			if n := count(k.Actions(t), "take_point"); len(points) != 1 || n != 1 {
				t.Errorf("%d points, %d in the activity log", len(points), n)
			}
		})
	}
}

// Points grow old sooner than sweeps: after a day one an hour is left, after a week none but
// the last, on which the next snapshot stands. The activity log tells of them in one row.
func TestPointsGrowOld(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	stop := work(t, w, worker.Config{}, deps(t, w))
	sweep := w.Taken(t, w.Queue(t))
	for n := range 4 {
		w.Name(t, rename(t, w, "Support", string(rune('a'+n))))
		w.Points(t, n+1)
	}
	stop()
	points := w.Points(t, 4) // newest first
	hours := map[int]bool{}
	for _, p := range points {
		hours[p.StartedAt.Hour()] = true
	}
	w.Exec(t, `delete from river.river_job where kind = 'forget_snapshots'`)
	w.Exec(t, `update connections set forget_at = null`)
	var c clock
	c.advance(25 * time.Hour)
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	looked(t, w, 1)
	if left, most := len(w.Points(t, 0)), len(hours)+1; left > most || left < 2 {
		t.Errorf("%d points are left after a day, want the newest and the first of %d hours", left, len(hours))
	}
	c.advance(7 * 24 * time.Hour)
	looked(t, w, 2)
	if left := w.Points(t, 0); len(left) != 1 || left[0].ID != points[0].ID {
		t.Errorf("left after a week: %s", worldtest.JSON(t, left))
	}
	if got := count(w.Actions(t), "expire_points"); got != 2 || count(w.Actions(t), "expire_snapshot") > 0 {
		t.Errorf("the activity log tells of points %d times: %v", got, w.Actions(t))
	}
	c.advance(24 * time.Hour)
	looked(t, w, 3)
	for _, s := range []snapshots.Snapshot{sweep, points[0]} {
		if got := w.Open(t, s).Digest(); got != s.ManifestDigest {
			t.Errorf("%s snapshot %s is another", s.Trigger, s.ID)
		}
	}
	if !holds(t, w.Open(t, points[0]), rename(t, w, "Support", "z"), `"description":"d"`) {
		t.Error("the newest point lacks what it read, now that those below it are gone")
	}
	for _, key := range keysBelow(t, w.Store, points[1].Place()) {
		if path.Base(key) == snapshot.ManifestName {
			t.Errorf("left in the store: %s", key)
		}
	}
}
