package drift_test

import (
	"strings"
	"testing"

	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

func TestRulesThatCannotBe(t *testing.T) {
	t.Parallel()
	good := drift.Rule{Name: "n", Title: "t", Severity: drift.Low, Types: []string{"app"}, When: "true", Sentence: "s"}
	tests := map[string]struct {
		change func(*drift.Rule)
		want   string
	}{
		"no name":       {func(r *drift.Rule) { r.Name = "" }, "needs a name"},
		"no types":      {func(r *drift.Rule) { r.Types = nil }, "needs a name"},
		"bad pattern":   {func(r *drift.Rule) { r.Types = []string{"["} }, "types"},
		"bad severity":  {func(r *drift.Rule) { r.Severity = "bad" }, "no severity"},
		"not CEL":       {func(r *drift.Rule) { r.When = "&&" }, "when"},
		"not a bool":    {func(r *drift.Rule) { r.When = "1 + 1" }, "not a bool"},
		"unknown names": {func(r *drift.Rule) { r.When = "nobody == 1" }, "undeclared"},
	}
	for name, tt := range tests {
		r := good
		tt.change(&r)
		if _, err := drift.Compile([]drift.Rule{r}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tt.want)
		}
	}
	if _, err := drift.Compile([]drift.Rule{good, good}); err == nil {
		t.Error("two rules of one name were taken")
	}
	if _, err := drift.Parse([]byte("- nmae: x")); err == nil {
		t.Error("a misspelt field was taken")
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	rules := standard(t)
	for typ, want := range map[resource.Type]bool{"group": true, "policy_okta_sign_on_rule": true, "user_role": true, "user": false, "group_membership": false} {
		if got := rules.Wants(typ); got != want {
			t.Errorf("%s: got %v, want %v", typ, got, want)
		}
	}
}

// FuzzRules: whatever a body looks like, a rule answers.
func FuzzRules(f *testing.F) {
	f.Add([]byte(`{"settings":1}`), []byte(`{"gateways":[1],"conditions":[]}`))
	f.Add([]byte(`{"gateways":[{"value":"10.0.0.0/8"}],"locations":[{"a":[]}]}`), []byte(`{"gateways":null,"locations":{"include":[{}]}}`))
	f.Add([]byte(`{"actions":{"appSignOn":{"access":"DENY","verificationMethod":{"reauthenticateIn":"PT"}}}}`), []byte(`{"actions":{"signon":{"session":{"maxSessionIdleMinutes":"x"}}}}`))
	rules, err := drift.Standard()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, err := resource.Canonical(nil, x)
		if err != nil || a[0] != '{' {
			return
		}
		b, err := resource.Canonical(nil, y)
		if err != nil || b[0] != '{' {
			return
		}
		for _, info := range catalog {
			fields, err := diff.Compare(info, a, b)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []diff.Change{{Op: diff.Update, Before: a, After: b, Fields: fields}, {Op: diff.Create, After: b}, {Op: diff.Delete, Before: a}} {
				c.Key = resource.Key{Type: info.Type, ID: "x"}
				if _, err := rules.Evaluate(drift.Facts{Catalog: catalog}, []drift.Observation{{Change: c}}); err != nil {
					t.Fatalf("%s %s: %v", c.Op, info.Type, err)
				}
			}
		}
	})
}

func TestDedupKey(t *testing.T) {
	t.Parallel()
	event := func(id string) drift.Attribution { return drift.Attribution{Event: &provider.Event{ID: id}} }
	base := drift.Finding{Rule: "r", Observation: drift.Observation{Change: diff.Change{Key: resource.Key{Type: "app", ID: "a"}, Op: diff.Update}, Attribution: event("e1")}}
	same := base
	same.Sentence, same.Found = "other words", noon
	if base.DedupKey() != same.DedupKey() {
		t.Error("the words of a finding make it another")
	}
	others := map[string]func(*drift.Finding){
		"rule":      func(f *drift.Finding) { f.Rule = "s" },
		"resource":  func(f *drift.Finding) { f.Change.Key.ID = "b" },
		"operation": func(f *drift.Finding) { f.Change.Op = diff.Delete },
		"event":     func(f *drift.Finding) { f.Attribution = event("e2") },
		"no event":  func(f *drift.Finding) { f.Attribution = drift.Attribution{} },
	}
	for name, change := range others {
		other := base
		change(&other)
		if base.DedupKey() == other.DedupKey() {
			t.Errorf("another %s is the same finding", name)
		}
	}
	x, y := base, base
	x.Attribution, y.Attribution = drift.Attribution{}, drift.Attribution{}
	y.Change.After = []byte(`{}`)
	if x.DedupKey() == y.DedupKey() {
		t.Error("two changes that no event explains are the same finding")
	}
}

// TestParentHas: a rule about what is made below some parents makes nobody read all of it.
func TestParentHas(t *testing.T) {
	t.Parallel()
	rules := standard(t)
	if got := rules.ParentHas("group_membership"); len(got) != 1 || got[0] != "group_role" || rules.Wants("group_membership") {
		t.Errorf("memberships: got %v, wanted %v", got, rules.Wants("group_membership"))
	}
	if got := rules.ParentHas("group"); got != nil {
		t.Errorf("groups: got %v, want none", got)
	}
}
