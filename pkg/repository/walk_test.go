package repository_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// begins are the ways to begin a draft over a parent.
var begins = map[repository.Scope]func(*repository.Repository, string, time.Time, *repository.Snapshot) (*repository.Draft, error){
	repository.Sweep: (*repository.Repository).Begin,
	repository.Named: (*repository.Repository).BeginNamed,
}

// groups are so many, by a word that stands in each, and every third of another kind.
func groups(from, to int, word string) (out []resource.Resource) {
	for i := from; i < to; i++ {
		out = append(out, res("group", "", fmt.Sprintf("00g%06d", i), fmt.Sprintf(`{"kind":%d,"profile":{"name":"G%d"},"word":%q}`, i%3, i, word)))
	}
	return out
}

// TestWalkAfterAFailure: a walk of a draft, for which what was added is compared with the
// parent first, tells that a read failed, and not of fewer resources. The next one has all.
func TestWalkAfterAFailure(t *testing.T) {
	t.Parallel()
	k, under := keyring(t, alice), mem.New(mem.Options{})
	parent := take(t, repo(t, under, k, conn, small), groups(0, 60, "old"))
	added := slices.Concat(groups(3, 9, "old"), groups(20, 26, "new"), groups(50, 66, "new")) // as it was, changed, new
	for scope, begin := range begins {
		want := added
		if scope == repository.Named {
			want = slices.Concat(groups(0, 20, "old"), groups(20, 26, "new"), groups(26, 50, "old"), groups(50, 66, "new"))
		}
		failed := 0
		for n := 0; ; n++ {
			store := fault.New(under.Clone())
			r := repo(t, store, k, conn, repository.Options{})
			over, err := r.Open(t.Context(), parent.Prefix())
			if err != nil {
				t.Fatal(err)
			}
			d, err := begin(r, "over", started.Add(time.Hour), over)
			if err != nil {
				t.Fatal(err)
			}
			addAll(t, d, shuffled(added, uint64(n)))
			store.AddFault(fault.Get).After(n).ErrorInstead(errAway)
			got, err := collect(d.Walk(t.Context(), "group"))
			if errors.Is(err, errAway) {
				failed++
				got, err = collect(d.Walk(t.Context(), "group"))
			}
			if err != nil || !slices.Equal(lines(got), lines(want)) {
				t.Fatalf("%s, read %d: %d groups, want %d, %v", scope, n, len(got), len(want), err)
			}
			if failed == n {
				break // a walk reads no more than that
			}
			commit(t, d)
			s, err := r.Open(t.Context(), d.Prefix())
			if err != nil {
				t.Fatal(err)
			}
			holds(t, s, want)
		}
		if failed < 10 {
			t.Errorf("%s: %d reads failed: too few to prove anything", scope, failed)
		}
	}
}

// TestWalkWhileAddingOverAParent: what others add while a walk of a draft goes on, of what the
// parent has, too, is not in that walk, and in the next. The parent is one segment, of which
// the walk has all at once: it and the others meet at no lock that would hide a race.
func TestWalkWhileAddingOverAParent(t *testing.T) {
	t.Parallel()
	for scope, begin := range begins {
		k, store := keyring(t, alice), mem.New(mem.Options{})
		parent := take(t, repo(t, store, k, conn, repository.Options{}), groups(0, 200, "old")).Prefix()
		r := repo(t, store, k, conn, small)
		over, err := r.Open(t.Context(), parent)
		if err != nil {
			t.Fatal(err)
		}
		d, err := begin(r, "over", started.Add(time.Hour), over)
		if err != nil {
			t.Fatal(err)
		}
		want, all := groups(0, 50, "old"), slices.Concat(groups(0, 150, "old"), groups(150, 220, "new"))
		addAll(t, d, shuffled(want, 1))
		if scope == repository.Named {
			want = groups(0, 200, "old")
		}
		begun := make(chan struct{})
		adds := func(part []resource.Resource) func() {
			return func() {
				<-begun
				for _, one := range shuffled(part, 2) {
					if err := d.Add(t.Context(), one); err != nil {
						t.Error(err)
					}
				}
			}
		}
		var soon, late sync.WaitGroup
		soon.Go(adds(groups(50, 100, "old")))
		late.Go(adds(groups(100, 150, "old")))
		late.Go(adds(groups(150, 220, "new")))
		var got []resource.Resource
		for g, err := range d.Walk(t.Context(), "group") {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, g); len(got) == 1 {
				close(begun)
				soon.Wait()
			}
		}
		late.Wait()
		if !slices.Equal(lines(got), lines(want)) {
			t.Errorf("%s: %d groups, want %d", scope, len(got), len(want))
		}
		if got, err = collect(d.Walk(t.Context(), "group")); err != nil || !slices.Equal(lines(got), lines(all)) {
			t.Errorf("%s: the next walk has %d groups, want %d, %v", scope, len(got), len(all), err)
		}
		commit(t, d)
		s, err := r.Open(t.Context(), d.Prefix())
		if err != nil {
			t.Fatal(err)
		}
		holds(t, s, all)
	}
}
