package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/problem"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/bigorg"
	"imago/pkg/resource"
)

// TestMain lets this program do a step for itself, as the command does.
func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], []string{asStep}) {
		if err := runStep(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(failed)
		}
		return
	}
	os.Exit(m.Run())
}

// log is where what a test does is told.
type log struct{ t *testing.T }

func (l log) Write(line []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(line))
	return len(line), nil
}

// TestSmall measures a tiny org: every step is done, and finds what it should. How fast,
// and in how many bytes, is not for a test to say.
func TestSmall(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("restic"); err != nil {
		t.Log("SKIPPED: there is no restic to measure beside (scripts/install test)")
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"repository", "--scale", "0.005", "--repositories", "1", "--json", "--dir", t.TempDir()}, &out, log{t}); err != nil && !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var r result
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatal(err)
	}
	for name := range stepsByName {
		if m, done := r.Steps[name]; name != "dump" && (!done || !m.NotYet && m.Peak == 0) {
			t.Errorf("%s was not measured: %+v", name, m)
		}
	}
	if first := r.Steps["first"]; first.Bytes < 1000 || first.Requests < 3 || first.Lists > first.Requests {
		t.Errorf("the first snapshot took %+v", first)
	}
	for name, m := range r.Restic {
		if m.CPU == 0 || m.Peak == 0 {
			t.Errorf("restic's %s took nothing", name)
		}
	}
	if want := len(r.rows()) + 1; len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
}

// model is an archive in memory: all of every snapshot.
type model struct {
	snapshots map[string]map[resource.Key]string
}

func (m model) keep(state map[resource.Key]string) (string, error) {
	name := fmt.Sprint(len(m.snapshots))
	m.snapshots[name] = state
	return name, nil
}

func (m model) Full(_ context.Context, _ string, _ time.Time, records iter.Seq2[resource.Resource, error]) (string, error) {
	state := map[resource.Key]string{}
	for r, err := range records {
		if err != nil {
			return "", err
		}
		state[r.Key] = string(r.Body)
	}
	return m.keep(state)
}

func (m model) Increment(_ context.Context, since string, _ time.Time, changes []bigorg.Change) (string, error) {
	state := maps.Clone(m.snapshots[since])
	for _, c := range changes {
		delete(state, c.Key)
		if c.Body != nil {
			state[c.Key] = string(c.Body)
		}
	}
	return m.keep(state)
}

func (m model) Get(_ context.Context, in string, key resource.Key) (resource.Resource, error) {
	body, there := m.snapshots[in][key]
	if !there {
		return resource.Resource{}, problem.New(problem.NotFound, "there is no %s", key)
	}
	return resource.Resource{Key: key, Body: []byte(body)}, nil
}

func (m model) Named(ctx context.Context, in string, like resource.Resource) (resource.Resource, error) {
	return m.Get(ctx, in, like.Key)
}

func (m model) Keys(ctx context.Context, from, to string) iter.Seq2[resource.Key, error] {
	return func(yield func(resource.Key, error) bool) {
		for c, err := range m.Changes(ctx, from, to) {
			if !yield(c.Key, err) {
				return
			}
		}
	}
}

func (m model) Changes(_ context.Context, from, to string) iter.Seq2[change, error] {
	return func(yield func(change, error) bool) {
		a, b := m.snapshots[from], m.snapshots[to]
		for key, body := range a {
			if b[key] != body && !yield(change{key, []byte(body), []byte(b[key])}, nil) {
				return
			}
		}
		for key, body := range b {
			if _, was := a[key]; !was && !yield(change{key, nil, []byte(body)}, nil) {
				return
			}
		}
	}
}

func (m model) Check(context.Context) error { return nil }

func (m model) Forget(_ context.Context, snapshots []string) error {
	for _, s := range snapshots {
		delete(m.snapshots, s)
	}
	return nil
}

// TestModel does every step with an archive that can do everything: what the steps expect
// is what the org holds, on each day and after each minute.
func TestModel(t *testing.T) {
	t.Parallel()
	m, root, size := model{map[string]map[resource.Key]string{}}, t.TempDir(), bigorg.Size{Users: 200, Groups: 20, Memberships: 1500, Apps: 20, AppUsers: 200, Others: 10}
	do := func(step string, day bigorg.Day, before ...string) []string {
		t.Helper()
		w, err := newWork(t.Context(), order{Dir: root, Size: size, Day: day, Before: before})
		if err != nil {
			t.Fatal(err)
		}
		w.archive, w.reopen = m, func() (archive, error) { return m, nil }
		measured, err := stepsByName[step](t.Context(), w)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		return append(before, measured.Snapshots...)
	}
	for _, day := range days {
		do("dump", day)
	}
	first := do("first", bigorg.First)
	for _, day := range days[1:] {
		both := do(string(day), day, first...)
		do("get", day, both...)
		do("get by name", day, both...)
		do("keys", day, both...)
		do("changes", day, both...)
	}
	minutes := do("minutes", bigorg.First, first...)
	if len(minutes) != 1+minutesOfDay {
		t.Errorf("%d snapshots", len(minutes))
	}
	do("get of a day of minutes", bigorg.First, minutes...)
	had := len(m.snapshots)
	do("forget", bigorg.First, minutes...)
	if gone := had - len(m.snapshots); gone != minutesOfDay-24 || m.snapshots[minutes[len(minutes)-1]] == nil {
		t.Errorf("%d snapshots were forgotten", gone)
	}
}

