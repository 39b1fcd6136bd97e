package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// MaxKey is the longest key in bytes: S3 takes 1,024, and an operator's proxy or
// file system needs some of them for itself.
const MaxKey = 900

// MaxObject is the largest object in bytes. Objects are bounded so that one is
// written by one request, and fits into memory to be verified whole.
const MaxObject = 64 << 20

// CheckKey reports what is wrong with a key. A key is slash-separated names of
// letters, digits and "-_.", none of them "." or "..": what every store, URL and
// file system takes without escaping.
func CheckKey(key string) error {
	if len(key) > MaxKey {
		return fmt.Errorf("object key of %d bytes: at most %d", len(key), MaxKey)
	}
	begin := 0
	for i := range len(key) + 1 {
		if i < len(key) && key[i] != '/' {
			continue
		}
		if !isName(key[begin:i]) {
			return fmt.Errorf("object key %q: names must be letters, digits and -_. between single slashes", key)
		}
		begin = i + 1
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		if odd(s[i]) {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

func odd(c byte) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.')
}

// ReadSized reads a Put's content and refuses one of another length than was
// announced.
func ReadSized(r io.Reader, size int64) ([]byte, error) {
	if size < 0 || size > MaxObject {
		return nil, fmt.Errorf("object of %d bytes: at most %d", size, MaxObject)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("read %d bytes: %w", size, noEOF(err))
	}
	// One byte more must not be there.
	if n, err := io.ReadFull(r, make([]byte, 1)); n > 0 {
		return nil, fmt.Errorf("object is longer than the %d bytes announced", size)
	} else if err != io.EOF {
		return nil, fmt.Errorf("read the end: %w", err)
	}
	return data, nil
}

// noEOF keeps a short read from looking like an orderly end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ReadAll reads a whole object into memory; ErrLonger when it has more bytes than
// the limit.
func ReadAll(ctx context.Context, s Store, key string, limit int64) (data []byte, err error) {
	r, err := s.Get(ctx, key, Whole)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := r.Close(); err == nil && e != nil {
			data, err = nil, fmt.Errorf("close %s: %w", key, e)
		}
	}()
	data, err = io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: %w than %d bytes", key, ErrLonger, limit)
	}
	return data, nil
}
