package api

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Guest is an org besides the default one. It answers requests that name one of its
// hosts, and those below /orgs/ and its name.
type Guest struct {
	Name  string   `json:"name"`
	Hosts []string `json:"hosts"`
	// Order is what the org was made of.
	Order []byte `json:"-"`
	*Host `json:"-"`
}

// guests are by name, and by host name in lower case.
type guests struct{ names, hosts map[string]*Guest }

// Below is the path under which the org answers.
func (g *Guest) Below() string { return "/orgs/" + g.Name }

// Add serves another org. The error says that its name or a host name is taken.
func (s *Server) Add(g *Guest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guests.names[g.Name] != nil {
		return fmt.Errorf("name: there is an org %q already", g.Name)
	}
	for _, h := range g.Hosts {
		if other := s.guests.hosts[strings.ToLower(h)]; other != nil {
			return fmt.Errorf("hosts: %q is the org %s", h, other.Name)
		}
	}
	s.guests.names[g.Name] = g
	for _, h := range g.Hosts {
		s.guests.hosts[strings.ToLower(h)] = g
	}
	return nil
}

// Remove ends an org; the default one cannot be removed. It returns false if there is
// none of the name.
func (s *Server) Remove(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.guests.names[name]
	if g == nil {
		return false
	}
	delete(s.guests.names, name)
	maps.DeleteFunc(s.guests.hosts, func(_ string, other *Guest) bool { return other == g })
	return true
}

// Home is the default org.
func (s *Server) Home() *Host { return s.home }

// Guest finds an org by name, nil if there is none.
func (s *Server) Guest(name string) *Guest {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.guests.names[name]
}

// Guests lists the orgs besides the default one by name.
func (s *Server) Guests() []*Guest {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.guests.names), func(a, b *Guest) int { return cmp.Compare(a.Name, b.Name) })
}

// find returns the org that a request is for, and the path below which it found it.
// What names no org is for the default one: clients behind a proxy setting send any
// host.
func (s *Server) find(r *http.Request) (h *Host, below string) {
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if rest, ok := strings.CutPrefix(r.URL.Path, "/orgs/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		if g := s.guests.names[name]; g != nil {
			return g.Host, g.Below()
		}
	}
	if g := s.guests.hosts[strings.ToLower(name)]; g != nil {
		return g.Host, ""
	}
	return s.home, ""
}

// without is the request as an org sees it: without the path below which it stands.
func without(r *http.Request, beginning string) *http.Request {
	if beginning == "" {
		return r
	}
	shorter, target := *r, *r.URL
	target.Path = cmp.Or(strings.TrimPrefix(target.Path, beginning), "/")
	target.RawPath = strings.TrimPrefix(target.RawPath, beginning)
	shorter.URL = &target
	return &shorter
}

// CheckURL refuses what cannot stand before the path of a link.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(text, "/") {
		return fmt.Errorf("%q is not a URL such as https://acme.okta.example, without a slash at its end", text)
	}
	return nil
}

// Address is the URL of an org that is to be a guest: its first host name at the port of
// the default org, or a path below that.
func (s *Server) Address(g *Guest) (string, error) {
	base, err := url.Parse(s.home.Org.Base())
	if err != nil {
		return "", fmt.Errorf("the default org's URL: %w", err)
	}
	if len(g.Hosts) == 0 {
		return base.String() + g.Below(), nil
	}
	port := base.Port()
	base.Host = g.Hosts[0]
	if port != "" {
		base.Host = net.JoinHostPort(g.Hosts[0], port)
	}
	return base.String(), nil
}
