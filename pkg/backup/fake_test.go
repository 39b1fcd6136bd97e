package backup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"imago/pkg/backup"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

var catalog = resource.Catalog{
	{Type: "org", Shape: resource.Singleton},
	{Type: "user"},
	{Type: "group"},
	{Type: "group_membership", Shape: resource.LinkSet, Parent: "group", Within: func(p resource.Resource) bool {
		return !strings.Contains(string(p.Body), "BUILT_IN")
	}},
	{Type: "app"},
	{Type: "app_user", Shape: resource.LinkSet, Parent: "app"},
	{Type: "app_user_key", Parent: "app_user"},
	{Type: "user_role", Parent: "user", Swept: true},
	{Type: "policy"},
	{Type: "policy_rule", Parent: "policy"},
	{Type: "zone"},
}

// org is an org in memory that is read by pages. It is stricter than a real one:
// it answers only cursors that it gave, each below its own list.
type org struct {
	lists map[string][]resource.Resource // by type, or type/parent
	size  int                            // of a page
	wrong map[string][]error             // errors that a list answers with, one a call, then no more
	gone  map[string]error               // errors that a list answers with always
	early map[string]bool                // lists that end without a last page
	stale map[string]bool                // cursors that are not taken any more, once
	twice map[string]bool                // lists that repeat the last of a page on the next
	lacks map[string][]string            // parents that a swept list tells of as not read
	down  error                          // of Org
	calls int
	anew  int // how often its rights were asked for anew
	life  *life
}

func newOrg() *org {
	o := &org{lists: map[string][]resource.Resource{}, size: 3, wrong: map[string][]error{}, gone: map[string]error{},
		early: map[string]bool{}, stale: map[string]bool{}, twice: map[string]bool{}, lacks: map[string][]string{}, life: &life{}}
	o.put("org", "", "o1", `{"name":"acme"}`)
	for i := range 8 {
		o.put("user", "", fmt.Sprintf("u%d", 7-i), `{"n":9007199254740993}`)
	}
	for i, kind := range []string{"OKTA", "BUILT_IN", "OKTA", "OKTA"} {
		g := fmt.Sprintf("g%d", i)
		o.put("group", "", g, `{"type":"`+kind+`"}`)
		for j := range i * 2 {
			o.put("group_membership", g, fmt.Sprintf("u%d", j), `{}`)
		}
	}
	for i := range 3 {
		a := fmt.Sprintf("a%d", 2-i)
		o.put("app", "", a, `{}`)
		o.put("app_user", a, "u1", `{"scope":"USER"}`)
		o.put("app_user_key", a+"/u1", "k1", `{"k":1}`)
	}
	o.put("user_role", "u3", "r1", `{"type":"SUPER_ADMIN"}`)
	o.put("user_role", "u1", "r1", `{"type":"APP_ADMIN"}`)
	o.put("policy", "", "p1", `{}`)
	o.put("policy_rule", "p1", "pr1", `{}`)
	return o
}

func (o *org) put(t resource.Type, parent, id, body string) {
	r := resource.Resource{Key: resource.Key{Type: t, Parent: parent, ID: id}, Body: []byte(body)}
	at := place(t, parent)
	if t == "user_role" {
		at = string(t)
	}
	o.lists[at] = append(o.lists[at], r)
}

func place(t resource.Type, parent string) string {
	return strings.TrimSuffix(string(t)+"/"+parent, "/")
}

func (o *org) List(_ context.Context, t resource.Type, parent resource.Key, cursor string) iter.Seq2[provider.Page, error] {
	up := parent.ID
	if parent.Parent != "" {
		up = parent.Parent + "/" + parent.ID
	}
	at := place(t, up)
	return func(yield func(provider.Page, error) bool) {
		from, err := o.start(at, cursor)
		for err == nil {
			var page provider.Page
			if page, from, err = o.page(at, from); err == nil && (!yield(page, nil) || page.Cursor == "") {
				return
			}
			if o.early[at] {
				return
			}
		}
		yield(provider.Page{}, err)
	}
}

