package repository

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/zstd"

	"imago/pkg/snapshot"
)

// seen remembers which records of the segments that a draft stands on were met: a bit for
// each, so that what was not met is known to be gone without a list of all keys.
type seen map[string][]uint64 // by segment

func newSeen(segments []snapshot.Segment) seen {
	s := seen{}
	for _, g := range segments {
		s[g.Name] = nil
	}
	return s
}

// mark notes all records of one key.
func (s seen) mark(all []version) {
	for _, v := range all {
		if v.segment == nil {
			continue
		}
		set, known := s[v.segment.Name]
		if !known {
			continue // of the draft's own
		}
		if set == nil {
			set = make([]uint64, (v.segment.Records+63)/64)
			s[v.segment.Name] = set
		}
		set[v.ordinal/64] |= 1 << (v.ordinal % 64)
	}
}

// met reports whether a key was met: what is not of the segments below was written by the
// draft itself.
func (s seen) met(newest version) bool {
	if newest.segment == nil {
		return true
	}
	set, known := s[newest.segment.Name]
	return !known || set != nil && set[newest.ordinal/64]&(1<<(newest.ordinal%64)) != 0
}

// all reports whether every record of a chunk was met.
func (s seen) all(g *snapshot.Segment, chunk int) bool {
	set := s[g.Name]
	if set == nil {
		return false
	}
	from, n := int64(0), g.Records
	for i, c := range g.Chunks {
		if n = c.Records; i == chunk {
			break
		}
		from += c.Records
	}
	for at := from; at < from+n; {
		word, low := set[at/64], at%64
		high := min(64-low, from+n-at)
		if bits.OnesCount64(word>>low<<(64-high)) != int(high) {
			return false
		}
		at += high
	}
	return true
}

// MarshalJSON packs the bits, most of which come in runs.
func (s seen) MarshalJSON() ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstd.MinWindowSize))
	if err != nil {
		return nil, fmt.Errorf("pack what was met: %w", err)
	}
	out := map[string][]byte{}
	for name, set := range s {
		if set == nil {
			continue
		}
		var raw []byte
		for _, word := range set {
			raw = binary.LittleEndian.AppendUint64(raw, word)
		}
		out[name] = enc.EncodeAll(raw, nil)
	}
	return json.Marshal(out)
}

// UnmarshalJSON undoes MarshalJSON. Which segments there are, restore says.
func (s *seen) UnmarshalJSON(text []byte) error {
	var packed map[string][]byte
	if err := json.Unmarshal(text, &packed); err != nil {
		return err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		return fmt.Errorf("unpack what was met: %w", err)
	}
	defer dec.Close()
	*s = seen{}
	for name, p := range packed {
		raw, err := dec.DecodeAll(p, nil)
		if err != nil || len(raw)%8 != 0 {
			return errors.New("what was met is not as it was packed")
		}
		set := make([]uint64, len(raw)/8)
		for i := range set {
			set[i] = binary.LittleEndian.Uint64(raw[8*i:])
		}
		(*s)[name] = set
	}
	return nil
}

// restored is what was remembered of these segments.
func (s seen) restored(segments []snapshot.Segment) (seen, error) {
	out := newSeen(segments)
	for _, g := range segments {
		set := s[g.Name]
		if set != nil && int64(len(set)) != (g.Records+63)/64 {
			return nil, fmt.Errorf("what was met of %s is of another segment", g.Name)
		}
		out[g.Name] = set
	}
	return out, nil
}

func (s seen) clone() seen {
	out := seen{}
	for name, set := range s {
		out[name] = slices.Clone(set)
	}
	return out
}
