package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
)

// rank gives the object the place among its siblings that its body asks for.
func (c *Change) rank() {
	path := c.Kind.Rank
	if path == "" {
		return
	}
	others, first := c.Org.ranked(c.Kind, c.Object), c.Kind.firstRank()
	place := len(others) + first
	if wanted, given := whole(get(c.Body, path)); given {
		place = min(max(wanted, first), place)
	}
	put(c.Body, path, place)
	renumber(others[:place-first], path, first)
	renumber(others[place-first:], path, place+1)
}

func (k *Kind) firstRank() int {
	if k.FromZero {
		return 0
	}
	return 1
}

// closeRanks leaves no gap where the object was.
func (c *Change) closeRanks() {
	if c.Kind.Rank != "" {
		renumber(c.Org.ranked(c.Kind, c.Object), c.Kind.Rank, c.Kind.firstRank())
	}
}

// ranked are the object's siblings in order.
func (o *Org) ranked(k *Kind, x *Object) []*Object {
	others := slices.DeleteFunc(o.objectsIn(k, x.Home), func(y *Object) bool { return y == x })
	slices.SortStableFunc(others, func(a, b *Object) int { return compare(get(a.Body, k.Rank), get(b.Body, k.Rank)) })
	return others
}

func renumber(list []*Object, path string, from int) {
	for i, x := range list {
		put(x.Body, path, from+i)
	}
}

func whole(v any) (int, bool) { return doc.Int(doc.Doc{"v": v}, "v") }
