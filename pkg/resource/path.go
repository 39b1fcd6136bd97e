package resource

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Path names fields of a JSON object: keys joined by dots, "[]" for each element
// of a list, "*" for each value of a map:
// "profile.name", "conditions.people.groups.include[]", "_links.accessPolicy.href".
type Path string

// Value is one value found at a path.
type Value struct {
	Key  string // of the member that holds it, or whose list holds it
	JSON []byte // as it stands in the body; not a copy
}

// Text gives a JSON string's text; ok is false for any other value.
func (v Value) Text() (text string, ok bool) {
	if n := len(v.JSON); n < 2 || v.JSON[0] != '"' || v.JSON[n-1] != '"' {
		return "", false
	}
	inner := v.JSON[1 : len(v.JSON)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		inner = unescape(nil, inner)
	}
	return string(inner), true
}

// Lookup finds every value at the path, in the body's order. body is JSON; a path
// that leads nowhere finds nothing.
func (p Path) Lookup(body []byte) ([]Value, error) {
	var found []Value
	err := p.visit(body, nil, func(key, value []byte) {
		found = append(found, Value{string(unescape(nil, key)), value})
	})
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", p, err)
	}
	return found, nil
}

// visit shows every value at the path, and the key of the member that holds it. It copies
// nothing: labels are looked up in whole snapshots.
func (p Path) visit(value, key []byte, do func(key, value []byte)) error {
	if p == "" {
		do(key, value)
		return wellFormed(value)
	}
	name, rest := p.step()
	switch {
	case name == "" && len(value) > 0 && value[0] == '[':
		return eachElement(value, func(element []byte) error { return rest.visit(element, key, do) })
	case name != "" && len(value) > 0 && value[0] == '{':
		return eachMember(value, func(k, v []byte) error {
			if name != "*" && string(k) != name {
				return nil
			}
			return rest.visit(v, k, do)
		})
	}
	return wellFormed(value)
}

// step cuts the first step off; its name is "" for the elements of a list.
func (p Path) step() (name string, rest Path) {
	name, _, _ = strings.Cut(string(p), ".")
	if name = strings.TrimRight(name, "[]"); name == "" {
		return "", Path(strings.TrimPrefix(string(p[2:]), "."))
	}
	return name, Path(strings.TrimPrefix(string(p[len(name):]), "."))
}

// Text gives the text at the path: the first string that Lookup finds, else "".
func (p Path) Text(body []byte) (string, error) {
	found, text := false, ""
	err := p.visit(body, nil, func(_, value []byte) {
		if !found {
			text, found = Value{JSON: value}.Text()
		}
	})
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", p, err)
	}
	return text, nil
}

// Without is the canonical body less the fields at the paths; elements of lists
// go with "[]" at a path's end. It is how states are compared without what moves
// by itself. The result shares nothing with body.
func Without(body []byte, paths ...Path) ([]byte, error) {
	root := &branch{}
	for _, p := range paths {
		root.grow(p).drop = true
	}
	out, err := root.edit(make([]byte, 0, len(body)), body, nil)
	if err != nil {
		return nil, fmt.Errorf("leave fields out: %w", err)
	}
	return out, nil
}

