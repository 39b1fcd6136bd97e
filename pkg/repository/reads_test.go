package repository_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob/count"
	"imago/pkg/blob/mem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// allowance is what a comparison may read: chunks of segments, each once, and whole objects.
// It follows from what the manifests tell, and from nothing that was measured.
type allowance struct {
	chunks  map[string]map[int]snapshot.Chunk // by segment
	sizes   map[string]int64                  // of the segments
	objects map[string]int64                  // sizes of manifests and lists
}

func newAllowance() allowance {
	return allowance{map[string]map[int]snapshot.Chunk{}, map[string]int64{}, map[string]int64{}}
}

// chunksOf are a segment's, also of one that tells of none, as it is the only one.
func chunksOf(g snapshot.Segment) []snapshot.Chunk {
	if len(g.Chunks) > 0 {
		return g.Chunks
	}
	return []snapshot.Chunk{{Bytes: g.Bytes, Records: g.Records, First: g.First, Digest: g.Digest}}
}

func (a allowance) add(g snapshot.Segment, i int) {
	if a.chunks[g.Name] == nil {
		a.chunks[g.Name], a.sizes[g.Name] = map[int]snapshot.Chunk{}, g.Bytes
	}
	a.chunks[g.Name][i] = chunksOf(g)[i]
}

// states are the segments of what is compared: names follow from it.
func states(s *repository.Snapshot) []snapshot.Segment {
	return slices.DeleteFunc(slices.Clone(s.Manifest().Segments), func(g snapshot.Segment) bool { return g.Family == snapshot.Names })
}

// apart allows the segments that one of two snapshots stands on, and of these the chunks that
// the other does not have alike: FORMAT.md, "Digests".
func (a allowance) apart(from, to *repository.Snapshot) {
	type extent struct {
		snapshot.Family
		first   resource.Key
		records int64
		digest  snapshot.Digest
	}
	for _, side := range [][2]*repository.Snapshot{{from, to}, {to, from}} {
		common, alike := map[string]bool{}, map[extent]bool{}
		for _, g := range states(side[1]) {
			common[g.Name] = true
			for _, c := range chunksOf(g) {
				alike[extent{g.Family, c.First, c.Records, c.Digest}] = c.Digest != snapshot.Digest{}
			}
		}
		for _, g := range states(side[0]) {
			for i, c := range chunksOf(g) {
				if !common[g.Name] && !alike[extent{g.Family, c.First, c.Records, c.Digest}] {
					a.add(g, i)
				}
			}
		}
	}
}

// looks allows the chunks of both that may hold keys which stand in what is allowed.
func (a allowance) looks(from, to *repository.Snapshot, keys []resource.Key) {
	var met []resource.Key
	for _, g := range slices.Concat(states(from), states(to)) {
		for i := range a.chunks[g.Name] {
			first, last := g.Reach(i)
			met = append(met, slices.DeleteFunc(slices.Clone(keys), func(k resource.Key) bool { return k.Compare(first) < 0 || k.Compare(last) > 0 })...)
		}
	}
	a.holding(from, met...)
	a.holding(to, met...)
}

// holding allows the chunks of a snapshot that may hold keys.
func (a allowance) holding(s *repository.Snapshot, keys ...resource.Key) {
	for _, g := range states(s) {
		for _, k := range keys {
			if g.Covers(k) {
				a.add(g, g.Holding(k))
			}
		}
	}
}

// opens allows a snapshot's manifest, and its list.
func (a allowance) opens(s *repository.Snapshot) {
	for _, o := range s.Objects() {
		if strings.HasSuffix(o.Key, "/"+snapshot.ManifestName) || strings.Contains(o.Key, "/list-") {
			a.objects[o.Key] = o.Bytes
		}
	}
}

// most adds up. A segment of which more than half is wanted may be read whole.
func (a allowance) most() (most count.Tally) {
	for name, chunks := range a.chunks {
		var sum int64
		for _, c := range chunks {
			sum += c.Bytes
		}
		if 2*sum > a.sizes[name] {
			sum = a.sizes[name]
		}
		most.Requests += int64(len(chunks))
		most.Bytes += sum
	}
	for _, size := range a.objects {
		most.Requests++
		most.Bytes += size
	}
	return most
}

// covers fails unless no more was asked of a store than is allowed, and that is a small part
// of what there is.
func (a allowance) covers(t *testing.T, got count.Tallies, what string, of ...*repository.Snapshot) {
	t.Helper()
	most, all := a.most(), newAllowance()
	for _, s := range of {
		all.opens(s)
		for _, g := range states(s) {
			for i := range chunksOf(g) {
				all.add(g, i)
			}
		}
	}
	if total := all.most(); 4*most.Requests > total.Requests {
		t.Fatalf("%s: %+v of %+v are allowed: too much to prove anything", what, most, total)
	}
	if reads := got[count.Get]; len(got) > 1 || reads.Requests == 0 || reads.Requests > most.Requests || reads.Bytes > most.Bytes {
		t.Errorf("%s: %+v, and what differs takes %+v", what, got, most)
	}
}

