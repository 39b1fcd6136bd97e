package repository_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"

	"imago/pkg/blob/mem"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// weighed knows how much of the heap is the store's own.
type weighed struct {
	*mem.Store
	bytes int64
}

func (w *weighed) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	w.bytes += size
	return w.Store.Put(ctx, key, r, size)
}

// live is the heap that is in use, in bytes.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryIsBounded writes and reads 45 MB, in an order that makes all segments
// overlap, and looks at the heap on the way. It is not parallel: the heap is one.
func TestMemoryIsBounded(t *testing.T) {
	const n, step, bound = 75_000, 37_781, 24 << 20
	store := &weighed{Store: mem.New(mem.Options{})}
	r := repo(t, store, keyring(t, alice), conn, repository.Options{})
	base := live()
	within := func(when string, i int) {
		if i%6_000 != 3_000 {
			return
		}
		if used := live() - base - store.bytes; used > bound {
			t.Fatalf("%s %d of %d: %d MiB in use", when, i, n, used>>20)
		}
	}
	d := begin(t, r)
	var plain int64
	for i := range n {
		u := user(i * step % n)
		plain += int64(len(u.Body))
		addAll(t, d, []resource.Resource{u})
		within("added", i)
	}
	commit(t, d)
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, err := range s.Walk(t.Context(), "user") {
		if err != nil {
			t.Fatal(err)
		}
		i++
		within("read", i)
	}
	if i != n || plain < bound*5/4 {
		t.Errorf("read %d of %d, %d MB: too little to prove anything", i, n, plain/1e6)
	}
	runtime.KeepAlive(s)
}

func user(i int) resource.Resource {
	id := fmt.Sprintf("00u%017d", i)
	return res("user", "", id, fmt.Sprintf(
		`{"_links":{"self":{"href":"https://acme.okta.com/api/v1/users/%s"}},"activated":"2024-03-01T09:%02d:11.000Z","created":"2024-03-01T09:%02d:10.000Z","credentials":{"provider":{"name":"OKTA","type":"OKTA"}},"id":%q,"lastLogin":null,"lastUpdated":"2025-11-0%dT10:00:00.000Z","profile":{"department":"Department %d","email":"person.%d@example.com","employeeNumber":"%d","firstName":"Given%d","lastName":"Family%d","login":"person.%d@example.com","mobilePhone":"+1 555 %07d","title":"Engineer %d"},"status":"ACTIVE","type":{"id":"otyfnjfba4ye7pgjB1234"}}`,
		id, i%60, i%60, id, 1+i%9, i%40, i, i, i, i*7%9973, i, i, i%12))
}
