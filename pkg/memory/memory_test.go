package memory_test

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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
	if memory.Thrift(); percent() < 50 {
		t.Error("less than half")
	}
	settles(t, "little lives", func(p uint64) bool { return p >= 200 })
	much := make([]byte, 64<<20)
	settles(t, "much lives", func(p uint64) bool { return p == 50 })
	runtime.KeepAlive(much)
	settles(t, "little lives again", func(p uint64) bool { return p >= 200 })
}

// percent is what the runtime goes by.
func percent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// settles collects garbage until the heap may grow as it should.
func settles(t *testing.T, when string, as func(percent uint64) bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !as(percent()); runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("when %s the heap may grow by %d percent", when, percent())
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