// counting is a repository in a store that counts.
type counting struct {
	t     *testing.T
	store *count.Store
	open  func() *repository.Repository // one that has read nothing yet
	r     *repository.Repository
}

// chunky are options by which little data has many chunks, of which two snapshots cut most at
// the same keys.
var chunky = repository.Options{SegmentPlain: 1 << 20, SegmentSealed: 256 << 10, Chunk: 32 << 10, Catalog: catalog}

func newCounting(t *testing.T, o repository.Options) counting {
	t.Helper()
	k, c := keyring(t, alice), counting{t: t, store: count.New(mem.New(mem.Options{}))}
	c.open = func() *repository.Repository { return repo(t, c.store, k, conn, o) }
	c.r = c.open()
	return c
}

// full takes a full snapshot.
func (c counting) full(name string, at time.Time, all []resource.Resource) *repository.Snapshot {
	c.t.Helper()
	d, err := c.r.Begin(name, at, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	addAll(c.t, d, all)
	commit(c.t, d)
	return c.opened(d.Prefix())
}

// minute takes a snapshot of one change.
func (c counting) minute(n int, parent *repository.Snapshot, changed resource.Resource) *repository.Snapshot {
	c.t.Helper()
	d, err := c.r.BeginNamed(fmt.Sprint("minute", n), started.Add(time.Duration(1+n)*time.Minute), parent)
	if err != nil {
		c.t.Fatal(err)
	}
	addAll(c.t, d, []resource.Resource{changed})
	f := facts()
	f.Types = nil
	if _, err := d.Commit(c.t.Context(), f); err != nil {
		c.t.Fatal(err)
	}
	return c.opened(d.Prefix())
}

func (c counting) opened(prefix string) *repository.Snapshot {
	c.t.Helper()
	s, err := c.r.Open(c.t.Context(), prefix)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// compares fails unless exactly these keys differ, and no more is read for that than what
// differs; for what stood there before and after, also what holds others of the keys that
// stand in it.
func (c counting) compares(from, to *repository.Snapshot, differ, keys []resource.Key, what string) {
	c.t.Helper()
	a := newAllowance()
	a.apart(from, to)
	c.store.Reset()
	var may []resource.Key
	for k, err := range c.open().Differ(c.t.Context(), from.Prefix(), to.Prefix()) {
		if err != nil {
			c.t.Fatal(err)
		}
		may = append(may, k)
	}
	if missing := slices.DeleteFunc(slices.Clone(differ), func(k resource.Key) bool { return slices.Contains(may, k) }); len(missing) > 0 {
		c.t.Errorf("%s: %v differ, and are not said to", what, missing)
	}
	opened := newAllowance()
	opened.apart(from, to)
	opened.opens(from)
	opened.opens(to)
	opened.covers(c.t, c.store.Reset(), what+", which differ", from, to)

	var got []resource.Key
	for change, err := range c.r.Changes(c.t.Context(), from, to, repository.CompareOptions{}) {
		if err != nil {
			c.t.Fatal(err)
		}
		got = append(got, change.Key)
	}
	if !slices.Equal(got, differ) {
		c.t.Errorf("%s: %v differ, want %v", what, got, differ)
	}
	a.looks(from, to, keys)
	a.covers(c.t, c.store.Reset(), what, from, to)
}

// TestComparingReadsWhatDiffers: of two full snapshots the chunks that are not alike.
func TestComparingReadsWhatDiffers(t *testing.T) {
	t.Parallel()
	c, all := newCounting(t, chunky), signedIn(20_000, 1)
	from := c.full("from", started, all)
	next := slices.Clone(all)
	next[4700].Body = []byte(`{"changed":true,"lastLogin":1}`)
	next[4701].Body = []byte(`{"changed":true,"lastLogin":1}`)
	next[12_100].Body = slices.Clone(next[12_100].Body)
	copy(next[12_100].Body[strings.Index(string(next[12_100].Body), `"lastLogin":1`):], `"lastLogin":2`)
	added := res("user", "", "00u009500x", `{"added":true}`)
	var keys []resource.Key
	for _, r := range append(slices.Clone(all), added) {
		keys = append(keys, r.Key)
	}
	differ := []resource.Key{next[4700].Key, next[4701].Key, added.Key, next[12_100].Key, next[17_500].Key}
	next = append(slices.Delete(next, 17_500, 17_501), added)
	c.compares(from, c.full("to", started.Add(time.Hour), next), differ, keys, "two full snapshots")
}

// TestComparingAcrossMerges: of two snapshots of which one merged layers of the other, these
// layers, and the chunks below in which their keys stand.
func TestComparingAcrossMerges(t *testing.T) {
	t.Parallel()
	c, all := newCounting(t, chunky), signedIn(20_000, 1)
	last := c.full("base", started, all)
	taken, merges := []*repository.Snapshot{last}, 0
	var changed []resource.Key
	for n := range 70 {
		one := resource.Resource{Key: all[(n%8)*2001].Key, Body: fmt.Appendf(nil, `{"lastLogin":1,"minute":%d}`, n)}
		s := c.minute(n, last, one)
		if changed = append(changed, one.Key); merged(last, s) {
			merges++
			c.compares(last, s, []resource.Key{one.Key}, changed, fmt.Sprintf("minute %d, which merges", n))
		}
		last, taken = s, append(taken, s)
	}
	if merges < 5 {
		t.Errorf("%d merges", merges)
	}
	slices.SortFunc(changed, resource.Key.Compare)
	changed = slices.Compact(changed)
	c.compares(taken[0], last, changed, changed, "from the first to the last")
	c.compares(taken[20], taken[60], changed, changed, "over many merges")
}

// What opening one object may cost: the figures, before and after a day of minutes.
const (
	openReads, openBytes = 6, 400_000
	laterReads           = 20
)

// TestOpeningReadsLittle: who has read nothing yet opens one object, by key or by name, in a
// few reads and without a list, also when a day of minutes lies over it, of which some are of
// people who signed in besides.
func TestOpeningReadsLittle(t *testing.T) {
	t.Parallel()
	c := newCounting(t, repository.Options{Catalog: resource.Catalog{
		{Type: "user", Shape: resource.Collection, Moving: []string{"lastLogin"}, NaturalKey: []resource.Path{"profile.login"}},
	}})
	all, _ := users(12_000)
	s := c.full("base", started, all)
	if n := len(s.Manifest().Segments[0].Chunks); n < 8 {
		t.Fatalf("%d chunks: too few to prove anything", n)
	}
	for _, i := range []int{0, 1, 7007, len(all) - 1} {
		c.opens(s, all[i], openReads)
	}
	now := slices.Clone(all)
	for n := range minutesOfDay {
		one := &now[n*7919%len(now)]
		one.Body = bytes.Replace(one.Body, []byte(`"title":"`), fmt.Appendf(nil, `"title":"%d, `, n), 1)
		if n%100 == 0 {
			one.Body = bytes.Replace(one.Body, []byte(`"lastLogin":null`), fmt.Appendf(nil, `"lastLogin":"minute %d"`, n), 1)
		}
		s = c.minute(n, s, *one)
	}
	for _, i := range []int{0, 1, 7007, len(all) - 1, (minutesOfDay - 1) * 7919 % len(all), (minutesOfDay / 2) * 7919 % len(all)} {
		c.opens(s, now[i], laterReads)
	}
}

// opens fails unless a resource is found by its key, and by its login, within so many reads.
func (c counting) opens(at *repository.Snapshot, want resource.Resource, reads int64) {
	c.t.Helper()
	_, login, _ := strings.Cut(string(want.Body), `"login":"`)
	login, _, _ = strings.Cut(login, `"`)
	for _, by := range []string{"key", "name"} {
		c.store.Reset()
		s, err := c.open().Open(c.t.Context(), at.Prefix())
		if err != nil {
			c.t.Fatal(err)
		}
		var got []resource.Resource
		if by == "name" {
			got, err = collect(s.Named(c.t.Context(), want.Type, strings.ToUpper(login)))
		} else {
			got = make([]resource.Resource, 1)
			got[0], err = s.Get(c.t.Context(), want.Key)
		}
		if err != nil || len(got) != 1 || got[0].Key != want.Key || string(got[0].Body) != string(want.Body) {
			c.t.Fatalf("%s by %s: %s, %v", want.Key, by, got, err)
		}
		asked, most := c.store.Reset(), count.Tally{Requests: reads, Bytes: openBytes}
		if by == "key" { // which reads a chunk of each layer, and not the rest of its segment
			a := newAllowance()
			a.opens(at)
			a.holding(at, want.Key)
			most.Bytes = min(most.Bytes, a.most().Bytes)
		}
		if n := asked[count.Get]; len(asked) != 1 || n.Requests > most.Requests || n.Bytes > most.Bytes {
			c.t.Errorf("%s by %s: %+v, and at most %+v is due", want.Key, by, asked, most)
		}
	}
}
