package restore_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/resource"
	"imago/pkg/restore"
)

// standing writes how the rules of an app sign-in policy stand, as "A1 B2' C4": a name, a
// place, and ' for a rule that was changed (it allows; the others deny).
type standing string

const moneyRules = "policy_access_policy_rule/rstMoney001/"

// rules are the lines of a scenario, by name.
func (s standing) rules() map[string]string {
	out := map[string]string{}
	for word := range strings.FieldsSeq(string(s)) {
		word, changed := strings.CutSuffix(word, "'")
		access := "DENY"
		if changed {
			access = "ALLOW"
		}
		out[word[:1]] = fmt.Sprintf(moneyRules+`rul%s {"type":"ACCESS_POLICY","name":"%s","priority":%s,"status":"ACTIVE","system":false,"actions":{"appSignOn":{"access":"%s"}}}`,
			word[:1], word[:1], word[1:], access)
	}
	return out
}

// stand tells how the rules of an org stand, made again or not.
func stand(t *testing.T, o *org) standing {
	t.Helper()
	all := o.list(func(k resource.Key) bool { return k.Type == "policy_access_policy_rule" })
	slices.SortFunc(all, func(a, b resource.Resource) int { return resource.PlaceOf(a.Body) - resource.PlaceOf(b.Body) })
	var words []string
	for _, r := range all {
		rule := decode(r.Body)
		word := fmt.Sprint(rule["name"], resource.PlaceOf(r.Body))
		if strings.Contains(string(r.Body), "ALLOW") {
			word += "'"
		}
		words = append(words, word)
	}
	return standing(strings.Join(words, " "))
}

// happen makes an org stand otherwise.
func (s standing) happen(t *testing.T, sc *scenario) {
	t.Helper()
	rules := s.rules()
	for _, r := range sc.org.list(func(k resource.Key) bool { return k.Type == "policy_access_policy_rule" }) {
		if _, there := rules[r.ID[3:]]; !there {
			sc.org.delete(r.Key)
		}
	}
	for _, line := range rules {
		if err := sc.happen("set " + line); err != nil {
			t.Fatal(err)
		}
	}
}

// reordering is a policy whose rules changed, and what of them is put back.
type reordering struct {
	before, live standing
	chosen       string   // names of rules; "" for all
	since        standing // after the plan; "": nothing happens
	want         standing
	warned       string // names that the plan warns of passing
	stopped      bool
}

func (c reordering) play(t *testing.T) (p restore.Plan, o *org, report restore.Report, stopped bool) {
	t.Helper()
	lines := []string{"-- org --", `policy_access_policy/rstMoney001 {"type":"ACCESS_POLICY","name":"Money apps","status":"ACTIVE","system":false}`}
	for _, line := range c.before.rules() {
		lines = append(lines, line)
	}
	lines = append(lines, "-- select --")
	for _, name := range strings.Split(c.chosen, "") {
		lines = append(lines, "only "+moneyRules+"rul"+name)
	}
	if c.chosen == "" {
		lines = append(lines, "with policy_access_policy/rstMoney001")
	}
	s := told(t, strings.Join(lines, "\n")+"\n")
	c.live.happen(t, s)
	p = plan(t, s.snap, s.org, s.sel)
	if c.since != "" {
		c.since.happen(t, s)
	}
	out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life)
	report, err := restore.Verify(t.Context(), restore.Check{Catalog: catalog, Snapshot: s.snap, Reader: s.org, Plan: p, Entries: out.Entries})
	if err != nil {
		t.Fatal(err)
	}
	return p, s.org, report, out.Stopped()
}

