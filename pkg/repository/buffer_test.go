package repository

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// However often a buffer is sorted while it fills, and copied, it holds the latest record of
// each key, in order, with the digest that came with it.
func TestBufferSortsWhileItFills(t *testing.T) {
	for seed := range uint64(100) {
		f := filling{rnd: rand.New(rand.NewPCG(seed, 0)), latest: map[resource.Key]int{}}
		for range 1 + f.rnd.IntN(300) {
			f.add(t)
			switch f.rnd.IntN(40) {
			case 0, 1:
				f.b.sort()
			case 2:
				f.b = f.copied()
			case 3:
				f.b.reset()
				clear(f.latest)
			}
		}
		f.b.sort()
		want := slices.SortedFunc(maps.Keys(f.latest), resource.Key.Compare)
		if len(f.b.lines) != len(want) {
			t.Fatalf("seed %d: %d records, want %d", seed, len(f.b.lines), len(want))
		}
		for i, k := range want {
			if err := f.wrong(i, k); err != nil {
				t.Fatalf("seed %d: record %d: %v", seed, i, err)
			}
		}
	}
}

// filling is a buffer, and the number of the record that it holds last under each key.
type filling struct {
	rnd    *rand.Rand
	b      buffer
	n      int
	latest map[resource.Key]int
}

// add adds a record under one of a few keys: in turn one with its digest, one without, and
// a tombstone; a few are as large as a block.
func (f *filling) add(t *testing.T) {
	t.Helper()
	f.n++
	id := []string{"%d", `%d"`}[f.rnd.IntN(2)] // an id with an escape stands otherwise in its line
	k := resource.Key{Type: resource.Type(fmt.Sprint("t", f.rnd.IntN(3))), Parent: fmt.Sprint(f.rnd.IntN(4)), ID: fmt.Sprintf(id, f.rnd.IntN(30))}
	record := snapshot.Record{}
	record.Key, record.Body = k, f.body()
	line, err := snapshot.AppendRecord(nil, record.Resource)
	if err != nil {
		t.Fatal(err)
	}
	record.Line = line[:len(line)-1]
	if f.n%3 == 0 {
		f.b.copySummed(record, f.sum(f.n))
	} else {
		f.b.copy(record)
	}
	f.latest[k] = f.n
}

// body is that of the newest record; nil: a tombstone.
func (f *filling) body() []byte { return bodyOf(f.n) }

func bodyOf(n int) []byte {
	if n%3 == 1 {
		return nil
	}
	room := 0
	if n%50 == 0 {
		room = block
	}
	return fmt.Appendf(nil, `{"n":%d,"room":"%*s"}`, n, room, "")
}

func (f *filling) sum(n int) snapshot.Digest { return snapshot.Digest{byte(n), byte(n >> 8)} }

// copied is what a lane leaves when it writes: types go on in another buffer.
func (f *filling) copied() (out buffer) {
	f.b.sort()
	for from := 0; from < len(f.b.lines); {
		part := f.b.typed(from)
		from += len(part.lines)
		out.copyAll(&part)
	}
	return out
}

func (f *filling) wrong(i int, k resource.Key) error {
	n := f.latest[k]
	got, sum := f.b.record(i), f.b.lines[i].sum
	switch {
	case got.Key != k:
		return fmt.Errorf("it is %s, want %s", got.Key, k)
	case !bytes.Equal(got.Body, bodyOf(n)):
		return fmt.Errorf("%s is not the one with number %d", k, n)
	case sum > 0 != (n%3 == 0) || sum > 0 && f.b.sums[sum-1] != f.sum(n):
		return fmt.Errorf("%s has not the digest that came with it", k)
	}
	return nil
}
