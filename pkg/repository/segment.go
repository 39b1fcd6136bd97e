package repository

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"unsafe"

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

// buffer gathers records of one type until they make a segment. What it is sorted
// by lies in names, without pointers: a buffer of links has a hundred thousand.
type buffer struct {
	typ      resource.Type
	plain    []byte
	names    []byte
	lines    []line
	disorder bool // the lines do not rise
	target   int  // bytes of plain at which to write a segment
}

// newBuffer guesses how well its first segment will compress. It takes over the room
// of a spare one, if there is one.
func newBuffer(t resource.Type, o Options, spare *buffer) *buffer {
	const ratio = 4
	b := &buffer{typ: t, target: aim(ratio, o)}
	if spare != nil {
		b.plain, b.names, b.lines = spare.plain[:0], spare.names[:0], spare.lines[:0]
	}
	return b
}

// line is where a record lies in plain, and its parent and id in names.
type line struct{ record, parent, id span }

type span struct{ from, to uint32 }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

func (b *buffer) add(r resource.Resource) error {
	start := len(b.plain)
	plain, err := snapshot.AppendRecord(b.plain, r)
	if err != nil {
		return err
	}
	b.plain = plain
	l := line{record: span{uint32(start), uint32(len(plain))}, parent: b.parent(r.Parent), id: b.name(r.ID)}
	if n := len(b.lines); n > 0 && b.compare(b.lines[n-1], l) >= 0 {
		b.disorder = true
	}
	b.lines = append(b.lines, l)
	return nil
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
	if x.parent != y.parent {
		if c := bytes.Compare(x.parent.of(b.names), y.parent.of(b.names)); c != 0 {
			return c
		}
	}
	return bytes.Compare(x.id.of(b.names), y.id.of(b.names))
}

func (b *buffer) full() bool { return len(b.plain) >= b.target }

// memory is what the buffer takes, in bytes.
func (b *buffer) memory() int {
	return cap(b.plain) + cap(b.names) + cap(b.lines)*int(unsafe.Sizeof(line{}))
}

// sort puts the records in order, in plain too; of those with one key the latest
// stays.
func (b *buffer) sort() {
	if !b.disorder {
		return
	}
	slices.SortFunc(b.lines, func(x, y line) int {
		return cmp.Or(b.compare(x, y), cmp.Compare(x.record.from, y.record.from))
	})
	kept, plain := b.lines[:0], make([]byte, 0, cap(b.plain))
	for i, l := range b.lines {
		if i+1 < len(b.lines) && b.compare(l, b.lines[i+1]) == 0 {
			continue
		}
		from := len(plain)
		plain = append(plain, l.record.of(b.plain)...)
		l.record = span{uint32(from), uint32(len(plain))}
		kept = append(kept, l)
	}
	b.lines, b.plain, b.disorder = kept, plain, false
}

// reset empties the buffer and aims its next segment by how well this one
// compressed.
func (b *buffer) reset(s snapshot.Segment, o Options) {
	b.plain, b.names, b.lines, b.disorder = b.plain[:0], b.names[:0], b.lines[:0], false
	b.target = aim(float64(s.Plain)/float64(s.Bytes), o)
}

// expect aims at what these segments' records will compress to: together better than
// they did, and never so badly as a handful does.
func (b *buffer) expect(segments []snapshot.Segment, o Options) {
	var plain, sealed int64
	for _, s := range segments {
		plain, sealed = plain+s.Plain, sealed+s.Bytes
	}
	b.target = max(b.target, aim(float64(plain)/float64(sealed), o))
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
	return resource.Key{Type: b.typ, Parent: string(b.lines[i].parent.of(b.names)), ID: string(b.lines[i].id.of(b.names))}
}

// seal compresses and seals the records, chunk by chunk, and notes sizes and
// digests in s.
func (r *Repository) seal(key string, b *buffer, s *snapshot.Segment) ([]byte, error) {
	sealer, err := r.keys.NewSealer(segmentPurpose, snapshot.SealedName(r.account, key))
	if err != nil {
		return nil, err
	}
	digest := snapshot.NewDigester(r.keys.MAC(snapshot.DigestPurpose), b.typ)
	var from uint32
	var packed []byte
	for i, l := range b.lines {
		record := l.record.of(b.plain)
		digest.Add(record[:len(record)-1])
		last := i == len(b.lines)-1
		if int(l.record.to-from) < r.o.Chunk && !last {
			continue
		}
		packed = r.enc.EncodeAll(b.plain[from:l.record.to], packed[:0])
		if err := sealer.Chunk(packed, last); err != nil {
			return nil, err
		}
		from = l.record.to
	}
	object, err := sealer.Bytes()
	s.Plain, s.Bytes, s.SHA256, s.Digest = int64(from), int64(len(object)), hexSum(object), digest.Sum().String()
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
	if hexSum(object) != s.SHA256 {
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
	t := tally{digest: snapshot.NewDigester(v.r.keys.MAC(snapshot.DigestPurpose), found.Type), s: &found}
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
	if found.Digest = t.digest.Sum().String(); found != v.segment {
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
