// Package expression evaluates the part of Okta Expression Language that group rules
// use: comparisons of user attributes, String functions, isMemberOf functions, and,
// or, not and the ternary-free boolean operators.
package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Subject is the user that a rule looks at.
type Subject interface {
	// Attribute returns the value of user.<name>, nil if there is none.
	Attribute(name string) any
	// InGroup says whether the user is in the group with this id.
	InGroup(id string) bool
	// GroupNames lists the names of the user's groups.
	GroupNames() []string
}

// Expression is a parsed group rule condition.
type Expression struct {
	root   term
	groups []string
}

// Groups lists the group ids that stand in isMemberOf functions.
func (e *Expression) Groups() []string { return e.groups }

// Eval says whether the subject satisfies the condition. What cannot be evaluated
// (a function over a missing attribute) counts as false, as with Okta.
func (e *Expression) Eval(s Subject) bool {
	v, ok := e.root.eval(s).(bool)
	return ok && v
}

// Parse reads a condition, which must be a truth value.
func Parse(text string) (*Expression, error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
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

type term interface {
	eval(Subject) any
	boolean() bool
}

type literal struct{ value any }

func (t literal) eval(Subject) any { return t.value }
func (t literal) boolean() bool    { _, ok := t.value.(bool); return ok }

type attribute string

func (t attribute) eval(s Subject) any { return s.Attribute(string(t)) }
func (t attribute) boolean() bool      { return true }

type not struct{ inner term }

func (t not) eval(s Subject) any {
	v, ok := t.inner.eval(s).(bool)
	return ok && !v
}
func (t not) boolean() bool { return true }

type logic struct {
	and         bool
	left, right term
}

func (t logic) eval(s Subject) any {
	l, lok := t.left.eval(s).(bool)
	r, rok := t.right.eval(s).(bool)
	if t.and {
		return lok && rok && l && r
	}
	return lok && l || rok && r
}
func (t logic) boolean() bool { return true }

type equality struct {
	negated     bool
	left, right term
}

func (t equality) eval(s Subject) any {
	l, r := t.left.eval(s), t.right.eval(s)
	same := l == nil && r == nil || l != nil && r != nil && fmt.Sprint(l) == fmt.Sprint(r)
	return same != t.negated
}
func (t equality) boolean() bool { return true }

type call struct {
	name string
	args []term
}

func (t call) boolean() bool { return functions[t.name].boolean }

func (t call) eval(s Subject) any {
	args := make([]string, len(t.args))
	for i, a := range t.args {
		v := a.eval(s)
		if v == nil {
			return nil
		}
		args[i] = fmt.Sprint(v)
	}
	return functions[t.name].apply(s, args)
}

type function struct {
	min, max int
	boolean  bool
	apply    func(Subject, []string) any
}

// functions are those of Okta's reference that group rules accept and that this
// simulator evaluates; others are refused as invalid expressions.
var functions = map[string]function{
	"String.startsWith":     {2, 2, true, func(_ Subject, a []string) any { return strings.HasPrefix(a[0], a[1]) }},
	"String.stringContains": {2, 2, true, func(_ Subject, a []string) any { return strings.Contains(a[0], a[1]) }},
	"String.toLowerCase":    {1, 1, false, func(_ Subject, a []string) any { return strings.ToLower(a[0]) }},
	"String.toUpperCase":    {1, 1, false, func(_ Subject, a []string) any { return strings.ToUpper(a[0]) }},
	"String.append":         {2, 2, false, func(_ Subject, a []string) any { return a[0] + a[1] }},
	"String.substringBefore": {2, 2, false, func(_ Subject, a []string) any {
		before, _, _ := strings.Cut(a[0], a[1])
		return before
	}},
	"String.substringAfter": {2, 2, false, func(_ Subject, a []string) any {
		_, after, _ := strings.Cut(a[0], a[1])
		return after
	}},
	"isMemberOfGroup":    {1, 1, true, inAnyGroup},
	"isMemberOfAnyGroup": {1, 1000, true, inAnyGroup},
	"isMemberOfGroupName": {1, 1, true, func(s Subject, a []string) any {
		return slices.Contains(s.GroupNames(), a[0])
	}},
	"isMemberOfGroupNameStartsWith": {1, 1, true, func(s Subject, a []string) any {
		return slices.ContainsFunc(s.GroupNames(), func(n string) bool { return strings.HasPrefix(n, a[0]) })
	}},
	"isMemberOfGroupNameContains": {1, 1, true, func(s Subject, a []string) any {
		return slices.ContainsFunc(s.GroupNames(), func(n string) bool { return strings.Contains(n, a[0]) })
	}},
}

func inAnyGroup(s Subject, ids []string) any {
	return slices.ContainsFunc(ids, s.InGroup)
}