// liar is an archive that errs in one way.
type liar struct {
	archive
	get  func(resource.Key) (resource.Resource, error)
	keys int
}

func (l liar) Get(_ context.Context, _ string, key resource.Key) (resource.Resource, error) {
	return l.get(key)
}

func (l liar) Keys(context.Context, string, string) iter.Seq2[resource.Key, error] {
	return func(yield func(resource.Key, error) bool) {
		for range l.keys {
			if !yield(resource.Key{}, nil) {
				return
			}
		}
	}
}

// TestLies: what is fast because it is wrong is no measure.
func TestLies(t *testing.T) {
	t.Parallel()
	dir, size := t.TempDir(), bigorg.Full.Scaled(0.002)
	for _, day := range []bigorg.Day{bigorg.First, bigorg.Deleted} {
		o, err := newOrg(size, day)
		if err != nil {
			t.Fatal(err)
		}
		if err := dumpOf(dir, day).write(o); err != nil {
			t.Fatal(err)
		}
	}
	none := problem.New(problem.NotFound, "there is none")
	for name, tt := range map[string]struct {
		liar liar
		step string
	}{
		"another body": {liar{get: func(k resource.Key) (resource.Resource, error) {
			return resource.Resource{Key: k, Body: []byte("{}")}, nil
		}}, "get"},
		"nothing":         {liar{get: func(resource.Key) (resource.Resource, error) { return resource.Resource{}, none }}, "get"},
		"too few differ":  {liar{keys: 1}, "keys"},
		"too many differ": {liar{keys: 1_000_000}, "keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := newWork(t.Context(), order{Dir: dir, Size: size, Day: bigorg.Deleted, Before: []string{"a", "b"}})
			if err != nil {
				t.Fatal(err)
			}
			w.archive, w.reopen = tt.liar, func() (archive, error) { return tt.liar, nil }
			if m, err := stepsByName[tt.step](t.Context(), w); err == nil {
				t.Errorf("it passes: %+v", m)
			}
		})
	}
}

// TestDump: what was written is read back; a line says by itself what its record is.
func TestDump(t *testing.T) {
	t.Parallel()
	o, err := newOrg(bigorg.Full.Scaled(0.002), bigorg.First)
	if err != nil {
		t.Fatal(err)
	}
	d := dumpOf(t.TempDir(), bigorg.First)
	if err := d.write(o); err != nil {
		t.Fatal(err)
	}
	next, stop := iter.Pull2(d.read(t.Context(), o.Types()))
	defer stop()
	for _, typ := range o.Types() {
		for want := range o.Walk(typ) {
			got, err, ok := next()
			if err != nil || !ok || got.Key != want.Key || string(got.Body) != string(want.Body) {
				t.Fatalf("read %s and %v, want %s", got.Key, err, want.Key)
			}
		}
	}
	if _, err, more := next(); more {
		t.Errorf("more was read than was written: %v", err)
	}
	lines, err := os.ReadFile(filepath.Join(d.lines, membership+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for r := range o.Walk(membership) {
		if want := fmt.Sprintf(`{"groupId":"%s","userId":"%s"}`, r.Parent, r.ID); !bytes.HasPrefix(lines, []byte(want+"\n")) {
			t.Errorf("the first line is not %s", want)
		}
		break
	}
}

// TestDamagedDump: a dump that was cut short is an error, never a smaller org.
func TestDamagedDump(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]string{"lines": "lines/1/user.jsonl", "keys": "keys/1/user"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o, err := newOrg(bigorg.Full.Scaled(0.002), bigorg.First)
			if err != nil {
				t.Fatal(err)
			}
			if err := dumpOf(dir, bigorg.First).write(o); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, cut)
			// A user's key has a tab, 20 characters, a tab, four digits and a line feed.
			if err := os.Truncate(path, 27*10); err != nil {
				t.Fatal(err)
			}
			for _, err := range dumpOf(dir, bigorg.First).read(t.Context(), []resource.Type{"user"}) {
				if err != nil {
					return
				}
			}
			t.Error("it was read to its end")
		})
	}
}

