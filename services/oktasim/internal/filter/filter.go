// Package filter understands the SCIM-like expressions of Okta's filter and search
// parameters: comparisons joined by and, or, not and parentheses.
package filter

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Lookup returns the values of an attribute: none if the object lacks it, several
// for a list. A comparison holds if any value satisfies it.
type Lookup func(attribute string) []any

// Filter is a parsed expression.
type Filter struct {
	root       node
	attributes []string
}

// maxDepth bounds nesting, so that no input can exhaust the stack.
const maxDepth = 64

// Parse reads an expression. Errors say what was expected and where.
func Parse(text string) (*Filter, error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	root, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if !p.done() {
		return nil, fmt.Errorf("unexpected %q", p.peek().text)
	}
	return &Filter{root: root, attributes: p.attributes}, nil
}

// Match says whether an object satisfies the filter. A nil filter matches everything.
func (f *Filter) Match(get Lookup) bool {
	return f == nil || f.root.match(get)
}

// Attributes lists the attributes that the expression names, in order, with repeats.
func (f *Filter) Attributes() []string {
	if f == nil {
		return nil
	}
	return f.attributes
}

type node interface{ match(Lookup) bool }

type all struct{ left, right node }
type either struct{ left, right node }
type negation struct{ inner node }
type comparison struct {
	attribute, operator string
	value               any
}

func (n all) match(get Lookup) bool      { return n.left.match(get) && n.right.match(get) }
func (n either) match(get Lookup) bool   { return n.left.match(get) || n.right.match(get) }
func (n negation) match(get Lookup) bool { return !n.inner.match(get) }

func (n comparison) match(get Lookup) bool {
	values := get(n.attribute)
	if n.operator == "pr" {
		return len(values) > 0
	}
	if n.operator == "ne" {
		return !comparison{n.attribute, "eq", n.value}.match(get)
	}
	for _, v := range values {
		if compare(v, n.operator, n.value) {
			return true
		}
	}
	return false
}

func compare(have any, operator string, want any) bool {
	switch operator {
	case "sw":
		return strings.HasPrefix(fold(have), fold(want))
	case "ew":
		return strings.HasSuffix(fold(have), fold(want))
	case "co":
		return strings.Contains(fold(have), fold(want))
	}
	return holds(order(have, want), operator)
}

func holds(order int, operator string) bool {
	switch operator {
	case "eq":
		return order == 0
	case "gt":
		return order == 1
	case "ge":
		return order == 0 || order == 1
	case "lt":
		return order == -1
	case "le":
		return order == 0 || order == -1
	}
	return false
}

// order compares as times if both are, as numbers if both are, else as text without
// regard to case. 2 means not comparable.
func order(have, want any) int {
	if h, ok := have.(time.Time); ok {
		w, err := time.Parse(time.RFC3339, fmt.Sprint(want))
		if err != nil {
			return 2
		}
		return h.Compare(w)
	}
	h, hErr := strconv.ParseFloat(fmt.Sprint(have), 64)
	w, wErr := strconv.ParseFloat(fmt.Sprint(want), 64)
	if _, quoted := want.(string); !quoted && hErr == nil && wErr == nil {
		switch {
		case h < w:
			return -1
		case h > w:
			return 1
		}
		return 0
	}
	return strings.Compare(fold(have), fold(want))
}

func fold(v any) string { return strings.ToLower(fmt.Sprint(v)) }
