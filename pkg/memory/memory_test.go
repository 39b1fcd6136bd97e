package memory_test

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"imago/pkg/memory"
)

func TestThrift(t *testing.T) {
	before := debug.SetGCPercent(77)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "400")
	if memory.Thrift(); percent() != 77 {
		t.Error("what the environment says is overruled")
	}
	t.Setenv("GOGC", "")
	memory.Thrift()
	hardly, little, much := between(1, 18), between(34, 38), between(95, 115)
	settles(t, "hardly anything lives", hardly)
	lives := [][]byte{make([]byte, 14<<20)}
	settles(t, "little lives", little)
	stop := make(chan struct{})
	var begun sync.WaitGroup
	for range 1000 {
		begun.Add(1)
		go deep(6, &begun, stop)
	}
	begun.Wait()
	settles(t, "little lives, and many goroutines run", little)
	close(stop)
	lives = append(lives, make([]byte, 58<<20))
	settles(t, "much lives", much)
	clear(lives[1:])
	settles(t, "little lives again", little)
	runtime.KeepAlive(lives)
}

// deep waits on a stack of some KiB.
func deep(n int, begun *sync.WaitGroup, stop chan struct{}) byte {
	var room [1 << 10]byte
	if n == 0 {
		begun.Done()
		<-stop
		return room[0]
	}
	room[n] = deep(n-1, begun, stop)
	return room[0]
}

func percent() uint64 { return metric("/gc/gogc:percent") }

func metric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func between(from, to uint64) func(uint64) bool {
	return func(mib uint64) bool { return mib >= from && mib <= to }
}

// settles collects garbage until the heap may grow to so many MiB, time and again.
func settles(t *testing.T, when string, to func(mib uint64) bool) {
	t.Helper()
	for end, row := time.Now().Add(10*time.Second), 0; row < 10; row++ {
		runtime.GC()
		goal := metric("/gc/heap/goal:bytes") >> 20
		if to(goal) {
			continue
		}
		if row = -1; time.Now().After(end) {
			t.Fatalf("when %s the heap may grow to %d MiB", when, goal)
		}
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	p := memory.Pool{Most: 2, Least: 10, Largest: 100}
	for _, size := range []int{9, 20, 101, 50, 60} {
		p.Put(make([]byte, 3, size))
	}
	for _, c := range []struct {
		what      string
		size, has int
	}{
		{"the first that has room", 15, 50},
		{"one that is larger", 15, 60},
		{"a new one: the oldest of three went, and one too small or too large was not kept", 15, 15},
	} {
		if got := p.Get(c.size); len(got) != 0 || cap(got) < c.size || cap(got) > c.has+c.has/2 || cap(got) < c.has {
			t.Errorf("%s: asked for %d, got %d of %d", c.what, c.size, len(got), cap(got))
		}
	}
	tight := memory.Pool{Most: 2, Largest: 100, Loose: 4}
	tight.Put(make([]byte, 80))
	if got := tight.Get(19); cap(got) >= 80 {
		t.Errorf("asked for 19, got %d, more than four times that", cap(got))
	}
	if got := tight.Get(20); cap(got) != 80 {
		t.Errorf("asked for 20, got %d, not what is kept", cap(got))
	}
	p.Put(nil)
	p.Put(append(make([]byte, 0, 16), "a name"...))
	if back := p.Get(16)[:16]; spoils && !bytes.Equal(back, bytes.Repeat(back[:1], 16)) {
		t.Errorf("it came back as it was: %q", back)
	}
	if got := p.Get(70); cap(got) < 70 {
		t.Errorf("asked for 70, got %d", cap(got))
	}
}
