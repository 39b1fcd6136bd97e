package snapshot

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Checksum is what the checksums object says of one sealed object.
type Checksum struct {
	Name   string // below the snapshot's prefix
	Bytes  int64
	SHA256 string // hex
}

const checksumsHead = "# imago checksums 1\n"

// EncodeChecksums writes the checksums object: text that sha256sum -c reads, with
// the size of each object as a comment before it.
func EncodeChecksums(sums []Checksum) []byte {
	out := []byte(checksumsHead)
	for _, c := range sums {
		out = fmt.Appendf(out, "# %d bytes\n%s  %s\n", c.Bytes, c.SHA256, c.Name)
	}
	return out
}

// DecodeChecksums reads what EncodeChecksums wrote, and nothing else.
func DecodeChecksums(text []byte) ([]Checksum, error) {
	rest, ok := bytes.CutPrefix(text, []byte(checksumsHead))
	if !ok {
		return nil, fmt.Errorf("checksums: no head")
	}
	lines := strings.Split(string(rest), "\n")
	if len(lines)%2 != 1 || lines[len(lines)-1] != "" {
		return nil, fmt.Errorf("checksums: cut off")
	}
	out := make([]Checksum, 0, len(lines)/2)
	for i := 0; i+1 < len(lines); i += 2 {
		c, err := decodeChecksum(lines[i], lines[i+1])
		if err != nil {
			return nil, fmt.Errorf("checksums, line %d: %w", i+2, err)
		}
		out = append(out, c)
	}
	if !bytes.Equal(EncodeChecksums(out), text) {
		return nil, fmt.Errorf("checksums: not as they are written")
	}
	return out, nil
}

func decodeChecksum(size, sum string) (c Checksum, err error) {
	number, ok := strings.CutPrefix(size, "# ")
	number, ok2 := strings.CutSuffix(number, " bytes")
	if !ok || !ok2 {
		return c, fmt.Errorf("no size")
	}
	if c.Bytes, err = strconv.ParseInt(number, 10, 64); err != nil {
		return c, fmt.Errorf("no size")
	}
	if c.SHA256, c.Name, ok = strings.Cut(sum, "  "); !ok {
		return c, fmt.Errorf("no name")
	}
	if raw, err := hex.DecodeString(c.SHA256); err != nil || len(raw) != 32 {
		return c, fmt.Errorf("no SHA-256")
	}
	return c, nil
}
