package seed

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

func fresh(t testing.TB, engine string, now time.Time) *org.Org {
	t.Helper()
	o, err := org.New(clock.New(func() time.Time { return now }), org.Options{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func objects(t *testing.T, o *org.Org) string {
	t.Helper()
	var b bytes.Buffer
	if err := o.WriteState(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEqualSeedsGiveEqualOrgs(t *testing.T) {
	t.Parallel()
	for _, p := range []Plan{{Preset: "demo"}, {Seed: 4, Users: 300, Groups: 20, Memberships: 900, Apps: 9, Rules: 4, Policies: 6, Zones: 3}} {
		a, b := fresh(t, "oie", org.Founded), fresh(t, "oie", org.Founded.AddDate(1, 2, 3))
		for _, o := range []*org.Org{a, b} {
			if _, err := Fill(o, p); err != nil {
				t.Fatal(err)
			}
		}
		if objects(t, a) != objects(t, b) {
			t.Errorf("%+v made two different orgs", p)
		}
		p.Seed = 77
		if _, err := Fill(b, p); err != nil {
			t.Fatal(err)
		}
		if objects(t, a) == objects(t, b) {
			t.Errorf("%+v: another seed made the same org", p)
		}
	}
}

func TestBulkCounts(t *testing.T) {
	t.Parallel()
	o := fresh(t, "classic", org.Founded)
	made, err := Fill(o, Plan{Users: 200, Groups: 10, Memberships: 777, Apps: 8, Policies: 4, Zones: 5})
	if err != nil {
		t.Fatal(err)
	}
	// Everyone adds one group with all users, the org its own zones and policies.
	for name, want := range map[string]int{"users": 200, "groups": 11, "memberships": 977, "apps": 8, "zones": 8, "policies": 8} {
		if made.Counts[name] != want {
			t.Errorf("%s: got %d, want %d", name, made.Counts[name], want)
		}
	}
}

func TestDemoFinance(t *testing.T) {
	t.Parallel()
	o := fresh(t, "oie", org.Founded)
	made, err := Fill(o, Plan{Preset: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	g, err := o.Group(made.Groups["Finance"])
	if err != nil {
		t.Fatal(err)
	}
	if n := len(slices.Collect(g.MembersAfter(""))); n != 14 {
		t.Errorf("Finance has %d members, want 14", n)
	}
	modes := map[string]bool{}
	for id := range o.AppsOfGroup(g, "") {
		a, err := o.App(id)
		if err != nil {
			t.Fatal(err)
		}
		modes[a.SignOnMode] = true
	}
	if !modes[org.OpenIDConnect] || !modes[org.SAML2] {
		t.Errorf("Finance has apps of the modes %v", modes)
	}
	filled, named := 0, 0
	for _, id := range made.Rules {
		r, err := o.GroupRule(id)
		if err != nil {
			t.Fatal(err)
		}
		if r.Targets()[0] == g.ID {
			filled++
		}
		if strings.Contains(doc.String(r.Conditions, "expression", "value"), g.ID) {
			named++
		}
	}
	if filled != 1 || named != 1 {
		t.Errorf("%d rules fill Finance and %d name it, want one each", filled, named)
	}
	for _, name := range []string{"Finance sessions", "Finance apps"} {
		p, err := o.Policy(made.Policies[name])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(toText(t, o.PolicyBody(p, true)), g.ID) {
			t.Errorf("%s does not name Finance", name)
		}
	}
	if made.Counts["users"] < 115 || made.Counts["groups"] != 15 || made.Counts["apps"] != 10 {
		t.Errorf("counts %v", made.Counts)
	}
}

func toText(t *testing.T, v any) string {
	t.Helper()
	b, err := doc.Bytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDemoOnClassic(t *testing.T) {
	t.Parallel()
	if _, err := Fill(fresh(t, "classic", org.Founded), Plan{Preset: "demo"}); err != nil {
		t.Error(err)
	}
}

func TestBadPlansChangeNothing(t *testing.T) {
	t.Parallel()
	o := fresh(t, "oie", org.Founded)
	before := objects(t, o)
	for field, p := range map[string]Plan{
		"preset": {Preset: "moon"}, "users": {Users: -1}, "memberships": {Users: 2, Groups: 2, Memberships: 5}, "rules": {Rules: 1},
	} {
		if _, err := Fill(o, p); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%+v: got %v, want an error that names %s", p, err, field)
		}
	}
	if objects(t, o) != before {
		t.Error("a refused plan changed the org")
	}
}
