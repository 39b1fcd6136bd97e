package worker_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/resource"
	"imago/pkg/restore"
	"imago/pkg/snapshot"
)

// within is how soon a killed worker's work must be taken over.
const within = time.Minute

// killAt runs a worker until the org is asked for something, kills it there with no
// warning, and starts another.
func (a *apart) killAt(t *testing.T, f oktasimtest.Fault, begin func()) {
	t.Helper()
	f.Kind, f.Count = "delay", 1
	if f.Delay == "" {
		f.Delay = "5m"
	}
	a.Org.Fault(f)
	first := a.worker(t)
	begin()
	worldtest.Until(t, fmt.Sprintf("the worker asks for %s %s", f.Method, f.Path), func() bool { return a.fired(t) })
	first.end(t, syscall.SIGKILL)
	a.Org.ClearFaults()
	a.worker(t)
}

// content is what must be equal of two snapshots of the same org.
func content(m snapshot.Manifest) (out []snapshot.TypeStatus) {
	for _, s := range m.Types {
		s.Calls = 0
		out = append(out, s)
	}
	return out
}

// A worker is killed in the middle of a snapshot: another one takes it over within a
// minute, reads what is missing, and the snapshot is what it would have been.
func TestKilledInASnapshot(t *testing.T) {
	t.Parallel()
	type killing struct {
		*apart
		want snapshots.Snapshot
		id   string
		at   time.Time
	}
	killed := map[string]*killing{}
	// First all are killed, then all are waited for: the waiting is most of the time.
	for name, f := range map[string]oktasimtest.Fault{
		"before anything was read":        {Method: http.MethodGet, Path: "/api/v1/org"},
		"in the middle of memberships":    {Method: http.MethodGet, Path: "/api/v1/groups/*", After: 7},
		"with almost everything in store": {Method: http.MethodGet, Path: "/api/v1/zones*"},
	} {
		k := &killing{apart: newApart(t, worldtest.Options{})}
		k.want = k.first(t)
		k.killAt(t, f, func() { k.id = k.Queue(t) })
		k.at = time.Now()
		killed[name] = k
	}
	for name, k := range killed {
		t.Run(name, func(t *testing.T) {
			got := k.Taken(t, k.id)
			if took := got.EndedAt.Sub(k.at); took > within {
				t.Errorf("taken over after %s", took)
			}
			if got.State != k.want.State || got.Objects != k.want.Objects {
				t.Fatalf("%s with %d objects, undisturbed %s with %d", got.State, got.Objects, k.want.State, k.want.Objects)
			}
			if diff := gocmp.Diff(content(k.Open(t, k.want).Manifest()), content(k.Open(t, got).Manifest())); diff != "" {
				t.Errorf("the snapshot differs (-undisturbed +killed):\n%s", diff)
			}
			if n := count(k.Actions(t), "start_snapshot"); n != 2 {
				t.Errorf("%d starts of 2 snapshots in the activity log", n)
			}
		})
	}
}

func count(all []string, what string) (n int) {
	for _, s := range all {
		if s == what {
			n++
		}
	}
	return n
}

// restored is what a restore of the group Finance led to.
type restored struct {
	state   any // of the org
	receipt restore.Receipt
}

// delete takes a snapshot, deletes the group, and plans to restore it.
func (a *apart) delete(t *testing.T) restores.Restore {
	t.Helper()
	p := a.worker(t)
	defer p.end(t, syscall.SIGTERM)
	taken := a.Taken(t, a.Queue(t))
	finance, _ := a.Group(t, "Finance")
	a.Org.Call(http.MethodDelete, "/api/v1/groups/"+finance, nil, nil)
	planned := a.Plan(t, taken.ID, resource.Key{Type: "group", ID: finance})
	a.Write.Activate()
	return planned
}

