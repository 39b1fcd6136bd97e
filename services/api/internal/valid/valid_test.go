package valid

import (
	"math"
	"strings"
	"testing"

	"imago/pkg/problem"
	"imago/pkg/resource"
)

// refused asserts that an error is a person's: Invalid, naming the field, with a way out.
func refused(t *testing.T, err error, field, what string) {
	t.Helper()
	p := problem.Of(err)
	if p == nil || p.Kind != problem.Invalid || p.Field != field || p.Hint == "" || !strings.Contains(p.What, what) {
		t.Errorf("got %#v; want Invalid in %s with %q and a hint", err, field, what)
	}
}

func TestOrgURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value, want string
		loopback    bool
	}{
		{"https://acme.okta.com", "https://acme.okta.com", false},
		{" https://ACME.okta.com/ ", "https://acme.okta.com", false},
		{"HTTPS://login.acme.co.uk", "https://login.acme.co.uk", false},
		{"https://acme.okta.com:443", "https://acme.okta.com:443", false},
		{"http://127.0.0.1:8090", "http://127.0.0.1:8090", true},
		{"http://[::1]:8090", "http://[::1]:8090", true},
		{"https://localhost:8090/", "https://localhost:8090", true},
	} {
		if got, err := OrgURL("org_url", c.value, c.loopback); got != c.want || err != nil {
			t.Errorf("OrgURL(%q) = %q, %v; want %q", c.value, got, err, c.want)
		}
	}
}

