package blob

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Mode is who may lift a lock, in S3's words.
type Mode string

// The modes.
const (
	Governance Mode = "GOVERNANCE" // whom the bucket's owner lets
	Compliance Mode = "COMPLIANCE" // nobody
)

// Retention is how an object is locked: nobody deletes it before Until.
type Retention struct {
	Mode  Mode      // "": Governance
	Until time.Time // in the store's clock; at a second's precision
}

// Locker is a Store that can lock what it writes; Capabilities.ObjectLock says whether
// this one does.
type Locker interface {
	// PutLocked writes an object as Put does, locked from the start.
	PutLocked(ctx context.Context, key string, r io.Reader, size int64, lock Retention) error
}

// LockedError is an ErrLocked that knows until when.
type LockedError struct {
	Until time.Time // zero: the store does not say
	Err   error     // what the store said
}

// Error tells until when the object is locked.
func (e *LockedError) Error() string {
	if e.Until.IsZero() {
		return fmt.Sprintf("%v: %v", ErrLocked, e.Err)
	}
	return fmt.Sprintf("%v until %s", ErrLocked, e.Until.UTC().Format(time.RFC3339))
}

// Is makes it an ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Unwrap gives the store's own words.
func (e *LockedError) Unwrap() error { return e.Err }
