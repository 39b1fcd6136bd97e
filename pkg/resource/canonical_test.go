package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"members in order", `{"b":1,"a":2,"c":{"z":[],"y":{}}}`, `{"a":2,"b":1,"c":{"y":{},"z":[]}}`},
		{"already canonical", `{"a":[1,2,{"b":null}],"c":true}`, `{"a":[1,2,{"b":null}],"c":true}`},
		{"white space", " {\n\t\"b\" : [ 1 , 2 ] ,\r\n \"a\" : { } , \"0\":[ ]} ", `{"0":[],"a":{},"b":[1,2]}`},
		{"large integers stay", `{"n":9007199254740993,"m":-123456789012345678901234567890}`, `{"m":-123456789012345678901234567890,"n":9007199254740993}`},
		{"numbers stay as written", `[1.0,1e3,-0,0.10,1E+2]`, `[1.0,1e3,-0,0.10,1E+2]`},
		{"needless escapes go", `"\u0041\/\u00e9\ud83d\ude00"`, `"A/é😀"`},
		{"needful escapes stay", `"\"\\\b\f\n\r\t\u0000\u001f"`, `"\"\\\b\f\n\r\t\u0000\u001f"`},
		{"long forms get short", `"\u0008\u000A\u001F\u0022\u005c"`, `"\b\n\u001f\"\\"`},
		{"escaped keys sort by their text", `{"\u0062":1,"a":2,"\u0063":3}`, `{"a":2,"b":1,"c":3}`},
		{"order of UTF-16", "{\"\U00010000\":1,\"\uE000\":2,\"z\":3}", "{\"z\":3,\"\U00010000\":1,\"\uE000\":2}"},
		{"RFC 8785 3.2.3", "{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,\"\\u00f6\":7}",
			"{\"\\r\":2,\"1\":4,\"\u0080\":6,\"\u00f6\":7,\"\u20ac\":1,\"\U0001f600\":5,\"\ufb33\":3}"},
		{"prefixes", `{"aaaaaaaab":1,"aaaaaaaa":2,"aaaaaaaaa":3,"a":4,"":5}`, `{"":5,"a":4,"aaaaaaaa":2,"aaaaaaaaa":3,"aaaaaaaab":1}`},
		{"bare word", `null`, `null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Canonical([]byte("before"), []byte(c.in))
			if err != nil || string(got) != "before"+c.want {
				t.Errorf("Canonical(%s) = %s, %v; want %s", c.in, got, err, c.want)
			}
			var canon Canonicaliser
			if _, err := canon.Append(nil, []byte(`{"left":{"over":[`)); err == nil {
				t.Error("half an object is taken for JSON")
			}
			again, err := canon.Append(nil, []byte(c.want))
			if err != nil || string(again) != c.want {
				t.Errorf("Canonical of its own result = %s, %v", again, err)
			}
		})
	}
}

func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, say string }{
		{"nothing", ``, "ends early"},
		{"only space", `  `, "ends early"},
		{"key twice", `{"a":1,"b":2,"a":3}`, "twice"},
		{"key twice in a row", `{"a":1,"a":3}`, "twice"},
		{"key twice, escaped", `{"a":1,"\u0061":3}`, "twice"},
		{"two values", `{} {}`, "follows"},
		{"not UTF-8", "\"\xff\"", "UTF-8"},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", "UTF-8"},
		{"half a pair", `"\ud83d"`, "escape"},
		{"pair the wrong way round", `"\ude00\ud83d"`, "escape"},
		{"bad escape", `"\x"`, "escape"},
		{"control character", "\"a\nb\"", "control"},
		{"leading zero", `01`, "number"},
		{"no digits", `-`, "number"},
		{"no fraction", `1.`, "number"},
		{"no exponent", `1e`, "number"},
		{"plus", `+1`, "value"},
		{"word", `nul`, "value"},
		{"trailing comma", `[1,]`, "value"},
		{"trailing comma in object", `{"a":1,}`, "key"},
		{"missing colon", `{"a" 1}`, "colon"},
		{"cut object", `{"a":1`, "comma"},
		{"cut list", `[1`, "comma"},
		{"cut string", `"abc`, "not end"},
		{"too deep", strings.Repeat("[", 1002) + strings.Repeat("]", 1002), "deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Canonical([]byte("x"), []byte(c.in))
			if err == nil || !strings.Contains(err.Error(), c.say) || string(got) != "x" {
				t.Errorf("Canonical(%q) = %q, %v; want an error that says %q and x alone", c.in, got, err, c.say)
			}
		})
	}
	if _, err := Canonical(nil, []byte(strings.Repeat("[", 1000)+strings.Repeat("]", 1000))); err != nil {
		t.Errorf("1000 levels: %v", err)
	}
}

// FuzzCanonical compares with a slow canonicaliser built on encoding/json.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"b":[1,{"d":"\u00e9\n","c":null}],"a":-1.5e10}`, `"\ud83d\ude00"`, `{"a":1,"a":2}`, `[[[]],{}]`,
		"{\"\U00010000\":1,\"\uE000\":2}", `{"aaaaaaaab":1,"aaaaaaaa":2}`, ` [ true , false ] `, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want, ok := slow(in)
		got, err := Canonical(nil, in)
		if (err == nil) != ok {
			t.Fatalf("Canonical(%q): %v; the slow one says ok=%v", in, err, ok)
		}
		if ok && !bytes.Equal(got, want) {
			t.Fatalf("Canonical(%q) = %q, want %q", in, got, want)
		}
	})
}

