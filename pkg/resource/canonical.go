package resource

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a body, and with it the stack.
const maxDepth = 1000

// Canonical appends the canonical form of the one JSON value in src to dst.
//
// It is RFC 8785 in its order of members (UTF-16 code units), its white space
// (none) and its strings, but numbers stand as they were written: an integer above
// 2^53 must survive a backup, and RFC 8785 would round it. As RFC 7493 (I-JSON)
// asks, it refuses a key that stands twice, text that is not UTF-8 and half a
// surrogate pair; it also refuses anything after the value, and nesting deeper
// than 1000. Errors give the place, never the content. On error dst comes back
// with its first len(dst) bytes unchanged.
func Canonical(dst, src []byte) ([]byte, error) {
	var c Canonicaliser
	return c.Append(dst, src)
}

// Canonicaliser is Canonical with room to work in that is used again: for many
// small values one after the other. The zero value is ready; it is not for
// concurrent use.
//
// It copies src to dst value by value. What is canonical already is copied in runs
// as long as can be: src[mark:pos] is read and not yet copied.
type Canonicaliser struct {
	src, dst  []byte
	pos, mark int
	members   []member // of the objects that are open, innermost last
	keys      []byte   // keys that had escapes, without them
	moved     []byte   // an object's members while they are put in order
	ranks     []rank
	name      string // of the member that is looked for in each element; "": none
	named     []byte // its value, in src
}

// Append is Canonical.
func (c *Canonicaliser) Append(dst, src []byte) ([]byte, error) {
	return c.run(dst, src, func() error { return c.value(0) })
}

// Elements appends the canonical form of the JSON list in src to dst, and calls do
// with each element of it: a part of what is returned, unless dst had to grow; and with
// the value of the element's own member of that name, as it stands in src; nil: there is
// none. It spares reading a page once for its elements, once for their form, and once for
// their names.
func (c *Canonicaliser) Elements(dst, src []byte, name string, do func(element, named []byte) error) ([]byte, error) {
	c.name = name
	defer func() { c.name, c.named = "", nil }()
	return c.run(dst, src, func() error {
		if c.pos == len(src) || src[c.pos] != '[' {
			return errNotList
		}
		return c.list(-1, func(start int) error {
			c.flush(c.pos)
			named := c.named
			c.named = nil
			return do(c.dst[start:len(c.dst):len(c.dst)], named)
		})
	})
}

func (c *Canonicaliser) run(dst, src []byte, read func() error) ([]byte, error) {
	c.src, c.dst, c.pos, c.mark, c.members, c.keys = src, dst, 0, 0, c.members[:0], c.keys[:0]
	c.space()
	c.mark = c.pos
	err := read()
	if err == nil {
		c.flush(c.pos)
		if c.space(); c.pos != len(src) {
			err = c.fail("something follows the value")
		}
	}
	out := c.dst
	c.src, c.dst = nil, nil // keep nobody's memory
	if err != nil {
		return dst, err
	}
	return out, nil
}

// member is a member of an object: its key, and where it lies in dst.
type member struct {
	prefix      uint64 // the key's first bytes, to compare most keys at one stroke
	key, keyEnd int32  // in src, or in keys if it had escapes
	start, end  int    // in dst
	escaped     bool
}

func (c *Canonicaliser) fail(what string) error {
	return fmt.Errorf("json: %s at byte %d", what, c.pos)
}

// flush copies the run up to end.
func (c *Canonicaliser) flush(end int) {
	c.dst = append(c.dst, c.src[c.mark:end]...)
	c.mark = end
}

// at is where the byte at pos will lie in dst.
func (c *Canonicaliser) at() int { return len(c.dst) + c.pos - c.mark }

// space skips white space and ends the run before it.
func (c *Canonicaliser) space() {
	from := c.pos
	for c.pos < len(c.src) && (c.src[c.pos] == ' ' || c.src[c.pos] == '\n' || c.src[c.pos] == '\t' || c.src[c.pos] == '\r') {
		c.pos++
	}
	if c.pos > from {
		c.flush(from)
		c.mark = c.pos
	}
}

func (c *Canonicaliser) value(depth int) error {
	if c.pos >= len(c.src) {
		return c.fail("the text ends early")
	}
	if depth > maxDepth {
		return c.fail("nested too deep")
	}
	switch b := c.src[c.pos]; {
	case b == '"':
		_, err := c.text()
		return err
	case b == '{':
		return c.object(depth)
	case b == '[':
		return c.list(depth, nil)
	case b == '-' || '0' <= b && b <= '9':
		return c.number()
	case b == 't':
		return c.word("true")
	case b == 'f':
		return c.word("false")
	case b == 'n':
		return c.word("null")
	}
	return c.fail("a value was expected")
}

