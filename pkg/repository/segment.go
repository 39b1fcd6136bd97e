package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"

	"imago/pkg/envelope"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Purposes of sealed objects.
const (
	segmentPurpose  = "segment"
	listPurpose     = "list"
	manifestPurpose = "manifest"
)

// write seals the records of a sorted buffer as a segment, and stores it. Those of a full
// snapshot have digests, the others are small, and have filters.
func (r *Repository) write(ctx context.Context, s snapshot.Segment, number int, b *buffer, full bool) (snapshot.Segment, error) {
	random, err := randomName()
	if err != nil {
		return s, err
	}
	s.Name, s.Key = snapshot.SegmentName(number, random), r.keys.Current()
	key := r.keyOf(s.Ref)
	object, err := r.seal(key, b, &s, full)
	if err != nil {
		return s, fmt.Errorf("seal segment: %w", err)
	}
	if err := r.put(ctx, key, object); err != nil {
		return s, fmt.Errorf("write segment: %w", err)
	}
	if !full {
		r.o.Cache.put(key, object)
	}
	return s, nil
}

func randomName() (random [8]byte, err error) {
	if _, err = rand.Read(random[:]); err != nil {
		err = fmt.Errorf("name an object: %w", err)
	}
	return random, err
}

// seal compresses and seals the records, chunk by chunk, and notes in s what they are.
func (r *Repository) seal(key string, b *buffer, s *snapshot.Segment, full bool) ([]byte, error) {
	sealer, err := r.keys.NewSealer(segmentPurpose, snapshot.SealedName(r.account, key))
	if err != nil {
		return nil, err
	}
	p := &packer{r: r, sealer: sealer, digest: r.digester(), s: s, full: full}
	p.plain = r.rooms.Get(min(b.held, p.most()) + p.most()/8)
	defer func() { r.rooms.Put(p.plain) }()
	s.First, s.Last = b.key(0), b.key(len(b.lines)-1)
	for i := range b.lines {
		if err := p.add(b, i); err != nil {
			return nil, err
		}
	}
	if err := p.end(true); err != nil {
		return nil, err
	}
	object, err := sealer.Bytes()
	if err != nil {
		return nil, err
	}
	s.Bytes, s.SHA256 = int64(len(object)), hexSum(object)
	p.settle(b, object)
	return object, nil
}

// packer makes the chunks of one segment.
type packer struct {
	r      *Repository
	sealer *envelope.Sealer
	digest *snapshot.Digester
	s      *snapshot.Segment
	full   bool // of a full snapshot

	plain, packed []byte // of the chunk that is filled
	chunk         snapshot.Chunk
	last          line // of the chunk
}

func (p *packer) add(b *buffer, i int) error {
	l := b.lines[i]
	if n := len(p.plain); n >= p.most() || n >= p.most()/2 && snapshot.Cuts(b.key(i)) {
		if err := p.end(false); err != nil {
			return err
		}
	}
	first := p.chunk.Records == 0
	if first {
		p.chunk.First = b.key(i)
	}
	if first || p.last.typ != l.typ || b.above(p.last) != b.above(l) {
		p.plain = snapshot.AppendPlace(p.plain, b.types[l.typ], b.above(l))
	}
	text := b.text(i)
	p.plain = append(p.plain, text...)
	p.last = l
	p.chunk.Records++
	p.s.Records++
	switch {
	case l.value == 0:
		p.s.Tombstones++
	case p.full && l.sum > 0:
		p.chunk.Digest.Add(b.sums[l.sum-1])
	case p.full:
		p.chunk.Digest.Add(p.digest.Of(b.key(i), text[:len(text)-1]))
	}
	return nil
}

// most is how large a chunk becomes, about. What moves by itself compresses badly, and who
// opens one object reads a chunk of it besides; names compress worse, and are read first.
func (p *packer) most() int {
	switch p.s.Family {
	case snapshot.Moving:
		return p.r.o.Chunk / 2
	case snapshot.Names:
		return p.r.o.Chunk / 8
	}
	return p.r.o.Chunk
}

func (p *packer) end(last bool) error {
	p.packed = p.r.enc.EncodeAll(p.plain, p.packed[:0])
	before := p.sealer.Len()
	if err := p.sealer.Chunk(p.packed, last); err != nil {
		return err
	}
	p.chunk.Bytes = int64(p.sealer.Len() - before - envelope.LengthSize)
	p.s.Plain += int64(len(p.plain))
	p.s.Digest.Add(p.chunk.Digest)
	p.s.Chunks = append(p.s.Chunks, p.chunk)
	p.plain, p.chunk = p.plain[:0], snapshot.Chunk{}
	return nil
}

// settle leaves out what a segment of one chunk, of one record, whose key it says, or of
// many does not say.
func (p *packer) settle(b *buffer, object []byte) {
	if len(p.s.Chunks) == 1 {
		p.s.Chunks = nil
	} else {
		p.s.Head = bytes.Clone(object[:envelope.HeadSize]) // and not all of the object with it
	}
	if p.full || len(b.lines) == 1 || len(b.lines) > snapshot.MostFiltered {
		return
	}
	var keys []resource.Key
	for i := range b.lines {
		keys = append(keys, b.key(i))
	}
	p.s.Filter = snapshot.Filter(keys)
}
