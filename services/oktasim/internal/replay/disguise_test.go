package replay

import (
	"bytes"
	"flag"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

// disguise tells a run anew as if it had happened elsewhere: in another org, at another
// time, with other ids, names and orders. Whatever is a rule holds for it as well; what
// only holds for the original is remembered, not known.
type disguise struct {
	words *strings.Replacer
	// escaped is words for queries.
	escaped *strings.Replacer
	later   time.Duration
}

// disguised changes the run in place.
func disguised(t *testing.T, r *Run) {
	t.Helper()
	from, to := namesOf(r)
	if sub := hostsOf(r).subdomain; len(sub) > 5 {
		from, to = append(from, sub), append(to, "harbour-77")
	}
	d := disguise{words: replacer(from, to, func(s string) string { return s }), escaped: replacer(from, to, url.QueryEscape), later: 7 * 24 * time.Hour}
	// Certificates that requests bring say when they end.
	if slices.ContainsFunc(r.Steps, func(s *Step) bool { return bytes.Contains(s.Request, []byte(`"x5c"`)) }) {
		d.later = 0
	}
	for _, s := range r.Steps {
		d.step(t, s)
	}
}

// replacer prefers long words.
func replacer(from, to []string, form func(string) string) *strings.Replacer {
	order := make([]int, len(from))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return len(from[b]) - len(from[a]) })
	var pairs []string
	for _, i := range order {
		pairs = append(pairs, form(from[i]), form(to[i]))
	}
	return strings.NewReplacer(pairs...)
}

func (d disguise) step(t *testing.T, s *Step) {
	t.Helper()
	s.at = s.at.Add(d.later)
	s.Date = s.at.Format(time.RFC1123)
	s.Path, s.Query = d.text(s.Path), d.ids(d.escaped.Replace(s.Query))
	for i, l := range s.Link {
		s.Link[i] = d.ids(d.escaped.Replace(d.words.Replace(l)))
	}
	s.body, s.sent = d.value(s.body), d.value(s.sent)
	if list, ok := s.body.([]any); ok && s.Method == http.MethodGet && !byPriority(list) {
		slices.Reverse(list)
	}
	s.Response, s.Request = raw(t, s.body), raw(t, s.sent)
}