func (c *Canonicaliser) word(w string) error {
	if len(c.src)-c.pos < len(w) || string(c.src[c.pos:c.pos+len(w)]) != w {
		return c.fail("a value was expected")
	}
	c.pos += len(w)
	return nil
}

// number checks the grammar of RFC 8259 and leaves the text as it is.
func (c *Canonicaliser) number() error {
	end, ok := numberEnd(c.src, c.pos)
	if !ok {
		return c.fail("a malformed number")
	}
	c.pos = end
	return nil
}

func numberEnd(s []byte, i int) (int, bool) {
	if s[i] == '-' {
		i++
	}
	from := i
	i = digits(s, i)
	if i == from || s[from] == '0' && i > from+1 {
		return i, false
	}
	if i < len(s) && s[i] == '.' {
		from = i + 1
		if i = digits(s, from); i == from {
			return i, false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		from = i
		if i = digits(s, from); i == from {
			return i, false
		}
	}
	return i, true
}

func digits(s []byte, i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// list reads a list; then, if not nil, is told where in dst each element starts, with
// pos at its end.
func (c *Canonicaliser) list(depth int, then func(start int) error) error {
	c.pos++
	if c.space(); c.take(']') {
		return nil
	}
	for {
		start := c.at()
		if err := c.value(depth + 1); err != nil {
			return err
		}
		if then != nil {
			if err := then(start); err != nil {
				return err
			}
		}
		if c.space(); c.take(']') {
			return nil
		}
		if !c.take(',') {
			return c.fail("a comma or the end of the list was expected")
		}
		c.space()
	}
}

func (c *Canonicaliser) take(b byte) bool {
	if c.pos < len(c.src) && c.src[c.pos] == b {
		c.pos++
		return true
	}
	return false
}

func (c *Canonicaliser) object(depth int) error {
	c.pos++
	if c.space(); c.take('}') {
		return nil
	}
	base, keys, sorted := len(c.members), len(c.keys), true
	for {
		m, err := c.member(depth)
		if err != nil {
			return err
		}
		if n := len(c.members); sorted && n > base && c.compare(&c.members[n-1], &m) >= 0 {
			sorted = false
		}
		c.members = append(c.members, m)
		if c.space(); c.take('}') {
			break
		}
		if !c.take(',') {
			return c.fail("a comma or the end of the object was expected")
		}
		c.space()
	}
	if !sorted {
		if err := c.order(c.members[base:]); err != nil {
			return err
		}
	}
	c.members, c.keys = c.members[:base], c.keys[:keys]
	return nil
}

// member reads a key and its value.
func (c *Canonicaliser) member(depth int) (m member, err error) {
	if c.pos >= len(c.src) || c.src[c.pos] != '"' {
		return m, c.fail("a key was expected")
	}
	m.start = c.at()
	from := c.pos
	escaped, err := c.text()
	if err != nil {
		return m, err
	}
	m.key, m.keyEnd = int32(from+1), int32(c.pos-1)
	if escaped {
		m.escaped = true
		m.key = int32(len(c.keys))
		c.keys = unescape(c.keys, c.src[from+1:c.pos-1])
		m.keyEnd = int32(len(c.keys))
	}
	m.prefix = c.prefix(&m)
	if c.space(); !c.take(':') {
		return m, c.fail("a colon was expected")
	}
	c.space()
	from = c.pos
	err = c.value(depth + 1)
	m.end = c.at()
	if depth == 0 && c.name != "" && string(c.key(&m)) == c.name {
		c.named = c.src[from:c.pos:c.pos]
	}
	return m, err
}

func (c *Canonicaliser) key(m *member) []byte {
	if m.escaped {
		return c.keys[m.key:m.keyEnd]
	}
	return c.src[m.key:m.keyEnd]
}

// prefix is that of a member's key. What follows a short one in src is read with it, which
// is quicker than byte by byte, and left away.
func (c *Canonicaliser) prefix(m *member) uint64 {
	n := m.keyEnd - m.key
	if m.escaped || n >= 8 || int(m.key)+8 > len(c.src) {
		return prefix(c.key(m))
	}
	return binary.BigEndian.Uint64(c.src[m.key:]) &^ (^uint64(0) >> (8 * n))
}

// prefix packs the first eight bytes so that integers order as the bytes do.
func prefix(key []byte) (p uint64) {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	for i, b := range key {
		p |= uint64(b) << (56 - 8*i)
	}
	return p
}

func (c *Canonicaliser) compare(a, b *member) int {
	const high = 0x8080808080808080
	if a.prefix != b.prefix && (a.prefix|b.prefix)&high == 0 {
		if a.prefix < b.prefix {
			return -1
		}
		return 1
	}
	return compareKeys(c.key(a), c.key(b))
}

// compareKeys orders UTF-8 text as RFC 8785 does, by UTF-16 code units. The two
// orders differ in one thing only: what lies beyond U+FFFF is written in UTF-16
// with surrogates, which come before U+E000 to U+FFFF.
func compareKeys(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
			x, y = y, x
		}
		return int(x) - int(y)
	}
	return len(a) - len(b)
}

