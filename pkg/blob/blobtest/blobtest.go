// Package blobtest is the suite that every blob.Store passes.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/fault"
)

// Run tests a store. Each test works below a prefix of its own, so the store
// need not be empty. One that locks what is put keeps it all. A store with planned
// faults, or one around it, fails when one of them did not fire.
func Run(t *testing.T, store blob.Store) {
	run(t, store, func(t *testing.T, test func(*testing.T)) { t.Helper(); test(t) })
}

// RunByFakeClock is Run where time passes when all that is left to do is to wait for it: each
// test is in a bubble of testing/synctest. The store is to be in memory.
func RunByFakeClock(t *testing.T, store blob.Store) {
	run(t, store, synctest.Test)
}

func run(t *testing.T, store blob.Store, in func(*testing.T, func(*testing.T))) {
	if faulty, ok := blob.As[interface{ VerifyAllFired(fault.T) }](store); ok {
		defer faulty.VerifyAllFired(t)
	}
	for name, test := range map[string]func(*testing.T, harness){
		"PutThenGet":         putThenGet,
		"RefusesOverwriting": refusesOverwriting,
		"RefusesWrongLength": refusesWrongLength,
		"RefusesBadKeys":     refusesBadKeys,
		"ReadsRanges":        readsRanges,
		"NotFound":           notFound,
		"ListsInKeyOrder":    listsInKeyOrder,
		"ListsMany":          listsMany,
		"DeletesTwice":       deletesTwice,
		"DeletesMany":        deletesMany,
		"OneWinsARace":       oneWinsARace,
		"HeedsTheContext":    heedsTheContext,
		"Replaces":           replaces,
		"Resumes":            resumes,
		"Locks":              locks,
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) { test(t, harness{store, "blobtest/" + strings.ToLower(name)}) })
		})
	}
}

type harness struct {
	blob.Store
	prefix string
}

func (h harness) key(name string) string { return h.prefix + "/" + name }

func (h harness) put(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := h.Put(t.Context(), h.key(name), bytes.NewReader(data), int64(len(data))); err != nil {
		t.Fatal(err)
	}
}

// read gives the content of a range, or the error of whichever call found it.
func (h harness) read(t *testing.T, name string, rng blob.Range) (data []byte, err error) {
	t.Helper()
	r, err := h.Get(t.Context(), h.key(name), rng)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	return io.ReadAll(r)
}

func (h harness) wants(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := h.read(t, name, blob.Whole)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: got %d bytes and %v, want %d bytes", name, len(got), err, len(want))
	}
}

func (h harness) list(t *testing.T, prefix string) (out []blob.Object) {
	t.Helper()
	for o, err := range h.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func putThenGet(t *testing.T, h harness) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB
	for name, data := range map[string][]byte{
		"empty": {}, "zeroes": make([]byte, 17), "big": big, "deep/er/still": []byte("x"),
		"2026-11-21T191203.123Z-0a1b/seg-1": []byte("timestamped"),
	} {
		h.put(t, name, data)
		h.wants(t, name, data)
	}
}

func refusesOverwriting(t *testing.T, h harness) {
	h.put(t, "a", []byte("first"))
	err := h.Put(t.Context(), h.key("a"), strings.NewReader("second"), 6)
	if !errors.Is(err, blob.ErrExists) {
		t.Fatalf("second put: %v, want ErrExists", err)
	}
	h.wants(t, "a", []byte("first"))
}

func refusesWrongLength(t *testing.T, h harness) {
	for name, size := range map[string]int64{"short": 11, "long": 9, "negative": -1} {
		if err := h.Put(t.Context(), h.key(name), strings.NewReader("0123456789"), size); err == nil {
			t.Errorf("%s: a put of another size than announced went through", name)
		}
		if _, err := h.read(t, name, blob.Whole); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s: left an object behind: %v", name, err)
		}
	}
	failing := io.MultiReader(strings.NewReader("01234"), broken{})
	if err := h.Put(t.Context(), h.key("broken"), failing, 10); !errors.Is(err, errBroken) {
		t.Errorf("broken source: %v", err)
	}
	if _, err := h.read(t, "broken", blob.Whole); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("broken source left an object behind: %v", err)
	}
}

