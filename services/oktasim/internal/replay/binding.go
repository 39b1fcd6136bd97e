package replay

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// binding knows which of our values stands for which recorded one. It is learned at
// equal places of answers and is one to one.
type binding struct {
	ours   map[string]string
	theirs map[string]string
	// asked are values that requests brought up themselves: they are not for the
	// server to choose.
	asked map[string]bool
	// stamps are the pairs of timestamps that were accepted.
	stamps map[[2]string]bool
	hosts  hosts
}

func newBinding(h hosts) *binding {
	return &binding{ours: map[string]string{}, theirs: map[string]string{}, asked: map[string]bool{}, stamps: map[[2]string]bool{}, hosts: h}
}

// bind learns a pair and says whether it agrees with what is known.
func (b *binding) bind(theirs, ours string) bool {
	if known, ok := b.ours[theirs]; ok {
		return known == ours
	}
	if _, taken := b.theirs[ours]; taken {
		return false
	}
	b.ours[theirs], b.theirs[ours] = ours, theirs
	return true
}

// keep learns that the ids in a text stand for themselves.
func (b *binding) keep(s string) {
	plain.each(s, idLength, func(w string) {
		if isID(w) && b.free(w) {
			b.bind(w, w)
		}
	})
}

// free says whether a recorded value is still without a partner.
func (b *binding) free(theirs string) bool {
	_, bound := b.ours[theirs]
	return !bound && !b.asked[theirs]
}

// ask notes the values of a request that no answer has brought up.
func (b *binding) ask(v any) {
	switch v := v.(type) {
	case doc.Doc:
		for _, e := range v {
			b.ask(e)
		}
	case []any:
		for _, e := range v {
			b.ask(e)
		}
	case string:
		b.askText(v)
	}
}

func (b *binding) askText(s string) {
	if _, bound := b.ours[s]; !bound && len(s) > 7 {
		b.asked[s] = true
	}
	joined.each(s, idLength, func(w string) {
		if _, bound := b.ours[w]; !bound && isRandom(w) {
			b.asked[w] = true
		}
	})
}

// translate turns recorded text into what we should say: hosts, then whole values,
// then ids and other words inside.
func (b *binding) translate(s string) string {
	if ours, ok := b.ours[s]; ok {
		return ours
	}
	return joined.replace(b.hosts.normalise(s), func(w string) string {
		if ours, ok := b.ours[w]; ok {
			return ours
		}
		if name, is := strings.CutSuffix(w, linkSuffix); is && b.ours[name] != "" {
			return b.ours[name] + linkSuffix
		}
		if len(w) <= idLength {
			return w
		}
		return plain.replace(w, func(p string) string {
			if ours, ok := b.ours[p]; ok {
				return ours
			}
			return p
		})
	})
}

// value translates a whole JSON value, keys included.
func (b *binding) value(v any) any {
	switch v := v.(type) {
	case doc.Doc:
		out := make(doc.Doc, len(v))
		for k, e := range v {
			out[b.key(k)] = b.value(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = b.value(e)
		}
		return out
	case string:
		return b.translate(v)
	}
	return v
}

func (b *binding) key(k string) string {
	if ours, ok := b.ours[k]; ok {
		return ours
	}
	if strings.HasSuffix(k, linkSuffix) {
		return b.translate(k)
	}
	return k
}

// linkSuffix ends the names of an app's links, which begin with the app's.
const linkSuffix = "_link"

// query translates the values of a query.
func (b *binding) query(raw string) (string, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return "", err
	}
	for _, vs := range q {
		for i := range vs {
			vs[i] = b.translate(vs[i])
		}
	}
	return q.Encode(), nil
}

// hosts knows by which names the recorded org was called; all become one.
type hosts struct {
	base      string
	subdomain string
	own       *regexp.Regexp
}

const (
	hostName = `[A-Za-z0-9_-]+?`
	oktaHost = `(?:\.[A-Za-z0-9-]+)*\.(?:okta|oktapreview|okta-emea|okta-gov|dne-okta)\.com`
)

var (
	// apiHost is a host that answers Okta's API, by whatever name the recording calls it;
	// bareHost is one of Okta's.
	apiHost  = regexp.MustCompile(`https://(` + hostName + `)(-admin)?(` + oktaHost + `)?/(?:api|oauth2|governance|home|app|idp|sso|login|bc|\.well-known)/`)
	bareHost = regexp.MustCompile(`https://(` + hostName + `)(` + oktaHost + `)"`)
	// Okta's content hosts are named after the org's cell.
	contentHost = regexp.MustCompile(`https://[a-z0-9]+static[0-9]*\.oktacdn\.com`)
	partition   = regexp.MustCompile(`\born:okta[a-z-]*:`)
	// Custom domains point to a host that bears the org's name, which recordings hide
	// elsewhere.
	domainHost = regexp.MustCompile(`^[a-z0-9-]+\.customdomains\.[a-z-]+\.com$`)
)

const content = "https://op1static.oktacdn.com"

// hostsOf finds the names of a run's org: the most frequent one in links becomes ours.
func hostsOf(r *Run) hosts {
	seen, full, bare := map[string]int{}, map[string]int{}, map[string]int{}
	for _, s := range r.Steps {
		for _, m := range apiHost.FindAllSubmatch(s.Response, -1) {
			seen[string(m[1])]++
			if len(m[3]) > 0 && len(m[2]) == 0 {
				full[string(m[1])+string(m[3])]++
			}
		}
		for _, m := range bareHost.FindAllSubmatch(s.Response, -1) {
			bare[string(m[1])+string(m[2])]++
		}
	}
	if len(seen) == 0 && len(bare) > 0 {
		full = bare
		sub, _, _ := strings.Cut(most(bare), ".")
		seen[sub] = 1
	}
	return hostsNamed(seen, most(full))
}

func hostsNamed(seen map[string]int, name string) hosts {
	sub := cmp.Or(most(seen), "example-00")
	seen[sub]++
	if !strings.HasPrefix(name, sub+".") {
		name = sub + ".okta.com"
	}
	names := make([]string, 0, len(seen))
	for s := range seen {
		names = append(names, regexp.QuoteMeta(s))
	}
	return hosts{
		base: "https://" + name, subdomain: sub,
		own: regexp.MustCompile(`https://(?:` + strings.Join(names, "|") + `)(?:-admin)?(?:` + oktaHost + `)?(?:/|$)`),
	}
}

// most returns the most frequent name, the first in order among equals.
func most(n map[string]int) string {
	best := ""
	for k, c := range n {
		if best == "" || c > n[best] || c == n[best] && k < best {
			best = k
		}
	}
	return best
}

// normalise gives the org and Okta's content hosts one name each, and resource names
// the same partition: which one an org is in, is not the run's doing. Ids in the query of a
// URL are found when nothing is escaped.
func (h hosts) normalise(s string) string {
	if plain, err := url.PathUnescape(s); err == nil && strings.HasPrefix(s, "https://") {
		s = plain
	}
	s = partition.ReplaceAllString(s, "orn:okta:")
	s = domainHost.ReplaceAllString(s, h.subdomain+".customdomains.okta.com")
	if !strings.Contains(s, "https://") {
		return s
	}
	s = h.own.ReplaceAllStringFunc(s, func(m string) string {
		if strings.HasSuffix(m, "/") {
			return h.base + "/"
		}
		return h.base
	})
	return contentHost.ReplaceAllString(s, content)
}
