package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"imago/pkg/resource"
)

// A record is one resource as one line of canonical JSON, {"id":…,"value":…} and a line
// feed; its type and parent are left to the place line above it, {"parent":…,"type":…},
// which leaves out a parent of "". The value is the resource's body, byte for byte; a
// tombstone has none. A bare link, whose value is its id and nothing else, does not say
// that twice: {"value":{"id":…}}. Most records of an org are such.
const (
	placeParent = `{"parent":`
	placeAnd    = `,"type":`
	placeType   = `{"type":`
	recordID    = `{"id":`
	recordValue = `,"value":`
	bareValue   = `{"value":`
	bareRecord  = bareValue + recordID
)

// MaxRecord is the longest record in bytes.
const MaxRecord = 16 << 20

var errRecord = errors.New("malformed record")

// ErrUnfit marks a resource that no record can hold: its ID has a slash or is not UTF-8,
// it is longer than MaxRecord, or its body is not canonical JSON.
var ErrUnfit = errors.New("no record can hold it")

// Record is a line of a segment.
type Record struct {
	resource.Resource        // Body nil: a tombstone
	Line              []byte // without its line feed
}

// Deleted reports whether the record is a tombstone.
func (r Record) Deleted() bool { return r.Body == nil }

// AppendPlace appends the line that says of which type, and below which parent, the
// records after it are.
func AppendPlace(dst []byte, t resource.Type, parent string) []byte {
	if parent == "" {
		dst = append(dst, placeType...)
	} else {
		dst = append(appendString(append(dst, placeParent...), parent), placeAnd...)
	}
	return append(appendString(dst, string(t)), '}', '\n')
}

// AppendRecord appends a resource's record to dst; without a body, its tombstone. The
// body must be canonical JSON (resource.Canonical): what can be seen of that at a glance
// is checked. Errors are ErrUnfit.
func AppendRecord(dst []byte, r resource.Resource) ([]byte, error) {
	if err := CheckKey(r.Key); err != nil {
		return dst, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	// Canonical JSON holds no raw control character, so no line feed either.
	if r.Body != nil && len(r.Body) == 0 || bytes.IndexByte(r.Body, '\n') >= 0 {
		return dst, fmt.Errorf("%w: the body of %s is not canonical JSON", ErrUnfit, r.Key)
	}
	start := len(dst)
	if bytes.HasPrefix(r.Body, []byte(recordID)) {
		dst = append(appendString(append(dst, bareRecord...), r.ID), '}')
	}
	if len(dst) == start || !bytes.Equal(dst[start+len(bareValue):], r.Body) {
		dst = appendString(append(dst[:start], recordID...), r.ID)
		if r.Body != nil {
			dst = append(append(dst, recordValue...), r.Body...)
		}
	}
	dst = append(dst, '}', '\n')
	if n := len(dst) - start; n > MaxRecord {
		return dst[:start], fmt.Errorf("%w: %s has %d bytes, at most %d", ErrUnfit, r.Key, n, MaxRecord)
	}
	return dst, nil
}

// CheckKey reports what keeps a record from having the key.
func CheckKey(k resource.Key) error {
	if k.ID == "" || strings.Contains(k.ID, "/") {
		return fmt.Errorf("key %q: an id without a slash is needed", k)
	}
	if !utf8.ValidString(k.Parent) || !utf8.ValidString(k.ID) {
		return fmt.Errorf("key %q is not UTF-8", k)
	}
	return checkType(k.Type)
}

func checkType(t resource.Type) error {
	if t == "" || strings.ContainsAny(string(t), "/\n") || !utf8.ValidString(string(t)) {
		return fmt.Errorf("type %q: text without a slash or a line feed is needed", t)
	}
	return nil
}

// Scanner reads the records of a chunk. Their keys MUST rise. What it gives lies in the
// chunk and is valid as long as that is. Errors show no content.
type Scanner struct {
	plain []byte
	last  resource.Key // without an ID: of the place alone
	n     int
}

// Scan begins a chunk.
func Scan(plain []byte) *Scanner { return &Scanner{plain: plain} }

// Next gives the next record, and io.EOF after the last one.
func (s *Scanner) Next() (Record, error) {
	r, err := s.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return Record{}, fmt.Errorf("record %d: %w", s.n, err)
	}
	s.n++
	return r, err
}

func (s *Scanner) next() (Record, error) {
	line, err := s.line()
	if err != nil {
		return Record{}, err
	}
	if !bytes.HasPrefix(line, []byte(recordID)) && !bytes.HasPrefix(line, []byte(bareValue)) {
		if err := s.place(line); err != nil {
			return Record{}, err
		}
		if line, err = s.line(); err != nil { // a place has one record at least
			return Record{}, errRecord
		}
	}
	if s.last.Type == "" {
		return Record{}, errors.New("a record without a place")
	}
	r, err := s.record(line)
	if err != nil {
		return r, err
	}
	if s.last.ID >= r.ID {
		return r, errors.New("records out of order")
	}
	s.last.ID = r.ID
	return r, nil
}

// Seek goes on to the first record whose key is k or behind it, and io.EOF where there is
// none; a record that was given is not given again. What it passes over is not looked at
// more closely than that takes.
func (s *Scanner) Seek(k resource.Key) (Record, error) {
	for s.passes(k) {
		i := bytes.IndexByte(s.plain, '\n')
		s.plain = s.plain[i+1:]
		s.n++
	}
	for {
		r, err := s.Next()
		if err != nil || r.Key.Compare(k) >= 0 {
			return r, err
		}
	}
}

