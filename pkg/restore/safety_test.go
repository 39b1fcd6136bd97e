package restore_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/restore"
)

// told reads a scenario from text, for what has no golden file.
func told(t *testing.T, text string) *scenario {
	t.Helper()
	return open(t, txtar.Parse([]byte(text)))
}

// people are n users, and their memberships of the group.
func people(group string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "user/00uMember%03d {\"status\":\"ACTIVE\",\"profile\":{\"login\":\"m%d@acme.test\"}}\n", i, i)
		fmt.Fprintf(&b, "group_membership/%s/00uMember%03d {}\n", group, i)
	}
	return b.String()
}

// TestCrowdHidesNobody: that many of a type were read in one go says nothing about
// the others of it.
func TestCrowdHidesNobody(t *testing.T) {
	t.Parallel()
	s := told(t, `
-- org --
group/00gFinance01 {"type":"OKTA_GROUP","profile":{"name":"Finance"}}
`+people("00gFinance01", 30)+`
user/00uOther001 {"status":"ACTIVE","profile":{"login":"other@acme.test"}}
app/0oaWiki001 {"name":"bookmark","label":"Wiki","signOnMode":"BOOKMARK","status":"ACTIVE"}
app_user/0oaWiki001/00uOther001 {"scope":"USER","credentials":{"userName":"other"}}
-- then --
delete group/00gFinance01
delete app/0oaWiki001
-- select --
with group/00gFinance01
with app/0oaWiki001
`)
	p := plan(t, s.snap, s.org, s.sel)
	for _, l := range p.LeftOut {
		t.Errorf("left out %s: %s", l.Key, l.Reason)
	}
	find(t, p, provider.Create, "app_user/0oaWiki001/00uOther001")
}

// TestNoRoleForLeavers: an admin role of somebody who has left stays away, in the
// plan and when they leave after it.
func TestNoRoleForLeavers(t *testing.T) {
	t.Parallel()
	const role = "user_role/00uAda0001/ra1super01"
	text := `
-- org --
user/00uAda0001 {"status":"ACTIVE","profile":{"login":"ada@acme.test"}}
` + role + ` {"type":"SUPER_ADMIN","label":"Super Administrator","assignmentType":"USER","status":"ACTIVE"}
-- then --
delete ` + role + `
-- select --
only ` + role + `
`
	left := `set user/00uAda0001 {"status":"DEPROVISIONED","profile":{"login":"ada@acme.test"}}`
	s := told(t, text)
	if err := s.happen(left); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, s.snap, s.org, s.sel); len(p.Steps) > 0 || len(p.LeftOut) != 1 {
		t.Errorf("the plan for a leaver is\n%s", shown(p))
	}
	s = told(t, text)
	p := plan(t, s.snap, s.org, s.sel)
	if err := s.happen(left); err != nil {
		t.Fatal(err)
	}
	if out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life); states(out)[1] != restore.Skipped || len(s.org.writes) > 0 {
		t.Errorf("after the plan: %+v, writes %v", out.Entries, s.org.writes)
	}
}

// TestLeaverIsNotASelectedLeaver: somebody who is restored as the leaver that they
// were gets no access by it.
func TestLeaverIsNotASelectedLeaver(t *testing.T) {
	t.Parallel()
	s := told(t, `
-- org --
user/00uAda0001 {"status":"DEPROVISIONED","profile":{"login":"ada@acme.test"}}
group/00gSales0001 {"type":"OKTA_GROUP","profile":{"name":"Sales"}}
group_membership/00gSales0001/00uAda0001 {}
-- then --
delete group_membership/00gSales0001/00uAda0001
-- select --
with user/00uAda0001
`)
	if p := plan(t, s.snap, s.org, s.sel); len(p.Steps) > 0 || len(p.LeftOut) != 1 {
		t.Errorf("the plan is\n%s", shown(p))
	}
}

