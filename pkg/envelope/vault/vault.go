// Package vault wraps by a key of the transit secrets engine of HashiCorp Vault or
// OpenBao, which never leaves it.
//
// The account is the associated data, so the key must be of a type that has such:
// aes256-gcm96 or chacha20-poly1305. A rotation of the key in Vault is followed by the
// next wrap.
package vault

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/problem"
)

// KeyService is an envelope.KeyService over one key of Vault. It is safe for
// concurrent use.
type KeyService struct {
	client *client
	mount  string
	key    string
}

var _ envelope.KeyService = (*KeyService)(nil)

// Options of New. Zero values are right but for Auth.
type Options struct {
	Mount     string // of the transit engine; "": transit
	Namespace string // of Vault Enterprise, HCP and OpenBao; "": the root
	CA        string // PEM file of who signs the server's certificate; "": the machine's
	Auth      Auth

	MaxAttempts int              // of one request; zero: 4
	MaxBackoff  time.Duration    // between attempts; zero: 2 seconds
	Timeout     time.Duration    // of one attempt; zero: 5 seconds
	Now         func() time.Time // nil: time.Now
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$`)

// namespaces are parts of printable ASCII without spaces: they go into a header, and
// into the name, which has no quotes.
var namespaces = regexp.MustCompile(`^[!#-.0-~]+(/[!#-.0-~]+)*$`)

// New makes the key service of a key of the transit engine at an address, such as
// https://vault.example.com:8200. It does not call Vault.
func New(address, key string, o Options) (*KeyService, error) {
	mount := strings.Trim(cmp.Or(o.Mount, "transit"), "/")
	if !names.MatchString(key) || strings.Contains(key, "/") {
		return nil, problem.InField("key", "%q is not the name of a transit key", key)
	}
	if !names.MatchString(mount) {
		return nil, problem.InField("mount", "%q is not where an engine is mounted", o.Mount)
	}
	o.Namespace = strings.Trim(o.Namespace, "/")
	if o.Namespace != "" && !namespaces.MatchString(o.Namespace) {
		return nil, problem.InField("namespace", "%q is not the name of a namespace", o.Namespace)
	}
	c, err := newClient(address, o)
	if err != nil {
		return nil, err
	}
	return &KeyService{c, mount, key}, nil
}

// Name is "vault", and where the key stands: the address's host, namespace, mount and key.
// It changes with the address; what was wrapped opens all the same, since a keyring is
// bound to the name that stands in it, and not to ours. Keyrings of before the name had a
// host open, too.
func (s *KeyService) Name() string {
	place := strings.TrimLeft(s.client.namespace+"/"+s.mount+"/"+s.key, "/")
	return "vault " + s.client.host + "/" + place
}

// String names the key.
func (s *KeyService) String() string { return s.Name() }

// associated binds to the account.
func associated(id account.ID) []byte { return []byte("imago/1/wrap\x00" + string(id)) }

// What is wrapped is the SHA-256 of the associated data and the secret: a server that is
// too old to know associated data leaves them out without a word.
func bound(id account.ID, plaintext []byte) []byte {
	sum := sha256.Sum256(associated(id))
	return append(sum[:], plaintext...)
}

// message is what the engine's encrypt and decrypt take and give; bytes are base64.
type message struct {
	Plaintext  []byte `json:"plaintext,omitempty"`
	Ciphertext string `json:"ciphertext,omitempty"`
	Associated []byte `json:"associated_data,omitempty"`
}

// Wrap encrypts under the newest version of the key. What comes of it is the version
// (4 bytes, big endian) and the bytes that Vault writes after "vault:v…:" in base64.
func (s *KeyService) Wrap(ctx context.Context, id account.ID, plaintext []byte) ([]byte, error) {
	if len(plaintext) > envelope.MaxWrap {
		return nil, fmt.Errorf("wrap %d bytes: at most %d", len(plaintext), envelope.MaxWrap)
	}
	var out message
	in := message{Plaintext: bound(id, plaintext), Associated: associated(id)}
	if err := s.client.ask(ctx, s.mount+"/encrypt/"+s.key, in, &out); err != nil {
		return nil, fmt.Errorf("%s: wrap: %w", s.Name(), err)
	}
	wrapped, err := parse(out.Ciphertext)
	if err != nil {
		return nil, fmt.Errorf("%s: wrap: %w", s.Name(), err)
	}
	return wrapped, nil
}

// parse reads "vault:v<version>:<base64>" strictly: there are other forms that mean the
// same, and of what Unwrap asks for there must be one.
func parse(ciphertext string) ([]byte, error) {
	rest, ours := strings.CutPrefix(ciphertext, "vault:v")
	number, encoded, two := strings.Cut(rest, ":")
	version, err := strconv.ParseUint(number, 10, 32)
	raw, wrong := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ours || !two || err != nil || wrong != nil || version == 0 || strconv.FormatUint(version, 10) != number ||
		len(raw) == 0 || strings.ContainsAny(encoded, "\r\n") {
		return nil, fmt.Errorf("Vault answered with no ciphertext: check the address, and proxies on the way: %w", envelope.ErrUnavailable)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(version)), raw...), nil
}

// Unwrap decrypts what any version of the key has encrypted for the account.
func (s *KeyService) Unwrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error) {
	if len(wrapped) <= 4 || binary.BigEndian.Uint32(wrapped) == 0 {
		return nil, fmt.Errorf("%s: unwrap: it was not wrapped by Vault: %w", s.Name(), envelope.ErrNotOpened)
	}
	in := message{
		Ciphertext: fmt.Sprintf("vault:v%d:%s", binary.BigEndian.Uint32(wrapped), base64.StdEncoding.EncodeToString(wrapped[4:])),
		Associated: associated(id),
	}
	var out message
	if err := s.client.ask(ctx, s.mount+"/decrypt/"+s.key, in, &out); err != nil {
		return nil, fmt.Errorf("%s: unwrap: %w", s.Name(), err)
	}
	if len(out.Plaintext) == 0 {
		return nil, fmt.Errorf("%s: unwrap: Vault answered with nothing: check the address, and proxies on the way: %w", s.Name(), envelope.ErrUnavailable)
	}
	plain, ok := bytes.CutPrefix(out.Plaintext, bound(id, nil))
	if !ok {
		return nil, fmt.Errorf("%s: unwrap: it was not wrapped for account %s: %w", s.Name(), id, envelope.ErrNotOpened)
	}
	return plain, nil
}