var errBroken = errors.New("source broke")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func refusesBadKeys(t *testing.T, h harness) {
	for _, key := range []string{"", "/a", "a/", "a//b", "a/../b", "./a", "a b", "ä", "a\x00", strings.Repeat("k", blob.MaxKey+1)} {
		if err := h.Put(t.Context(), key, strings.NewReader("x"), 1); err == nil {
			t.Errorf("put under %q went through", key)
		}
	}
}

func readsRanges(t *testing.T, h harness) {
	h.put(t, "r", []byte("0123456789"))
	for _, c := range []struct {
		rng   blob.Range
		want  string
		short bool
	}{
		{blob.Whole, "0123456789", false},
		{blob.Range{Offset: 0, Length: 4}, "0123", false},
		{blob.Range{Offset: 0, Length: 10}, "0123456789", false},
		{blob.Range{Offset: 3, Length: 4}, "3456", false},
		{blob.Range{Offset: 6, Length: -1}, "6789", false},
		{blob.Range{Offset: 9, Length: 1}, "9", false},
		{blob.Range{Offset: 10, Length: -1}, "", false},
		{blob.Range{Offset: 4, Length: 0}, "", false},
		{blob.Range{Offset: 8, Length: 5}, "89", true},
		{blob.Range{Offset: 11, Length: 2}, "", true},
	} {
		got, err := h.read(t, "r", c.rng)
		if c.short {
			if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, blob.ErrRange) {
				t.Errorf("%+v: ended early with %v", c.rng, err)
			}
		} else if err != nil || string(got) != c.want {
			t.Errorf("%+v: %q and %v, want %q", c.rng, got, err, c.want)
		}
	}
}

func notFound(t *testing.T, h harness) {
	for _, rng := range []blob.Range{blob.Whole, {Offset: 2, Length: 2}, {Offset: 0, Length: 0}} {
		if _, err := h.read(t, "nothing", rng); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%+v: %v, want ErrNotFound", rng, err)
		}
	}
	if got := h.list(t, h.key("nothing")); len(got) != 0 {
		t.Errorf("listed %v", got)
	}
}

func listsInKeyOrder(t *testing.T, h harness) {
	names := []string{"b", "a/2", "a/10", "a-b", "a.c", "aB", "z/y/x", "a0"}
	for i, n := range names {
		h.put(t, n, make([]byte, i))
	}
	var got []string
	for _, o := range h.list(t, h.prefix+"/") {
		name := strings.TrimPrefix(o.Key, h.prefix+"/")
		got = append(got, name)
		if want := int64(slices.Index(names, name)); o.Size != want || o.Modified.IsZero() {
			t.Errorf("%s: %d bytes, modified %v; want %d bytes", name, o.Size, o.Modified, want)
		}
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("listed %q, want %q", got, names)
	}
	// A prefix need not end at a slash, and a listing may be left early.
	if got := h.list(t, h.key("a/1")); len(got) != 1 || got[0].Key != h.key("a/10") {
		t.Errorf("by a part of a name: %v", got)
	}
	for _, err := range h.List(t.Context(), h.prefix+"/") {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
}

// listsMany passes the 1,000 that S3 answers at once.
func listsMany(t *testing.T, h harness) {
	const n = 1203
	var g sync.WaitGroup
	errs := make(chan error, n)
	slots := make(chan struct{}, 16)
	for i := range n {
		g.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs <- h.Put(t.Context(), h.key(fmt.Sprintf("n-%05d", i)), strings.NewReader("x"), 1)
		})
	}
	g.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := h.list(t, h.key("n-"))
	if len(got) != n || !slices.IsSortedFunc(got, func(a, b blob.Object) int { return strings.Compare(a.Key, b.Key) }) {
		t.Errorf("listed %d of %d, or not in order", len(got), n)
	}
}

