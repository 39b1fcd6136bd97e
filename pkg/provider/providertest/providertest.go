// Package providertest is the suite that every provider must pass: each promise of
// Reader, Writer, Prober and Follower, in good days and bad.
package providertest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Bundle is a provider over an org that nobody else uses, which holds some
// resources of most types.
type Bundle struct {
	Provider provider.Provider
	Org      account.Org
	NoOrg    account.Org // something else answers there
	Reader   provider.Reader
	Writer   provider.Writer

	// Paged is a type at the top with several pages.
	Paged resource.Type
	// Samples are written, in order, each below what an earlier one made.
	Samples []Sample
	// Trouble makes the next reads of Paged go wrong in a way that passes; by name.
	Trouble map[string]func(t *testing.T)
	// Broken makes all later reads of Paged go wrong after the first page; by name.
	Broken map[string]func(t *testing.T)
	// Heal ends whatever trouble is still there.
	Heal func(t *testing.T)
	// Happen does something in the org as somebody else.
	Happen func(t *testing.T) Happening
}

// Happening is what a Follower must tell of it.
type Happening struct {
	Name    string // the provider's event
	ActorID string
	Touched provider.Touch
}

// Sample is an object to create, change and delete.
type Sample struct {
	Type   resource.Type
	Parent func(made map[resource.Type]resource.Resource) string // nil: at the top
	ID     func(made map[resource.Type]resource.Resource) string // of a link; nil: the provider's to give
	Create func(made map[resource.Type]resource.Resource) string // JSON
	Change func(live []byte) ([]byte, error)                     // nil: it cannot be updated
}

// Run checks every promise on a fresh bundle each.
func Run(t *testing.T, fresh func(t *testing.T) Bundle) {
	for name, check := range map[string]func(*testing.T, Bundle){
		"Catalog": catalog, "Introduction": introduction, "ListEverything": listEverything, "Cursors": cursors, "Cancelled": cancelled, "Absent": absent,
		"Trouble": trouble, "Broken": broken, "Writes": writes, "Probe": probe, "Follow": follow,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, fresh(t))
		})
	}
}

// All reads a whole type; it fails the test on any error.
func All(t *testing.T, r provider.Reader, typ resource.Type, parent resource.Key) []resource.Resource {
	t.Helper()
	all, err := from(t, r, typ, parent, "")
	if err != nil {
		t.Fatalf("list %s below %q: %v (%s)", typ, parent.ID, err, provider.Detail(err))
	}
	return all
}

// from reads a type from a cursor on.
func from(t *testing.T, r provider.Reader, typ resource.Type, parent resource.Key, cursor string) (all []resource.Resource, err error) {
	for page, err := range r.List(t.Context(), typ, parent, cursor) {
		if err != nil {
			return all, err
		}
		for _, one := range page.Resources {
			one.Body = slices.Clone(one.Body)
			all = append(all, one)
		}
		page.Release()
	}
	return all, nil
}

