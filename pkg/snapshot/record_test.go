package snapshot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
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
		{resource.Resource{Key: key("g", "", "00g1"), Body: []byte(`{"id":"00g1"}`)}, `{"value":{"id":"00g1"}}`},
		{resource.Resource{Key: key("g", "", "00g1"), Body: []byte(`{"id":"00g11"}`)}, `{"id":"00g1","value":{"id":"00g11"}}`},
		{resource.Resource{Key: key("g", "", "00g1"), Body: []byte(`{"id":"00g"}`)}, `{"id":"00g1","value":{"id":"00g"}}`},
		{resource.Resource{Key: key("g", "", "1"), Body: []byte(`{"id":1}`)}, `{"id":"1","value":{"id":1}}`},
		{resource.Resource{Key: key("g", "", "00g1"), Body: []byte(`{"id":"00g1","name":"x"}`)}, `{"id":"00g1","value":{"id":"00g1","name":"x"}}`},
		{resource.Resource{Key: key("g", "", `a"\`), Body: []byte(`{"id":"a\"\\"}`)}, `{"value":{"id":"a\"\\"}}`},
		{resource.Resource{Key: key("g", "", `a","n":"c`), Body: []byte(`{"id":"a","n":"c"}`)}, `{"id":"a\",\"n\":\"c","value":{"id":"a","n":"c"}}`},
		{resource.Resource{Key: key("g", "", `id`), Body: []byte(`{"id":"id"}`)}, `{"value":{"id":"id"}}`},
		{resource.Resource{Key: key("m", "00g1", "00u1"), Body: []byte(`{}`)}, `{"id":"00u1","value":{}}`},
		{resource.Resource{Key: key("m", "a/b", "c"), Body: []byte(`null`)}, `{"id":"c","value":null}`},
		{resource.Resource{Key: key("m", "", "\"\\\b\f\n\r\t\x01é\u2028😀<&>"), Body: []byte(`[]`)}, `{"id":"\"\\\b\f\n\r\t\u0001é` + "\u2028" + `😀<&>","value":[]}`},
		{resource.Resource{Key: key("m", "", "n"), Body: []byte(`9007199254740993`)}, `{"id":"n","value":9007199254740993}`},
		{resource.Resource{Key: key("m", "p", "gone")}, `{"id":"gone"}`},
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
		all, err := scan(append(snapshot.AppendPlace(nil, c.r.Type, c.r.Parent), append(line, '\n')...))
		if err != nil || len(all) != 1 || all[0].Key != c.r.Key || !bytes.Equal(all[0].Body, c.r.Body) || all[0].Deleted() != (c.r.Body == nil) {
			t.Errorf("read back %v, %v", all, err)
		}
	}
}

// scan reads a whole chunk.
func scan(plain []byte) (out []snapshot.Record, err error) {
	s := snapshot.Scan(plain)
	for {
		r, err := s.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
}

func TestRecordsRefuses(t *testing.T) {
	t.Parallel()
	const a, b = `{"id":"a","value":1}` + "\n", `{"id":"b","value":1}` + "\n"
	const t1, t2 = `{"type":"t"}` + "\n", `{"type":"u"}` + "\n"
	const p1, p2 = `{"parent":"p","type":"t"}` + "\n", `{"parent":"q","type":"t"}` + "\n"
	for what, plain := range map[string]string{
		"no end":          strings.TrimSuffix(a, "\n"),
		"empty line":      "\n",
		"out of order":    b + a,
		"twice":           a + a,
		"white space":     `{"id": "a","value":1}` + "\n",
		"other order":     `{"value":1,"id":"a"}` + "\n",
		"no type":         "-" + a,
		"type in vain":    t1 + a + t2,
		"two types":       t1 + t2 + a,
		"types fall":      t2 + a + t1 + b,
		"a type twice":    t1 + a + t1 + b,
		"places fall":     p2 + a + p1 + b,
		"a place twice":   p1 + a + p1 + b,
		"place in vain":   t1 + p1 + a,
		"top after below": p1 + a + t1 + b,
		"other members":   `-{"type":"t","parent":"p"}` + "\n" + a,
		"empty type":      `-{"type":""}` + "\n" + a,
		"type with slash": `-{"type":"a/b"}` + "\n" + a,
		"type and more":   `-{"type":"t","x":1}` + "\n" + a,
		"empty value":     `{"id":"a","value":}` + "\n",
		"no id":           `{"value":1}` + "\n",
		"empty id":        `{"id":"","value":1}` + "\n",
		"id said twice":   `{"id":"a","value":{"id":"a"}}` + "\n",
		"and escaped":     `{"id":"\"","value":{"id":"\""}}` + "\n",
		"bare and more":   `{"value":{"id":"a","name":"x"}}` + "\n",
		"bare, then more": `{"value":{"id":"a"},"x":1}` + "\n",
		"bare and open":   `{"value":{"id":"a"}` + "\n",
		"bare, no text":   `{"value":{"id":1}}` + "\n",
		"bare, empty":     `{"value":{"id":""}}` + "\n",
		"bare with slash": `{"value":{"id":"a/b"}}` + "\n",
		"bare, escaped":   `{"value":{"id":"\u0061"}}` + "\n",
		"bare, twice":     `{"value":{"id":"a"}}` + "\n" + a,
		"bare, falling":   b + `{"value":{"id":"a"}}` + "\n",
		"id with slash":   `{"id":"a/b","value":1}` + "\n",
		"empty parent":    `-{"parent":"","type":"t"}` + "\n" + a,
		"other escape":    `{"id":"\u0061","value":1}` + "\n",
		"escaped slash":   `-{"parent":"b\/c","type":"t"}` + "\n" + a,
		"raw control":     "{\"id\":\"a\x01\",\"value\":1}\n",
		"not UTF-8":       "{\"id\":\"\xff\",\"value\":1}\n",
		"half surrogate":  `{"id":"\ud800","value":1}` + "\n",
		"open string":     `{"id":"a` + "\n",
		"open at escape":  `{"id":"a\` + "\n",
		"unknown members": `{"id":"a","parent":"b","type":"t","value":1}` + "\n",
	} {
		if rest, ok := strings.CutPrefix(plain, "-"); ok {
			plain = rest
		} else if !strings.HasPrefix(plain, `{"type"`) && !strings.HasPrefix(plain, `{"parent"`) {
			plain = t1 + plain
		}
		if got, err := scan([]byte(plain)); err == nil {
			t.Errorf("%s: read %q as %v", what, plain, got)
		}
	}
}

func TestAppendToBodyLeavesNeighboursAlone(t *testing.T) {
	t.Parallel()
	plain := []byte(`{"type":"t"}` + "\n" + `{"id":"a","value":1}` + "\n" + `{"id":"b","value":2}` + "\n")
	s := snapshot.Scan(plain)
	for range 2 {
		r, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		r.Body = append(r.Body, "overwritten"...)
		r.Line = append(r.Line, "overwritten"...)
	}
}

// FuzzRecords: what is read has one form only, so that writing it again gives the
// same bytes; nothing panics.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"type":"t"}` + "\n" + `{"id":"a","value":1}` + "\n" + `{"parent":"p","type":"t"}` + "\n" + `{"id":"b","value":{}}` + "\n" + `{"id":"c"}` + "\n"))
	f.Add([]byte(`{"type":"t"}` + "\n" + `{"value":{"id":"a"}}` + "\n" + `{"id":"b","value":{"id":"a"}}` + "\n"))
	f.Add([]byte(`{"parent":"a/b","type":"a"}` + "\n" + `{"id":"\"\\\u0001","value":"x"}` + "\n" + `{"type":"b"}` + "\n" + `{"id":"a"}` + "\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		all, err := scan(bytes.Clone(plain))
		if err != nil {
			return
		}
		var again []byte
		var last resource.Key
		for _, r := range all {
			if last.Compare(r.Key) >= 0 {
				t.Fatalf("%q after %q", r.Key, last)
			}
			if last.Type != r.Type || last.Parent != r.Parent {
				again = snapshot.AppendPlace(again, r.Type, r.Parent)
			}
			if again, err = snapshot.AppendRecord(again, r.Resource); err != nil {
				t.Fatalf("read %q and cannot write it: %v", r.Key, err)
			}
			last = r.Key
		}
		if !bytes.Equal(again, plain) {
			t.Fatalf("read %q, wrote %q", plain, again)
		}
	})
}

// TestSeek finds in a chunk what a scan of all of it finds.
func TestSeek(t *testing.T) {
	t.Parallel()
	var plain []byte
	var keys []resource.Key
	for _, place := range [][2]string{{"a", ""}, {"a", "p"}, {"a", "q"}, {"b", ""}} {
		plain = snapshot.AppendPlace(plain, resource.Type(place[0]), place[1])
		for _, id := range []string{"\"a", "1", "2", "2a", "3", "\\", "é"} {
			k, body := key(place[0], place[1], id), []byte(`{"id":"9"}`)
			if len(keys)%2 == 0 {
				body = fmt.Appendf(nil, `{"id":%q}`, id) // a bare link
			}
			var err error
			if plain, err = snapshot.AppendRecord(plain, resource.Resource{Key: k, Body: body}); err != nil {
				t.Fatal(err)
			}
			keys = append(keys, k)
		}
	}
	wanted := append(slices.Clone(keys), key("a", "", "0"), key("a", "", "2b"), key("a", "o", "1"), key("a", "q", "~"), key("aa", "", "x"), key("", "", ""), key("c", "", "1"))
	for _, first := range wanted {
		for _, second := range wanted {
			s := snapshot.Scan(plain)
			r, err := s.Seek(first)
			found(t, keys, first, r, err)
			if second.Compare(first) > 0 && err == nil && r.Key.Compare(second) < 0 {
				r, err = s.Seek(second)
				found(t, keys, second, r, err)
			}
		}
	}
}

func found(t *testing.T, keys []resource.Key, k resource.Key, got snapshot.Record, err error) {
	t.Helper()
	i, _ := slices.BinarySearchFunc(keys, k, resource.Key.Compare)
	if i == len(keys) {
		if !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v, %v; want the end", k, got.Key, err)
		}
		return
	}
	if err != nil || got.Key != keys[i] {
		t.Errorf("%q: %q, %v; want %q", k, got.Key, err, keys[i])
	}
}
