// Package doc reads and writes JSON objects whose fields the simulator does not
// know in advance, keeping numbers exactly as they were written.
package doc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// Doc is one JSON object: values are nil, bool, json.Number, string, []any or Doc.
type Doc = map[string]any

// Parse reads one JSON value and refuses anything after it, and text that is not UTF-8
// (RFC 8259, 8.1).
func Parse(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("parse JSON: not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("parse JSON: data after the value")
	}
	return v, nil
}

// ParseObject reads one JSON object.
func ParseObject(b []byte) (Doc, error) {
	v, err := Parse(b)
	if err != nil {
		return nil, err
	}
	d, ok := v.(Doc)
	if !ok {
		return nil, errors.New("parse JSON: not an object")
	}
	return d, nil
}

// Bytes writes v as compact JSON. Unlike json.Marshal it leaves <, > and & alone,
// as Okta does.
func Bytes(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// Clone copies v deeply.
func Clone[T any](v T) T {
	c, ok := clone(any(v)).(T)
	if !ok {
		return v
	}
	return c
}

func clone(v any) any {
	switch v := v.(type) {
	case Doc:
		if v == nil {
			return v
		}
		out := make(Doc, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// Get follows path through nested objects; nil if it ends early.
func Get(d Doc, path ...string) any {
	var v any = d
	for _, p := range path {
		m, ok := v.(Doc)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

// Object returns the object at path, nil if there is none.
func Object(d Doc, path ...string) Doc {
	m, ok := Get(d, path...).(Doc)
	if !ok {
		return nil
	}
	return m
}

// String returns the text at path, "" if there is none.
func String(d Doc, path ...string) string {
	s, ok := Get(d, path...).(string)
	if !ok {
		return ""
	}
	return s
}

// Bool returns the truth value at path, false if there is none.
func Bool(d Doc, path ...string) bool {
	b, ok := Get(d, path...).(bool)
	return ok && b
}

// Int returns the integer at path and whether there is one.
func Int(d Doc, path ...string) (int, bool) {
	switch n := Get(d, path...).(type) {
	case json.Number:
		i, err := n.Int64()
		return int(i), err == nil
	case int:
		return n, true
	}
	return 0, false
}

// Strings returns the texts in the array at path, leaving out other values.
func Strings(d Doc, path ...string) []string {
	a, ok := Get(d, path...).([]any)
	if !ok {
		return nil
	}
	out := make([]string, 0, len(a))
	for _, e := range a {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Array makes a JSON array of texts.
func Array(ss ...string) []any {
	out := make([]any, len(ss))
	for i, s := range ss {
		out[i] = s
	}
	return out
}

// Ensure returns the object at path, making empty ones on the way.
func Ensure(d Doc, path ...string) Doc {
	for _, p := range path {
		next, ok := d[p].(Doc)
		if !ok {
			next = Doc{}
			d[p] = next
		}
		d = next
	}
	return d
}

// Default sets the field unless it is there already with a value.
func Default(d Doc, field string, v any) {
	if d[field] == nil {
		d[field] = v
	}
}

// Merge lays over on top of under: objects are merged field by field, everything
// else is replaced. Neither argument is changed.
func Merge(under, over Doc) Doc {
	out := Clone(under)
	if out == nil {
		out = Doc{}
	}
	for k, v := range over {
		o, isObject := v.(Doc)
		u, wasObject := out[k].(Doc)
		if isObject && wasObject {
			out[k] = Merge(u, o)
			continue
		}
		out[k] = clone(v)
	}
	return out
}

// RemoveString takes every s out of the arrays below v and says whether any was found.
func RemoveString(v any, s string) (any, bool) {
	switch v := v.(type) {
	case Doc:
		found := false
		for k, e := range v {
			next, hit := RemoveString(e, s)
			if hit {
				v[k], found = next, true
			}
		}
		return v, found
	case []any:
		return removeFromArray(v, s)
	}
	return v, false
}

func removeFromArray(a []any, s string) (any, bool) {
	kept := slices.DeleteFunc(slices.Clone(a), func(e any) bool { return e == any(s) })
	found := len(kept) != len(a)
	for i, e := range kept {
		if _, isText := e.(string); isText {
			continue
		}
		next, hit := RemoveString(e, s)
		if hit {
			kept[i], found = next, true
		}
	}
	if kept == nil {
		kept = []any{}
	}
	return kept, found
}

// Mentions says whether s stands in any array or field below v.
func Mentions(v any, s string) bool {
	switch v := v.(type) {
	case Doc:
		for _, e := range v {
			if Mentions(e, s) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return Mentions(e, s) })
	case string:
		return v == s
	}
	return false
}
