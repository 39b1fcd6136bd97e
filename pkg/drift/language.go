package drift

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// language is what rules are written in: CEL with
//
//	change    {op, type}    before, after  the bodies, {} when absent
//	fields    a list of {path, op, before, after}
//	moved     "up" or "down" when an update gave it another place among its like
//	fleeting  nothing of the change was left when it was looked for
//	log       what the log says in words of a change that the org does not show, in
//	          lower case letters; "" for all others
//
// and functions that take a path of keys and dots, and find null where it leads
// nowhere, so that no rule fails on a body that lacks a field:
//
//	at(body, path)               the value
//	each(body, path)             the elements of the list; none of what is no list
//	lost(before, after, path)    elements of the list that went; won: that came
//	fell(before, after, path)    a number went down; rose: up
//	longer(before, after, path)  a number or ISO 8601 period went up; 0 as a
//	                             number is no limit
//	wider(before, after)         two lists of an IP zone's gateways: the second
//	                             holds addresses that the first does not, or may:
//	                             they differ, and one of them cannot be read
//	lax(body)                    a sign-in rule that lets people in with one factor,
//	                             whichever they choose, or with none
func language() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("change", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("before", cel.DynType),
		cel.Variable("after", cel.DynType),
		cel.Variable("fields", cel.ListType(cel.DynType)),
		cel.Variable("moved", cel.StringType),
		cel.Variable("fleeting", cel.BoolType),
		cel.Variable("log", cel.StringType),
		cel.Function("at", cel.Overload("at_path", []*cel.Type{cel.DynType, cel.StringType}, cel.DynType, cel.BinaryBinding(at))),
		cel.Function("each", cel.Overload("each_path", []*cel.Type{cel.DynType, cel.StringType}, cel.ListType(cel.DynType), cel.BinaryBinding(each))),
		cel.Function("lost", cel.Overload("lost_path", pathTwice, cel.ListType(cel.DynType), cel.FunctionBinding(lost))),
		cel.Function("won", cel.Overload("won_path", pathTwice, cel.ListType(cel.DynType), cel.FunctionBinding(won))),
		cel.Function("fell", cel.Overload("fell_path", pathTwice, cel.BoolType, cel.FunctionBinding(fell))),
		cel.Function("rose", cel.Overload("rose_path", pathTwice, cel.BoolType, cel.FunctionBinding(rose))),
		cel.Function("longer", cel.Overload("longer_path", pathTwice, cel.BoolType, cel.FunctionBinding(longer))),
		cel.Function("wider", cel.Overload("wider_gateways", []*cel.Type{cel.DynType, cel.DynType}, cel.BoolType, cel.BinaryBinding(wider))),
		cel.Function("lax", cel.Overload("lax_rule", []*cel.Type{cel.DynType}, cel.BoolType, cel.UnaryBinding(lax))),
	)
}

var pathTwice = []*cel.Type{cel.DynType, cel.DynType, cel.StringType}

// variables are a change as rules see it.
func variables(o Observation) (map[string]any, error) {
	c := o.Change
	before, err := body(c.Before)
	if err != nil {
		return nil, err
	}
	after, err := body(c.After)
	if err != nil {
		return nil, err
	}
	fields := []any{}
	for _, f := range c.Fields {
		was, err := body(f.Before)
		if err != nil {
			return nil, err
		}
		is, err := body(f.After)
		if err != nil {
			return nil, err
		}
		fields = append(fields, map[string]any{"path": f.Path, "op": string(f.Op), "before": was, "after": is})
	}
	return map[string]any{
		"change": map[string]string{"op": string(c.Op), "type": string(c.Key.Type)},
		"before": before, "after": after, "fields": fields, "moved": o.Moved, "fleeting": o.Fleeting, "log": strings.ToLower(strings.Join(words(o), "; ")),
	}, nil
}

// words are what the log says of a change that nothing else shows: to what it was done
// besides the one who had it done to them, and how it sums it up.
func words(o Observation) (all []string) {
	if !o.LogOnly || o.Attribution.Event == nil {
		return nil
	}
	for _, t := range o.Attribution.Event.Targets {
		if t.ID != o.Change.Key.Parent && t.Name != "" {
			all = append(all, t.Name)
		}
	}
	summary := o.Attribution.Event.Summary
	if _, what, ok := strings.Cut(summary, ": "); ok {
		summary = what
	}
	return append(all, summary)
}

func body(raw []byte) (any, error) {
	if raw == nil {
		return map[string]any{}, nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("read a body: %w", err)
	}
	return v, nil
}

