package gateway

import (
	"maps"
	"slices"
	"sync"
)

// pending are the changes that nobody may hear of yet: those under way, and those
// that were made and are not known to have reached the disk.
type pending struct {
	mu      sync.Mutex
	changes map[string]*change // by path
}

// change is what happens to one path. Its lock is held while it does.
type change struct {
	sync.Mutex
	users int  // those who hold it or wait for it; under pending.mu
	owed  bool // it may be made, and not be on the disk; under the change's own lock
}

// begin waits for the path's other changes, and holds it until end. From now on its
// sync is owed.
func (p *pending) begin(path string) *change {
	p.mu.Lock()
	if p.changes[path] == nil {
		p.changes[path] = &change{}
	}
	c := p.hold(p.changes[path])
	c.owed = true
	return c
}

// join waits for the changes of the path and holds it until end; nil if there are none.
func (p *pending) join(path string) *change {
	p.mu.Lock()
	c := p.changes[path]
	if c == nil {
		p.mu.Unlock()
		return nil
	}
	return p.hold(c)
}

func (p *pending) hold(c *change) *change {
	c.users++
	p.mu.Unlock()
	c.Lock()
	return c
}

// end lets go of the path, and forgets it unless its sync is owed. A change that never
// began is nil.
func (p *pending) end(path string, c *change) {
	if c == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.users--; c.users == 0 && !c.owed {
		delete(p.changes, path)
	}
	c.Unlock()
}

// paths are those with changes at this moment.
func (p *pending) paths() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.changes))
}
