//go:build !race

package repository_test

import (
	"fmt"
	"testing"
	"time"

	"imago/pkg/blob/count"
	"imago/pkg/blob/mem"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// million is a repository of as many small records of one type, as the members of large
// groups are. It is not under the race detector, which makes an hour of it: one program writes
// and reads as in the other tests.
type million struct {
	r     *repository.Repository
	store *weighed
	asked *count.Store   // over the store
	watch func(*million) // is called now and then; nil: nobody watches
	from  *repository.Snapshot
	to    *repository.Snapshot
}

const (
	crowds = 250
	crowd  = 4000 // members of each
)

// member is one of them, by its number; those of a group are in no order.
func member(i int) resource.Resource {
	user := uint64(i%crowd+1) * 0x9e3779b97f4a7c15
	return res("group_member", fmt.Sprintf("00g%017d", i/crowd), fmt.Sprintf("00u%016x", user), `{}`)
}

// In which order they are added: group by group, or from all over.
const (
	grouped   = 1
	scattered = 377_777
)

// newMillion saves them, by steps of so many.
func newMillion(t testing.TB, step int, watch func(*million)) *million {
	t.Helper()
	m := &million{store: &weighed{Store: mem.New(mem.Options{})}, watch: watch}
	m.asked = count.New(m.store)
	m.r = repo(t, m.asked, keyring(t, alice), conn, repository.Options{})
	d := begin(t, m.r)
	for i := range crowds * crowd {
		if err := d.Add(t.Context(), member(i*step%(crowds*crowd))); err != nil {
			t.Fatal(err)
		}
		m.now(i)
	}
	f := facts()
	f.Types = nil
	if _, err := d.Commit(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	m.from = m.open(t, d.Prefix())
	return m
}

func (m *million) now(i int) {
	if m.watch != nil && i%100_000 == 50_000 {
		m.watch(m)
	}
}

func (m *million) open(t testing.TB, prefix string) *repository.Snapshot {
	t.Helper()
	s, err := m.r.Open(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// increment takes a snapshot of one change.
func (m *million) increment(t testing.TB) {
	t.Helper()
	d, err := m.r.BeginNamed("increment", started.Add(time.Hour), m.from)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(t.Context(), member(777_777).Key); err != nil {
		t.Fatal(err)
	}
	f := facts()
	f.Types = nil
	if _, err := d.Commit(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	m.to = m.open(t, d.Prefix())
}

// compared gives the keys that differ between the two.
func (m *million) compared(t testing.TB) (keys []resource.Key) {
	t.Helper()
	for c, err := range m.r.Changes(t.Context(), m.from, m.to, repository.CompareOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if c.To != nil || string(c.From) != `{}` {
			t.Errorf("%s: %s to %s", c.Key, c.From, c.To)
		}
		keys = append(keys, c.Key)
	}
	return keys
}

// walked counts the members of a snapshot, which come in the order of their keys.
func (m *million) walked(t testing.TB, s *repository.Snapshot) (n int) {
	t.Helper()
	var last resource.Key
	for r, err := range s.Walk(t.Context(), "group_member") {
		if err != nil {
			t.Fatal(err)
		}
		if last.Compare(r.Key) >= 0 {
			t.Fatalf("%s after %s", r.Key, last)
		}
		last = r.Key
		m.now(n)
		n++
	}
	return n
}

// TestAMillionRecords of one type are saved, walked, found one by one, and compared with as
// many but one, of which nothing else is read than the layer that says so, and the chunk in
// which it stood.
func TestAMillionRecords(t *testing.T) {
	t.Parallel()
	m := newMillion(t, grouped, nil)
	if n := m.from.Manifest().Objects(); n != crowds*crowd {
		t.Fatalf("it tells of %d", n)
	}
	m.increment(t)
	for i, s := range []*repository.Snapshot{m.from, m.to} {
		if n := m.walked(t, s); n != crowds*crowd-i {
			t.Errorf("snapshot %d: walked through %d", i, n)
		}
		for _, n := range []int{0, 1, crowd - 1, crowd, 500_001, 777_776, 777_777, 777_778, crowds*crowd - 1} {
			_, err := s.Get(t.Context(), member(n).Key)
			if gone := i == 1 && n == 777_777; gone != problem.Is(err, problem.NotFound) || !gone && err != nil {
				t.Errorf("snapshot %d: get %d: %v", i, n, err)
			}
		}
	}
	m.asked.Reset()
	if got := m.compared(t); len(got) != 1 || got[0] != member(777_777).Key {
		t.Errorf("%d differ: %v", len(got), got)
	}
	a := newAllowance()
	a.apart(m.from, m.to)
	a.looks(m.from, m.to, []resource.Key{member(777_777).Key})
	a.covers(t, m.asked.Reset(), "a million, and as many but one", m.from, m.to)
	if report := check(t, m.r); len(report.Damage) != 0 || report.Objects != 2*crowds*crowd-1 {
		t.Errorf("%+v", report)
	}
}

// BenchmarkAMillionRecords prints what it takes to keep them: processor time, the most heap in
// use at a time besides the store's own, and the sealed bytes that are there afterwards.
func BenchmarkAMillionRecords(b *testing.B) {
	var base, most int64
	watch := func(m *million) { most = max(most, live()-base-m.store.bytes) }
	var m *million
	step := func(name string, do func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			spent := processor(b)
			for b.Loop() {
				most = 0
				do(b)
				watch(m)
			}
			b.ReportMetric(spent()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(most)/(1<<20), "heap-MiB")
			b.ReportMetric(float64(m.store.bytes)/1e6, "stored-MB")
		})
	}
	step("SaveScattered", func(b *testing.B) { base = live(); m = newMillion(b, scattered, watch) })
	m = nil
	step("Save", func(b *testing.B) { base = live(); m = newMillion(b, grouped, watch) })
	step("Walk", func(b *testing.B) { m.walked(b, m.from) })
	step("Open", func(b *testing.B) {
		if _, err := m.open(b, m.from.Prefix()).Get(b.Context(), member(777_777).Key); err != nil {
			b.Fatal(err)
		}
	})
	m.increment(b)
	step("Compare", func(b *testing.B) {
		if n := len(m.compared(b)); n != 1 {
			b.Fatal(n)
		}
	})
}