func (o *org) start(at, cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	if o.stale[cursor] {
		delete(o.stale, cursor)
		return 0, problem.New(problem.Stale, "the cursor is too old")
	}
	list, n, ok := strings.Cut(cursor, "@")
	from, err := strconv.Atoi(n)
	if !ok || err != nil || list != at {
		return 0, fmt.Errorf("the org never gave the cursor %q for %s", cursor, at)
	}
	return from, nil
}

func (o *org) page(at string, from int) (provider.Page, int, error) {
	if err := o.life.step(); err != nil {
		return provider.Page{}, 0, err
	}
	o.calls++
	if errs := o.wrong[at]; len(errs) > 0 {
		o.wrong[at] = errs[1:]
		if errs[0] != nil {
			return provider.Page{}, 0, errs[0]
		}
	}
	if err := o.gone[at]; err != nil {
		return provider.Page{}, 0, err
	}
	all := o.lists[at]
	to := min(from+o.size, len(all))
	page := provider.Page{Calls: 1}
	for _, up := range o.lacks[at] {
		page.Gaps = append(page.Gaps, provider.Gone(resource.Type(at), up))
	}
	first := from
	if o.twice[at] && from > 0 {
		first--
	}
	for _, r := range all[first:to] { // bodies are the reader's own: they are overwritten below
		page.Resources = append(page.Resources, resource.Resource{Key: r.Key, Body: slices.Clone(r.Body)})
	}
	if to < len(all) || o.early[at] {
		page.Cursor = fmt.Sprintf("%s@%d", at, to)
	}
	return page, to, nil
}

func (o *org) Get(context.Context, resource.Key) (resource.Resource, error) {
	return resource.Resource{}, errors.New("a backup does not read one by one")
}

func (o *org) Find(context.Context, resource.Resource) ([]resource.Resource, error) {
	return nil, errors.New("a backup does not look for things")
}

func (o *org) Org(context.Context) (provider.OrgFacts, error) {
	return provider.OrgFacts{ID: "00o1", Engine: "oie"}, o.down
}

func (o *org) Follow(_ context.Context, cursor string) (provider.Events, error) {
	if cursor != "" || o.calls > 0 {
		return provider.Events{}, errors.New("the log is asked first, and once")
	}
	return provider.Events{Cursor: "log@0"}, o.gone["log"]
}

func (o *org) Renew() { o.anew++ }

var (
	_ provider.Follower = (*org)(nil)
	_ provider.Renewer  = (*org)(nil)
)

// life ends a process: at its step'th step everything fails, and goes on failing.
type life struct{ steps, end int }

var errKilled = errors.New("killed")

func (l *life) step() error {
	l.steps++
	if l.end > 0 && l.steps >= l.end {
		return errKilled
	}
	return nil
}

// around makes an effect, killed before or after it.
func (l *life) around(effect func() error) error {
	if err := l.step(); err != nil {
		return err
	}
	if err := effect(); err != nil {
		return err
	}
	return l.step()
}

// store is a repository in memory: segments by name, and at most one manifest.
type store struct {
	segments map[string][]resource.Resource
	manifest *snapshot.Manifest
	records  []resource.Resource // what the manifest names
	journal  []byte
	shown    backup.Progress
	saves    int
	fail     error // of the journal
	broken   error // of the store
	life     *life
}

func newStore(l *life) *store { return &store{segments: map[string][]resource.Resource{}, life: l} }

func (s *store) Load(context.Context) ([]byte, error) { return slices.Clone(s.journal), s.life.step() }

func (s *store) Save(_ context.Context, state []byte, p backup.Progress) error {
	return s.life.around(func() error {
		if s.fail != nil {
			return s.fail
		}
		s.journal, s.shown, s.saves = slices.Clone(state), p, s.saves+1
		return nil
	})
}

func (s *store) open(_ context.Context, state []byte) (backup.Draft, error) {
	d := &draft{store: s}
	if state == nil {
		return d, nil
	}
	return d, json.Unmarshal(state, &d.Named)
}

