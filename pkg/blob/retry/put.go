package retry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"imago/pkg/blob"
)

// writer is how one attempt writes the content.
type writer func(ctx context.Context, r io.Reader) error

// Put writes an object.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	return s.write(ctx, key, r, size, func(ctx context.Context, r io.Reader) error {
		return s.under.Put(ctx, key, r, size)
	})
}

// Replace writes an object in the place of another. Attempts repeat it: who replaces an
// object at the same time as another does not know whose is the last. What a store refuses to
// write over may be what the attempt before wrote.
func (s *Store) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	under, ok := blob.As[blob.Replacer](s.under)
	if !ok {
		return fmt.Errorf("replace %s: %w", key, errors.ErrUnsupported)
	}
	return s.write(ctx, key, r, size, func(ctx context.Context, r io.Reader) error {
		return under.Replace(ctx, key, r, size)
	})
}

// write writes an object. When the store refuses, as there is one, after an attempt that
// failed, that one may have made it: then the bytes are ours.
func (s *Store) write(ctx context.Context, key string, r io.Reader, size int64, do writer) error {
	body, err := rewindable(key, r, size)
	if err != nil {
		return err
	}
	attempts, err := s.send(ctx, body, size, do)
	if attempts == 1 || !errors.Is(err, blob.ErrExists) {
		return err
	}
	ours, e := s.holds(ctx, key, body, size)
	if ours {
		return nil
	}
	return errors.Join(err, e)
}

// send writes the content until an attempt succeeds or none is worth it, and tells how
// many there were.
func (s *Store) send(ctx context.Context, body *content, size int64, do writer) (int, error) {
	for t := (tries{o: &s.o}); ; {
		err := body.rewind()
		if err == nil {
			err = attempt(ctx, s.o.Timeout+time.Duration(max(size, 0)/s.o.Slowest)*time.Second, func(ctx context.Context) error {
				return do(ctx, body)
			})
		}
		if err == nil {
			return t.made + 1, nil
		}
		if err := t.again(ctx, err); err != nil {
			return t.made, err
		}
	}
}

// holds reports whether an object is the content, byte for byte.
func (s *Store) holds(ctx context.Context, key string, body *content, size int64) (bool, error) {
	have, err := blob.ReadAll(ctx, s, key, size)
	if errors.Is(err, blob.ErrLonger) {
		return false, nil
	}
	if err == nil {
		err = body.rewind()
	}
	if err != nil {
		return false, fmt.Errorf("compare what is there: %w", err)
	}
	want, err := blob.ReadSized(body, size)
	return err == nil && bytes.Equal(have, want), err
}

// content is what is put, from where the reader stood.
type content struct {
	io.ReadSeeker
	start int64
}

// rewindable makes content of a reader. What cannot be wound back is read into memory,
// which objects fit into.
func rewindable(key string, r io.Reader, size int64) (*content, error) {
	if seeker, ok := r.(io.ReadSeeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			return &content{seeker, start}, nil
		}
	}
	data, err := blob.ReadSized(r, size)
	if err != nil {
		return nil, fmt.Errorf("put %s: %w", key, err)
	}
	return &content{bytes.NewReader(data), 0}, nil
}

func (c *content) rewind() error {
	if _, err := c.Seek(c.start, io.SeekStart); err != nil {
		return fmt.Errorf("wind the content back: %w", err)
	}
	return nil
}
