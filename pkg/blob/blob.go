// Package blob is the door to object storage. Every implementation passes blobtest.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Errors that callers branch on; implementations wrap them.
var (
	ErrExists      = errors.New("object exists")
	ErrNotFound    = errors.New("object not found")
	ErrLonger      = errors.New("object is longer")     // than its reader was told to take
	ErrLocked      = errors.New("object is locked")     // LockedError says until when
	ErrChanged     = errors.New("object was replaced")  // since the read began that is to go on
	ErrUnavailable = errors.New("store is unavailable") // for now: the same may go well the next time

	// ErrRange marks a range that reaches beyond its object, where no other attempt
	// helps; it is an io.ErrUnexpectedEOF, too.
	ErrRange = fmt.Errorf("range reaches beyond the object: %w", io.ErrUnexpectedEOF)
)

// Object is what a listing says of one object.
type Object struct {
	Key      string
	Size     int64
	Modified time.Time
}

// Range is a part of an object: Length bytes from Offset; Length < 0: to the end.
type Range struct{ Offset, Length int64 }

// Whole is all of an object.
var Whole = Range{0, -1}

// Store keeps objects under keys of slash-separated names.
//
// What it must provide: a Put that returned is durable; what was Put can be read
// and listed at once, by everybody; an object is there whole or not at all.
type Store interface {
	// Put writes an object. It MUST refuse to overwrite: ErrExists, and the old
	// object untouched. size is the number of bytes in r; a different number MUST
	// be an error and leave no object.
	Put(ctx context.Context, key string, r io.Reader, size int64) error
	// Get reads a range; ErrNotFound when there is no such object. The reader
	// MUST end with an error, not with io.EOF, when it ends early.
	Get(ctx context.Context, key string, rng Range) (io.ReadCloser, error)
	// List yields the objects whose keys begin with prefix, in key order.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete removes an object, with every version that the store keeps of it; one
	// that is not there is no error. It MUST leave a locked one as it is, and say so:
	// ErrLocked.
	Delete(ctx context.Context, key string) error
	// Capabilities says what the store was found to do.
	Capabilities() Capabilities
}

// Replacer is a Store that can also put a new object in the place of an old one,
// in one step: readers find the one or the other, whole. Versions that a store keeps
// of the old one MUST be gone afterwards; where a lock holds one, the new one stands in
// front of it all the same, and the error wraps ErrLocked. A store that does not write over
// what it locks leaves the old one as it is: then the error wraps ErrLocked and ErrExists.
// Keyrings need it, and the manifests and checksums of what is sealed anew; all else is
// written once.
type Replacer interface {
	Replace(ctx context.Context, key string, r io.Reader, size int64) error
}

// Replaced reports, by its error, whether a Replace put the new object: also in front of one
// that a lock holds.
func Replaced(err error) bool {
	return err == nil || errors.Is(err, ErrLocked) && !errors.Is(err, ErrExists)
}

// Deleter is a Store that deletes many objects at a time.
type Deleter interface {
	// DeleteAll removes objects as Delete does each of them, in any order, and gives the
	// errors by key: nil when there was none.
	DeleteAll(ctx context.Context, keys []string) map[string]error
}

// DeleteAll removes objects by as few requests as the store can do with, and gives the
// errors by key: nil when there was none.
func DeleteAll(ctx context.Context, s Store, keys []string) (failed map[string]error) {
	if many, ok := s.(Deleter); ok { // a store that it wraps would pass it by
		return many.DeleteAll(ctx, keys)
	}
	for _, key := range keys {
		if err := s.Delete(ctx, key); err != nil {
			failed = Failed(failed, key, err)
		}
	}
	return failed
}

// Failed notes an error in the answer of a DeleteAll.
func Failed(failed map[string]error, key string, err error) map[string]error {
	if failed == nil {
		failed = map[string]error{}
	}
	failed[key] = err
	return failed
}

// Resumer is a Store whose reads can go on where they broke.
type Resumer interface {
	// Resume reads a range as Get does, of the very object that a Tagger named:
	// ErrChanged when another one is in its place.
	Resume(ctx context.Context, key string, rng Range, tag string) (io.ReadCloser, error)
}

// Tagger is what the readers of a Resumer are.
type Tagger interface {
	// Tag names the object that is read, and changes with its content; "" if the
	// store gave it no name.
	Tag() string
}
