package repository_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// catalog has one type with a member that moves by itself.
var catalog = resource.Catalog{{Type: "user", Moving: []string{"lastLogin"}}, {Type: "group"}, {Type: "member"}, {Type: "zone"}}

// content is a state as the model keeps it: bodies by key.
type content map[resource.Key]string

// model does to a repository what it does to maps, and compares.
type model struct {
	t     *testing.T
	rng   *rand.Rand
	store *mem.Store
	ks    envelope.KeyService
	keys  *envelope.Keyring
	now   time.Time
	org   content // as the provider has it
	taken []entry
	steps map[string]int // what was done, to see that all of it was
}

// entry is a snapshot that exists.
type entry struct {
	prefix  string
	state   content
	gaps    []snapshot.Gap
	digests map[resource.Type]string
}

func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	ks, err := local.Create(filepath.Join(t.TempDir(), "master"), started)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := envelope.NewKeyring(t.Context(), ks, alice)
	if err != nil {
		t.Fatal(err)
	}
	m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 7)), ks: ks, keys: keys, now: started, org: content{}, steps: map[string]int{}}
	m.store = mem.New(mem.Options{Now: func() time.Time { return m.now }})
	return m
}

func (m *model) repo() *repository.Repository {
	o := small
	o.Catalog = catalog
	o.Inline = 1 + m.rng.IntN(8<<10) // lists are written anew now and then
	if m.rng.IntN(3) == 0 {
		o.Cache = repository.NewCache(4 << 10)
	}
	return repo(m.t, m.store, m.keys, conn, o)
}

// key is one of a few, so that they meet.
func (m *model) key() resource.Key {
	n := m.rng.IntN(25)
	switch m.rng.IntN(5) {
	case 0:
		return resource.Key{Type: "group", ID: fmt.Sprintf("g%02d", n)}
	case 1, 2:
		return resource.Key{Type: "member", Parent: fmt.Sprintf("g%02d", n%5), ID: fmt.Sprintf("u%02d", m.rng.IntN(25))}
	case 3:
		return resource.Key{Type: "user", ID: fmt.Sprintf("u%02d", n)}
	}
	return resource.Key{Type: "zone", ID: fmt.Sprintf("z\"%d", n%4)}
}

func (m *model) body(t resource.Type) string {
	if t == "member" {
		return `{}`
	}
	login := ""
	if m.rng.IntN(4) > 0 {
		login = fmt.Sprintf(`"lastLogin":%d,`, m.rng.IntN(5))
	}
	return fmt.Sprintf(`{"id":9007199254740993,%s"name":"%s"}`, login, strings.Repeat("x", m.rng.IntN(40)))
}

// live has the org change.
func (m *model) live() {
	for range 1 + m.rng.IntN(8) {
		if k := m.key(); m.rng.IntN(3) == 0 {
			delete(m.org, k)
		} else {
			m.org[k] = m.body(k.Type)
		}
	}
	m.now = m.now.Add(time.Minute)
	if m.rng.IntN(60) == 0 {
		m.now = m.now.Add(31 * 24 * time.Hour) // the next sweep begins anew
	}
}

