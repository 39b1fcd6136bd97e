package envelope

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"log/slog"
	"maps"
	"slices"

	"imago/pkg/account"
	"imago/pkg/resource"
)

// keySize is that of every key: AES-256, and the block of HKDF-SHA256's output.
const keySize = 32

// Keyring holds an account's data keys by version, opened. It is immutable and
// safe for concurrent use. It prints as "sealed".
type Keyring struct {
	account  account.ID
	current  uint32            // seals
	keys     map[uint32][]byte // open
	oldest   uint32            // that opens objects; 0: all of them do
	digest   []byte            // never rotates: digests of one account stay comparable
	wrapping uint64            // how often it was wrapped
	wrapped  []byte
}

// NewKeyring makes the keyring of a new account.
func NewKeyring(ctx context.Context, ks KeyService, id account.ID) (*Keyring, error) {
	if id == "" {
		return nil, fmt.Errorf("new keyring: no account")
	}
	k := &Keyring{account: id, current: 1, keys: map[uint32][]byte{1: randomKey()}, digest: randomKey()}
	return k.wrap(ctx, ks)
}

// OpenKeyring opens a stored keyring, by one call to the key service.
func OpenKeyring(ctx context.Context, ks KeyService, id account.ID, wrapped []byte) (*Keyring, error) {
	k, err := openKeyring(ctx, ks, id, wrapped)
	if err != nil {
		return nil, fmt.Errorf("open keyring of account %s: %w", id, err)
	}
	k.wrapped = slices.Clone(wrapped)
	return k, nil
}

func openKeyring(ctx context.Context, ks KeyService, id account.ID, wrapped []byte) (*Keyring, error) {
	var w wrappedKeyring
	_, err := resource.Canonical(nil, wrapped) // refuses what stands twice, or is no UTF-8
	if err != nil || json.Unmarshal(wrapped, &w) != nil {
		return nil, fmt.Errorf("it is no keyring: %w", ErrNotOpened)
	}
	if w.Format < 1 || w.Format > retiringFormat {
		return nil, fmt.Errorf("%w: format %d, this program reads 1 to %d", ErrFormat, w.Format, retiringFormat)
	}
	if (w.Oldest > 0) != (w.Format == retiringFormat) {
		return nil, fmt.Errorf("it tells of retired keys, or not, against its format: %w", ErrNotOpened)
	}
	if w.Account != id {
		return nil, fmt.Errorf("%w: it belongs to %s", ErrOtherAccount, w.Account)
	}
	plain, err := w.open(ctx, ks)
	if err != nil {
		return nil, err
	}
	k, err := decode(id, plain)
	if err != nil {
		return nil, err
	}
	k.wrapping, k.oldest = w.Wrapping, w.Oldest
	return k, k.seals(w.Current, w.Format)
}

// seals makes current what the stored form says. In format 1 that is always the last
// version, and nothing but that binds what it says.
func (k *Keyring) seals(current uint32, format int) error {
	if format == 1 && current != 0 && current != k.current {
		return fmt.Errorf("it says that it ends at key %d, and ends at %d: %w", current, k.current, ErrNotOpened)
	}
	if format == 1 {
		return nil
	}
	versions := k.Versions()
	if !slices.Contains(versions[max(0, len(versions)-2):], current) {
		return fmt.Errorf("it says that key %d seals, which is neither its last one nor the one before: %w", current, ErrNotOpened)
	}
	if k.oldest > current {
		return fmt.Errorf("it says that key %d seals, and is retired: %w", current, ErrNotOpened)
	}
	k.current = current
	return nil
}

// Prepare gives a keyring that has a new data key, and does not seal under it yet: who
// opens things must have it before, and may keep an older keyring for a while. One that is
// prepared already has no other.
func (k *Keyring) Prepare(ctx context.Context, ks KeyService) (*Keyring, error) {
	next := *k
	if !k.Prepared() {
		next = *k.with()
	}
	return next.wrap(ctx, ks)
}

// Prepared reports whether there is a data key that does not seal yet.
func (k *Keyring) Prepared() bool { return k.last() > k.current }

func (k *Keyring) last() uint32 { return slices.Max(slices.Collect(maps.Keys(k.keys))) }

// with gives a copy that has one more data key.
func (k *Keyring) with() *Keyring {
	next := *k
	next.keys = maps.Clone(k.keys)
	next.keys[k.last()+1] = randomKey()
	return &next
}

// Rotate gives a keyring that seals under the data key that was prepared, or a new one,
// and still opens what the old ones sealed. Digests do not change.
func (k *Keyring) Rotate(ctx context.Context, ks KeyService) (*Keyring, error) {
	next := *k
	if !k.Prepared() {
		next = *k.with()
	}
	next.current = next.last()
	return next.wrap(ctx, ks)
}

// Retire gives a keyring that opens no object which was sealed under an older data key than
// seals now: nothing in the store is, any more. Columns open as before.
func (k *Keyring) Retire(ctx context.Context, ks KeyService) (*Keyring, error) {
	next := *k
	next.oldest = k.current
	return next.wrap(ctx, ks)
}