// TestPeopleAreNotMadeForOthers: who was deleted does not come back because
// something that is restored was named by them.
func TestPeopleAreNotMadeForOthers(t *testing.T) {
	t.Parallel()
	s := told(t, `
-- org --
user_type/otyPartner1 {"name":"partner","displayName":"Partner","default":false}
user/00uAda0001 {"status":"ACTIVE","type":{"id":"otyPartner1"},"profile":{"login":"ada@acme.test"}}
user/00uBob0001 {"status":"ACTIVE","type":{"id":"otyPartner1"},"profile":{"login":"bob@acme.test"}}
-- then --
delete user_type/otyPartner1
delete user/00uAda0001
-- select --
with user_type/otyPartner1
`)
	p := plan(t, s.snap, s.org, s.sel)
	for _, step := range p.Steps {
		if step.Key.ID == "00uAda0001" {
			t.Errorf("somebody who was deleted would be made again: %+v", step)
		}
	}
	if len(p.LeftOut) != 1 || p.LeftOut[0].Key.ID != "00uAda0001" {
		t.Errorf("left out: %+v", p.LeftOut)
	}
}

// TestNothingIsDeletedForNothing: an object that must be made again is not deleted
// when what it needs could not be made.
func TestNothingIsDeletedForNothing(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	if err := s.happen(`set group/00gTheirs01 {"type":"OKTA_GROUP","profile":{"name":"Finance","description":"theirs"}}`); err != nil {
		t.Fatal(err)
	}
	resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life)
	for _, w := range s.org.writes {
		t.Errorf("wrote %q, though nothing could be made of it", w)
	}
	for i, step := range p.Steps {
		if step.Op == provider.Delete && (p.Steps[i+1].Op != provider.Create || p.Steps[i+1].Key != step.Key) {
			t.Errorf("step %d deletes %s, and the next does not make it again", step.N, step.Key)
		}
	}
}

// begun applies a plan until its first step is begun, and dies there.
func begun(t *testing.T, s *scenario, p restore.Plan) (restore.Work, *book) {
	t.Helper()
	j := newBook(&life{end: 2})
	w := work(t, p, s.org, j)
	if _, err := restore.Apply(t.Context(), w, restore.Options{Now: fixed}); err == nil || j.lines[1].State != restore.Begun {
		t.Fatalf("the first step is %+v, %v; want it begun", j.lines[1], err)
	}
	j.life.end = 0
	return w, j
}

const weakened = `
-- org --
group/00gFinance01 {"type":"OKTA_GROUP","profile":{"name":"Finance","description":"Money"}}
app/0oaWiki001 {"name":"bookmark","label":"Wiki","signOnMode":"BOOKMARK","status":"ACTIVE"}
user/00uAda0001 {"status":"ACTIVE","profile":{"login":"ada@acme.test"}}
app_user/0oaWiki001/00uAda0001 {"scope":"USER","credentials":{"userName":"ada"},"profile":{"role":"clerk"}}
policy_okta_sign_on/00pStrict {"type":"OKTA_SIGN_ON","name":"Strict","description":"words","status":"ACTIVE","priority":1,"settings":{"x":1}}
-- then --
set policy_okta_sign_on/00pStrict {"type":"OKTA_SIGN_ON","name":"Strict","description":"words","status":"ACTIVE","priority":1,"settings":{"x":2}}
set group/00gFinance01 {"type":"OKTA_GROUP","profile":{"name":"Finance","description":"other"}}
delete app_user/0oaWiki001/00uAda0001
-- select --
`

