// Package filter understands the SCIM-like expressions of Okta's filter and search
// parameters: comparisons joined by and, or, not and parentheses.
package filter

import (
	"cmp"
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

// Demands returns the text, as it was given, that an attribute must equal whatever else the
// filter asks for, so that an index can be used; false if there is none.
func (f *Filter) Demands(attribute string) (string, bool) {
	if f == nil {
		return "", false
	}
	return demands(f.root, attribute)
}

func demands(n node, attribute string) (string, bool) {
	switch n := n.(type) {
	case all:
		if text, ok := demands(n.left, attribute); ok {
			return text, true
		}
		return demands(n.right, attribute)
	case comparison:
		return n.want.given, n.attribute == attribute && n.operator == "eq" && !n.want.isNumber
	}
	return "", false
}

type node interface{ match(Lookup) bool }

type all struct{ left, right node }
type either struct{ left, right node }
type negation struct{ inner node }
type comparison struct {
	attribute, operator string
	want                wanted
}

func (n all) match(get Lookup) bool      { return n.left.match(get) && n.right.match(get) }
func (n either) match(get Lookup) bool   { return n.left.match(get) || n.right.match(get) }
func (n negation) match(get Lookup) bool { return !n.inner.match(get) }

func (n comparison) match(get Lookup) bool {
	values := get(n.attribute)
	switch n.operator {
	case "pr":
		return len(values) > 0
	case "ne":
		return !n.any(values, "eq")
	}
	return n.any(values, n.operator)
}

func (n comparison) any(values []any, operator string) bool {
	for _, v := range values {
		if n.want.compare(v, operator) {
			return true
		}
	}
	return false
}

// wanted is the value of a comparison in every form in which it may be needed: filters
// are applied to many objects.
type wanted struct {
	// given is the text as it came, text in lower case.
	given, text string
	moment      time.Time
	isMoment    bool
	// number is that of values without quotes alone.
	number   float64
	isNumber bool
}

func want(value any) wanted {
	w := wanted{text: fold(value), given: fmt.Sprint(value)}
	moment, err := time.Parse(time.RFC3339, fmt.Sprint(value))
	w.moment, w.isMoment = moment, err == nil
	if _, quoted := value.(string); !quoted {
		number, err := strconv.ParseFloat(fmt.Sprint(value), 64)
		w.number, w.isNumber = number, err == nil
	}
	return w
}

func (w wanted) compare(have any, operator string) bool {
	switch operator {
	case "sw":
		return strings.HasPrefix(fold(have), w.text)
	case "ew":
		return strings.HasSuffix(fold(have), w.text)
	case "co":
		return strings.Contains(fold(have), w.text)
	}
	return holds(w.order(have), operator)
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
func (w wanted) order(have any) int {
	if moment, ok := have.(time.Time); ok {
		if !w.isMoment {
			return 2
		}
		return moment.Compare(w.moment)
	}
	if w.isNumber {
		if number, err := strconv.ParseFloat(fmt.Sprint(have), 64); err == nil {
			return cmp.Compare(number, w.number)
		}
	}
	return strings.Compare(fold(have), w.text)
}

func fold(v any) string {
	if s, ok := v.(string); ok {
		return strings.ToLower(s)
	}
	return strings.ToLower(fmt.Sprint(v))
}