// passes reports whether the next line is plainly a record before the key.
func (s *Scanner) passes(k resource.Key) bool {
	rest, ok := bytes.CutPrefix(s.plain, []byte(recordID+`"`))
	if !ok {
		if rest, ok = bytes.CutPrefix(s.plain, []byte(bareRecord+`"`)); !ok {
			return false
		}
	}
	if s.last.Type < k.Type || s.last.Type == k.Type && s.last.Parent < k.Parent {
		return bytes.IndexByte(rest, '\n') >= 0
	}
	if s.last.Type != k.Type || s.last.Parent != k.Parent || len(rest) <= len(k.ID) {
		return false
	}
	end := bytes.IndexByte(rest, '"')
	return end > 0 && bytes.IndexByte(rest[:end], '\\') < 0 && string(rest[:end]) < k.ID && bytes.IndexByte(rest, '\n') >= 0
}

func (s *Scanner) line() ([]byte, error) {
	if len(s.plain) == 0 {
		return nil, io.EOF
	}
	i := bytes.IndexByte(s.plain, '\n')
	if i < 0 {
		return nil, errors.New("record without an end")
	}
	if i >= MaxRecord {
		return nil, errors.New("it is too long")
	}
	line := s.plain[:i:i]
	s.plain = s.plain[i+1:]
	return line, nil
}

// place takes in a place line: each place stands once, and they rise.
func (s *Scanner) place(line []byte) error {
	var next resource.Key
	var err error
	rest, ok := bytes.CutPrefix(line, []byte(placeType))
	if !ok {
		if rest, ok = bytes.CutPrefix(line, []byte(placeParent)); !ok {
			return errRecord
		}
		if next.Parent, rest, err = cutString(rest); err != nil || next.Parent == "" { // one form for each
			return errRecord
		}
		if rest, ok = bytes.CutPrefix(rest, []byte(placeAnd)); !ok {
			return errRecord
		}
	}
	t, rest, err := cutString(rest)
	if next.Type = resource.Type(t); err != nil || string(rest) != "}" || t == "" || strings.ContainsAny(t, "/\n") {
		return errRecord
	}
	s.last.ID = ""
	if s.last.Compare(next) >= 0 {
		return errors.New("places out of order")
	}
	s.last = next
	return nil
}

func (s *Scanner) record(line []byte) (r Record, err error) {
	r.Type, r.Parent, r.Line = s.last.Type, s.last.Parent, line
	rest, bare := bytes.CutPrefix(line, []byte(bareRecord))
	if !bare && !bytes.HasPrefix(line, []byte(recordID)) {
		return r, errRecord
	}
	if !bare {
		rest = line[len(recordID):]
	}
	quoted := rest
	if r.ID, rest, err = cutString(rest); err != nil {
		return r, err
	}
	if r.ID == "" || strings.IndexByte(r.ID, '/') >= 0 {
		return r, errRecord
	}
	quoted = quoted[:len(quoted)-len(rest)]
	switch {
	case bare:
		r.Body, err = bareBody(line, rest)
	case string(rest) != "}":
		r.Body, err = body(quoted, rest)
	}
	return r, err
}

// bareBody is the body in the line of a bare link, which ends after its ID.
func bareBody(line, rest []byte) ([]byte, error) {
	if string(rest) != "}}" {
		return nil, errRecord
	}
	return inside(line[len(bareValue):]), nil
}

// body is what stands behind the ID of a record. One that is that ID alone is a bare link's,
// and stands otherwise.
func body(id, rest []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(rest, []byte(recordValue))
	if !ok || len(rest) < 2 || rest[len(rest)-1] != '}' {
		return nil, errRecord
	}
	body := inside(rest)
	if said, ok := bytes.CutPrefix(body, []byte(recordID)); ok && len(said) == len(id)+1 && bytes.HasPrefix(said, id) {
		return nil, errRecord
	}
	return body, nil
}

// inside leaves out the brace at the end. The capacity ends with the body: appending to it
// must not write into what follows.
func inside(text []byte) []byte { return text[: len(text)-1 : len(text)-1] }

// appendString appends a JSON string in canonical form. IDs are plain text almost
// always, and need no more than quotes.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		if b := s[i]; b < ' ' || b == '"' || b == '\\' {
			dst = appendEscaped(dst, b)
		} else {
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}

// appendEscaped writes the escapes of RFC 8785, section 3.2.2.2.
func appendEscaped(dst []byte, b byte) []byte {
	if i := strings.IndexByte("\b\t\n\f\r\"\\", b); i >= 0 {
		return append(dst, '\\', `btnfr"\`[i])
	}
	return fmt.Appendf(dst, `\u%04x`, b)
}

// cutString reads a JSON string at the start of src. Only the canonical form is
// taken.
func cutString(src []byte) (s string, rest []byte, err error) {
	if len(src) == 0 || src[0] != '"' {
		return "", nil, errRecord
	}
	for i := 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			s, err := unquote(src[:i+1])
			return s, src[i+1:], err
		}
	}
	return "", nil, errRecord
}

func unquote(quoted []byte) (string, error) {
	inner := quoted[1 : len(quoted)-1]
	if plain(inner) || bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) && !bytes.ContainsFunc(inner, func(r rune) bool { return r < ' ' }) {
		return string(inner), nil
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil || string(appendString(nil, s)) != string(quoted) {
		return "", errRecord
	}
	return s, nil
}

// plain reports whether a string's content is printable ASCII without escapes, as almost
// all are.
func plain(s []byte) bool {
	for _, b := range s {
		if b < ' ' || b >= 0x80 || b == '\\' {
			return false
		}
	}
	return true
}
