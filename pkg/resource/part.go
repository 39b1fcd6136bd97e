package resource

import (
	"bytes"
	"errors"
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
	stays = make([]byte, 0, len(body))
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
	if len(dst) == 0 {
		sep = '{'
	}
	dst = append(append(append(dst, sep, '"'), key...), '"', ':')
	return append(dst, value...)
}

func closed(object []byte) []byte {
	if len(object) == 0 {
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

type pair struct{ key, value []byte }

var errDone = errors.New("done")

// splice puts the members of moving among those of stays, where the keys are plain enough
// to be compared as they stand. What stands behind the last of them is not looked at.
func splice(stays, moving []byte) (joined []byte, ok bool) {
	var few []pair
	err := Members(moving, func(key, value []byte) error {
		few = append(few, pair{key, value})
		return plainKey(key)
	})
	if err != nil {
		return nil, false
	}
	joined = make([]byte, 0, len(stays)+len(moving))
	at := 1 // of the next member that stays
	err = Members(stays, func(key, value []byte) error {
		for ; len(few) > 0 && bytes.Compare(few[0].key, key) < 0; few = few[1:] {
			joined = appendMember(joined, few[0].key, few[0].value)
		}
		if !bytes.HasPrefix(stays[at+1:], key) || len(few) > 0 && bytes.Equal(few[0].key, key) {
			return errSyntax
		}
		if len(few) == 0 {
			return errDone
		}
		joined = appendMember(joined, key, value)
		at += len(`"":,`) + len(key) + len(value)
		return plainKey(key)
	})
	if errors.Is(err, errDone) {
		return append(append(joined, ','), stays[at:]...), true
	}
	for _, m := range few {
		joined = appendMember(joined, m.key, m.value)
	}
	return append(joined, '}'), err == nil
}

// plainKey refuses a key that is not ASCII without escapes: such are in order as bytes
// where they are as UTF-16.
func plainKey(key []byte) error {
	for _, b := range key {
		if b >= 0x80 || b == '\\' {
			return errSyntax
		}
	}
	return nil
}
