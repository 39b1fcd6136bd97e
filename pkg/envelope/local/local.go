// Package local keeps master keys and box keys in files of this machine, for
// installations without a key service of their own.
//
// Who reads the key file reads everything: it is mode 0600, refused when looser,
// and belongs into a safe of its own, apart from the bucket's copy.
package local

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/problem"
)

// KeyService is an envelope.KeyService over master keys in a file.
type KeyService struct {
	path string
	keys []masterKey // the last one wraps
}

// masterKey is one AES-256 key of the file.
type masterKey struct {
	Version uint32    `json:"version"`
	Created time.Time `json:"created"`
	Key     []byte    `json:"key"`
}

// file is what stands in the key file.
type file struct {
	Format int         `json:"format"`
	Note   string      `json:"note"`
	Keys   []masterKey `json:"keys"`
}

const (
	fileFormat = 1
	note       = "Imago's master keys. Without this file no backup can be opened: keep a copy in a safe, apart from the bucket."
	keySize    = 32
)

var _ envelope.KeyService = (*KeyService)(nil)

// Create makes a key file with one master key; a problem of kind Conflict when
// there is a file already.
func Create(path string, now time.Time) (*KeyService, error) {
	key, err := newKey(1, now)
	if err != nil {
		return nil, err
	}
	s := &KeyService{path, []masterKey{key}}
	text, err := s.text()
	if err != nil {
		return nil, err
	}
	if err := writeNew(path, text, private); err != nil {
		return nil, err
	}
	return s, nil
}

// Open reads a key file; a problem of kind NotFound when there is none, and of
// kind Denied when others may read it.
func Open(path string) (*KeyService, error) {
	text, err := read(path, private)
	if err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, problem.New(problem.Invalid, "master key file %s is not JSON", path).
			WithHint("bring it back from its copy")
	}
	if f.Format != fileFormat || len(f.Keys) == 0 {
		return nil, problem.New(problem.Invalid, "master key file %s has format %d and %d keys", path, f.Format, len(f.Keys)).
			WithHint("format %d with at least one key is right: bring it back from its copy, or take the version of Imago that wrote it", fileFormat)
	}
	for i, k := range f.Keys {
		if k.Version != uint32(i)+1 || len(k.Key) != keySize {
			return nil, problem.New(problem.Invalid, "master key file %s is damaged at version %d", path, i+1).
				WithHint("bring it back from its copy")
		}
	}
	return &KeyService{path, f.Keys}, nil
}

// Rotate adds a master key, which wraps from now on, and writes the file anew in one
// step; its owner and mode stay, and where the path is a link, the link does. Keyrings move
// to the key by Rewrap. A problem of kind Conflict says that the file holds other keys than
// when it was opened, or that another program rotates it: writing over it would lose keys.
// One of kind Denied says that it cannot be written, or not for its owner. After either,
// nothing has changed.
func (s *KeyService) Rotate(now time.Time) (*KeyService, error) {
	key, err := newKey(uint32(len(s.keys))+1, now)
	if err != nil {
		return nil, err
	}
	next := &KeyService{s.path, append(s.keys[:len(s.keys):len(s.keys)], key)}
	text, err := next.text()
	if err != nil {
		return nil, err
	}
	err = change(s.path, func(file string) error {
		stands, err := Open(file)
		if err != nil {
			return err
		}
		if !slices.EqualFunc(stands.keys, s.keys, masterKey.equal) {
			return otherKeys(s.path)
		}
		return replace(file, text)
	})
	if err != nil {
		return nil, err
	}
	return next, nil
}

// otherKeys refuses to write over keys that somebody else adds.
func otherKeys(path string) error {
	return problem.New(problem.Conflict, "master key file %s was changed by another program since it was opened", path).
		WithHint("nothing was changed here; look at the file, and rotate again if that is still wanted")
}

func (k masterKey) equal(o masterKey) bool {
	return k.Version == o.Version && subtle.ConstantTimeCompare(k.Key, o.Key) == 1
}

func (s *KeyService) text() ([]byte, error) {
	text, err := json.MarshalIndent(file{fileFormat, note, s.keys}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("master key file %s: %w", s.path, err)
	}
	return append(text, '\n'), nil
}

func newKey(version uint32, now time.Time) (masterKey, error) {
	key := make([]byte, keySize)
	if _, err := rand.Read(key); err != nil {
		return masterKey{}, fmt.Errorf("new master key: %w", err)
	}
	return masterKey{version, now.UTC().Truncate(time.Second), key}, nil
}

// Version is the master key that wraps.
func (s *KeyService) Version() uint32 { return s.keys[len(s.keys)-1].Version }

// Name is "local", the first eight bytes of a hash of the file's first key (HMAC-SHA256,
// hex), which are the same wherever the file lies, and the version that wraps.
func (s *KeyService) Name() string {
	mac := hmac.New(sha256.New, s.keys[0].Key)
	if _, err := mac.Write([]byte("imago/1/master key name")); err != nil {
		panic(fmt.Errorf("a hash never fails: %w", err))
	}
	return fmt.Sprintf("local %x %d", mac.Sum(nil)[:8], s.Version())
}

// Wrap seals under the newest key: its version (4 bytes, big endian), a random
// nonce (12 bytes), AES-256-GCM text and tag, with the account as associated data.
func (s *KeyService) Wrap(ctx context.Context, id account.ID, plaintext []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	if len(plaintext) > envelope.MaxWrap {
		return nil, fmt.Errorf("wrap %d bytes: at most %d", len(plaintext), envelope.MaxWrap)
	}
	key := s.keys[len(s.keys)-1]
	aead, err := key.aead()
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint32(nil, key.Version)
	return append(out, aead.Seal(nil, nil, plaintext, associated(id))...), nil
}

// Unwrap opens what Wrap sealed for the account. What names a master key that the file
// does not have is ErrNoKey, and ErrNotOpened, too: it may be altered.
func (s *KeyService) Unwrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("unwrap: %w", err)
	}
	if len(wrapped) < 4 {
		return nil, fmt.Errorf("unwrap: %w", envelope.ErrNotOpened)
	}
	version := binary.BigEndian.Uint32(wrapped)
	if version == 0 || int64(version) > int64(len(s.keys)) {
		return nil, fmt.Errorf("unwrap: master key %d is not in %s: %w: %w", version, s.path, envelope.ErrNoKey, envelope.ErrNotOpened)
	}
	aead, err := s.keys[version-1].aead()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, wrapped[4:], associated(id))
	if err != nil {
		return nil, fmt.Errorf("unwrap for account %s by master key %d of %s: %w", id, version, s.path, envelope.ErrNotOpened)
	}
	return plain, nil
}

func associated(id account.ID) []byte { return []byte("imago/1/wrap\x00" + string(id)) }

// aead draws its own nonces and puts them before the text.
func (k masterKey) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.Key)
	if err != nil {
		return nil, fmt.Errorf("master key %d: %w", k.Version, err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// String hides the keys and names the file.
func (s *KeyService) String() string { return "master keys in " + s.path }

// GoString hides the keys from %#v.
func (s *KeyService) GoString() string { return s.String() }

// LogValue hides the keys from slog.
func (s *KeyService) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Exists reports whether there is something at a path, so that a program can
// choose between Create and Open.
func Exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", path, err)
	}
	return true, nil
}
