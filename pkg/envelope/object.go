package envelope

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// A sealed object is a header and chunks:
//
//	6  "imago" and the format, 1
//	4  version of the data key, big endian
//	32 salt
//	…  chunks: 4 bytes of length, big endian, then AES-256-GCM text and tag
//
// Its key is derived from the data key with the salt, for the purpose, account
// and name of the object, and seals nothing else. A chunk's nonce is seven zero
// bytes, its number (4 bytes, big endian), and 1 for the last chunk, else 0: so
// chunks cannot be moved, left out or cut off (the STREAM construction of Hoang,
// Reyhanitabar, Rogaway and Vizár, 2015).
const (
	magic      = "imago\x01"
	saltSize   = 32
	headerSize = HeadSize
	tagSize    = 16
	lengthSize = LengthSize
)

// HeadSize is how many bytes stand before an object's first chunk: what NewOpener needs.
const HeadSize = len(magic) + 4 + saltSize

// LengthSize is how many bytes tell a chunk's length, before it.
const LengthSize = 4

// MaxChunk is the longest chunk in bytes, before sealing.
const MaxChunk = 32 << 20

// Sealer seals one object, chunk by chunk.
type Sealer struct {
	aead   cipher.AEAD
	number uint32
	ended  bool
	out    []byte
}

// NewSealer begins an object: purpose says what it is, name where it belongs.
func (k *Keyring) NewSealer(purpose, name string) (*Sealer, error) {
	salt := make([]byte, saltSize)
	must(rand.Read(salt))
	return k.sealer(purpose, name, salt)
}

// NewResealer begins an object that is sealed anew: whoever does it makes the same bytes.
// digest is that of what is sealed. The salt, and so the object's key, is derived from it
// with purpose, name and version: a key seals nothing else, as if the salt were random.
func (k *Keyring) NewResealer(purpose, name string, digest [sha256.Size]byte) (*Sealer, error) {
	version := binary.BigEndian.AppendUint32(nil, k.current)
	return k.sealer(purpose, name, k.Digest("salt", []byte(purpose), []byte(name), version, digest[:]))
}

// ObjectVersion is the data key that an object was sealed under, by its first bytes.
func ObjectVersion(head []byte) (uint32, error) {
	if len(head) < len(magic)+4 || string(head[:len(magic)]) != magic {
		return 0, errNoObject
	}
	return binary.BigEndian.Uint32(head[len(magic):]), nil
}

func (k *Keyring) sealer(purpose, name string, salt []byte) (*Sealer, error) {
	aead, err := k.aead(k.current, salt, purpose, name)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", name, err)
	}
	out := binary.BigEndian.AppendUint32([]byte(magic), k.current)
	return &Sealer{aead: aead, out: append(out, salt...)}, nil
}

// Chunk seals the next chunk; last is true for the last one.
func (s *Sealer) Chunk(plaintext []byte, last bool) error {
	if s.ended {
		return errors.New("seal: a chunk after the last one")
	}
	if len(plaintext) > MaxChunk {
		return fmt.Errorf("seal: chunk of %d bytes: at most %d", len(plaintext), MaxChunk)
	}
	s.out = binary.BigEndian.AppendUint32(s.out, uint32(len(plaintext)+tagSize))
	s.out = s.aead.Seal(s.out, nonce(s.number, last), plaintext, nil)
	s.number, s.ended = s.number+1, last
	return nil
}

// Len is the object's size so far, in bytes.
func (s *Sealer) Len() int { return len(s.out) }

// Bytes is the sealed object, once its last chunk is there.
func (s *Sealer) Bytes() ([]byte, error) {
	if !s.ended {
		return nil, errors.New("seal: no last chunk")
	}
	return s.out, nil
}

var errNoObject = fmt.Errorf("it is no sealed object: %w", ErrNotOpened)

// Opener opens one object, chunk by chunk, in any order. Its errors do not name the object:
// who reads it knows where it lies.
type Opener struct{ aead cipher.AEAD }

// NewOpener begins with the first HeaderSize bytes of an object, or more of it.
func (k *Keyring) NewOpener(purpose, name string, head []byte) (*Opener, error) {
	version, err := ObjectVersion(head)
	if err == nil && len(head) < headerSize {
		err = errNoObject
	}
	if err != nil {
		return nil, err
	}
	if version < k.oldest {
		return nil, fmt.Errorf("%w: %d, the keyring of account %s begins at %d", ErrRetired, version, k.account, k.oldest)
	}
	aead, err := k.aead(version, head[headerSize-saltSize:headerSize], purpose, name)
	if err != nil {
		return nil, err
	}
	return &Opener{aead}, nil
}

// Chunk opens chunk number i, counted from 0.
func (o *Opener) Chunk(i int, last bool, sealed []byte) ([]byte, error) {
	plain, err := o.aead.Open(nil, nonce(uint32(i), last), sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("chunk %d %w", i, ErrNotOpened)
	}
	return plain, nil
}

// Span is where a chunk's sealed bytes lie in an object.
type Span struct{ Offset, Length int64 }

// Chunks finds the chunks of a whole object.
func Chunks(object []byte) ([]Span, error) {
	if len(object) < headerSize {
		return nil, errNoObject
	}
	var out []Span
	for at := headerSize; at < len(object); {
		if len(object)-at < lengthSize {
			return nil, fmt.Errorf("chunk %d has no length: %w", len(out), ErrNotOpened)
		}
		length := int(binary.BigEndian.Uint32(object[at:]))
		if at += lengthSize; length < tagSize || length > MaxChunk+tagSize || length > len(object)-at {
			return nil, fmt.Errorf("chunk %d has a wrong length: %w", len(out), ErrNotOpened)
		}
		out = append(out, Span{int64(at), int64(length)})
		at += length
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no chunks: %w", ErrNotOpened)
	}
	return out, nil
}

// SealObject seals a small object in one chunk.
func (k *Keyring) SealObject(purpose, name string, plaintext []byte) ([]byte, error) {
	s, err := k.NewSealer(purpose, name)
	if err != nil {
		return nil, err
	}
	if err := s.Chunk(plaintext, true); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s.Bytes()
}

// OpenObject opens what SealObject sealed, and refuses an object of several chunks.
func (k *Keyring) OpenObject(purpose, name string, object []byte) ([]byte, error) {
	o, err := k.NewOpener(purpose, name, object)
	if err != nil {
		return nil, err
	}
	spans, err := Chunks(object)
	if err != nil {
		return nil, err
	}
	if len(spans) != 1 {
		return nil, fmt.Errorf("it has %d chunks, not one: %w", len(spans), ErrNotOpened)
	}
	return o.Chunk(0, true, object[spans[0].Offset:])
}

func (k *Keyring) aead(version uint32, salt []byte, purpose, name string) (cipher.AEAD, error) {
	key, err := k.derive(version, salt, purpose, name)
	if err != nil {
		return nil, err
	}
	return gcm(key)
}

func nonce(number uint32, last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint32(n[7:], number)
	if last {
		n[11] = 1
	}
	return n
}
