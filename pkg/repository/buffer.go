package repository

import (
	"bytes"
	"cmp"
	"slices"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// buffer gathers records, in memory, in any order. What it is sorted by lies in names,
// without pointers: a buffer of links has a hundred thousand.
type buffer struct {
	plain    []byte // the records' lines
	names    []byte
	types    []resource.Type
	lines    []line
	disorder bool // the lines do not rise
}

// line is where a record lies in plain, its value in that, and its parent and id in names.
type line struct {
	record, parent, id span
	value              uint32 // where the value begins; 0: a tombstone
	typ                uint16
}

type span struct{ from, to uint32 }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

// add takes in a resource; without a body, its tombstone.
func (b *buffer) add(r resource.Resource) error {
	start := len(b.plain)
	plain, err := snapshot.AppendRecord(b.plain, r)
	if err != nil {
		return err
	}
	b.plain = plain
	b.take(r.Key, start, len(r.Body))
	return nil
}

// copy takes in a record of another place.
func (b *buffer) copy(r snapshot.Record) {
	start := len(b.plain)
	b.plain = append(append(b.plain, r.Line...), '\n')
	b.take(r.Key, start, len(r.Body))
}

// take notes the record that plain ends with.
func (b *buffer) take(k resource.Key, start, body int) {
	l := line{record: span{uint32(start), uint32(len(b.plain))}, typ: b.typ(k.Type), parent: b.parent(k.Parent), id: b.name(k.ID)}
	if body > 0 {
		l.value = uint32(len(b.plain) - 2 - body)
	}
	if n := len(b.lines); n > 0 && b.compare(b.lines[n-1], l) >= 0 {
		b.disorder = true
	}
	b.lines = append(b.lines, l)
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

func (b *buffer) name(s string) span {
	from := len(b.names)
	b.names = append(b.names, s...)
	return span{uint32(from), uint32(len(b.names))}
}

// parent shares the text of a parent among its children, which come in a row.
func (b *buffer) parent(p string) span {
	if n := len(b.lines); n > 0 && string(b.lines[n-1].parent.of(b.names)) == p {
		return b.lines[n-1].parent
	}
	return b.name(p)
}

// compare orders lines by key.
func (b *buffer) compare(x, y line) int {
	if x.typ != y.typ {
		return cmp.Compare(b.types[x.typ], b.types[y.typ])
	}
	if x.parent != y.parent {
		if c := bytes.Compare(x.parent.of(b.names), y.parent.of(b.names)); c != 0 {
			return c
		}
	}
	return bytes.Compare(x.id.of(b.names), y.id.of(b.names))
}

// sort puts the records in order; of those with one key the latest stays. What was
// replaced stays in plain until reset.
func (b *buffer) sort() {
	if !b.disorder {
		return
	}
	slices.SortFunc(b.lines, func(x, y line) int {
		return cmp.Or(b.compare(x, y), cmp.Compare(x.record.from, y.record.from))
	})
	kept := b.lines[:0]
	for i, l := range b.lines {
		if i+1 == len(b.lines) || b.compare(l, b.lines[i+1]) != 0 {
			kept = append(kept, l)
		}
	}
	b.lines, b.disorder = kept, false
}

func (b *buffer) key(i int) resource.Key {
	l := b.lines[i]
	return resource.Key{Type: b.types[l.typ], Parent: string(l.parent.of(b.names)), ID: string(l.id.of(b.names))}
}

// text is a record's line with its line feed.
func (b *buffer) text(i int) []byte { return b.lines[i].record.of(b.plain) }

// record gives a record, which is valid until the buffer is reset.
func (b *buffer) record(i int) snapshot.Record {
	l := b.lines[i]
	r := snapshot.Record{Line: b.plain[l.record.from : l.record.to-1 : l.record.to-1]}
	r.Key = b.key(i)
	if l.value > 0 {
		r.Body = b.plain[l.value : l.record.to-2 : l.record.to-2]
	}
	return r
}

// search gives the first record whose key is k or behind it. The buffer is sorted.
func (b *buffer) search(k resource.Key) int {
	i, _ := slices.BinarySearchFunc(b.lines, k, func(l line, k resource.Key) int {
		return cmp.Or(cmp.Compare(b.types[l.typ], k.Type),
			cmp.Compare(string(l.parent.of(b.names)), k.Parent), cmp.Compare(string(l.id.of(b.names)), k.ID))
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
	for i := range from.lines {
		b.copy(from.record(i))
	}
}

func (b *buffer) reset() {
	b.plain, b.names, b.types, b.lines, b.disorder = b.plain[:0], b.names[:0], b.types[:0], b.lines[:0], false
}
