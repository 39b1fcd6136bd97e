package resource

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const rule = `{"_links":{"accessPolicy":{"href":"https://a.okta.com/api/v1/policies/rst11111111111111111?x=1"},"self":{"href":"s"}},` +
	`"actions":{"groupIds":["00g11111111111111111","00g22222222222222222"]},` +
	`"expression":{"value":"isMemberOfAnyGroup(\"00g11111111111111111\", '00g33333333333333333') && user.title==\"Head of 7\""},` +
	`"id":"0pr1","list":[{"id":"a","n":1},{"id":"b"},"c"],"map":{"00g11111111111111111":"One","other":{"deep":[1]}},"name":"Röl \"x\""}`

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path Path
		want []string
	}{
		{"id", []string{`"0pr1"`}},
		{"name", []string{`"Röl \"x\""`}},
		{"actions.groupIds[]", []string{`"00g11111111111111111"`, `"00g22222222222222222"`}},
		{"actions.groupIds", []string{`["00g11111111111111111","00g22222222222222222"]`}},
		{"list[].id", []string{`"a"`, `"b"`}},
		{"list[].n", []string{`1`}},
		{"map.*", []string{`"One"`, `{"deep":[1]}`}},
		{"map.*.deep[]", []string{`1`}},
		{"_links.*.href", []string{`"https://a.okta.com/api/v1/policies/rst11111111111111111?x=1"`, `"s"`}},
		{"id.deeper", nil}, {"list.id", nil}, {"nowhere[]", nil}, {"id[]", nil},
	} {
		var got []string
		values, err := c.path.Lookup([]byte(rule))
		for _, v := range values {
			got = append(got, string(v.JSON))
		}
		if d := cmp.Diff(c.want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", c.path, err, d)
		}
	}
	if name, err := Path("name").Text([]byte(rule)); err != nil || name != `Röl "x"` {
		t.Errorf("Text = %q, %v", name, err)
	}
}

// A label is looked up in each of a hundred thousand bodies: no body is copied for it.
func TestTextCopiesNoBody(t *testing.T) {
	body := []byte(`{"id":"00u1","profile":{"about":"` + strings.Repeat("x", 10_000) + `","login":"ada@acme.example"}}`)
	bytes := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s, err := Path("profile.login").Text(body); err != nil || s != "ada@acme.example" {
				b.Fatal(s, err)
			}
		}
	}).AllocedBytesPerOp()
	if bytes > 1000 {
		t.Errorf("%d bytes for a text of 16", bytes)
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in, want string
		paths          []Path
	}{
		{"nothing", `{"a":1}`, `{"a":1}`, nil},
		{"first, middle, last", `{"a":1,"b":2,"c":3,"d":4}`, `{"b":2}`, []Path{"a", "c", "d"}},
		{"all", `{"a":1}`, `{}`, []Path{"a"}},
		{"nested", `{"a":{"b":1,"c":{"d":2}}}`, `{"a":{"c":{}}}`, []Path{"a.b", "a.c.d"}},
		{"a path and one below it", `{"a":{"b":1},"c":2}`, `{"c":2}`, []Path{"a.b", "a"}},
		{"in elements", `{"l":[{"x":1,"y":2},{"x":3},4]}`, `{"l":[{"y":2},{},4]}`, []Path{"l[].x"}},
		{"elements", `{"l":[1,2]}`, `{"l":[]}`, []Path{"l[]"}},
		{"in a map", `{"m":{"p":{"x":1,"y":2},"q":{"x":3}}}`, `{"m":{"p":{"y":2},"q":{}}}`, []Path{"m.*.x"}},
		{"in a map, and one of it", `{"m":{"p":{"x":1,"y":2},"q":{"x":3,"y":4}}}`, `{"m":{"p":{},"q":{"y":4}}}`, []Path{"m.*.x", "m.p.y"}},
		{"not there", `{"a":[1]}`, `{"a":[1]}`, []Path{"b", "a.c", "a[].d"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Without([]byte(c.in), c.paths...)
			if err != nil || string(got) != c.want {
				t.Errorf("Without(%s, %v) = %s, %v; want %s", c.in, c.paths, got, err, c.want)
			}
		})
	}
	for _, cut := range []string{`{"a":1`, `{"a":[1,2}`, `{"a"`, `[`, ``, `{"a":1}x`} {
		if got, err := Without([]byte(cut), "b"); err == nil {
			t.Errorf("Without(%q) = %q without an error", cut, got)
		}
	}
}

