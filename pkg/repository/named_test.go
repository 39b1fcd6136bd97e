package repository_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/count"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// named are the keys that a name finds.
func named(t *testing.T, s *repository.Snapshot, typ resource.Type, name string) string {
	t.Helper()
	found, err := collect(s.Named(t.Context(), typ, name))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range found {
		out = append(out, r.Key.String())
	}
	return strings.Join(out, " ")
}

// withNames opens a repository whose users have names at these paths.
func withNames(t *testing.T, store blob.Store, k *envelope.Keyring, names ...resource.Path) *repository.Repository {
	t.Helper()
	o := small
	o.Catalog = resource.Catalog{
		{Type: "user", Shape: resource.Collection, NaturalKey: names},
		{Type: "rule", Shape: resource.Collection, Parent: "policy", NaturalKey: []resource.Path{"name"}},
	}
	return repo(t, store, k, conn, o)
}

func TestNamed(t *testing.T) {
	t.Parallel()
	s := take(t, withNames(t, mem.New(mem.Options{}), keyring(t, alice), "profile.displayName", "profile.login"), []resource.Resource{
		res("user", "", "u1", `{"profile":{"displayName":"Ada","login":"ada@acme.com"}}`),
		res("user", "", "u2", `{"profile":{"displayName":"ADA","login":"Ada"}}`),
		res("user", "", "u3", `{"profile":{"displayName":null,"login":"straße@acme.com"}}`),
		res("user", "", "u4", `{"profile":{"displayName":"É","login":7}}`),
		res("user", "", "u5", `{"profile":["Ada"]}`),
		res("rule", "p1", "r1", `{"name":"Deny"}`),
		res("rule", "p2/q", "r1", `{"name":"deny"}`),
		res("rule", "p2", "r2", `{"name":""}`),
		res("zone", "", "z1", `{"name":"Ada"}`),
	})
	for _, c := range []struct {
		typ        resource.Type
		name, want string
	}{
		{"user", "ada", "user/u1 user/u2"},
		{"user", "ADA@acme.com", "user/u1"},
		{"user", "STRASSE@ACME.COM", "user/u3"},
		{"user", "é", "user/u4"},
		{"user", "7", ""},
		{"user", "", ""},
		{"user", "nobody", ""},
		{"rule", "DENY", "rule/p1/r1 rule/p2/q/r1"},
		{"zone", "Ada", ""},
		{"nothing", "Ada", ""},
	} {
		if got := named(t, s, c.typ, c.name); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.typ, c.name, got, c.want)
		}
	}
	if s.ByName("zone") || !s.ByName("user") {
		t.Error("zones have no names, users have")
	}
}

// TestNamesOfBefore: a snapshot that another program wrote, which knew no names or others, is
// built on with those that it has, until a full one.
func TestNamesOfBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before []resource.Path
		is     string // finds the old and the new one in a layer
	}{
		"none":  {nil, ""},
		"other": {[]resource.Path{"other"}, "user/u1"},
		"same":  {[]resource.Path{"login"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, k := mem.New(mem.Options{}), keyring(t, alice)
			first := take(t, withNames(t, store, k, c.before...), []resource.Resource{res("user", "", "u1", `{"login":"ada","other":"eve"}`)})
			r := withNames(t, store, k, "login")
			second := over(t, r, first, started.Add(time.Hour), []resource.Resource{
				res("user", "", "u1", `{"login":"ada","other":"eve"}`), res("user", "", "u2", `{"login":"bob"}`), res("rule", "p", "r1", `{"name":"all"}`)})
			if got := named(t, second, "user", "eve"); got != c.is {
				t.Errorf("by the other name: %q, want %q", got, c.is)
			}
			if got := named(t, second, "user", "ADA"); got != map[bool]string{true: "user/u1"}[name == "same"] {
				t.Errorf("by the name: %q", got)
			}
			if got := named(t, second, "rule", "all"); got != "rule/p/r1" {
				t.Errorf("a type that is new: %q", got)
			}
			if report := check(t, r); len(report.Damage) > 0 {
				t.Errorf("%+v", report.Damage)
			}
			full := over(t, r, nil, started.Add(2*time.Hour), []resource.Resource{res("user", "", "u1", `{"login":"ada"}`)})
			if got := named(t, full, "user", "ADA"); got != "user/u1" {
				t.Errorf("in a full one: %q", got)
			}
		})
	}
}