func TestSide(t *testing.T) {
	t.Parallel()
	run := func(text string) iter.Seq2[resource.Resource, error] {
		return func(yield func(resource.Resource, error) bool) {
			for _, pair := range strings.Fields(text) {
				id, body, _ := strings.Cut(pair, "=")
				if !yield(resource.Resource{Key: resource.Key{Type: "user", ID: id}, Body: []byte(body)}, nil) {
					return
				}
			}
		}
	}
	for _, tt := range []struct{ before, after, want string }{
		{"", "", ""},
		{"a=1 b=2", "a=1 b=2", ""},
		{"a=1 b=2 d=4", "a=1 b=3 c=1", "b:2>3 c:>1 d:4>"},
		{"", "a=1", "a:>1"},
		{"a=1 b=1", "", "a:1> b:1>"},
		{"b=1", "a=1 c=1", "a:>1 b:1> c:>1"},
	} {
		var got []string
		for c, err := range side(run(tt.before), run(tt.after)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s:%s>%s", c.ID, c.Before, c.After))
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%q and %q: %q, want %q", tt.before, tt.after, got, tt.want)
		}
	}
	broken := func(yield func(resource.Resource, error) bool) { yield(resource.Resource{}, io.ErrUnexpectedEOF) }
	for _, err := range side(run("a=1"), broken) {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a broken run: %v", err)
		}
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	n := func(n float64) value { return value{n: n} }
	for _, tt := range []struct {
		row  row
		want string
	}{
		{row{ours: n(7), most: 8}, "kept"},
		{row{ours: n(16), most: 8}, "BROKEN 2.0 times"},
		{row{ours: n(0), most: 0}, "kept"},
		{row{ours: n(1), most: 0}, "BROKEN"},
		{row{ours: value{lack: "not yet"}, most: 8}, "not yet"},
		{row{ours: n(11), beside: "restic", theirs: n(10), most: 1.1}, "kept"},
		{row{ours: n(22), beside: "restic", theirs: n(10), most: 1.1}, "BROKEN 2.0 times"},
		{row{ours: value{lack: "not yet"}, beside: "restic", theirs: n(10), most: 1.1}, "not yet"},
		{row{ours: n(1), beside: "restic", theirs: value{lack: "no restic"}, most: 1.1}, "no restic"},
		{row{ours: n(1), beside: "restic", theirs: n(1)}, ""},
	} {
		if got := tt.row.verdict(); got != tt.want {
			t.Errorf("%+v is %q, want %q", tt.row, got, tt.want)
		}
		if got, want := tt.row.broken(), strings.HasPrefix(tt.want, "BROKEN"); got != want {
			t.Errorf("%+v is broken: %v", tt.row, got)
		}
	}
}

// swept is what a sweep took, in the numbers that a sweep's promises are about.
func swept(cpu, peak, resticCPU, fifthPeak float64) result {
	r := result{Type: "sweep", Scale: 1, Steps: steps{"floor of the sweep": {CPU: 9}}, Fifth: steps{}, Restic: steps{}}
	for _, name := range []string{"first sweep", "sweep"} {
		r.Steps[name], r.Fifth[name], r.Restic[name] = measure{CPU: cpu, Peak: peak}, measure{Peak: fifthPeak}, measure{CPU: resticCPU}
	}
	return r
}