// slow is Canonical by way of encoding/json's tokens.
func slow(in []byte) ([]byte, bool) {
	if !json.Valid(in) || !utf8.Valid(in) || halfPair(in) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(in))
	d.UseNumber()
	return slowValue(d, 0)
}

// halfPair finds escapes of half a surrogate pair, which encoding/json lets pass.
func halfPair(in []byte) bool {
	for i := 0; i < len(in); i++ {
		if in[i] != '\\' {
			continue
		}
		if in[i+1] != 'u' {
			i++
			continue
		}
		var r, low rune
		if _, err := fmt.Sscanf(string(in[i+2:i+6]), "%04x", &r); err != nil {
			return true
		}
		i += 5
		if !utf16.IsSurrogate(r) {
			continue
		}
		if i+6 >= len(in) || in[i+1] != '\\' || in[i+2] != 'u' {
			return true
		}
		if _, err := fmt.Sscanf(string(in[i+3:i+7]), "%04x", &low); err != nil || utf16.DecodeRune(r, low) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

func slowValue(d *json.Decoder, depth int) ([]byte, bool) {
	tok, err := d.Token()
	if err != nil || depth > 1000 {
		return nil, false
	}
	switch v := tok.(type) {
	case json.Delim:
		return slowContainer(d, v, depth)
	case string:
		return slowString(v), true
	case json.Number:
		return []byte(v), true
	case bool:
		return fmt.Append(nil, v), true
	}
	return []byte("null"), true
}

func slowContainer(d *json.Decoder, open json.Delim, depth int) ([]byte, bool) {
	values, keys := map[string][]byte{}, []string{}
	for n := 0; d.More(); n++ {
		key := fmt.Sprint(n)
		if open == '{' {
			tok, err := d.Token()
			if err != nil {
				return nil, false
			}
			key = tok.(string)
		}
		v, ok := slowValue(d, depth+1)
		if _, twice := values[key]; twice || !ok {
			return nil, false
		}
		values[key] = v
		keys = append(keys, key)
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	out := []byte(open.String())
	if open == '{' {
		slices.SortFunc(keys, func(a, b string) int { return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b))) })
	}
	for i, k := range keys {
		if i > 0 {
			out = append(out, ',')
		}
		if open == '{' {
			out = append(append(out, slowString(k)...), ':')
		}
		out = append(out, values[k]...)
	}
	return append(out, map[json.Delim]byte{'{': '}', '[': ']'}[open]), true
}

