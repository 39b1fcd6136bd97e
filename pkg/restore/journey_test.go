package restore_test

import (
	"context"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/backup"
	"imago/pkg/blob/mem"
	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/restore"
	"imago/pkg/snapshot"
)

var (
	_ restore.Snapshot = (*repository.Snapshot)(nil)
	_ drift.Snapshot   = (*repository.Snapshot)(nil)
	_ backup.Draft     = (*repository.Draft)(nil)
)

// house is everything below the services, around a simulated org.
type house struct {
	t      *testing.T
	sim    *oktasimtest.Org
	repo   *repository.Repository
	reader provider.Reader
	writer provider.Writer
	narrow bool // the reader may not read everything
}

func build(t *testing.T) *house {
	t.Helper()
	ctx := t.Context()
	sim := oktasimtest.Start(t, oktasimtest.Options{Seed: "demo"})
	sim.Unlimited()
	h := &house{t: t, sim: sim}
	org, p := account.Org{URL: sim.URL, Share: 1}, okta.New(okta.Options{})
	var err error
	app := sim.ServiceApp("Imago reads", account.Read, "SUPER_ADMIN", oktasimtest.ReadScopes()...) // who has which role is told to nobody less
	if h.reader, err = p.Reader(ctx, org, app.Credential); err != nil {
		t.Fatal(err)
	}
	if h.writer, err = p.Writer(ctx, org, sim.WriteApp().Credential); err != nil {
		t.Fatal(err)
	}
	ks, err := local.Create(filepath.Join(t.TempDir(), "master.keys"), noon)
	if err != nil {
		t.Fatal(err)
	}
	const id = account.ID("0190a000-0000-7000-8000-000000000001")
	ring, err := envelope.NewKeyring(ctx, ks, id)
	if err != nil {
		t.Fatal(err)
	}
	if h.repo, err = repository.New(mem.New(mem.Options{}), ring, id, "0190a000-0000-7000-8000-0000000000c1", repository.Options{}); err != nil {
		t.Fatal(err)
	}
	return h
}

// page is a journal of one snapshot.
type page struct{ state []byte }

func (p *page) Load(context.Context) ([]byte, error) { return p.state, nil }
func (p *page) Save(_ context.Context, state []byte, _ backup.Progress) error {
	p.state = slices.Clone(state)
	return nil
}

// take takes a snapshot, in slices of a page when it is told to hurry nowhere.
func (h *house) take(id string, slow bool) *repository.Snapshot {
	h.t.Helper()
	started := time.Now().UTC()
	var prefix string
	in := backup.Input{
		Facts: snapshot.Manifest{ID: id, Account: "0190a000-0000-7000-8000-000000000001", Connection: "0190a000-0000-7000-8000-0000000000c1",
			Provider: "okta", Org: h.sim.URL, Started: started},
		Catalog: catalog, Reader: h.reader, Journal: &page{},
		Open: func(ctx context.Context, state []byte) (backup.Draft, error) {
			d, err := h.repo.Begin(id, started, nil)
			if state != nil {
				d, err = h.repo.Resume(ctx, state)
			}
			if err == nil {
				prefix = d.Prefix()
			}
			return d, err
		},
	}
	o := backup.Options{}
	if slow {
		o.Until = started
	}
	for done := false; !done; {
		out, err := backup.Slice(h.t.Context(), in, o)
		if err != nil {
			h.t.Fatal(err)
		}
		done = out.Done
	}
	s, err := h.repo.Open(h.t.Context(), prefix)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, g := range s.Manifest().Gaps() {
		if g.Reason != snapshot.NotLicensed && !h.narrow {
			h.t.Fatalf("the snapshot has a gap: %v", g)
		}
	}
	return s
}

func (h *house) side(s *repository.Snapshot) diff.Side {
	var types []resource.Type
	for _, i := range catalog {
		types = append(types, i.Type)
	}
	var gaps []diff.Gap
	for _, g := range s.Manifest().Gaps() {
		gaps = append(gaps, diff.Gap{Type: g.Type, Parent: g.Parent, Reason: string(g.Reason), Detail: g.Detail})
	}
	return diff.Side{Gaps: gaps, Resources: diff.Stream(types, func(t resource.Type) iter.Seq2[resource.Resource, error] {
		return s.Walk(h.t.Context(), t)
	})}
}

// compare tells how one snapshot differs from another, but for what a plan left out.
func (h *house) compare(before, after *repository.Snapshot, ids diff.IDs, left ...restore.LeftOut) {
	h.t.Helper()
	for c, err := range diff.Changes(catalog, h.side(before), h.side(after), diff.Options{IDs: ids}) {
		if err != nil {
			h.t.Fatal(err)
		}
		known := slices.ContainsFunc(left, func(l restore.LeftOut) bool { return c.Op == diff.Delete && l.Key == c.Key })
		if c.Op != diff.Unknown && !known {
			h.t.Errorf("%s %s %s", c.Op, c.Key, c.Fields)
		}
	}
}

