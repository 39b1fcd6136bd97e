package memory_test

import (
	"bytes"
	"runtime/debug"
	"testing"

	"imago/pkg/memory"
)

func TestThrift(t *testing.T) {
	before := debug.SetGCPercent(77)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "400")
	if memory.Thrift(); debug.SetGCPercent(77) != 77 {
		t.Error("what the environment says is overruled")
	}
	t.Setenv("GOGC", "")
	if memory.Thrift(); debug.SetGCPercent(77) != 50 {
		t.Error("the heap may double")
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
		{"the first that has room", 15, 20},
		{"one that is larger", 15, 50},
		{"a new one: a third was not kept, nor one too small or too large", 15, 15},
	} {
		if got := p.Get(c.size); len(got) != 0 || cap(got) < c.size || cap(got) > c.has+c.has/2 || cap(got) < c.has {
			t.Errorf("%s: asked for %d, got %d of %d", c.what, c.size, len(got), cap(got))
		}
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