func at(v, path ref.Val) ref.Val {
	p, ok := path.Value().(string)
	if !ok {
		return types.NullValue
	}
	for _, key := range strings.Split(p, ".") {
		m, ok := v.(traits.Mapper)
		if !ok {
			return types.NullValue
		}
		if v, ok = m.Find(types.String(key)); !ok {
			return types.NullValue
		}
	}
	return v
}

func each(v, path ref.Val) ref.Val {
	if l, ok := at(v, path).(traits.Lister); ok {
		return l
	}
	return types.DefaultTypeAdapter.NativeToValue([]any{})
}

func lost(args ...ref.Val) ref.Val { return without(args[0], args[1], args[2]) }
func won(args ...ref.Val) ref.Val  { return without(args[1], args[0], args[2]) }

// without lists the elements of one body's list that the other's does not have.
func without(v, other, path ref.Val) ref.Val {
	have, ok := each(other, path).(traits.Lister)
	if !ok {
		return types.NewErr("no list")
	}
	rest := []ref.Val{}
	for i := each(v, path).(traits.Iterable).Iterator(); i.HasNext() == types.True; {
		if e := i.Next(); have.Contains(e) != types.True {
			rest = append(rest, e)
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(rest)
}

func fell(args ...ref.Val) ref.Val {
	a, b, ok := numbers(args)
	return types.Bool(ok && b < a)
}

func rose(args ...ref.Val) ref.Val {
	a, b, ok := numbers(args)
	return types.Bool(ok && b > a)
}

func numbers(args []ref.Val) (a, b float64, ok bool) {
	x, okX := at(args[0], args[2]).Value().(float64)
	y, okY := at(args[1], args[2]).Value().(float64)
	return x, y, okX && okY
}

func longer(args ...ref.Val) ref.Val {
	if a, b, ok := numbers(args); ok {
		return types.Bool(a != 0 && (b == 0 || b > a))
	}
	x, okX := at(args[0], args[2]).Value().(string)
	y, okY := at(args[1], args[2]).Value().(string)
	if !okX || !okY {
		return types.False
	}
	a, okA := period(x)
	b, okB := period(y)
	return types.Bool(okA && okB && b > a)
}

// period reads an ISO 8601 duration; a month counts as 30 days, a year as 365.
func period(s string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || rest == "" {
		return 0, false
	}
	const day = 24 * time.Hour
	units, sum := map[byte]time.Duration{'Y': 365 * day, 'M': 30 * day, 'W': 7 * day, 'D': day}, time.Duration(0)
	for rest != "" {
		if rest[0] == 'T' {
			units, rest = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}, rest[1:]
			continue
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end < 1 || units[rest[end]] == 0 {
			return 0, false
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, false
		}
		sum, rest = sum+time.Duration(n*float64(units[rest[end]])), rest[end+1:]
	}
	return sum, true
}

// lax reads the actions of a rule of an app sign-in policy, or of a global session
// policy. One factor is not lax where a constraint says which, as a passkey.
//
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Policy/
func lax(rule ref.Val) ref.Val {
	is := func(path, want string) bool {
		return at(rule, types.String(path)).Equal(types.String(want)) == types.True
	}
	some := func(path string) bool { return each(rule, types.String(path)).(traits.Sizer).Size() != types.IntZero }
	if is("actions.appSignOn.access", "ALLOW") {
		const method = "actions.appSignOn.verificationMethod."
		return types.Bool(!is(method+"factorMode", "2FA") && !some(method+"constraints") && !some(method+"chains"))
	}
	return types.Bool(is("actions.signon.access", "ALLOW") && at(rule, types.String("actions.signon.requireFactor")) != types.True)
}

func wider(a, b ref.Val) ref.Val {
	was, okA := gateways(a)
	is, okB := gateways(b)
	if !okA || !okB {
		return types.Bool(a.Equal(b) != types.True)
	}
	return types.Bool(!was.covers(is))
}

// gateways reads an IP zone's list of {type, value}; null is an empty one. It is
// not ok if an address cannot be read.
func gateways(v ref.Val) (addresses, bool) {
	l, ok := v.(traits.Iterable)
	if !ok {
		return nil, v == types.NullValue
	}
	var out addresses
	for i := l.Iterator(); i.HasNext() == types.True; {
		text, ok := at(i.Next(), types.String("value")).Value().(string)
		if !ok {
			return nil, false
		}
		s, err := parseSpan(text)
		if err != nil {
			return nil, false
		}
		out = append(out, s)
	}
	return out.merged(), true
}
