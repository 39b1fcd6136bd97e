package blob

import (
	"fmt"
	"time"
)

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
