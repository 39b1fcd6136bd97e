package okta_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// TestCredentials: what is wrong with a credential is told by name, with a way out.
func TestCredentials(t *testing.T) {
	t.Parallel()
	sim := oktasimtest.Start(t, oktasimtest.Options{})
	app, other := sim.ReadApp(), sim.ServiceApp("other", account.Read, "READ_ONLY_ADMIN", "okta.groups.read")
	unscoped := sim.ServiceApp("unscoped", account.Read, "READ_ONLY_ADMIN")
	unscoped.Credential.Scopes = []string{"okta.groups.read"}
	off := sim.ServiceApp("off", account.Read, "READ_ONLY_ADMIN", "okta.groups.read")
	off.Deactivate()
	with := func(c account.Credential, change func(*account.Credential)) account.Credential {
		change(&c)
		return c
	}
	for _, c := range []struct {
		name, url  string
		credential account.Credential
		kind       problem.Kind
		says       string
	}{
		{"all right", sim.URL, app.Credential, "", ""},
		{"the write credential", sim.URL, with(app.Credential, func(c *account.Credential) { c.Purpose = account.Write }), problem.Invalid, "purpose"},
		{"no client id", sim.URL, with(app.Credential, func(c *account.Credential) { c.ClientID = "" }), problem.Invalid, "client_id"},
		{"no scopes", sim.URL, with(app.Credential, func(c *account.Credential) { c.Scopes = nil }), problem.Invalid, "scopes"},
		{"no key", sim.URL, with(app.Credential, func(c *account.Credential) { c.PrivateKey = "" }), problem.Invalid, "private_key: is not PEM"},
		{"half a key", sim.URL, with(app.Credential, func(c *account.Credential) {
			c.PrivateKey = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
		}), problem.Invalid, "private_key"},
		{"another app's key", sim.URL, with(app.Credential, func(c *account.Credential) { c.PrivateKey = other.Credential.PrivateKey }), problem.Denied, "key does not belong"},
		{"another key id", sim.URL, with(app.Credential, func(c *account.Credential) { c.KeyID = "nope" }), problem.Denied, "key does not belong"},
		{"unknown client", sim.URL, with(app.Credential, func(c *account.Credential) { c.ClientID = "0oanobody" }), problem.Denied, "client_id"},
		{"app switched off", sim.URL, off.Credential, problem.Denied, "active"},
		{"no scope granted", sim.URL, unscoped.Credential, problem.Denied, "okta.groups.read"},
		{"no org there", sim.Control, app.Credential, problem.Invalid, "org_url"},
		{"nobody there", "http://127.0.0.1:1", app.Credential, problem.Unavailable, "cannot be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := okta.New(options(sim))
			r, err := p.Reader(t.Context(), account.Org{URL: c.url}, c.credential)
			if err == nil {
				_, err = r.Org(t.Context())
			}
			noApp := []string{"another app's key", "another key id", "unknown client", "app switched off"}
			if shut := slices.Contains(noApp, c.name); provider.Shut(err) != shut {
				t.Errorf("Shut is %v", !shut)
			}
			if c.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !problem.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want a problem of kind %s that says %q", err, c.kind, c.says)
			}
		})
	}
}

// TestSkew: the org's clock may differ from ours; assertions go by the org's.
func TestSkew(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{2 * time.Hour, 26 * time.Hour} {
		sim := oktasimtest.Start(t, oktasimtest.Options{})
		app := sim.ReadApp()
		sim.AdvanceClock(skew)
		r, err := okta.New(okta.Options{}).Reader(t.Context(), account.Org{URL: sim.URL}, app.Credential)
		if err != nil {
			t.Fatal(err)
		}
		// Without Org first: the sign-in itself has to find the skew out.
		readAll(t, r, "group")
		facts, err := r.Org(t.Context())
		if off := facts.Skew - skew; err != nil || off.Abs() > 5*time.Second {
			t.Errorf("skew told as %v, want about %v: %v", facts.Skew, skew, err)
		}
	}
}

