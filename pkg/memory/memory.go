// Package memory keeps a program small. Pieces are used again: new ones for what is read
// whole, one after the other, make peaks that grow with their number.
package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
)

// Thrift has a program collect its garbage when the heap has grown by half of what lives,
// not by all of it: buffers are most of what lives while a snapshot is taken, and the peak
// is what is grown to. Up to easy bytes it may grow to three times what lives, as mostly less
// lives, and every collection costs. GOGC, if it is set, overrules it (package runtime).
func Thrift() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(half)
		follow(half)
	}
}

const (
	half = 50 // percent of what lives
	// most is little, as the runtime hears of it some time after a collection, and goes until
	// then by what stood before, whatever has come to live.
	most = 200
	easy = 36 << 20
)

// follow says, after every collection, how far the heap may grow until the next; last is
// the percentage that stands.
func follow(last int) {
	garbage := new(*int) // what has no pointers may lie with others, and live as long
	runtime.AddCleanup(garbage, func(last int) {
		next := percent(scanned())
		if next != last {
			debug.SetGCPercent(next)
		}
		follow(next)
	}, last)
}

// scanned is how many bytes of the heap the last collection found to live, and how many
// lie beside it in stacks and globals.
func scanned() (live, roots uint64) {
	of := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(of)
	return of[0].Value.Uint64(), of[1].Value.Uint64() + of[2].Value.Uint64()
}

// percent is by how much a heap may grow. The runtime takes it of what lives and the roots
// together (A Guide to the Go Garbage Collector, "GOGC").
func percent(live, roots uint64) int {
	live = min(live, easy)
	return int(min(max(half, (easy-live)*100/max(live+roots, 1)), most))
}

// Pool keeps pieces, safe for concurrent use.
type Pool struct {
	Most           int // pieces that are kept
	Least, Largest int // bytes of what is worth keeping
	Loose          int // a piece has at most so many times the room that is asked for; 0: any

	mu   sync.Mutex
	free [][]byte // those that came back last stand last
}

// Get gives a piece of no bytes that has room for so many. A new one has some to spare, so
// that it may do another time.
func (p *Pool) Get(size int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, piece := range p.free {
		if p.fits(cap(piece), size) {
			p.free = slices.Delete(p.free, i, i+1)
			return piece[:0]
		}
	}
	return make([]byte, 0, size+size/8)
}

func (p *Pool) fits(room, size int) bool {
	return room >= size && (p.Loose == 0 || room <= p.Loose*size)
}

// Put takes back a piece of which nothing is used any more; of too many the one that came
// back first goes. Where the race detector runs it is spoiled first: who still reads it finds
// no data.
func (p *Pool) Put(piece []byte) {
	spoil(piece[:cap(piece)])
	p.mu.Lock()
	defer p.mu.Unlock()
	if cap(piece) < p.Least || cap(piece) > p.Largest {
		return
	}
	if len(p.free) == p.Most {
		p.free = slices.Delete(p.free, 0, 1)
	}
	p.free = append(p.free, piece)
}