// TestPlaces: what is chosen gets its place back, and what is not stays where it is, as
// far as both can be; nothing passes anything that it stood behind without a warning.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]reordering{
		"a second block behind a gap":    {before: "A1 B2 D6 E7", live: "A1' B2 D6' E7", want: "A1 B2 D6 E7"},
		"one chosen by one that moves":   {before: "A1 D5 E6 F7", live: "A1' D5' E6 F8", want: "A1 D5 E6 F7"},
		"with one that was made since":   {before: "A1 B2 C3 D4 E5", live: "A1 B2 X3 D4 C5 E6", want: "A1 B2 C3 D4 E5 X6", warned: "X"},
		"the whole order turned":         {before: "A1 B2 C3 D4", live: "D1 C3 B5 A6", want: "A1 B2 C3 D4"},
		"one that was made at the top":   {before: "A1' B2'", live: "X1 A2' B3'", want: "A1' B2' X3", warned: "X"},
		"creates displace, too":          {before: "A1 B2 C3 D4", live: "A1 X2 C3", want: "A1 B2 C3 D4 X5", warned: "X"},
		"one alone behind its neighbour": {before: "A1 B2 C3", live: "C1 A2 B3", chosen: "C", want: "A2 C3 B4", warned: "B"},
		"moved after the plan":           {before: "A1' B2 C3", live: "A1' B2' C3", chosen: "B", since: "C1 A2' B3'", want: "C1 A2' B3'", stopped: true},
		"made after the plan":            {before: "A1' B2 C3 D4", live: "A1' B2' C3 D4", chosen: "B", since: "A1' B2' X3 C4 D5", want: "A1' B2' X3 C4 D5", stopped: true},
		"counted on after the plan":      {before: "A1' B2 C3 D4", live: "A1' B2' C3 D4", chosen: "B", since: "A1' B3' C4 D5", want: "A1' B2 C3 D4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, o, _, stopped := c.play(t)
			if got := stand(t, o); got != c.want || stopped != c.stopped {
				t.Errorf("it stands %s, stopped %v; want %s, %v\n%s", got, stopped, c.want, c.stopped, shown(p))
			}
			warned := map[string]bool{}
			for _, s := range p.Steps {
				for _, w := range s.Warn {
					_, rest, _ := strings.Cut(w, "“")
					warned[rest[:1]] = true
				}
			}
			for _, n := range strings.Split(c.warned, "") {
				if n != "" && !warned[n] || c.warned == "" && len(warned) > 0 {
					t.Errorf("it warns of %v, want %q", warned, c.warned)
				}
			}
		})
	}
}

// shuffled is a random policy, what random people did to it, and a random choice of it.
func shuffled(seed uint64) reordering {
	r := rand.New(rand.NewPCG(seed, 1))
	n := 2 + r.IntN(4)
	var c reordering
	place, words := 0, []string{}
	next := func() string { place += 1 + r.IntN(2)*r.IntN(2); return strconv.Itoa(place) }
	for i := range n {
		words = append(words, string(rune('A'+i))+next())
		if seed%2 == 1 && r.IntN(2) == 0 {
			c.chosen += string(rune('A' + i))
		}
	}
	c.before = standing(strings.Join(words, " "))
	place, words = 0, nil
	perm := r.Perm(n)
	if r.IntN(2) == 0 {
		slices.Sort(perm)
	}
	for k, i := range perm {
		if r.IntN(4) == 0 {
			words = append(words, string(rune('U'+k))+next())
		}
		word := string(rune('A'+i)) + next()
		if r.IntN(3) == 0 {
			word += "'"
		}
		if r.IntN(4) > 0 {
			words = append(words, word)
		}
	}
	c.live = standing(strings.Join(words, " "))
	return c
}

// among leaves the names that are kept in order.
func (s standing) among(keep func(name string) bool) (names []string) {
	for word := range strings.FieldsSeq(string(s)) {
		if keep(word[:1]) {
			names = append(names, word[:1])
		}
	}
	return names
}

// TestPlacesOfAnything: whatever happened, what is chosen ends as it was in the snapshot,
// and what is not stays in the order in which it stands.
func TestPlacesOfAnything(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1500) {
		c := shuffled(seed)
		chosen := func(name string) bool {
			if c.chosen == "" {
				return strings.Contains(string(c.before), name)
			}
			return strings.Contains(c.chosen, name)
		}
		others := func(name string) bool { return !chosen(name) }
		_, o, report, stopped := c.play(t)
		got := stand(t, o)
		if stopped || len(report.Differences) > 0 {
			t.Errorf("seed %d: %s, %s, chosen %q: %s, stopped %v\n%s", seed, c.before, c.live, c.chosen, got, stopped, reported(report))
		}
		if d := cmp.Diff(c.before.among(chosen), got.among(chosen)); d != "" {
			t.Errorf("seed %d: %s, %s, chosen %q: %s\n%s", seed, c.before, c.live, c.chosen, got, d)
		}
		if d := cmp.Diff(c.live.among(others), got.among(others)); d != "" {
			t.Errorf("seed %d: %s, %s, not chosen %q: %s\n%s", seed, c.before, c.live, c.chosen, got, d)
		}
	}
}
