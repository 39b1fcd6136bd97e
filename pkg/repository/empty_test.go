package repository_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/blob/mem"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// ages are sweeps of one org, oldest first: what each of them met.
type ages struct {
	t      *testing.T
	r      *repository.Repository
	states [][]resource.Resource
	taken  []*repository.Snapshot
}

// sweep takes the next one over the last. It tells of every type of a large catalogue, of
// which nearly all are empty, and of no gap in any that ever held something.
func (a *ages) sweep(met []resource.Resource) {
	a.t.Helper()
	n := len(a.taken)
	var parent *repository.Snapshot
	if n > 0 {
		parent = a.taken[n-1]
	}
	d, err := a.r.Begin(fmt.Sprint("age", n), started.Add(time.Duration(n)*time.Hour), parent)
	if err != nil {
		a.t.Fatal(err)
	}
	addAll(a.t, d, shuffled(met, uint64(n)))
	f := facts()
	f.Types = append(f.Types, snapshot.TypeStatus{Type: "group"}, snapshot.TypeStatus{Type: "group_member"})
	for i := range 153 {
		f.Types = append(f.Types, snapshot.TypeStatus{Type: resource.Type(fmt.Sprintf("type_%03d", i)), Calls: 1})
	}
	if n > 0 {
		f.Previous = parent.Digest()
	}
	if _, err := d.Commit(a.t.Context(), f); err != nil {
		a.t.Fatal(err)
	}
	if d.Parent() == "" && n > 0 {
		a.t.Fatalf("age %d is a full one: it proves nothing of layers", n)
	}
	s, err := a.r.Open(a.t.Context(), d.Prefix())
	if err != nil {
		a.t.Fatal(err)
	}
	a.states, a.taken = append(a.states, met), append(a.taken, s)
}

// bodies are resources by key.
func bodies(of []resource.Resource) content {
	out := content{}
	for _, r := range of {
		out[r.Key] = string(r.Body)
	}
	return out
}

// differences are what two states differ in, with the bodies before and after.
func differences(from, to content) map[resource.Key][2]string {
	out := map[resource.Key][2]string{}
	for _, k := range slices.Concat(slices.Collect(maps.Keys(from)), slices.Collect(maps.Keys(to))) {
		if from[k] != to[k] {
			out[k] = [2]string{from[k], to[k]}
		}
	}
	return out
}

// holds fails unless every age, in every way to read it, is what was met.
func (a *ages) holds() {
	a.t.Helper()
	ever := content{}
	for _, state := range a.states {
		maps.Copy(ever, bodies(state))
	}
	for n, s := range a.taken {
		holds(a.t, s, a.states[n])
		want := bodies(a.states[n])
		for k := range ever {
			got, err := s.Get(a.t.Context(), k)
			if body, ok := want[k]; ok != (err == nil) || string(got.Body) != body || !ok && !problem.Is(err, problem.NotFound) {
				a.t.Fatalf("age %d: get %s: %s, %v; want %q", n, k, got.Body, err, body)
			}
		}
		if n := len(s.Manifest().Types); n != 157 {
			a.t.Fatalf("%s tells of %d types", s.Prefix(), n)
		}
		for _, told := range s.Manifest().Types {
			if told.Hidden != (snapshot.Held{}) || len(want) == 0 && told.Held != (snapshot.Held{}) {
				a.t.Fatalf("age %d tells of %+v", n, told)
			}
		}
	}
	for n, from := range a.taken {
		for m, to := range a.taken {
			a.compares(from, to, differences(bodies(a.states[n]), bodies(a.states[m])))
		}
	}
	if report := check(a.t, a.r); len(report.Damage) != 0 || len(report.Unchained) != 0 || report.Snapshots != int64(len(a.taken)) {
		a.t.Fatalf("%+v", report)
	}
}

func (a *ages) compares(from, to *repository.Snapshot, want map[resource.Key][2]string) {
	a.t.Helper()
	got, may := map[resource.Key][2]string{}, map[resource.Key]bool{}
	for c, err := range a.r.Changes(a.t.Context(), from, to, repository.CompareOptions{}) {
		if err != nil {
			a.t.Fatal(err)
		}
		got[c.Key] = [2]string{string(c.From), string(c.To)}
	}
	if !maps.Equal(want, got) {
		a.t.Fatalf("from %s to %s: %s", from.Prefix(), to.Prefix(), cmp.Diff(want, got))
	}
	for k, err := range a.r.Differ(a.t.Context(), from.Prefix(), to.Prefix()) {
		if err != nil {
			a.t.Fatal(err)
		}
		may[k] = true
	}
	for k := range want {
		if !may[k] {
			a.t.Fatalf("from %s to %s: %s differs, and is not said to", from.Prefix(), to.Prefix(), k)
		}
	}
}

