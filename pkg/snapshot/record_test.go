package snapshot_test

import (
	"bytes"
	"strings"
	"testing"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

func key(t, parent, id string) resource.Key {
	return resource.Key{Type: resource.Type(t), Parent: parent, ID: id}
}

func TestRecordForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    resource.Resource
		want string
	}{
		{resource.Resource{Key: key("g", "", "00g1"), Body: []byte(`{"id":"00g1"}`)}, `{"id":"00g1","value":{"id":"00g1"}}`},
		{resource.Resource{Key: key("m", "00g1", "00u1"), Body: []byte(`{}`)}, `{"id":"00u1","parent":"00g1","value":{}}`},
		{resource.Resource{Key: key("m", "a/b", "c"), Body: []byte(`null`)}, `{"id":"c","parent":"a/b","value":null}`},
		{resource.Resource{Key: key("m", "", "\"\\\b\f\n\r\t\x01é\u2028😀<&>"), Body: []byte(`[]`)}, `{"id":"\"\\\b\f\n\r\t\u0001é` + "\u2028" + `😀<&>","value":[]}`},
		{resource.Resource{Key: key("m", "", "n"), Body: []byte(`9007199254740993`)}, `{"id":"n","value":9007199254740993}`},
	} {
		got, err := snapshot.AppendRecord([]byte("before"), c.r)
		if err != nil || string(got) != "before"+c.want+"\n" {
			t.Errorf("%s: %s, %v", c.r.Key, got, err)
			continue
		}
		// It is canonical JSON, as the format promises.
		line := []byte(strings.TrimPrefix(strings.TrimSpace(string(got)), "before"))
		if canonical, err := resource.Canonical(nil, line); err != nil || !bytes.Equal(canonical, line) {
			t.Errorf("%s: not canonical: %s, %v", line, canonical, err)
		}
		for r, err := range snapshot.Records(c.r.Type, append(line, '\n')) {
			if err != nil || r.Key != c.r.Key || !bytes.Equal(r.Body, c.r.Body) {
				t.Errorf("read back %s %s, %v", r.Key, r.Body, err)
			}
		}
	}
}

func TestRecordsRefuses(t *testing.T) {
	t.Parallel()
	const a, b = `{"id":"a","value":1}` + "\n", `{"id":"b","value":1}` + "\n"
	for what, plain := range map[string]string{
		"no end":          strings.TrimSuffix(a, "\n"),
		"empty line":      "\n",
		"out of order":    b + a,
		"twice":           a + a,
		"white space":     `{"id": "a","value":1}` + "\n",
		"other order":     `{"value":1,"id":"a"}` + "\n",
		"no value":        `{"id":"a"}` + "\n",
		"empty value":     `{"id":"a","value":}` + "\n",
		"no id":           `{"value":1}` + "\n",
		"empty id":        `{"id":"","value":1}` + "\n",
		"id with slash":   `{"id":"a/b","value":1}` + "\n",
		"empty parent":    `{"id":"a","parent":"","value":1}` + "\n",
		"other escape":    `{"id":"\u0061","value":1}` + "\n",
		"escaped slash":   `{"id":"a","parent":"b\/c","value":1}` + "\n",
		"raw control":     "{\"id\":\"a\x01\",\"value\":1}\n",
		"not UTF-8":       "{\"id\":\"\xff\",\"value\":1}\n",
		"half surrogate":  `{"id":"\ud800","value":1}` + "\n",
		"open string":     `{"id":"a` + "\n",
		"open at escape":  `{"id":"a\` + "\n",
		"unknown members": `{"id":"a","parent":"b","type":"t","value":1}` + "\n",
	} {
		var last error
		for _, last = range snapshot.Records("t", []byte(plain)) {
		}
		if last == nil {
			t.Errorf("%s: read %q", what, plain)
		}
	}
}

func TestAppendToBodyLeavesNeighboursAlone(t *testing.T) {
	t.Parallel()
	plain := []byte(`{"id":"a","value":1}` + "\n" + `{"id":"b","value":2}` + "\n")
	for r, err := range snapshot.Records("t", plain) {
		if err != nil {
			t.Fatal(err)
		}
		r.Body = append(r.Body, "overwritten"...)
	}
}

// FuzzRecords: what is read has one form only, so that writing it again gives the
// same bytes; nothing panics.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"id":"a","value":1}` + "\n" + `{"id":"b","parent":"p","value":{}}` + "\n"))
	f.Add([]byte(`{"id":"\"\\\u0001","parent":"a/b","value":"x"}` + "\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		var again []byte
		var last resource.Key
		for r, err := range snapshot.Records("t", bytes.Clone(plain)) {
			if err != nil {
				return
			}
			if len(again) > 0 && last.Compare(r.Key) >= 0 {
				t.Fatalf("%q after %q", r.Key, last)
			}
			if again, err = snapshot.AppendRecord(again, r); err != nil {
				t.Fatalf("read %q and cannot write it: %v", r.Key, err)
			}
			last = r.Key
		}
		if !bytes.Equal(again, plain) {
			t.Fatalf("read %q, wrote %q", plain, again)
		}
	})
}
