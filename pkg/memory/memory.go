// Package memory keeps a program small. Pieces are used again: new ones for what is read
// whole, one after the other, make peaks that grow with their number.
package memory

import (
	"os"
	"runtime/debug"
	"sync"
)

// Thrift has a program collect its garbage when the heap has grown by half of
// what lives, not by all of it: buffers are most of what lives while a snapshot is taken,
// and the peak is what is grown to. GOGC, if it is set, overrules it (package runtime).
func Thrift() {
	const percent = 50
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// Pool keeps pieces, safe for concurrent use.
type Pool struct {
	Most           int // pieces that are kept
	Least, Largest int // bytes of what is worth keeping

	mu   sync.Mutex
	free [][]byte
}

// Get gives a piece of no bytes that has room for so many.
func (p *Pool) Get(size int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, piece := range p.free {
		if cap(piece) >= size {
			last := len(p.free) - 1
			p.free[i], p.free[last] = p.free[last], nil
			p.free = p.free[:last]
			return piece[:0]
		}
	}
	return make([]byte, 0, size)
}

// Put takes back a piece of which nothing is used any more. Where the race detector runs
// it is spoiled first: who still reads it finds no data.
func (p *Pool) Put(piece []byte) {
	spoil(piece[:cap(piece)])
	p.mu.Lock()
	defer p.mu.Unlock()
	if cap(piece) >= p.Least && cap(piece) <= p.Largest && len(p.free) < p.Most {
		p.free = append(p.free, piece)
	}
}
