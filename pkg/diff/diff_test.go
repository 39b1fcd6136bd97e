package diff_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/diff"
	"imago/pkg/resource"
)

var catalog = resource.Catalog{
	{Type: "group", NaturalKey: []resource.Path{"profile.name"}, Volatile: []resource.Path{"lastUpdated"}, ReadOnly: []resource.Path{"id", "created"}},
	{Type: "group_membership", Shape: resource.LinkSet, Parent: "group"},
	{Type: "group_rule", ReadOnly: []resource.Path{"id", "created"}, Refs: []resource.Ref{{Path: "groups[]", To: []resource.Type{"group"}}}},
}

// res writes a resource as "type/parent/id {body}".
func res(line string) resource.Resource {
	key, body, _ := strings.Cut(line, " ")
	k, ok := resource.ParseKey(key)
	if !ok {
		panic("no key: " + key)
	}
	if body == "" {
		body = fmt.Sprintf(`{"id":%q}`, k.ID)
	}
	return resource.Resource{Key: k, Body: []byte(body)}
}

func state(lines ...string) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		for _, l := range lines {
			if !yield(res(l), nil) {
				return
			}
		}
	}
}

// told renders changes for comparing: "update group/g1 profile.name".
func told(t *testing.T, changes iter.Seq2[diff.Change, error]) (out []string) {
	t.Helper()
	for c, err := range changes {
		if err != nil {
			t.Fatal(err)
		}
		line := string(c.Op) + " " + c.Key.String()
		for _, f := range c.Fields {
			line += " " + f.Path
		}
		out = append(out, line)
	}
	return out
}

func TestChanges(t *testing.T) {
	t.Parallel()
	whole := diff.Gap{Type: "group", Reason: "forbidden"}
	tests := map[string]struct {
		before, after []string
		gapsBefore    []diff.Gap
		gapsAfter     []diff.Gap
		ids           diff.IDs
		want          []string
		tally         diff.Tally
	}{
		"nothing": {},
		"the same": {
			before: []string{"group/g1", "group/g2"}, after: []string{"group/g1", "group/g2"},
			tally: diff.Tally{Compared: 2},
		},
		"one of each": {
			before: []string{"group/a", `group/b {"n":1}`, "group/d"},
			after:  []string{`group/b {"n":2}`, "group/c", "group/d"},
			want:   []string{"delete group/a", "update group/b n", "create group/c"},
			tally:  diff.Tally{Compared: 4, Created: 1, Updated: 1, Deleted: 1},
		},
		"volatile fields do not count": {
			before: []string{`group/b {"lastUpdated":"x","n":1}`}, after: []string{`group/b {"lastUpdated":"y","n":1}`},
			tally: diff.Tally{Compared: 1},
		},
		"a type that could not be read after is no deletion": {
			before: []string{"group/a", "group_rule/r"}, after: nil, gapsAfter: []diff.Gap{whole},
			want:  []string{"unknown group/", "delete group_rule/r"},
			tally: diff.Tally{Compared: 2, Deleted: 1, Unknown: 1},
		},
		"a type that could not be read before is no creation": {
			after: []string{"group/a"}, gapsBefore: []diff.Gap{whole},
			want:  []string{"unknown group/"},
			tally: diff.Tally{Compared: 1, Unknown: 1},
		},
		"both have it, in spite of a gap": {
			before: []string{`group/a {"n":1}`, "group/b"}, after: []string{`group/a {"n":2}`}, gapsAfter: []diff.Gap{{Type: "group", Reason: "truncated"}},
			want:  []string{"unknown group/", "update group/a n"},
			tally: diff.Tally{Compared: 2, Updated: 1, Unknown: 1},
		},
		"one parent's gap hides only its own": {
			before:    []string{"group_membership/g1/u", "group_membership/g2/u"},
			gapsAfter: []diff.Gap{{Type: "group_membership", Parent: "g1"}},
			want:      []string{"unknown group_membership/g1/", "delete group_membership/g2/u"},
			tally:     diff.Tally{Compared: 2, Deleted: 1, Unknown: 1},
		},
		"what could not be listed hides its children": {
			before: []string{"group_membership/g1/u"}, gapsAfter: []diff.Gap{whole},
			want:  []string{"unknown group/"},
			tally: diff.Tally{Compared: 1, Unknown: 1},
		},
		"the same gap on both sides is told once": {
			gapsBefore: []diff.Gap{whole}, gapsAfter: []diff.Gap{whole},
			want:  []string{"unknown group/"},
			tally: diff.Tally{Unknown: 1},
		},
		"made again under a later identity": {
			before: []string{
				`group/A1 {"created":"2026-01-01T00:00:00.000Z","id":"A1","n":1}`, "group/C",
				`group_membership/A1/u {"id":"u"}`, `group_rule/r {"groups":["A1","C"],"text":"in(\"A1\")"}`,
			},
			after: []string{
				"group/C", `group/Z9 {"created":"2026-02-02T00:00:00.000Z","id":"Z9","n":1}`,
				`group_membership/Z9/u {"id":"u"}`, `group_rule/r {"groups":["C","Z9"],"text":"in(\"Z9\")"}`,
			},
			ids:   diff.IDs{"A1": "Z9"},
			tally: diff.Tally{Compared: 4},
		},
		"made again under an earlier identity, with a member lost and one won": {
			before: []string{"group/X5", `group_membership/X5/u1 {}`, `group_membership/X5/u2 {}`},
			after:  []string{"group/B0", `group_membership/B0/u2 {}`, `group_membership/B0/u3 {}`},
			ids:    diff.IDs{"X5": "B0"},
			want:   []string{"delete group_membership/X5/u1", "create group_membership/B0/u3"},
			tally:  diff.Tally{Compared: 4, Created: 1, Deleted: 1},
		},
		"matched with one that was there already": {
			before: []string{"group/A", "group/B", "group_membership/A/u {}", "group_membership/B/u {}"},
			after:  []string{`group/B {"id":"B"}`, "group_membership/B/u {}"},
			ids:    diff.IDs{"A": "B"},
			tally:  diff.Tally{Compared: 4},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tally diff.Tally
			got := told(t, diff.Changes(catalog, diff.Side{Resources: state(tt.before...), Gaps: tt.gapsBefore},
				diff.Side{Resources: state(tt.after...), Gaps: tt.gapsAfter}, diff.Options{IDs: tt.ids, Tally: &tally}))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.tally, tally); d != "" {
				t.Errorf("tally (-want +got):\n%s", d)
			}
		})
	}
}

