package envelope

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
)

// A box is sealed by who cannot open it: the api seals credentials to the
// workers' public key. It is HPKE (RFC 9180), base mode, DHKEM(X25519,
// HKDF-SHA256), HKDF-SHA256, AES-256-GCM. A sealed box is 1 (the format), the
// first 8 bytes of the SHA-256 of the public key, the encapsulated key (32 bytes)
// and the text.
const (
	boxFormat     = 1
	boxID         = 8
	encapsulated  = 32
	boxHead       = 1 + boxID + encapsulated
	boxInfo       = "imago/1/box"
	publicPrefix  = "imago-box-public-1:"
	privatePrefix = "imago-box-private-1:"
)

// PublicKey seals boxes.
type PublicKey struct{ key hpke.PublicKey }

// PrivateKey opens boxes. It prints as "sealed".
type PrivateKey struct{ key hpke.PrivateKey }

func kem() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }

// NewBoxKey makes a key pair.
func NewBoxKey() (*PrivateKey, error) {
	key, err := kem().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("new box key: %w", err)
	}
	return &PrivateKey{key}, nil
}

// PublicKey is the half that seals.
func (k *PrivateKey) PublicKey() *PublicKey { return &PublicKey{k.key.PublicKey()} }

// Seal seals to the key. Opening needs the same aad, which says whose and what
// the content is.
func (k *PublicKey) Seal(aad, plaintext []byte) ([]byte, error) {
	enc, sender, err := hpke.NewSender(k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(boxInfo))
	if err != nil {
		return nil, fmt.Errorf("seal box: %w", err)
	}
	text, err := sender.Seal(aad, plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal box: %w", err)
	}
	id := k.id()
	out := append([]byte{boxFormat}, id[:]...)
	return append(append(out, enc...), text...), nil
}

// Open opens a box that was sealed to the key's public half with the same aad.
func (k *PrivateKey) Open(aad, box []byte) ([]byte, error) {
	if len(box) < boxHead+tagSize || box[0] != boxFormat {
		return nil, fmt.Errorf("open box: not a sealed box: %w", ErrNotOpened)
	}
	if id := k.PublicKey().id(); string(box[1:1+boxID]) != string(id[:]) {
		return nil, fmt.Errorf("open box: sealed to key %x, this is %x: %w", box[1:1+boxID], id, ErrNoKey)
	}
	r, err := hpke.NewRecipient(box[1+boxID:boxHead], k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(boxInfo))
	if err != nil {
		return nil, fmt.Errorf("open box: %w", ErrNotOpened)
	}
	plain, err := r.Open(aad, box[boxHead:])
	if err != nil {
		return nil, fmt.Errorf("open box: %w", ErrNotOpened)
	}
	return plain, nil
}

func (k *PublicKey) id() (id [boxID]byte) {
	sum := sha256.Sum256(k.key.Bytes())
	copy(id[:], sum[:])
	return id
}

// String is the key in text form, as ParsePublicKey reads it.
func (k *PublicKey) String() string {
	return publicPrefix + base64.StdEncoding.EncodeToString(k.key.Bytes())
}

// ParsePublicKey reads a public key's text form.
func ParsePublicKey(text string) (*PublicKey, error) {
	raw, err := parseKey(text, publicPrefix)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	key, err := kem().NewPublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return &PublicKey{key}, nil
}

// Text is the private key in text form: a secret.
func (k *PrivateKey) Text() (string, error) {
	raw, err := k.key.Bytes()
	if err != nil {
		return "", fmt.Errorf("private key: %w", err)
	}
	return privatePrefix + base64.StdEncoding.EncodeToString(raw), nil
}

// ParsePrivateKey reads a private key's text form. Errors do not show it.
func ParsePrivateKey(text string) (*PrivateKey, error) {
	raw, err := parseKey(text, privatePrefix)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	key, err := kem().NewPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("private key: not a key of X25519")
	}
	return &PrivateKey{key}, nil
}

func parseKey(text, prefix string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	if !ok {
		return nil, fmt.Errorf("must begin with %s", prefix)
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != keySize {
		return nil, fmt.Errorf("must be %d bytes in base64 after %s", keySize, prefix)
	}
	return raw, nil
}

// String hides the key.
func (*PrivateKey) String() string { return "sealed" }

// GoString hides the key from %#v.
func (*PrivateKey) GoString() string { return "sealed" }

// LogValue hides the key from slog.
func (*PrivateKey) LogValue() slog.Value { return slog.StringValue("sealed") }
