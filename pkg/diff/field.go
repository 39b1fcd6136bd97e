package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"imago/pkg/resource"
)

// Field is one path of a body that differs.
type Field struct {
	// Path is for people, and concrete: "profile.name", "gateways[0].value";
	// "include[]" is an element of a list whose order does not matter. A key that
	// is no plain word stands in brackets and quotes: profile["cost.center"].
	Path   string          `json:"path"`
	Op     Op              `json:"op"`
	Before json.RawMessage `json:"before,omitempty"` // nil when absent
	After  json.RawMessage `json:"after,omitempty"`
}

// Sealed stands in a Field for a value that nobody may see.
const Sealed = `"(sealed)"`

// Compare lists the fields in which two canonical bodies of one resource differ,
// by path. Volatile fields are passed over; lists of plain values are compared as
// sets. Values at the type's secret paths are shown as Sealed.
func Compare(info resource.Info, before, after []byte) ([]Field, error) {
	return IDs(nil).Compare(info, before, after)
}

// Compare is the function Compare after the identities changed: before's IDs are
// taken for the ones that replaced them. With IDs that are not nil, times that the
// provider stamps (read-only fields) are passed over, too.
func (ids IDs) Compare(info resource.Info, before, after []byte) ([]Field, error) {
	before = ids.body(before)
	if bytes.Equal(before, after) {
		return nil, nil
	}
	a, err := resource.Without(before, info.Volatile...)
	if err != nil {
		return nil, fmt.Errorf("the state before: %w", err)
	}
	b, err := resource.Without(after, info.Volatile...)
	if err != nil {
		return nil, fmt.Errorf("the state after: %w", err)
	}
	w := walk{info: info, stamps: ids == nil}
	err = w.value(place{}, a, b)
	return w.fields, err
}

type walk struct {
	info   resource.Info
	stamps bool // times that the provider stamps count
	fields []Field
}

// place is where in a body a walk stands: for people, and as the catalog says it.
type place struct {
	shown   string
	pattern resource.Path
}

func (p place) member(key string) place {
	shown := key
	switch {
	case !plain(key):
		shown = p.shown + "[" + strconv.Quote(key) + "]"
	case p.shown != "":
		shown = p.shown + "." + key
	}
	pattern := resource.Path(key)
	if p.pattern != "" {
		pattern = p.pattern + "." + pattern
	}
	return place{shown, pattern}
}

func (p place) element(i int) place {
	return place{p.shown + "[" + strconv.Itoa(i) + "]", p.pattern + "[]"}
}

func plain(key string) bool {
	return key != "" && !strings.ContainsAny(key, ".[]\"' ")
}

// value compares two values that are both there.
func (w *walk) value(at place, a, b []byte) error {
	switch {
	case bytes.Equal(a, b):
		return nil
	case w.secret(at.pattern):
		return w.differ(at, Update, a, b)
	case kind(a) == '{' && kind(b) == '{':
		return w.object(at, a, b)
	case kind(a) == '[' && kind(b) == '[':
		return w.list(at, a, b)
	}
	return w.differ(at, Update, a, b)
}

