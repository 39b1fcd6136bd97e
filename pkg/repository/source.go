package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/snapshot"
)

// source reads the chunks of one segment: from the object, verified whole, or by ranges,
// each of which its seal guards.
type source struct {
	r       *Repository
	segment *snapshot.Segment
	key     string
	object  []byte // nil: read by ranges
	opener  *envelope.Opener
	spans   []envelope.Span
	rooms   [2][]byte // for chunks, in turn, where each is done with when the next but one comes
	reuses  bool
}

// source opens a segment. Unless it is wanted whole, or lies in the cache, one of several
// chunks is read by ranges: opening it reads nothing.
func (r *Repository) source(ctx context.Context, s *snapshot.Segment, whole bool) (*source, error) {
	src := &source{r: r, segment: s, key: r.keyOf(s.Ref)}
	_, cached := r.o.Cache.get(src.key)
	var err error
	if whole || cached || len(s.Chunks) == 0 {
		err = src.whole(ctx)
	} else if err = src.ranged(); err != nil {
		err = damaged(src.key, err)
	}
	return src, err
}

// keyOf is where an object of a resolved manifest lies.
func (r *Repository) keyOf(ref snapshot.Ref) string {
	return r.backups() + "/" + ref.Folder + "/" + ref.Object()
}

func (s *source) whole(ctx context.Context) (err error) {
	if s.object, err = s.r.object(ctx, s.key, s.segment.Ref); err != nil {
		return err
	}
	if s.spans, err = envelope.Chunks(s.object); err == nil {
		err = s.open(s.object)
	}
	if err == nil && !s.told() {
		err = errors.New("it has not the chunks that the manifest tells of")
	}
	if err != nil {
		return damaged(s.key, err)
	}
	return nil
}

// told reports whether the chunks of the whole object are those that the manifest tells of.
func (s *source) told() bool {
	g := s.segment
	if len(g.Chunks) == 0 {
		return len(s.spans) == 1
	}
	alike := slices.EqualFunc(g.Chunks, s.spans, func(c snapshot.Chunk, at envelope.Span) bool { return c.Bytes == at.Length })
	return alike && bytes.HasPrefix(s.object, g.Head)
}

func (s *source) ranged() error {
	at := int64(envelope.HeadSize)
	for _, c := range s.segment.Chunks {
		at += envelope.LengthSize
		s.spans = append(s.spans, envelope.Span{Offset: at, Length: c.Bytes})
		at += c.Bytes
	}
	return s.open(s.segment.Head)
}

func (s *source) open(head []byte) (err error) {
	s.opener, err = s.r.keys.NewOpener(segmentPurpose, snapshot.SealedName(s.r.account, s.key), head)
	return err
}

// chunk gives the records of one chunk.
func (s *source) chunk(ctx context.Context, i int) ([]byte, error) {
	sealed, err := s.sealed(ctx, i)
	if err != nil {
		return nil, err
	}
	packed, err := s.opener.Chunk(i, i == len(s.spans)-1, sealed)
	if err != nil {
		return nil, damaged(s.key, err)
	}
	if s.reuses && s.rooms[0] == nil {
		// What one record is longer than another, nearly always; and no more than there is.
		s.rooms[0] = s.r.rooms.Get(int(min(int64(s.r.o.Chunk+s.r.o.Chunk/8), s.segment.Plain)))
	}
	plain, err := s.r.unframe(packed, s.rooms[0][:0])
	if err == nil {
		err = begins(plain, s.segment, i)
	}
	if err != nil {
		return nil, damaged(s.key, fmt.Errorf("chunk %d: %w", i, err))
	}
	if s.reuses {
		s.rooms[0], s.rooms[1] = s.rooms[1], plain
	}
	if i == len(s.spans)-1 {
		s.leave()
	}
	return plain, nil
}

// leave gives back the room of the sealed object: its last chunk is open. Whoever wants
// one of it again reads that by its range.
func (s *source) leave() {
	if len(s.object) > mostCached { // else it may lie in the cache
		s.r.rooms.Put(s.object)
		s.object = nil
	}
}

// close gives back all room. What chunks were unpacked into may not be used any more.
func (s *source) close() {
	s.leave()
	for _, room := range s.rooms {
		s.r.rooms.Put(room)
	}
	s.rooms = [2][]byte{}
}

func (s *source) sealed(ctx context.Context, i int) ([]byte, error) {
	at := s.spans[i]
	if s.object != nil {
		return s.object[at.Offset : at.Offset+at.Length], nil
	}
	sealed, err := s.r.fetch(ctx, s.key, blob.Range(at))
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return nil, damaged(s.key, errors.New("it is not there"))
	case errors.Is(err, blob.ErrRange):
		return nil, damaged(s.key, fmt.Errorf("it ends before its chunk %d does", i))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.key, err)
	}
	return sealed, nil
}

func (r *Repository) fetch(ctx context.Context, key string, rng blob.Range) (data []byte, err error) {
	body, err := r.store.Get(ctx, key, rng)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	buf := bytes.NewBuffer(make([]byte, 0, rng.Length+bytes.MinRead))
	_, err = buf.ReadFrom(io.LimitReader(body, rng.Length))
	return buf.Bytes(), err
}

// object reads a sealed object and compares it with what names it.
func (r *Repository) object(ctx context.Context, key string, ref snapshot.Ref) ([]byte, error) {
	if object, ok := r.o.Cache.get(key); ok {
		return object, nil
	}
	object, err := r.read(ctx, key, ref.Bytes)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, damaged(key, errors.New("it is not there"))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	switch n := int64(len(object)); {
	case n < ref.Bytes:
		return nil, damaged(key, fmt.Errorf("it has %d bytes, not %d", n, ref.Bytes))
	case n > ref.Bytes:
		return nil, damaged(key, fmt.Errorf("it has more than %d bytes", ref.Bytes))
	}
	if hexSum(object) != ref.SHA256 {
		return nil, damaged(key, errors.New("its SHA-256 is another"))
	}
	r.o.Cache.put(key, object)
	return object, nil
}

// read reads an object up to one byte more than it should have: longer is as wrong
// as shorter, but not worth more memory.
func (r *Repository) read(ctx context.Context, key string, size int64) (data []byte, err error) {
	body, err := r.store.Get(ctx, key, blob.Whole)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	n := int(size) + 1 + bytes.MinRead
	var room []byte
	if size > mostCached {
		room = r.rooms.Get(n)
	} else {
		room = make([]byte, 0, n) // for good: it may come to lie in the cache
	}
	buf := bytes.NewBuffer(room)
	_, err = buf.ReadFrom(io.LimitReader(body, size+1))
	return buf.Bytes(), err
}
