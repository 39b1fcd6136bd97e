package repository

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// buffer gathers records, in memory, in any order. They lie in blocks: one piece of memory
// that grows would at times be held twice. Lines have no pointers: a buffer of links has a
// hundred thousand.
type buffer struct {
	blocks   [][]byte // the records' lines
	held     int      // bytes in blocks
	parents  []string
	odd      []string // ids that stand otherwise in their lines
	sums     []snapshot.Digest
	types    []resource.Type
	lines    []line
	sorted   int  // so many lines rise
	disorder bool // some line behind them does not
}

// block is how many bytes of records lie together, but for a single larger one.
const block = 256 << 10

// line is where a record lies in its block, and what it is sorted by.
type line struct {
	record span
	id     uint32 // where it ends in the block, or isOdd and which one it is of odd
	value  uint32 // where it begins in the block; 0: a tombstone
	parent uint32 // of parents
	sum    uint32 // which one it is of sums, from 1; 0: its digest was not made
	block  uint16
	typ    uint16
}

const isOdd = 1 << 31

type span struct{ from, to uint32 }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

// beforeID is what a record's line begins with, or its value, where beforeValue is.
const (
	beforeID    = `{"id":"`
	beforeValue = `{"value":`
)

// name is where the id of a record begins, if that is not odd.
func (l line) name() uint32 {
	at := l.record.from
	if l.value == at+uint32(len(beforeValue)) {
		at = l.value // a bare link
	}
	return at + uint32(len(beforeID))
}

// room gives the block that the next record goes to, and what of it is in use.
func (b *buffer) room(size int) (last *[]byte, used int) {
	n := len(b.blocks)
	if n > 0 && (len(b.blocks[n-1]) == 0 || len(b.blocks[n-1])+size <= block) {
		return &b.blocks[n-1], len(b.blocks[n-1])
	}
	if n < cap(b.blocks) {
		b.blocks = b.blocks[:n+1] // of before the last reset
	} else {
		b.blocks = append(b.blocks, nil)
	}
	if n > 0 && b.blocks[n] == nil {
		b.blocks[n] = make([]byte, 0, block)
	}
	return &b.blocks[n], 0
}

// add takes in a resource; without a body, its tombstone.
func (b *buffer) add(r resource.Resource) error {
	last, start := b.room(len(r.ID) + len(r.Body) + len(beforeID) + len(`","value":}`) + 1)
	full, err := snapshot.AppendRecord(*last, r)
	if err != nil {
		return err
	}
	*last = full
	b.take(r.Key, start, len(r.Body))
	return nil
}

// copy takes in a record of another place.
func (b *buffer) copy(r snapshot.Record) {
	last, start := b.room(len(r.Line) + 1)
	*last = append(append(*last, r.Line...), '\n')
	b.take(r.Key, start, len(r.Body))
}

// copySummed does so with its digest.
func (b *buffer) copySummed(r snapshot.Record, sum snapshot.Digest) {
	b.copy(r)
	b.sums = append(b.sums, sum)
	b.lines[len(b.lines)-1].sum = uint32(len(b.sums))
}

// take notes the record that the last block ends with.
func (b *buffer) take(k resource.Key, start, body int) {
	at := len(b.blocks) - 1
	plain := b.blocks[at]
	b.held += len(plain) - start
	l := line{record: span{uint32(start), uint32(len(plain))}, block: uint16(at), typ: b.typ(k.Type), parent: b.parent(k.Parent)}
	if body > 0 {
		l.value = uint32(len(plain) - 2 - body)
	}
	if l.id = l.name() + uint32(len(k.ID)); int(l.id) > len(plain) || string(plain[l.name():l.id]) != k.ID {
		l.id = isOdd | uint32(len(b.odd))
		b.odd = append(b.odd, k.ID)
	}
	if n := len(b.lines); n > 0 && !b.disorder && b.compare(b.lines[n-1], l) >= 0 {
		b.disorder = true
	}
	b.lines = append(b.lines, l)
}

// id is that of a record.
func (b *buffer) id(l line) []byte {
	if l.id&isOdd != 0 {
		return []byte(b.odd[l.id&^isOdd])
	}
	return b.blocks[l.block][l.name():l.id]
}

func (b *buffer) typ(t resource.Type) uint16 {
	for i := len(b.types) - 1; i >= 0; i-- {
		if b.types[i] == t {
			return uint16(i)
		}
	}
	b.types = append(b.types, t)
	return uint16(len(b.types) - 1)
}

// parent shares the text of a parent among its children, which come in a row.
func (b *buffer) parent(p string) uint32 {
	if n := len(b.lines); n > 0 && b.above(b.lines[n-1]) == p {
		return b.lines[n-1].parent
	}
	b.parents = append(b.parents, p)
	return uint32(len(b.parents) - 1)
}

// above is the parent of a record.
func (b *buffer) above(l line) string { return b.parents[l.parent] }

