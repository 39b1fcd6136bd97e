package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"imago/pkg/blob"
	"imago/pkg/blob/count"
	"imago/pkg/blob/dir"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/problem"
	"imago/pkg/provider/okta/bigorg"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// asStep is the one argument of a process that does a step for another.
const asStep = "step"

// order is what such a process is to do.
type order struct {
	Name   string
	Dir    string // the stage's
	Store  string // where the repository lies
	Size   bigorg.Size
	Day    bigorg.Day
	Before []string // snapshots, oldest first
}

// measure is what a step took. CPU is of the work alone, user and system: the process has
// started and holds the keyring.
type measure struct {
	NotYet bool `json:"not_yet,omitempty"` // the format cannot do it
	// CPU seconds, of one of many where the step does many; of restic, its whole process.
	CPU  float64 `json:"cpu_s"`
	Peak float64 `json:"peak_mib"` // resident memory of the process
	// Bytes that were added to the store.
	Bytes float64 `json:"bytes"`
	// The most that one of many asked of the store.
	Requests float64 `json:"requests"`
	Reads    float64 `json:"reads"`
	Lists    float64 `json:"lists"`
	Read     float64 `json:"read_bytes"`
	// The first one's, where that reads what it goes on from: Requests are the others'.
	First float64 `json:"first_requests,omitempty"`

	Snapshots []string `json:"snapshots,omitempty"` // that were taken
}

// steps are measures by their names.
type steps map[string]measure

// run has a process of its own do a step.
func (s stage) run(ctx context.Context, o order) (m measure, err error) {
	fmt.Fprintf(s.log, "bench: %s %s\n", filepath.Base(s.dir), o.Name)
	o.Dir, o.Size = s.dir, s.size
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return m, err
	}
	cmd := exec.CommandContext(ctx, self, asStep)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), s.log
	answer, err := cmd.Output()
	if err != nil {
		return m, fmt.Errorf("%s: %w", o.Name, err)
	}
	return m, json.Unmarshal(answer, &m)
}

// runStep is that process.
func runStep(ctx context.Context, in io.Reader, out io.Writer) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return err
	}
	w, err := newWork(ctx, o)
	if err != nil {
		return err
	}
	before := cpu()
	m, err := stepsByName[o.Name](ctx, w)
	if errors.Is(err, errNotYet) {
		m, err = measure{NotYet: true}, nil
	}
	if err != nil {
		return err
	}
	if m.CPU == 0 {
		m.CPU = cpu() - before
	}
	m.add(w.asked())
	if m.Peak, err = peak(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(m)
}

// add adds what was asked of the store: of the requests it keeps the most.
func (m *measure) add(asked count.Tallies) {
	m.Bytes += wrote(asked)
	m.Requests, m.Lists = max(m.Requests, float64(asked.Total().Requests)), max(m.Lists, float64(asked[count.List].Requests))
	m.Reads, m.Read = max(m.Reads, float64(asked[count.Get].Requests)), max(m.Read, float64(asked[count.Get].Bytes))
}

func wrote(asked count.Tallies) float64 {
	return float64(asked[count.Put].Bytes + asked[count.Replace].Bytes)
}

// cpu is what this process has used so far, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // only for a process that cannot be named
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most resident memory that this process had, in MiB. What wait tells is no
// less than its parent had when it was started.
func peak() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	found := highWater.FindSubmatch(status)
	if found == nil {
		return 0, errors.New("this system does not tell a process's peak memory")
	}
	kib, err := strconv.ParseFloat(string(found[1]), 64)
	return kib / 1024, err
}

// work is what a step works with.
type work struct {
	order
	org     *bigorg.Org
	store   *count.Store // nil for a step without one
	archive archive
	reopen  func() (archive, error) // opens the repository as who has looked at nothing of it
}

func newWork(ctx context.Context, o order) (w *work, err error) {
	w = &work{order: o}
	if w.org, err = newOrg(o.Size, o.Day); err != nil || o.Store == "" {
		return w, err
	}
	if err := os.MkdirAll(o.Store, 0o700); err != nil {
		return nil, err
	}
	store, err := dir.Open(o.Store, dir.Options{Write: true})
	if err != nil {
		return nil, err
	}
	keys, err := keyring(ctx, filepath.Join(o.Dir, "master-keys"), store)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	w.store = count.New(store)
	w.reopen = func() (archive, error) { return newOurs(w.store, keys, catalog()) }
	w.archive, err = w.reopen()
	return w, err
}

