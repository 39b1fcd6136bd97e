package restore_test

import (
	"fmt"
	"strings"
	"testing"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/restore"
	"imago/pkg/snapshot"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_app.txtar")
	tests := map[string]struct {
		want string
		kind problem.Kind
		says string
	}{
		"app/0oaWikiA":              {want: "app/0oaWikiA"},
		"group_membership/00g/00u":  {want: "group_membership/00g/00u"},
		"app:Wiki":                  {want: "app/0oaWikiA"},
		"app:Site":                  {kind: problem.Conflict, says: "app/0oaSite1, app/0oaSite2"},
		"app:Nobody":                {kind: problem.NotFound, says: "Nobody"},
		"apple:Wiki":                {kind: problem.Invalid, says: "apple"},
		"Wiki":                      {kind: problem.Invalid, says: "type:label"},
		"":                          {kind: problem.Invalid, says: "type:label"},
		"group:Sales":               {want: "group/00gSales0001"},
		"app_user/0oaWikiA/a:b/c:d": {want: "app_user/0oaWikiA/a:b/c:d"},
	}
	for text, tt := range tests {
		got, err := restore.Resolve(t.Context(), catalog, s.snap, text)
		switch {
		case tt.kind == "" && (err != nil || got.String() != tt.want):
			t.Errorf("%q: got %v, %v; want %s", text, got, err, tt.want)
		case tt.kind != "" && (!problem.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%q: got %v, want a problem of kind %s with %q", text, err, tt.kind, tt.says)
		}
	}
}

func TestSelectionsThatCannotBe(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sel  restore.Selection
		gaps []snapshot.Gap
		kind problem.Kind
		says string
	}{
		"nothing":             {restore.Selection{}, nil, problem.Invalid, "nothing is selected"},
		"an unknown type":     {restore.Selection{Keys: []resource.Key{{Type: "gruop", ID: "x"}}}, nil, problem.Invalid, "gruop"},
		"what is not there":   {restore.Selection{Keys: []resource.Key{{Type: "group", ID: "x"}}}, nil, problem.NotFound, "holds no group/x"},
		"what is not known":   {restore.Selection{Keys: []resource.Key{{Type: "group", ID: "x"}}}, []snapshot.Gap{{Type: "group", Detail: "grant okta.groups.read"}}, problem.NotFound, "grant okta.groups.read"},
		"all of it left away": {restore.Selection{Keys: []resource.Key{{Type: "group", ID: "00gSales0001"}}, Exclude: []resource.Key{{Type: "group", ID: "00gSales0001"}}}, nil, problem.Invalid, "nothing is selected"},
	}
	for name, tt := range tests {
		s := readScenario(t, "testdata/deleted_app.txtar")
		s.snap.gaps = tt.gaps
		_, err := restore.MakePlan(t.Context(), restore.Input{Catalog: catalog, Snapshot: s.snap, Reader: s.org, Selection: tt.sel, Now: fixed})
		if !problem.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want a problem of kind %s with %q", name, err, tt.kind, tt.says)
		}
	}
}

// TestWhatCannotBeReadNow is left out, never made anew over what may be there.
func TestWhatCannotBeReadNow(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	k, _ := resource.ParseKey("app/0oaBooks")
	s.org.broken[k] = &provider.Unreadable{Gap: snapshot.Gap{Type: "app", Reason: snapshot.Forbidden, Detail: "grant okta.apps.read"}}
	p := plan(t, s.snap, s.org, s.sel)
	for _, l := range p.LeftOut {
		if l.Key.Parent == "0oaBooks" && strings.Contains(l.Reason, "grant okta.apps.read") {
			return
		}
	}
	t.Errorf("the assignment to an app that cannot be read is not left out: %+v", p.LeftOut)
}

func TestPlanWaits(t *testing.T) {
	t.Parallel()
	s := readScenario(t, "testdata/deleted_group.txtar")
	k, _ := resource.ParseKey("group/00gFinance01")
	s.org.broken[k] = &provider.Wait{Until: noon}
	_, err := restore.MakePlan(t.Context(), restore.Input{Catalog: catalog, Snapshot: s.snap, Reader: s.org, Selection: s.sel, Now: fixed})
	if provider.WaitOf(err) == nil {
		t.Errorf("got %v, want the provider's wait", err)
	}
}

// TestCrowds: thousands of members are looked at by the page, not one by one.
func TestCrowds(t *testing.T) {
	t.Parallel()
	o := newOrg()
	var text strings.Builder
	fmt.Fprintln(&text, `group/00gCrowd001 {"type":"OKTA_GROUP","profile":{"name":"Crowd"}}`)
	for i := range 5000 {
		fmt.Fprintf(&text, "user/00u%d {\"status\":\"ACTIVE\",\"profile\":{\"login\":\"u%d\"}}\ngroup_membership/00gCrowd001/00u%d {}\n", i, i, i)
	}
	if err := o.load([]byte(text.String())); err != nil {
		t.Fatal(err)
	}
	s := &snap{org: o.copy()}
	group := resource.Key{Type: "group", ID: "00gCrowd001"}
	o.delete(group)
	p := plan(t, s, o, restore.Selection{Keys: []resource.Key{group}, WithDependents: true})
	if len(p.Steps) != 5001 || o.calls > 10 {
		t.Errorf("got %d steps with %d calls, want 5001 with a few", len(p.Steps), o.calls)
	}
}
