package snapshot

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"imago/pkg/resource"
)

// MostFiltered is how many records a segment has at most that has a filter. Those of eight
// minutes that were merged have none: in every manifest of the hours after, theirs weighed
// more than the few reads are worth that they spare.
const MostFiltered = 7

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum is the CRC-32C (RFC 3720, appendix B.4) of a key: type, line feed, parent, line
// feed, id.
func sum(k resource.Key) uint32 {
	c := crc32.Update(0, castagnoli, []byte(k.Type))
	c = crc32.Update(c, castagnoli, []byte{'\n'})
	c = crc32.Update(c, castagnoli, []byte(k.Parent))
	c = crc32.Update(c, castagnoli, []byte{'\n'})
	return crc32.Update(c, castagnoli, []byte(k.ID))
}

// Filter makes the filter of keys: the low 16 bits of each one's sum, big endian, rising.
func Filter(keys []resource.Key) []byte {
	sums := make([]uint16, len(keys))
	for i, k := range keys {
		sums[i] = uint16(sum(k))
	}
	slices.Sort(sums)
	var out []byte
	for _, s := range slices.Compact(sums) {
		out = binary.BigEndian.AppendUint16(out, s)
	}
	return out
}

// rises reports whether a filter is as Filter makes it: its sums rise, so each stands once.
func rises(filter []byte) bool {
	last := -1
	for i := 0; i+1 < len(filter); i += 2 {
		now := int(binary.BigEndian.Uint16(filter[i:]))
		if now <= last {
			return false
		}
		last = now
	}
	return len(filter)%2 == 0
}

// MayHold reports whether the filter's segment may hold the key. One without a filter may.
func MayHold(filter []byte, k resource.Key) bool {
	want := uint16(sum(k))
	for i := 0; i+1 < len(filter); i += 2 {
		if binary.BigEndian.Uint16(filter[i:]) == want {
			return true
		}
	}
	return len(filter) == 0
}

// Cuts reports whether a chunk may end before the key, wherever it began: so chunks of two
// full snapshots are mostly the same, and can be told to be by their digests.
func Cuts(k resource.Key) bool { return sum(k)>>16&0xff == 0 }
