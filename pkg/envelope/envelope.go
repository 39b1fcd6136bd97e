// Package envelope seals what Imago keeps, and is the door to the services that
// hold master keys.
//
// A master key wraps an account's keyring; the keyring's data keys seal objects
// and columns. Each rotates without the other: the master key by wrapping the
// keyring anew, the data key by adding a version to the keyring. Every key is
// bound to its account, every sealed thing to its place.
package envelope

import (
	"context"
	"errors"

	"imago/pkg/account"
)

// Errors that callers branch on.
var (
	// ErrNotOpened: the key is not the one, the place is not the one, or the
	// bytes were changed. Which of them, a sealed thing cannot tell.
	ErrNotOpened = errors.New("does not open")
	// ErrNoKey: sealed under a key version that the keyring does not hold.
	ErrNoKey = errors.New("no such key version")
	// ErrOtherAccount: a keyring of another account than was asked for.
	ErrOtherAccount = errors.New("another account's keyring")
)

// KeyService wraps small secrets under a master key that never leaves it. Every
// implementation passes envelopetest.
type KeyService interface {
	// Wrap seals at most 4,096 bytes under the newest master key. The result
	// MUST be bound to the account.
	Wrap(ctx context.Context, id account.ID, plaintext []byte) ([]byte, error)
	// Unwrap opens what Wrap made under this or an older master key. It MUST
	// answer ErrNotOpened for another account, and for altered bytes.
	Unwrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error)
}

// MaxWrap is the most that a key service wraps, in bytes; AWS KMS sets it.
const MaxWrap = 4096
