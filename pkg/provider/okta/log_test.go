package okta

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// target makes a log target; detail is the policyType if it is not "".
func logTarget(typ, id, policyType string) party {
	p := party{ID: id, Type: typ}
	if policyType != "" {
		p.Detail = map[string]any{"policyType": policyType}
	}
	return p
}

func TestTouched(t *testing.T) {
	t.Parallel()
	user, group, app := logTarget("User", "00u1", ""), logTarget("UserGroup", "00g1", ""), logTarget("AppInstance", "0oa1", "")
	touch := func(t resource.Type, parent, id string, op provider.Op, children ...resource.Type) provider.Touch {
		return provider.Touch{Key: resource.Key{Type: t, Parent: parent, ID: id}, Op: op, Children: children}
	}
	for _, c := range []struct {
		event   string
		targets []party
		want    []provider.Touch
	}{
		{"group.lifecycle.create", []party{group}, []provider.Touch{touch("group", "", "00g1", provider.Create)}},
		{"group.lifecycle.delete", []party{group}, []provider.Touch{touch("group", "", "00g1", provider.Delete, "group_membership", "group_role")}},
		{"group.user_membership.add", []party{user, group}, []provider.Touch{touch("group_membership", "00g1", "00u1", provider.Create)}},
		{"group.user_membership.remove", []party{group, user}, []provider.Touch{touch("group_membership", "00g1", "00u1", provider.Delete)}},
		{"application.user_membership.add", []party{logTarget("AppUser", "0ua1", ""), app, user}, []provider.Touch{touch("app_user", "0oa1", "00u1", provider.Create)}},
		{"group.application_assignment.remove", []party{group, app}, []provider.Touch{touch("app_group", "0oa1", "00g1", provider.Delete)}},
		{"application.lifecycle.delete", []party{app}, []provider.Touch{touch("app", "", "0oa1", provider.Delete, "app_user", "app_group", "client_role")}},
		{"policy.lifecycle.update", []party{logTarget("PolicyEntity", "00p1", "OktaSignOn")}, []provider.Touch{touch("policy_okta_sign_on", "", "00p1", provider.Update)}},
		{"policy.rule.update", []party{logTarget("PolicyRule", "0pr1", "ACCESS_POLICY"), logTarget("PolicyEntity", "rst1", "ACCESS_POLICY")},
			[]provider.Touch{touch("policy_access_policy_rule", "rst1", "0pr1", provider.Update)}},
		{"policy.rule.delete", []party{logTarget("PolicyRule", "0pr1", "group_rule")}, []provider.Touch{touch("group_rule", "", "0pr1", provider.Delete)}},
		{"zone.update", []party{logTarget("NetworkZone", "nzo1", "")}, []provider.Touch{touch("network_zone", "", "nzo1", provider.Update)}},
		{"user.account.privilege.grant", []party{user}, []provider.Touch{touch("user_role", "00u1", "", provider.Create)}},
		{"group.privilege.revoke", []party{group}, []provider.Touch{touch("group_role", "00g1", "", provider.Delete)}},
		{"user.lifecycle.delete.completed", []party{user}, []provider.Touch{touch("user", "", "00u1", provider.Delete, "user_role")}},
		{"directory.non_default_user_profile.create", nil, []provider.Touch{touch("user_type", "", "", provider.Create)}},
		{"user.session.start", []party{user}, nil},
	} {
		e := logEvent{Type: c.event, Targets: c.targets}
		if d := cmp.Diff(c.want, newRegistry().touched(e)); d != "" {
			t.Errorf("%s: %s", c.event, d)
		}
		e.Outcome.Result = "FAILURE"
		if got := newRegistry().touched(e); got != nil {
			t.Errorf("%s that failed touches %v", c.event, got)
		}
	}
}

