package retry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"imago/pkg/blob"
)

// Get reads a range.
func (s *Store) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	return s.open(ctx, &reader{s: s, ctx: ctx, key: key, rng: rng, tries: tries{o: &s.o}})
}

// Resume reads a range of the object that a tag names.
func (s *Store) Resume(ctx context.Context, key string, rng blob.Range, tag string) (io.ReadCloser, error) {
	return s.open(ctx, &reader{s: s, ctx: ctx, key: key, rng: rng, tag: tag, tries: tries{o: &s.o}})
}

// open opens a reader's range.
func (s *Store) open(ctx context.Context, r *reader) (io.ReadCloser, error) {
	for {
		err := r.open()
		if err == nil {
			return r, nil
		}
		if err := r.tries.again(ctx, err); err != nil {
			return nil, err
		}
	}
}

// reader is content whose connection may break.
type reader struct {
	s     *Store
	ctx   context.Context // of the Get, which content is a part of
	key   string
	rng   blob.Range // what is left to read
	tag   string     // of the object; "": not known
	tries tries      // since the last bytes

	body  io.ReadCloser // nil when it broke
	watch *watch
	inner context.Context // of the body
	err   error           // that it ended with
}

var _ blob.Tagger = (*reader)(nil)

// Tag is that of the content.
func (r *reader) Tag() string { return r.tag }

// open begins to read what is left.
func (r *reader) open() error {
	ctx, watch := watched(r.ctx, r.s.o.Timeout)
	body, err := r.get(ctx)
	if err != nil {
		err = late(ctx, err)
		watch.stop()
		return err
	}
	watch.pause()
	if t, ok := body.(blob.Tagger); ok && r.tag == "" {
		r.tag = t.Tag()
	}
	r.body, r.watch, r.inner = body, watch, ctx
	return nil
}

func (r *reader) get(ctx context.Context) (io.ReadCloser, error) {
	if r.tag == "" {
		return r.s.under.Get(ctx, r.key, r.rng)
	}
	under, ok := blob.As[blob.Resumer](r.s.under)
	if !ok {
		return nil, fmt.Errorf("resume %s: %w", r.key, errors.ErrUnsupported)
	}
	return under.Resume(ctx, r.key, r.rng, r.tag)
}

// Read hands out what comes, over as many connections as it takes.
func (r *reader) Read(p []byte) (int, error) {
	for r.err == nil {
		n, err := r.read(p)
		if n > 0 {
			r.tries.made = 0
			r.rng.Offset += int64(n)
			if r.rng.Length > 0 {
				r.rng.Length -= int64(n)
			}
		}
		if err == nil || err == io.EOF { //nolint:errorlint // readers answer io.EOF itself
			r.err = err
			return n, err
		}
		if r.err = r.mend(err); n > 0 {
			return n, r.err
		}
	}
	return 0, r.err
}

// read reads once, opening what broke before.
func (r *reader) read(p []byte) (int, error) {
	if r.body == nil {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	r.watch.reset(r.s.o.Idle)
	n, err := r.body.Read(p)
	r.watch.pause()
	if err != nil && err != io.EOF { //nolint:errorlint // as above
		err = cut(late(r.inner, err))
	}
	return n, err
}

// mend gets ready to open what is left; an error ends the reader.
func (r *reader) mend(err error) error {
	if r.body != nil {
		// What a broken connection says when it is closed is nobody's concern: its
		// content is read again.
		if e := r.close(); !worth(err) && e != nil {
			err = errors.Join(err, e)
		}
		if r.rng.Length == 0 && worth(err) {
			return io.EOF // it broke behind the last byte
		}
		if r.tag == "" && worth(err) {
			return fmt.Errorf("read %s: it broke, and the store cannot go on in the same object: %w", r.key, err)
		}
	}
	return r.tries.again(r.ctx, err)
}

// Close ends the reading.
func (r *reader) Close() error {
	if r.err == nil {
		r.err = fmt.Errorf("read %s: closed", r.key)
	}
	if r.body == nil {
		return nil
	}
	return r.close()
}

func (r *reader) close() error {
	err := r.body.Close()
	r.watch.stop()
	r.body = nil
	return err
}