// TestPairs gives both sides' resources as pairs, those that are the same left out: what is
// told stays the same.
func TestPairs(t *testing.T) {
	t.Parallel()
	before := []string{"group/a", `group/b {"n":1}`, "group/d", "group_membership/g1/u", "group_membership/g2/u", "group_rule/r"}
	after := []string{`group/b {"n":2}`, "group/c", "group/d"}
	gaps := []diff.Gap{{Type: "group_membership", Parent: "g1", Reason: "failed"}, {Type: "group_rule", Reason: "forbidden"}}
	var whole, tally diff.Tally
	want := told(t, diff.Changes(catalog, diff.Side{Resources: state(before...), Gaps: gaps[:1]}, diff.Side{Resources: state(after...), Gaps: gaps[1:]}, diff.Options{Tally: &whole}))
	got := told(t, diff.Pairs(catalog, joined(before, after), gaps[:1], gaps[1:], &tally))
	if d := cmp.Diff(want, got); d != "" || len(got) != 6 {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	if whole.Compared--; tally != whole { // group/d is the same
		t.Errorf("tally %+v, want %+v", tally, whole)
	}
	broken := errors.New("cut")
	for _, err := range diff.Pairs(catalog, func(yield func(diff.Pair, error) bool) { yield(diff.Pair{}, broken) }, nil, nil, &tally) {
		if !errors.Is(err, broken) {
			t.Errorf("got %v, want what the pairs ended with", err)
		}
	}
}

// joined pairs two states by their keys; what is the same is left out.
func joined(before, after []string) iter.Seq2[diff.Pair, error] {
	pairs := map[resource.Key]diff.Pair{}
	for _, l := range before {
		r := res(l)
		pairs[r.Key] = diff.Pair{Key: r.Key, Before: r.Body}
	}
	for _, l := range after {
		r := res(l)
		p := pairs[r.Key]
		p.Key, p.After = r.Key, r.Body
		pairs[r.Key] = p
	}
	return func(yield func(diff.Pair, error) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(pairs), resource.Key.Compare) {
			if p := pairs[k]; string(p.Before) != string(p.After) && !yield(p, nil) {
				return
			}
		}
	}
}

func TestChangesRefuse(t *testing.T) {
	t.Parallel()
	broken := errors.New("cut")
	tests := map[string]struct {
		before iter.Seq2[resource.Resource, error]
		want   string
	}{
		"a state out of order":   {state("group/b", "group/a"), "before: group stands out of order"},
		"a state with one twice": {state("group/a", "group/a"), "out of order"},
		"a state that ends with an error": {func(yield func(resource.Resource, error) bool) {
			if yield(res("group/a"), nil) {
				yield(resource.Resource{}, broken)
			}
		}, "read the state before: cut"},
		"a body that is no JSON": {state("group/c {]"), "state before"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var last error
			for _, err := range diff.Changes(catalog, diff.Side{Resources: tt.before}, diff.Side{Resources: state("group/c")}, diff.Options{}) {
				last = err
			}
			if last == nil || !strings.Contains(last.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", last, tt.want)
			}
		})
	}
}

func TestChangesStopEarly(t *testing.T) {
	t.Parallel()
	for _, err := range diff.Changes(catalog, diff.Side{Resources: state("group/a", "group/b")}, diff.Side{Resources: state()}, diff.Options{}) {
		if err != nil {
			t.Error(err)
		}
		break // a second yield would panic
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	walk := func(typ resource.Type) iter.Seq2[resource.Resource, error] {
		return state(string(typ)+"/1", string(typ)+"/2")
	}
	var got []string
	for r, err := range diff.Stream([]resource.Type{"user", "group", "user"}, walk) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.String())
	}
	want := []string{"group/1", "group/2", "user/1", "user/2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
