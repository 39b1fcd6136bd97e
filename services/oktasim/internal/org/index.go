package org

import "slices"

// index is a sorted set of ids: pages are cut from it by binary search.
type index []string

func (x *index) add(id string) bool {
	i, found := slices.BinarySearch(*x, id)
	if found {
		return false
	}
	*x = slices.Insert(*x, i, id)
	return true
}

func (x *index) remove(id string) bool {
	i, found := slices.BinarySearch(*x, id)
	if found {
		*x = slices.Delete(*x, i, i+1)
	}
	return found
}

func (x index) has(id string) bool {
	_, found := slices.BinarySearch(x, id)
	return found
}

// After returns the ids that follow the cursor, all of them for "".
func (x index) after(cursor string) []string {
	i, found := slices.BinarySearch(x, cursor)
	if found {
		i++
	}
	return x[i:]
}
