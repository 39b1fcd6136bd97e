package count_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/blob"
	"imago/pkg/blob/blobtest"
	"imago/pkg/blob/count"
	"imago/pkg/blob/mem"
)

func TestStore(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, count.New(mem.New(mem.Options{})))
}

func TestCounts(t *testing.T) {
	t.Parallel()
	s := count.New(mem.New(mem.Options{}))
	put := func(key string) error { return s.Put(t.Context(), key, strings.NewReader("0123456789"), 10) }
	check := func(what string, want count.Tallies) {
		t.Helper()
		if diff := cmp.Diff(want, s.Reset()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if err := put("a"); err != nil {
		t.Fatal(err)
	}
	if err := put("a"); !errors.Is(err, blob.ErrExists) {
		t.Fatal(err)
	}
	if err := put("b"); err != nil {
		t.Fatal(err)
	}
	check("two puts of one key, and one of another", count.Tallies{count.Put: {3, 30}})

	if err := s.Replace(t.Context(), "a", strings.NewReader("01234"), 5); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "a", blob.Whole)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadFull(r, make([]byte, 3))
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "c", blob.Whole); !errors.Is(err, blob.ErrNotFound) {
		t.Fatal(err)
	}
	check("a get that is left early, and one of nothing", count.Tallies{count.Replace: {1, 5}, count.Get: {2, 3}})

	for range 2 {
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	check("deletes", count.Tallies{count.Delete: {2, 0}})
	for _, c := range []struct{ n, requests int64 }{{1, 1}, {999, 1}, {1000, 1}, {1001, 2}, {2000, 2}, {2001, 3}} {
		for i := range c.n - 1 { // and b
			if err := put(fmt.Sprintf("list/%d", i)); err != nil && !errors.Is(err, blob.ErrExists) {
				t.Fatal(err)
			}
		}
		s.Reset()
		for _, err := range s.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
		}
		check(fmt.Sprint(c.n, " objects listed"), count.Tallies{count.List: {c.requests, 0}})
	}
	sum := count.Tallies{count.Put: {1, 2}, count.Get: {3, 4}}.Total()
	if sum != (count.Tally{Requests: 4, Bytes: 6}) {
		t.Errorf("the sum is %+v", sum)
	}
}

// many is a store that deletes a thousand objects by a request.
type many struct{ *mem.Store }

func (many) DeleteAll(context.Context, []string) map[string]error { return nil }

func TestCountsDeletes(t *testing.T) {
	t.Parallel()
	keys := make([]string, 1001)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	for name, c := range map[string]struct {
		under blob.Store
		want  int64
	}{"one by one": {mem.New(mem.Options{}), 1001}, "many": {many{mem.New(mem.Options{})}, 2}} {
		s := count.New(c.under)
		if failed := s.DeleteAll(t.Context(), keys); failed != nil {
			t.Error(failed)
		}
		if got := s.Reset()[count.Delete].Requests; got != c.want {
			t.Errorf("%s: %d requests, want %d", name, got, c.want)
		}
	}
}
