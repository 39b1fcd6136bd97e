package okta

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

var errLink = errors.New("okta: a Link header that cannot be followed")

// nextLink finds the link to the next page in an answer's headers (RFC 8288):
// repeated, folded into one line, or absent. It gives the path and query, "" when
// there is none. What does not parse, two different next links and a link to
// another host or another path are errors: guessing would lose pages or send our
// token elsewhere.
func nextLink(org, asked *url.URL, h http.Header) (string, error) {
	next := ""
	for _, line := range h.Values("Link") {
		for rest := strings.TrimSpace(line); rest != ""; {
			target, rel, after, err := oneLink(rest)
			if err != nil {
				return "", err
			}
			rest = after
			if !hasRel(rel, "next") {
				continue
			}
			path, err := follow(org, asked, target)
			if err != nil || next != "" && next != path {
				return "", errLink
			}
			next = path
		}
	}
	return next, nil
}

// follow gives the path and query of a next link after the rules above.
func follow(org, asked *url.URL, target string) (string, error) {
	u, err := url.Parse(target)
	if err != nil || !sameOrg(org, u) || u.Path != asked.Path {
		return "", errLink
	}
	return u.RequestURI(), nil
}

func hasRel(rel, want string) bool {
	for _, r := range strings.Fields(rel) {
		if strings.EqualFold(r, want) {
			return true
		}
	}
	return false
}

// oneLink reads `<target>; rel="next"; other=x` and what follows its comma.
func oneLink(s string) (target, rel, rest string, err error) {
	if !strings.HasPrefix(s, "<") {
		return "", "", "", errLink
	}
	end := strings.IndexByte(s, '>')
	if end < 0 {
		return "", "", "", errLink
	}
	target, s = s[1:end], strings.TrimSpace(s[end+1:])
	for strings.HasPrefix(s, ";") {
		var name, value string
		if name, value, s, err = parameter(strings.TrimSpace(s[1:])); err != nil {
			return "", "", "", err
		}
		if strings.EqualFold(name, "rel") && rel == "" {
			rel = value
		}
	}
	if s != "" && !strings.HasPrefix(s, ",") {
		return "", "", "", errLink
	}
	return target, rel, strings.TrimSpace(strings.TrimPrefix(s, ",")), nil
}

// parameter reads name=value or name="value".
func parameter(s string) (name, value, rest string, err error) {
	end := strings.IndexAny(s, "=;,")
	if end <= 0 {
		return "", "", "", errLink
	}
	name = strings.TrimSpace(s[:end])
	if s[end] != '=' {
		return name, "", s[end:], nil
	}
	s = strings.TrimSpace(s[end+1:])
	if strings.HasPrefix(s, `"`) {
		if end = strings.IndexByte(s[1:], '"'); end < 0 {
			return "", "", "", errLink
		}
		return name, s[1 : 1+end], strings.TrimSpace(s[2+end:]), nil
	}
	if end = strings.IndexAny(s, ";,"); end < 0 {
		end = len(s)
	}
	return name, strings.TrimSpace(s[:end]), s[end:], nil
}