// introduction: the org says the same of itself to a stranger as to a reader, and an
// address that is no org's is told as such.
func introduction(t *testing.T, b Bundle) {
	known, err := b.Reader.Org(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	met, err := b.Provider.Org(t.Context(), b.Org)
	met.Skew, known.Skew = 0, 0
	if diff := cmp.Diff(known, met); err != nil || diff != "" || met.ID == "" {
		t.Errorf("Org of a stranger: %v %s", err, diff)
	}
	_, err = b.Provider.Org(t.Context(), b.NoOrg)
	if p := problem.Of(err); p == nil || p.Kind != problem.Invalid || p.Field != "org_url" {
		t.Errorf("Org of no org: %v, want an invalid org_url", err)
	}
}

// catalog: parents first, nothing twice, what the journeys lean on is there.
func catalog(t *testing.T, b Bundle) {
	seen := map[resource.Type]bool{"": true}
	for _, info := range b.Provider.Catalog() {
		if seen[info.Type] || !seen[info.Parent] {
			t.Errorf("%s stands twice, or before its parent %q", info.Type, info.Parent)
		}
		seen[info.Type] = true
		if info.Title == "" || info.Family == "" || info.Shape == "" || len(info.ReadScopes) == 0 || info.Restorable == "" {
			t.Errorf("%s lacks a title, family, shape, scope or restorability", info.Type)
		}
		if info.Shape == resource.Collection && len(info.NaturalKey) == 0 {
			t.Errorf("%s is a collection without a natural key", info.Type)
		}
		if info.Restorable != "full" && info.Limitation == "" {
			t.Errorf("%s is restorable only %q and does not say why", info.Type, info.Restorable)
		}
		if info.Swept && info.Parent == "" {
			t.Errorf("%s is swept without a parent", info.Type)
		}
	}
	for _, info := range b.Provider.Catalog() {
		for _, ref := range info.Refs {
			for _, to := range ref.To {
				if !seen[to] {
					t.Errorf("%s refers to %s, which is not in the catalog", info.Type, to)
				}
			}
		}
	}
}

// listEverything: what is listed is unique, canonical, under its parent, and what
// Get and Find give.
func listEverything(t *testing.T, b Bundle) {
	have := map[resource.Type][]resource.Resource{}
	for _, info := range b.Provider.Catalog() {
		for _, parent := range parents(info, have) {
			found, err := from(t, b.Reader, info.Type, parent.Key, "")
			if u := (*provider.Unreadable)(nil); errors.As(err, &u) && u.Gap.Reason == snapshot.NotLicensed {
				break
			}
			if err != nil {
				t.Fatalf("list %s: %v (%s)", info.Type, err, provider.Detail(err))
			}
			have[info.Type] = append(have[info.Type], found...)
			checkKeys(t, info, parent.Key, found)
		}
		if all := have[info.Type]; len(all) > 0 {
			checkOne(t, b.Reader, info, all[len(all)/2])
		}
	}
	if len(have[b.Paged]) < 2 {
		t.Errorf("the bundle has %d of %s, too few to mean anything", len(have[b.Paged]), b.Paged)
	}
}

func parents(info resource.Info, have map[resource.Type][]resource.Resource) []resource.Resource {
	if info.Parent == "" || info.Swept {
		return []resource.Resource{{}}
	}
	var out []resource.Resource
	for _, p := range have[info.Parent] {
		if info.Within == nil || info.Within(p) {
			out = append(out, p)
		}
	}
	return out
}

func checkKeys(t *testing.T, info resource.Info, parent resource.Key, found []resource.Resource) {
	t.Helper()
	seen := map[resource.Key]bool{}
	for _, r := range found {
		if r.Type != info.Type || r.ID == "" || seen[r.Key] || !info.Swept && r.Parent != parent.ID || info.Swept && r.Parent == "" {
			t.Errorf("a list of %s below %q gives the key %v, or twice", info.Type, parent.ID, r.Key)
		}
		seen[r.Key] = true
		if canon, err := resource.Canonical(nil, r.Body); err != nil || !bytes.Equal(canon, r.Body) {
			t.Errorf("%v: the body is not canonical: %v", r.Key, err)
		}
	}
}

func checkOne(t *testing.T, r provider.Reader, info resource.Info, one resource.Resource) {
	t.Helper()
	got, err := r.Get(t.Context(), one.Key)
	if err != nil {
		t.Errorf("Get(%v): %v (%s)", one.Key, err, provider.Detail(err))
		return
	}
	if same, err := resource.Equal(one.Body, got.Body, info.Volatile...); got.Key != one.Key || !same || err != nil {
		t.Errorf("Get(%v) differs from the list: %v %s", one.Key, err, cmp.Diff(string(one.Body), string(got.Body)))
	}
	found, err := r.Find(t.Context(), one)
	hit := false
	for _, f := range found {
		hit = hit || f.Key == one.Key
	}
	if err != nil || !hit {
		t.Errorf("Find does not find %v: %v", one.Key, err)
	}
}

// cursors: every cursor gives the rest; a foreign one is refused.
func cursors(t *testing.T, b Bundle) {
	var pages []provider.Page
	for page, err := range b.Reader.List(t.Context(), b.Paged, resource.Key{}, "") {
		if err != nil {
			t.Fatal(err)
		}
		if page.Calls < 1 {
			t.Errorf("a page that cost %d calls", page.Calls)
		}
		pages = append(pages, page)
	}
	if len(pages) < 2 || pages[len(pages)-1].Cursor != "" {
		t.Fatalf("%d pages, the last with the cursor %q", len(pages), pages[len(pages)-1].Cursor)
	}
	for i, page := range pages[:len(pages)-1] {
		want := map[resource.Key]bool{}
		for _, rest := range pages[i+1:] {
			for _, r := range rest.Resources {
				want[r.Key] = true
			}
		}
		got, err := from(t, b.Reader, b.Paged, resource.Key{}, page.Cursor)
		for _, r := range got {
			delete(want, r.Key)
		}
		if err != nil || len(want) > 0 {
			t.Errorf("from page %d on %d are missing: %v", i+1, len(want), err)
		}
	}
	for _, info := range b.Provider.Catalog() {
		if info.Parent != "" || info.Type == b.Paged {
			continue
		}
		if _, err := from(t, b.Reader, info.Type, resource.Key{}, pages[0].Cursor); !problem.Is(err, problem.Stale) {
			t.Errorf("%s takes a cursor of %s: %v", info.Type, b.Paged, err)
		}
	}
	if _, err := from(t, b.Reader, b.Paged, resource.Key{}, "nonsense"); !problem.Is(err, problem.Stale) {
		t.Errorf("nonsense as a cursor: %v, want a problem of kind stale", err)
	}
}

// cancelled: a context that ends, ends a list with an error.
func cancelled(t *testing.T, b Bundle) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	pages := 0
	for _, err := range b.Reader.List(ctx, b.Paged, resource.Key{}, "") {
		pages++
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) || pages != 2 {
		t.Errorf("cancelled after the first of %d pages, the list ended with %v", pages, last)
	}
}

