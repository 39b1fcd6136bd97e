package diff

import (
	"bytes"
	"maps"
	"slices"

	"imago/pkg/resource"
)

// aside keeps the resources whose keys the identities change. Their order in the
// one state says nothing about their place in the other.
type aside struct {
	old []resource.Resource
	now map[resource.Key]resource.Resource
}

// setAside takes resources off the heads of both streams while the identities
// concern them, and steps to the first resource when the streams begin.
func (c *comparison) setAside(old, now *stream) error {
	if err := skip(old, c.concerned, func(r resource.Resource) { c.moved.old = append(c.moved.old, r) }); err != nil {
		return err
	}
	return skip(now, c.concerned, func(r resource.Resource) {
		if c.moved.now == nil {
			c.moved.now = map[resource.Key]resource.Resource{}
		}
		c.moved.now[r.Key] = r
	})
}

func skip(s *stream, concerned func(resource.Key) bool, keep func(resource.Resource)) error {
	for s.head != nil && (s.head.Key == resource.Key{} || concerned(s.head.Key)) {
		if s.head.Key != (resource.Key{}) {
			keep(resource.Resource{Key: s.head.Key, Body: bytes.Clone(s.head.Body)})
		}
		if err := s.next(); err != nil {
			return err
		}
	}
	return nil
}

// concerned reports whether an identity of the key was given up, or was given.
func (c *comparison) concerned(k resource.Key) bool {
	return len(c.options.IDs) > 0 && (c.options.IDs.Key(k) != k || c.given(k))
}

// given reports whether the key holds an identity that replaced another.
func (c *comparison) given(k resource.Key) bool {
	if c.taken == nil {
		c.taken = map[string]bool{}
		for id := range maps.Values(c.options.IDs) {
			c.taken[id] = true
		}
	}
	return c.taken[k.ID] || slices.ContainsFunc(segments(k.Parent), func(s string) bool { return c.taken[s] })
}

// joinMoved compares what was set aside, by the keys that it has now.
func (c *comparison) joinMoved() error {
	known := map[resource.Key]bool{}
	slices.SortFunc(c.moved.old, func(a, b resource.Resource) int { return a.Compare(b.Key) })
	for _, old := range c.moved.old {
		key := c.options.IDs.Key(old.Key)
		known[key] = true
		now, ok := c.moved.now[key]
		if err := c.pair(&old, present(now, ok)); err != nil {
			return err
		}
	}
	keys := slices.SortedFunc(maps.Keys(c.moved.now), resource.Key.Compare)
	for _, key := range keys {
		if known[key] {
			continue
		}
		if err := c.pair(nil, present(c.moved.now[key], true)); err != nil {
			return err
		}
	}
	return nil
}

func present(r resource.Resource, ok bool) *resource.Resource {
	if !ok {
		return nil
	}
	return &r
}
