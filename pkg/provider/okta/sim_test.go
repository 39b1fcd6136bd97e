package okta_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/provider/providertest"
	"imago/pkg/resource"
)

// clock is ours and the simulator's: waiting moves both at once.
type clock struct {
	sim *oktasimtest.Org

	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sim.AdvanceClock(d)
	c.ahead += d
	return ctx.Err()
}

// options are those of a provider that waits on the simulator's clock.
func options(sim *oktasimtest.Org) okta.Options {
	c := &clock{sim: sim}
	return okta.Options{Now: c.now, Sleep: c.sleep}
}

// TestProvider runs the suite of the door against the simulated org.
func TestProvider(t *testing.T) {
	t.Parallel()
	providertest.Run(t, func(t *testing.T) providertest.Bundle {
		sim := oktasimtest.Start(t, oktasimtest.Options{Seed: `{"seed":7,"users":450,"groups":5,"memberships":60,"apps":6,"rules":3,"policies":2,"zones":2}`})
		sim.Unlimited()
		return bundle(t, sim)
	})
}

func bundle(t *testing.T, sim *oktasimtest.Org) providertest.Bundle {
	t.Helper()
	p := okta.New(options(sim))
	org := account.Org{URL: sim.URL, Share: 1}
	r, err := p.Reader(t.Context(), org, sim.ServiceApp("Imago read", account.Read, "SUPER_ADMIN", oktasimtest.ReadScopes()...).Credential)
	if err != nil {
		t.Fatal(err)
	}
	w, err := p.Writer(t.Context(), org, sim.WriteApp().Credential)
	if err != nil {
		t.Fatal(err)
	}
	fault := func(f oktasimtest.Fault) func(*testing.T) {
		f.Method, f.Path = http.MethodGet, "/api/v1/users*"
		return func(*testing.T) { sim.Fault(f) }
	}
	return providertest.Bundle{
		Provider: p, Org: org, NoOrg: account.Org{URL: sim.Control}, Reader: r, Writer: w, Paged: "user", Samples: samples(),
		Trouble: map[string]func(*testing.T){
			"503":            fault(oktasimtest.Fault{Kind: "status", Status: 503, Count: 3, After: 1}),
			"429":            fault(oktasimtest.Fault{Kind: "429", Count: 2, Delay: "1s"}),
			"cut":            fault(oktasimtest.Fault{Kind: "cut", Count: 2, Bytes: 1000, After: 1}),
			"half page":      fault(oktasimtest.Fault{Kind: "half_page", Count: 2, After: 1}),
			"malformed JSON": fault(oktasimtest.Fault{Kind: "malformed_json", Count: 2}),
			"lost link":      fault(oktasimtest.Fault{Kind: "drop_link", Count: 1, After: 1}),
		},
		Broken: map[string]func(*testing.T){
			"500":            fault(oktasimtest.Fault{Kind: "status", Status: 500, After: 1}),
			"cut":            fault(oktasimtest.Fault{Kind: "cut", Bytes: 1000, After: 1}),
			"half page":      fault(oktasimtest.Fault{Kind: "half_page", After: 1}),
			"malformed JSON": fault(oktasimtest.Fault{Kind: "malformed_json", After: 1}),
			"429":            fault(oktasimtest.Fault{Kind: "429", After: 1}),
		},
		Heal:   func(t *testing.T) { healed(t, sim) },
		Happen: func(t *testing.T) providertest.Happening { return deleteGroup(t, sim) },
	}
}

// healed clears the faults and sees that they were met.
func healed(t *testing.T, sim *oktasimtest.Org) {
	t.Helper()
	for _, f := range sim.ClearFaults() {
		if f.Fired == 0 {
			t.Errorf("the fault %+v was never met", f)
		}
	}
}

func deleteGroup(t *testing.T, sim *oktasimtest.Org) providertest.Happening {
	t.Helper()
	var groups []struct{ ID string }
	sim.Call(http.MethodGet, `/api/v1/groups?filter=type+eq+%22OKTA_GROUP%22`, nil, &groups)
	var me struct{ ID string }
	sim.Call(http.MethodGet, "/api/v1/users/me", nil, &me)
	sim.Call(http.MethodDelete, "/api/v1/groups/"+groups[0].ID, nil, nil)
	return providertest.Happening{
		Name: "group.lifecycle.delete", ActorID: me.ID,
		Touched: provider.Touch{Key: resource.Key{Type: "group", ID: groups[0].ID}, Op: provider.Delete,
			Children: []resource.Type{"group_membership", "group_role"}},
	}
}