func TestOnlyAndWith(t *testing.T) {
	t.Parallel()
	got, err := Only([]byte(`{"a":1,"b":{"c":2},"d":3}`), "b", "a", "x")
	if err != nil || string(got) != `{"a":1,"b":{"c":2}}` {
		t.Errorf("Only = %s, %v", got, err)
	}
	for in, want := range map[string]string{`{}`: `{"m":7}`, `{"z":1}`: `{"m":7,"z":1}`, `{"a":1,"m":2,"z":3}`: `{"a":1,"m":7,"z":3}`} {
		if got, err := With([]byte(in), "m", []byte("7")); err != nil || string(got) != want {
			t.Errorf("With(%s) = %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"t":1}`, `{"a":1,"t":2}`, true},
		{`{"a":1}`, `{"a":2}`, false},
		{"", "", true}, {"", `{}`, false}, {`{}`, "", false},
	} {
		bytesOf := func(s string) []byte {
			if s == "" {
				return nil
			}
			return []byte(s)
		}
		if got, err := Equal(bytesOf(c.a), bytesOf(c.b), "t"); err != nil || got != c.want {
			t.Errorf("Equal(%q, %q) = %v, %v", c.a, c.b, got, err)
		}
	}
}

var ruleInfo = Info{
	Type: "rule", NaturalKey: []Path{"id", "name"}, Label: []Path{"nick", "name"},
	Refs: []Ref{
		{Path: "actions.groupIds[]", To: []Type{"group"}},
		{Path: "expression.value", To: []Type{"group"}, In: InExpression},
		{Path: "_links.accessPolicy.href", To: []Type{"policy"}, In: InHref},
		{Path: "map", To: []Type{"group"}, In: InMapKey},
		{To: []Type{"user"}, In: InParent},
		{To: []Type{"app"}, In: InID},
	},
}

func TestReferences(t *testing.T) {
	t.Parallel()
	refs, err := References(ruleInfo, Resource{Key{"rule", "00u1", "0pr1"}, []byte(rule)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range refs {
		got = append(got, string(r.To[0])+" "+string(r.In)+" "+r.ID)
	}
	want := []string{
		"group  00g11111111111111111", "group  00g22222222222222222",
		"group expression 00g11111111111111111", "group expression 00g33333333333333333",
		"policy href rst11111111111111111",
		"group map_key 00g11111111111111111", "group map_key other",
		"user parent 00u1", "app id 0pr1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	got, err := Rewrite([]byte(rule), ruleInfo.Refs, func(types []Type, id string) (string, bool) {
		next, ok := map[string]string{
			"00g11111111111111111": "zNEW1", "00g33333333333333333": "NEW3", "rst11111111111111111": "NEWP",
		}[id]
		return next, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		`"00g11111111111111111":"One","other":{"deep":[1]}`, `"other":{"deep":[1]},"zNEW1":"One"`,
		"00g11111111111111111", "zNEW1", "00g33333333333333333", "NEW3", "rst11111111111111111", "NEWP",
	).Replace(rule)
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
}

func TestNaturalKeyAndLabel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, key, label string }{
		{`{"id":"1","name":"n"}`, `["1","n"]`, "n"},
		{`{"id":"1","name":"n","nick":"k"}`, `["1","n"]`, "k"},
		{`{"id":"1"}`, `["1",null]`, "1"},
		{`{}`, ``, ""},
	} {
		key, err := NaturalKey(ruleInfo, []byte(c.body))
		if err != nil || key != c.key {
			t.Errorf("NaturalKey(%s) = %s, %v", c.body, key, err)
		}
		if label, err := Label(ruleInfo, []byte(c.body)); err != nil || label != c.label {
			t.Errorf("Label(%s) = %q, %v", c.body, label, err)
		}
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for _, k := range []Key{{"group", "", "00g1"}, {"app_user", "0oa1", "00u1"}, {"x", "a/b", "c"}} {
		if got, ok := ParseKey(k.String()); !ok || got != k {
			t.Errorf("ParseKey(%q) = %v, %v", k, got, ok)
		}
	}
	for _, s := range []string{"", "group", "/x", "group/", "group/a/", "group//b"} {
		if k, ok := ParseKey(s); ok {
			t.Errorf("ParseKey(%q) = %v", s, k)
		}
	}
}

// FuzzPaths: whatever is read must not panic, and what Canonical takes must come
// out of Without unchanged when nothing is left out.
func FuzzPaths(f *testing.F) {
	f.Add([]byte(rule), "map.*")
	f.Add([]byte(`[1,{"a":"\""}]`), "[].a")
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		out, err := Without(body, Path(path))
		if err == nil && len(out) > len(body) {
			t.Fatalf("Without(%q, %q) grew to %q", body, path, out)
		}
		canon, err := Canonical(nil, body)
		if err != nil {
			return
		}
		if same, err := Without(canon, "no such key"); err != nil || string(same) != string(canon) {
			t.Fatalf("Without nothing of %q = %q, %v", canon, same, err)
		}
	})
}