// signedIn is an org whose users have a member that moves by itself.
func signedIn(users, login int) []resource.Resource {
	out := org(users)
	for i := range out {
		if out[i].Type == "user" {
			out[i].Body = fmt.Appendf(nil, `{"id":%q,"lastLogin":%d,"profile":{"login":"u%d"}}`, out[i].ID, login, i)
		}
	}
	return out
}

// TestAnOrgThatIsEmptied: a sweep that met nothing, and found no gap, is of an org that lost
// everything. Each resource is gone, in both families, and there again when it comes back;
// one that was empty from the start is no other.
func TestAnOrgThatIsEmptied(t *testing.T) {
	t.Parallel()
	all, other := signedIn(60, 1), signedIn(40, 2)
	for name, states := range map[string][][]resource.Resource{
		"full at first":   {all, nil, nil, all, other, nil, other},
		"empty at first":  {nil, nil, all, nil, other, all},
		"one is left":     {all, all[7:8], nil, all[7:8], all},
		"one type a time": {all, ofTypes(all, "user"), ofTypes(all, "group"), nil, ofTypes(all, "group_member"), all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := small
			o.Catalog = catalog
			a := &ages{t: t, r: repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, o)}
			for _, met := range states {
				a.sweep(met)
			}
			a.holds()
			a.same()
			a.told(all[7].Key)
			a.forgets()
		})
	}
}

func ofTypes(all []resource.Resource, t resource.Type) []resource.Resource {
	return slices.DeleteFunc(slices.Clone(all), func(r resource.Resource) bool { return r.Type != t })
}

// same fails unless equal states have equal digests, however they came to be, and a state
// that stays adds nothing.
func (a *ages) same() {
	a.t.Helper()
	for n, s := range a.taken {
		for m, other := range a.taken {
			if alike := maps.Equal(bodies(a.states[n]), bodies(a.states[m])); alike != maps.Equal(heldBy(s), heldBy(other)) {
				a.t.Fatalf("ages %d and %d, alike %t: %s", n, m, alike, cmp.Diff(heldBy(s), heldBy(other)))
			}
		}
		if added := s.Manifest().Added(); n > 0 && len(a.states[n])+len(a.states[n-1]) == 0 && added != 0 {
			a.t.Fatalf("age %d: %d bytes were written of nothing", n, added)
		}
	}
}

func heldBy(s *repository.Snapshot) map[resource.Type]snapshot.Held {
	out := map[resource.Type]snapshot.Held{}
	for _, t := range s.Manifest().Types {
		out[t.Type] = t.Held
	}
	return out
}

// told fails unless the history of a resource is what became of it.
func (a *ages) told(k resource.Key) {
	a.t.Helper()
	var want, got, prefixes []string
	body := ""
	for n, s := range a.taken {
		now := strings.Replace(strings.Replace(bodies(a.states[n])[k], `"lastLogin":1,`, "", 1), `"lastLogin":2,`, "", 1)
		if now != body {
			want = append(want, fmt.Sprintf("%s: %q to %q", s.Prefix(), body, now))
		}
		prefixes, body = append(prefixes, s.Prefix()), now
	}
	slices.Reverse(prefixes)
	slices.Reverse(want)
	for v, err := range a.r.History(a.t.Context(), k, prefixes, a.r.Open) {
		if err != nil {
			a.t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s: %q to %q", v.Snapshot, v.From, v.To))
	}
	if len(want) < 3 || !slices.Equal(want, got) {
		a.t.Fatalf("history of %s: %s", k, cmp.Diff(want, got))
	}
}

// forgets forgets every other age, which the rest stand on: nothing of these is lost, and a
// point goes on over each.
func (a *ages) forgets() {
	a.t.Helper()
	kept := ages{t: a.t, r: a.r}
	for n, s := range a.taken {
		if n%2 == 1 {
			kept.states, kept.taken = append(kept.states, a.states[n]), append(kept.taken, s)
		} else if err := forgets(a.t.Context(), a.r, s.Prefix()); err != nil {
			a.t.Fatal(err)
		}
	}
	for n, s := range kept.taken {
		d, err := a.r.BeginNamed(fmt.Sprint("point", n), s.Manifest().Started.Add(time.Minute), s)
		if err != nil {
			a.t.Fatal(err)
		}
		one := res("user", "", "00u000003", `{"id":"00u000003","lastLogin":9}`)
		addAll(a.t, d, []resource.Resource{one})
		f := facts()
		f.Types = nil
		if _, err := d.Commit(a.t.Context(), f); err != nil {
			a.t.Fatal(err)
		}
		over, err := a.r.Open(a.t.Context(), d.Prefix())
		if err != nil {
			a.t.Fatal(err)
		}
		state := slices.DeleteFunc(slices.Clone(kept.states[n]), func(r resource.Resource) bool { return r.Key == one.Key })
		holds(a.t, s, kept.states[n])
		holds(a.t, over, append(state, one))
	}
	if report := check(a.t, a.r); len(report.Damage) != 0 {
		a.t.Fatalf("%+v", report)
	}
}
