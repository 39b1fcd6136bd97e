package repository

import (
	"bytes"
	"errors"
	"io"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// proof holds the records of one segment, chunk by chunk, against what names it.
type proof struct {
	digest *snapshot.Digester                             // nil: digests are taken as they are told
	called func(snapshot.Record) (snapshot.Digest, error) // nil: names are not looked at
	of     *snapshot.Segment
	sums   map[resource.Type]*snapshot.Held // what the records add to a state

	last                resource.Key
	records, tombstones int64
	plain               int64
	keys                []resource.Key  // if there is a filter
	sum                 snapshot.Digest // of all records
	typ                 resource.Type   // of the records that n and part count
	n                   int64
	part                snapshot.Digest
}

var (
	errNotTold  = errors.New("its records are not those that the manifest tells of")
	errNoObject = errors.New("what moves is no object")
)

// chunk takes in the next chunk.
func (p *proof) chunk(i int, plain []byte) error {
	before, sum := p.records, p.sum
	first := true
	for scan := snapshot.Scan(plain); ; first = false {
		r, err := scan.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if first && !p.begins(i, r.Key) {
			return errNotTold
		}
		if p.of.Family == snapshot.Moving && !r.Deleted() && r.Body[0] != '{' {
			return errNoObject
		}
		if err := p.add(r); err != nil {
			return err
		}
	}
	p.plain += int64(len(plain))
	p.settle()
	if len(p.of.Chunks) == 0 {
		return nil
	}
	want := p.of.Chunks[i]
	sum.Add(want.Digest)
	if p.records-before != want.Records || p.differs(want.Digest, sum) {
		return errNotTold
	}
	return nil
}

// begins reports whether a key may stand first in a chunk: the scanner sees to the order of
// those behind it.
func (p *proof) begins(i int, k resource.Key) bool {
	if i == 0 {
		return k == p.of.First
	}
	return k == p.of.Chunks[i].First && p.last.Compare(k) < 0
}

func (p *proof) add(r snapshot.Record) (err error) {
	p.last = r.Key
	p.records++
	if len(p.of.Filter) > 0 {
		p.keys = append(p.keys, r.Key)
	}
	if r.Deleted() {
		p.tombstones++
		return nil
	}
	if r.Type != p.typ {
		p.settle()
		p.typ = r.Type
	}
	p.n++
	if p.digest != nil {
		p.part.Add(p.digest.Of(r.Key, r.Line))
	}
	if p.called == nil || p.of.Family != snapshot.Bodies {
		return nil
	}
	names, err := p.called(r)
	heldOf(p.sums, r.Type).Unnamed.Add(names)
	return err
}

// settle adds what was counted of one type to the sums.
func (p *proof) settle() {
	if p.n == 0 {
		return
	}
	if p.of.Family != snapshot.Names || p.called != nil {
		heldOf(p.sums, p.typ).Add(heldIn(p.of.Family, p.part, p.n))
	}
	p.sum.Add(p.part)
	p.n, p.part = 0, snapshot.Digest{}
}

// good reports whether all was as the segment says.
func (p *proof) good() bool {
	g := p.of
	return p.last == g.Last && p.records == g.Records && p.tombstones == g.Tombstones && p.plain == g.Plain &&
		bytes.Equal(g.Filter, snapshot.Filter(p.keys)) && !p.differs(g.Digest, g.Digest)
}

// differs reports whether the sum is not what follows from a digest that was told, if any
// was.
func (p *proof) differs(told, sum snapshot.Digest) bool {
	return p.digest != nil && told != (snapshot.Digest{}) && p.sum != sum
}
