package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

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

// source opens a segment. Unless it is wanted whole, one of several chunks is read by
// ranges: opening it reads nothing.
func (r *Repository) source(ctx context.Context, s *snapshot.Segment, whole bool) (*source, error) {
	src := &source{r: r, segment: s, key: r.keyOf(s.Ref)}
	var err error
	if whole || len(s.Chunks) == 0 {
		err = src.whole(ctx)
	} else if err = src.ranged(); err != nil {
		err = damaged(src.key, err)
	}
	return src, err
}

// keyOf is where an object of a resolved manifest lies.
func (r *Repository) keyOf(ref snapshot.Ref) string {
	return r.backups() + "/" + ref.Folder + "/" + ref.Name
}

func (s *source) whole(ctx context.Context) (err error) {
	if s.object, err = s.r.object(ctx, s.key, s.segment.Ref); err != nil {
		return err
	}
	if s.spans, err = envelope.Chunks(s.object); err == nil {
		err = s.open(s.object)
	}
	if err == nil && len(s.spans) != max(1, len(s.segment.Chunks)) {
		err = errors.New("it has not the chunks that the manifest tells of")
	}
	if err != nil {
		return damaged(s.key, err)
	}
	return nil
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
	plain, err := s.r.dec.DecodeAll(packed, s.rooms[0][:0])
	if err != nil {
		return nil, damaged(s.key, fmt.Errorf("unpack chunk %d: %w", i, err))
	}
	if s.reuses {
		s.rooms[0], s.rooms[1] = s.rooms[1], plain
	}
	return plain, nil
}

func (s *source) sealed(ctx context.Context, i int) ([]byte, error) {
	at := s.spans[i]
	if s.object != nil {
		return s.object[at.Offset : at.Offset+at.Length], nil
	}
	sealed, err := s.r.fetch(ctx, s.key, blob.Range(at))
	if errors.Is(err, blob.ErrNotFound) {
		return nil, damaged(s.key, errors.New("it is not there"))
	}
	if err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	return sealed, nil
}

func (r *Repository) fetch(ctx context.Context, key string, rng blob.Range) (data []byte, err error) {
	body, err := r.store.Get(ctx, key, rng)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	data = make([]byte, rng.Length)
	n, err := io.ReadFull(body, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return data[:n], nil // too short to open
	}
	return data, err
}

// object reads a sealed object and compares it with what names it.
func (r *Repository) object(ctx context.Context, key string, ref snapshot.Ref) ([]byte, error) {
	if object, ok := r.o.Cache.get(key); ok {
		return object, nil
	}
	object, err := read(ctx, r.store, key, ref.Bytes)
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