func slowString(s string) []byte {
	out := []byte{'"'}
	for _, r := range s {
		if i := strings.IndexRune("\"\\\b\f\n\r\t", r); i >= 0 {
			out = append(out, '\\', `"\bfnrt`[i])
		} else if r < 0x20 {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}

// user is shaped like one of Okta's.
func user() []byte {
	return []byte(`{"id":"00u1a2b3c4d5e6f7g8h9","status":"ACTIVE","created":"2025-03-14T03:03:55.000Z","activated":"2025-03-14T03:03:55.000Z",
"statusChanged":"2025-03-14T03:03:55.000Z","lastLogin":null,"lastUpdated":"2025-03-14T03:03:55.000Z","passwordChanged":null,
"type":{"id":"oty1a2b3c4d5e6f7g8h9"},"profile":{"firstName":"Ada","lastName":"Müller","mobilePhone":null,"secondEmail":null,
"login":"ada@example.com","email":"ada@example.com","department":"Finance","title":"Controller","manager":"Grace \"G\" Hopper"},
"credentials":{"provider":{"type":"OKTA","name":"OKTA"}},"_links":{"self":{"href":"https://example.okta.com/api/v1/users/00u1a2b3c4d5e6f7g8h9"}}}`)
}

func BenchmarkCanonical(b *testing.B) {
	src := user()
	b.SetBytes(int64(len(src)))
	dst := make([]byte, 0, 2*len(src))
	var c Canonicaliser
	for b.Loop() {
		if _, err := c.Append(dst, src); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkValid is encoding/json's check alone, to measure the other by.
func BenchmarkValid(b *testing.B) {
	src := user()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if !json.Valid(src) {
			b.Fatal("not JSON")
		}
	}
}

// ownMember is a member of an object as it is written; "": it is none, or has none.
func ownMember(element []byte, name string) (out string) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(element, &members); err != nil {
		return ""
	}
	return string(members[name])
}

// TestDeepest: what may be kept can be compared, too.
func TestDeepest(t *testing.T) {
	t.Parallel()
	deep := func(levels int) []byte {
		return fmt.Appendf(nil, `{"id":%s%s}`, strings.Repeat("[", levels), strings.Repeat("]", levels))
	}
	kept, err := Canonical(nil, deep(maxDepth))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Canonical(nil, deep(maxDepth+1)); err == nil {
		t.Error("one level more is kept")
	}
	if _, err := Without(kept); err != nil {
		t.Error(err)
	}
	if same, err := Equal(kept, deep(maxDepth-1)); same || err != nil {
		t.Errorf("the same: %v, %v", same, err)
	}
}

// TestCanonicalElements: the elements that are told are those of the list, each in
// the canonical form that it has alone, and with the member that was asked for.
func TestCanonicalElements(t *testing.T) {
	t.Parallel()
	var c Canonicaliser // that serves again and again, after errors, too
	for _, list := range []string{
		`[]`, ` [ ] `, `[1]`, ` [ {"b":1,"a":[ ]} , "x\u0041" ,null, [2 , 3] ] `, `[{"\u0062":1,"a":{"d":1,"c":2}},{}]`,
		`[{"\u0061":"x\u0041","b":{"a":2},"A":[{"a":3}]},{"b":{"a":4}},[{"a":5}],{"":1, "a" : null }]`,
	} {
		var want, got, named, wantNamed []string
		if err := Elements([]byte(list), func(element []byte) error {
			wantNamed = append(wantNamed, ownMember(element, "a"))
			one, err := Canonical(nil, element)
			want = append(want, string(one))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		whole, err := c.Elements([]byte("before"), []byte(list), "a", func(element, a []byte) error {
			got, named = append(got, string(element)), append(named, string(a))
			return nil
		})
		alone, errAlone := Canonical([]byte("before"), []byte(list))
		if err != nil || errAlone != nil || string(whole) != string(alone) || !slices.Equal(got, want) || !slices.Equal(named, wantNamed) {
			t.Errorf("%s: %q in %s, a %q, want %q in %s, a %q: %v", list, got, whole, named, want, alone, wantNamed, err)
		}
	}
	stop := errors.New("stop")
	for list, want := range map[string]error{`{}`: nil, ``: nil, `[1`: nil, `[1,]`: nil, `[1]x`: nil, `[1,2]`: stop} {
		n := 0
		out, err := c.Elements([]byte("before"), []byte(list), "", func(_, _ []byte) error {
			if n++; n == 2 {
				return stop
			}
			return nil
		})
		if err == nil || want != nil && !errors.Is(err, want) || string(out) != "before" {
			t.Errorf("%s: %v, and %s came out", list, err, out)
		}
	}
}
