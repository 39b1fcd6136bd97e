package repository

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// However often a buffer is sorted while it fills, it holds the latest record of each key,
// in order, with the digest that came with it.
func TestBufferSortsWhileItFills(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var b buffer
		latest := map[resource.Key]int{} // the number of the record
		for n := range 1 + rnd.IntN(300) {
			k := resource.Key{Type: resource.Type(fmt.Sprint("t", rnd.IntN(3))), Parent: fmt.Sprint(rnd.IntN(4)), ID: fmt.Sprint(rnd.IntN(50))}
			line, err := snapshot.AppendRecord(nil, resource.Resource{Key: k, Body: fmt.Appendf(nil, `{"n":%d}`, n)})
			if err != nil {
				t.Fatal(err)
			}
			record := snapshot.Record{Line: line[:len(line)-1]}
			record.Key, record.Body = k, fmt.Appendf(nil, `{"n":%d}`, n)
			if n%2 == 0 {
				b.copy(record)
			} else {
				b.copySummed(record, snapshot.Digest{byte(n), byte(n >> 8)})
			}
			latest[k] = n
			if rnd.IntN(20) == 0 {
				b.sort()
			}
		}
		b.sort()
		want := slices.SortedFunc(maps.Keys(latest), resource.Key.Compare)
		if len(b.lines) != len(want) {
			t.Fatalf("seed %d: %d records, want %d", seed, len(b.lines), len(want))
		}
		for i, k := range want {
			n := latest[k]
			if got := b.record(i); got.Key != k || string(got.Body) != fmt.Sprintf(`{"n":%d}`, n) {
				t.Fatalf("seed %d: record %d is %s with %s, want %s with number %d", seed, i, got.Key, got.Body, k, n)
			}
			sum := b.lines[i].sum
			if sum == 0 != (n%2 == 0) || sum > 0 && b.sums[sum-1] != (snapshot.Digest{byte(n), byte(n >> 8)}) {
				t.Fatalf("seed %d: record %d has not the digest that came with it", seed, i)
			}
		}
	}
}
