package repository

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Purposes of sealed objects.
const (
	segmentPurpose  = "segment"
	manifestPurpose = "manifest"
)

// buffer gathers records of one type until they make a segment.
type buffer struct {
	typ    resource.Type
	plain  []byte
	lines  []line
	target int // bytes of plain at which to write a segment
}

// line is where a record lies in a buffer, and what it is sorted by.
type line struct {
	parent, id string
	start, end int
}

func (l line) compare(o line) int {
	return cmp.Or(cmp.Compare(l.parent, o.parent), cmp.Compare(l.id, o.id))
}

func (b *buffer) add(r resource.Resource) error {
	start := len(b.plain)
	plain, err := snapshot.AppendRecord(b.plain, r)
	if err != nil {
		return err
	}
	b.plain = plain
	b.lines = append(b.lines, line{b.parent(r.Parent), strings.Clone(r.ID), start, len(plain)})
	return nil
}

// parent shares the text of a parent among its children, which come in a row.
// Cloning lets go of the page that the text was cut from.
func (b *buffer) parent(p string) string {
	if n := len(b.lines); n > 0 && b.lines[n-1].parent == p {
		return b.lines[n-1].parent
	}
	return strings.Clone(p)
}

func (b *buffer) full() bool { return len(b.plain) >= b.target }

// sort puts the records in order; of two with one key the later stays.
func (b *buffer) sort() {
	slices.SortStableFunc(b.lines, line.compare)
	kept := b.lines[:0]
	for i, l := range b.lines {
		if i+1 == len(b.lines) || l.compare(b.lines[i+1]) != 0 {
			kept = append(kept, l)
		}
	}
	b.lines = kept
}

// reset empties the buffer and aims its next segment by how well this one
// compressed.
func (b *buffer) reset(s snapshot.Segment, o Options) {
	b.plain, b.lines = b.plain[:0], b.lines[:0]
	b.target = aim(float64(s.Plain)/float64(s.Bytes), o)
}

// aim is how many bytes of records to gather for a segment. At least an eighth of
// the most: a badly compressed one must not make crumbs of those that follow.
func aim(ratio float64, o Options) int {
	return max(o.SegmentPlain/8, min(o.SegmentPlain, int(ratio*float64(o.SegmentSealed))))
}

// write seals the buffer's records as a segment and stores it.
func (r *Repository) write(ctx context.Context, prefix string, number int, b *buffer) (snapshot.Segment, error) {
	b.sort()
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return snapshot.Segment{}, fmt.Errorf("name a segment: %w", err)
	}
	s := snapshot.Segment{
		Name: snapshot.SegmentName(number, random), Type: b.typ,
		First: b.key(0), Last: b.key(len(b.lines) - 1), Objects: int64(len(b.lines)),
	}
	key := prefix + "/" + s.Name
	object, err := r.seal(key, b, &s)
	if err != nil {
		return snapshot.Segment{}, fmt.Errorf("seal segment: %w", err)
	}
	if err := r.put(ctx, key, object); err != nil {
		return snapshot.Segment{}, fmt.Errorf("write segment: %w", err)
	}
	return s, nil
}

func (b *buffer) key(i int) resource.Key {
	return resource.Key{Type: b.typ, Parent: b.lines[i].parent, ID: b.lines[i].id}
}

// seal compresses and seals the records, chunk by chunk, and notes sizes and
// digests in s.
func (r *Repository) seal(key string, b *buffer, s *snapshot.Segment) ([]byte, error) {
	sealer, err := r.keys.NewSealer(segmentPurpose, snapshot.SealedName(r.account, key))
	if err != nil {
		return nil, err
	}
	mac := r.keys.MAC(snapshot.DigestPurpose)
	var digest snapshot.Digest
	var chunk, packed []byte
	for i, l := range b.lines {
		record := b.plain[l.start:l.end]
		digest.Add(snapshot.RecordDigest(mac, b.typ, record[:len(record)-1]))
		chunk = append(chunk, record...)
		last := i == len(b.lines)-1
		if len(chunk) < r.o.Chunk && !last {
			continue
		}
		s.Plain += int64(len(chunk))
		packed = r.enc.EncodeAll(chunk, packed[:0])
		if err := sealer.Chunk(packed, last); err != nil {
			return nil, err
		}
		chunk = chunk[:0]
	}
	object, err := sealer.Bytes()
	sum := sha256.Sum256(object)
	s.Bytes, s.SHA256, s.Digest = int64(len(object)), hex.EncodeToString(sum[:]), digest.String()
	return object, err
}

// verified is a segment that was found whole. Its chunks are in memory, or read
// again by ranges, each of which its seal still guards.
type verified struct {
	r       *Repository
	key     string
	segment snapshot.Segment
	opener  *envelope.Opener
	spans   []envelope.Span
	firsts  []resource.Key // of each chunk
	plain   [][]byte       // of each chunk; nil: not kept
}

