package filter

import (
	"strings"
	"testing"
	"time"
)

func object(name string) []any {
	switch name {
	case "status":
		return []any{"ACTIVE"}
	case "lastUpdated":
		return []any{time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)}
	case "profile.name":
		return []any{"Finance Approvers"}
	case "profile.tags":
		return []any{"red", "blue"}
	case "profile.level":
		return []any{7}
	case "system":
		return []any{false}
	}
	return nil
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`status eq "ACTIVE"`:                         true,
		`status eq "active"`:                         true,
		`status ne "ACTIVE"`:                         false,
		`lastUpdated gt "2026-01-05T07:59:59.000Z"`:  true,
		`lastUpdated gt "2026-01-05T08:00:00.000Z"`:  false,
		`lastUpdated ge "2026-01-05T08:00:00Z"`:      true,
		`lastUpdated lt "2026-01-05T10:00:00+01:00"`: true,
		`lastUpdated lt "yesterday"`:                 false,
		`profile.name sw "fin"`:                      true,
		`profile.name co "app"`:                      true,
		`profile.name ew "ers"`:                      true,
		`profile.name eq "Finance"`:                  false,
		`profile.tags eq "blue"`:                     true,
		`profile.level gt 6`:                         true,
		`profile.level gt 7`:                         false,
		`profile.level ge 7`:                         true,
		`profile.level ge 8`:                         false,
		`profile.level lt 10`:                        true,
		`profile.level lt 7`:                         false,
		`profile.level le 7`:                         true,
		`profile.level le 6`:                         false,
		`system eq false`:                            true,
		`profile.none pr`:                            false,
		`profile.name pr`:                            true,
		`not (status eq "ACTIVE")`:                   false,
		`status eq "X" or status eq "ACTIVE"`:        true,
		`status eq "X" or status eq "ACTIVE" and profile.name eq "nobody"`:                false,
		`(status eq "X" or status eq "ACTIVE") and profile.name sw "Finance"`:             true,
		`status eq "ACTIVE" AND NOT profile.name eq "nobody"`:                             true,
		`profile.name eq "a \"quoted\" text" or (status eq "ACTIVE" and system eq false)`: true,
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(object); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestNilMatchesEverything(t *testing.T) {
	t.Parallel()
	var f *Filter
	if !f.Match(object) || f.Attributes() != nil {
		t.Error("a nil filter must match everything and name nothing")
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `status`, `status eq`, `status is "x"`, `status eq "x`, `(status eq "x"`, `status eq "x")`, `status eq x`,
		`and status eq "x"`, `"status" eq "x"`, `status eq (`, `not`, `status eq "x" status eq "y"`,
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// FuzzParse parses anything: what is accepted can be evaluated, means the same in
// parentheses and the opposite behind not, and names its attributes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`status eq "ACTIVE"`, `not (a.b gt 1 or c pr)`, `((((`, `a eq "\u00e9"`, `a eq -1`, `a eq "\ud800"`, `a pr and`, `not not a pr`,
		`lastUpdated gt "2026-01-05T07:59:59.000Z" and status ne "X"`, `profile.tags eq "blue" or profile.level le 1e999`, "a\x00eq\t\"b\"",
		`and pr`, `eq eq eq`, `a eq null`, `a eq [1]`, `a eq {}`, `a co ""`, `id eq "` + strings.Repeat("x", 5000) + `"`, strings.Repeat("not ", 200) + "a pr",
		strings.Repeat("(", 70) + "a pr" + strings.Repeat(")", 70), `a eq "b" or `, `profile.name sw "\"" and (x pr)`, "\xff eq \"a\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text)
		if err != nil {
			return
		}
		if len(parsed.Attributes()) == 0 {
			t.Errorf("%q names no attribute", text)
		}
		got := parsed.Match(object)
		same, err := Parse("(" + text + ")")
		if err == nil && same.Match(object) != got {
			t.Errorf("%q means something else in parentheses", text)
		}
		opposite, err := Parse("not (" + text + ")")
		if err == nil && opposite.Match(object) == got {
			t.Errorf("%q is the same behind not", text)
		}
	})
}

func TestDemands(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a eq "X"`: "X", `b eq "y" and a eq "X"`: "X", `(a eq "X" and b pr) and c pr`: "X",
		`a eq "X" or b pr`: "", `not a eq "X"`: "", `a ne "X"`: "", `a eq 5`: "", `b eq "X"`: "",
	} {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := f.Demands("a"); ok != (want != "") || ok && got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, ok, want)
		}
	}
}
