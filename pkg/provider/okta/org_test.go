package okta

import (
	"strings"
	"testing"

	"imago/pkg/problem"
)

func TestParseOrg(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want, fails string }{
		{"https://acme.okta.com", "https://acme.okta.com", ""},
		{" https://acme.okta.com/ ", "https://acme.okta.com", ""},
		{"https://login.acme.example:8443", "https://login.acme.example:8443", ""},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080", ""},
		{"http://localhost:1", "http://localhost:1", ""},
		{"http://[::1]:1", "http://[::1]:1", ""},
		{"", "", "is missing"},
		{"acme.okta.com", "", "not a web address"},
		{"https://", "", "not a web address"},
		{"http://acme.okta.com", "", "must begin with https"},
		{"ftp://acme.okta.com", "", "must begin with https"},
		{"http://127.0.0.1.evil.example", "", "must begin with https"},
		{"https://acme-admin.okta.com", "", "use https://acme.okta.com"},
		{"https://acme.okta.com/admin/dashboard", "", "use https://acme.okta.com"},
		{"https://acme.okta.com?x=1", "", "must not have a path"},
		{"https://me:secret@acme.okta.com", "", "name or password"},
	} {
		u, err := parseOrg(c.in)
		if c.fails == "" {
			if err != nil || u.String() != c.want {
				t.Errorf("parseOrg(%q) = %v, %v", c.in, u, err)
			}
			continue
		}
		p := problem.Of(err)
		if p == nil || p.Kind != problem.Invalid || p.Field != "org_url" || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "secret") {
			t.Errorf("parseOrg(%q): %v; want a problem of org_url that says %q", c.in, err, c.fails)
		}
	}
}
