package resource_test

import (
	"testing"

	"imago/pkg/resource"
)

func TestPartAndJoin(t *testing.T) {
	t.Parallel()
	names := []string{"lastLogin", "z"}
	for _, c := range []struct{ body, stays, moving string }{
		{`{}`, `{}`, ``},
		{`{"id":"1"}`, `{"id":"1"}`, ``},
		{`{"lastLogin":null}`, `{}`, `{"lastLogin":null}`},
		{`{"a":{"lastLogin":1},"lastLogin":"x","m":[1],"z":{"b":2}}`, `{"a":{"lastLogin":1},"m":[1]}`, `{"lastLogin":"x","z":{"b":2}}`},
		{`{"\r":1,"lastLogin":9007199254740993,"é":2,"😀":3}`, `{"\r":1,"é":2,"😀":3}`, `{"lastLogin":9007199254740993}`},
		{`[1]`, `[1]`, ``}, {`null`, `null`, ``},
	} {
		stays, moving, err := resource.Part([]byte(c.body), names)
		if err != nil || string(stays) != c.stays || string(moving) != c.moving {
			t.Errorf("%s: %s and %s, %v", c.body, stays, moving, err)
			continue
		}
		if joined, err := resource.Join(stays, moving); err != nil || string(joined) != c.body {
			t.Errorf("joined: %s, %v; want %s", joined, err, c.body)
		}
	}
	if _, _, err := resource.Part([]byte(`{"lastLogin":1`), names); err == nil {
		t.Error("parted what is cut off")
	}
	for _, c := range [][2]string{{`{"a":1}`, `{"a":2}`}, {`[]`, `{"a":2}`}, {`{}`, `[]`}, {`{}`, `{}`}} {
		if joined, err := resource.Join([]byte(c[0]), []byte(c[1])); err == nil {
			t.Errorf("joined %s and %s: %s", c[0], c[1], joined)
		}
	}
}