func (h *house) group(name string) resource.Key {
	h.t.Helper()
	var groups []struct {
		ID      string `json:"id"`
		Profile struct {
			Name string `json:"name"`
		} `json:"profile"`
	}
	h.sim.Call("GET", "/api/v1/groups?q="+name, nil, &groups)
	for _, g := range groups {
		if g.Profile.Name == name {
			return resource.Key{Type: "group", ID: g.ID}
		}
	}
	h.t.Fatalf("there is no group %s", name)
	return resource.Key{}
}

// observe reads the log from where the snapshot began.
func (h *house) observe(s *repository.Snapshot) []drift.Finding {
	h.t.Helper()
	rules, err := drift.Standard()
	if err != nil {
		h.t.Fatal(err)
	}
	follower, ok := h.reader.(provider.Follower)
	if !ok {
		h.t.Fatal("the org has no log")
	}
	events, err := follower.Follow(h.t.Context(), s.Manifest().LogCursor)
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := drift.Observe(h.t.Context(), drift.Input{Catalog: catalog, Reader: h.reader, Snapshot: s, Wants: rules.Wants}, events.Events)
	if err != nil || !out.Complete || len(out.Unknown) > 0 && !h.narrow {
		h.t.Fatalf("observe: %v, complete %v, unknown %v", err, out.Complete, out.Unknown)
	}
	findings, err := rules.Evaluate(drift.Facts{Catalog: catalog, Snapshot: s.Manifest().ID}, out.Changes)
	if err != nil {
		h.t.Fatal(err)
	}
	return findings
}

// restore puts a key back with what hangs on it, through failures that lose answers.
func (h *house) restore(s *repository.Snapshot, k resource.Key) (restore.Plan, []restore.Entry) {
	h.t.Helper()
	p, entries, report := h.apply(s, k)
	if len(report.Differences) > 0 {
		h.t.Errorf("verify:\n%s", reported(report))
	}
	return p, entries
}

// apply is restore, whatever differs afterwards.
func (h *house) apply(s *repository.Snapshot, k resource.Key) (restore.Plan, []restore.Entry, restore.Report) {
	h.t.Helper()
	ctx := h.t.Context()
	p, err := restore.MakePlan(ctx, restore.Input{Catalog: catalog, Snapshot: s, Reader: h.reader,
		Selection: restore.Selection{Keys: []resource.Key{k}, WithDependents: true}})
	if err != nil {
		h.t.Fatal(err)
	}
	w := work(h.t, p, newOrg(), newBook(&life{}))
	w.Reader, w.Writer = h.reader, h.writer
	for attempt := range 30 {
		out, err := restore.Apply(ctx, w, restore.Options{})
		if err == nil && out.Done {
			if out.Stopped() {
				h.t.Fatalf("stopped: %+v\n%s", out.Entries, shown(p))
			}
			report, err := restore.Verify(ctx, restore.Check{Catalog: catalog, Snapshot: s, Reader: h.reader, Plan: p, Entries: out.Entries})
			if err != nil || report.Checked == 0 {
				h.t.Errorf("verify: %v\n%s", err, reported(report))
			}
			return p, out.Entries, report
		}
		h.t.Logf("attempt %d: %v", attempt, err)
	}
	h.t.Fatal("thirty attempts were not enough")
	return p, nil, restore.Report{}
}

// TestTheMainJob: a snapshot, a deleted group, who did it, and the group put back,
// with an org that answers over HTTP.
func TestTheMainJob(t *testing.T) {
	t.Parallel()
	h := build(t)
	before := h.take("0190a000-0000-7000-8000-0000000000f1", true)
	h.compare(before, h.take("0190a000-0000-7000-8000-0000000000f2", false), nil)

	finance := h.group("Finance")
	h.sim.Call("DELETE", "/api/v1/groups/"+finance.ID, nil, nil)
	findings := h.observe(before)
	var rules []string
	for _, f := range findings {
		rules = append(rules, f.Rule)
		if e := f.Attribution.Event; e == nil || e.Actor.System {
			t.Errorf("%s of %s is not attributed to the administrator: %+v", f.Rule, f.Change.Key, f.Attribution)
		}
		t.Logf("%s: %s %q", f.Severity, f.Sentence, f.Consequences)
	}
	if !slices.Contains(rules, "group_deleted") || !slices.Contains(rules, "group_rule_invalidated") {
		t.Errorf("got the findings %v, want a deleted group and invalid rules", rules)
	}
	// Writes that are done and then answered with an error.
	for _, path := range []string{"/api/v1/groups", "/api/v1/groups/*", "/api/v1/groups/rules", "/api/v1/policies/*"} {
		h.sim.Fault(oktasimtest.Fault{Path: path, Method: "POST", Kind: "done_but_failed", Status: 500, Count: 1})
		h.sim.Fault(oktasimtest.Fault{Path: path, Method: "PUT", Kind: "done_but_failed", Status: 500, Count: 1})
	}
	p, entries := h.restore(before, finance)
	if len(p.LeftOut) > 0 {
		t.Errorf("left out: %+v", p.LeftOut)
	}
	fired := 0
	for _, f := range h.sim.ClearFaults() {
		fired += f.Fired
	}
	if fired < 3 {
		t.Errorf("only %d failures came up", fired)
	}
	t.Logf("%d steps through %d lost answers", len(p.Steps), fired)
	h.compare(before, h.take("0190a000-0000-7000-8000-0000000000f3", false), restore.IDs(p, entries))
}