// order puts the members of the object that ends at pos in order, in dst. They
// stand in ms as the source had them, so the first one begins where all begin.
func (c *Canonicaliser) order(ms []member) error {
	c.flush(c.pos)
	ranks := c.rank(ms)
	for i := 1; i < len(ranks); i++ {
		if c.compare(&ms[ranks[i-1].i], &ms[ranks[i].i]) == 0 {
			return c.fail("a key stands twice in the object that ends")
		}
	}
	first := ms[0].start
	c.moved = append(c.moved[:0], c.dst[first:]...)
	at := first
	for i, r := range ranks {
		if i > 0 {
			c.dst[at] = ','
			at++
		}
		at += copy(c.dst[at:], c.moved[ms[r.i].start-first:ms[r.i].end-first])
	}
	return nil // the closing brace stands where it stood
}

// rank is a member's place: small, so that sorting moves little.
type rank struct {
	prefix uint64
	i      int
}

// rank sorts the members by key. Okta's objects are small, and for those
// insertion is the quickest; large ones must not cost the square of their size.
func (c *Canonicaliser) rank(ms []member) []rank {
	const small = 40
	c.ranks = c.ranks[:0]
	for i := range ms {
		c.ranks = append(c.ranks, rank{ms[i].prefix, i})
	}
	if len(ms) > small {
		slices.SortFunc(c.ranks, func(a, b rank) int { return c.compare(&ms[a.i], &ms[b.i]) })
		return c.ranks
	}
	for i, r := range c.ranks {
		j := i
		for j > 0 && c.before(r, c.ranks[j-1], ms) {
			c.ranks[j] = c.ranks[j-1]
			j--
		}
		c.ranks[j] = r
	}
	return c.ranks
}

func (c *Canonicaliser) before(a, b rank, ms []member) bool {
	const high = 0x8080808080808080
	if a.prefix != b.prefix && (a.prefix|b.prefix)&high == 0 {
		return a.prefix < b.prefix
	}
	return compareKeys(c.key(&ms[a.i]), c.key(&ms[b.i])) < 0
}

// text reads the string at pos and says whether it has escapes. One that is not
// written as RFC 8785 writes it goes to dst rewritten.
func (c *Canonicaliser) text() (escaped bool, err error) {
	from := c.pos + 1
	i, ascii, plain := from, true, true
	if i = plainRun(c.src, i); i < len(c.src) && c.src[i] == '"' { // as nearly all is
		c.pos = i + 1
		return false, nil
	}
	for {
		if i = plainRun(c.src, i); i >= len(c.src) {
			return false, c.fail("a string does not end")
		}
		switch b := c.src[i]; {
		case b == '"':
			if !ascii && !utf8.Valid(c.src[from:i]) {
				return false, c.fail("text that is not UTF-8")
			}
			c.pos = i + 1
			if !plain {
				c.rewrite(from, i)
			}
			return escaped, nil
		case b == '\\':
			n, canonical := escape(c.src[i:])
			if n == 0 {
				c.pos = i
				return false, c.fail("a malformed escape")
			}
			escaped, plain = true, plain && canonical
			i += n
		case b < 0x20:
			c.pos = i
			return false, c.fail("a control character")
		default:
			ascii = false
			i++
		}
	}
}

// plainRun skips to the next byte that is a quote, a backslash, a control
// character or not ASCII, eight bytes at a time.
func plainRun(s []byte, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		x := binary.LittleEndian.Uint64(s[i:])
		// A byte below n borrows when n is taken from it, which sets its high bit;
		// the lowest flagged byte is flagged rightly, and that is the one we use.
		if hit := (((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones) | (x - 0x20*ones) | x) & high; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= 0x20 && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// rewrite puts src[from:to], a string's content, into dst with canonical escapes.
func (c *Canonicaliser) rewrite(from, to int) {
	c.flush(from)
	c.dst = appendEscaped(c.dst, unescape(nil, c.src[from:to]))
	c.mark = to
}