// deletesMany: what is named goes, whatever of it is there, and nothing else.
func deletesMany(t *testing.T, h harness) {
	h.deletes(t)
	var gone []string
	for i := range 1003 { // one request takes a thousand
		name := fmt.Sprintf("%d/%d/%d", i/300, i/30, i)
		if i%20 == 0 {
			h.put(t, name, []byte("x"))
		}
		gone = append(gone, h.key(name))
	}
	for _, name := range []string{"0/0/0-", "0/0-/0", "a", "3/33/1003"} {
		h.put(t, name, []byte("stays"))
	}
	for range 2 {
		if failed := blob.DeleteAll(t.Context(), h.Store, gone); len(failed) > 0 {
			t.Fatal(failed)
		}
	}
	var left []string
	for _, o := range h.list(t, h.prefix+"/") {
		left = append(left, strings.TrimPrefix(o.Key, h.prefix+"/"))
	}
	if got := strings.Join(left, " "); got != "0/0-/0 0/0/0- 3/33/1003 a" {
		t.Errorf("left: %s", got)
	}
	if blob.DeleteAll(t.Context(), h.Store, nil) != nil {
		t.Error("nothing was to be deleted, and it failed")
	}
}

func deletesTwice(t *testing.T, h harness) {
	h.deletes(t)
	h.put(t, "a", []byte("x"))
	h.put(t, "ab", []byte("y"))
	for range 2 {
		if err := h.Delete(t.Context(), h.key("a")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.read(t, "a", blob.Whole); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("deleted, and read: %v", err)
	}
	h.wants(t, "ab", []byte("y"))
	h.put(t, "a", []byte("again"))
	h.wants(t, "a", []byte("again"))
}

func oneWinsARace(t *testing.T, h harness) {
	if !h.Capabilities().ConditionalPut {
		t.Skip("the store cannot refuse to overwrite by itself")
	}
	const n = 12
	errs := make(chan error, n)
	start := make(chan struct{})
	for i := range n {
		go func() {
			<-start
			errs <- h.Put(t.Context(), h.key("prize"), strings.NewReader(fmt.Sprintf("%04d", i)), 4)
		}()
	}
	close(start)
	won := 0
	for range n {
		err := <-errs
		if err == nil {
			won++
		} else if !errors.Is(err, blob.ErrExists) {
			t.Errorf("lost with %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d puts of one key went through", won)
	}
}

func heedsTheContext(t *testing.T, h harness) {
	h.put(t, "a", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Put(ctx, h.key("b"), strings.NewReader("x"), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if r, err := h.Get(ctx, h.key("a"), blob.Whole); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v, %v", r, err)
	}
	if err := h.Delete(ctx, h.key("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("delete: %v", err)
	}
	for _, err := range h.List(ctx, h.prefix) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("list: %v", err)
		}
	}
	h.wants(t, "a", []byte("x"))
}

func replaces(t *testing.T, h harness) {
	h.deletes(t)
	r, ok := h.Store.(blob.Replacer)
	if !ok {
		t.Skip("the store cannot replace")
	}
	for _, data := range []string{"first", "second, longer", "3"} {
		if err := r.Replace(t.Context(), h.key("a"), strings.NewReader(data), int64(len(data))); err != nil {
			t.Fatal(err)
		}
		h.wants(t, "a", []byte(data))
	}
	if err := r.Replace(t.Context(), h.key("a"), strings.NewReader("short"), 9); err == nil {
		t.Error("a replacement of another size than announced went through")
	}
	h.wants(t, "a", []byte("3"))
	if err := h.Delete(t.Context(), h.key("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.read(t, "a", blob.Whole); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("what was replaced came back when its successor was deleted: %v", err)
	}
}

// resumes goes on in the middle of an object, and not of another one.
func resumes(t *testing.T, h harness) {
	h.deletes(t)
	resumer, ok := h.Store.(blob.Resumer)
	if !ok {
		t.Skip("the store cannot go on in the middle of a read")
	}
	h.put(t, "a", []byte("0123456789"))
	r, err := h.Get(t.Context(), h.key("a"), blob.Whole)
	if err != nil {
		t.Fatal(err)
	}
	tagger, ok := r.(blob.Tagger)
	if err := r.Close(); err != nil || !ok {
		t.Fatalf("a reader without a tag, or %v", err)
	}
	if tagger.Tag() == "" {
		t.Skip("the store names no content")
	}
	rest, err := resumer.Resume(t.Context(), h.key("a"), blob.Range{Offset: 4, Length: -1}, tagger.Tag())
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(rest)
	if err := errors.Join(err, rest.Close()); err != nil || string(data) != "456789" {
		t.Errorf("went on with %q and %v", data, err)
	}
	if err := h.Delete(t.Context(), h.key("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := resumer.Resume(t.Context(), h.key("a"), blob.Whole, tagger.Tag()); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("gone: %v", err)
	}
	h.put(t, "a", []byte("another one"))
	if _, err := resumer.Resume(t.Context(), h.key("a"), blob.Whole, tagger.Tag()); !errors.Is(err, blob.ErrChanged) {
		t.Errorf("another object: %v", err)
	}
}

// locks writes what cannot be deleted for as long as the store says, and leaves it.
func locks(t *testing.T, h harness) {
	lock := h.Capabilities().LockFor
	if lock == 0 {
		t.Skip("the store locks nothing")
	}
	before := time.Now()
	name := fmt.Sprint("locked-", before.UnixNano())
	h.put(t, name, []byte("kept"))
	if err := h.Put(t.Context(), h.key(name), strings.NewReader("other"), 5); !errors.Is(err, blob.ErrExists) {
		t.Errorf("a second put: %v, want ErrExists", err)
	}
	tries := map[string]func() error{
		"delete":      func() error { return h.Delete(t.Context(), h.key(name)) },
		"delete many": func() error { return h.deleteAll(t, name, "never-there") },
	}
	for what, try := range tries {
		err := try()
		locked, ok := errors.AsType[*blob.LockedError](err)
		if !ok || locked.Until.Before(before.Add(lock-clocks)) || locked.Until.After(time.Now().Add(lock+clocks)) {
			t.Errorf("%s: %v, want ErrLocked for %v", what, err, lock)
		}
		h.wants(t, name, []byte("kept"))
		if got := h.list(t, h.key(name)); len(got) != 1 {
			t.Errorf("after %s listed %v", what, got)
		}
	}
	if r, ok := h.Store.(blob.Replacer); ok {
		err, stands := r.Replace(t.Context(), h.key(name), strings.NewReader("new"), 3), "kept"
		if blob.Replaced(err) {
			stands = "new"
		}
		if !errors.Is(err, blob.ErrLocked) {
			t.Errorf("replace: %v, want ErrLocked", err)
		}
		h.wants(t, name, []byte(stands))
	}
}

// clocks is by how much a store's may differ from ours, and the second that locks go by.
const clocks = time.Minute

// deleteAll deletes many, of which the first alone fails, and gives its error.
func (h harness) deleteAll(t *testing.T, names ...string) error {
	t.Helper()
	var keys []string
	for _, name := range names {
		keys = append(keys, h.key(name))
	}
	failed := blob.DeleteAll(t.Context(), h.Store, keys)
	if len(failed) != 1 {
		t.Errorf("deleted %v: %v", names, failed)
	}
	return failed[keys[0]]
}

// deletes skips a test of a store that keeps what is put: what it is to delete, it cannot.
func (h harness) deletes(t *testing.T) {
	t.Helper()
	if lock := h.Capabilities().LockFor; lock > 0 {
		t.Skipf("the store locks what is put for %v", lock)
	}
}
