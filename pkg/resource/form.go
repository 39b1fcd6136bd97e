package resource

import (
	"unicode/utf8"
)

// IsCanonical reports whether a text is what Canonical makes of it. It costs a fraction of
// making it.
func IsCanonical(src []byte) bool {
	end, ok := canonicalValue(src, 0, 0)
	return ok && end == len(src)
}

// canonicalValue finds the end of the canonical value at i; false: there is none.
func canonicalValue(s []byte, i, depth int) (end int, ok bool) {
	if i >= len(s) || depth > maxDepth {
		return i, false
	}
	switch b := s[i]; {
	case b == '"':
		end, _, ok = canonicalText(s, i)
		return end, ok
	case b == '{':
		return canonicalObject(s, i, depth)
	case b == '[':
		return canonicalList(s, i, depth)
	case b == '-' || '0' <= b && b <= '9':
		return numberEnd(s, i)
	case b == 't':
		return word(s, i, "true")
	case b == 'f':
		return word(s, i, "false")
	case b == 'n':
		return word(s, i, "null")
	}
	return i, false
}

func word(s []byte, i int, w string) (end int, ok bool) {
	end = i + len(w)
	return end, end <= len(s) && string(s[i:end]) == w
}

func canonicalList(s []byte, i, depth int) (end int, ok bool) {
	if i++; i < len(s) && s[i] == ']' {
		return i + 1, true
	}
	for {
		if i, ok = canonicalValue(s, i, depth+1); !ok || i >= len(s) {
			return i, false
		}
		if i++; s[i-1] == ']' {
			return i, true
		}
		if s[i-1] != ',' {
			return i, false
		}
	}
}

// canonicalObject wants members in order, and none twice.
func canonicalObject(s []byte, i, depth int) (end int, ok bool) {
	if i++; i < len(s) && s[i] == '}' {
		return i + 1, true
	}
	var before []byte
	for first := true; ; first = false {
		at := i
		var escaped bool
		if i, escaped, ok = canonicalText(s, i); !ok || i >= len(s) || s[i] != ':' {
			return i, false
		}
		key := s[at+1 : i-1]
		if escaped {
			key = unescape(nil, key)
		}
		if !first && compareKeys(before, key) >= 0 {
			return i, false
		}
		before = key
		if i, ok = canonicalValue(s, i+1, depth+1); !ok || i >= len(s) {
			return i, false
		}
		if i++; s[i-1] == '}' {
			return i, true
		}
		if s[i-1] != ',' {
			return i, false
		}
	}
}

// canonicalText finds the end of the string at i, behind its quote, and whether it has
// escapes.
func canonicalText(s []byte, i int) (end int, escaped, ok bool) {
	if i >= len(s) || s[i] != '"' {
		return i, false, false
	}
	from, ascii := i+1, true
	for i = from; ; {
		if i = plainRun(s, i); i >= len(s) {
			return i, escaped, false
		}
		switch b := s[i]; {
		case b == '"':
			return i + 1, escaped, ascii || utf8.Valid(s[from:i])
		case b == '\\':
			n, canonical := escape(s[i:])
			if n == 0 || !canonical {
				return i, true, false
			}
			escaped = true
			i += n
		case b < 0x20:
			return i, escaped, false
		default:
			ascii = false
			i++
		}
	}
}
