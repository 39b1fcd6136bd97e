// Package count wraps a blob.Store and counts what it is asked for: requests, and bytes
// of content. Tests, benchmarks and repo stats read it.
package count

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"imago/pkg/blob"
)

// Op is an operation of a store.
type Op string

// The operations.
const (
	Put     Op = "put"
	Replace Op = "replace"
	Get     Op = "get" // a resumed one, too
	List    Op = "list"
	Delete  Op = "delete"
)

// page is how many objects S3 lists, or deletes, in a request.
const page = 1000

// Tally is what was counted of an operation.
type Tally struct {
	// Requests that S3 would have seen: one an operation, and one a thousand objects of a
	// listing, or of what is deleted at a time. Those that failed count.
	Requests int64
	// Bytes of content: announced by puts, read from gets, however much was asked for.
	Bytes int64
}

// Tallies are those of all operations; one that was not asked for is absent.
type Tallies map[Op]Tally

// Total is the sum of all.
func (t Tallies) Total() (sum Tally) {
	for _, one := range t {
		sum.Requests += one.Requests
		sum.Bytes += one.Bytes
	}
	return sum
}

// Store is a blob.Store that counts, safe for concurrent use.
type Store struct {
	under   blob.Store
	mu      sync.Mutex
	tallies Tallies
}

// New wraps a store.
func New(under blob.Store) *Store { return &Store{under: under, tallies: Tallies{}} }

var (
	_ blob.Store    = (*Store)(nil)
	_ blob.Replacer = (*Store)(nil)
	_ blob.Resumer  = (*Store)(nil)
	_ blob.Deleter  = (*Store)(nil)
	_ blob.Tagger   = (*body)(nil)
)

// Unwrap gives the store below.
func (s *Store) Unwrap() blob.Store { return s.under }

// Capabilities are those of the store below.
func (s *Store) Capabilities() blob.Capabilities { return s.under.Capabilities() }

// Reset gives what was counted since the last time, and begins anew. Content that is being
// read counts towards the time when it is.
func (s *Store) Reset() Tallies {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tallies
	s.tallies = Tallies{}
	return t
}

func (s *Store) add(op Op, requests, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tallies[op]
	s.tallies[op] = Tally{t.Requests + requests, t.Bytes + bytes}
}

// Put writes an object.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	s.add(Put, 1, max(size, 0))
	return s.under.Put(ctx, key, r, size)
}

// Replace writes an object in the place of another.
func (s *Store) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	under, ok := blob.As[blob.Replacer](s.under)
	if !ok {
		return fmt.Errorf("replace %s: %w", key, errors.ErrUnsupported)
	}
	s.add(Replace, 1, max(size, 0))
	return under.Replace(ctx, key, r, size)
}

// Get reads a range.
func (s *Store) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	s.add(Get, 1, 0)
	return s.counted(s.under.Get(ctx, key, rng))
}

// Resume reads a range of the object that a tag names.
func (s *Store) Resume(ctx context.Context, key string, rng blob.Range, tag string) (io.ReadCloser, error) {
	under, ok := blob.As[blob.Resumer](s.under)
	if !ok {
		return nil, fmt.Errorf("resume %s: %w", key, errors.ErrUnsupported)
	}
	s.add(Get, 1, 0)
	return s.counted(under.Resume(ctx, key, rng, tag))
}

func (s *Store) counted(r io.ReadCloser, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	return &body{r, s}, nil
}

// body is content that is counted as it is read.
type body struct {
	io.ReadCloser
	s *Store
}

// Tag is that of the content.
func (b *body) Tag() string {
	if t, ok := b.ReadCloser.(blob.Tagger); ok {
		return t.Tag()
	}
	return ""
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.s.add(Get, 0, int64(n))
	return n, err
}

// List lists objects.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		s.add(List, 1, 0)
		n := 0
		for o, err := range s.under.List(ctx, prefix) {
			if n++; n > page && n%page == 1 {
				s.add(List, 1, 0)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	s.add(Delete, 1, 0)
	return s.under.Delete(ctx, key)
}

// DeleteAll removes objects.
func (s *Store) DeleteAll(ctx context.Context, keys []string) map[string]error {
	requests := len(keys)
	if _, ok := s.under.(blob.Deleter); ok {
		requests = (len(keys) + page - 1) / page
	}
	s.add(Delete, int64(requests), 0)
	return blob.DeleteAll(ctx, s.under, keys)
}
