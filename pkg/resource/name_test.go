package resource_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/cases"

	"imago/pkg/resource"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		info resource.Info
		want []resource.Path
	}{
		"what is shown of its natural key": {resource.Info{Shape: resource.Collection, NaturalKey: []resource.Path{"type", "name"}, Label: []resource.Path{"title", "name"}}, []resource.Path{"name"}},
		"its natural key":                  {resource.Info{Shape: resource.Collection, NaturalKey: []resource.Path{"profile.login"}}, []resource.Path{"profile.login"}},
		"a link":                           {resource.Info{Shape: resource.LinkSet, NaturalKey: []resource.Path{"name"}}, nil},
		"in a list":                        {resource.Info{Shape: resource.Collection, NaturalKey: []resource.Path{"names[]", "all.*", "one.*.name", "list[].name"}}, []resource.Path{}},
		"moves by itself":                  {resource.Info{Shape: resource.Collection, Moving: []string{"seen"}, NaturalKey: []resource.Path{"seen.as", "name"}}, []resource.Path{"name"}},
		"nothing is called":                {resource.Info{Shape: resource.Collection}, []resource.Path{}},
	} {
		if got := c.info.Names(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"Ada", "aDA"}, {"STRASSE", "straße"}, {"É", "é"}, {"ΣΊΣΥΦΟΣ", "σίσυφος"}, {"K", "k"}, {"", ""}, {"a b", "A B"},
		{"ᏣᎳᎩ", "ꮳꮃꭹ"}, {"Ᏸ", "ᏸ"},
	} {
		if resource.Fold(c[0]) != resource.Fold(c[1]) {
			t.Errorf("%q and %q differ by more than case: %q, %q", c[0], c[1], resource.Fold(c[0]), resource.Fold(c[1]))
		}
	}
	for _, c := range [][2]string{{"i", "ı"}, {"e", "é"}, {"a", "a "}} {
		if resource.Fold(c[0]) == resource.Fold(c[1]) {
			t.Errorf("%q and %q differ by case alone", c[0], c[1])
		}
	}
	for name, want := range map[string]string{"Ꭰ": "Ꭰ", "ꭰ": "Ꭰ", "ᏸ": "Ᏸ", "ΣΑΣ": "σασ", "İ": "i\u0307", "ŉ": "ʼn", "\u1e9e": "ss"} {
		if got := resource.Fold(name); got != want {
			t.Errorf("%q is folded to %q, want %q", name, got, want)
		}
	}
	if cases.UnicodeVersion != "15.0.0" { // names that were folded by one version are looked for by another
		t.Errorf("names are folded by Unicode %s: FORMAT.md says 15.0", cases.UnicodeVersion)
	}
}

// TestPlain: a path that is plain leads to the member of its name, and one that is not is none
// that a manifest may tell.
func TestPlain(t *testing.T) {
	t.Parallel()
	for path, want := range map[resource.Path]bool{
		"name": true, "profile.login": true, "é 1*": true,
		"": false, "a.": false, "a..b": false, "*": false, "a.*": false, "a[]": false, "[].a": false,
		"a]": false, "[": false, "a[": false, "a[]b": false, `a"b`: false, `a\b`: false, "a\nb": false,
	} {
		if got := path.Plain(); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
			continue
		}
		if body := fmt.Sprintf(`{%q:"x"}`, path); want && !strings.Contains(string(path), ".") {
			if got, err := path.Text([]byte(body)); got != "x" || err != nil {
				t.Errorf("%s of %s: %q, %v", path, body, got, err)
			}
		}
	}
}
