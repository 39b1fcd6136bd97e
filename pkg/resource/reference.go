package resource

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Reference is one place where a resource holds the ID of another.
type Reference struct {
	Ref
	ID string // of what is referred to; in an expression: what may be an ID
}

// References lists what a resource refers to, in the order of its type's refs.
// In the text of an expression it takes every quoted word that could be an ID:
// which of them are is known by looking for them.
func References(info Info, r Resource) ([]Reference, error) {
	var out []Reference
	for _, ref := range info.Refs {
		ids, err := ref.ids(r)
		if err != nil {
			return nil, fmt.Errorf("references of %s: %w", r.Type, err)
		}
		for _, id := range ids {
			if next := (Reference{ref, id}); id != "" && !slices.ContainsFunc(out, next.same) {
				out = append(out, next)
			}
		}
	}
	return out, nil
}

func (a Reference) same(b Reference) bool {
	return a.ID == b.ID && a.Path == b.Path && a.In == b.In && slices.Equal(a.To, b.To)
}

// ids reads the IDs that stand at the ref.
func (ref Ref) ids(r Resource) ([]string, error) {
	switch ref.In {
	case InParent:
		return []string{r.Parent}, nil
	case InID:
		return []string{r.ID}, nil
	}
	path := ref.Path
	if ref.In == InMapKey {
		path += ".*"
	}
	values, err := path.Lookup(r.Body)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, v := range values {
		text, ok := v.Text()
		switch {
		case ref.In == InMapKey:
			ids = append(ids, v.Key)
		case !ok:
		case ref.In == InHref:
			_, segment, _ := lastSegment(text)
			ids = append(ids, segment)
		case ref.In == InExpression:
			ids = append(ids, quotedIDs(text)...)
		default:
			ids = append(ids, text)
		}
	}
	return ids, nil
}

// Rewrite gives the canonical body with the IDs at the refs replaced. to is asked
// for each ID with the types that it may be of; ok false leaves it as it stands.
// Refs that stand in the key (InParent, or InID without a path) are the caller's.
func Rewrite(body []byte, refs []Ref, to func(types []Type, id string) (string, bool)) ([]byte, error) {
	root, sort := &branch{}, false
	for _, ref := range refs {
		if ref.Path == "" {
			continue
		}
		end := root.grow(ref.Path)
		end.edits = append(end.edits, ref.rewriter(to))
		sort = sort || ref.In == InMapKey
	}
	out, err := root.edit(make([]byte, 0, len(body)), body, nil)
	if err == nil && sort {
		out, err = Canonical(nil, out)
	}
	if err != nil {
		return nil, fmt.Errorf("rewrite references: %w", err)
	}
	return out, nil
}

// rewriter changes one value at the ref: a string, or the keys of a map.
func (ref Ref) rewriter(to func([]Type, string) (string, bool)) edit {
	swap := func(id string) string {
		if next, ok := to(ref.To, id); ok {
			return next
		}
		return id
	}
	if ref.In == InMapKey {
		return func(dst, object []byte) ([]byte, error) { return renameKeys(dst, object, swap) }
	}
	return func(dst, value []byte) ([]byte, error) {
		text, ok := Value{JSON: value}.Text()
		if !ok {
			return append(dst, value...), nil
		}
		switch ref.In {
		case InHref:
			before, segment, after := lastSegment(text)
			text = before + swap(segment) + after
		case InExpression:
			text = replaceQuoted(text, swap)
		default:
			text = swap(text)
		}
		return append(dst, Quote(text)...), nil
	}
}

func renameKeys(dst, object []byte, swap func(string) string) ([]byte, error) {
	if len(object) == 0 || object[0] != '{' {
		return append(dst, object...), nil
	}
	dst = append(dst, '{')
	err := eachMember(object, func(key, value []byte) error {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, Quote(swap(string(unescape(nil, key))))...)
		dst = append(append(dst, ':'), value...)
		return nil
	})
	return append(dst, '}'), err
}

// lastSegment splits a URL around the last segment of its path.
func lastSegment(url string) (before, segment, after string) {
	end := len(url)
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		end = i
	}
	start := strings.LastIndexByte(url[:end], '/') + 1
	return url[:start], url[start:end], url[end:]
}

// quotedIDs lists the quoted words of an expression that could be IDs.
func quotedIDs(text string) []string {
	var ids []string
	replaceQuoted(text, func(id string) string {
		ids = append(ids, id)
		return id
	})
	return ids
}

// replaceQuoted swaps the quoted words of an expression that could be IDs; quotes
// are " or ', and a backslash keeps the next character from closing them.
func replaceQuoted(text string, swap func(string) string) string {
	var out strings.Builder
	for {
		i := strings.IndexAny(text, `"'`)
		if i < 0 {
			break
		}
		end := closing(text[i+1:], text[i])
		if end < 0 {
			break
		}
		word := text[i+1 : i+1+end]
		if couldBeID(word) {
			word = swap(word)
		}
		out.WriteString(text[:i+1] + word)
		out.WriteByte(text[i])
		text = text[i+2+end:]
	}
	return out.String() + text
}

func closing(s string, quote byte) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			return i
		}
	}
	return -1
}

// couldBeID: IDs are one word of letters and digits, longer than words that
// people write, with a digit in it.
func couldBeID(word string) bool {
	const shortest = 8
	if len(word) < shortest {
		return false
	}
	digit := false
	for _, b := range []byte(word) {
		switch {
		case '0' <= b && b <= '9':
			digit = true
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', b == '_', b == '-':
		default:
			return false
		}
	}
	return digit
}

// NaturalKey is what identifies a resource to a person within its parent: the
// values of the type's natural key as a canonical JSON list, or "" when the body
// has none of them. Two resources with one natural key are taken for the same.
func NaturalKey(info Info, body []byte) (string, error) {
	var parts [][]byte
	some := false
	for _, path := range info.NaturalKey {
		values, err := path.Lookup(body)
		if err != nil {
			return "", fmt.Errorf("natural key of %s: %w", info.Type, err)
		}
		part := []byte("null")
		if len(values) > 0 {
			part, some = values[0].JSON, true
		}
		parts = append(parts, part)
	}
	if !some {
		return "", nil
	}
	return "[" + string(bytes.Join(parts, []byte(","))) + "]", nil
}

// Label is the name to show for a resource: the first of the type's label fields
// that is there, else its natural key's texts, else "".
func Label(info Info, body []byte) (string, error) {
	for _, path := range info.Label {
		text, err := path.Text(body)
		if err != nil || text != "" {
			return text, err
		}
	}
	var parts []string
	for _, path := range info.NaturalKey {
		text, err := path.Text(body)
		if err != nil {
			return "", fmt.Errorf("label of %s: %w", info.Type, err)
		}
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " "), nil
}