// Oldest is the least version that opens objects.
func (k *Keyring) Oldest() uint32 { return max(1, k.oldest) }

// Rewrap gives the same keyring wrapped by another key service, or under a newer
// master key of the same one.
func (k *Keyring) Rewrap(ctx context.Context, ks KeyService) (*Keyring, error) {
	next := *k
	return next.wrap(ctx, ks)
}

// wrap gives a keyring that was just made its stored form.
func (k *Keyring) wrap(ctx context.Context, ks KeyService) (_ *Keyring, err error) {
	k.wrapping++
	w := wrappedKeyring{Format: keyringFormat, Account: k.account, Current: k.current, Oldest: k.oldest, Wrapping: k.wrapping, By: ks.Name()}
	if k.oldest > 0 {
		w.Format = retiringFormat
	}
	if err := w.seal(ctx, ks, k.encode()); err != nil {
		return nil, fmt.Errorf("wrap keyring of account %s: %w", k.account, err)
	}
	k.wrapped, err = json.Marshal(w)
	return k, err
}

// encode lays the keys out: the digest key, then each version (4 bytes, big
// endian) and its key, rising. The last one is the current one.
func (k *Keyring) encode() []byte {
	out := slices.Clone(k.digest)
	for _, version := range slices.Sorted(maps.Keys(k.keys)) {
		out = binary.BigEndian.AppendUint32(out, version)
		out = append(out, k.keys[version]...)
	}
	return out
}

func decode(id account.ID, plain []byte) (*Keyring, error) {
	const entry = 4 + keySize
	if len(plain) < keySize+entry || (len(plain)-keySize)%entry != 0 {
		return nil, fmt.Errorf("keyring of %d bytes: %w", len(plain), ErrNotOpened)
	}
	k := &Keyring{account: id, digest: slices.Clone(plain[:keySize]), keys: map[uint32][]byte{}}
	for e := range slices.Chunk(plain[keySize:], entry) {
		version := binary.BigEndian.Uint32(e)
		if version <= k.current {
			return nil, fmt.Errorf("keyring's versions do not rise: %w", ErrNotOpened)
		}
		k.current, k.keys[version] = version, slices.Clone(e[4:])
	}
	return k, nil
}

// Wrapped is the keyring's stored form (JSON): safe to keep beside what it opens. A
// keyring out of an escrow has none.
func (k *Keyring) Wrapped() []byte { return slices.Clone(k.wrapped) }

// Account is whose keyring it is.
func (k *Keyring) Account() account.ID { return k.account }

// Current is the version that seals.
func (k *Keyring) Current() uint32 { return k.current }

// Versions are those that open, rising.
func (k *Keyring) Versions() []uint32 { return slices.Sorted(maps.Keys(k.keys)) }

// String hides the keys.
func (*Keyring) String() string { return "sealed" }

// GoString hides the keys from %#v.
func (*Keyring) GoString() string { return "sealed" }

// LogValue hides the keys from slog.
func (*Keyring) LogValue() slog.Value { return slog.StringValue("sealed") }

// MAC makes the account's keyed hash (HMAC-SHA256) for digests of a purpose. Equal
// content in two accounts looks different, and rotation changes nothing. The hash
// is not for concurrent use; Reset makes it ready for the next message.
//
// Of what is hashed by the million, records of some hundred bytes, BLAKE2b with a key takes
// 1.6 to 1.8 times as long where the processor has instructions for SHA-256, as servers of
// these years have, and less than half as long where it has none.
func (k *Keyring) MAC(purpose string) hash.Hash {
	return hmac.New(sha256.New, must(hkdf.Key(sha256.New, k.digest, nil, info("digest", k.account, purpose), keySize)))
}

// Digest is the keyed hash of some data, each part with its length before it.
func (k *Keyring) Digest(purpose string, data ...[]byte) []byte {
	mac := k.MAC(purpose)
	for _, d := range data {
		// A hash never returns an error (package hash says so).
		must(mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(d)))))
		must(mac.Write(d))
	}
	return mac.Sum(nil)
}

// derive makes the key for one sealed thing out of a data key: by HKDF-SHA256
// (RFC 5869), with a salt of its own, for its purpose, account and name.
func (k *Keyring) derive(version uint32, salt []byte, purpose, name string) ([]byte, error) {
	secret, ok := k.keys[version]
	if !ok {
		return nil, fmt.Errorf("%w: %d, the keyring of account %s ends at %d", ErrNoKey, version, k.account, k.current)
	}
	return hkdf.Key(sha256.New, secret, salt, info(purpose, k.account, name), keySize)
}

// info separates what keys are derived for. Purposes and accounts hold no zero
// byte, and the name comes last: no two places give the same text.
func info(purpose string, id account.ID, name string) string {
	return "imago/1\x00" + purpose + "\x00" + string(id) + "\x00" + name
}

func randomKey() []byte {
	key := make([]byte, keySize)
	must(rand.Read(key)) // never fails (package crypto/rand says so)
	return key
}

// must is for errors that the called package promises never to return; one that
// came all the same would mean that what follows is not secret.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Errorf("envelope: %w", err))
	}
	return v
}
