package diff

import (
	"strings"

	"imago/pkg/resource"
)

// IDs says which ID became which when things were made again: old to new. A nil
// IDs compares states as they stand.
type IDs map[string]string

// Key is the key under which the resource stands after the identities changed.
func (ids IDs) Key(k resource.Key) resource.Key {
	if len(ids) == 0 {
		return k
	}
	parents := segments(k.Parent)
	for i, id := range parents {
		parents[i] = ids.of(id)
	}
	return resource.Key{Type: k.Type, Parent: strings.Join(parents, "/"), ID: ids.of(k.ID)}
}

func (ids IDs) of(id string) string {
	if next, ok := ids[id]; ok {
		return next
	}
	return id
}

func segments(parent string) []string {
	if parent == "" {
		return nil
	}
	return strings.Split(parent, "/")
}

// body replaces the IDs wherever they stand as whole words: in fields, in URLs, in
// expressions, in resource names. That is right for comparing only: what is
// written to an org is rewritten by the catalog's refs.
func (ids IDs) body(body []byte) []byte {
	if len(ids) == 0 {
		return body
	}
	out, from := []byte(nil), 0
	for i := 0; i < len(body); {
		if !word(body[i]) {
			i++
			continue
		}
		start := i
		for i < len(body) && word(body[i]) {
			i++
		}
		if next, ok := ids[string(body[start:i])]; ok {
			out = append(append(out, body[from:start]...), next...)
			from = i
		}
	}
	if out == nil {
		return body
	}
	return append(out, body[from:]...)
}

func word(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == '_' || b == '-'
}
