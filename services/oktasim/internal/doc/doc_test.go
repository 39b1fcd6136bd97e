package doc

import (
	"reflect"
	"testing"
)

func parse(t *testing.T, text string) Doc {
	t.Helper()
	d, err := ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseKeepsNumbersAndRefusesRest(t *testing.T) {
	t.Parallel()
	d := parse(t, `{"n":12345678901234567890,"t":"<&>"}`)
	b, err := Bytes(d)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != `{"n":12345678901234567890,"t":"<&>"}` {
		t.Errorf("got %s", b)
	}
	for _, bad := range []string{"{\"a\":\"\xff\"}", ``, `{`, `[]`, `{} {}`, `{}x`} {
		if _, err := ParseObject([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestMergeLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	under, over := parse(t, `{"a":{"b":1,"c":[1]},"d":1}`), parse(t, `{"a":{"c":[2],"e":null},"d":{"x":1}}`)
	got := Merge(under, over)
	if want := parse(t, `{"a":{"b":1,"c":[2],"e":null},"d":{"x":1}}`); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got["a"].(Doc)["b"] = "changed"
	if !reflect.DeepEqual(under, parse(t, `{"a":{"b":1,"c":[1]},"d":1}`)) {
		t.Errorf("under became %v", under)
	}
}

func TestRemoveString(t *testing.T) {
	t.Parallel()
	d := parse(t, `{"people":{"include":["x","y"],"name":"x"},"deep":[{"ids":["x"]}],"empty":[]}`)
	if _, found := RemoveString(d, "x"); !found {
		t.Error("nothing was found")
	}
	if want := parse(t, `{"people":{"include":["y"],"name":"x"},"deep":[{"ids":[]}],"empty":[]}`); !reflect.DeepEqual(d, want) {
		t.Errorf("got %v, want %v", d, want)
	}
	if !Mentions(d, "y") || Mentions(d, "z") {
		t.Error("Mentions is wrong")
	}
}