// TestBegunUpdateMakesNothing: what an update was about went meanwhile, and nothing
// is made in its place, nor written to another of its name.
func TestBegunUpdateMakesNothing(t *testing.T) {
	t.Parallel()
	for name, then := range map[string][]string{
		"gone":    {"delete group/00gFinance01"},
		"another": {"delete group/00gFinance01", `set group/00gTheirs01 {"type":"OKTA_GROUP","profile":{"name":"Finance","description":"other"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := told(t, weakened+"only group/00gFinance01\n")
			w, _ := begun(t, s, plan(t, s.snap, s.org, s.sel))
			for _, line := range then {
				if err := s.happen(line); err != nil {
					t.Fatal(err)
				}
			}
			out := resume(t, w, s.org.life)
			if states(out)[1] != restore.Failed || len(s.org.writes) > 0 {
				t.Errorf("got %+v, writes %v; want the step to fail", out.Entries, s.org.writes)
			}
		})
	}
}

// TestBegunKeepsLaterChanges: between a kill and the next worker somebody changes
// what the step is about; it stays.
func TestBegunKeepsLaterChanges(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ sel, then string }{
		"a link made by hand, otherwise": {"only app_user/0oaWiki001/00uAda0001",
			`set app_user/0oaWiki001/00uAda0001 {"scope":"USER","credentials":{"userName":"ada"},"profile":{"role":"boss"}}`},
		"a field taken away": {"only policy_okta_sign_on/00pStrict",
			`set policy_okta_sign_on/00pStrict {"type":"OKTA_SIGN_ON","name":"Strict","status":"ACTIVE","priority":1,"settings":{"x":2}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := told(t, weakened+tt.sel+"\n")
			w, _ := begun(t, s, plan(t, s.snap, s.org, s.sel))
			if err := s.happen(tt.then); err != nil {
				t.Fatal(err)
			}
			out := resume(t, w, s.org.life)
			if states(out)[1] != restore.Failed || len(s.org.writes) > 0 {
				t.Errorf("got %+v, writes %v; want the step to fail", out.Entries, s.org.writes)
			}
		})
	}
}

// TestBegunLinkFilledIn: the provider adds to what a link was made with; the write
// whose answer was lost is known again nevertheless.
func TestBegunLinkFilledIn(t *testing.T) {
	t.Parallel()
	s := told(t, weakened+"only app_user/0oaWiki001/00uAda0001\n")
	w, _ := begun(t, s, plan(t, s.snap, s.org, s.sel))
	if err := s.happen(`set app_user/0oaWiki001/00uAda0001 {"scope":"USER","credentials":{"userName":"ada"},"profile":{"role":"clerk","mail":"ada@acme.test"}}`); err != nil {
		t.Fatal(err)
	}
	if out := resume(t, w, s.org.life); states(out)[1] != restore.Done || len(s.org.writes) > 0 {
		t.Errorf("got %+v, writes %v; want it found made", out.Entries, s.org.writes)
	}
}

// TestTwins: two objects of one name and content are two, or one fails; never is
// the one taken for the other.
func TestTwins(t *testing.T) {
	t.Parallel()
	s := told(t, `
-- org --
app/0oaSite001 {"name":"bookmark","label":"Site","signOnMode":"BOOKMARK","status":"ACTIVE"}
app/0oaSite002 {"name":"bookmark","label":"Site","signOnMode":"BOOKMARK","status":"ACTIVE"}
-- then --
delete app/0oaSite001
delete app/0oaSite002
-- select --
only app/0oaSite001
only app/0oaSite002
`)
	out := resume(t, work(t, plan(t, s.snap, s.org, s.sel), s.org, newBook(s.org.life)), s.org.life)
	if len(out.Entries) != 2 || out.Entries[0].State != restore.Done {
		t.Fatalf("got %+v", out.Entries)
	}
	if second := out.Entries[1]; second.State == restore.Done && second.Key == out.Entries[0].Key {
		t.Errorf("both steps are said to have made %s", second.Key)
	}
}

// TestNoAppUnderHalfAPolicy: when a rule could not be made, no app is moved to its
// policy.
func TestNoAppUnderHalfAPolicy(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_policy.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	w := work(t, p, s.org, newBook(s.org.life))
	w.Writer = refusing{s.org, "B office"}
	out := resume(t, w, s.org.life)
	rule := find(t, p, provider.Create, "policy_access_policy_rule/rstMoney001/rulB")
	app := find(t, p, provider.Update, "app/0oaBooks")
	if got := states(out); got[rule] != restore.Failed || got[app] != restore.Skipped {
		t.Errorf("the rule is %s, the app %s; want failed and skipped", got[rule], got[app])
	}
}

// refusing is an org that does not take one object.
type refusing struct {
	*org
	text string
}

func (r refusing) Apply(ctx context.Context, w provider.Write) (provider.Done, error) {
	if strings.Contains(string(w.Want), r.text) {
		return provider.Done{}, problem.New(problem.Invalid, "this cannot be")
	}
	return r.org.Apply(ctx, w)
}