// asked is what was asked of the store since the last time.
func (w *work) asked() count.Tallies {
	if w.store == nil {
		return nil
	}
	return w.store.Reset()
}

// keyring is that of the repository, made with it.
func keyring(ctx context.Context, master string, store blob.Store) (*envelope.Keyring, error) {
	there, err := local.Exists(master)
	if err != nil {
		return nil, err
	}
	if there {
		service, err := local.Open(master)
		if err != nil {
			return nil, err
		}
		wrapped, err := repository.LoadKeyring(ctx, store, benchAccount)
		if err != nil {
			return nil, err
		}
		return envelope.OpenKeyring(ctx, service, benchAccount, wrapped)
	}
	service, err := local.Create(master, time.Now())
	if err != nil {
		return nil, err
	}
	keys, err := envelope.NewKeyring(ctx, service, benchAccount)
	if err != nil {
		return nil, err
	}
	return keys, repository.SaveKeyring(ctx, store, keys)
}

func (w *work) dump() dump { return dumpOf(w.Dir, w.Day) }

func dumpOf(dir string, day bigorg.Day) dump {
	return dump{lines: filepath.Join(dir, "lines", string(day)), keys: filepath.Join(dir, "keys", string(day))}
}

// at is when a snapshot is taken that comes so many minutes after the first one.
func at(minutes int) time.Time {
	return time.Date(2026, 9, 14, 2, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

const minutesOfDay = 1440

// stepsByName are all of them. One that does something many times gives what the costliest
// asked of the store, and the mean of their CPU.
var stepsByName = map[string]func(context.Context, *work) (measure, error){
	"dump":                    func(_ context.Context, w *work) (measure, error) { return measure{}, w.dump().write(w.org) },
	"floor":                   floor,
	"first":                   func(ctx context.Context, w *work) (measure, error) { return w.full(ctx, 0) },
	"2a":                      func(ctx context.Context, w *work) (measure, error) { return w.full(ctx, minutesOfDay) },
	"2b":                      func(ctx context.Context, w *work) (measure, error) { return w.full(ctx, minutesOfDay) },
	"2c":                      func(ctx context.Context, w *work) (measure, error) { return w.full(ctx, minutesOfDay) },
	"minutes":                 minutes,
	"get":                     get,
	"get by name":             getByName,
	"get of a day of minutes": getOfMinutes,
	"keys":                    keys,
	"changes":                 changes,
	"check":                   func(ctx context.Context, w *work) (measure, error) { return measure{}, w.archive.Check(ctx) },
	"forget":                  forget,
}

// floor reads what a first snapshot reads, and compresses it a mebibyte at a time, on one
// processor: what no snapshot of it does without.
func floor(ctx context.Context, w *work) (m measure, err error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return m, err
	}
	var run, packed []byte
	flush := func() {
		packed = enc.EncodeAll(run, packed[:0])
		m.Bytes += float64(len(packed))
		run = run[:0]
	}
	for r, err := range w.dump().read(ctx, w.org.Types()) {
		if err != nil {
			return m, err
		}
		if run = append(append(run, r.Body...), '\n'); len(run) >= 1<<20 {
			flush()
		}
	}
	flush()
	return m, nil
}

// full takes everything.
func (w *work) full(ctx context.Context, minute int) (m measure, err error) {
	after := ""
	if len(w.Before) > 0 {
		after = w.Before[len(w.Before)-1]
	}
	taken, err := w.archive.Full(ctx, after, at(minute), w.dump().read(ctx, w.org.Types()))
	return measure{Snapshots: []string{taken}}, err
}

// minutes takes a snapshot of one change each minute of a day.
func minutes(ctx context.Context, w *work) (m measure, err error) {
	last, spent := w.Before[0], 0.0
	for n := range minutesOfDay {
		change := []bigorg.Change{w.org.Minute(n)}
		begun := cpu()
		if last, err = w.archive.Increment(ctx, last, at(1+n), change); err != nil {
			return m, err
		}
		spent += cpu() - begun
		asked := w.asked()
		if n == 0 { // reads the manifest and the list that it goes on from besides
			m.First, m.Lists, m.Bytes = float64(asked.Total().Requests), float64(asked[count.List].Requests), wrote(asked)
		} else {
			m.add(asked)
		}
		m.Snapshots = append(m.Snapshots, last)
	}
	m.CPU = spent / minutesOfDay
	return m, nil
}

// samples is how many objects are opened.
const samples = 20

// opener opens an object of a snapshot, which is known to have that body.
type opener func(ctx context.Context, a archive, in string, k resource.Key, body []byte) (resource.Resource, error)

func byKey(ctx context.Context, a archive, in string, k resource.Key, _ []byte) (resource.Resource, error) {
	return a.Get(ctx, in, k)
}

func byName(ctx context.Context, a archive, in string, k resource.Key, body []byte) (resource.Resource, error) {
	return a.Named(ctx, in, resource.Resource{Key: k, Body: body})
}

// get opens objects, each in a repository that was not looked at before.
func get(ctx context.Context, w *work) (measure, error) {
	return w.each(ctx, byKey, func(n int) (resource.Key, []byte) {
		r := w.org.Sample(n)
		return r.Key, r.Body
	})
}

// getByName opens users, groups and apps by what they are called.
func getByName(ctx context.Context, w *work) (measure, error) {
	return w.each(ctx, byName, func(n int) (resource.Key, []byte) {
		r := w.org.Sample(5*n + []int{0, 1, 3}[n%3])
		return r.Key, r.Body
	})
}

// getOfMinutes opens objects that changed, of which some are gone, and others beside them.
func getOfMinutes(ctx context.Context, w *work) (measure, error) {
	if len(w.Before) < minutesOfDay {
		return measure{}, errNotYet
	}
	now := map[resource.Key][]byte{}
	for n := range minutesOfDay {
		c := w.org.Minute(n)
		now[c.Key] = c.Body
	}
	return w.each(ctx, byKey, func(n int) (resource.Key, []byte) {
		if n%2 == 0 {
			c := w.org.Minute(n * minutesOfDay / samples)
			return c.Key, now[c.Key]
		}
		r := w.org.Sample(n)
		if body, changed := now[r.Key]; changed {
			return r.Key, body
		}
		return r.Key, r.Body
	})
}

// each opens objects one by one, and sees that they are as they should be: nil is none.
func (w *work) each(ctx context.Context, open opener, object func(n int) (resource.Key, []byte)) (m measure, err error) {
	for n := range samples {
		key, want := object(n)
		cold, err := w.reopen()
		if err != nil {
			return m, err
		}
		begun := cpu()
		got, err := open(ctx, cold, w.Before[len(w.Before)-1], key, want)
		m.CPU += (cpu() - begun) / samples
		m.add(w.asked())
		if want == nil && problem.Is(err, problem.NotFound) {
			continue
		}
		if err != nil {
			return m, err
		}
		if !bytes.Equal(got.Body, want) {
			return m, fmt.Errorf("%s is not as it was", key)
		}
	}
	return m, nil
}

// keys finds which objects differ, and sees that it finds all of them.
func keys(ctx context.Context, w *work) (m measure, err error) {
	begun, n := cpu(), 0
	for _, err := range w.archive.Keys(ctx, w.Before[0], w.Before[1]) {
		if err != nil {
			return m, err
		}
		n++
	}
	m.CPU = cpu() - begun
	return m, w.differ(n)
}

// changes is the same with what the objects were and are.
func changes(ctx context.Context, w *work) (m measure, err error) {
	begun, n := cpu(), 0
	for c, err := range w.archive.Changes(ctx, w.Before[0], w.Before[1]) {
		if err != nil {
			return m, err
		}
		if bytes.Equal(c.Before, c.After) {
			return m, fmt.Errorf("%s does not differ", c.Key)
		}
		n++
	}
	m.CPU = cpu() - begun
	return m, w.differ(n)
}

// differ fails unless so many objects differ between the first day and the order's.
func (w *work) differ(found int) error {
	want := 0
	for _, t := range w.org.Types() {
		for _, err := range side(dumpOf(w.Dir, bigorg.First).readType(t), w.dump().readType(t)) {
			if err != nil {
				return err
			}
			want++
		}
	}
	if found != want {
		return fmt.Errorf("%d objects differ, %d were found", want, found)
	}
	return nil
}

// forget forgets all minutes of a day but one an hour.
func forget(ctx context.Context, w *work) (m measure, err error) {
	if len(w.Before) < minutesOfDay {
		return m, errNotYet
	}
	var gone []string
	for n, s := range w.Before[len(w.Before)-minutesOfDay:] {
		if n%60 != 59 {
			gone = append(gone, s)
		}
	}
	return m, w.archive.Forget(ctx, gone)
}
