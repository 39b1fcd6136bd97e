package replay

import (
	"strings"
	"testing"
)

func TestExclusions(t *testing.T) {
	t.Parallel()
	step := &Step{
		Method: "POST", Template: "/api/v1/apps/{appId}", Path: "/api/v1/apps/0oa1", Query: "activate=true", Status: 403,
		Request: []byte(`{"label":"x"}`), Response: []byte(`{"errorCode":"E0000043"}`),
	}
	for _, c := range []struct {
		rule string
		want bool
	}{
		{"POST /api/v1/apps/{appId} always — r", true},
		{"* * always — r", true},
		{"* /api/v1/* status=403 — r", true},
		{"* /api/*/{appId} code=E0000043 and engine=oie — r", true},
		{"* /api/v1/apps always — r", false},
		{"GET /api/v1/apps/{appId} always — r", false},
		{"* * status=404 — r", false},
		{"* * code=E0000001 — r", false},
		{"* * engine=classic — r", false},
		{"* * query~activate=true and path~0oa1 — r", true},
		{"* * request~label and response~E00000 — r", true},
		{"* * status=403 and request~other — r", false},
	} {
		all, err := ReadExclusions(strings.NewReader("# comment\n\n" + c.rule + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := (Options{Exclusions: all}).excludes(step, OIE); got != c.want {
			t.Errorf("%s: got %v", c.rule, got)
		}
	}
}

func TestBadExclusions(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"GET /a always":               "line 2: no reason: write METHOD TEMPLATE condition — reason",
		"GET /a always — ":            "line 2: no reason: write METHOD TEMPLATE condition — reason",
		"GET always — r":              "line 2: write METHOD TEMPLATE condition — reason",
		"GET a always — r":            "line 2: write METHOD TEMPLATE condition — reason",
		"GET /a sometimes — r":        `line 2: condition "sometimes" has neither = nor ~`,
		"GET /a status~500 — r":       `line 2: condition "status~500" is none of always, status=, code=, engine=, query~, path~, request~, response~`,
		"GET /a always and day=1 — r": `line 2: condition "day=1" is none of always, status=, code=, engine=, query~, path~, request~, response~`,
	} {
		if _, err := ReadExclusions(strings.NewReader("\n" + rule)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", rule, err, want)
		}
	}
}
