package org

import (
	"iter"
	"slices"
)

// index is a sorted set of ids. It is kept in pieces, so that in a large org a change
// moves little and a page is cut by binary search.
type index struct {
	pieces [][]string
	size   int
}

// pieceSize is how many ids a piece holds before it is split.
const pieceSize = 512

// indexOf makes an index of ids in any order.
func indexOf(ids []string) index {
	var x index
	for _, id := range ids {
		x.add(id)
	}
	return x
}

// find returns the place of the id, or where it would be put.
func (x *index) find(id string) (piece, at int, found bool) {
	piece, _ = slices.BinarySearchFunc(x.pieces, id, func(p []string, id string) int {
		if p[len(p)-1] < id {
			return -1
		}
		return 1
	})
	if piece == len(x.pieces) {
		return piece, 0, false
	}
	at, found = slices.BinarySearch(x.pieces[piece], id)
	return piece, at, found
}

func (x *index) add(id string) bool {
	piece, at, found := x.find(id)
	if found {
		return false
	}
	x.size++
	if len(x.pieces) == 0 {
		x.pieces = [][]string{{id}}
		return true
	}
	if piece == len(x.pieces) {
		piece, at = piece-1, len(x.pieces[piece-1])
	}
	p := slices.Insert(x.pieces[piece], at, id)
	x.pieces[piece] = p
	if half := len(p) / 2; len(p) > pieceSize {
		x.pieces[piece] = p[:half:half]
		x.pieces = slices.Insert(x.pieces, piece+1, slices.Clone(p[half:]))
	}
	return true
}

func (x *index) remove(id string) bool {
	piece, at, found := x.find(id)
	if !found {
		return false
	}
	x.size--
	x.pieces[piece] = slices.Delete(x.pieces[piece], at, at+1)
	if len(x.pieces[piece]) == 0 {
		x.pieces = slices.Delete(x.pieces, piece, piece+1)
	}
	return true
}

func (x *index) has(id string) bool {
	_, _, found := x.find(id)
	return found
}

// all are the ids in order. The set must not change meanwhile.
func (x *index) all() iter.Seq[string] { return x.after("") }

// after are the ids that follow the cursor, all of them for "".
func (x *index) after(cursor string) iter.Seq[string] {
	return func(yield func(string) bool) {
		piece, at, found := x.find(cursor)
		if found {
			at++
		}
		for ; piece < len(x.pieces); piece, at = piece+1, 0 {
			for _, id := range x.pieces[piece][at:] {
				if !yield(id) {
					return
				}
			}
		}
	}
}

// list copies the ids.
func (x *index) list() []string { return slices.AppendSeq(make([]string, 0, x.size), x.all()) }

// first is the id that follows the cursor, "" if none does.
func (x *index) first(cursor string) string {
	for id := range x.after(cursor) {
		return id
	}
	return ""
}

// merged are the ids of several sets that follow the cursor, each once.
func merged(sets []*index, cursor string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			least := ""
			for _, x := range sets {
				if id := x.first(cursor); id != "" && (least == "" || id < least) {
					least = id
				}
			}
			if least == "" || !yield(least) {
				return
			}
			cursor = least
		}
	}
}
