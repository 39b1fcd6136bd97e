package repository

import (
	"container/list"
	"sync"
)

// mostCached is the largest object that a cache keeps, in bytes: layers of minutes, and
// lists of segments.
const mostCached = 256 << 10

// Cache keeps small sealed objects that were read or written, those used last. They never
// change, so that it may serve all repositories of one store. The nil Cache keeps nothing.
type Cache struct {
	most int // bytes

	mu     sync.Mutex
	held   int
	recent list.List // of *cached, the last used in front
	by     map[string]*list.Element
}

type cached struct {
	key    string
	object []byte
}

// NewCache makes a cache of so many bytes.
func NewCache(most int) *Cache { return &Cache{most: most, by: map[string]*list.Element{}} }

func (c *Cache) get(key string) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.by[key]
	if !ok {
		return nil, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached).object, true
}

func (c *Cache) put(key string, object []byte) {
	if c == nil || len(object) > mostCached {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.by[key]; ok {
		return
	}
	c.by[key] = c.recent.PushFront(&cached{key, object})
	for c.held += len(object); c.held > c.most; {
		last := c.recent.Remove(c.recent.Back()).(*cached)
		delete(c.by, last.key)
		c.held -= len(last.object)
	}
}

func (c *Cache) drop(key string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.by[key]; ok {
		c.held -= len(c.recent.Remove(e).(*cached).object)
		delete(c.by, key)
	}
}
