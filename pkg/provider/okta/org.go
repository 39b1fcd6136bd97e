package okta

import (
	"net/url"
	"strings"

	"imago/pkg/outbound"
	"imago/pkg/problem"
)

// parseOrg reads an org's URL as a person writes it, and says what is wrong with
// it. Plain http is for this machine's own loopback only.
func parseOrg(raw string) (*url.URL, error) {
	const field = "org_url"
	trimmed := strings.TrimSuffix(strings.TrimSpace(raw), "/")
	u, err := url.Parse(trimmed)
	switch {
	case trimmed == "":
		return nil, problem.InField(field, "is missing").WithHint("give the org's address, as in https://acme.okta.com")
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, problem.InField(field, "is not a web address").WithHint("write it as https://acme.okta.com")
	case u.Scheme != "https" && !(u.Scheme == "http" && outbound.IsLoopback(u.Hostname())):
		return nil, notHTTPS()
	case u.User != nil:
		return nil, problem.InField(field, "must not hold a name or password").WithHint("leave out everything before the @")
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, problem.InField(field, "must not have a path or a query").WithHint("use %s://%s", u.Scheme, u.Host)
	case strings.HasSuffix(firstLabel(u.Hostname()), "-admin"):
		return nil, problem.InField(field, "is the Admin Console's address").WithHint("use %s://%s", u.Scheme, plainHost(u.Host))
	}
	return u, nil
}

func notHTTPS() error { return problem.InField("org_url", "must begin with https://") }

func firstLabel(host string) string {
	label, _, _ := strings.Cut(host, ".")
	return label
}

// plainHost is the org's host for its Admin Console's: acme-admin.okta.com is
// acme.okta.com.
func plainHost(host string) string {
	label, rest, _ := strings.Cut(host, ".")
	return strings.TrimSuffix(label, "-admin") + "." + rest
}

// sameOrg reports whether a link that the org sent leads to the org itself. Okta
// writes some links (IAM, governance) with the Admin Console's host.
func sameOrg(org, link *url.URL) bool {
	if link.Host == "" {
		return link.Scheme == ""
	}
	if link.Scheme != org.Scheme {
		return false
	}
	return strings.EqualFold(link.Host, org.Host) || strings.EqualFold(plainHost(link.Host), org.Host)
}