// outcome waits for the restore's end.
func (a *apart) outcome(t *testing.T, planned restores.Restore) restored {
	t.Helper()
	row := a.Restored(t, planned.ID, restores.Closing)
	a.Write.Deactivate()
	a.Restored(t, planned.ID, restores.Closed)
	receipt := a.Receipt(t, row)
	return restored{normal(t, a.Org.State(), receipt), receipt}
}

// Two worlds are made by the same steps. What differs between them, and may: moments,
// the ports that they live at, keys of service apps, and the IDs of what was made again,
// which the receipt knows.
var differing = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "MOMENT"},
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "ORG"},
	{regexp.MustCompile(`"(x|y)": ?"[A-Za-z0-9_-]+"`), `"$1":"KEY"`},
	{regexp.MustCompile(`"(client_secret|secret|hash|token)": ?"[^"]+"`), `"$1":"SECRET"`},
}

// normal is the org's state with the IDs that it had, every list in order of its text.
func normal(t *testing.T, state []byte, r restore.Receipt) any {
	t.Helper()
	for _, d := range differing {
		state = d.what.ReplaceAll(state, []byte(d.by))
	}
	for was, now := range r.IDs {
		state = bytes.ReplaceAll(state, []byte(now), []byte(was))
	}
	var out any
	if err := json.Unmarshal(state, &out); err != nil {
		t.Fatal(err)
	}
	return ordered(out)
}

func ordered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = ordered(v[name])
		}
	case []any:
		for i := range v {
			v[i] = ordered(v[i])
		}
		slices.SortFunc(v, func(a, b any) int { return cmp.Compare(text(a), text(b)) })
	}
	return v
}

func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return string(out)
}

// A worker is killed in the middle of a restore: another one goes on from the journal,
// nothing is written twice, and the org is what it would have been.
func TestKilledInARestore(t *testing.T) {
	t.Parallel()
	quiet := newApart(t, worldtest.Options{})
	planned := quiet.delete(t)
	quiet.worker(t)
	quiet.Apply(t, planned)
	type killing struct {
		*apart
		planned restores.Restore
		at      time.Time
	}
	killed := map[string]*killing{}
	for name, f := range map[string]oktasimtest.Fault{
		// The simulator makes what it was asked for after the delay, though nobody hears.
		"when the group was made and nobody heard":   {Method: http.MethodPost, Path: "/api/v1/groups", Delay: "2s"},
		"when a member was added and nobody heard":   {Method: http.MethodPut, Path: "/api/v1/groups/*/users/*", After: 5},
		"when a policy was changed and nobody heard": {Method: http.MethodPut, Path: "/api/v1/policies/*", Delay: "2s"},
	} {
		k := &killing{apart: newApart(t, worldtest.Options{})}
		k.planned = k.delete(t)
		k.killAt(t, f, func() { k.Apply(t, k.planned) })
		k.at = time.Now()
		killed[name] = k
	}
	want := quiet.outcome(t, planned)
	for name, k := range killed {
		t.Run(name, func(t *testing.T) {
			got := k.outcome(t, k.planned)
			if took := got.receipt.Ended.Sub(k.at); took > within {
				t.Errorf("verified %s after the kill", took)
			}
			if got.receipt.Failed+got.receipt.Skipped+len(got.receipt.Report.Differences) > 0 {
				t.Errorf("receipt: %s", worldtest.JSON(t, got.receipt))
			}
			if got.receipt.Made != want.receipt.Made {
				t.Errorf("%d writes, undisturbed %d", got.receipt.Made, want.receipt.Made)
			}
			if diff := gocmp.Diff(want.state, got.state); diff != "" {
				t.Errorf("the org differs (-undisturbed +killed):\n%s", diff)
			}
		})
	}
}

// first takes a snapshot.
func (a *apart) first(t *testing.T) snapshots.Snapshot {
	t.Helper()
	p := a.worker(t)
	defer p.end(t, syscall.SIGTERM)
	return a.Taken(t, a.Queue(t))
}