// weary asks for patience before every nth call that was not made yet.
type weary struct {
	*org
	left int
}

func (w *weary) tired() error {
	if w.left--; w.left < 0 {
		return &provider.Wait{Until: noon, Reason: "reads"}
	}
	return nil
}

func (w *weary) Get(ctx context.Context, k resource.Key) (resource.Resource, error) {
	if err := w.tired(); err != nil {
		return resource.Resource{}, err
	}
	return w.org.Get(ctx, k)
}

func (w *weary) Find(ctx context.Context, like resource.Resource) ([]resource.Resource, error) {
	if err := w.tired(); err != nil {
		return nil, err
	}
	return w.org.Find(ctx, like)
}

// TestPlanGoesOn: an org that allows few reads at a time is planned for in the end,
// without asking for anything twice.
func TestPlanGoesOn(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	calm := plan(t, s.snap, s.org, s.sel)
	calls := s.org.calls
	s = readScenario(t, "testdata/deleted_group.txtar")
	reader := &weary{org: s.org}
	in := restore.Input{Catalog: catalog, Snapshot: s.snap, Reader: reader, Selection: s.sel, Now: fixed, Live: restore.NewLive()}
	for range 1000 {
		reader.left = 2
		p, err := restore.MakePlan(t.Context(), in)
		if provider.WaitOf(err) != nil {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(shown(calm), shown(p)); d != "" {
			t.Errorf("plan (-at once +in pieces):\n%s", d)
		}
		if s.org.calls != calls {
			t.Errorf("%d calls, and %d at once", s.org.calls, calls)
		}
		return
	}
	t.Error("a thousand attempts were not enough")
}

// TestPlanEndsItsSlice: a slice whose time is over asks to be called again.
func TestPlanEndsItsSlice(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	in := restore.Input{Catalog: catalog, Snapshot: s.snap, Reader: s.org, Selection: s.sel, Now: fixed, Until: noon}
	_, err := restore.MakePlan(t.Context(), in)
	if w := provider.WaitOf(err); w == nil || !w.Until.Equal(noon) || s.org.calls > 0 {
		t.Errorf("got %v after %d calls, want to be called again at once", err, s.org.calls)
	}
}

// TestVerifyGoesOn is the same for verifying.
func TestVerifyGoesOn(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group_clean.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life)
	reader := &weary{org: s.org}
	c := restore.Check{Catalog: catalog, Snapshot: s.snap, Reader: reader, Plan: p, Entries: out.Entries, Live: restore.NewLive()}
	for range 1000 {
		reader.left = 1
		report, err := restore.Verify(t.Context(), c)
		if provider.WaitOf(err) != nil {
			continue
		}
		if err != nil || report.Checked == 0 || report.Checked != report.Same {
			t.Errorf("%v, %s", err, reported(report))
		}
		return
	}
	t.Error("a thousand attempts were not enough")
}

// List gives pages of ten, and is tired before each.
func (w *weary) List(ctx context.Context, t resource.Type, parent resource.Key, cursor string) iter.Seq2[provider.Page, error] {
	return func(yield func(provider.Page, error) bool) {
		all := w.list(func(k resource.Key) bool { return k.Type == t && k.Parent == parent.ID })
		from := len(cursor) / len("ten ") * 10
		for {
			if err := w.tired(); err != nil {
				yield(provider.Page{}, err)
				return
			}
			w.org.calls++
			to := min(len(all), from+10)
			page := provider.Page{Resources: all[from:to], Cursor: strings.Repeat("ten ", to/10)}
			if to == len(all) {
				page.Cursor = ""
			}
			if !yield(page, nil) || page.Cursor == "" {
				return
			}
			from = to
		}
	}
}