// absent: what is not there is not found; what is no type is refused.
func absent(t *testing.T, b Bundle) {
	all := All(t, b.Reader, b.Paged, resource.Key{})
	for _, id := range []string{all[0].ID[:len(all[0].ID)-4] + "none", "x"} {
		if _, err := b.Reader.Get(t.Context(), resource.Key{Type: b.Paged, ID: id}); !problem.Is(err, problem.NotFound) {
			t.Errorf("Get of %q: %v, want a problem of kind not_found", id, err)
		}
	}
	for _, key := range []resource.Key{{Type: "no_such_type", ID: "x"}, {Type: b.Paged}, {Type: b.Paged, ID: "../x"}, {Type: b.Paged, ID: ".."}} {
		if _, err := b.Reader.Get(t.Context(), key); !problem.Is(err, problem.Invalid) {
			t.Errorf("Get(%v): %v, want a problem of kind invalid", key, err)
		}
	}
	if _, err := from(t, b.Reader, "no_such_type", resource.Key{}, ""); !problem.Is(err, problem.Invalid) {
		t.Errorf("list of no type: %v", err)
	}
	for _, info := range b.Provider.Catalog() {
		if info.Parent == "" || info.Swept {
			continue
		}
		if _, err := from(t, b.Reader, info.Type, resource.Key{}, ""); !problem.Is(err, problem.Invalid) {
			t.Errorf("list of %s without a parent: %v", info.Type, err)
		}
	}
}

