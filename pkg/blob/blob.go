// Package blob is the door to object storage. Every implementation passes blobtest.
package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors that callers branch on; implementations wrap them.
var (
	ErrExists   = errors.New("object exists")
	ErrNotFound = errors.New("object not found")
	ErrLonger   = errors.New("object is longer") // than its reader was told to take
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
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error
	// Capabilities says what the store was found to do.
	Capabilities() Capabilities
}

// Capabilities are abilities that stores differ in, probed or configured.
type Capabilities struct {
	ConditionalPut       bool // refuses to overwrite by itself, races included
	ServerSideEncryption bool // echoed by the store, not only asked for
}