// A kind of policy that nobody knows could be any of them; a known one is that one.
func TestTouchedUnknownPolicy(t *testing.T) {
	t.Parallel()
	got := newRegistry().touched(logEvent{Type: "policy.lifecycle.delete", Targets: []party{logTarget("PolicyEntity", "00p1", "SomethingNew")}})
	if len(got) != len(policyKinds()) {
		t.Errorf("%d touches, want one for each of %d kinds", len(got), len(policyKinds()))
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	const raw = `{"uuid":"u-1","published":"2026-03-01T12:00:00.123Z","eventType":"group.lifecycle.delete","displayMessage":"Delete Okta group",
"actor":{"id":"00uA","type":"User","alternateId":"eve@acme.example","displayName":"Eve"},
"client":{"ipAddress":"203.0.113.9","userAgent":{"rawUserAgent":"curl/8"},"geographicalContext":{"city":"Berlin","state":null,"country":"Germany"}},
"authenticationContext":{"externalSessionId":"unknown"},"transaction":{"id":"tx","type":"WEB"},"outcome":{"result":"SUCCESS"},
"debugContext":{"debugData":{"requestId":"req"}},"target":[{"id":"00g1","type":"UserGroup","alternateId":"unknown","displayName":"Finance"}]}`
	got, err := newRegistry().event([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"u-1","time":"2026-03-01T12:00:00.123Z","name":"group.lifecycle.delete","summary":"Delete Okta group","outcome":"SUCCESS",` +
		`"actor":{"id":"00uA","type":"User","login":"eve@acme.example","name":"Eve"},"client":{"ip":"203.0.113.9","user_agent":"curl/8","place":"Berlin, Germany"},` +
		`"transaction":"tx","request":"req","targets":[{"id":"00g1","type":"UserGroup","name":"Finance"}],` +
		`"touched":[{"key":{"type":"group","id":"00g1"},"op":"delete","children":["group_membership","group_role"]}]}`
	if d := cmp.Diff(want, string(text)); d != "" {
		t.Error(d)
	}
	system, err := newRegistry().event([]byte(strings.Replace(raw, `"type":"User",`, `"type":"SystemPrincipal",`, 1)))
	if err != nil || !system.Actor.System {
		t.Errorf("Okta itself as the actor: %+v, %v", system.Actor, err)
	}
	for _, bad := range []string{`{}`, `[]`, `{"uuid":7}`} {
		if _, err := newRegistry().event([]byte(bad)); err == nil {
			t.Errorf("%s is taken for an event", bad)
		}
	}
}

func TestFollowPages(t *testing.T) {
	t.Parallel()
	page := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"uuid":"u%d","published":"2026-03-01T12:00:00Z","eventType":"x"}`, i)
		}
		return "[" + strings.TrimPrefix(b.String(), ",") + "]"
	}
	link := []string{"Link", `</api/v1/logs?after=1&limit=1000>; rel="next"`}
	for _, c := range []struct {
		name   string
		script []http.HandlerFunc
		events int
		more   bool
		kind   problem.Kind
	}{
		{"nothing new", []http.HandlerFunc{answer(200, `[]`, link...)}, 0, false, ""},
		{"a few", []http.HandlerFunc{answer(200, page(3), link...)}, 3, false, ""},
		{"a full page", []http.HandlerFunc{answer(200, page(1000), link...)}, 1000, true, ""},
		{"the link lost once", []http.HandlerFunc{answer(200, page(3)), answer(200, page(3), link...)}, 3, false, ""},
		{"the link lost for ever", []http.HandlerFunc{answer(200, page(3))}, 0, false, problem.Unavailable},
		{"cursor refused", []http.HandlerFunc{answer(400, `{"errorCode":"E0000031"}`)}, 0, false, problem.Stale},
		{"no scope", []http.HandlerFunc{answer(403, `{"errorCode":"E0000006"}`)}, 0, false, problem.Denied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			org := newFakeOrg(t, c.script...)
			got, err := testReader(t, org.URL, org.clock.options()).Follow(t.Context(), "/api/v1/logs?after=0&limit=1000")
			if c.kind != "" {
				if !problem.Is(err, c.kind) {
					t.Errorf("%v, want a problem of kind %s", err, c.kind)
				}
				return
			}
			if err != nil || len(got.Events) != c.events || got.More != c.more || got.Cursor != "/api/v1/logs?after=1&limit=1000" {
				t.Errorf("%d events, more=%v, cursor %q, %v", len(got.Events), got.More, got.Cursor, err)
			}
		})
	}
}