// trouble that passes changes nothing of what is read.
func trouble(t *testing.T, b Bundle) {
	want := All(t, b.Reader, b.Paged, resource.Key{})
	for name, cause := range b.Trouble {
		cause(t)
		got, err := from(t, b.Reader, b.Paged, resource.Key{}, "")
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v (%d of %d resources)", name, err, len(got), len(want))
		}
		b.Heal(t)
	}
}

// broken: trouble that stays ends a list with an error, never in silence.
func broken(t *testing.T, b Bundle) {
	want := All(t, b.Reader, b.Paged, resource.Key{})
	for name, cause := range b.Broken {
		cause(t)
		if got, err := from(t, b.Reader, b.Paged, resource.Key{}, ""); err == nil {
			t.Errorf("%s: %d of %d resources and no error", name, len(got), len(want))
		} else if problem.Of(err) == nil && provider.WaitOf(err) == nil {
			t.Errorf("%s: %v is no problem that a person can act on", name, err)
		}
		b.Heal(t)
	}
}

// probe tells of every type.
func probe(t *testing.T, b Bundle) {
	p, ok := b.Reader.(provider.Prober)
	if !ok {
		t.Skip("the provider has no Prober")
	}
	told := map[resource.Type]bool{}
	for access, err := range p.Probe(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if told[access.Type] || access.Readable == (access.Gap != nil) {
			t.Errorf("%+v: told twice, or at odds with itself", access)
		}
		told[access.Type] = true
	}
	if want := len(b.Provider.Catalog()); len(told) != want {
		t.Errorf("%d types told of %d", len(told), want)
	}
}

// follow: from now on, nothing skipped, told who and what.
func follow(t *testing.T, b Bundle) {
	f, ok := b.Reader.(provider.Follower)
	if !ok {
		t.Skip("the provider has no Follower")
	}
	begin, err := f.Follow(t.Context(), "")
	if err != nil || begin.Cursor == "" {
		t.Fatalf("begin: %+v, %v", begin, err)
	}
	want := b.Happen(t)
	for _, cursor := range []string{begin.Cursor, begin.Cursor} { // the same cursor tells the same again
		if !told(t, f, cursor, want) {
			t.Errorf("the log does not tell %+v", want)
		}
	}
	for _, foreign := range []string{"https://elsewhere.example/api/v1/logs?after=x", "nonsense", "/api/v1/users"} {
		if _, err := f.Follow(t.Context(), foreign); !problem.Is(err, problem.Invalid) && !problem.Is(err, problem.Stale) {
			t.Errorf("Follow(%q): %v", foreign, err)
		}
	}
}

