package replay

import "strings"

// A word is a run of letters and digits, joined ones also of - and _. Ids, keys and
// names are words of texts.
type wordKind bool

const (
	plain  wordKind = false
	joined wordKind = true
)

func (k wordKind) has(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || bool(k) && (b == '-' || b == '_')
}

// spans are the beginnings and ends of the words in s.
func (k wordKind) spans(s string) [][2]int {
	var out [][2]int
	for i := 0; i < len(s); i++ {
		if !k.has(s[i]) {
			continue
		}
		from := i
		for i < len(s) && k.has(s[i]) {
			i++
		}
		out = append(out, [2]int{from, i})
	}
	return out
}

// each visits the words in s that have at least length bytes.
func (k wordKind) each(s string, length int, visit func(string)) {
	from := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && k.has(s[i]) {
			continue
		}
		if i-from >= length {
			visit(s[from:i])
		}
		from = i + 1
	}
}

// replace puts another word in the place of every word.
func (k wordKind) replace(s string, other func(string) string) string {
	var b strings.Builder
	done := 0
	for _, w := range k.spans(s) {
		old := s[w[0]:w[1]]
		if next := other(old); next != old {
			b.WriteString(s[done:w[0]])
			b.WriteString(next)
			done = w[1]
		}
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}
