package valid

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"imago/pkg/outbound"
	"imago/pkg/problem"
)

const orgHint = "write the org's own address, such as https://acme.okta.com"

// OrgURL checks the address of an org and answers it as it is kept: scheme and
// host in lower case, no slash at its end. Loopback addresses, by http or https,
// are taken only where the installation allows them; addresses of private
// networks never are, so that nobody can have us ask our own neighbours.
func OrgURL(field, value string, allowLoopback bool) (string, error) {
	if strings.TrimSpace(value) == "" {
		return "", missing(field)
	}
	refuse := func(what string, args ...any) (string, error) {
		return "", problem.InField(field, what, args...).WithHint(orgHint)
	}
	u, err := url.Parse(strings.TrimSpace(value))
	if err != nil || u.Host == "" || u.Opaque != "" {
		return refuse("%q is not a URL", clip(value))
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	local := outbound.IsLoopback(u.Hostname())
	switch {
	case u.User != nil:
		return refuse("it holds a user name or a password")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(value, "#"):
		return refuse("it has more than a host")
	case local && !allowLoopback:
		return refuse("%s is this machine", u.Hostname())
	case u.Scheme != "https" && !(local && u.Scheme == "http"):
		return refuse("it does not begin with https://")
	case !local:
		if p := publicHost(field, u); p != nil {
			return "", p
		}
	}
	return u.Scheme + "://" + u.Host, nil
}

// A host name of at least two labels; the last one is not a number.
var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Names that resolve only inside somebody's network, or machine (RFC 6762, RFC 8375, RFC
// 2606 and what resolvers treat alike).
var privateNames = []string{".local", ".localhost", ".internal", ".localdomain", ".lan", ".intranet", ".home.arpa", ".corp", ".home", ".invalid"}

func publicHost(field string, u *url.URL) *problem.Problem {
	host := u.Hostname()
	first, rest, _ := strings.Cut(host, ".")
	switch {
	case strings.HasSuffix(first, "-admin"):
		return problem.InField(field, "this is the address of the admin console").
			WithHint("write https://%s.%s", strings.TrimSuffix(first, "-admin"), rest)
	case isAddress(host) || len(host) > 253 || !hostName.MatchString(host):
		return problem.InField(field, "%q is not the name of a host", clip(host)).WithHint(orgHint)
	case u.Port() != "" && u.Port() != "443":
		return problem.InField(field, "port %s is not the one of https", u.Port()).WithHint(orgHint)
	}
	for _, suffix := range privateNames {
		if strings.HasSuffix(host, suffix) {
			return problem.InField(field, "%q is a name of a private network", clip(host)).WithHint(orgHint)
		}
	}
	return nil
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
