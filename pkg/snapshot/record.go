package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"imago/pkg/resource"
)

// A record is one resource as one line of canonical JSON, its type left to the
// segment: {"id":…,"parent":…,"value":…} and a line feed. A parent of "" is left
// out. The value is the resource's body, byte for byte.
const (
	recordID     = `{"id":`
	recordParent = `,"parent":`
	recordValue  = `,"value":`
)

// MaxRecord is the longest record in bytes.
const MaxRecord = 16 << 20

var errRecord = errors.New("malformed record")

// ErrUnfit marks a resource that no record can hold: its ID has a slash or is not UTF-8,
// it is longer than MaxRecord, or its body is not canonical JSON.
var ErrUnfit = errors.New("no record can hold it")

// AppendRecord appends a resource's record to dst. The body must be canonical
// JSON (resource.Canonical): what can be seen of that at a glance is checked. Errors
// are ErrUnfit.
func AppendRecord(dst []byte, r resource.Resource) ([]byte, error) {
	if err := checkKey(r.Key); err != nil {
		return dst, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	// Canonical JSON holds no raw control character, so no line feed either.
	if len(r.Body) == 0 || bytes.IndexByte(r.Body, '\n') >= 0 {
		return dst, fmt.Errorf("%w: the body of %s is not canonical JSON", ErrUnfit, r.Key)
	}
	start := len(dst)
	dst = appendString(append(dst, recordID...), r.ID)
	if r.Parent != "" {
		dst = appendString(append(dst, recordParent...), r.Parent)
	}
	dst = append(append(append(dst, recordValue...), r.Body...), '}', '\n')
	if n := len(dst) - start; n > MaxRecord {
		return dst[:start], fmt.Errorf("%w: %s has %d bytes, at most %d", ErrUnfit, r.Key, n, MaxRecord)
	}
	return dst, nil
}

func checkKey(k resource.Key) error {
	if k.Type == "" || k.ID == "" || strings.Contains(k.ID, "/") || strings.ContainsAny(string(k.Type), "/\n") {
		return fmt.Errorf("key %q: a type and an id without a slash are needed", k)
	}
	if !utf8.ValidString(k.Parent) || !utf8.ValidString(k.ID) {
		return fmt.Errorf("key %q is not UTF-8", k)
	}
	return nil
}

// Records reads the records of one type. Their keys MUST rise. Bodies lie in
// plain and are valid as long as it is. Errors show no content.
func Records(t resource.Type, plain []byte) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		var last resource.Key
		for n := 0; len(plain) > 0; n++ {
			line, rest, ok := bytes.Cut(plain, []byte{'\n'})
			r, err := parseRecord(t, line)
			switch {
			case !ok:
				err = errors.New("record without an end")
			case err == nil && n > 0 && last.Compare(r.Key) >= 0:
				err = errors.New("records out of order")
			}
			if err != nil {
				yield(resource.Resource{}, fmt.Errorf("record %d of %s: %w", n, t, err))
				return
			}
			if !yield(r, nil) {
				return
			}
			plain, last = rest, r.Key
		}
	}
}

func parseRecord(t resource.Type, line []byte) (r resource.Resource, err error) {
	r.Type = t
	rest, ok := bytes.CutPrefix(line, []byte(recordID))
	if !ok {
		return r, errRecord
	}
	if r.ID, rest, err = cutString(rest); err != nil {
		return r, err
	}
	if after, ok := bytes.CutPrefix(rest, []byte(recordParent)); ok {
		if r.Parent, rest, err = cutString(after); err != nil {
			return r, err
		}
		if r.Parent == "" {
			return r, errRecord // one form for each record
		}
	}
	rest, ok = bytes.CutPrefix(rest, []byte(recordValue))
	if !ok || len(rest) < 2 || rest[len(rest)-1] != '}' {
		return r, errRecord
	}
	// The capacity ends with the body: appending to it must not write into the next record.
	r.Body = rest[: len(rest)-1 : len(rest)-1]
	return r, checkKey(r.Key)
}

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
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) && !bytes.ContainsFunc(inner, func(r rune) bool { return r < ' ' }) {
		return string(inner), nil
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil || string(appendString(nil, s)) != string(quoted) {
		return "", errRecord
	}
	return s, nil
}
