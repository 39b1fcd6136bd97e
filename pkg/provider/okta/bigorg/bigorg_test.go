package bigorg_test

import (
	"bytes"
	"crypto/sha256"
	"math"
	"slices"
	"strings"
	"testing"

	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/bigorg"
	"imago/pkg/resource"
)

// small is a hundredth of the full org.
var small = bigorg.Full.Scaled(0.01)

func org(t *testing.T, o bigorg.Options) *bigorg.Org {
	t.Helper()
	if o.Catalog == nil {
		o.Catalog = okta.New(okta.Options{}).Catalog()
	}
	if o.Size == (bigorg.Size{}) {
		o.Size = small
	}
	made, err := bigorg.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// bodies holds what an org has.
func bodies(o *bigorg.Org) map[resource.Key]string {
	all := map[resource.Key]string{}
	for _, t := range o.Types() {
		for r := range o.Walk(t) {
			all[r.Key] = string(r.Body)
		}
	}
	return all
}

func TestCounts(t *testing.T) {
	t.Parallel()
	o := org(t, bigorg.Options{})
	counts := map[resource.Type]int{}
	for key := range bodies(o) {
		counts[key.Type]++
	}
	for typ, want := range map[resource.Type]int{
		"user": small.Users, "group": small.Groups, "group_membership": small.Memberships, "app": small.Apps, "app_user": small.AppUsers,
		"app_group": 3 * small.Apps, "org_settings": 1, "network_zone": small.Others, "policy_password_rule": 2 * small.Others,
		"user_schema": small.Others,
	} {
		if counts[typ] != want {
			t.Errorf("%d of %s, want %d", counts[typ], typ, want)
		}
	}
	for _, info := range okta.New(okta.Options{}).Catalog() {
		if counts[info.Type] == 0 {
			t.Errorf("there is no %s", info.Type)
		}
	}
}

// TestFull: the group of the full org that is gone has the 500 members that it should.
func TestFull(t *testing.T) {
	t.Parallel()
	o := org(t, bigorg.Options{Size: bigorg.Full})
	if n := o.Doomed(); n != 500 {
		t.Errorf("it has %d", n)
	}
	var last resource.Key
	n := 0
	for r := range o.Walk("user") {
		if last.Compare(r.Key) >= 0 {
			t.Fatalf("%s comes after %s", r.Key, last)
		}
		last, n = r.Key, n+1
	}
	if n != bigorg.Full.Users {
		t.Errorf("%d users", n)
	}
}

// TestBodies: every body is canonical, every key rises, every reference leads somewhere,
// and each object of a type has a natural key of its own.
func TestBodies(t *testing.T) {
	t.Parallel()
	for _, day := range []bigorg.Day{bigorg.First, bigorg.Edited, bigorg.Deleted, bigorg.Logins} {
		o := org(t, bigorg.Options{Day: day})
		all := bodies(o)
		ids := map[resource.Type]map[string]bool{}
		for key := range all {
			if ids[key.Type] == nil {
				ids[key.Type] = map[string]bool{}
			}
			ids[key.Type][key.ID] = true
		}
		for _, info := range okta.New(okta.Options{}).Catalog() {
			var last resource.Key
			for r := range o.Walk(info.Type) {
				if canonical, err := resource.Canonical(nil, r.Body); err != nil || !bytes.Equal(canonical, r.Body) {
					t.Fatalf("%s is not canonical: %v\n%s", r.Key, err, r.Body)
				}
				if last.Compare(r.Key) >= 0 {
					t.Fatalf("%s comes after %s", r.Key, last)
				}
				last = r.Key
				leads(t, info, r, ids)
			}
		}
	}
}

// leads fails unless every reference names an object that is there.
func leads(t *testing.T, info resource.Info, r resource.Resource, ids map[resource.Type]map[string]bool) {
	t.Helper()
	references, err := resource.References(info, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range references {
		found := slices.ContainsFunc(ref.To, func(t resource.Type) bool { return ids[t][ref.ID] })
		if !found && ref.In != resource.InExpression { // there, any text between quotes may be an ID
			t.Fatalf("%s names %s at %q, which is no %v", r.Key, ref.ID, ref.Path, ref.To)
		}
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	sum := func(o *bigorg.Org) (sum [32]byte) {
		h := sha256.New()
		for _, t := range o.Types() {
			for r := range o.Walk(t) {
				h.Write([]byte(r.Key.String()))
				h.Write(r.Body)
			}
		}
		for n := range 100 {
			h.Write(o.Minute(n).Body)
		}
		return [32]byte(h.Sum(nil))
	}
	one := sum(org(t, bigorg.Options{Seed: 1}))
	if sum(org(t, bigorg.Options{Seed: 1})) != one {
		t.Error("one seed gave two orgs")
	}
	if sum(org(t, bigorg.Options{Seed: 2})) == one {
		t.Error("two seeds gave one org")
	}
}

// difference counts what differs from the first day: by type, as edited, moved by itself,
// gone and new.
type difference struct{ edited, moved, gone, come int }

func differences(t *testing.T, day bigorg.Day, size bigorg.Size) map[resource.Type]*difference {
	t.Helper()
	before, after := bodies(org(t, bigorg.Options{Size: size})), bodies(org(t, bigorg.Options{Size: size, Day: day}))
	out := map[resource.Type]*difference{}
	of := func(k resource.Key) *difference {
		if out[k.Type] == nil {
			out[k.Type] = &difference{}
		}
		return out[k.Type]
	}
	for key, body := range after {
		was, is := before[key]
		if !is {
			of(key).come++
			continue
		}
		same, err := resource.Equal([]byte(was), []byte(body), "lastLogin", "lastMembershipUpdated")
		switch {
		case err != nil:
			t.Fatal(err)
		case !same:
			of(key).edited++
		case was != body:
			of(key).moved++
		}
	}
	for key := range before {
		if after[key] == "" {
			of(key).gone++
		}
	}
	return out
}

// TestDays: each day differs from the first by what it is there for, and nothing else.
func TestDays(t *testing.T) {
	t.Parallel()
	size := bigorg.Full.Scaled(0.02)
	near := func(what string, got, of int, share float64) {
		t.Helper()
		if want := float64(of) * share; math.Abs(float64(got)-want) > 5*math.Sqrt(want) {
			t.Errorf("%s: %d, want about %.0f", what, got, want)
		}
	}
	edited := differences(t, bigorg.Edited, size)
	near("edited users", edited["user"].edited, size.Users, 0.01)
	near("users who signed in", edited["user"].moved, size.Users, 0.6*0.99)
	near("lost memberships", edited["group_membership"].gone, size.Memberships, 0.0025)
	near("new memberships", edited["group_membership"].come, size.Memberships, 0.0025)
	if got := edited["policy_password"]; got.edited != 3 || len(edited) != 4 || edited["group"].edited != 0 || edited["group"].moved == 0 {
		t.Errorf("%d policies, %d types, groups %+v", got.edited, len(edited), *edited["group"])
	}
	logins := differences(t, bigorg.Logins, size)
	near("users who signed in", logins["user"].moved, size.Users, 0.6)
	if len(logins) != 1 || logins["user"].edited != 0 {
		t.Errorf("%d types, users %+v", len(logins), *logins["user"])
	}
	deleted := differences(t, bigorg.Deleted, size)
	want := difference{gone: 1}
	if len(deleted) != 2 || *deleted["group"] != want || deleted["group_membership"].gone != org(t, bigorg.Options{Size: size}).Doomed() || deleted["group_membership"].come != 0 {
		t.Errorf("%d types, groups %+v, memberships %+v", len(deleted), *deleted["group"], *deleted["group_membership"])
	}
}

// TestMinutes: every minute changes what is there, and only one object.
func TestMinutes(t *testing.T) {
	t.Parallel()
	o := org(t, bigorg.Options{})
	all := bodies(o)
	kinds := map[string]int{}
	for n := range 1440 {
		c := o.Minute(n)
		was, is := all[c.Key]
		switch {
		case c.Body == nil && !is, c.Body != nil && was == string(c.Body):
			t.Fatalf("minute %d changes nothing of %s", n, c.Key)
		case c.Body == nil:
			kinds["delete"]++
			delete(all, c.Key)
			continue
		case !is:
			kinds["create"]++
		default:
			kinds["update"]++
		}
		if c.Type != "group_membership" && !is {
			t.Fatalf("minute %d makes %s", n, c.Key)
		}
		all[c.Key] = string(c.Body)
	}
	if kinds["update"] < 900 || kinds["create"] < 150 || kinds["delete"] < 150 {
		t.Error(kinds)
	}
}

// TestSamples: whatever is drawn stands in the org, as it is drawn.
func TestSamples(t *testing.T) {
	t.Parallel()
	for _, day := range []bigorg.Day{bigorg.First, bigorg.Edited, bigorg.Deleted} {
		o := org(t, bigorg.Options{Day: day})
		all := bodies(o)
		for n := range 500 {
			if r := o.Sample(n); all[r.Key] != string(r.Body) {
				t.Fatalf("day %s: %s is not as drawn", day, r.Key)
			}
		}
	}
}

// TestTypesToCome: a type that has no form yet gets one of what the catalog says.
func TestTypesToCome(t *testing.T) {
	t.Parallel()
	catalog := append(okta.New(okta.Options{}).Catalog(),
		resource.Info{Type: "brand", Shape: resource.Collection, NaturalKey: []resource.Path{"profile.name"},
			Refs: []resource.Ref{{Path: "owners[].id", To: []resource.Type{"user"}}, {Path: "zones[]", To: []resource.Type{"network_zone"}}}},
		resource.Info{Type: "theme", Shape: resource.Collection, Parent: "brand", Refs: []resource.Ref{{To: []resource.Type{"brand"}, In: resource.InParent}}},
		resource.Info{Type: "shade", Shape: resource.Singleton, Parent: "theme"})
	o := org(t, bigorg.Options{Catalog: catalog})
	for typ, want := range map[resource.Type]int{"brand": 10, "theme": 20, "shade": 10} {
		all := slices.Collect(o.Walk(typ))
		if len(all) != want {
			t.Errorf("%d of %s, want %d", len(all), typ, want)
		}
	}
	for r := range o.Walk("brand") {
		for path, prefix := range map[resource.Path]string{"owners[].id": "00u", "zones[]": "nzo", "profile.name": ""} {
			values, err := path.Lookup(r.Body)
			if err != nil || len(values) != 1 {
				t.Fatalf("%s of %s: %v", path, r.Body, err)
			}
			if text, _ := values[0].Text(); len(text) < 3 && path != "profile.name" || text[:len(prefix)] != prefix {
				t.Errorf("%s is %q", path, text)
			}
		}
	}
	for r := range o.Walk("shade") {
		if parent := r.Key.String(); strings.Count(parent, "/") != 3 {
			t.Errorf("%s has no grandparent", parent)
		}
	}
}

// TestEveryShareIsAnOrg: however small the share, nobody has more links than others can be
// told apart by.
func TestEveryShareIsAnOrg(t *testing.T) {
	t.Parallel()
	catalog := okta.New(okta.Options{}).Catalog()
	for share := 0.0001; share < 0.02; share += 0.00031 {
		o, err := bigorg.New(bigorg.Options{Catalog: catalog, Size: bigorg.Full.Scaled(share)})
		if err != nil {
			t.Errorf("a share of %v: %v", share, err)
			continue
		}
		for _, link := range []resource.Type{"group_membership", "app_user"} {
			n := 0
			for range o.Walk(link) {
				n++
			}
			if n == 0 {
				t.Errorf("a share of %v has no %s", share, link)
			}
		}
	}
}

func TestSizesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, size := range []bigorg.Size{
		{Users: 5, Groups: 10, Memberships: 10, Apps: 10, AppUsers: 10, Others: 10},
		{Users: 100, Groups: 10, Memberships: 1000, Apps: 10, AppUsers: 10, Others: 10},
	} {
		if _, err := bigorg.New(bigorg.Options{Catalog: okta.New(okta.Options{}).Catalog(), Size: size}); err == nil {
			t.Errorf("%+v is an org", size)
		}
	}
	if _, err := bigorg.New(bigorg.Options{}); err == nil {
		t.Error("there is an org without types")
	}
	if _, err := bigorg.New(bigorg.Options{Catalog: okta.New(okta.Options{}).Catalog(), Size: small, Day: "2d"}); err == nil {
		t.Error("there is a day that nobody knows")
	}
	if got, want := bigorg.Full.Scaled(math.NaN()), bigorg.Full.Scaled(0); got != want {
		t.Errorf("a share that is no number: %+v", got)
	}
}

func BenchmarkWalk(b *testing.B) {
	o, err := bigorg.New(bigorg.Options{Catalog: okta.New(okta.Options{}).Catalog(), Size: bigorg.Full.Scaled(0.1)})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		size := 0
		for _, t := range o.Types() {
			for r := range o.Walk(t) {
				size += len(r.Body)
			}
		}
		b.SetBytes(int64(size))
	}
}
