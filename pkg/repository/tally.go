package repository

import (
	"bytes"
	"errors"
	"fmt"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// tally counts a segment's records as they are read, to compare with what the
// manifest says of it.
type tally struct {
	s      *snapshot.Segment
	digest *snapshot.Digester
	first  resource.Key // of the chunk
}

// chunk takes in the records of the next chunk.
func (t *tally) chunk(plain []byte) error {
	t.s.Plain += int64(len(plain))
	t.first = resource.Key{}
	rest := plain
	for r, err := range snapshot.Records(t.s.Type, plain) {
		if err != nil {
			return err
		}
		line, after, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			return errors.New("record without an end")
		}
		if rest = after; t.s.Objects > 0 && t.s.Last.Compare(r.Key) >= 0 {
			return fmt.Errorf("records of %s out of order", t.s.Type)
		}
		if t.first == (resource.Key{}) {
			t.first = r.Key
		}
		t.count(r.Key)
		t.digest.Add(line)
	}
	if t.first == (resource.Key{}) {
		return errors.New("chunk without records")
	}
	return nil
}

func (t *tally) count(key resource.Key) {
	if t.s.Objects == 0 {
		t.s.First = key
	}
	t.s.Last = key
	t.s.Objects++
}