// TestCrowdsGoOn: a list of more pages than may be read at a time is read in the end.
func TestCrowdsGoOn(t *testing.T) {
	t.Parallel()
	s := told(t, `
-- org --
group/00gFinance01 {"type":"OKTA_GROUP","profile":{"name":"Finance"}}
`+people("00gFinance01", 95)+`
-- then --
delete group_membership/00gFinance01/00uMember042
-- select --
with group/00gFinance01
`)
	reader := &weary{org: s.org}
	in := restore.Input{Catalog: catalog, Snapshot: s.snap, Reader: reader, Selection: s.sel, Now: fixed, Live: restore.NewLive()}
	for range 50 {
		reader.left = 3
		p, err := restore.MakePlan(t.Context(), in)
		if provider.WaitOf(err) != nil {
			continue
		}
		if err != nil || len(p.Steps) != 1 || p.Steps[0].Key.ID != "00uMember042" {
			t.Errorf("%v\n%s", err, shown(p))
		}
		return
	}
	t.Error("fifty attempts were not enough")
}

// TestSameByAnother: somebody makes, after the plan, the very group that the plan
// makes; nothing is put into it, as nobody approved that.
func TestSameByAnother(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	p := plan(t, s.snap, s.org, s.sel)
	if err := s.happen(`set group/00gTheirs01 {"type":"OKTA_GROUP","profile":{"name":"Finance","description":"Money"}}`); err != nil {
		t.Fatal(err)
	}
	out := resume(t, work(t, p, s.org, newBook(s.org.life)), s.org.life)
	if states(out)[1] != restore.Failed || len(s.org.writes) > 0 {
		t.Errorf("got %+v, writes %v; want the group to fail", out.Entries[0], s.org.writes)
	}
}

// TestBegunTwin: of two objects of one name and content the second is begun, and the
// worker dies; the first is not taken for it. Nor is one that the snapshot knows.
func TestBegunTwin(t *testing.T) {
	t.Parallel()
	const org = `
-- org --
app/0oaSite001 {"name":"bookmark","label":"Site","signOnMode":"BOOKMARK","status":"ACTIVE"}
app/0oaSite002 {"name":"bookmark","label":"Site","signOnMode":"BOOKMARK","status":"ACTIVE"}
-- then --
delete app/0oaSite002
`
	for name, text := range map[string]string{
		"made by the same plan": org + "delete app/0oaSite001\n-- select --\nonly app/0oaSite001\nonly app/0oaSite002\n",
		"in the snapshot":       org + "-- select --\nonly app/0oaSite002\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := told(t, text)
			p := plan(t, s.snap, s.org, s.sel)
			j := newBook(s.org.life)
			last := p.Steps[len(p.Steps)-1]
			j.lines[last.N] = restore.Entry{N: last.N, State: restore.Begun}
			out := resume(t, work(t, p, s.org, j), s.org.life)
			if e := out.Entries[len(out.Entries)-1]; e.State != restore.Failed {
				t.Errorf("got %+v, want it to fail: the name is another's", e)
			}
		})
	}
}

// hiding is an org whose lists miss somebody who moved between two pages.
type hiding struct {
	*org
	id string
}

func (h hiding) List(ctx context.Context, t resource.Type, parent resource.Key, cursor string) iter.Seq2[provider.Page, error] {
	return func(yield func(provider.Page, error) bool) {
		for page, err := range h.org.List(ctx, t, parent, cursor) {
			page.Resources = slices.DeleteFunc(page.Resources, func(r resource.Resource) bool { return r.ID == h.id })
			if !yield(page, err) {
				return
			}
		}
	}
}

// TestMissedByAList: somebody whom a list missed is not taken for deleted.
func TestMissedByAList(t *testing.T) {
	t.Parallel()
	s := told(t, `
-- org --
group/00gFinance01 {"type":"OKTA_GROUP","profile":{"name":"Finance"}}
`+people("00gFinance01", 30)+`
-- then --
delete group/00gFinance01
-- select --
with group/00gFinance01
`)
	p, err := restore.MakePlan(t.Context(), restore.Input{Catalog: catalog, Snapshot: s.snap, Reader: hiding{s.org, "00uMember007"}, Selection: s.sel, Now: fixed})
	if err != nil || len(p.LeftOut) > 0 || len(p.Steps) != 31 {
		t.Errorf("%v; %d steps, left out %+v", err, len(p.Steps), p.LeftOut)
	}
}
