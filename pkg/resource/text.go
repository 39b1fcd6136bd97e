package resource

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

const lowerHex = "0123456789abcdef"

// short are the escapes with a letter of their own, by that letter.
var short = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape measures the escape that s begins with; n is 0 when it is malformed, and
// canonical tells whether RFC 8785 (3.2.2.2) writes that character so.
func escape(s []byte) (n int, canonical bool) {
	if len(s) < 2 {
		return 0, false
	}
	if s[1] != 'u' {
		if short[s[1]] == 0 {
			return 0, false
		}
		return 2, s[1] != '/'
	}
	r, ok := unit(s)
	if !ok {
		return 0, false
	}
	if !utf16.IsSurrogate(r) {
		return 6, r < 0x20 && !hasShort(r) && s[4] == lowerHex[r>>4] && s[5] == lowerHex[r&15]
	}
	low, ok := unit(s[6:])
	if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
		return 0, false
	}
	return 12, false
}

func hasShort(r rune) bool {
	return r == '\b' || r == '\t' || r == '\n' || r == '\f' || r == '\r'
}

// unit reads \uXXXX.
func unit(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, b := range s[2:6] {
		switch {
		case '0' <= b && b <= '9':
			b -= '0'
		case 'a' <= b && b <= 'f':
			b -= 'a' - 10
		case 'A' <= b && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(b)
	}
	return r, true
}

// unescape appends the text of a string's content, whose escapes are well formed.
func unescape(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		n, _ := escape(s[i:])
		switch n {
		case 2:
			dst = append(dst, short[s[i+1]])
		case 6:
			r, _ := unit(s[i:])
			dst = utf8.AppendRune(dst, r)
		case 12:
			r, _ := unit(s[i:])
			low, _ := unit(s[i+6:])
			dst = utf8.AppendRune(dst, utf16.DecodeRune(r, low))
		default: // not reached with well formed text; kept as it stands
			dst = append(dst, s[i])
			n = 1
		}
		s = s[i+n:]
	}
}

// appendEscaped appends text as RFC 8785 (3.2.2.2) writes it, without the quotes.
func appendEscaped(dst, text []byte) []byte {
	for _, b := range text {
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			if b < 0x20 {
				dst = append(dst, '\\', 'u', '0', '0', lowerHex[b>>4], lowerHex[b&15])
			} else {
				dst = append(dst, b)
			}
		}
	}
	return dst
}
