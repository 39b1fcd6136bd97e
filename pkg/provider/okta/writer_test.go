package okta_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// bench is a simulated org with both hands on it.
type bench struct {
	*testing.T
	sim *oktasimtest.Org
	r   provider.Reader
	w   provider.Writer
}

func newBench(t *testing.T, seed string) bench {
	t.Helper()
	sim := oktasimtest.Start(t, oktasimtest.Options{Seed: seed})
	sim.Unlimited()
	b := bundle(t, sim)
	return bench{t, sim, b.Reader, b.Writer}
}

// named finds the one resource of a type with a label.
func (b bench) named(typ resource.Type, parent resource.Key, label string) resource.Resource {
	b.Helper()
	info, _ := okta.New(okta.Options{}).Catalog().Info(typ)
	for page, err := range b.r.List(b.Context(), typ, parent, "") {
		if err != nil {
			b.Fatal(err)
		}
		for _, one := range page.Resources {
			if got, err := resource.Label(info, one.Body); err == nil && (got == label || label == "") {
				return one
			}
		}
	}
	b.Fatalf("no %s named %q", typ, label)
	return resource.Resource{}
}

func (b bench) apply(w provider.Write) resource.Resource {
	b.Helper()
	done, err := b.w.Apply(b.Context(), w)
	if err != nil {
		b.Fatalf("%s %v: %v (%s)", w.Op, w.Key, err, provider.Detail(err))
	}
	return done.Resource
}

func (b bench) with(body []byte, key resource.Path, value string) []byte {
	b.Helper()
	out, err := resource.With(body, key, []byte(value))
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func (b bench) text(path resource.Path, body []byte) string {
	b.Helper()
	s, err := path.Text(body)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func (b bench) rule(name, group, expression string) resource.Resource {
	b.Helper()
	return b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "group_rule"}, Want: []byte(fmt.Sprintf(
		`{"actions":{"assignUserToGroups":{"groupIds":[%q]}},"conditions":{"expression":{"type":"urn:okta:expression:1.0","value":%q}},"name":%q,"status":"ACTIVE","type":"group_rule"}`,
		group, expression, name))})
}

func (b bench) group(name string) resource.Resource {
	b.Helper()
	return b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "group"}, Want: []byte(fmt.Sprintf(`{"profile":{"description":null,"name":%q},"type":"OKTA_GROUP"}`, name))})
}

// TestGroupRule: what an update can change is changed while the rule is off; the
// rest makes it a new rule.
func TestGroupRule(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	one, two := b.group("One"), b.group("Two")
	rule := b.rule("Rule", one.ID, `user.title=="x"`)
	if got := b.text("status", rule.Body); got != "ACTIVE" {
		t.Fatalf("a new rule is %s", got)
	}
	renamed := b.apply(provider.Write{Op: provider.Update, Key: rule.Key, Expect: rule.Body, Want: b.with(rule.Body, "name", `"Renamed"`)})
	if renamed.ID != rule.ID || b.text("name", renamed.Body) != "Renamed" || b.text("status", renamed.Body) != "ACTIVE" {
		t.Errorf("after an update: %s", renamed.Body)
	}
	moved := b.apply(provider.Write{Op: provider.Update, Key: rule.Key, Expect: renamed.Body,
		Want: b.with(renamed.Body, "actions", fmt.Sprintf(`{"assignUserToGroups":{"groupIds":[%q]}}`, two.ID))})
	if moved.ID == rule.ID || b.text("actions.assignUserToGroups.groupIds[]", moved.Body) != two.ID || b.text("status", moved.Body) != "ACTIVE" {
		t.Errorf("after a change of target: %s", moved.Body)
	}
	if _, err := b.r.Get(t.Context(), rule.Key); !problem.Is(err, problem.NotFound) {
		t.Errorf("the old rule: %v", err)
	}
}

// TestInvalidRule: a rule whose target group went is made again with the new group.
func TestInvalidRule(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	was := b.group("Finance")
	rule := b.rule("Finance by title", was.ID, `user.title=="Controller"`)
	b.apply(provider.Write{Op: provider.Delete, Key: was.Key, Expect: was.Body})
	invalid, err := b.r.Get(t.Context(), rule.Key)
	if err != nil || b.text("status", invalid.Body) != "INVALID" {
		t.Fatalf("the rule after its group went: %s, %v", invalid.Body, err)
	}
	now := b.group("Finance")
	info, _ := okta.New(okta.Options{}).Catalog().Info("group_rule")
	want, err := resource.Rewrite(rule.Body, info.Refs, func(_ []resource.Type, id string) (string, bool) { return now.ID, id == was.ID })
	if err != nil {
		t.Fatal(err)
	}
	again := b.apply(provider.Write{Op: provider.Update, Key: rule.Key, Expect: invalid.Body, Want: want})
	if b.text("status", again.Body) != "ACTIVE" || b.text("actions.assignUserToGroups.groupIds[]", again.Body) != now.ID {
		t.Errorf("the rule made again: %s", again.Body)
	}
}