func readAll(t *testing.T, r provider.Reader, typ resource.Type) []resource.Resource {
	t.Helper()
	var all []resource.Resource
	for page, err := range r.List(t.Context(), typ, resource.Key{}, "") {
		if err != nil {
			t.Fatalf("list %s: %v (%s)", typ, err, provider.Detail(err))
		}
		all = append(all, page.Resources...)
	}
	return all
}

// TestMissingScope: what the app has no scope for is a gap, the rest is read.
func TestMissingScope(t *testing.T) {
	t.Parallel()
	sim := oktasimtest.Start(t, oktasimtest.Options{Seed: `{"seed":1,"users":5,"groups":3}`})
	app := sim.ServiceApp("few", account.Read, "READ_ONLY_ADMIN", "okta.groups.read", "okta.users.read")
	app.Credential.Scopes = oktasimtest.ReadScopes()
	r, err := okta.New(options(sim)).Reader(t.Context(), account.Org{URL: sim.URL}, app.Credential)
	if err != nil {
		t.Fatal(err)
	}
	if len(readAll(t, r, "group")) < 3 {
		t.Error("groups are missing")
	}
	readable := map[resource.Type]bool{}
	for access, err := range r.(provider.Prober).Probe(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		readable[access.Type] = access.Readable
		if access.Type == "app" && (access.Gap.Reason != snapshot.Forbidden || !strings.Contains(access.Gap.Detail, "okta.apps.read")) {
			t.Errorf("the gap of app: %+v", access.Gap)
		}
	}
	if !readable["group"] || !readable["user"] || readable["app"] || readable["policy_access_policy"] || readable["app_user"] {
		t.Errorf("readable: %v", readable)
	}
	_, err = r.(provider.Follower).Follow(t.Context(), "")
	if !problem.Is(err, problem.Denied) || !strings.Contains(err.Error(), "okta.logs.read") {
		t.Errorf("Follow without its scope: %v", err)
	}
	if _, ok := errors.AsType[*provider.Unreadable](err); !ok {
		t.Errorf("Follow without its scope: %T, want one that a backup without the log can go on from", err)
	}
}

// TestTokenEnds: a token that ended or was revoked is replaced by itself.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	sim := oktasimtest.Start(t, oktasimtest.Options{Seed: `{"seed":1,"users":5,"groups":3}`})
	r, err := okta.New(options(sim)).Reader(t.Context(), account.Org{URL: sim.URL}, sim.ReadApp().Credential)
	if err != nil {
		t.Fatal(err)
	}
	want := len(readAll(t, r, "group"))
	sim.AdvanceClock(2 * time.Hour) // the simulator's only: our own clock thinks it good
	if got := len(readAll(t, r, "group")); got != want {
		t.Errorf("%d groups after the token's end, want %d", got, want)
	}
}

// TestWindow: a released write credential is worth nothing once its app is off.
func TestWindow(t *testing.T) {
	t.Parallel()
	sim := oktasimtest.Start(t, oktasimtest.Options{})
	app := sim.WriteApp()
	w, err := okta.New(options(sim)).Writer(t.Context(), account.Org{URL: sim.URL}, app.Credential)
	if err != nil {
		t.Fatal(err)
	}
	make := func(name string) error {
		_, err := w.Apply(t.Context(), provider.Write{Op: provider.Create, Key: resource.Key{Type: "group"}, Want: []byte(`{"profile":{"name":"` + name + `"}}`)})
		return err
	}
	if err := make("inside the window"); err != nil {
		t.Fatal(err)
	}
	if err := w.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	app.Deactivate()
	if err := make("after the window"); !problem.Is(err, problem.Denied) {
		t.Errorf("a write after the window: %v, want a problem of kind denied", err)
	}
	app.Activate()
	if err := make("in the next window"); err != nil {
		t.Error(err)
	}
	var groups []struct{ ID string }
	sim.Call(http.MethodGet, "/api/v1/groups?q=after", nil, &groups)
	if len(groups) != 0 {
		t.Error("the refused write was made")
	}
}
