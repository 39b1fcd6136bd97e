package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestBrokenLines(t *testing.T) {
	t.Parallel()
	const good = `{"test":"T","run":0,"engine":"oie","seq":0,"method":"GET","path":"/api/v1/org","status":200,"date":"Tue, 06 May 2031 07:08:09 GMT"}`
	for _, c := range []struct{ name, line, want string }{
		{"no JSON", `{"test":`, "line 3: unexpected end of JSON input"},
		{"no test", strings.Replace(good, `"test":"T"`, `"test":""`, 1), "line 3: test is missing"},
		{"no method", strings.Replace(good, `"GET"`, `""`, 1), "line 3: method is missing"},
		{"no path", strings.Replace(good, `/api/v1/org`, ``, 1), "line 3: path must start with /"},
		{"no status", strings.Replace(good, `200`, `0`, 1), "line 3: status 0 is none"},
		{"no date", strings.Replace(good, `Tue, 06 May 2031 07:08:09 GMT`, `today`, 1), `line 3: date: parsing time "today"`},
		{"bad query", strings.Replace(good, `"status"`, `"query":"a=%zz","status"`, 1), "line 3: query: "},
		{"type", strings.Replace(good, `200`, `"200"`, 1), "line 3: json: cannot unmarshal string"},
	} {
		err := Read(strings.NewReader(good+"\n\n"+c.line+"\n"), func(*Step) {})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s…", c.name, err, c.want)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	plain, err := os.ReadFile("testdata/two.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithWindowSize(maxWindow))
	if err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(t.TempDir(), "two.jsonl.zst")
	if err := os.WriteFile(packed, enc.EncodeAll(plain, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	runs, err := Load(packed)
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 2 || runs[0].Name() != "Life#0/oie" || runs[1].Name() != "Broken#1/classic" || len(runs[1].Steps) != 3 {
		t.Errorf("got %v", runs)
	}
	if _, err := Load("testdata/nothing.jsonl"); err == nil || !strings.Contains(err.Error(), "testdata/nothing.jsonl") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestEngine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ label, path, response, want string }{
		{"classic", "/api/v1/org", `{}`, Classic},
		{"oie", "/api/v1/org", `{}`, OIE},
		{"unknown", "/api/v1/org", `{}`, OIE},
		{"unknown", organizationPath, `{"pipeline":"v1"}`, Classic},
		{"classic", organizationPath, `{"pipeline":"idx"}`, OIE},
		{"classic", "/api/v1/apps/a", `{"_links":{"accessPolicy":{}}}`, OIE},
	} {
		s := &Step{Method: "GET", Path: c.path, Status: 200, Response: []byte(c.response), body: parse(t, c.response)}
		if got := (&Run{Engine: c.label, Steps: []*Step{s}}).engine(); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/api/v1/org": "/api/v1/org",
		"/api/v1/internal/apps/0oaX00000000000000a/x":       "/api/v1/internal/apps/0oaX00000000000000a/x",
		"/api/v1/internal/apps/0oaX0000000000000a1z/x":      "/api/v1/internal/apps/{id}/x",
		"/api/v1/keys/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0": "/api/v1/keys/{id}",
		"/api/v1/meta/schemas/apps/organizationalUnits":     "/api/v1/meta/schemas/apps/organizationalUnits",
	} {
		if got := foldPath(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestSettledOrder(t *testing.T) {
	t.Parallel()
	line := func(seq int, method, path, request, response, second string) string {
		return fmt.Sprintf(`{"test":"T","seq":%d,"method":%q,"path":%q,"status":200,"request":%s,"response":%s,"date":"Tue, 06 May 2031 07:08:%s GMT"}`,
			seq, method, path, request, response, second)
	}
	policy := func(seq int, request string, id rune, place int, second string) string {
		return line(seq, "POST", "/api/v1/policies", request, fmt.Sprintf(`{"id":"00p%cade0000000000a1z","priority":%d}`, id, place), second)
	}
	read := func(seq int, response, second string) string {
		return line(seq, "GET", "/api/v1/org", "null", response, second)
	}
	for _, c := range []struct {
		name  string
		lines []string
		want  []int
	}{
		{"places out of order", []string{policy(0, "{}", 'A', 2, "09"), policy(1, "{}", 'B', 1, "10")}, []int{1, 0}},
		{"places long apart", []string{policy(0, "{}", 'A', 2, "09"), policy(1, "{}", 'B', 1, "19")}, []int{0, 1}},
		{"places that were asked for", []string{policy(0, "{}", 'A', 2, "09"), policy(1, `{"priority":1}`, 'B', 1, "10")}, []int{0, 1}},
		{"a read that shows the creation", []string{read(0, `{"x":"00pAade0000000000a1z"}`, "09"), policy(1, "{}", 'A', 1, "10")}, []int{1, 0}},
		{"a read long before", []string{read(0, `{"x":"00pAade0000000000a1z"}`, "09"), policy(1, "{}", 'A', 1, "19")}, []int{0, 1}},
		{"a read that shows something else", []string{read(0, `{"x":"00pBade0000000000a1z"}`, "09"), policy(1, "{}", 'A', 1, "10")}, []int{0, 1}},
		{"a read before another change", []string{read(0, `{"x":"00pAade0000000000a1z"}`, "09"), line(1, "PUT", "/api/v1/org", "{}", "{}", "09"), policy(2, "{}", 'A', 1, "10")}, []int{0, 1, 2}},
		{"a read that shows a change early", []string{
			read(0, `{"v":1}`, "08"), read(1, `{"v":2}`, "09"), line(2, "PUT", "/api/v1/org", "{}", "{}", "10"), read(3, `{"v":2}`, "11")}, []int{0, 2, 1, 3}},
	} {
		run := reading(t, c.lines...)
		var got []int
		for _, s := range run.Steps {
			got = append(got, s.Seq)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