// TestAccessPolicy: which policy an app has is a field of the app.
func TestAccessPolicy(t *testing.T) {
	t.Parallel()
	b := newBench(t, "demo")
	var app resource.Resource
	for _, one := range readAll(t, b.r, "app") {
		if b.text("signOnMode", one.Body) == "SAML_2_0" && b.text("_links.accessPolicy.href", one.Body) != "" {
			app = one
		}
	}
	policy := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "policy_access_policy"},
		Want: []byte(`{"description":"d","name":"Strict","priority":1,"status":"ACTIVE","type":"ACCESS_POLICY"}`)})
	href := b.text("_links.accessPolicy.href", app.Body)
	old := href[strings.LastIndexByte(href, '/')+1:]
	want := []byte(strings.ReplaceAll(string(app.Body), old, policy.ID))
	now := b.apply(provider.Write{Op: provider.Update, Key: app.Key, Expect: app.Body, Want: want})
	if got := b.text("_links.accessPolicy.href", now.Body); !strings.HasSuffix(got, policy.ID) {
		t.Errorf("the app's policy is %s, want %s", got, policy.ID)
	}
}

// TestSystemPolicy: Okta's own are updated in place and neither made nor deleted.
func TestSystemPolicy(t *testing.T) {
	t.Parallel()
	b := newBench(t, "demo")
	policy := b.named("policy_okta_sign_on", resource.Key{}, "Default Policy")
	rule := b.named("policy_okta_sign_on_rule", policy.Key, "Default Rule")
	info, _ := okta.New(okta.Options{}).Catalog().Info("policy_okta_sign_on_rule")
	if !info.System(rule) {
		t.Error("the default rule does not count as Okta's own")
	}
	actions := strings.Replace(string(rule.Body), `"maxSessionIdleMinutes":120`, `"maxSessionIdleMinutes":15`, 1)
	if actions == string(rule.Body) {
		t.Fatalf("the default rule is not as expected: %s", rule.Body)
	}
	now := b.apply(provider.Write{Op: provider.Update, Key: rule.Key, Expect: rule.Body, Want: []byte(actions)})
	if !strings.Contains(string(now.Body), `"maxSessionIdleMinutes":15`) {
		t.Errorf("not updated: %s", now.Body)
	}
	if _, err := b.w.Apply(t.Context(), provider.Write{Op: provider.Delete, Key: rule.Key, Expect: now.Body}); err == nil {
		t.Error("the default rule was deleted")
	}
}

// TestRefused: what is unsafe or impossible is refused before anything is sent.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, `{"seed":1,"users":3,"groups":2}`)
	before := string(b.sim.State())
	group := b.named("group", resource.Key{}, "Everyone")
	for _, c := range []struct {
		name  string
		write provider.Write
		says  string
	}{
		{"a role that may have limits", provider.Write{Op: provider.Create, Key: resource.Key{Type: "group_role", Parent: group.ID}, Want: []byte(`{"type":"USER_ADMIN"}`)}, "whole org"},
		{"an assignment of a group's", provider.Write{Op: provider.Create, Key: resource.Key{Type: "app_user", Parent: "0oa1", ID: "00u1"}, Want: []byte(`{"scope":"GROUP"}`)}, "comes from a group"},
		{"a group of an app's", provider.Write{Op: provider.Create, Key: resource.Key{Type: "group"}, Want: []byte(`{"type":"APP_GROUP","profile":{"name":"x"}}`)}, "directory"},
		{"a policy there is one of", provider.Write{Op: provider.Create, Key: resource.Key{Type: "policy_idp_discovery"}, Want: []byte(`{}`)}, "no way"},
		{"org settings", provider.Write{Op: provider.Update, Key: resource.Key{Type: "org_settings", ID: "default"}, Want: []byte(`{}`)}, "no way"},
		{"no such type", provider.Write{Op: provider.Update, Key: resource.Key{Type: "nope", ID: "x"}, Want: []byte(`{}`)}, "type"},
		{"no such op", provider.Write{Op: "merge", Key: group.Key, Want: []byte(`{}`)}, "op"},
		{"nothing wanted", provider.Write{Op: provider.Update, Key: group.Key}, "want"},
		{"no parent", provider.Write{Op: provider.Create, Key: resource.Key{Type: "group_membership", ID: "00u1"}, Want: []byte(`{}`)}, "parent"},
		{"an id that leads elsewhere", provider.Write{Op: provider.Delete, Key: resource.Key{Type: "group", ID: "../users/00u1"}}, "id"},
	} {
		if _, err := b.w.Apply(t.Context(), c.write); !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want a problem of kind invalid that says %q", c.name, err, c.says)
		}
	}
	if string(b.sim.State()) != before {
		t.Error("something was written")
	}
}

