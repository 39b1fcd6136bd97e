package fault

import (
	"bytes"
	"context"
	"errors"
	"io"

	"imago/pkg/blob"
)

// read opens an object with the fault that it meets.
func (s *Store) read(ctx context.Context, key string, open func() (io.ReadCloser, error)) (io.ReadCloser, error) {
	var r io.ReadCloser
	err := s.do(ctx, Get, key, func(f *Fault) (err error) {
		if r, err = open(); err != nil {
			return err
		}
		r = &body{r, ctx, f.truncate, f.stall}
		if f.alter != nil {
			r, err = altered(r, f.alter)
		}
		return err
	})
	if err != nil && r != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, err
}

// altered is what change makes of content.
func altered(from io.ReadCloser, change func([]byte) []byte) (io.ReadCloser, error) {
	data, err := io.ReadAll(from)
	if err := errors.Join(err, from.Close()); err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(change(data))), nil
}

// body is content that ends early, or stops, and in any case with its context, as that
// of a connection does.
type body struct {
	io.ReadCloser
	ctx      context.Context // of the Get, which content is a part of
	truncate int64           // bytes left until the end; negative: all
	stall    int64           // bytes left until it stops; negative: all
}

// Tag is that of the content.
func (b *body) Tag() string {
	if t, ok := b.ReadCloser.(blob.Tagger); ok {
		return t.Tag()
	}
	return ""
}

func (b *body) Read(p []byte) (int, error) {
	if b.stall == 0 {
		<-b.ctx.Done()
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.truncate == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	for _, left := range []int64{b.stall, b.truncate} {
		if left > 0 {
			p = p[:min(int64(len(p)), left)]
		}
	}
	n, err := b.ReadCloser.Read(p)
	for _, left := range []*int64{&b.stall, &b.truncate} {
		if *left > 0 {
			*left -= int64(n)
		}
	}
	return n, err
}
