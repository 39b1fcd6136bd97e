// Package expression evaluates the part of Okta Expression Language that group rules
// use: comparisons of user attributes, String functions, isMemberOf functions, and,
// or, not and the ternary-free boolean operators; and the part that filters of event
// hooks use: comparisons of an event's attributes, and selections of its targets.
package expression

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
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

// Parse reads the condition of a group rule.
func Parse(text string) (*Expression, error) { return parse(text, ofUser) }

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

// order compares numbers as numbers and texts as texts.
type order struct {
	op          string
	left, right term
}

func (t order) eval(s Subject) any {
	l, r := t.left.eval(s), t.right.eval(s)
	if l == nil || r == nil {
		return false
	}
	n := strings.Compare(fmt.Sprint(l), fmt.Sprint(r))
	x, okX := number(l)
	y, okY := number(r)
	if okX && okY {
		n = cmp.Compare(x, y)
	}
	switch t.op {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	}
	return n >= 0
}
func (t order) boolean() bool { return true }

func number(v any) (float64, bool) {
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	return n, err == nil
}

type list []term

func (t list) eval(s Subject) any {
	out := []any{}
	for _, e := range t {
		out = append(out, e.eval(s))
	}
	return out
}
func (t list) boolean() bool { return false }

type call struct {
	name string
	args []term
}

func (t call) boolean() bool { return functions[t.name].boolean }

func (t call) eval(s Subject) any {
	args := make([]any, len(t.args))
	for i, a := range t.args {
		v := a.eval(s)
		if v == nil {
			return nil
		}
		args[i] = v
	}
	return functions[t.name].apply(s, args)
}

type function struct {
	min, max int
	boolean  bool
	// profile marks functions that find a profile elsewhere, of which an attribute follows.
	profile bool
	apply   func(Subject, []any) any
}

// texts adapts a function of texts.
func texts(f func(a []string) any) func(Subject, []any) any {
	return func(_ Subject, args []any) any {
		a := make([]string, len(args))
		for i, v := range args {
			a[i] = fmt.Sprint(v)
		}
		return f(a)
	}
}

// elements are those of a list, or the one value.
func elements(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

func inList(l []any, want any) bool {
	return slices.ContainsFunc(l, func(v any) bool { return fmt.Sprint(v) == fmt.Sprint(want) })
}

// anyGroupName is a function over the names of the subject's groups.
func anyGroupName(matches func(name, text string) bool) func(Subject, []any) any {
	return func(s Subject, a []any) any {
		return slices.ContainsFunc(s.GroupNames(), func(n string) bool { return matches(n, fmt.Sprint(a[0])) })
	}
}

func inAnyGroup(s Subject, ids []any) any {
	return slices.ContainsFunc(ids, func(id any) bool { return s.InGroup(fmt.Sprint(id)) })
}

func never(Subject, []any) any { return false }

// cut is the part of a text between two positions in runes, nil outside of it.
func cut(a []string) any {
	runes := []rune(a[0])
	from, err := strconv.Atoi(a[1])
	to, err2 := strconv.Atoi(a[2])
	if err != nil || err2 != nil || from < 0 || to > len(runes) || from > to {
		return nil
	}
	return string(runes[from:to])
}

// functions are those of Okta's reference that group rules accept and that this
// simulator evaluates; others are refused as invalid expressions, as Convert and Time are
// by Okta. Nobody has a profile in a directory or in Workday here.
var functions = map[string]function{
	"String.startsWith":     {min: 2, max: 2, boolean: true, apply: texts(func(a []string) any { return strings.HasPrefix(a[0], a[1]) })},
	"String.stringContains": {min: 2, max: 2, boolean: true, apply: texts(func(a []string) any { return strings.Contains(a[0], a[1]) })},
	"String.toLowerCase":    {min: 1, max: 1, apply: texts(func(a []string) any { return strings.ToLower(a[0]) })},
	"String.toUpperCase":    {min: 1, max: 1, apply: texts(func(a []string) any { return strings.ToUpper(a[0]) })},
	"String.append":         {min: 2, max: 2, apply: texts(func(a []string) any { return a[0] + a[1] })},
	"String.join":           {min: 2, max: 100, apply: texts(func(a []string) any { return strings.Join(a[1:], a[0]) })},
	"String.len":            {min: 1, max: 1, apply: texts(func(a []string) any { return utf8.RuneCountInString(a[0]) })},
	"String.removeSpaces":   {min: 1, max: 1, apply: texts(func(a []string) any { return strings.ReplaceAll(a[0], " ", "") })},
	"String.replace":        {min: 3, max: 3, apply: texts(func(a []string) any { return strings.ReplaceAll(a[0], a[1], a[2]) })},
	"String.replaceFirst":   {min: 3, max: 3, apply: texts(func(a []string) any { return strings.Replace(a[0], a[1], a[2], 1) })},
	"String.substring":      {min: 3, max: 3, apply: texts(cut)},
	"String.substringBefore": {min: 2, max: 2, apply: texts(func(a []string) any {
		before, _, _ := strings.Cut(a[0], a[1])
		return before
	})},
	"String.substringAfter": {min: 2, max: 2, apply: texts(func(a []string) any {
		_, after, _ := strings.Cut(a[0], a[1])
		return after
	})},
	"Arrays.contains":               {min: 2, max: 2, boolean: true, apply: func(_ Subject, a []any) any { return inList(elements(a[0]), a[1]) }},
	"Arrays.isEmpty":                {min: 1, max: 1, boolean: true, apply: func(_ Subject, a []any) any { return len(elements(a[0])) == 0 }},
	"Arrays.size":                   {min: 1, max: 1, apply: func(_ Subject, a []any) any { return len(elements(a[0])) }},
	"isMemberOfGroup":               {min: 1, max: 1, boolean: true, apply: inAnyGroup},
	"isMemberOfAnyGroup":            {min: 1, max: 1000, boolean: true, apply: inAnyGroup},
	"isMemberOfGroupName":           {min: 1, max: 1, boolean: true, apply: anyGroupName(func(n, t string) bool { return n == t })},
	"isMemberOfGroupNameStartsWith": {min: 1, max: 1, boolean: true, apply: anyGroupName(strings.HasPrefix)},
	"isMemberOfGroupNameContains":   {min: 1, max: 1, boolean: true, apply: anyGroupName(strings.Contains)},
	"isMemberOfGroupNameRegex":      {min: 1, max: 1, boolean: true, apply: anyGroupName(fits)},
	"hasDirectoryUser":              {boolean: true, apply: never},
	"hasWorkdayUser":                {boolean: true, apply: never},
	"findDirectoryUser":             {profile: true, apply: never},
	"findWorkdayUser":               {profile: true, apply: never},
}

// fits says whether a regular expression matches the whole name.
func fits(name, expression string) bool {
	re, err := regexp.Compile("^(?:" + expression + ")$")
	return err == nil && re.MatchString(name)
}