// TestDeprovisioned: people who left are in the list though Okta leaves them out; those
// who left a moment ago may be in it twice.
func TestDeprovisioned(t *testing.T) {
	t.Parallel()
	b := newBench(t, `{"seed":1,"users":4,"groups":1}`)
	users := readAll(t, b.r, "user")
	b.sim.Call(http.MethodPost, "/api/v1/users/"+users[0].ID+"/lifecycle/deactivate", nil, nil)
	got := map[string]bool{}
	for _, u := range readAll(t, b.r, "user") {
		got[u.ID] = true
	}
	if len(got) != len(users) {
		t.Errorf("%d users after one left, want %d", len(got), len(users))
	}
}

// TestLostAnswer: a write that was made though its answer was lost is recognised.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	create := provider.Write{Op: provider.Create, Key: resource.Key{Type: "group"}, Want: []byte(`{"profile":{"description":null,"name":"Once"},"type":"OKTA_GROUP"}`)}
	b.sim.Fault(oktasimtest.Fault{Method: http.MethodPost, Path: "/api/v1/groups", Kind: "done_but_failed", Status: 500, Count: 1})
	if _, err := b.w.Apply(t.Context(), create); !problem.Is(err, problem.Unavailable) {
		t.Fatalf("the lost answer: %v", err)
	}
	if _, err := b.w.Apply(t.Context(), create); !problem.Is(err, problem.Conflict) {
		t.Errorf("made again: %v, want a problem of kind conflict", err)
	}
	found, err := b.r.Find(t.Context(), resource.Resource{Key: create.Key, Body: create.Want})
	if err != nil || len(found) != 1 {
		t.Errorf("%d groups of that name, %v", len(found), err)
	}
}

// TestReadOnlyRole: a read-only app lacks the right to see roles: a gap, and the
// rest is read.
func TestReadOnlyRole(t *testing.T) {
	t.Parallel()
	b := newBench(t, `{"seed":1,"users":3,"groups":2}`)
	r, err := okta.New(options(b.sim)).Reader(t.Context(), account.Org{URL: b.sim.URL}, b.sim.ServiceApp("plain", account.Read, "READ_ONLY_ADMIN", oktasimtest.ReadScopes()...).Credential)
	if err != nil {
		t.Fatal(err)
	}
	told := probed(t, r)
	for typ, want := range map[resource.Type]snapshot.Reason{
		"group": "", "group_membership": "", "app_group": "",
		"user_role": snapshot.Forbidden, "group_role": snapshot.Forbidden, // asked at one group
	} {
		if got := told[typ]; got.Readable != (want == "") || got.Gap != nil && (got.Gap.Reason != want || got.Gap.Parent != "") {
			t.Errorf("%s: %+v, gap %+v, want %q", typ, got, got.Gap, want)
		}
	}
}

// probed is what a probe tells, by type.
func probed(t *testing.T, r provider.Reader) map[resource.Type]provider.Access {
	t.Helper()
	told := map[resource.Type]provider.Access{}
	for access, err := range r.(provider.Prober).Probe(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		told[access.Type] = access
	}
	return told
}

// TestClassicOrg: what an org of the older engine cannot have is told as that, and not as
// something that is missing.
func TestClassicOrg(t *testing.T) {
	t.Parallel()
	sim := oktasimtest.Start(t, oktasimtest.Options{Seed: `{"seed":1,"users":3,"groups":2}`, Args: []string{"--engine", "classic"}})
	r, err := okta.New(options(sim)).Reader(t.Context(), account.Org{URL: sim.URL, Share: 1}, sim.ReadApp().Credential)
	if err != nil {
		t.Fatal(err)
	}
	told := probed(t, r)
	for typ, want := range map[resource.Type]snapshot.Reason{
		"group": "", "policy_okta_sign_on": "", "policy_password": "",
		"policy_access_policy": snapshot.NotLicensed, "policy_profile_enrollment": snapshot.NotLicensed,
	} {
		if got := told[typ]; got.Readable != (want == "") || got.Gap != nil && got.Gap.Reason != want {
			t.Errorf("%s: %+v, gap %+v, want %q", typ, got, got.Gap, want)
		}
	}
}
