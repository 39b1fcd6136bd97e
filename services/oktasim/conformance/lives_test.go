package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sdk runs operations by name. A failed one is returned, not reported.
type sdk interface {
	call(t *testing.T, operation, body string, values ...string) result
}

// result is what an operation returned: the typed value, nil if there is none.
type result struct {
	status int
	value  any
	err    error
	// unknown are fields of the answer that the SDK has no place for, as Type.field.
	unknown []string
}

func (r result) ok() bool { return r.err == nil && r.status < http.StatusBadRequest }

// object is the value as JSON says it.
func (r result) object(t *testing.T) map[string]any {
	t.Helper()
	out, err := r.fields()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (r result) fields() (map[string]any, error) {
	b, err := json.Marshal(r.value)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("%w in %s", err, b)
	}
	return out, nil
}

// liver lives one life by one SDK.
type liver struct {
	*testing.T
	life  Life
	ops   Operations
	sdk   sdk
	group string
	known strangers
}

// live lives every life that the SDK has operations for.
func live(t *testing.T, s simulator, client sdk, names func(Life) string) {
	t.Helper()
	lives, err := Lives()
	if err != nil {
		t.Fatal(err)
	}
	group, known := s.group(t), readStrangers(t)
	for _, l := range lives {
		if names(l) == "" {
			continue
		}
		ops, err := parseOperations(names(l))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.ReplaceAll(l.Name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			(&liver{t, l, ops, client, group, known}).run()
		})
	}
}

// strangers are the fields that the SDK is known not to know.
type strangers []*regexp.Regexp

func readStrangers(t *testing.T) strangers {
	t.Helper()
	b, err := os.ReadFile("strangers.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out strangers
	for line := range strings.Lines(string(b)) {
		if name, _, _ := strings.Cut(line, "#"); strings.TrimSpace(name) != "" {
			out = append(out, glob(strings.TrimSpace(name)))
		}
	}
	return out
}

func (s strangers) has(name string) bool {
	return slices.ContainsFunc(s, func(r *regexp.Regexp) bool { return r.MatchString(name) })
}

func (l *liver) run() {
	l.Helper()
	made := l.must(l.ops.Create, l.life.Body, l.within()...).object(l.T)
	path := "id"
	if l.life.ID != "" {
		path = l.life.ID
	}
	id, ok := at(made, path).(string)
	if !ok {
		l.Fatalf("the new object has no %s: %v", path, made)
	}
	values := append(l.within(), id)
	l.named(made, l.life.Body)
	l.named(l.must(l.ops.Get, nil, values...).object(l.T), l.life.Body)
	if l.ops.List != "" {
		l.must(l.ops.List, nil, l.within()...)
	}
	if l.ops.Replace != "" {
		l.named(l.must(l.ops.Replace, l.life.Next, values...).object(l.T), l.life.Next)
	}
	if l.ops.Prepare != "" {
		l.must(l.ops.Prepare, nil, values...)
	}
	l.must(l.ops.Delete, nil, values...)
	if r := l.call(l.ops.Get, nil, values...); r.status != http.StatusNotFound {
		l.Errorf("it is there after its end: %d %v", r.status, r.err)
	}
}

func (l *liver) within() []string {
	var out []string
	for _, w := range l.life.Within {
		out = append(out, w[1])
	}
	return out
}

func (l *liver) call(operation string, body json.RawMessage, values ...string) result {
	l.Helper()
	if !strings.Contains(operation, ".") {
		operation = l.ops.Service + "." + operation
	}
	return l.sdk.call(l.T, operation, strings.ReplaceAll(string(body), "$group", l.group), values...)
}

// must fails unless the operation succeeded and the SDK knows every field of the answer.
func (l *liver) must(operation string, body json.RawMessage, values ...string) result {
	l.Helper()
	r := l.call(operation, body, values...)
	if !r.ok() {
		l.Fatalf("%s %v: %d %v", operation, values, r.status, r.err)
	}
	for _, u := range r.unknown {
		if !l.known.has(u) {
			l.Errorf("%s: the SDK does not know %s", operation, u)
		}
	}
	return r
}

// named fails unless the object bears the name that the body gave it.
func (l *liver) named(object map[string]any, body json.RawMessage) {
	l.Helper()
	var given map[string]any
	if err := json.Unmarshal(body, &given); err != nil {
		l.Fatal(err)
	}
	if got, want := at(object, l.life.Field), at(given, l.life.Field); got != want {
		l.Errorf("%s is %v, not %v, in %v", l.life.Field, got, want, object)
	}
}
