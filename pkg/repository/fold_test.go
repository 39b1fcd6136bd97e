package repository_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob/count"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// dripping adds resources a few at a time, each few flushed and the draft resumed, as
// where a rate limit paces the reading. It tells the largest state that there was.
func dripping(t *testing.T, r *repository.Repository, all []resource.Resource, few int) (d *repository.Draft, largest int) {
	t.Helper()
	d = begin(t, r)
	for part := range slices.Chunk(all, few) {
		addAll(t, d, part)
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		state, err := d.State()
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, bytes.Count(state, []byte(`"name":`)))
		if d, err = r.Resume(t.Context(), state); err != nil {
			t.Fatal(err)
		}
	}
	return d, largest
}

// TestCrumbsAreFolded: neither the draft's state nor the snapshot counts the flushes,
// and what is read is what was added, in whatever order it came.
func TestCrumbsAreFolded(t *testing.T) {
	t.Parallel()
	roomy := repository.Options{SegmentPlain: 16_000, SegmentSealed: 8_000, Chunk: 1_000}
	sorted := org(400)
	slices.SortFunc(sorted, func(a, b resource.Resource) int { return a.Compare(b.Key) })
	for name, all := range map[string][]resource.Resource{
		"in order": sorted, "shuffled": shuffled(sorted, 3), "some twice": append(shuffled(sorted, 4), shuffled(sorted, 5)[:100]...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := mem.New(mem.Options{})
			r := repo(t, store, keyring(t, alice), conn, roomy)
			d, largest := dripping(t, r, all, 2)
			m := commit(t, d)
			s, err := r.Open(t.Context(), d.Prefix())
			if err != nil {
				t.Fatal(err)
			}
			holds(t, s, org(400))
			full := 1 + int(plain(all))/roomy.SegmentPlain
			if most := 4 * full; len(m.Segments) > most {
				t.Errorf("%d segments for what %d hold", len(m.Segments), full)
			}
			if most := 4*full + 3*16; largest > most {
				t.Errorf("a state with %d segments, for what %d hold", largest, full)
			}
			if report := check(t, r); len(report.Damage) > 0 {
				t.Errorf("%+v", report.Damage)
			}
		})
	}
}

func plain(all []resource.Resource) (n int64) {
	for _, r := range all {
		n += int64(len(r.Body) + len(r.ID) + len(r.Parent) + 32)
	}
	return n
}

// TestFoldedCrumbsKeepTheirOrder: of a key that stands in a crumb and in a full segment
// the record that was added last counts.
func TestFoldedCrumbsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small)
	d := begin(t, r)
	flushed := func(all ...resource.Resource) {
		t.Helper()
		addAll(t, d, all)
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var full, want []resource.Resource
	for i := range 40 {
		key := fmt.Sprintf("00u%06d", i)
		full = append(full, res("user", "", key, fmt.Sprintf(`{"name":"somebody with a long name %d","now":"full"}`, i)))
	}
	for i := range 3 {
		flushed(res("user", "", full[i].ID, `{"now":"before"}`))
	}
	flushed(full...)
	want = slices.Clone(full)
	for i := 20; i < 23; i++ {
		want[i].Body = []byte(`{"now":"after"}`)
		flushed(want[i])
	}
	commit(t, d)
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, want)
}

// TestDeathWhileFolding: a writer that dies while it folds goes on from its last state,
// whose segments are still there.
func TestDeathWhileFolding(t *testing.T) {
	t.Parallel()
	all := org(40)
	roomy := repository.Options{SegmentPlain: 16_000, SegmentSealed: 8_000, Chunk: 1_000}
	k := keyring(t, alice)
	for n := range 45 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			under := mem.New(mem.Options{})
			store := fault.New(under)
			d := begin(t, repo(t, store, k, conn, roomy))
			var state []byte
			added := 0
			for part := range slices.Chunk(all, 2) {
				if added == 30 {
					deaths["after"](store, n)
				}
				addAll(t, d, part)
				if d.Flush(t.Context()) != nil {
					break
				}
				var err error
				if state, err = d.State(); err != nil {
					t.Fatal(err)
				}
				added += len(part)
			}
			r := repo(t, under, k, conn, roomy)
			d, err := r.Resume(t.Context(), state)
			if err != nil {
				t.Fatal(err)
			}
			addAll(t, d, all[added:])
			commit(t, d)
			s, err := r.Open(t.Context(), d.Prefix())
			if err != nil {
				t.Fatal(err)
			}
			holds(t, s, all)
		})
	}
}

// TestNamesAreFoldedInPart: names lie over all that were before, in whatever order resources
// come, and few flushes write all of them again. What was renamed has its new name alone.
func TestNamesAreFoldedInPart(t *testing.T) {
	t.Parallel()
	const users, few = 4000, 20
	counted := count.New(mem.New(mem.Options{}))
	o := repository.Options{SegmentPlain: 16_000, SegmentSealed: 8_000, Chunk: 4_000}
	o.Catalog = resource.Catalog{{Type: "user", Shape: resource.Collection, NaturalKey: []resource.Path{"login"}}}
	r := repo(t, counted, keyring(t, alice), conn, o)
	d := begin(t, r)
	flush := func(from, to int, login string) {
		for i := from; i < to; i++ {
			addAll(t, d, []resource.Resource{res("user", "", fmt.Sprintf("u%05d", i), fmt.Sprintf(`{"login":"%s%d"}`, login, i))})
		}
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < users; i += few {
		flush(i, i+few, "old")
	}
	for i := range 20 {
		flush(i, i+1, "new")
	}
	m := commit(t, d)
	if put := counted.Reset()[count.Put].Bytes; put > 8*m.Bytes() {
		t.Errorf("%d bytes were put for %d", put, m.Bytes())
	}
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"OLD7": "", "new7": "user/u00007", "old20": "user/u00020"} {
		if got := named(t, s, "user", name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if report := check(t, r); len(report.Damage) > 0 {
		t.Errorf("%+v", report.Damage)
	}
}

// TestIncrementsAreWrittenOnce: segments that are as large as an incremental's become are no
// crumbs, also where a second type waits beside the one that fills them: its commit writes
// what waited, and a few neighbours of that, and not all of it again.
func TestIncrementsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	store := mem.New(mem.Options{})
	r := repo(t, store, keyring(t, alice), conn, repository.Options{SegmentPlain: 64_000, SegmentSealed: 1 << 20, Chunk: 4_000})
	parent := take(t, r, org(10))
	d, err := r.Begin("next", started.Add(time.Hour), parent)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range org(4000)[:4000] {
		addAll(t, d, []resource.Resource{u})
		if i%10 == 0 {
			addAll(t, d, []resource.Resource{res("app", "", fmt.Sprintf("0oa%06d", i), fmt.Sprintf(`{"label":"App %d"}`, i))})
		}
	}
	segments := func() (n int) {
		for _, key := range keysOf(t, store) {
			if strings.HasPrefix(key, d.Prefix()+"/seg-") {
				n++
			}
		}
		return n
	}
	before := segments()
	m := commit(t, d)
	if again := segments() - before; before < 8 || again > before/4 {
		t.Errorf("%d segments while it was added, %d with the commit, %d in the manifest", before, again, len(m.Segments))
	}
}
