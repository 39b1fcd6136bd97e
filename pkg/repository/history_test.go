package repository_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// asked counts how often each part of an object is read.
type asked struct {
	blob.Store
	times map[string]int
}

func (a *asked) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	a.times[fmt.Sprint(key[len(key)-30:], rng)]++
	return a.Store.Get(ctx, key, rng)
}

// TestHistoryAsksFew: of half a day of minutes, two of which changed an object, few are
// asked, and nothing twice.
func TestHistoryAsksFew(t *testing.T) {
	t.Parallel()
	const minutes = 700
	store := &asked{mem.New(mem.Options{}), map[string]int{}}
	k := keyring(t, alice)
	r := repo(t, store, k, conn, repository.Options{})
	parent := take(t, r, org(30))
	prefixes := []string{parent.Prefix()}
	key := resource.Key{Type: "group", ID: "00g000001"}
	for i := range minutes {
		d, err := r.BeginNamed(fmt.Sprint(i), started.Add(time.Duration(i+1)*time.Minute), parent)
		if err != nil {
			t.Fatal(err)
		}
		changed := res("user", "", fmt.Sprintf("00u%06d", i%30), fmt.Sprintf(`{"n":%d}`, i))
		if i == 100 || i == 600 {
			changed = resource.Resource{Key: key, Body: fmt.Appendf(nil, `{"n":%d}`, i)}
		}
		addAll(t, d, []resource.Resource{changed})
		f := facts()
		f.Types = nil
		if _, err := d.Commit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if parent, err = r.Open(t.Context(), d.Prefix()); err != nil {
			t.Fatal(err)
		}
		prefixes = append(prefixes, parent.Prefix())
	}
	slices.Reverse(prefixes)
	clear(store.times)
	var got []string
	r = repo(t, store, k, conn, repository.Options{Cache: repository.NewCache(16 << 20)})
	for v, err := range r.History(t.Context(), key, prefixes, r.Open) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(minutes-slices.Index(prefixes, v.Snapshot), " ", string(v.To)))
	}
	if d := cmp.Diff([]string{`601 {"n":600}`, `101 {"n":100}`, `0 {"id":"00g000001","profile":{"name":"G1"}}`}, got); d != "" {
		t.Error(d)
	}
	if n := len(store.times); n > 60 {
		t.Errorf("%d objects were asked for", n)
	}
	for name, n := range store.times {
		if n > 1 {
			t.Errorf("%s was read %d times", name, n)
		}
	}
}