// Only is the canonical object with no fields but those at the paths, which are
// keys of the object itself.
func Only(body []byte, keys ...Path) ([]byte, error) {
	out := []byte{'{'}
	err := eachMember(body, func(key, value []byte) error {
		for _, k := range keys {
			if string(key) != string(k) {
				continue
			}
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(append(out, '"'), key...), '"', ':')
			out = append(out, value...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("keep fields: %w", err)
	}
	return append(out, '}'), nil
}

// With is the canonical object with the top-level field set to a JSON value.
func With(body []byte, key Path, value []byte) ([]byte, error) {
	rest, err := Without(body, key)
	if err != nil {
		return nil, err
	}
	if len(rest) < 2 || rest[0] != '{' {
		return nil, fmt.Errorf("set %s: %w", key, errNotObject)
	}
	set := append([]byte{'{', '"'}, appendEscaped(nil, []byte(key))...)
	set = append(append(set, '"', ':'), value...)
	if len(rest) > 2 {
		set = append(set, ',')
	}
	return Canonical(nil, append(set, rest[1:]...))
}

// Equal reports whether two canonical bodies say the same apart from the paths.
// An absent body (nil) equals only an absent one.
func Equal(a, b []byte, apart ...Path) (bool, error) {
	if a == nil || b == nil {
		return a == nil && b == nil, nil
	}
	if bytes.Equal(a, b) {
		return true, nil
	}
	x, err := Without(a, apart...)
	if err != nil {
		return false, err
	}
	y, err := Without(b, apart...)
	return bytes.Equal(x, y), err
}

// branch is a node of paths that are followed together.
type branch struct {
	keys  map[string]*branch
	each  *branch // "*": the values of a map
	elems *branch // "[]": the elements of a list

	drop  bool
	edits []edit
}

// edit changes a value that a path leads to; it appends what takes its place.
type edit func(dst, value []byte) ([]byte, error)

// grow adds a path and gives its end.
func (n *branch) grow(p Path) *branch {
	if p == "" {
		return n
	}
	for _, step := range strings.Split(string(p), ".") {
		name := strings.TrimRight(step, "[]")
		n = n.child(name)
		for range strings.Count(step[len(name):], "[]") {
			if n.elems == nil {
				n.elems = &branch{}
			}
			n = n.elems
		}
	}
	return n
}

func (n *branch) child(name string) *branch {
	switch {
	case name == "":
		return n
	case name == "*":
		if n.each == nil {
			n.each = &branch{}
		}
		return n.each
	case n.keys == nil:
		n.keys = map[string]*branch{}
	}
	if n.keys[name] == nil {
		n.keys[name] = &branch{}
	}
	return n.keys[name]
}

// under is the branch for a member: its own, the one for each, or both together.
func (n *branch) under(key []byte) *branch {
	own := n.keys[string(key)]
	if own == nil || n.each == nil {
		return cmp.Or(own, n.each)
	}
	return own.and(n.each)
}

// and joins two branches into a new one.
func (n *branch) and(o *branch) *branch {
	if n == nil || o == nil {
		return cmp.Or(n, o)
	}
	both := &branch{
		keys: maps.Clone(n.keys), each: n.each.and(o.each), elems: n.elems.and(o.elems),
		drop: n.drop || o.drop, edits: slices.Concat(n.edits, o.edits),
	}
	for name, b := range o.keys {
		if both.keys == nil {
			both.keys = map[string]*branch{}
		}
		both.keys[name] = both.keys[name].and(b)
	}
	return both
}

// edit appends the value as the branch changes it; key is the member it stands in.
func (n *branch) edit(dst, value, key []byte) (_ []byte, err error) {
	at := len(dst)
	switch {
	case len(value) > 0 && value[0] == '{' && (n.keys != nil || n.each != nil):
		dst, err = n.editObject(dst, value)
	case len(value) > 0 && value[0] == '[' && n.elems != nil:
		dst, err = n.editList(dst, value, key)
	default:
		if err = wellFormed(value); err == nil {
			dst = append(dst, value...)
		}
	}
	for _, change := range n.edits {
		if err != nil {
			break
		}
		var changed []byte
		if changed, err = change(nil, dst[at:]); err == nil {
			dst = append(dst[:at], changed...)
		}
	}
	return dst, err
}

func (n *branch) editObject(dst, object []byte) ([]byte, error) {
	dst = append(dst, '{')
	start := len(dst)
	err := eachMember(object, func(key, value []byte) (err error) {
		child := n.under(key)
		if child != nil && child.drop {
			return nil
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), key...), '"', ':')
		if child == nil {
			dst = append(dst, value...)
			return nil
		}
		dst, err = child.edit(dst, value, key)
		return err
	})
	return append(dst, '}'), err
}

func (n *branch) editList(dst, list, key []byte) ([]byte, error) {
	dst = append(dst, '[')
	start := len(dst)
	err := eachElement(list, func(value []byte) (err error) {
		if n.elems.drop {
			return nil
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst, err = n.elems.edit(dst, value, key)
		return err
	})
	return append(dst, ']'), err
}

// wellFormed refuses a body that is no JSON at all; one inside a body was
// measured before and is let through.
func wellFormed(value []byte) error {
	if end, err := skip(value, 0, 0); err != nil || end != len(value) {
		return fmt.Errorf("not JSON: %w", errSyntax)
	}
	return nil
}

// Quote is text as a canonical JSON string.
func Quote(text string) []byte { return AppendQuoted(nil, text) }

// AppendQuoted appends text as a canonical JSON string.
func AppendQuoted(dst []byte, text string) []byte {
	return append(appendEscaped(append(dst, '"'), []byte(text)), '"')
}
