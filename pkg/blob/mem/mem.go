// Package mem keeps objects in memory. It is stricter than S3, so that what
// passes here passes there: no overwriting, no wrong lengths, no key below another.
package mem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"imago/pkg/blob"
)

// Store is a blob.Store in memory, safe for concurrent use.
type Store struct {
	o       Options
	mu      sync.Mutex
	objects map[string]object
	below   map[string]int // objects by the folders that they lie in
	puts    int            // counted, to name what is there
}

type object struct {
	data     []byte
	modified time.Time
	tag      string
	locked   time.Time // until; zero: not
}

// Options of New.
type Options struct {
	Now     func() time.Time // stamps objects; nil: time.Now
	LockFor time.Duration    // locks every object of itself; zero: none
	Refuses bool             // does not write over what it locks, as R2; else that is kept behind the new one
}

// New makes an empty store.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{o: o, objects: map[string]object{}, below: map[string]int{}}
}

var (
	_ blob.Store    = (*Store)(nil)
	_ blob.Replacer = (*Store)(nil)
	_ blob.Resumer  = (*Store)(nil)
	_ blob.Tagger   = (*reader)(nil)
)

// Put keeps an object; blob.ErrExists when there is one.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	return s.put(ctx, key, r, size, false)
}

// Replace keeps an object in the place of another, or as a new one.
func (s *Store) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	return s.put(ctx, key, r, size, true)
}

func (s *Store) put(ctx context.Context, key string, r io.Reader, size int64, over bool) error {
	if err := blob.CheckKey(key); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	data, err := blob.ReadSized(r, size)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.free(key, over); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	old, ok := s.objects[key]
	locked := s.locked(old)
	if locked != nil && s.o.Refuses {
		return fmt.Errorf("replace %s: %w: %w", key, blob.ErrExists, locked)
	}
	if !ok {
		s.count(key, 1)
	}
	s.puts++
	o := object{data: data, modified: s.o.Now(), tag: fmt.Sprint(s.puts)}
	if s.o.LockFor > 0 {
		o.locked = o.modified.Add(s.o.LockFor)
	}
	s.objects[key] = o
	if locked != nil { // a version that a bucket would keep
		return fmt.Errorf("replace %s: %w", key, locked)
	}
	return nil
}

// free reports whether the key can be written. A store on a file system cannot
// hold both "a" and "a/b", so this one does not either.
func (s *Store) free(key string, over bool) error {
	if _, ok := s.objects[key]; ok && over {
		return nil
	} else if ok {
		return blob.ErrExists
	}
	if s.below[key] > 0 {
		return fmt.Errorf("one key below another: %s/…", key)
	}
	for above := range parents(key) {
		if _, ok := s.objects[above]; ok {
			return fmt.Errorf("one key below another: %s", above)
		}
	}
	return nil
}

// parents yields the folders that a key lies in, the nearest first.
func parents(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := strings.LastIndexByte(key, '/'); i >= 0 && yield(key[:i]); i = strings.LastIndexByte(key[:i], '/') {
		}
	}
}

// count keeps account of an object that came (1) or went (-1).
func (s *Store) count(key string, by int) {
	for folder := range parents(key) {
		s.below[folder] += by
	}
}

// locked is an error while an object's lock holds.
func (s *Store) locked(o object) error {
	if s.o.Now().Before(o.locked) {
		return &blob.LockedError{Until: o.locked, Err: errors.New("its lock holds")}
	}
	return nil
}

// Get reads a range of an object.
func (s *Store) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	return s.Resume(ctx, key, rng, "")
}

// Resume reads a range of the object that the tag names; "" names any.
func (s *Store) Resume(ctx context.Context, key string, rng blob.Range, tag string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	s.mu.Lock()
	o, ok := s.objects[key]
	s.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("get %s: %w", key, blob.ErrNotFound)
	}
	if tag != "" && tag != o.tag {
		return nil, fmt.Errorf("get %s: %w", key, blob.ErrChanged)
	}
	size := int64(len(o.data))
	if rng.Offset < 0 || rng.Offset > size {
		return nil, fmt.Errorf("get %s from byte %d of %d: %w", key, rng.Offset, size, blob.ErrRange)
	}
	part, short := o.data[rng.Offset:], false
	if rng.Length >= 0 {
		short = rng.Length > int64(len(part))
		part = part[:min(rng.Length, int64(len(part)))]
	}
	return &reader{bytes.NewReader(part), short, o.tag}, nil
}

// reader ends with an error when the range reaches beyond the object.
type reader struct {
	*bytes.Reader
	short bool
	tag   string
}

// Tag is the number of the put that the content came by.
func (r *reader) Tag() string { return r.tag }

// WriteTo is hidden: it would take an early end for an orderly one.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r})
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF && r.short {
		err = blob.ErrRange
	}
	return n, err
}

func (r *reader) Close() error { return nil }

// List yields the objects below a prefix, in key order.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		for _, o := range s.list(prefix) {
			if err := ctx.Err(); err != nil {
				yield(blob.Object{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (s *Store) list(prefix string) []blob.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []blob.Object
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(key, prefix) {
			o := s.objects[key]
			out = append(out, blob.Object{Key: key, Size: int64(len(o.data)), Modified: o.modified})
		}
	}
	return out
}

// Delete removes an object, if it is there and not locked.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.objects[key]; ok {
		if err := s.locked(o); err != nil {
			return fmt.Errorf("delete %s: %w", key, err)
		}
		s.count(key, -1)
	}
	delete(s.objects, key)
	return nil
}

// Capabilities says that it refuses to overwrite, and encrypts nothing.
func (s *Store) Capabilities() blob.Capabilities {
	return blob.Capabilities{ConditionalPut: true, LockFor: s.o.LockFor}
}

// Edit does what somebody with write access to a bucket can: it changes an
// object's bytes behind everybody's back. It reports whether there was one.
func (s *Store) Edit(key string, change func([]byte) []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if ok {
		o.data = change(slices.Clone(o.data))
		s.puts++
		o.tag = fmt.Sprint(s.puts)
		s.objects[key] = o
	}
	return ok
}

// Clone copies the store as it stands.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Store{o: s.o, objects: maps.Clone(s.objects), below: maps.Clone(s.below), puts: s.puts}
}
