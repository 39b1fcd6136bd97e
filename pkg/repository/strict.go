package repository

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// What is sealed was written by who has the keys, and opens: here it is held against what
// FORMAT.md and the manifest tell of it, so that no two readers read two things.

// maxWindow is the most that a reader must remember of what it has unpacked, in bytes.
const maxWindow = 8 << 20

var errFrame = errors.New("it is not one zstd frame of the kind that there may be")

// unframe unpacks into dst what a chunk seals.
func (r *Repository) unframe(packed, dst []byte) ([]byte, error) {
	if err := checkFrame(packed); err != nil {
		return nil, err
	}
	plain, err := r.dec.DecodeAll(packed, dst)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return plain, nil
}

// checkFrame wants one frame, and nothing besides (RFC 8878, section 3.1.1): a decoder
// would take any number of them.
func checkFrame(packed []byte) error {
	var h zstd.Header
	if err := h.Decode(packed); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	if h.Skippable || h.HasCheckSum || h.DictionaryID != 0 || window > maxWindow {
		return errFrame
	}
	rest := packed[h.HeaderSize:]
	for last := false; !last; {
		if len(rest) < 3 {
			return errFrame
		}
		block := int(rest[0]) | int(rest[1])<<8 | int(rest[2])<<16
		size := block >> 3
		if last = block&1 == 1; block>>1&3 == 1 { // one byte, to be repeated
			size = 1
		}
		if rest = rest[3:]; len(rest) < size {
			return errFrame
		}
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return errFrame
	}
	return nil
}

var errForm = errors.New("it is not canonical JSON")

// begins wants a chunk of a segment to begin with the key that is told.
func begins(plain []byte, g *snapshot.Segment, chunk int) error {
	want := g.First
	if len(g.Chunks) > 0 {
		want = g.Chunks[chunk].First
	}
	record, err := snapshot.Scan(plain).Next()
	if errors.Is(err, io.EOF) || err == nil && record.Key != want {
		return errNotTold
	}
	return err
}

// tally is what a walk has met of a segment.
type tally struct {
	segment    *snapshot.Segment
	chunk      int
	chunks     int   // that were begun
	records    int64 // of this chunk
	tombstones int64
	plain      int64
}

func (t *tally) begin(g *snapshot.Segment, chunk int, plain []byte) {
	t.segment, t.chunk, t.chunks, t.records = g, chunk, t.chunks+1, 0
	t.plain += int64(len(plain))
}

func (t *tally) add(r snapshot.Record) error {
	t.records++
	if r.Deleted() {
		t.tombstones++
	}
	if len(t.segment.Filter) > 0 && !snapshot.MayHold(t.segment.Filter, r.Key) {
		return errNotTold
	}
	return nil
}

// end compares a chunk that was gone through, and with the last one the segment, if that
// was gone through whole. That a chunk begins as is told, it knows.
func (t *tally) end(last resource.Key) error {
	g, records := t.segment, t.segment.Records
	if len(g.Chunks) > 0 {
		records = g.Chunks[t.chunk].Records
	}
	if t.records != records {
		return errNotTold
	}
	if t.chunk+1 < len(g.Chunks) {
		if last.Compare(g.Chunks[t.chunk+1].First) >= 0 {
			return errNotTold
		}
		return nil
	}
	whole := t.chunks == max(1, len(g.Chunks))
	if last != g.Last || whole && (t.tombstones != g.Tombstones || t.plain != g.Plain) {
		return errNotTold
	}
	return nil
}
