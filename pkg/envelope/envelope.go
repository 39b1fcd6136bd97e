// Package envelope seals what Imago keeps, and is the door to the services that
// hold master keys.
//
// A master key wraps an account's keyring; the keyring's data keys seal objects
// and columns. Each rotates without the other: the master key by wrapping the
// keyring anew, the data key by adding a version to the keyring. Every key is
// bound to its account, every sealed thing to its place.
package envelope

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"imago/pkg/account"
)

// Errors that callers branch on.
var (
	// ErrNotOpened: the key is not the one, the place is not the one, or the
	// bytes were changed. Which of them, a sealed thing cannot tell.
	ErrNotOpened = errors.New("does not open")
	// ErrNoKey: sealed under a key version that the keyring does not hold.
	ErrNoKey = errors.New("no such key version")
	// ErrRetired: an object sealed under a key version that no object is sealed under any
	// more: somebody else made it, or it is an old copy.
	ErrRetired = errors.New("data key is retired")
	// ErrFormat: written by a newer version, which opens it.
	ErrFormat = errors.New("in another version")
	// ErrOtherAccount: a keyring of another account than was asked for.
	ErrOtherAccount = errors.New("another account's keyring")
	// ErrUnavailable: the key service did not answer as it should, within the few
	// attempts that one call makes. It may, a little later.
	ErrUnavailable = errors.New("the key service does not answer")
	// ErrRefused: the key service answered that it will not: its operator has to act.
	ErrRefused = errors.New("the key service refuses")
)

// KeyService wraps small secrets under a master key that never leaves it. Every
// implementation passes envelopetest; one on the other side of a network passes its
// remote part, too. Errors say what happened and the way out, for who runs the
// installation, and MUST NOT show what was to be wrapped.
type KeyService interface {
	// Name tells the master key from others, in clear: it stays beside what the key
	// wrapped, and is the same in every program that has the key.
	Name() string
	// Wrap seals at most 4,096 bytes under the newest master key. The result
	// MUST be bound to the account.
	Wrap(ctx context.Context, id account.ID, plaintext []byte) ([]byte, error)
	// Unwrap opens what Wrap made under this or an older master key. It MUST
	// answer ErrNotOpened for another account, and for altered bytes.
	Unwrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error)
}

// MaxWrap is the most that a key service wraps, in bytes; AWS KMS sets it.
const MaxWrap = 4096

// Check proves that a key service works, by a wrap and an unwrap of a random secret
// for an account that is nobody's.
func Check(ctx context.Context, ks KeyService) error {
	const nobody account.ID = "check"
	secret := randomKey()
	wrapped, err := ks.Wrap(ctx, nobody, secret)
	if err != nil {
		return fmt.Errorf("wrap a random secret: %w", err)
	}
	got, err := ks.Unwrap(ctx, nobody, wrapped)
	if err != nil {
		return fmt.Errorf("unwrap what was just wrapped: %w", err)
	}
	if !bytes.Equal(got, secret) {
		return fmt.Errorf("%s unwraps something else than it has just wrapped: %w", ks.Name(), ErrRefused)
	}
	return nil
}

// Moving wraps by one key service, and opens what that one or others wrapped: for as
// long as keyrings move to it. Several are asked in turn, of a keyring that says who wrapped
// it first that one: one that does not answer keeps up only what needs it.
type Moving struct {
	To   KeyService
	From []KeyService
}

// Name is that of the service that wraps.
func (m Moving) Name() string { return m.To.Name() }

// Wrap wraps by the service to which keyrings move.
func (m Moving) Wrap(ctx context.Context, id account.ID, plaintext []byte) ([]byte, error) {
	return m.To.Wrap(ctx, id, plaintext)
}

// Unwrap asks each service until one opens it. Where none does, the error tells what each
// of them said; as long as one of them could not be asked, it is no ErrNotOpened.
func (m Moving) Unwrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error) {
	return m.unwrap(ctx, m.To.Name(), id, wrapped)
}

// unwrap asks the service of a name first.
func (m Moving) unwrap(ctx context.Context, by string, id account.ID, wrapped []byte) ([]byte, error) {
	var unable, others error
	for _, ks := range m.beginning(by) {
		plain, err := ks.Unwrap(ctx, id, wrapped)
		if err == nil || ctx.Err() != nil {
			return plain, err
		}
		if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRefused) {
			unable = errors.Join(unable, err)
		} else {
			others = errors.Join(others, err)
		}
	}
	if unable != nil && others != nil {
		return nil, fmt.Errorf("%w\n%v", unable, others) //nolint:errorlint // the others decide nothing
	}
	return nil, errors.Join(unable, others)
}

// beginning gives all services, those of a name before the others.
func (m Moving) beginning(by string) []KeyService {
	all := append([]KeyService{m.To}, m.From...)
	slices.SortStableFunc(all, func(a, b KeyService) int {
		return cmp.Compare(alike(b.Name(), by), alike(a.Name(), by))
	})
	return all
}

// alike is how much two names have in common: those of a file's master keys differ in the
// number at their end alone, and one file has them all.
func alike(name, by string) int {
	n := 0
	for n < len(name) && n < len(by) && name[n] == by[n] {
		n++
	}
	return n
}
