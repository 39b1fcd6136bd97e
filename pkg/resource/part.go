package resource

import (
	"bytes"
	"fmt"
	"slices"
)

// Part divides an object in canonical form in two: what stays, and the members of these
// names, which move without anybody changing anything. moving is nil when it has none of
// them. Both are canonical, and Join makes the object of them again, byte for byte.
func Part(body []byte, names []string) (stays, moving []byte, err error) {
	if len(names) == 0 || len(body) == 0 || body[0] != '{' {
		return body, nil, nil
	}
	err = Members(body, func(key, value []byte) error {
		to := &stays
		if slices.Contains(names, string(key)) {
			to = &moving
		}
		*to = appendMember(*to, key, value)
		return nil
	})
	if err != nil || moving == nil {
		return body, nil, err
	}
	return closed(stays), append(moving, '}'), nil
}

func appendMember(dst, key, value []byte) []byte {
	sep := byte(',')
	if dst == nil {
		sep = '{'
	}
	dst = append(append(append(dst, sep, '"'), key...), '"', ':')
	return append(dst, value...)
}

func closed(object []byte) []byte {
	if object == nil {
		return []byte("{}")
	}
	return append(object, '}')
}

// Join undoes Part.
func Join(stays, moving []byte) ([]byte, error) {
	if moving == nil {
		return stays, nil
	}
	if len(stays) < 2 || len(moving) < 3 || stays[0] != '{' || moving[0] != '{' {
		return nil, fmt.Errorf("join what was parted: %w", errNotObject)
	}
	if joined, ok := splice(stays, moving); ok {
		return joined, nil
	}
	joined := bytes.Clone(moving[:len(moving)-1])
	if len(stays) > 2 {
		joined = append(append(joined, ','), stays[1:len(stays)-1]...)
	}
	// Members that stand twice are refused, and those in disorder put in order.
	return Canonical(nil, append(joined, '}'))
}

// splice merges the members of two objects by their keys, where these are plain enough to
// be compared as they stand.
func splice(stays, moving []byte) (joined []byte, ok bool) {
	type member struct{ key, value []byte }
	var few []member
	plain := true
	err := Members(moving, func(key, value []byte) error {
		few = append(few, member{key, value})
		plain = plain && simple(key)
		return nil
	})
	joined = make([]byte, 0, len(stays)+len(moving))
	add := func(m member) {
		sep := byte(',')
		if len(joined) == 0 {
			sep = '{'
		}
		joined = append(append(append(joined, sep, '"'), m.key...), '"', ':')
		joined = append(joined, m.value...)
	}
	if err == nil {
		err = Members(stays, func(key, value []byte) error {
			plain = plain && simple(key)
			for len(few) > 0 && bytes.Compare(few[0].key, key) < 0 {
				add(few[0])
				few = few[1:]
			}
			plain = plain && (len(few) == 0 || !bytes.Equal(few[0].key, key))
			add(member{key, value})
			return nil
		})
	}
	for _, m := range few {
		add(m)
	}
	return append(joined, '}'), err == nil && plain
}

// simple reports whether a key is ASCII without escapes: such are in order as bytes where
// they are as UTF-16.
func simple(key []byte) bool {
	for _, b := range key {
		if b >= 0x80 || b == '\\' {
			return false
		}
	}
	return true
}