// over takes a sweep over a parent.
func over(t *testing.T, r *repository.Repository, parent *repository.Snapshot, at time.Time, all []resource.Resource) *repository.Snapshot {
	t.Helper()
	d, err := r.Begin("over "+at.String(), at, parent)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, d, all)
	commit(t, d)
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestNamedReadsLittle: however many there are, a name reads a chunk of names, and one of
// the resource.
func TestNamedReadsLittle(t *testing.T) {
	t.Parallel()
	store, k := mem.New(mem.Options{}), keyring(t, alice)
	o := repository.Options{SegmentPlain: 64 << 10, SegmentSealed: 16 << 10, Chunk: 8 << 10}
	o.Catalog = resource.Catalog{{Type: "user", Shape: resource.Collection, NaturalKey: []resource.Path{"profile.login"}}}
	s := take(t, repo(t, store, k, conn, o), org(400))
	counted := count.New(store)
	again, err := repo(t, counted, k, conn, o).Open(t.Context(), s.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	counted.Reset()
	reads := map[int64]int{}
	for i := range 400 {
		if got := named(t, again, "user", fmt.Sprintf("U%d@EXAMPLE.com", i)); got != fmt.Sprintf("user/00u%06d", i) {
			t.Errorf("%d: found %q", i, got)
		}
		reads[counted.Reset().Total().Requests]++
	}
	if reads[1]+reads[2] < 300 || len(reads) > 3 { // one that stands first in a chunk may stand in the one before, too
		t.Errorf("times of so many reads: %v", reads)
	}
}

// TestCheckOfNames: a writer that forgot a name is found, by who computes digests.
func TestCheckOfNames(t *testing.T) {
	t.Parallel()
	r := withNames(t, mem.New(mem.Options{}), keyring(t, alice), "login")
	first := take(t, r, []resource.Resource{res("user", "", "u1", `{"login":"ada"}`)})
	d, err := r.BeginNamed("forgetful", started.Add(time.Hour), first)
	if err != nil {
		t.Fatal(err)
	}
	repository.ForgetNames(d)
	addAll(t, d, []resource.Resource{res("user", "", "u2", `{"login":"bob"}`)})
	commit(t, d)
	report := check(t, r)
	if len(report.Damage) != 1 || !strings.Contains(report.Damage[0].What, "type user are not found by their names") {
		t.Errorf("%+v", report)
	}
}

// TestCommitAgainWithNames: whichever write of a commit fails, another try counts and names what
// one without mishap does.
func TestCommitAgainWithNames(t *testing.T) {
	t.Parallel()
	var paths []resource.Path
	for i := range 8 {
		paths = append(paths, resource.Path(fmt.Sprint("n", i)))
	}
	user := func(id string) resource.Resource { // its names are longer than its body
		return res("user", "", id, fmt.Sprintf(`{"n0":"a%[1]s","n1":"b%[1]s","n2":"c%[1]s","n3":"d%[1]s","n4":"e%[1]s","n5":"f%[1]s","n6":"g%[1]s","n7":"h%[1]s"}`, id))
	}
	failed := 0
	for n := range 40 {
		store, k := fault.New(mem.New(mem.Options{})), keyring(t, alice)
		r := withNames(t, store, k, paths...)
		first := take(t, r, []resource.Resource{user("1"), user("2"), user("3"), user("4"), user("5")})
		d, err := r.Begin("again", started.Add(time.Hour), first)
		if err != nil {
			t.Fatal(err)
		}
		addAll(t, d, []resource.Resource{user("3"), user("6"), user("7"), user("8")})
		store.AddFault(fault.Put).After(n).ErrorInstead(errAway)
		m, err := d.Commit(t.Context(), facts())
		if errors.Is(err, errAway) {
			failed++
			m, err = d.Commit(t.Context(), facts())
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.Objects() != 4 {
			t.Errorf("write %d fails: %d objects, want 4", n, m.Objects())
		}
		if report := check(t, r); len(report.Damage) > 0 {
			t.Errorf("write %d fails: %+v", n, report.Damage)
		}
	}
	if failed < 5 {
		t.Errorf("only %d commits failed", failed)
	}
}

// TestNamesAtOnePlace: two names of one resource whose places are the same, which anybody can
// find, are one record, and no damage.
func TestNamesAtOnePlace(t *testing.T) {
	t.Parallel()
	places := map[string]string{}
	one, other := "", ""
	for i := 0; one == ""; i++ {
		name := fmt.Sprint("n", i)
		place := snapshot.NamePlace("user", name)
		one, other = places[place], name
		places[place] = name
	}
	r := withNames(t, mem.New(mem.Options{}), keyring(t, alice), "login", "mail")
	first := take(t, r, []resource.Resource{res("user", "", "u1", fmt.Sprintf(`{"login":%q,"mail":%q}`, one, other))})
	second := over(t, r, first, started.Add(time.Hour), []resource.Resource{res("user", "", "u1", fmt.Sprintf(`{"login":%q}`, other))})
	for _, c := range []struct {
		s          *repository.Snapshot
		name, want string
	}{{first, one, "user/u1"}, {first, other, "user/u1"}, {second, one, ""}, {second, other, "user/u1"}} {
		if got := named(t, c.s, "user", c.name); got != c.want {
			t.Errorf("%s: %q is %q, want %q", c.s.Prefix(), c.name, got, c.want)
		}
	}
	if report := check(t, r); len(report.Damage) > 0 {
		t.Errorf("%+v", report.Damage)
	}
}

// TestCheckOfStrangeNames: a name that nobody has is found, also one of a type that the snapshot
// was not asked for, in a full one and in a layer.
func TestCheckOfStrangeNames(t *testing.T) {
	t.Parallel()
	for _, typ := range []resource.Type{"user", "rule", "moon"} {
		for _, layer := range []bool{false, true} {
			r := withNames(t, mem.New(mem.Options{}), keyring(t, alice), "login")
			d := begin(t, r)
			if layer {
				first := take(t, r, []resource.Resource{res("user", "", "u1", `{"login":"ada"}`)})
				var err error
				if d, err = r.BeginNamed("strange", started.Add(time.Hour), first); err != nil {
					t.Fatal(err)
				}
			}
			addAll(t, d, []resource.Resource{res("user", "", "u2", `{"login":"bob"}`)})
			if err := repository.AddName(d, resource.Key{Type: typ, ID: "x"}, "ada"); err != nil {
				t.Fatal(err)
			}
			commit(t, d)
			report := check(t, r)
			if len(report.Damage) != 1 || !strings.Contains(report.Damage[0].What, fmt.Sprintf("type %s are not found by their names", typ)) {
				t.Errorf("%s, layer %v: %+v", typ, layer, report.Damage)
			}
		}
	}
}

// TestNamesOfWhatIsHidden: a type of which the parent holds hidden things alone gets no names
// before a full snapshot, as those would not be found when they are read again.
func TestNamesOfWhatIsHidden(t *testing.T) {
	t.Parallel()
	store, k := mem.New(mem.Options{}), keyring(t, alice)
	ada := res("user", "", "u1", `{"login":"ada"}`)
	nameless := withNames(t, store, k)
	d, err := nameless.Begin("hides", started.Add(time.Hour), take(t, nameless, []resource.Resource{ada}))
	if err != nil {
		t.Fatal(err)
	}
	f := facts()
	f.Types = []snapshot.TypeStatus{{Type: "user", Gaps: []snapshot.Gap{{Type: "user", Reason: snapshot.Failed, Detail: "d"}}}}
	if _, err := d.Commit(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	hides, err := nameless.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	r := withNames(t, store, k, "login")
	if s := over(t, r, hides, started.Add(2*time.Hour), []resource.Resource{ada}); s.ByName("user") {
		t.Error("it has names of users, and that of before is not among them")
	}
	if report := check(t, r); len(report.Damage) > 0 {
		t.Errorf("%+v", report.Damage)
	}
}
