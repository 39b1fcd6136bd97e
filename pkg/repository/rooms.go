package repository

import "sync"

// rooms are buffers that are used again. Segments are read whole one after the other: new
// memory for each makes peaks that grow with their number.
type rooms struct {
	mu   sync.Mutex
	free [][]byte
}

const (
	mostRooms   = 6
	largestRoom = 4 << 20 // bytes; a rare segment's are not kept
)

// get gives a buffer of no bytes that has room for so many.
func (r *rooms) get(size int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, room := range r.free {
		if cap(room) >= size {
			last := len(r.free) - 1
			r.free[i], r.free[last] = r.free[last], nil
			r.free = r.free[:last]
			return room[:0]
		}
	}
	return make([]byte, 0, size)
}

// put takes back a buffer that nobody uses any more.
func (r *rooms) put(room []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cap(room) > mostCached && cap(room) <= largestRoom && len(r.free) < mostRooms {
		r.free = append(r.free, room)
	}
}