// TestAPersonComesBack: a deleted person is made once, however often an answer is lost,
// and gets back what they were in. Without their password, which nobody can read, they
// are not active before they choose one; the plan and the report say so.
func TestAPersonComesBack(t *testing.T) {
	t.Parallel()
	h := build(t)
	before := h.take("0190a000-0000-7000-8000-0000000000f8", false)
	person := h.active("Finance")
	h.sim.Call("POST", "/api/v1/users/"+person.ID+"/lifecycle/deactivate", nil, nil)
	h.sim.Call("DELETE", "/api/v1/users/"+person.ID, nil, nil)
	for _, path := range []string{"/api/v1/users", "/api/v1/users/*", "/api/v1/groups/*/users/*", "/api/v1/apps/*/users"} {
		for _, method := range []string{"POST", "PUT"} {
			h.sim.Fault(oktasimtest.Fault{Path: path, Method: method, Kind: "done_but_failed", Status: 500, Count: 1})
		}
	}
	p, entries, report := h.apply(before, person)
	if !slices.ContainsFunc(p.Lost, func(s string) bool { return strings.Contains(s, "password") }) {
		t.Errorf("the plan does not say that the password is lost: %v", p.Lost)
	}
	if len(report.Differences) != 1 || report.Differences[0].Fields[0].Path != "status" {
		t.Errorf("report:\n%s", reported(report))
	}
	ids := restore.IDs(p, entries)
	for c, err := range diff.Changes(catalog, h.side(before), h.side(h.take("0190a000-0000-7000-8000-0000000000f9", false)), diff.Options{IDs: ids}) {
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, f := range c.Fields {
			paths = append(paths, f.Path)
		}
		if c.Op != diff.Unknown && (c.Key != ids.Key(person) || !slices.Equal(paths, []string{"credentials.password", "status"})) {
			t.Errorf("%s %s %s", c.Op, c.Key, c.Fields)
		}
	}
}

// active is an active member of a group.
func (h *house) active(group string) resource.Key {
	h.t.Helper()
	var members []struct{ ID, Status string }
	h.sim.Call("GET", "/api/v1/groups/"+h.group(group).ID+"/users", nil, &members)
	for _, m := range members {
		if m.Status == "ACTIVE" {
			return resource.Key{Type: "user", ID: m.ID}
		}
	}
	h.t.Fatalf("nobody in %s is active", group)
	return resource.Key{}
}

// TestAdminThatOnlyTheLogShows: a read-only administrator may not read who has which
// role; a new administrator is found nevertheless.
func TestAdminThatOnlyTheLogShows(t *testing.T) {
	t.Parallel()
	h := build(t)
	app := h.sim.ServiceApp("Imago reads little", account.Read, "READ_ONLY_ADMIN", oktasimtest.ReadScopes()...)
	var err error
	if h.reader, err = okta.New(okta.Options{}).Reader(t.Context(), account.Org{URL: h.sim.URL, Share: 1}, app.Credential); err != nil {
		t.Fatal(err)
	}
	h.narrow = true
	before := h.take("0190a000-0000-7000-8000-0000000000f7", false)
	var users []struct {
		ID string `json:"id"`
	}
	h.sim.Call("GET", "/api/v1/users?limit=1", nil, &users)
	h.sim.Call("POST", "/api/v1/users/"+users[0].ID+"/roles", map[string]string{"type": "SUPER_ADMIN"}, nil)
	findings := h.observe(before)
	if len(findings) != 1 || findings[0].Rule != "new_super_admin" || !findings[0].LogOnly || findings[0].Attribution.Event == nil {
		t.Errorf("got %+v, want the new super administrator, from the log alone", findings)
	}
}

// TestEveryGroup deletes and restores each group of the demo's org in turn.
func TestEveryGroup(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the long round through every group is left out by -short")
	}
	h := build(t)
	var groups []struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}
	h.sim.Call("GET", "/api/v1/groups", nil, &groups)
	for i, g := range groups {
		if g.Type != "OKTA_GROUP" {
			continue
		}
		id := "0190a000-0000-7000-8000-0000000001" + digits(i)
		before := h.take(id, false)
		h.sim.Call("DELETE", "/api/v1/groups/"+g.ID, nil, nil)
		p, entries := h.restore(before, resource.Key{Type: "group", ID: g.ID})
		for _, l := range p.LeftOut {
			if l.Key.Type != "group_membership" || !strings.Contains(l.Reason, "has left") {
				t.Errorf("left out: %+v", l)
			}
		}
		h.compare(before, h.take(id[:len(id)-4]+"f"+id[len(id)-3:], false), restore.IDs(p, entries), p.LeftOut...)
		if t.Failed() {
			t.Fatalf("after group %s:\n%s", g.ID, shown(p))
		}
	}
}

func digits(i int) string { return string(rune('0'+i/10)) + string(rune('0'+i%10)) }
