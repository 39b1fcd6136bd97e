package okta_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/provider"
	"imago/pkg/resource"
)

// object is any JSON object to send.
type object = map[string]any

// TestFollowTells does one thing after the other as an administrator, and looks
// that the log names what was touched.
func TestFollowTells(t *testing.T) {
	t.Parallel()
	b := newBench(t, `{"seed":3,"users":8,"groups":3,"memberships":6,"apps":3,"rules":1,"policies":1,"zones":1}`)
	user, group := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "user"}, Want: []byte(
		`{"profile":{"email":"followed@acme.example","firstName":"Fol","lastName":"Lowed","login":"followed@acme.example"},"status":"ACTIVE"}`)}), b.group("Followed")
	app := b.named("app", resource.Key{}, "App 00002")
	zone := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "network_zone"}, Want: []byte(
		`{"gateways":[{"type":"CIDR","value":"10.0.0.0/8"}],"name":"Followed","status":"ACTIVE","type":"IP","usage":"POLICY"}`)})
	policy := b.named("policy_okta_sign_on", resource.Key{}, "Default Policy")
	rule := b.named("policy_okta_sign_on_rule", policy.Key, "")
	groupRule := b.named("group_rule", resource.Key{}, "")
	at := func(t resource.Type, parent, id string, op provider.Op, children ...resource.Type) provider.Touch {
		return provider.Touch{Key: resource.Key{Type: t, Parent: parent, ID: id}, Op: op, Children: children}
	}
	for _, c := range []struct {
		method, path string
		body         object
		want         provider.Touch
	}{
		{"PUT", "/api/v1/groups/" + group.ID, object{"profile": object{"name": "Followed on"}}, at("group", "", group.ID, provider.Update)},
		{"PUT", "/api/v1/groups/" + group.ID + "/users/" + user.ID, nil, at("group_membership", group.ID, user.ID, provider.Create)},
		{"PUT", "/api/v1/apps/" + app.ID + "/groups/" + group.ID, object{}, at("app_group", app.ID, group.ID, provider.Create)},
		{"DELETE", "/api/v1/apps/" + app.ID + "/groups/" + group.ID, nil, at("app_group", app.ID, group.ID, provider.Delete)},
		{"POST", "/api/v1/apps/" + app.ID + "/users", object{"id": user.ID, "scope": "USER", "credentials": object{"userName": "x"}}, at("app_user", app.ID, user.ID, provider.Create)},
		{"DELETE", "/api/v1/groups/" + group.ID + "/users/" + user.ID, nil, at("group_membership", group.ID, user.ID, provider.Delete)},
		{"POST", "/api/v1/users/" + user.ID, object{"profile": object{"title": "Followed"}}, at("user", "", user.ID, provider.Update)},
		{"POST", "/api/v1/users/" + user.ID + "/roles", object{"type": "READ_ONLY_ADMIN"}, at("user_role", user.ID, "", provider.Create)},
		{"POST", "/api/v1/groups/" + group.ID + "/roles", object{"type": "READ_ONLY_ADMIN"}, at("group_role", group.ID, "", provider.Create)},
		{"POST", "/api/v1/zones/" + zone.ID + "/lifecycle/deactivate", nil, at("network_zone", "", zone.ID, provider.Update)},
		{"PUT", "/api/v1/policies/" + policy.ID + "/rules/" + rule.ID, b.object(rule.Body), at("policy_okta_sign_on_rule", policy.ID, rule.ID, provider.Update)},
		{"POST", "/api/v1/groups/rules/" + groupRule.ID + "/lifecycle/deactivate", nil, at("group_rule", "", groupRule.ID, provider.Update)},
		{"POST", "/api/v1/apps/" + app.ID + "/lifecycle/deactivate", nil, at("app", "", app.ID, provider.Update)},
		{"DELETE", "/api/v1/apps/" + app.ID, nil, at("app", "", app.ID, provider.Delete, "app_user", "app_group", "client_role")},
		{"DELETE", "/api/v1/groups/" + group.ID, nil, at("group", "", group.ID, provider.Delete, "group_membership", "group_role")},
	} {
		begin := b.follow("")
		b.sim.Call(c.method, c.path, orNil(c.body), nil)
		got := b.follow(begin.Cursor)
		var touched []provider.Touch
		for _, e := range got.Events {
			touched = append(touched, e.Touched...)
		}
		if !slices.ContainsFunc(touched, func(x provider.Touch) bool { return cmp.Equal(x, c.want) }) {
			t.Errorf("%s %s: %s touches %+v, want %+v", c.method, c.path, events(got), touched, c.want)
		}
	}
}

// TestOurOwnWrites: what we wrote is known again in the log by its transaction.
func TestOurOwnWrites(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	begin := b.follow("")
	done, err := b.w.Apply(t.Context(), provider.Write{Op: provider.Create, Key: resource.Key{Type: "group"}, Want: []byte(`{"profile":{"name":"Ours"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	ours := false
	for _, e := range b.follow(begin.Cursor).Events {
		ours = ours || e.Name == "group.lifecycle.create" && (e.Transaction == done.Transaction || e.Request == done.Transaction)
	}
	if !ours {
		t.Errorf("no event of the transaction %s", done.Transaction)
	}
}

func (b bench) follow(cursor string) provider.Events {
	b.Helper()
	got, err := b.r.(provider.Follower).Follow(b.Context(), cursor)
	if err != nil {
		b.Fatalf("follow: %v (%s)", err, provider.Detail(err))
	}
	return got
}

func (b bench) object(body []byte) object {
	b.Helper()
	out := object{}
	for _, key := range []string{"type", "name", "priority", "conditions", "actions"} {
		values, err := resource.Path(key).Lookup(body)
		if err != nil {
			b.Fatal(err)
		}
		for _, v := range values {
			out[key] = raw(v.JSON)
		}
	}
	return out
}

// raw is JSON to send as it stands.
type raw []byte

func (r raw) MarshalJSON() ([]byte, error) { return r, nil }

// orNil keeps a missing body missing.
func orNil(o object) any {
	if o == nil {
		return nil
	}
	return o
}

func events(e provider.Events) string {
	var names []string
	for _, x := range e.Events {
		names = append(names, fmt.Sprintf("%s by %s", x.Name, x.Actor.Type))
	}
	return fmt.Sprint(names)
}
