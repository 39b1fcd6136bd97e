package resource

import (
	"bytes"
	"strings"
	"testing"
)

// TestIsCanonical: it says of a text what Canonical makes of it.
func TestIsCanonical(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		``: false, ` 1`: false, `1 `: false, `1`: true, `-0`: true, `01`: false, `1E+2`: true, `1.`: false, `1,`: false,
		`nul`: false, `null`: true, `true`: true, `false`: true, `truefalse`: false,
		`[]`: true, `[`: false, `[1,]`: false, `[1,2]`: true, `[1 ,2]`: false, `[1}`: false, `[]]`: false,
		`{}`: true, `{`: false, `{"a"}`: false, `{"a":1`: false, `{"a":1,}`: false, `{"a":1]`: false, `{"a":1}`: true,
		`{"a":1,"b":2}`: true, `{"b":1,"a":2}`: false, `{"a":1,"a":2}`: false, `{"a":{"c":1},"b":{"c":1}}`: true,
		`{"\n":1,"a":2}`: true, `{"a":1,"\n":2}`: false, `{"\u0000":1,"\r":2}`: true, `{"\"":1,"\\":2}`: true, `{"\\":1,"\"":2}`: false,
		`{"😀":1,"` + "\ufffd" + `":2}`: true, `{"` + "\ufffd" + `":1,"😀":2}`: false, `{"":1,"a":2}`: true,
		`"`: false, `"é😀"`: true, `"\u00e9"`: false, `"\u0041"`: false, `"\/"`: false, `"\u000a"`: false, `"\u001f"`: true, `"\u001F"`: false,
		`"\ud800"`: false, `"\ud83d\ude00"`: false, "\"\xff\"": false, "\"\n\"": false, `"a" `: false,
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000): true, strings.Repeat("[", 1002) + strings.Repeat("]", 1002): false,
	} {
		if got := IsCanonical([]byte(text)); got != want || got != made(text) {
			t.Errorf("%.40s: %t, want %t; Canonical says %t", text, got, want, made(text))
		}
	}
}

// made reports whether Canonical leaves a text as it is.
func made(text string) bool {
	out, err := Canonical(nil, []byte(text))
	return err == nil && string(out) == text
}

func FuzzIsCanonical(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\n",{}],"b":-1.5e3}`))
	f.Add(user())
	f.Fuzz(func(t *testing.T, src []byte) {
		if got, want := IsCanonical(bytes.Clone(src)), made(string(src)); got != want {
			t.Errorf("%q: %t, want %t", src, got, want)
		}
	})
}