// draft keeps what was added until Flush, as a repository may.
type draft struct {
	store *store
	Named []string
	open  []resource.Resource
}

func (d *draft) Add(_ context.Context, r resource.Resource) error {
	if d.store.broken != nil {
		return d.store.broken
	}
	if strings.Contains(r.ID, "/") {
		return fmt.Errorf("add to snapshot: %w", snapshot.ErrUnfit)
	}
	body := slices.Clone(r.Body)
	for i := range r.Body {
		r.Body[i] = 'x' // whoever still holds the reader's body holds rubbish
	}
	d.open = append(d.open, resource.Resource{Key: r.Key, Body: body})
	return d.store.life.step()
}

// Remove takes out what a draft holds of a key.
func (d *draft) Remove(_ context.Context, key resource.Key) error {
	d.open = append(d.open, resource.Resource{Key: key})
	return d.store.life.step()
}

func (d *draft) Flush(context.Context) error {
	if len(d.open) == 0 {
		return nil
	}
	return d.store.life.around(func() error {
		name := fmt.Sprintf("%d-%d", len(d.store.segments), d.store.life.steps)
		d.store.segments[name] = d.open
		d.Named, d.open = append(d.Named, name), nil
		return nil
	})
}

func (d *draft) State() ([]byte, error) { return json.Marshal(d.Named) }

func (d *draft) Walk(_ context.Context, t resource.Type) iter.Seq2[resource.Resource, error] {
	return func(yield func(resource.Resource, error) bool) {
		all := slices.Clone(d.open)
		for _, name := range d.Named {
			all = append(all, d.store.segments[name]...)
		}
		for _, r := range all {
			if r.Type == t && !yield(r, nil) {
				return
			}
		}
	}
}

func (d *draft) Commit(_ context.Context, m snapshot.Manifest) (snapshot.Manifest, error) {
	err := d.store.life.around(func() error {
		if len(d.open) > 0 {
			return errors.New("a commit before everything was flushed")
		}
		if d.store.manifest == nil {
			d.store.manifest = &m
			d.settle()
		}
		return nil
	})
	if err != nil {
		return snapshot.Manifest{}, err
	}
	return *d.store.manifest, nil
}

// settle makes each key single, the last one counts, and counts the types.
func (d *draft) settle() {
	last := map[resource.Key]resource.Resource{}
	for _, name := range d.Named {
		for _, r := range d.store.segments[name] {
			last[r.Key] = r
		}
	}
	d.store.records = slices.Collect(maps.Values(last))
	for i, status := range d.store.manifest.Types {
		d.store.manifest.Types[i].Objects = 0
		for key := range last {
			if key.Type == status.Type {
				d.store.manifest.Types[i].Objects++
			}
		}
	}
}

// want is everything that the lists hold, less what types cannot hold.
func (o *org) want(without ...string) (all []resource.Resource) {
	for at, list := range o.lists {
		if !slices.Contains(without, at) && at != "group_membership/g1" {
			all = append(all, list...)
		}
	}
	return sorted(all)
}

func sorted(all []resource.Resource) []resource.Resource {
	return slices.SortedFunc(slices.Values(all), func(a, b resource.Resource) int { return a.Compare(b.Key) })
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func input(o *org, s *store) backup.Input {
	return backup.Input{
		Facts:   snapshot.Manifest{ID: "s1", Account: "acc", Connection: "con", Provider: "okta", Org: "https://acme.okta.com", Started: noon},
		Catalog: catalog, Reader: o, Open: s.open, Journal: s,
	}
}

func fixed() time.Time { return noon }

// finish takes slices until the snapshot is done; errors other than kills end the test.
func finish(t *testing.T, o *org, s *store, opt backup.Options) backup.Outcome {
	t.Helper()
	for range 1000 {
		out, err := backup.Slice(t.Context(), input(o, s), opt)
		if errors.Is(err, errKilled) {
			o.life.end = 0
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if out.Done {
			return out
		}
	}
	t.Fatal("a thousand slices were not enough")
	return backup.Outcome{}
}
