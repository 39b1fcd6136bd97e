package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"imago/pkg/account"
	"imago/pkg/problem"
)

// An escrow is the account's opened keyring, sealed to a key of the customer's own, so
// that their backups open without us and without our master key. It is an age file
// (age-encryption.org/v1, armored) to one recipient, whose content is JSON:
//
//	{"format": 1, "what": "imago keyring", "account": "…",
//	 "digest": "<base64>", "keys": [{"version": 1, "key": "<base64>"}, …]}
//
// "digest" is the digest key, "keys" are the data keys, rising, each of 32 bytes; the last
// one seals. What is sealed after a rotation does not open with an older escrow.
type escrow struct {
	Format  int         `json:"format"`
	What    string      `json:"what"`
	Account account.ID  `json:"account"`
	Digest  []byte      `json:"digest"`
	Keys    []escrowKey `json:"keys"`
}

type escrowKey struct {
	Version uint32 `json:"version"`
	Key     []byte `json:"key"`
}

const (
	escrowFormat = 1
	escrowWhat   = "imago keyring"
	maxEscrow    = 1 << 20 // bytes of an escrow: far above ten thousand keys
)

// Recipient is an age public key to which a keyring can be sealed.
type Recipient struct {
	text string
	key  age.Recipient
}

// ParseRecipient reads an age recipient: age1…, of X25519, or the post-quantum age1pq1….
func ParseRecipient(text string) (Recipient, error) {
	text = strings.TrimSpace(text)
	var key age.Recipient
	var err error
	if strings.HasPrefix(text, "age1pq1") {
		key, err = age.ParseHybridRecipient(text)
	} else {
		key, err = age.ParseX25519Recipient(text)
	}
	if err != nil {
		why := "is not an age recipient"
		if strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") {
			why = "is an age identity, which is the secret half: never give it to anybody, and make a new one"
			text = "that"
		}
		return Recipient{}, problem.InField("recipient", "%.80s %s", text, why).WithHint("write the public key that age-keygen prints, age1…")
	}
	return Recipient{text, key}, nil
}

// String is the recipient's text.
func (r Recipient) String() string { return r.text }

// Escrow seals the opened keyring to a recipient, but for keys that are retired.
func (k *Keyring) Escrow(r Recipient) ([]byte, error) {
	e := escrow{escrowFormat, escrowWhat, k.account, k.digest, nil}
	for _, version := range k.Versions() {
		if version < k.oldest {
			continue // it opens nothing
		}
		e.Keys = append(e.Keys, escrowKey{version, k.keys[version]})
	}
	plain, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("escrow of account %s: %w", k.account, err)
	}
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, r.key)
	if err != nil {
		return nil, fmt.Errorf("escrow of account %s: %w", k.account, err)
	}
	_, err = w.Write(plain)
	if err := errors.Join(err, w.Close(), text.Close()); err != nil {
		return nil, fmt.Errorf("escrow of account %s: %w", k.account, err)
	}
	return out.Bytes(), nil
}

// OpenEscrow opens an escrow, armored or not, by age identities as age-keygen writes them.
// The keyring opens what was sealed before the escrow was made; it cannot be stored.
func OpenEscrow(file io.Reader, identities io.Reader) (*Keyring, error) {
	who, err := age.ParseIdentities(identities)
	if err != nil {
		return nil, problem.New(problem.Invalid, "the identity file holds no age identity").WithHint("give the file that age-keygen has written")
	}
	sealed, err := io.ReadAll(io.LimitReader(file, maxEscrow))
	if err != nil {
		return nil, fmt.Errorf("read escrow: %w", err)
	}
	var in io.Reader = bytes.NewReader(sealed)
	if bytes.HasPrefix(bytes.TrimSpace(sealed), []byte(armor.Header)) {
		in = armor.NewReader(bytes.NewReader(sealed))
	}
	plain, err := decrypt(in, who)
	if err != nil {
		return nil, err
	}
	return readEscrow(plain)
}

func decrypt(in io.Reader, who []age.Identity) ([]byte, error) {
	r, err := age.Decrypt(in, who...)
	if _, other := errors.AsType[*age.NoIdentityMatchError](err); other {
		return nil, fmt.Errorf("open escrow: it is sealed to another age recipient than this identity's: %w", ErrNotOpened)
	}
	if err != nil {
		return nil, fmt.Errorf("open escrow: it is no age file, or was altered: %w", ErrNotOpened)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("open escrow: it was altered or cut off: %w", ErrNotOpened)
	}
	return plain, nil
}

func readEscrow(plain []byte) (*Keyring, error) {
	var e escrow
	if json.Unmarshal(plain, &e) != nil || e.What != escrowWhat {
		return nil, fmt.Errorf("open escrow: it holds something else than a keyring of Imago: %w", ErrNotOpened)
	}
	if e.Format != escrowFormat {
		return nil, fmt.Errorf("open escrow: %w: format %d, this program reads %d", ErrFormat, e.Format, escrowFormat)
	}
	k := &Keyring{account: e.Account, digest: e.Digest, keys: map[uint32][]byte{}}
	for _, key := range e.Keys {
		if len(key.Key) != keySize || key.Version <= k.current {
			return nil, fmt.Errorf("open escrow: its keys are damaged: %w", ErrNotOpened)
		}
		k.current, k.keys[key.Version] = key.Version, key.Key
	}
	if k.current == 0 || len(k.digest) != keySize || k.account == "" {
		return nil, fmt.Errorf("open escrow: it lacks a key: %w", ErrNotOpened)
	}
	return k, nil
}