// told reads the log from the cursor until it is at its end.
func told(t *testing.T, f provider.Follower, cursor string, want Happening) bool {
	t.Helper()
	found := false
	for more := true; more; {
		events, err := f.Follow(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events.Events {
			if e.Name != want.Name || e.Actor.ID != want.ActorID {
				continue
			}
			if e.ID == "" || e.Time.IsZero() || e.Transaction == "" || e.Client.IP == "" {
				t.Errorf("the event lacks an id, time, transaction or address: %+v", e)
			}
			for _, touch := range e.Touched {
				found = found || cmp.Equal(touch, want.Touched)
			}
		}
		cursor, more = events.Cursor, events.More
	}
	return found
}

// writes takes the samples through their lives.
func writes(t *testing.T, b Bundle) {
	made := map[resource.Type]resource.Resource{}
	for _, s := range b.Samples {
		t.Logf("%s", s.Type)
		made[s.Type] = create(t, b, s, made)
		if s.Change != nil {
			made[s.Type] = change(t, b, s, made[s.Type])
		}
	}
	for i := len(b.Samples) - 1; i >= 0; i-- {
		remove(t, b, made[b.Samples[i].Type])
	}
	for range 2 {
		if err := b.Writer.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
	}
}

func create(t *testing.T, b Bundle, s Sample, made map[resource.Type]resource.Resource) resource.Resource {
	t.Helper()
	w := provider.Write{Op: provider.Create, Key: resource.Key{Type: s.Type}, Want: canon(t, s.Create(made))}
	if s.Parent != nil {
		w.Key.Parent = s.Parent(made)
	}
	if s.ID != nil {
		w.Key.ID = s.ID(made)
	}
	done := apply(t, b, w)
	if done.Resource.ID == "" || done.Transaction == "" || done.Calls < 1 {
		t.Errorf("create %s: %+v lacks an id, a transaction or calls", s.Type, done)
	}
	if s.ID == nil {
		if _, err := b.Writer.Apply(t.Context(), w); !problem.Is(err, problem.Conflict) {
			t.Errorf("create %s again: %v, want a problem of kind conflict", s.Type, err)
		}
	} else if again := apply(t, b, w); again.Resource.Key != done.Resource.Key {
		t.Errorf("create %s again: %v", s.Type, again.Resource.Key)
	}
	return live(t, b, s.Type, done.Resource)
}

// live checks that the writer told what the reader reads.
func live(t *testing.T, b Bundle, typ resource.Type, told resource.Resource) resource.Resource {
	t.Helper()
	info, _ := b.Provider.Catalog().Info(typ)
	got, err := b.Reader.Get(t.Context(), told.Key)
	if err != nil {
		t.Fatalf("Get(%v) after a write: %v", told.Key, err)
	}
	if same, err := resource.Equal(told.Body, got.Body, info.Volatile...); !same || err != nil {
		t.Errorf("%v: the writer tells another state than the reader: %v %s", told.Key, err, cmp.Diff(string(told.Body), string(got.Body)))
	}
	return got
}

func change(t *testing.T, b Bundle, s Sample, was resource.Resource) resource.Resource {
	t.Helper()
	info, _ := b.Provider.Catalog().Info(s.Type)
	want, err := s.Change(was.Body)
	if err != nil {
		t.Fatal(err)
	}
	w := provider.Write{Op: provider.Update, Key: was.Key, Want: want, Expect: was.Body}
	now := apply(t, b, w).Resource
	apart := append(append([]resource.Path{}, info.Volatile...), info.ReadOnly...)
	if same, err := resource.Equal(want, now.Body, append(apart, info.Derived...)...); !same || err != nil {
		t.Errorf("update %v did not reach what was wanted: %v %s", was.Key, err, cmp.Diff(string(want), string(now.Body)))
	}
	if now.Key == was.Key {
		apply(t, b, w) // the answer was lost, say: once more does no harm
		stale := provider.Write{Op: provider.Update, Key: was.Key, Want: was.Body, Expect: was.Body}
		if _, err := b.Writer.Apply(t.Context(), stale); !problem.Is(err, problem.Stale) {
			t.Errorf("update %v that expects an old state: %v, want a problem of kind stale", was.Key, err)
		}
	}
	return live(t, b, s.Type, now)
}

func remove(t *testing.T, b Bundle, r resource.Resource) {
	t.Helper()
	w := provider.Write{Op: provider.Delete, Key: r.Key, Expect: r.Body}
	apply(t, b, w)
	if _, err := b.Reader.Get(t.Context(), r.Key); !problem.Is(err, problem.NotFound) {
		t.Errorf("Get(%v) after its delete: %v", r.Key, err)
	}
	apply(t, b, w)
}

func apply(t *testing.T, b Bundle, w provider.Write) provider.Done {
	t.Helper()
	done, err := b.Writer.Apply(t.Context(), w)
	for n := 0; provider.WaitOf(err) != nil && n < 3; n++ {
		done, err = b.Writer.Apply(t.Context(), w)
	}
	if err != nil {
		t.Fatalf("%s %v: %v (%s)", w.Op, w.Key, err, provider.Detail(err))
	}
	return done
}

func canon(t *testing.T, text string) []byte {
	t.Helper()
	body, err := resource.Canonical(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return body
}