// verify reads a segment whole and checks all that the manifest says of it. keep
// holds on to its records.
func (r *Repository) verify(ctx context.Context, prefix string, s snapshot.Segment, keep bool) (*verified, error) {
	key := prefix + "/" + s.Name
	object, err := r.object(ctx, key, s)
	if err != nil {
		return nil, err
	}
	v := &verified{r: r, key: key, segment: s}
	if err := v.check(object, keep); err != nil {
		return nil, damaged(key, err)
	}
	return v, nil
}

// object reads a segment's sealed bytes and compares them with the manifest.
func (r *Repository) object(ctx context.Context, key string, s snapshot.Segment) ([]byte, error) {
	object, err := read(ctx, r.store, key, s.Bytes)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, damaged(key, errors.New("it is not there"))
	}
	if err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	switch n := int64(len(object)); {
	case n < s.Bytes:
		return nil, damaged(key, fmt.Errorf("it has %d bytes, not %d", n, s.Bytes))
	case n > s.Bytes:
		return nil, damaged(key, fmt.Errorf("it has more than %d bytes", s.Bytes))
	}
	if sum := sha256.Sum256(object); hex.EncodeToString(sum[:]) != s.SHA256 {
		return nil, damaged(key, errors.New("its SHA-256 is another"))
	}
	return object, nil
}

// read reads an object up to one byte more than it should have: longer is as wrong
// as shorter, but not worth more memory.
func read(ctx context.Context, store blob.Store, key string, size int64) (data []byte, err error) {
	body, err := store.Get(ctx, key, blob.Whole)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	buf := bytes.NewBuffer(make([]byte, 0, size+1+bytes.MinRead))
	_, err = buf.ReadFrom(io.LimitReader(body, size+1))
	return buf.Bytes(), err
}

func (v *verified) check(object []byte, keep bool) (err error) {
	v.opener, err = v.r.keys.NewOpener(segmentPurpose, snapshot.SealedName(v.r.account, v.key), object)
	if err != nil {
		return err
	}
	if v.spans, err = envelope.Chunks(object); err != nil {
		return err
	}
	found := snapshot.Segment{Name: v.segment.Name, Type: v.segment.Type, Bytes: v.segment.Bytes, SHA256: v.segment.SHA256}
	t := tally{mac: v.r.keys.MAC(snapshot.DigestPurpose), s: &found}
	for i, span := range v.spans {
		plain, err := v.open(i, object[span.Offset:span.Offset+span.Length])
		if err != nil {
			return err
		}
		if err := t.chunk(plain); err != nil {
			return err
		}
		v.firsts = append(v.firsts, t.first)
		if keep {
			v.plain = append(v.plain, plain)
		}
	}
	if found.Digest = t.digest.String(); found != v.segment {
		return errors.New("its records are not those that the manifest tells of")
	}
	return nil
}

// open opens and unpacks one chunk.
func (v *verified) open(i int, sealed []byte) ([]byte, error) {
	packed, err := v.opener.Chunk(i, i == len(v.spans)-1, sealed)
	if err != nil {
		return nil, err
	}
	plain, err := v.r.dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack chunk %d: %w", i, err)
	}
	return plain, nil
}

// chunk gives a chunk's records, from memory or from the store.
func (v *verified) chunk(ctx context.Context, i int) ([]byte, error) {
	if v.plain != nil {
		return v.plain[i], nil
	}
	sealed, err := v.fetch(ctx, blob.Range(v.spans[i]))
	if err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	plain, err := v.open(i, sealed)
	if err != nil {
		return nil, damaged(v.key, err)
	}
	return plain, nil
}

func (v *verified) fetch(ctx context.Context, rng blob.Range) (data []byte, err error) {
	body, err := v.r.store.Get(ctx, v.key, rng)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return io.ReadAll(io.LimitReader(body, rng.Length))
}

// records yields the segment's records in order.
func (v *verified) records(ctx context.Context) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		for i := range v.spans {
			plain, err := v.chunk(ctx, i)
			if err != nil {
				yield(resource.Resource{}, err)
				return
			}
			for res, err := range snapshot.Records(v.segment.Type, plain) {
				if !yield(res, err) || err != nil {
					return
				}
			}
		}
	}
}

// find looks a record up: in the one chunk that can hold it.
func (v *verified) find(ctx context.Context, key resource.Key) (resource.Resource, bool, error) {
	i, exact := slices.BinarySearchFunc(v.firsts, key, resource.Key.Compare)
	if !exact {
		i--
	}
	if i < 0 {
		return resource.Resource{}, false, nil
	}
	plain, err := v.chunk(ctx, i)
	if err != nil {
		return resource.Resource{}, false, err
	}
	for res, err := range snapshot.Records(v.segment.Type, plain) {
		if err != nil || res.Key == key {
			return res, err == nil, err
		}
	}
	return resource.Resource{}, false, nil
}

// size is what the segment's records take in memory.
func (v *verified) size() int {
	if v.plain == nil {
		return 0
	}
	return int(v.segment.Plain)
}
