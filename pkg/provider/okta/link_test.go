package okta

import (
	"net/http"
	"net/url"
	"testing"
)

func TestNextLink(t *testing.T) {
	t.Parallel()
	org := &url.URL{Scheme: "https", Host: "acme.okta.com"}
	asked := &url.URL{Path: "/api/v1/groups", RawQuery: "limit=2"}
	const base = "https://acme.okta.com/api/v1/groups"
	for _, c := range []struct {
		name  string
		lines []string
		want  string
		fails bool
	}{
		{"none", nil, "", false},
		{"empty line", []string{""}, "", false},
		{"self alone", []string{`<` + base + `?limit=2>; rel="self"`}, "", false},
		{"repeated", []string{`<` + base + `>; rel="self"`, `<` + base + `?after=x&limit=2>; rel="next"`}, "/api/v1/groups?after=x&limit=2", false},
		{"folded", []string{`<` + base + `>; rel="self", <` + base + `?after=x>; rel="next"`}, "/api/v1/groups?after=x", false},
		{"folded, next first", []string{`<` + base + `?after=x>; rel="next",<` + base + `>; rel="self"`}, "/api/v1/groups?after=x", false},
		{"comma in the URL", []string{`<` + base + `?after=a,b>; rel="next"`}, "/api/v1/groups?after=a,b", false},
		{"unquoted rel, more parameters", []string{`<` + base + `?after=x>; title="a, b"; rel=next; type=x`}, "/api/v1/groups?after=x", false},
		{"two rels", []string{`<` + base + `?after=x>; rel="prev next"`}, "/api/v1/groups?after=x", false},
		{"escapes stay", []string{`<` + base + `?after=a%3D%3D&filter=a+eq+%22b%22>; rel="next"`}, "/api/v1/groups?after=a%3D%3D&filter=a+eq+%22b%22", false},
		{"Admin Console's host", []string{`<https://acme-admin.okta.com/api/v1/groups?after=x>; rel="next"`}, "/api/v1/groups?after=x", false},
		{"same next twice", []string{`<` + base + `?after=x>; rel="next"`, `<` + base + `?after=x>; rel="next"`}, "/api/v1/groups?after=x", false},
		{"two different nexts", []string{`<` + base + `?after=x>; rel="next"`, `<` + base + `?after=y>; rel="next"`}, "", true},
		{"other host", []string{`<https://evil.example/api/v1/groups?after=x>; rel="next"`}, "", true},
		{"host that begins alike", []string{`<https://acme.okta.com.evil.example/api/v1/groups?after=x>; rel="next"`}, "", true},
		{"plain http", []string{`<http://acme.okta.com/api/v1/groups?after=x>; rel="next"`}, "", true},
		{"other path", []string{`<https://acme.okta.com/api/v1/users?after=x>; rel="next"`}, "", true},
		{"no URL", []string{`<:/%zz>; rel="next"`}, "", true},
		{"no brackets", []string{base + `; rel="next"`}, "", true},
		{"bracket not closed", []string{`<` + base}, "", true},
		{"quote not closed", []string{`<` + base + `>; rel="next`}, "", true},
		{"rubbish after", []string{`<` + base + `> rubbish`}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := nextLink(org, asked, http.Header{"Link": c.lines})
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("nextLink = %q, %v; want %q, an error: %v", got, err, c.want, c.fails)
			}
		})
	}
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<https://acme.okta.com/api/v1/groups?after=x>; rel="next", <y>; rel=self`)
	org, asked := &url.URL{Scheme: "https", Host: "acme.okta.com"}, &url.URL{Path: "/api/v1/groups"}
	f.Fuzz(func(t *testing.T, line string) {
		next, err := nextLink(org, asked, http.Header{"Link": {line}})
		if u, parseErr := url.Parse(next); next != "" && (err != nil || parseErr != nil || u.Host != "" || u.Path != asked.Path) {
			t.Errorf("nextLink(%q) = %q, %v", line, next, err)
		}
	})
}
