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

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

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

// Digester adds up the digests of records of one type, and allocates nothing for
// each: there can be millions of links.
type Digester struct {
	mac      hash.Hash
	head     []byte // the type and a line feed
	sum, one Digest
}

// NewDigester begins with no records. mac is the account's keyed hash for
// DigestPurpose, and the digester's from here on.
func NewDigester(mac hash.Hash, t resource.Type) *Digester {
	return &Digester{mac: mac, head: append([]byte(t), '\n')}
}

// Add takes in one record, line feed left out: the keyed hash of the type, a line
// feed, and the record.
func (d *Digester) Add(record []byte) {
	d.mac.Reset()
	write(d.mac, d.head)
	write(d.mac, record)
	d.mac.Sum(d.one[:0])
	d.sum.Add(d.one)
}

// Sum is the digest of all records so far.
func (d *Digester) Sum() Digest { return d.sum }

// write feeds a hash, which never returns an error (package hash says so).
func write(h hash.Hash, p []byte) {
	if _, err := h.Write(p); err != nil {
		panic(fmt.Errorf("snapshot: hash: %w", err))
	}
}
