package resource

import (
	"errors"
	"fmt"
)

var (
	errSyntax    = errors.New("malformed JSON")
	errNotObject = errors.New("not a JSON object")
	errNotList   = errors.New("not a JSON list")
)

// Elements calls do for each element of a JSON list, with its text. It checks
// that brackets and strings close, not every rule of JSON: Canonical does that
// for what is kept. A list that is cut short is an error.
func Elements(list []byte, do func(element []byte) error) error {
	from := blank(list, 0)
	if from == len(list) || list[from] != '[' {
		return errNotList
	}
	return eachElement(list[from:], do)
}

// Members calls do for each member of a JSON object; key is the text between its
// quotes, escapes as they stand. Otherwise like Elements.
func Members(object []byte, do func(key, value []byte) error) error {
	from := blank(object, 0)
	if from == len(object) || object[from] != '{' {
		return errNotObject
	}
	return eachMember(object[from:], do)
}

func eachElement(s []byte, do func(value []byte) error) error {
	return each(s, '[', func(i int) (int, error) {
		end, err := skip(s, i, 1)
		if err != nil {
			return i, err
		}
		return end, do(s[i:end])
	})
}

func eachMember(s []byte, do func(key, value []byte) error) error {
	return each(s, '{', func(i int) (int, error) {
		keyEnd, err := skipText(s, i)
		if err != nil {
			return i, err
		}
		at := blank(s, keyEnd)
		if at == len(s) || s[at] != ':' {
			return at, errSyntax
		}
		at = blank(s, at+1)
		end, err := skip(s, at, 1)
		if err != nil {
			return at, err
		}
		return end, do(s[i+1:keyEnd-1], s[at:end])
	})
}

// each walks the items of the container that s is, and nothing may follow it.
func each(s []byte, open byte, item func(i int) (end int, err error)) error {
	if len(s) == 0 || s[0] != open {
		if open == '[' {
			return errNotList
		}
		return errNotObject
	}
	i := blank(s, 1)
	for first := true; i < len(s) && (s[i] != open+2 || !first); first = false {
		end, err := item(i)
		if err != nil {
			return err
		}
		if i = blank(s, end); i == len(s) || s[i] == open+2 {
			break
		}
		if s[i] != ',' {
			return fmt.Errorf("%w at byte %d", errSyntax, i)
		}
		i = blank(s, i+1)
	}
	if i >= len(s) {
		return fmt.Errorf("%w: it ends early", errSyntax)
	}
	if i = blank(s, i+1); i != len(s) {
		return fmt.Errorf("%w at byte %d", errSyntax, i)
	}
	return nil
}

func blank(s []byte, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// skip finds the end of the value at i: the fast way, by its brackets and quotes.
func skip(s []byte, i, depth int) (int, error) {
	if i >= len(s) || depth > maxDepth {
		return i, fmt.Errorf("%w: it ends early or lies too deep", errSyntax)
	}
	switch s[i] {
	case '"':
		return skipText(s, i)
	case '{', '[':
		return skipNested(s, i)
	case ',', ':', '}', ']':
		return i, fmt.Errorf("%w at byte %d", errSyntax, i)
	}
	for i < len(s) && s[i] != ',' && s[i] != '}' && s[i] != ']' && s[i] > ' ' {
		i++
	}
	return i, nil
}

// skipNested counts brackets; kinds are checked by a small stack of bits.
func skipNested(s []byte, i int) (int, error) {
	var few [16]byte // mostly enough, and costs nothing
	open := few[:0]
	for i < len(s) {
		switch s[i] {
		case '"':
			if i = plainRun(s, i+1); i < len(s) && s[i] == '"' { // as nearly all is
				break
			}
			end, err := endText(s, i)
			if err != nil {
				return i, err
			}
			i = end
			continue
		case '{', '[':
			if open = append(open, s[i]); len(open) > maxDepth+1 { // as deep as Canonical goes
				return i, fmt.Errorf("%w: it lies too deep", errSyntax)
			}
		case '}', ']':
			if n := len(open); open[n-1] != s[i]-2 {
				return i, fmt.Errorf("%w at byte %d", errSyntax, i)
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return i + 1, nil
			}
		}
		i++
	}
	return i, fmt.Errorf("%w: it ends early", errSyntax)
}

func skipText(s []byte, i int) (int, error) {
	if i >= len(s) || s[i] != '"' {
		return i, fmt.Errorf("%w at byte %d", errSyntax, i)
	}
	return endText(s, i+1)
}

// endText finds the end of the string that i is within.
func endText(s []byte, i int) (int, error) {
	for {
		if i = plainRun(s, i); i >= len(s) {
			return i, fmt.Errorf("%w: it ends early", errSyntax)
		}
		switch s[i] {
		case '"':
			return i + 1, nil
		case '\\':
			i += 2
		default:
			i++
		}
	}
}
