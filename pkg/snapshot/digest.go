package snapshot

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math/bits"

	"imago/pkg/resource"
)

// Digest is the digest of a state: the sum, modulo 2^256, of the keyed digests of
// its records, as 32 bytes, big endian. Equal states have equal digests, whatever
// segments they lie in, and an increment updates one without a second look at
// what stayed. The zero value is that of no records.
//
// A plain sum of hashes could be forged (Bellare and Micciancio, 1997, on AdHash
// with small moduli); the key and the modulus keep that out of reach of who only
// holds the bucket.
type Digest [32]byte

// DigestPurpose names the keyed hash that digests are made by.
const DigestPurpose = "record"

// Add adds another state's digest. The two states must have no record in common.
func (d *Digest) Add(o Digest) {
	var carry uint64
	for i := 24; i >= 0; i -= 8 {
		sum, c := bits.Add64(binary.BigEndian.Uint64(d[i:]), binary.BigEndian.Uint64(o[i:]), carry)
		binary.BigEndian.PutUint64(d[i:], sum)
		carry = c
	}
}

// Sub takes another state's digest away. All of its records must be in this one.
func (d *Digest) Sub(o Digest) {
	var borrow uint64
	for i := 24; i >= 0; i -= 8 {
		diff, b := bits.Sub64(binary.BigEndian.Uint64(d[i:]), binary.BigEndian.Uint64(o[i:]), borrow)
		binary.BigEndian.PutUint64(d[i:], diff)
		borrow = b
	}
}

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes a digest as String does.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDigest.
func (d *Digest) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDigest(string(text))
	return err
}

// ParseDigest reads what String wrote.
func ParseDigest(s string) (d Digest, err error) {
	if len(s) != hex.EncodedLen(len(d)) {
		return d, fmt.Errorf("digest of %d characters: must be %d", len(s), hex.EncodedLen(len(d)))
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return d, fmt.Errorf("digest: %w", err)
	}
	return d, nil
}

// Digester makes the digests of records, and allocates nothing for each: there can be
// millions of links. It is not for concurrent use.
type Digester struct {
	mac    hash.Hash
	typ    resource.Type
	parent string
	head   []byte // both, each with a line feed
	sum    Digest // so that none is allocated for a hash that nobody knows
}

// NewDigester takes the account's keyed hash for DigestPurpose, which is the digester's
// from here on.
func NewDigester(mac hash.Hash) *Digester { return &Digester{mac: mac} }

// Of is the digest of one record: the keyed hash of its type, a line feed, its parent, a
// line feed, and the record without its own.
func (d *Digester) Of(k resource.Key, record []byte) Digest {
	if d.typ != k.Type || d.parent != k.Parent || d.head == nil {
		d.typ, d.parent = k.Type, k.Parent
		d.head = append(append(append(append(d.head[:0], k.Type...), '\n'), k.Parent...), '\n')
	}
	d.mac.Reset()
	write(d.mac, d.head)
	write(d.mac, record)
	d.mac.Sum(d.sum[:0])
	return d.sum
}

// write feeds a hash, which never returns an error (package hash says so).
func write(h hash.Hash, p []byte) {
	if _, err := h.Write(p); err != nil {
		panic(fmt.Errorf("snapshot: hash: %w", err))
	}
}
