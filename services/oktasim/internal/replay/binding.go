package replay

import (
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
	if b.asked[theirs] {
		return theirs == ours
	}
	if _, taken := b.theirs[ours]; taken {
		return false
	}
	b.ours[theirs], b.theirs[ours] = ours, theirs
	return true
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
	for _, w := range wordForm.FindAllString(s, -1) {
		if _, bound := b.ours[w]; !bound && isRandom(w) {
			b.asked[w] = true
		}
	}
}

// translate turns recorded text into what we should say: hosts, then whole values,
// then ids and other words inside.
func (b *binding) translate(s string) string {
	if ours, ok := b.ours[s]; ok {
		return ours
	}
	return wordForm.ReplaceAllStringFunc(b.hosts.normalise(s), func(w string) string {
		if ours, ok := b.ours[w]; ok {
			return ours
		}
		if len(w) <= idLength {
			return w
		}
		return partForm.ReplaceAllStringFunc(w, func(p string) string {
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
	return k
}

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

var (
	orgHost = regexp.MustCompile(`https://([A-Za-z0-9-]+?)(-admin)?((?:\.[A-Za-z0-9-]+)*\.(?:okta|oktapreview|okta-emea|okta-gov|dne-okta)\.com)?/(?:api|oauth2|governance|home|app|idp|sso|login|bc|\.well-known)/`)
	// Okta's content hosts are named after the org's cell.
	contentHost = regexp.MustCompile(`https://[a-z0-9]+static[0-9]*\.oktacdn\.com`)
)

var partition = regexp.MustCompile(`^orn:okta[a-z-]*:`)

const content = "https://op1static.oktacdn.com"

// hostsOf finds the names of a run's org: the most frequent one in links becomes ours.
func hostsOf(r *Run) hosts {
	seen := map[string]int{}
	full := map[string]int{}
	for _, s := range r.Steps {
		for _, m := range orgHost.FindAllStringSubmatch(string(s.Response), -1) {
			seen[m[1]]++
			if m[3] != "" && m[2] == "" {
				full[m[1]+m[3]]++
			}
		}
	}
	sub, name := most(seen), most(full)
	if sub == "" {
		sub = "example-00"
	}
	if !strings.HasPrefix(name, sub+".") {
		name = sub + ".okta.com"
	}
	names := make([]string, 0, len(seen))
	for s := range seen {
		names = append(names, regexp.QuoteMeta(s))
	}
	names = append(names, regexp.QuoteMeta(sub))
	return hosts{
		base: "https://" + name, subdomain: sub,
		own: regexp.MustCompile(`https://(?:` + strings.Join(names, "|") + `)(?:-admin)?(?:(?:\.[A-Za-z0-9-]+)*\.(?:okta|oktapreview|okta-emea|okta-gov|dne-okta)\.com)?(?:/|$)`),
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
// the same partition: which one an org is in, is not the run's doing.
func (h hosts) normalise(s string) string {
	if strings.HasPrefix(s, "orn:") {
		return partition.ReplaceAllString(s, "orn:okta:")
	}
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