func kind(v []byte) byte {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

func (w *walk) object(at place, a, b []byte) error {
	x, err := members(a)
	if err != nil {
		return err
	}
	y, err := members(b)
	if err != nil {
		return err
	}
	keys := slices.Concat(slices.Collect(maps.Keys(x)), slices.Collect(maps.Keys(y)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if err := w.either(at.member(key), x[key], y[key]); err != nil {
			return err
		}
	}
	return nil
}

// either compares two values of which one may be absent (nil).
func (w *walk) either(at place, a, b []byte) error {
	switch {
	case a == nil:
		return w.differ(at, Create, nil, b)
	case b == nil:
		return w.differ(at, Delete, a, nil)
	}
	return w.value(at, a, b)
}

func members(object []byte) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := resource.Members(object, func(key, value []byte) error {
		text, ok := resource.Value{JSON: slices.Concat([]byte{'"'}, key, []byte{'"'})}.Text()
		if !ok {
			return fmt.Errorf("a key is no string")
		}
		out[text] = value
		return nil
	})
	return out, err
}

func (w *walk) list(at place, a, b []byte) error {
	x, flatX, err := elements(a)
	if err != nil {
		return err
	}
	y, flatY, err := elements(b)
	if err != nil {
		return err
	}
	if flatX && flatY {
		return w.set(at, a, b, x, y)
	}
	return w.sequence(at, x, y)
}

// elements are a list's; flat reports whether all of them are plain values.
func elements(list []byte) (all [][]byte, flat bool, err error) {
	flat = true
	err = resource.Elements(list, func(e []byte) error {
		all = append(all, e)
		flat = flat && kind(e) != '{' && kind(e) != '['
		return nil
	})
	return all, flat, err
}

// set tells which plain values were lost and won. When only their order changed it
// is told for the whole list, but not for IDs, whose order says nothing.
func (w *walk) set(at place, a, b []byte, x, y [][]byte) error {
	each := place{at.shown + "[]", at.pattern + "[]"}
	lost, won := less(x, y), less(y, x)
	for _, e := range lost {
		if err := w.differ(each, Delete, e, nil); err != nil {
			return err
		}
	}
	for _, e := range won {
		if err := w.differ(each, Create, nil, e); err != nil {
			return err
		}
	}
	if len(lost)+len(won) > 0 || w.ids(each.pattern) {
		return nil
	}
	return w.differ(at, Update, a, b)
}

// less is x without y, each element as often as it is left over.
func less(x, y [][]byte) (rest [][]byte) {
	have := map[string]int{}
	for _, e := range y {
		have[string(e)]++
	}
	for _, e := range x {
		if have[string(e)]--; have[string(e)] < 0 {
			rest = append(rest, e)
		}
	}
	return rest
}

// sequence compares lists of objects by place, after passing over what both begin
// and end with, so that one element put in front is one field.
func (w *walk) sequence(at place, x, y [][]byte) error {
	head := 0
	for head < len(x) && head < len(y) && bytes.Equal(x[head], y[head]) {
		head++
	}
	x, y = x[head:], y[head:]
	for len(x) > 0 && len(y) > 0 && bytes.Equal(x[len(x)-1], y[len(y)-1]) {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	for i := range max(len(x), len(y)) {
		if err := w.either(at.element(head+i), nth(x, i), nth(y, i)); err != nil {
			return err
		}
	}
	return nil
}

func nth(list [][]byte, i int) []byte {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// differ notes a field.
func (w *walk) differ(at place, op Op, a, b []byte) error {
	if !w.stamps && matchAny(w.info.ReadOnly, at.pattern) && stamp(a) && stamp(b) {
		return nil
	}
	if w.secret(at.pattern) {
		a, b = sealed(a), sealed(b)
	}
	a, err := w.open(at.pattern, a)
	if err != nil {
		return err
	}
	if b, err = w.open(at.pattern, b); err != nil {
		return err
	}
	w.fields = append(w.fields, Field{at.shown, op, bytes.Clone(a), bytes.Clone(b)})
	return nil
}

func sealed(v []byte) []byte {
	if v == nil {
		return nil
	}
	return []byte(Sealed)
}

// open leaves out what nobody may see from a value that came or went as a whole.
func (w *walk) open(at resource.Path, v []byte) ([]byte, error) {
	var below []resource.Path
	for _, p := range w.info.Secret {
		if rest, ok := strings.CutPrefix(string(p), string(at)); ok && rest != "" && strings.ContainsAny(rest[:1], ".[") {
			below = append(below, resource.Path(strings.TrimPrefix(rest, ".")))
		}
	}
	if v == nil || len(below) == 0 {
		return v, nil
	}
	return resource.Without(v, below...)
}

func (w *walk) secret(at resource.Path) bool { return matchAny(w.info.Secret, at) }

func (w *walk) ids(at resource.Path) bool {
	return slices.ContainsFunc(w.info.Refs, func(r resource.Ref) bool { return match(r.Path, at) })
}

func matchAny(patterns []resource.Path, at resource.Path) bool {
	return slices.ContainsFunc(patterns, func(p resource.Path) bool { return match(p, at) })
}

// match reports whether a path is what the pattern names, "*" standing for any key.
func match(pattern, at resource.Path) bool {
	if pattern == at {
		return at != ""
	}
	if !strings.Contains(string(pattern), "*") {
		return false
	}
	want, have := strings.Split(string(pattern), "."), strings.Split(string(at), ".")
	return slices.EqualFunc(want, have, func(w, h string) bool { return w == "*" || w == h })
}

// stamps are how times stand in the bodies that Okta's orgs were seen to send.
var stamps = []string{time.RFC3339, "2006-01-02 15:04:05.0", "Mon Jan 02 15:04:05 MST 2006"}

// stamp reports whether a value is a time, null, or absent.
func stamp(v []byte) bool {
	if v == nil || string(v) == "null" {
		return true
	}
	text, ok := resource.Value{JSON: v}.Text()
	return ok && slices.ContainsFunc(stamps, func(layout string) bool {
		_, err := time.Parse(layout, text)
		return err == nil
	})
}