// made is what earlier samples made.
type made = map[resource.Type]resource.Resource

func samples() []providertest.Sample {
	idOf := func(t resource.Type) func(made) string { return func(m made) string { return m[t].ID } }
	text := func(s string) func(made) string { return func(made) string { return s } }
	set := func(key resource.Path, value string) func([]byte) ([]byte, error) {
		return func(live []byte) ([]byte, error) { return resource.With(live, key, []byte(value)) }
	}
	return []providertest.Sample{
		{Type: "network_zone", Create: text(`{"type":"IP","name":"Sample","status":"ACTIVE","usage":"POLICY","gateways":[{"type":"CIDR","value":"10.9.0.0/24"}]}`),
			Change: set("gateways", `[{"type":"CIDR","value":"10.9.0.0/16"}]`)},
		{Type: "group", Create: text(`{"type":"OKTA_GROUP","profile":{"name":"Sample \"group\"","description":"of the suite"}}`),
			Change: set("profile", `{"description":"changed","name":"Sample \"group\""}`)},
		{Type: "user", Create: text(`{"status":"ACTIVE","profile":{"login":"sample@acme.example","email":"sample@acme.example","firstName":"Sam","lastName":"Ple"}}`),
			Change: func(live []byte) ([]byte, error) {
				return resource.With(live, "profile", []byte(`{"email":"sample@acme.example","firstName":"Samantha","lastName":"Ple","login":"sample@acme.example","mobilePhone":null,"secondEmail":null}`))
			}},
		{Type: "group_membership", Parent: idOf("group"), ID: idOf("user"), Create: func(m made) string { return fmt.Sprintf(`{"id":%q}`, m["user"].ID) }},
		// Okta grants no role to a group that a rule fills: it comes before the rule.
		{Type: "group_role", Parent: idOf("group"), Create: text(`{"type":"READ_ONLY_ADMIN"}`)},
		{Type: "group_rule", Create: func(m made) string {
			return fmt.Sprintf(`{"type":"group_rule","name":"Sample rule","status":"ACTIVE","conditions":{"expression":{"type":"urn:okta:expression:1.0","value":"user.title==\"Sample\""}},"actions":{"assignUserToGroups":{"groupIds":[%q]}}}`, m["group"].ID)
		}, Change: set("status", `"INACTIVE"`)},
		{Type: "app", Create: text(`{"name":"bookmark","label":"Sample","signOnMode":"BOOKMARK","status":"ACTIVE","settings":{"app":{"requestIntegration":false,"url":"https://sample.example/"}}}`),
			Change: set("label", `"Sample, changed"`)},
		{Type: "app_group", Parent: idOf("app"), ID: idOf("group"), Create: text(`{"priority":0,"profile":{}}`)},
		{Type: "policy_okta_sign_on", Create: func(m made) string {
			return fmt.Sprintf(`{"type":"OKTA_SIGN_ON","name":"Sample","status":"ACTIVE","description":"d","priority":1,"conditions":{"people":{"groups":{"include":[%q]}}}}`, m["group"].ID)
		}, Change: set("description", `"changed"`)},
		{Type: "policy_okta_sign_on_rule", Parent: idOf("policy_okta_sign_on"), Create: func(m made) string {
			return fmt.Sprintf(`{"type":"SIGN_ON","name":"Sample","status":"ACTIVE","priority":1,"conditions":{"network":{"connection":"ZONE","include":[%q]},"people":{"users":{"exclude":[]}}},"actions":{"signon":{"access":"ALLOW","requireFactor":false,"session":{"usePersistentCookie":false,"maxSessionIdleMinutes":60,"maxSessionLifetimeMinutes":0}}}}`, m["network_zone"].ID)
		}, Change: set("status", `"INACTIVE"`)},
	}
}
