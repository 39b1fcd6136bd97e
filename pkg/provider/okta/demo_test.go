package okta_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/resource"
)

const demoHost = "demo-0123456789ab.imago.invalid"

// demoOrg makes a furnished org beside the simulator's own, and a reader of it.
func demoOrg(t *testing.T, sim *oktasimtest.Org) provider.Reader {
	t.Helper()
	sim.Ask(http.MethodPost, "/control/v1/orgs", map[string]any{"name": "demo", "hosts": []string{demoHost}, "url": "http://" + demoHost})
	sim.Ask(http.MethodPost, "/control/v1/orgs/demo/seed", map[string]any{"preset": "demo"})
	var app struct{ ClientID, PrivateKey, Kid string }
	if err := json.Unmarshal(sim.Ask(http.MethodPost, "/control/v1/orgs/demo/service-apps", map[string]any{
		"label": "Imago", "role": "READ_ONLY_ADMIN", "scopes": oktasimtest.ReadScopes(),
	}), &app); err != nil {
		t.Fatal(err)
	}
	o := options(sim)
	o.Public, o.Demo = true, sim.URL
	r, err := okta.New(o).Reader(t.Context(), account.Org{URL: "http://" + demoHost, Demo: true}, account.Credential{
		Purpose: account.Read, ClientID: app.ClientID, KeyID: app.Kid, PrivateKey: account.Secret(app.PrivateKey), Scopes: oktasimtest.ReadScopes(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An org that its simulator has lost is away: nothing in it counts as deleted, though
// another org answers in its place, and though the reader has a token.
func TestALostDemoOrgIsAway(t *testing.T) {
	t.Parallel()
	sim := oktasimtest.Start(t, oktasimtest.Options{Seed: "demo"})
	r := demoOrg(t, sim)
	var group resource.Key
	for page, err := range r.List(t.Context(), "group", resource.Key{}, "") {
		if err != nil {
			t.Fatal(err)
		}
		group = page.Resources[0].Key
	}
	if _, err := r.Get(t.Context(), resource.Key{Type: "group", ID: "00gnothing"}); !problem.Is(err, problem.NotFound) {
		t.Errorf("a group that is not there: %v", err)
	}
	sim.Ask(http.MethodDelete, "/control/v1/orgs/demo", nil)
	for name, ask := range map[string]func() error{
		"a group": func() error { _, err := r.Get(t.Context(), group); return err },
		"who":     func() error { _, err := r.Org(t.Context()); return err },
		"a list": func() (failed error) {
			for _, err := range r.List(t.Context(), "group", resource.Key{}, "") {
				failed = err
			}
			return failed
		},
	} {
		if err := ask(); !problem.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), "the demo org is away") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The simulator's address is let through for demo orgs alone, and theirs lead nowhere else:
// a customer cannot name it, and whoever made a demo of another address could not reach that.
func TestTheSimulatorIsReachedForDemosAlone(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Host)
	}))
	t.Cleanup(server.Close)
	p := okta.New(okta.Options{Public: true, Demo: server.URL})
	for _, url := range []string{server.URL, strings.Replace(server.URL, "http:", "https:", 1), "http://" + demoHost, "https://" + demoHost} {
		if _, err := p.Org(t.Context(), account.Org{URL: url}); !problem.Is(err, problem.Invalid) && !problem.Is(err, problem.Unavailable) {
			t.Errorf("%s: %v", url, err)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the simulator was asked for %v", asked)
	}
	if _, err := p.Org(t.Context(), account.Org{URL: "http://169.254.169.254", Demo: true}); !problem.Is(err, problem.Unavailable) {
		t.Errorf("another org than the one that was asked answered: %v", err)
	}
	if len(asked) == 0 || asked[0] != "169.254.169.254" {
		t.Errorf("the simulator was asked for %v", asked)
	}
	if _, err := okta.New(okta.Options{Public: true}).Org(t.Context(), account.Org{URL: "http://169.254.169.254", Demo: true}); !problem.Is(err, problem.Unavailable) {
		t.Errorf("without a simulator: %v", err)
	}
}
