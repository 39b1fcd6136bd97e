package blob

import (
	"context"
	"errors"
)

// Ready is an error when a store does not answer somebody who may only read: it looks for
// an object that nobody writes.
func Ready(ctx context.Context, s Store) error {
	r, err := s.Get(ctx, "ready", Whole)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return r.Close()
}
