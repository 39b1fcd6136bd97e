package drift_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/resource"
)

// named opens what the connection's point gathers.
func named(t *testing.T, w *worldtest.World) (out map[resource.Key]bool) {
	t.Helper()
	rows, err := w.Base.Owner().Query(t.Context(), `select n.resource, n.sealed from named_objects n
		join snapshots s on s.id = n.snapshot_id where s.connection_id = $1 and s.state = 'gathering'`, w.Connection)
	must(t, err)
	out = map[resource.Key]bool{}
	for rows.Next() {
		var name string
		var shut []byte
		var key resource.Key
		must(t, rows.Scan(&name, &shut))
		must(t, sealed.Named(w.Connection, name).Open(w.Ring, shut, &key))
		out[key] = true
	}
	must(t, rows.Err())
	return out
}

// What the log names is gathered for the worker to read again: what no rule is about, too,
// and what happened a moment later with it, in one point.
func TestWhatTheLogNamesIsGathered(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	take(t, w)
	watch(t, w)
	polled(t, w)
	if got := named(t, w); len(got) > 0 {
		t.Fatalf("named before anything happened: %v", got)
	}
	support, _ := w.Group(t, "Support")
	w.Org.Call(http.MethodPut, "/api/v1/groups/"+support, map[string]any{"profile": map[string]string{"name": "Support", "description": "who answers"}}, nil)
	want := map[resource.Key]bool{{Type: "group", ID: support}: true}
	worldtest.Until(t, "the change is named", func() bool { return len(named(t, w)) > 0 })
	if diff := cmp.Diff(want, named(t, w)); diff != "" {
		t.Fatalf("named (-want +got):\n%s", diff)
	}
	marketing := resource.Key{Type: "group", ID: remove(t, w, "Marketing")}
	worldtest.Until(t, "the deletion is named", func() bool { return named(t, w)[marketing] })
	if n := number(t, w, `select count(*) from snapshots where trigger = 'change' and connection_id = $1`, w.Connection); n != 1 {
		t.Errorf("%d points gather", n)
	}
	var at time.Time
	must(t, w.Base.Owner().QueryRow(t.Context(), `select scheduled_at from river.river_job where kind = 'take_point'`).Scan(&at))
	if in := time.Until(at); in < 30*time.Second || in > time.Minute {
		t.Errorf("the point is taken in %v", in)
	}
}
