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

// RecordDigest is the digest of one record, line feed left out, under the
// account's keyed hash for DigestPurpose: of the type, a line feed, and the record.
func RecordDigest(mac hash.Hash, t resource.Type, record []byte) (d Digest) {
	mac.Reset()
	write(mac, []byte(t))
	write(mac, []byte{'\n'})
	write(mac, record)
	mac.Sum(d[:0])
	return d
}

// write feeds a hash, which never returns an error (package hash says so).
func write(h hash.Hash, p []byte) {
	if _, err := h.Write(p); err != nil {
		panic(fmt.Errorf("snapshot: hash: %w", err))
	}
}
