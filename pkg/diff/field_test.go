package diff_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/diff"
	"imago/pkg/resource"
)

var rule = resource.Info{
	Type:     "policy_rule",
	Volatile: []resource.Path{"lastUpdated", "_links.logo", "steps[].seen"},
	ReadOnly: []resource.Path{"created", "settings.*.stamp"},
	Secret:   []resource.Path{"credentials.secret", "keys[].d"},
	Refs:     []resource.Ref{{Path: "groups.include[]", To: []resource.Type{"group"}}},
}

func TestCompare(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, after string
		ids           diff.IDs
		want          string // a line a field: path op before after
	}{
		"equal":                    {before: `{"a":1}`, after: `{"a":1}`},
		"changed":                  {before: `{"a":1}`, after: `{"a":2}`, want: "a update 1 2"},
		"added":                    {before: `{}`, after: `{"a":{"b":1}}`, want: `a create - {"b":1}`},
		"removed":                  {before: `{"a":null}`, after: `{}`, want: "a delete null -"},
		"null is not absent":       {before: `{"a":null}`, after: `{"a":""}`, want: `a update null ""`},
		"nested":                   {before: `{"a":{"b":{"c":1,"d":2}}}`, after: `{"a":{"b":{"c":1,"d":3}}}`, want: "a.b.d update 2 3"},
		"a kind changed":           {before: `{"a":{"b":1}}`, after: `{"a":[1]}`, want: `a update {"b":1} [1]`},
		"a number beyond 2^53":     {before: `{"a":9007199254740993}`, after: `{"a":9007199254740992}`, want: "a update 9007199254740993 9007199254740992"},
		"odd keys":                 {before: `{"a":{"x.y":1,"é":1}}`, after: `{"a":{"x.y":2,"é":2}}`, want: "a[\"x.y\"] update 1 2\na.é update 1 2"},
		"an escaped key":           {before: `{"a\"b":1}`, after: `{"a\"b":2}`, want: `["a\"b"] update 1 2`},
		"volatile":                 {before: `{"_links":{"logo":1},"lastUpdated":1}`, after: `{"_links":{"logo":2},"lastUpdated":2}`},
		"volatile in a list":       {before: `{"steps":[{"n":1,"seen":1}]}`, after: `{"steps":[{"n":1,"seen":2}]}`},
		"ids are a set":            {before: `{"groups":{"include":["x","y"]}}`, after: `{"groups":{"include":["y","x"]}}`},
		"an id lost":               {before: `{"groups":{"include":["x","y"]}}`, after: `{"groups":{"include":["y"]}}`, want: `groups.include[] delete "x" -`},
		"a word won":               {before: `{"l":["x"]}`, after: `{"l":["z","x"]}`, want: `l[] create - "z"`},
		"a word twice":             {before: `{"l":["x","x"]}`, after: `{"l":["x"]}`, want: `l[] delete "x" -`},
		"an order of words":        {before: `{"l":["x","z"]}`, after: `{"l":["z","x"]}`, want: `l update ["x","z"] ["z","x"]`},
		"a list emptied":           {before: `{"l":["x"]}`, after: `{"l":[]}`, want: `l[] delete "x" -`},
		"an object put in front":   {before: `{"l":[{"v":1},{"v":2}]}`, after: `{"l":[{"v":0},{"v":1},{"v":2}]}`, want: `l[0] create - {"v":0}`},
		"an object dropped":        {before: `{"l":[{"v":1},{"v":2},{"v":3}]}`, after: `{"l":[{"v":1},{"v":3}]}`, want: `l[1] delete {"v":2} -`},
		"an object changed":        {before: `{"l":[{"v":1},{"v":2}]}`, after: `{"l":[{"v":1},{"v":5}]}`, want: `l[1].v update 2 5`},
		"a secret":                 {before: `{"credentials":{"secret":"s1"}}`, after: `{"credentials":{"secret":"s2"}}`, want: `credentials.secret update "(sealed)" "(sealed)"`},
		"a secret gone":            {before: `{"credentials":{"secret":"s1"}}`, after: `{"credentials":{}}`, want: `credentials.secret delete "(sealed)" -`},
		"a secret within":          {before: `{}`, after: `{"credentials":{"id":"i","secret":"s1"}}`, want: `credentials create - {"id":"i"}`},
		"a secret in a list":       {before: `{"keys":[]}`, after: `{"keys":[{"d":"s","x":1}]}`, want: `keys[0] create - {"x":1}`},
		"a list with secrets":      {before: `{}`, after: `{"keys":[{"d":"s","x":1}]}`, want: `keys create - [{"x":1}]`},
		"created counts":           {before: `{"created":"2026-01-01T00:00:00.000Z"}`, after: `{"created":"2026-01-02T00:00:00.000Z"}`, want: `created update "2026-01-01T00:00:00.000Z" "2026-01-02T00:00:00.000Z"`},
		"created, after a restore": {before: `{"created":"2026-01-01T00:00:00.000Z"}`, after: `{"created":"2026-01-02T00:00:00.000Z"}`, ids: diff.IDs{}},
		"a stamp of another kind":  {before: `{"settings":{"x":{"stamp":"2025-08-25 08:25:43.0"}}}`, after: `{"settings":{"x":{"stamp":null}}}`, ids: diff.IDs{}},
		"read-only and no time":    {before: `{"created":"by hand"}`, after: `{"created":"by rule"}`, ids: diff.IDs{}, want: `created update "by hand" "by rule"`},
		"identities in text":       {before: `{"e":"in(\"00gA\") and 00gAB","u":"https://x/groups/00gA/users"}`, after: `{"e":"in(\"00gN\") and 00gAB","u":"https://x/groups/00gN/users"}`, ids: diff.IDs{"00gA": "00gN"}},
		"identities as keys":       {before: `{"m":{"00gA":1,"00gB":2}}`, after: `{"m":{"00gB":2,"00gN":1}}`, ids: diff.IDs{"00gA": "00gN"}},
		"another identity":         {before: `{"e":"00gA"}`, after: `{"e":"00gX"}`, ids: diff.IDs{"00gA": "00gN"}, want: `e update "00gN" "00gX"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields, err := tt.ids.Compare(rule, []byte(tt.before), []byte(tt.after))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range fields {
				got = append(got, f.Path+" "+string(f.Op)+" "+shown(f.Before)+" "+shown(f.After))
			}
			if d := cmp.Diff(tt.want, strings.Join(got, "\n")); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
		})
	}
}

func shown(v []byte) string {
	if v == nil {
		return "-"
	}
	return string(v)
}

// TestCompareIsSymmetric: what one direction tells as created the other tells as
// deleted, at the same paths.
func TestCompareIsSymmetric(t *testing.T) {
	t.Parallel()
	a := []byte(`{"a":{"b":1,"c":[1,2]},"l":[{"x":1},{"y":2}],"n":null}`)
	b := []byte(`{"a":{"b":2,"c":[2,3]},"l":[{"x":1}],"m":true}`)
	there, err := diff.Compare(rule, a, b)
	if err != nil {
		t.Fatal(err)
	}
	back, err := diff.Compare(rule, b, a)
	if err != nil {
		t.Fatal(err)
	}
	turn := map[diff.Op]diff.Op{diff.Create: diff.Delete, diff.Delete: diff.Create, diff.Update: diff.Update}
	var turned []diff.Field
	for _, f := range back {
		turned = append(turned, diff.Field{Path: f.Path, Op: turn[f.Op], Before: f.After, After: f.Before})
	}
	sort := func(fs []diff.Field) map[string]diff.Field {
		m := map[string]diff.Field{}
		for _, f := range fs {
			m[f.Path+string(f.Op)] = f
		}
		return m
	}
	if d := cmp.Diff(sort(there), sort(turned)); d != "" {
		t.Errorf("there and back (-there +back):\n%s", d)
	}
	if len(there) != 6 {
		t.Errorf("got %d fields, want 6: %v", len(there), there)
	}
}

func FuzzCompare(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":2}]}`), []byte(`{"a":[{"b":3}]}`))
	f.Add([]byte(`{"keys":[{"d":1}]}`), []byte(`{"groups":{"include":["a"]}}`))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, err := resource.Canonical(nil, x)
		if err != nil {
			return
		}
		b, err := resource.Canonical(nil, y)
		if err != nil {
			return
		}
		same, err := resource.Equal(a, b, rule.Volatile...)
		if err != nil {
			t.Fatal(err)
		}
		fields, err := diff.Compare(rule, a, b)
		if err != nil {
			t.Fatal(err)
		}
		if same && len(fields) > 0 {
			t.Fatalf("%s and %s are equal but differ in %v", a, b, fields)
		}
		if !same && len(fields) == 0 && !strings.Contains(string(a), "groups") {
			t.Fatalf("%s and %s differ, and nothing is told", a, b)
		}
	})
}
