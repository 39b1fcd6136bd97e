package repository_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
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

// catalog has one type with a member that moves by itself, and three with names.
var catalog = resource.Catalog{
	{Type: "user", Shape: resource.Collection, Moving: []string{"lastLogin"}, NaturalKey: []resource.Path{"alias", "name"}},
	{Type: "group", Shape: resource.Collection, NaturalKey: []resource.Path{"name"}},
	{Type: "member", Shape: resource.Collection, Parent: "group", NaturalKey: []resource.Path{"name"}},
	{Type: "zone"},
}

// content is a state as the model keeps it: bodies by key.
type content map[resource.Key]string

// model does to a repository what it does to maps, and compares.
type model struct {
	t     *testing.T
	rng   *rand.Rand
	store *mem.Store
	ks    envelope.KeyService
	keys  *envelope.Keyring
	repos []*repository.Repository // of the keyring, with several options
	now   time.Time
	org   content // as the provider has it
	taken []entry
	steps map[string]int // what was done, to see that all of it was
}

// entry is a snapshot that exists.
type entry struct {
	prefix string
	state  content
	gaps   []snapshot.Gap
	digest string // of the manifest
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

// repo is one of a few, as of several programs: what one has written another goes on from.
func (m *model) repo() *repository.Repository {
	if m.repos == nil {
		for i := range 4 {
			o := small
			o.Catalog = catalog
			o.Inline = 1 + m.rng.IntN(8<<10) // lists are written anew now and then
			if i == 0 {
				o.Cache = repository.NewCache(4 << 10)
			}
			m.repos = append(m.repos, repo(m.t, m.store, m.keys, conn, o))
		}
	}
	return m.repos[m.rng.IntN(len(m.repos))]
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
	if t == "member" && m.rng.IntN(2) == 0 {
		return `{}`
	}
	login, alias := "", ""
	if m.rng.IntN(4) == 0 {
		alias = fmt.Sprintf(`"alias":"%s",`, strings.Repeat("X", m.rng.IntN(9)))
	}
	if m.rng.IntN(4) > 0 {
		login = fmt.Sprintf(`"lastLogin":%d,`, m.rng.IntN(5))
	}
	return fmt.Sprintf(`{%s"id":9007199254740993,%s"name":"%s"}`, alias, login, strings.Repeat("x", m.rng.IntN(40)))
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
	for _, k := range sorted(m.org) { // so that a seed does the same each time
		if !covered(gaps, k) || partly && m.rng.IntN(2) == 0 {
			read[k] = m.org[k]
		}
	}
	d, err := r.Begin(fmt.Sprint("s", len(m.taken), m.now.UnixNano()), m.now, m.parent(r))
	if err != nil {
		m.t.Fatal(err)
	}
	keys := sorted(read)
	if m.rng.IntN(2) == 0 {
		m.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	for _, k := range keys {
		if m.rng.IntN(9) == 0 {
			m.add(d, k, m.body(k.Type)) // it changes while it is read
		}
		m.add(d, k, read[k])
		if m.rng.IntN(40) == 0 {
			d = m.restart(r, d)
		}
	}
	f := facts()
	f.Types = types
	m.committed(r, d, f, read, gaps)
	m.steps["sweep"]++
	switch {
	case d.Parent() != "":
		m.steps["sweep over a parent"]++
	case len(m.taken) > 1:
		m.steps["full sweep after others"]++
	}
}

func sorted(of content) []resource.Key { return slices.SortedFunc(maps.Keys(of), resource.Key.Compare) }

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
	if last := len(m.taken) - 1; d.Parent() != "" && merged(m.open(r, m.taken[last]), s) {
		m.steps["merge"]++
	}
	m.taken = append(m.taken, entry{d.Prefix(), state, gaps, d.Digest()})
	m.tells(s, state)
	if m.rng.IntN(4) == 0 {
		m.is(s, state)
	}
}

// merged reports whether a snapshot wrote a layer of its parent again, with its own.
func merged(parent, s *repository.Snapshot) bool {
	stands := map[string]bool{}
	for _, g := range s.Manifest().Segments {
		stands[g.Name] = true
	}
	return slices.ContainsFunc(parent.Manifest().Segments, func(g snapshot.Segment) bool { return g.Layer > 0 && !stands[g.Name] })
}

// tells fails unless a manifest tells of a state: equal states have equal digests, whatever
// layers they lie in.
func (m *model) tells(s *repository.Snapshot, state content) {
	digester := snapshot.NewDigester(m.keys.MAC(snapshot.DigestPurpose))
	want := map[resource.Type]snapshot.Held{}
	for k, body := range state {
		stays, moving, err := resource.Part([]byte(body), movingOf[k.Type])
		if err != nil {
			m.t.Fatal(err)
		}
		held := want[k.Type]
		held.Objects++
		held.Digest.Add(digestOf(m.t, digester, k, stays))
		if moving != nil {
			held.Moving.Add(digestOf(m.t, digester, k, moving))
		}
		want[k.Type] = held
	}
	for _, t := range s.Manifest().Types {
		if t.Held != want[t.Type] {
			m.t.Fatalf("%s tells of %+v of %s, and holds %+v", s.Prefix(), t.Held, t.Type, want[t.Type])
		}
		delete(want, t.Type)
	}
	if len(want) > 0 {
		m.t.Fatalf("%s does not tell of %v", s.Prefix(), want)
	}
}

var movingOf = map[resource.Type][]string{"user": {"lastLogin"}}

func digestOf(t *testing.T, d *snapshot.Digester, k resource.Key, body []byte) snapshot.Digest {
	t.Helper()
	line, err := snapshot.AppendRecord(nil, resource.Resource{Key: k, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	return d.Of(k, line[:len(line)-1])
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
	m.finds(s, want)
	for range 5 {
		k := m.key()
		r, err := s.Get(m.t.Context(), k)
		if body, ok := want[k]; ok != (err == nil) || string(r.Body) != body {
			m.t.Fatalf("get %s: %s, %v; want %q", k, r.Body, err, body)
		}
	}
}

// finds fails unless a name finds what a state has of that name, whatever its case.
func (m *model) finds(s *repository.Snapshot, state content) {
	t, name := m.key().Type, strings.Repeat("x", m.rng.IntN(40))
	var want, have []resource.Key
	for k, body := range state {
		var is struct{ Alias, Name string }
		if err := json.Unmarshal([]byte(body), &is); err != nil {
			m.t.Fatal(err)
		}
		alias := t == "user" && is.Alias != "" && strings.EqualFold(is.Alias, name)
		if k.Type == t && t != "zone" && name != "" && (is.Name == name || alias) {
			want = append(want, k)
		}
	}
	slices.SortFunc(want, resource.Key.Compare)
	for r, err := range s.Named(m.t.Context(), t, strings.ToUpper(name)) {
		if err != nil {
			m.t.Fatal(err)
		}
		have = append(have, r.Key)
	}
	if !slices.Equal(want, have) {
		m.t.Fatalf("%s: of type %s %v are named %s, and it finds %v", s.Prefix(), t, want, name, have)
	}
	if len(want) > 0 {
		m.steps["found by name"]++
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
	o := repository.CompareOptions{Still: m.rng.IntN(3) == 0}
	if m.rng.IntN(3) == 0 {
		o.Types = []resource.Type{m.key().Type, m.key().Type}
	}
	got := map[resource.Key][2]string{}
	for c, err := range r.Changes(m.t.Context(), from, to, o) {
		if err != nil {
			m.t.Fatal(err)
		}
		got[c.Key] = [2]string{string(c.From), string(c.To)}
	}
	want, all := map[resource.Key][2]string{}, map[resource.Key]bool{}
	for _, k := range slices.Concat(slices.Collect(maps.Keys(a.state)), slices.Collect(maps.Keys(b.state))) {
		if hides(from.Manifest(), k) || hides(to.Manifest(), k) {
			continue
		}
		all[k] = a.state[k] != b.state[k]
		old, now := a.state[k], b.state[k]
		if o.Still {
			old, now = still(k, old), still(k, now)
		}
		if old != now && (o.Types == nil || slices.Contains(o.Types, k.Type)) {
			want[k] = [2]string{old, now}
		}
	}
	if !maps.Equal(want, got) {
		m.t.Fatalf("from %s to %s, %+v: %s", a.prefix, b.prefix, o, cmp.Diff(want, got))
	}
	may := map[resource.Key]bool{}
	for k, err := range r.Differ(m.t.Context(), a.prefix, b.prefix) {
		if err != nil {
			m.t.Fatal(err)
		}
		may[k] = true
	}
	for k, differs := range all {
		if differs && !may[k] {
			m.t.Fatalf("%s differs, and is not said to", k)
		}
	}
	m.steps["compare"]++
}

// login is the member of bodies that moves by itself.
var login = regexp.MustCompile(`"lastLogin":\d,`)

// still is a body without what moves by itself.
func still(k resource.Key, body string) string {
	if len(catalog.Moving(k.Type)) == 0 {
		return body
	}
	return login.ReplaceAllString(body, "")
}

// history tells what became of a resource.
func (m *model) history() {
	if len(m.taken) == 0 {
		return
	}
	r, k := m.repo(), m.key()
	var prefixes []string
	var want, got []string
	var since *entry
	body := ""
	for i, e := range m.taken {
		prefixes = append(prefixes, e.prefix)
		now := still(k, e.state[k])
		if hides(m.open(r, e).Manifest(), k) || now == "" && covered(e.gaps, k) {
			continue
		}
		switch {
		case since == nil && now != "":
			want = append(want, fmt.Sprint(e.prefix, " ", "", " ", "", now))
		case since != nil && now != body:
			want = append(want, fmt.Sprint(e.prefix, " ", since.prefix, " ", body, now))
		}
		since, body = &m.taken[i], now
	}
	slices.Reverse(prefixes)
	slices.Reverse(want)
	for v, err := range r.History(m.t.Context(), k, prefixes, r.Open) {
		if err != nil {
			m.t.Fatal(err)
		}
		got = append(got, fmt.Sprint(v.Snapshot, " ", v.Since, " ", string(v.From), string(v.To)))
		if rest := len(want) - len(got); m.rng.IntN(20) == 0 && rest >= 0 {
			want = want[:len(got)] // the reader has seen enough
			break
		}
	}
	if !slices.Equal(want, got) {
		m.t.Fatalf("history of %s: %s", k, cmp.Diff(want, got))
	}
	m.steps["history"]++
	if len(want) > 1 {
		m.steps["history of a change"]++
	}
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
		m.steps["forgotten"]++
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
	m.keys, m.repos = k, nil
	m.steps["rotate"]++
}

// reseal seals all that is there anew, sometimes in several attempts, and retires the keys
// of before.
func (m *model) reseal() {
	for last := false; !last; {
		last = m.rng.IntN(2) == 0
		x := m.repo().Resealing(m.now)
		for i := range m.taken {
			e := &m.taken[i]
			done, err := x.Snapshot(m.t.Context(), repository.Known{Prefix: e.prefix, Digest: e.digest})
			if err != nil {
				m.t.Fatal(err)
			}
			if last || m.rng.IntN(10) > 0 { // who dies before the digest is written down comes again
				e.digest = done.Digest
			}
			if done.Objects > 0 {
				m.steps["sealed anew"]++
			}
		}
		for version, n := range x.Keys() {
			if version != m.keys.Current() {
				m.t.Fatalf("%d objects stay under data key %d", n, version)
			}
		}
	}
	k, err := m.keys.Retire(m.t.Context(), m.ks)
	if err != nil {
		m.t.Fatal(err)
	}
	m.keys, m.repos = k, nil
	r := m.repo()
	for _, e := range m.taken {
		m.tells(m.open(r, e), e.state)
	}
	if report := check(m.t, r); len(report.Damage) != 0 {
		m.t.Fatalf("%+v", report)
	}
	m.steps["reseal"]++
}

// kinds are the steps that must happen somewhere: what a model never does it proves nothing of.
var kinds = []string{
	"sweep", "sweep over a parent", "full sweep after others", "restart", "name", "merge", "compare", "history", "history of a change",
	"forget", "forgotten", "rotate", "reseal", "sealed anew", "found by name",
}

// random does so many steps at random.
func (m *model) random(steps int) {
	for range steps {
		m.live()
		switch n := m.rng.IntN(100); {
		case n < 20:
			m.sweep()
		case n < 73:
			m.name()
		case n < 84:
			m.compare()
		case n < 90:
			m.history()
		case n < 96:
			m.forget()
		case n < 98:
			m.rotate()
		default:
			m.reseal()
		}
	}
	m.forget()
	for _, e := range m.taken {
		m.is(m.open(m.repo(), e), e.state)
	}
}

// TestModel does at random what can be done to a repository: all of it, over its seeds.
func TestModel(t *testing.T) {
	t.Parallel()
	seeds, steps := modelRuns()
	done := make(chan map[string]int, seeds)
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, uint64(seed))
			m.random(steps)
			done <- m.steps
		})
	}
	t.Cleanup(func() { // when they have ended
		if len(done) < seeds {
			return // one has failed, or was asked for alone
		}
		sum := map[string]int{}
		for range seeds {
			for step, n := range <-done {
				sum[step] += n
			}
		}
		for _, kind := range kinds {
			if sum[kind] == 0 {
				t.Errorf("of %d repositories none met a %s: %v", seeds, kind, sum)
			}
		}
	})
}