// TestBroken: who asks learns of a broken promise by the exit code, too, and of the others first.
func TestBroken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		result result
		code   int
	}{
		"kept":                    {swept(13, 96, 10, 64), 0},
		"too much CPU":            {swept(14, 90, 10, 64), broken},
		"too much memory":         {swept(13, 97, 10, 70), broken},
		"memory grows":            {swept(13, 90, 10, 50), broken},
		"nothing to hold against": {result{Type: "sweep"}, 0},
	} {
		for _, asJSON := range []bool{false, true} {
			var out bytes.Buffer
			err := tt.result.report(&out, asJSON)
			if got := exitCode(err); got != tt.code {
				t.Errorf("%s: exit code %d: %v", name, got, err)
			}
			if told := strings.Contains(out.String(), "BROKEN"); told != (tt.code == broken) {
				t.Errorf("%s: the table says\n%s", name, &out)
			}
			if last := tt.result.rows()[7].what; !strings.Contains(out.String(), last) {
				t.Errorf("%s: the table ends before %q:\n%s", name, last, &out)
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		0: nil, 1: io.ErrUnexpectedEOF, 2: fmt.Errorf("scale: %w", errUsage), 3: fmt.Errorf("rows: %w", errBroken),
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for _, tt := range []struct {
		free, available uint64
		want            bool
	}{
		{9 * gib, 9 * gib, true},
		{8 * gib, 9 * gib, false},
		{9 * gib, 8 * gib, false}, // the file system is empty, but others use the memory
		{0, 0, false},
	} {
		if got := roomy(tt.free, tt.available); got != tt.want {
			t.Errorf("%d free, %d available: %v", tt.free, tt.available, got)
		}
	}
	if got, err := memAvailable([]byte("MemTotal: 24683520 kB\nMemAvailable:   23226368 kB\nBuffers: 1 kB\n")); err != nil || got != 23226368<<10 {
		t.Errorf("%d available: %v", got, err)
	}
	if got, err := memAvailable([]byte("MemTotal: 24683520 kB\n")); err == nil {
		t.Errorf("nothing is told, and yet %d", got)
	}
}

// TestMedians: of each number the median by itself, whatever order the runs came in.
func TestMedians(t *testing.T) {
	t.Parallel()
	three := []measure{{CPU: 3, Peak: 10, Bytes: 5}, {CPU: 1, Peak: 30, Bytes: 5}, {CPU: 2, Peak: 20, Bytes: 7}}
	if got, want := medianOf(three), (measure{CPU: 2, Peak: 20, Bytes: 5}); !reflect.DeepEqual(got, want) {
		t.Errorf("of three: %+v, want %+v", got, want)
	}
	if got, want := medianOf(three[:2]), (measure{CPU: 2, Peak: 20, Bytes: 5}); !reflect.DeepEqual(got, want) {
		t.Errorf("of two: %+v, want %+v", got, want)
	}
}

// TestNameless: an object without a name is said to be one, and not only that something failed.
func TestNameless(t *testing.T) {
	t.Parallel()
	nobody := resource.Resource{Key: resource.Key{Type: "user", ID: "1"}, Body: []byte(`{}`)}
	_, err := ours{catalog: okta.New(okta.Options{}).Catalog()}.Named(t.Context(), "", nobody)
	if err == nil || !strings.HasSuffix(err.Error(), "has no name") {
		t.Errorf("%v", err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"browse"}, {"sweep", "--scale", "1"}, {"sweep", "more"}, {"repository", "--scale", "0"}, {"repository", "--scale", "2"}, {"repository", "--scale", "NaN"}, {"repository", "--scale", "-1"},
		{"repository", "more"},
		{"repository", "--repositories", "0"}, {"repository", "--speed"}} {
		if _, err := parse(args, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestFolderInUse: what is made is removed at the end, so nothing else may lie there.
func TestFolderInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept := filepath.Join(dir, "whole")
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"repository", "--dir", dir}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Error(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

func TestTakeSweep(t *testing.T) {
	t.Parallel()
	const (
		fifth  = "BenchmarkSweep/users=20000-2   \t 1\t 1.5 download-cpu-s\t 2 floor-cpu-s\t 7 restic-cpu-s\t 8 restic-first-cpu-s\t 3 worker-cpu-s\t 5 worker-first-cpu-s\t 70.5 worker-first-peak-MiB\t 60 worker-peak-MiB\n"
		whole  = "BenchmarkSweep/users=100000 \t 1\t 2.5 download-cpu-s\t 12 floor-cpu-s\t 17 restic-cpu-s\t 18 restic-first-cpu-s\t 13 worker-cpu-s\t 15 worker-first-cpu-s\t 80.5 worker-first-peak-MiB\t 71 worker-peak-MiB\n"
		silent = "BenchmarkSweep/users=100000-2 \t 1\t 12 floor-cpu-s\t 13 worker-cpu-s\t 15 worker-first-cpu-s\t 80.5 worker-first-peak-MiB\t 71 worker-peak-MiB\n"
	)
	take := func(said string, restic steps) (result, error) {
		r := result{Type: "sweep", Steps: steps{}, Fifth: steps{}, Restic: restic}
		return r, r.takeSweep([]byte("goos: linux\n" + said + "PASS\n"))
	}
	got, err := take(fifth+whole, steps{})
	want := result{Type: "sweep",
		Steps:  steps{"first sweep": {CPU: 15, Peak: 80.5}, "sweep": {CPU: 13, Peak: 71}, "floor of the sweep": {CPU: 12}},
		Fifth:  steps{"first sweep": {CPU: 5, Peak: 70.5}, "sweep": {CPU: 3, Peak: 60}, "floor of the sweep": {CPU: 2}},
		Restic: steps{"first sweep": {CPU: 20.5}, "sweep": {CPU: 19.5}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v and %v, want %+v", got, err, want)
	}
	if got, err := take(fifth+silent, nil); err != nil || got.Steps["sweep"].CPU != 13 {
		t.Errorf("without restic: %+v: %v", got, err)
	}
	for name, said := range map[string]string{"no restic": fifth + silent, "no fifth": whole, "no whole": fifth} {
		if got, err := take(said, steps{}); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