func raw(t *testing.T, v any) []byte {
	t.Helper()
	if v == nil {
		return nil
	}
	b, err := doc.Bytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (d disguise) value(v any) any {
	switch v := v.(type) {
	case doc.Doc:
		out := doc.Doc{}
		for k, e := range v {
			out[d.key(k)] = d.value(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = d.value(e)
		}
		return out
	case string:
		return d.text(v)
	}
	return v
}

// inXML is an attribute's value or a text.
var inXML = regexp.MustCompile(`[^<>"]+`)

// text leaves what is too long for a name alone: certificates, keys, pages.
func (d disguise) text(s string) string {
	if at, layout, ok := moment(s); ok {
		return at.Add(d.later).Format(layouts[layout])
	}
	if strings.HasPrefix(s, "<?xml") {
		return inXML.ReplaceAllStringFunc(s, d.text)
	}
	if longest := 300; len(s) > longest {
		return s
	}
	return d.ids(d.words.Replace(s))
}

// key leaves field names alone, some of which are as long as ids.
func (d disguise) key(k string) string {
	if strings.ContainsAny(k, "0123456789") {
		return d.text(k)
	}
	return k
}

// ids changes those in the queries of links, too, where quotes are escaped. The first signs
// stay, being the kind and the time: ids of one kind are in the order of creation.
func (d disguise) ids(s string) string {
	return plain.replace(s, func(w string) string {
		if quote, id := w[:max(0, len(w)-idLength)], w[max(0, len(w)-idLength):]; quote == "22" && isID(id) {
			return quote + otherID(id)
		}
		if !isID(w) {
			return w
		}
		return otherID(w)
	})
}

func otherID(id string) string { return id[:8] + strings.Map(otherSign, id[8:]) }

// otherSign keeps digits digits and the case of letters.
func otherSign(r rune) rune {
	switch {
	case r >= '0' && r <= '9':
		return '0' + (r-'0'+3)%10
	case r >= 'a' && r <= 'z':
		return 'a' + (r-'a'+13)%26
	case r >= 'A' && r <= 'Z':
		return 'A' + (r-'A'+13)%26
	}
	return r
}

// madeUp is a word that a test made up, and not Okta.
var madeUp = regexp.MustCompile(`(?i)acc|test|[0-9]{4}|replace`)

// prefixes begin names, and lists are asked for by them.
var prefixes = []string{"testAcc", "testacc"}

// namesOf are the words that the names in the run's requests make up, and those that
// Okta makes of whole names, with what stands for them.
func namesOf(r *Run) (from, to []string) {
	names, words := map[string]bool{}, map[string]bool{}
	for _, s := range r.Steps {
		namesIn(s.sent, "", names)
	}
	for _, p := range prefixes {
		words[p] = true
	}
	for n := range names {
		plain.each(n, 6, func(w string) {
			if madeUp.MatchString(w) && !isRandom(w) {
				words[w], words[strings.ToLower(w)] = true, true
			}
		})
	}
	for w := range words {
		from, to = append(from, w), append(to, otherName(w))
	}
	other := replacer(from, to, func(s string) string { return s })
	for n := range names {
		if low := stem(n); !words[low] {
			from, to = append(from, low), append(to, stem(other.Replace(n)))
		}
	}
	return from, to
}

var notInStems = regexp.MustCompile(`[^a-z0-9]`)

func stem(s string) string { return notInStems.ReplaceAllString(strings.ToLower(s), "") }

var nameKeys = []string{"name", "label", "displayName", "title", "description", "login", "email", "firstName", "lastName", "nickName"}

func namesIn(v any, key string, to map[string]bool) {
	switch v := v.(type) {
	case doc.Doc:
		for k, e := range v {
			namesIn(e, k, to)
		}
	case []any:
		for _, e := range v {
			namesIn(e, key, to)
		}
	case string:
		if slices.Contains(nameKeys, key) && madeUp.MatchString(v) && len(stem(v)) > 5 && !isID(v) {
			to[v] = true
		}
	}
}

// otherName has the same length, case and signs.
func otherName(s string) string { return strings.Map(otherSign, s) }

// TestDisguise proves that runs which match do so in disguise.
func TestDisguise(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"life", "given", "parallel", "order", "lag", "switch"} {
		r := load(t, name)[0]
		was := string(r.Steps[0].Response)
		disguised(t, &r)
		if string(r.Steps[0].Response) == was {
			t.Errorf("%s: the disguise is none", name)
		}
		for _, difference := range found(play(r, Options{})) {
			t.Errorf("%s: %s", name, difference)
		}
	}
}

// every is how many runs there are for one that is disguised; 1 is all, which takes a minute.
var every = flag.Int("every", 6, "disguise one recorded run of so many")

// TestDisguisedRecordings plays recorded runs in disguise: they must be answered as well as
// the runs themselves. OKTA_RECORDINGS names the file.
func TestDisguisedRecordings(t *testing.T) {
	t.Parallel()
	file := os.Getenv("OKTA_RECORDINGS")
	if file == "" {
		t.Skip("OKTA_RECORDINGS does not name a file of recorded interactions")
	}
	runs, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range runs {
		if i%*every > 0 {
			continue
		}
		after := playDisguised(t, r)
		if len(found(after)) == 0 {
			continue
		}
		before := playOnce(r, Options{})
		for n, a := range after.results {
			if len(before.results[n].mismatches) == 0 && len(a.mismatches) > 0 && !ofLeapDays(a) {
				t.Errorf("%s:%d %s: %+v", r.Name(), a.step.Seq, a.step.name(), a.mismatches[0])
			}
		}
	}
}

func playDisguised(t *testing.T, r Run) outcome {
	t.Helper()
	steps := make([]*Step, len(r.Steps))
	for i, s := range r.Steps {
		other := *s
		other.Link = slices.Clone(s.Link)
		steps[i] = &other
	}
	r.Steps = steps
	if err := r.prepare(); err != nil {
		t.Fatal(err)
	}
	disguised(t, &r)
	return play(r, Options{})
}

// ofLeapDays says whether a step differs only in when keys end: leap days lie in between.
func ofLeapDays(r result) bool {
	return !slices.ContainsFunc(r.mismatches, func(m Mismatch) bool { return !strings.HasSuffix(m.Path, "expiresAt") })
}
