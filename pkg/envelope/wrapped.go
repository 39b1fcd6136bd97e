package envelope

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"

	"imago/pkg/account"
)

// A keyring is stored as JSON, whose keys alone are secret:
//
//	{"format": 2, "account": "…", "current": 3, "wrapping": 5, "by": "local 8d3f…",
//	 "key": "…", "keys": "…"}
//
// "key" (base64) is what the key service made of 32 random bytes, which are drawn for
// this wrapping and bound to the account. They are the AES-256-GCM key of "keys"
// (base64: text and tag), under a nonce of twelve zero bytes, since it seals nothing
// else; the associated data is the text
//
//	imago/2/keyring NUL account NUL current NUL wrapping NUL by
//
// with numbers in decimal, so that nothing that stands in clear can be altered. The
// text is the digest key (32 bytes), then each data key's version (4 bytes, big endian)
// and the key (32 bytes), rising. "current" is the version that seals: the last one, or the
// one before it while every program gets to know the last one. So a keyring has room for any
// number of versions, however little a key service wraps at once.
//
// "wrapping" rises by one with each wrapping, so that of two copies the older one can
// be told; "by" names the master key.
//
// Format 3 is that of a keyring of which data keys are retired: "oldest" is the least
// version that opens objects, and the associated data begins with imago/3/keyring and ends
// with a NUL and that number.
//
// Format 1, of before, has no "wrapping", "by" and "key": "keys" is what the key service
// made of the same text, and the last version is "current". It opens, and is written anew by the next rotation or re-wrap.
const (
	keyringFormat  = 2
	retiringFormat = 3
)

// wrappedKeyring is the stored form.
type wrappedKeyring struct {
	Format   int        `json:"format"`
	Account  account.ID `json:"account"`
	Current  uint32     `json:"current,omitempty"` // the first keyrings have none
	Oldest   uint32     `json:"oldest,omitempty"`
	Wrapping uint64     `json:"wrapping,omitempty"`
	By       string     `json:"by,omitempty"`
	Key      []byte     `json:"key,omitempty"`
	Keys     []byte     `json:"keys"`
}

// seal fills in the keys, by one call to the key service.
func (w *wrappedKeyring) seal(ctx context.Context, ks KeyService, plain []byte) (err error) {
	key := randomKey()
	if w.Key, err = ks.Wrap(ctx, w.Account, key); err != nil {
		return err
	}
	aead, err := gcm(key)
	if err != nil {
		return err
	}
	w.Keys = aead.Seal(nil, nonce(0, false), plain, w.associated())
	return nil
}

// open gives the text of the keys, by one call to the key service.
func (w *wrappedKeyring) open(ctx context.Context, ks KeyService) ([]byte, error) {
	if w.Format == 1 {
		return ks.Unwrap(ctx, w.Account, w.Keys)
	}
	key, err := w.unwrap(ctx, ks)
	if err != nil {
		return nil, fmt.Errorf("it was wrapped by %s: %w", w.By, err)
	}
	aead, err := gcm(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrNotOpened)
	}
	plain, err := aead.Open(nil, nonce(0, false), w.Keys, w.associated())
	if err != nil {
		return nil, fmt.Errorf("it was altered, or put together of two: %w", ErrNotOpened)
	}
	return plain, nil
}

// unwrap asks first who says to have wrapped it. Who altered that changes the order alone.
func (w *wrappedKeyring) unwrap(ctx context.Context, ks KeyService) ([]byte, error) {
	if m, ok := ks.(Moving); ok {
		return m.unwrap(ctx, w.By, w.Account, w.Key)
	}
	return ks.Unwrap(ctx, w.Account, w.Key)
}

func (w *wrappedKeyring) associated() []byte {
	out := fmt.Appendf(nil, "imago/%d/keyring\x00%s\x00%d\x00%d\x00%s", w.Format, w.Account, w.Current, w.Wrapping, w.By)
	if w.Format == retiringFormat {
		out = fmt.Appendf(out, "\x00%d", w.Oldest)
	}
	return out
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Wrapping is what a stored keyring says of itself to who cannot open it. The zero
// value is what is no keyring; those of before say less.
type Wrapping struct {
	Version uint32 // of the data key that seals
	Number  uint64 // how often it was wrapped
	By      string // the master key's name
	Oldest  uint32 // the least version that opens objects; 0: all of them do
}

// WrappingOf reads it.
func WrappingOf(wrapped []byte) Wrapping {
	var w wrappedKeyring
	if json.Unmarshal(wrapped, &w) != nil {
		return Wrapping{}
	}
	return Wrapping{w.Current, w.Wrapping, w.By, w.Oldest}
}

// Before reports whether another keyring of the same account was wrapped later: one
// that it must not replace.
func (w Wrapping) Before(o Wrapping) bool {
	return w.Version < o.Version || w.Version == o.Version && w.Number < o.Number
}

// WrappedVersion is the version that a stored keyring seals under, as it says of
// itself to who cannot open it; 0 when it does not say.
func WrappedVersion(wrapped []byte) uint32 { return WrappingOf(wrapped).Version }