// compare orders lines by key.
func (b *buffer) compare(x, y line) int {
	if x.typ != y.typ {
		return cmp.Compare(b.types[x.typ], b.types[y.typ])
	}
	if x.parent != y.parent {
		if c := strings.Compare(b.above(x), b.above(y)); c != 0 {
			return c
		}
	}
	return bytes.Compare(b.id(x), b.id(y))
}

// sort puts the records in order; of those with one key the latest stays. What was
// replaced stays in its block until reset. Lines that rose before are gone through only as
// far as others come between them.
func (b *buffer) sort() {
	from := b.sorted
	if b.disorder {
		slices.SortFunc(b.lines[from:], func(x, y line) int {
			return cmp.Or(b.compare(x, y), cmp.Compare(x.block, y.block), cmp.Compare(x.record.from, y.record.from))
		})
		b.settle(b.merge())
	}
	b.sorted, b.disorder = len(b.lines), false
}

// merge puts the lines behind the sorted ones where they belong, and says before which one
// nothing moved. Of equal ones those that came later stand behind.
func (b *buffer) merge() int {
	if b.sorted == 0 {
		return 0
	}
	late := slices.Clone(b.lines[b.sorted:])
	before := b.sorted
	for to := len(b.lines) - 1; len(late) > 0; to-- {
		last := len(late) - 1
		if before > 0 && b.compare(b.lines[before-1], late[last]) > 0 {
			before--
			b.lines[to] = b.lines[before]
		} else {
			b.lines[to], late = late[last], late[:last]
		}
	}
	return before
}

// settle leaves, of lines with one key, the last: none before from has that of another.
func (b *buffer) settle(from int) {
	from = max(from-1, 0) // whose key the first one behind it may have
	kept := b.lines[:from]
	for i, l := range b.lines[from:] {
		if i += from; i+1 == len(b.lines) || b.compare(l, b.lines[i+1]) != 0 {
			kept = append(kept, l)
		}
	}
	b.lines = kept
}

func (b *buffer) key(i int) resource.Key {
	l := b.lines[i]
	return resource.Key{Type: b.types[l.typ], Parent: b.above(l), ID: string(b.id(l))}
}

// text is a record's line with its line feed.
func (b *buffer) text(i int) []byte { return b.lines[i].record.of(b.blocks[b.lines[i].block]) }

// record gives a record, which is valid until the buffer is reset.
func (b *buffer) record(i int) snapshot.Record {
	l := b.lines[i]
	plain := b.blocks[l.block]
	r := snapshot.Record{Line: plain[l.record.from : l.record.to-1 : l.record.to-1]}
	r.Key = b.key(i)
	if l.value > 0 {
		r.Body = plain[l.value : l.record.to-2 : l.record.to-2]
	}
	return r
}

// search gives the first record whose key is k or behind it. The buffer is sorted.
func (b *buffer) search(k resource.Key) int {
	i, _ := slices.BinarySearchFunc(b.lines, k, func(l line, k resource.Key) int {
		return cmp.Or(cmp.Compare(b.types[l.typ], k.Type),
			cmp.Compare(b.above(l), k.Parent), cmp.Compare(string(b.id(l)), k.ID))
	})
	return i
}

// typed is the part that begins at a line, as far as its type goes. The buffer is sorted.
func (b *buffer) typed(from int) buffer {
	to := from
	for to < len(b.lines) && b.lines[to].typ == b.lines[from].typ {
		to++
	}
	part := *b
	part.lines = b.lines[from:to]
	return part
}

// copyOf copies what there is of a type.
func (b *buffer) copyOf(t resource.Type) (out buffer) {
	b.sort()
	for i := b.search(resource.Key{Type: t}); i < len(b.lines) && b.types[b.lines[i].typ] == t; i++ {
		out.copy(b.record(i))
	}
	return out
}

// size is how many bytes the lines have.
func (b *buffer) size() (n int) {
	for _, l := range b.lines {
		n += int(l.record.to - l.record.from)
	}
	return n
}

// within is how many lines have so many bytes; one at least.
func (b *buffer) within(most int) int {
	n := 0
	for i, l := range b.lines {
		if n += int(l.record.to - l.record.from); n > most && i > 0 {
			return i
		}
	}
	return len(b.lines)
}

func (b *buffer) copyAll(from *buffer) {
	for i, l := range from.lines {
		if l.sum > 0 {
			b.copySummed(from.record(i), from.sums[l.sum-1])
		} else {
			b.copy(from.record(i))
		}
	}
}

func (b *buffer) reset() {
	for i, plain := range b.blocks {
		if b.blocks[i] = plain[:0]; cap(plain) > 2*block {
			b.blocks[i] = nil // a rare record's
		}
	}
	clear(b.parents)
	clear(b.odd)
	b.blocks, b.held, b.parents, b.odd = b.blocks[:0], 0, b.parents[:0], b.odd[:0]
	b.sums, b.types, b.lines, b.sorted, b.disorder = b.sums[:0], b.types[:0], b.lines[:0], 0, false
}