func (m *model) parent(r *repository.Repository) *repository.Snapshot {
	if len(m.taken) == 0 {
		return nil
	}
	s, err := r.Open(m.t.Context(), m.taken[len(m.taken)-1].prefix)
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// types are what a snapshot tells of, with a gap now and then.
func (m *model) types() (out []snapshot.TypeStatus, gaps []snapshot.Gap) {
	for _, i := range catalog {
		s := snapshot.TypeStatus{Type: i.Type, Calls: 1}
		if m.rng.IntN(12) == 0 {
			g := snapshot.Gap{Type: i.Type, Reason: snapshot.Failed, Detail: "d"}
			if i.Type == "member" && m.rng.IntN(2) == 0 {
				g.Parent = fmt.Sprintf("g%02d", m.rng.IntN(5))
			}
			s.Gaps, gaps = []snapshot.Gap{g}, append(gaps, g)
		}
		out = append(out, s)
	}
	return out, gaps
}

// sweep takes a snapshot of the whole org, in any order, some of it twice, in one process
// or several.
func (m *model) sweep() {
	r := m.repo()
	types, gaps := m.types()
	read := content{}
	partly := m.rng.IntN(2) == 0
	for k, body := range m.org {
		if !covered(gaps, k) || partly && m.rng.IntN(2) == 0 {
			read[k] = body
		}
	}
	d, err := r.Begin(fmt.Sprint("s", len(m.taken), m.now.UnixNano()), m.now, m.parent(r))
	if err != nil {
		m.t.Fatal(err)
	}
	keys := slices.Collect(maps.Keys(read))
	slices.SortFunc(keys, resource.Key.Compare)
	if m.rng.IntN(2) == 0 {
		m.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	for _, k := range keys {
		if m.rng.IntN(9) == 0 {
			m.add(d, k, m.body(k.Type)) // it changes while it is read
		}
		m.add(d, k, read[k])
		if m.rng.IntN(15) == 0 {
			d = m.restart(r, d)
		}
	}
	f := facts()
	f.Types = types
	m.committed(r, d, f, read, gaps)
	m.steps["sweep"]++
	if d.Parent() != "" {
		m.steps["sweep over a parent"]++
	}
}

func covered(gaps []snapshot.Gap, k resource.Key) bool {
	return slices.ContainsFunc(gaps, func(g snapshot.Gap) bool { return g.Covers(k.Type, k.Parent) })
}

func (m *model) add(d *repository.Draft, k resource.Key, body string) {
	if err := d.Add(m.t.Context(), resource.Resource{Key: k, Body: []byte(body)}); err != nil {
		m.t.Fatal(err)
	}
}

// restart has another process go on, which reads again what the first had not flushed.
func (m *model) restart(r *repository.Repository, d *repository.Draft) *repository.Draft {
	if err := d.Flush(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	m.steps["restart"]++
	return resumed(m.t, r, d)
}

// name takes a snapshot of what is named.
func (m *model) name() {
	r := m.repo()
	p := m.parent(r)
	if p == nil {
		return
	}
	last := m.taken[len(m.taken)-1]
	d, err := r.BeginNamed(fmt.Sprint("n", len(m.taken), m.now.UnixNano()), m.now, p)
	if err != nil {
		m.t.Fatal(err)
	}
	state := maps.Clone(last.state)
	for range 1 + m.rng.IntN(3) {
		k := m.key()
		body, there := m.org[k]
		if there {
			m.add(d, k, body)
		} else if err := d.Remove(m.t.Context(), k); err != nil {
			m.t.Fatal(err)
		}
		if hides(p.Manifest(), k) {
			continue
		}
		if delete(state, k); there {
			state[k] = body
		}
	}
	f := facts()
	f.Types = nil
	m.committed(r, d, f, state, last.gaps)
	m.steps["name"]++
}

func hides(m snapshot.Manifest, k resource.Key) bool {
	s, ok := m.Status(k.Type)
	return !ok || s.Hides(k.Parent)
}

// committed commits, and looks at what there is now.
func (m *model) committed(r *repository.Repository, d *repository.Draft, f snapshot.Manifest, state content, gaps []snapshot.Gap) {
	if _, err := d.Commit(m.t.Context(), f); err != nil {
		m.t.Fatal(err)
	}
	s, err := r.Open(m.t.Context(), d.Prefix())
	if err != nil {
		m.t.Fatal(err)
	}
	m.taken = append(m.taken, entry{d.Prefix(), state, gaps, digests(s.Manifest())})
	m.is(s, state)
	for _, of := range m.taken[:len(m.taken)-1] { // equal states, equal digests
		for _, i := range catalog {
			same := equal(of.state, state, i.Type)
			if (of.digests[i.Type] == m.taken[len(m.taken)-1].digests[i.Type]) != same && i.Type != "user" {
				m.t.Fatalf("states of %s are equal: %t, their digests not so", i.Type, same)
			}
		}
	}
}

func equal(a, b content, t resource.Type) bool {
	other := func(k resource.Key, _ string) bool { return k.Type != t }
	a, b = maps.Clone(a), maps.Clone(b)
	maps.DeleteFunc(a, other)
	maps.DeleteFunc(b, other)
	return maps.Equal(a, b)
}

// is fails unless a snapshot holds a state.
func (m *model) is(s *repository.Snapshot, want content) {
	got, err := readBack(m.t.Context(), s)
	if err != nil {
		m.t.Fatal(err)
	}
	have := content{}
	for _, r := range got {
		have[r.Key] = string(r.Body)
	}
	if !maps.Equal(want, have) || len(got) != len(have) {
		m.t.Fatalf("%s: %s", s.Prefix(), cmp.Diff(want, have))
	}
	if n := s.Manifest().Objects(); n != int64(len(want)) {
		m.t.Fatalf("it tells of %d objects, and holds %d", n, len(want))
	}
	for range 5 {
		k := m.key()
		r, err := s.Get(m.t.Context(), k)
		if body, ok := want[k]; ok != (err == nil) || string(r.Body) != body {
			m.t.Fatalf("get %s: %s, %v; want %q", k, r.Body, err, body)
		}
	}
}

// compare compares two snapshots.
func (m *model) compare() {
	if len(m.taken) < 2 {
		return
	}
	r := m.repo()
	a, b := m.taken[m.rng.IntN(len(m.taken))], m.taken[m.rng.IntN(len(m.taken))]
	from, to := m.open(r, a), m.open(r, b)
	got := map[resource.Key][2]string{}
	for c, err := range r.Changes(m.t.Context(), from, to) {
		if err != nil {
			m.t.Fatal(err)
		}
		got[c.Key] = [2]string{string(c.From), string(c.To)}
	}
	want := map[resource.Key][2]string{}
	for _, k := range slices.Concat(slices.Collect(maps.Keys(a.state)), slices.Collect(maps.Keys(b.state))) {
		if a.state[k] != b.state[k] && !hides(from.Manifest(), k) && !hides(to.Manifest(), k) {
			want[k] = [2]string{a.state[k], b.state[k]}
		}
	}
	if !maps.Equal(want, got) {
		m.t.Fatalf("from %s to %s: %s", a.prefix, b.prefix, cmp.Diff(want, got))
	}
	may := map[resource.Key]bool{}
	for k, err := range r.Differ(m.t.Context(), a.prefix, b.prefix) {
		if err != nil {
			m.t.Fatal(err)
		}
		may[k] = true
	}
	for k := range want {
		if !may[k] {
			m.t.Fatalf("%s differs, and is not said to", k)
		}
	}
	m.steps["compare"]++
}

func (m *model) open(r *repository.Repository, e entry) *repository.Snapshot {
	s, err := r.Open(m.t.Context(), e.prefix)
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// forget forgets some snapshots, but for the last, and what nothing stands on.
func (m *model) forget() {
	r := m.repo()
	var kept []entry
	for i, e := range m.taken {
		if i == len(m.taken)-1 || m.rng.IntN(2) == 0 {
			kept = append(kept, e)
			continue
		}
		if err := r.Forget(m.t.Context(), e.prefix); err != nil {
			m.t.Fatal(err)
		}
	}
	m.taken = kept
	m.now = m.now.Add(time.Second)
	if _, err := r.Sweep(m.t.Context(), repository.SweepOptions{Before: m.now}); err != nil {
		m.t.Fatal(err)
	}
	if report := check(m.t, r); len(report.Damage) != 0 || report.Rubbish != 0 || report.Snapshots != int64(len(kept)) {
		m.t.Fatalf("%d kept: %+v", len(kept), report)
	}
	m.steps["forget"]++
}

func (m *model) rotate() {
	k, err := m.keys.Rotate(m.t.Context(), m.ks)
	if err != nil {
		m.t.Fatal(err)
	}
	m.keys = k
	m.steps["rotate"]++
}

// TestModel does at random what can be done to a repository.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(modelSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed)
			for range modelSteps {
				m.live()
				switch n := m.rng.IntN(100); {
				case n < 20:
					m.sweep()
				case n < 75:
					m.name()
				case n < 92:
					m.compare()
				case n < 98:
					m.forget()
				default:
					m.rotate()
				}
			}
			m.forget()
			for _, e := range m.taken {
				m.is(m.open(m.repo(), e), e.state)
			}
			for _, step := range []string{"sweep", "sweep over a parent", "restart", "name", "compare", "forget"} {
				if m.steps[step] == 0 {
					t.Error(errors.New("never happened: " + step))
				}
			}
		})
	}
}
