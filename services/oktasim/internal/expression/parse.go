package expression

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

type token struct {
	text string
	kind byte // 'w' word, 's' text, 'n' number, 'o' operator
}

func scan(text string) ([]token, error) {
	var out []token
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '"' || c == '\'':
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				return nil, errors.New("text is not closed")
			}
			out = append(out, token{text[i+1 : i+1+end], 's'})
			i += end + 2
		case isWord(rune(c)):
			end := i
			number := c >= '0' && c <= '9'
			for end < len(text) && (isWord(rune(text[end])) || number && text[end] == '.') {
				end++
			}
			out = append(out, word(text[i:end]))
			i = end
		default:
			op := operatorAt(text[i:])
			if op == "" {
				return nil, fmt.Errorf("unexpected %q", c)
			}
			out = append(out, token{op, 'o'})
			i += len(op)
		}
	}
	return out, nil
}

func isWord(r rune) bool {
	return r == '_' || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func word(s string) token {
	if s[0] >= '0' && s[0] <= '9' {
		return token{s, 'n'}
	}
	return token{s, 'w'}
}

func operatorAt(s string) string {
	for _, op := range []string{"==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", ",", ".", "?", ":", "{", "}", "[", "]", "-"} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

// maxDepth bounds nesting, so that no input can exhaust the stack.
const maxDepth = 64

type parser struct {
	tokens []token
	at     int
	groups []string
	// named reads what a name begins.
	named func(p *parser, name string, depth int) (term, error)
}

// parse reads a condition, which must be a truth value.
func parse(text string, named func(*parser, string, int) (term, error)) (*Expression, error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, named: named}
	root, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.at < len(p.tokens) {
		return nil, fmt.Errorf("unexpected %q", p.tokens[p.at].text)
	}
	if !root.boolean() {
		return nil, errors.New("the expression is not a truth value")
	}
	return &Expression{root: root, groups: p.groups}, nil
}

// take consumes the next token if it is the operator or the keyword.
func (p *parser) take(words ...string) bool {
	if p.at >= len(p.tokens) || p.tokens[p.at].kind == 's' {
		return false
	}
	for _, w := range words {
		if strings.EqualFold(p.tokens[p.at].text, w) {
			p.at++
			return true
		}
	}
	return false
}

func (p *parser) or(depth int) (term, error) {
	return p.chain(depth, p.and, false, "||", "or")
}

func (p *parser) and(depth int) (term, error) {
	return p.chain(depth, p.comparison, true, "&&", "and")
}

func (p *parser) chain(depth int, next func(int) (term, error), and bool, words ...string) (term, error) {
	left, err := next(depth)
	if err != nil {
		return nil, err
	}
	for p.take(words...) {
		right, err := next(depth)
		if err != nil {
			return nil, err
		}
		if !left.boolean() || !right.boolean() {
			return nil, fmt.Errorf("%s needs truth values", words[0])
		}
		left = logic{and: and, left: left, right: right}
	}
	return left, nil
}

// comparisons are the words for each order of two values.
var comparisons = [][]string{{"==", "eq"}, {"!=", "ne"}, {"<=", "le"}, {">=", "ge"}, {"<", "lt"}, {">", "gt"}}

func (p *parser) comparison(depth int) (term, error) {
	left, err := p.unary(depth)
	if err != nil {
		return nil, err
	}
	for _, words := range comparisons {
		if !p.take(words...) {
			continue
		}
		right, err := p.unary(depth)
		if err != nil {
			return nil, err
		}
		if op := words[0]; op != "==" && op != "!=" {
			return order{op: op, left: left, right: right}, nil
		}
		return equality{negated: words[0] == "!=", left: left, right: right}, nil
	}
	return left, nil
}

func (p *parser) unary(depth int) (term, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	if p.take("!", "not") {
		inner, err := p.unary(depth + 1)
		if err != nil {
			return nil, err
		}
		if !inner.boolean() {
			return nil, errors.New("not needs a truth value")
		}
		return not{inner}, nil
	}
	if p.take("(") {
		inner, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, errors.New("expected )")
		}
		return inner, nil
	}
	return p.primary(depth)
}

func (p *parser) primary(depth int) (term, error) {
	if p.at >= len(p.tokens) {
		return nil, errors.New("the expression ends too early")
	}
	t := p.tokens[p.at]
	p.at++
	switch t.kind {
	case 's', 'n':
		return literal{t.text}, nil
	case 'o':
		return nil, fmt.Errorf("unexpected %q", t.text)
	}
	return p.name(p.dotted(t.text), depth)
}

func (p *parser) name(name string, depth int) (term, error) {
	switch name {
	case "true", "false":
		return literal{name == "true"}, nil
	case "null":
		return literal{nil}, nil
	}
	return p.named(p, name, depth)
}

// dotted reads the rest of a name like user.firstName; blanks may stand around the dots
// (recorded).
func (p *parser) dotted(name string) string {
	for p.at+1 < len(p.tokens) && p.tokens[p.at].kind == 'o' && p.tokens[p.at].text == "." && p.tokens[p.at+1].kind == 'w' {
		name += "." + p.tokens[p.at+1].text
		p.at += 2
	}
	return name
}

// ofUser reads an attribute of the user or a function.
func ofUser(p *parser, name string, depth int) (term, error) {
	if attr, ok := strings.CutPrefix(name, "user."); ok && attr != "" && !strings.Contains(attr, ".") {
		return attribute(attr), nil
	}
	if _, ok := functions[name]; !ok || !p.take("(") {
		return nil, fmt.Errorf("unknown name %s", name)
	}
	c, err := p.call(name, depth)
	if err != nil || !functions[name].profile {
		return c, err
	}
	// findDirectoryUser().managerUpn: the attribute of a profile elsewhere.
	if attr := p.dotted(""); attr != "" {
		return literal{nil}, nil
	}
	return nil, fmt.Errorf("expected an attribute of %s", name)
}

func (p *parser) call(name string, depth int) (term, error) {
	c := call{name: name}
	for !p.take(")") {
		if len(c.args) > 0 && !p.take(",") {
			return nil, fmt.Errorf("expected , or ) in %s", name)
		}
		arg, err := p.argument(depth + 1)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, arg)
		if l, ok := arg.(literal); ok && (name == "isMemberOfGroup" || name == "isMemberOfAnyGroup") {
			p.groups = append(p.groups, fmt.Sprint(l.value))
		}
	}
	if f := functions[name]; len(c.args) < f.min || len(c.args) > f.max {
		return nil, fmt.Errorf("%s has the wrong number of arguments", name)
	}
	return c, nil
}

// argument reads a value or a list like {"a", "b"}.
func (p *parser) argument(depth int) (term, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	if !p.take("{") {
		return p.or(depth)
	}
	var l list
	for !p.take("}") {
		if len(l) > 0 && !p.take(",") {
			return nil, errors.New("expected , or } in a list")
		}
		e, err := p.argument(depth + 1)
		if err != nil {
			return nil, err
		}
		l = append(l, e)
	}
	return l, nil
}
