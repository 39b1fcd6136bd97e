package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

type token struct {
	text   string
	quoted bool
}

// scan splits the text into words, quoted texts and parentheses.
func scan(text string) ([]token, error) {
	var out []token
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '+':
			i++
		case c == '(' || c == ')':
			out = append(out, token{text: string(c)})
			i++
		case c == '"':
			end, err := closing(text, i)
			if err != nil {
				return nil, err
			}
			var s string
			if err := json.Unmarshal([]byte(text[i:end]), &s); err != nil {
				return nil, fmt.Errorf("bad quoted text at %d: %w", i, err)
			}
			out = append(out, token{text: s, quoted: true})
			i = end
		default:
			end := i + strings.IndexAny(text[i:]+" ", " \t\n\r()\"")
			out = append(out, token{text: text[i:end]})
			i = end
		}
	}
	return out, nil
}

// closing finds the end of the quoted text that starts at i.
func closing(text string, i int) (int, error) {
	for j := i + 1; j < len(text); j++ {
		switch text[j] {
		case '\\':
			j++
		case '"':
			return j + 1, nil
		}
	}
	return 0, fmt.Errorf("quote at %d is not closed", i)
}

type parser struct {
	tokens     []token
	at         int
	attributes []string
}

func (p *parser) done() bool { return p.at >= len(p.tokens) }

func (p *parser) peek() token {
	if p.done() {
		return token{}
	}
	return p.tokens[p.at]
}

func (p *parser) word(w string) bool {
	t := p.peek()
	if p.done() || t.quoted || !strings.EqualFold(t.text, w) {
		return false
	}
	p.at++
	return true
}

func (p *parser) or(depth int) (node, error) {
	left, err := p.and(depth)
	if err != nil {
		return nil, err
	}
	for p.word("or") {
		right, err := p.and(depth)
		if err != nil {
			return nil, err
		}
		left = either{left, right}
	}
	return left, nil
}

func (p *parser) and(depth int) (node, error) {
	left, err := p.unary(depth)
	if err != nil {
		return nil, err
	}
	for p.word("and") {
		right, err := p.unary(depth)
		if err != nil {
			return nil, err
		}
		left = all{left, right}
	}
	return left, nil
}

func (p *parser) unary(depth int) (node, error) {
	if depth > maxDepth {
		return nil, errors.New("expression is nested too deeply")
	}
	if p.word("not") {
		inner, err := p.unary(depth + 1)
		if err != nil {
			return nil, err
		}
		return negation{inner}, nil
	}
	if p.word("(") {
		inner, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.word(")") {
			return nil, errors.New("expected )")
		}
		return inner, nil
	}
	return p.comparison()
}

var operators = []string{"eq", "ne", "gt", "ge", "lt", "le", "sw", "ew", "co"}

func (p *parser) comparison() (node, error) {
	attribute := p.peek()
	if p.done() || attribute.quoted || attribute.text == ")" {
		return nil, errors.New("expected an attribute")
	}
	p.at++
	p.attributes = append(p.attributes, attribute.text)
	if p.word("pr") {
		return comparison{attribute: attribute.text, operator: "pr"}, nil
	}
	operator := strings.ToLower(p.peek().text)
	if !slices.Contains(operators, operator) {
		return nil, fmt.Errorf("expected an operator after %s", attribute.text)
	}
	p.at++
	if p.done() {
		return nil, fmt.Errorf("expected a value after %s %s", attribute.text, operator)
	}
	v := p.peek()
	p.at++
	return newComparison(attribute.text, operator, v)
}

func newComparison(attribute, operator string, v token) (node, error) {
	if v.quoted {
		return comparison{attribute, operator, want(v.text)}, nil
	}
	if v.text == "(" || v.text == ")" {
		return nil, fmt.Errorf("expected a value after %s %s", attribute, operator)
	}
	var value any
	dec := json.NewDecoder(strings.NewReader(v.text))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, fmt.Errorf("value %s of %s must be quoted", v.text, attribute)
	}
	return comparison{attribute, operator, want(value)}, nil
}