func TestOrgURLRefuses(t *testing.T) {
	t.Parallel()
	for value, what := range map[string]string{
		"":                                    "missing",
		"acme.okta.com":                       "not a URL",
		"http://acme.okta.com":                "https://",
		"ftp://acme.okta.com":                 "https://",
		"https://acme-admin.okta.com":         "admin console",
		"https://acme.okta.com/admin":         "more than a host",
		"https://acme.okta.com?x=1":           "more than a host",
		"https://acme.okta.com?":              "more than a host",
		"https://acme.okta.com#":              "more than a host",
		"https://u:p@acme.okta.com":           "user name",
		"https://acme.okta.com:8443":          "port 8443",
		"https://127.0.0.1":                   "this machine",
		"http://localhost:1":                  "this machine",
		"https://api.localhost":               "private network",
		"https://[::ffff:127.0.0.1]":          "this machine",
		"https://10.0.0.7":                    "not the name of a host",
		"https://169.254.169.254":             "not the name of a host",
		"https://[fd00::1]":                   "not the name of a host",
		"https://2130706433":                  "not the name of a host",
		"https://0x7f.1":                      "not the name of a host",
		"https://intranet":                    "not the name of a host",
		"https://vault.internal":              "private network",
		"https://printer.local":               "private network",
		"https://a_b.okta.com":                "not the name of a host",
		"https://acme.okta.com.":              "not the name of a host",
		"https://" + strings.Repeat("a", 300): "not the name of a host",
		"https://acme.okta.com\x00":           "not a URL",
	} {
		_, err := OrgURL("org_url", value, false)
		refused(t, err, "org_url", what)
	}
	for _, elsewhere := range []string{"http://10.0.0.7", "http://api.localhost"} { // nor where this machine's are taken
		_, err := OrgURL("org_url", elsewhere, true)
		refused(t, err, "org_url", "https://")
	}
	_, err := OrgURL("org_url", "https://acme-admin.okta.com", false)
	if h := problem.Of(err).Hint; h != "write https://acme.okta.com" {
		t.Errorf("hint = %q; want the org's own address", h)
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	catalog := resource.Catalog{{Type: "group"}, {Type: "group_user", Parent: "group"}}
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		name  string
		check func(string) (string, error)
		good  map[string]string // value → answer
		bad   map[string]string // value → what is wrong
	}{
		{"ID", func(v string) (string, error) { return ID("f", v) },
			map[string]string{"019A2B3C-4D5E-7F60-8A9B-0C1D2E3F4A5B": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"},
			map[string]string{"": "missing", "7": "not an ID", "urn:uuid:019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b": "not an ID",
				"{019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b}": "not an ID", "' or 1=1 --": "not an ID"}},
		{"Email", func(v string) (string, error) { return Email("f", v) },
			map[string]string{"Ann@Example.com": "ann@example.com", " root@localhost ": "root@localhost"},
			map[string]string{"": "missing", "ann": "not a mail", "Ann <ann@example.com>": "not a mail", "ann@nowhere": "not a mail",
				"ann@example.com\r\nBcc: x@y.z": "not a mail", strings.Repeat("a", 250) + "@example.com": "not a mail"}},
		{"Code", func(v string) (string, error) { return Code("f", v) },
			map[string]string{"123456": "123456", "123 456": "123456", "123-456": "123456"},
			map[string]string{"": "not a code", "12345": "not a code", "1234567": "not a code", "12345a": "not a code", "１２３４５６": "not a code"}},
		{"ClientID", func(v string) (string, error) { return ClientID("f", v) },
			map[string]string{" 0oa1AB2 ": "0oa1AB2"},
			map[string]string{"": "missing", "a b": "not a client ID", "a/b": "not a client ID", strings.Repeat("a", 101): "not a client ID"}},
		{"Digest", func(v string) (string, error) { return Digest("f", v) },
			map[string]string{"sha256:" + long: "sha256:" + long},
			map[string]string{"": "missing", long: "not a plan's digest", "sha256:" + long[1:]: "not a plan's digest", "SHA256:" + long: "not a plan's digest"}},
		{"Purpose", func(v string) (string, error) { p, err := Purpose("f", v); return string(p), err },
			map[string]string{"read": "read", "write": "write"},
			map[string]string{"": "missing", "admin": "not a purpose"}},
		{"Text", func(v string) (string, error) { return Text("f", v, 10) },
			map[string]string{" Müller ": "Müller"},
			map[string]string{"  ": "missing", strings.Repeat("ü", 11): "longer", "a\x1b[2J": "control", "a\nb": "control", "\xff": "UTF-8"}},
		{"Key", func(v string) (string, error) { k, err := Key("f", v, catalog); return k.String(), err },
			map[string]string{"group/00g1": "group/00g1", "group_user/00g1/00u1": "group_user/00g1/00u1"},
			map[string]string{"": "missing", "group": "not a key", "group/": "not a key", "robot/1": "no type", "group/" + strings.Repeat("x", 1000): "not a key"}},
	} {
		for value, want := range c.good {
			if got, err := c.check(value); got != want || err != nil {
				t.Errorf("%s(%q) = %q, %v; want %q", c.name, value, got, err, want)
			}
		}
		for value, what := range c.bad {
			_, err := c.check(value)
			if p := problem.Of(err); p == nil || p.Field != "f" || !strings.Contains(p.What, what) {
				t.Errorf("%s(%q) = %v; want a problem in f with %q", c.name, value, err, what)
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]float64{0: 0.5, 1: 1, 0.01: 0.01} {
		if got, err := Share("rate_share", value, 0.5); got != want || err != nil {
			t.Errorf("Share(%v) = %v, %v; want %v", value, got, err, want)
		}
	}
	for _, value := range []float64{-0.1, 1.01, math.NaN(), math.Inf(1)} {
		_, err := Share("rate_share", value, 0.5)
		refused(t, err, "rate_share", "not over 0")
	}
	for value, want := range map[int32]int32{0: 60, 2: 2, 3600: 3600} {
		if got, err := Seconds("follow_seconds", value, 2, 3600, 60); got != want || err != nil {
			t.Errorf("Seconds(%d) = %d, %v; want %d", value, got, err, want)
		}
	}
	for _, value := range []int32{-1, 1, 3601} {
		_, err := Seconds("follow_seconds", value, 2, 3600, 60)
		refused(t, err, "follow_seconds", "not from 2 to 3600")
	}
}
