package demo_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/demo"
	"imago/pkg/problem"
	"imago/pkg/provider/okta/oktasimtest"
)

const id = account.ConnectionID("01938f00-0000-7000-8000-0123456789ab")

func door(t *testing.T, sim *oktasimtest.Org) *demo.Orgs {
	t.Helper()
	orgs, err := demo.New(sim.URL, sim.Control)
	if err != nil {
		t.Fatal(err)
	}
	return orgs
}

// state is all that is in the org of a connection, but for the log.
func state(sim *oktasimtest.Org) string {
	return string(sim.Ask(http.MethodGet, "/control/v1/orgs/demo-0123456789ab/state?only=objects", nil))
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	if got := demo.URL(id); got != "http://demo-0123456789ab.imago.invalid" {
		t.Errorf("the org is at %s", got)
	}
	for text, ok := range map[string]bool{
		"http://oktasim:8080": true, "https://demo.example.com": true,
		"": false, "oktasim:8080": false, "http://oktasim:8080/": false, "http://ada@oktasim": false, "ftp://oktasim": false,
	} {
		if _, err := demo.Address(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Whoever is stopped in a scene plays it again: it leaves the org as once was enough. What
// people did stands in the log under their names and addresses, and their tokens are gone.
func TestTheStoryCanBePlayedTwice(t *testing.T) {
	t.Parallel()
	sim := oktasimtest.Start(t, oktasimtest.Options{})
	orgs := door(t, sim)
	for range 2 { // the second one takes the first one's place
		if err := orgs.Make(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, scene := range slices.Concat(demo.Day(), demo.Night()) {
		before := state(sim)
		var after [2]string
		for i := range after {
			if err := orgs.Play(t.Context(), id, scene); err != nil {
				t.Fatal(err)
			}
			after[i] = untimed(t, state(sim))
		}
		if untimed(t, before) == after[0] {
			t.Errorf("%s changes nothing", scene.Name)
		}
		if diff := cmp.Diff(after[0], after[1]); diff != "" {
			t.Errorf("%s, played again:\n%s", scene.Name, diff)
		}
	}
	log := string(sim.Ask(http.MethodGet, "/control/v1/orgs/demo-0123456789ab/state", nil))
	if left := tokens(t, log); strings.Contains(left, "console") {
		t.Errorf("tokens are left: %s", left)
	}
	for _, want := range []string{"203.0.113.77", "198.51.100.20", "robin.vale@acme-robotics.example", "group.lifecycle.delete", "user.account.privilege.grant"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// untimed is a state without the times at which things were last touched.
func untimed(t *testing.T, text string) string {
	t.Helper()
	var all any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(without(all))
}

func without(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if s, ok := inner.(string); ok && len(s) >= 20 && s[4] == '-' && s[10] == 'T' {
				delete(v, name)
				continue
			}
			v[name] = without(inner)
		}
	case []any:
		for i := range v {
			v[i] = without(v[i])
		}
	}
	return v
}

// tokens are those of people, in the org's state.
func tokens(t *testing.T, state string) string {
	t.Helper()
	var all struct {
		Session struct{ APITokens []struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(state), &all); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(all.Session.APITokens)
}

// Whatever is asked of a simulator that is away, or of an org that it has not, is no
// error of the program's.
func TestAway(t *testing.T) {
	t.Parallel()
	sim := oktasimtest.Start(t, oktasimtest.Options{})
	lost, err := demo.New(sim.URL, "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for name, orgs := range map[string]*demo.Orgs{"no simulator": nil, "one that is away": lost} {
		for what, err := range map[string]error{
			"make": orgs.Make(t.Context(), id), "remove": orgs.Remove(t.Context(), id),
			"switch": orgs.Switch(t.Context(), id, true), "play": orgs.Play(t.Context(), id, demo.Day()[0]),
		} {
			if !problem.Is(err, problem.Unavailable) || problem.Of(err).Hint == "" {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
	orgs := door(t, sim)
	if err := orgs.Switch(t.Context(), id, true); !problem.Is(err, problem.Unavailable) {
		t.Errorf("switch in an org that is not there: %v", err)
	}
	if err := orgs.Remove(t.Context(), id); err != nil {
		t.Errorf("remove an org that is not there: %v", err)
	}
}
