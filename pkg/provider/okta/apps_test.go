package okta_test

import (
	"fmt"
	"strings"
	"testing"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/resource"
)

const (
	samlApp = `{"label":"Payroll","settings":{"signOn":{"assertionSigned":true,"audience":"https://sp.example","authnContextClassRef":"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport","defaultRelayState":"","destination":"https://sp.example/acs","digestAlgorithm":"SHA256","honorForceAuthn":true,"idpIssuer":"http://www.okta.com/${org.externalKey}","recipient":"https://sp.example/acs","requestCompressed":false,"responseSigned":true,"signatureAlgorithm":"RSA_SHA256","ssoAcsUrl":"https://sp.example/acs","subjectNameIdFormat":"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress","subjectNameIdTemplate":"${user.userName}"}},"signOnMode":"SAML_2_0","status":"ACTIVE"}`
	oidcApp = `{"credentials":{"oauthClient":{"token_endpoint_auth_method":"client_secret_basic"}},"label":"Shop","name":"oidc_client","settings":{"oauthClient":{"application_type":"web","grant_types":["authorization_code"],"redirect_uris":["https://shop.example/cb"],"response_types":["code"]}},"signOnMode":"OPENID_CONNECT","status":"ACTIVE"}`
)

// TestAppComesBack: an app that was deleted is made again from what was read of it.
func TestAppComesBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		create string
		same   []resource.Path // what must not have changed
	}{
		"custom SAML, whose name Okta gives":   {samlApp, []resource.Path{"label", "signOnMode", "status", "settings.signOn.ssoAcsUrl"}},
		"OIDC, whose client id can be chosen":  {oidcApp, []resource.Path{"label", "name", "status", "credentials.oauthClient.client_id", "settings.oauthClient.redirect_uris[]"}},
		"a bookmark, which is nothing special": {`{"label":"Wiki","name":"bookmark","settings":{"app":{"requestIntegration":false,"url":"https://wiki.example/"}},"signOnMode":"BOOKMARK","status":"INACTIVE"}`, []resource.Path{"label", "status", "settings.app.url"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "")
			was := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "app"}, Want: []byte(c.create)})
			b.apply(provider.Write{Op: provider.Delete, Key: was.Key, Expect: was.Body})
			// Meanwhile somebody made one that Okta gave the old one's technical name.
			b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "app"}, Want: []byte(strings.Replace(samlApp, "Payroll", "Pay-roll", 1))})
			again := provider.Write{Op: provider.Create, Key: resource.Key{Type: "app"}, Want: was.Body}
			now := b.apply(again)
			if now.ID == was.ID {
				t.Errorf("it has its old id %s", now.ID)
			}
			for _, path := range c.same {
				if got, want := b.text(path, now.Body), b.text(path, was.Body); got != want || want == "" {
					t.Errorf("%s is %q, want %q", path, got, want)
				}
			}
			if _, err := b.w.Apply(t.Context(), again); !problem.Is(err, problem.Conflict) {
				t.Errorf("made once more: %v, want a problem of kind conflict", err)
			}
			found, err := b.r.Find(t.Context(), resource.Resource{Key: again.Key, Body: was.Body})
			if err != nil || len(found) != 1 || found[0].ID != now.ID {
				t.Errorf("found by what was read of the old one: %v, %v", found, err)
			}
		})
	}
}

// TestProfileEnrollment: an app's other policy is written by its own call too.
func TestProfileEnrollment(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	policy := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "policy_profile_enrollment"},
		Want: []byte(`{"description":"d","name":"By hand","status":"ACTIVE","type":"PROFILE_ENROLLMENT"}`)})
	app := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "app"}, Want: []byte(oidcApp)})
	href := b.text("_links.profileEnrollment.href", app.Body)
	want := strings.Replace(string(app.Body), href[strings.LastIndexByte(href, '/')+1:], policy.ID, 1)
	now := b.apply(provider.Write{Op: provider.Update, Key: app.Key, Expect: app.Body, Want: []byte(want)})
	if got := b.text("_links.profileEnrollment.href", now.Body); !strings.HasSuffix(got, policy.ID) {
		t.Errorf("the app's policy is %s, want %s", got, policy.ID)
	}
}

// TestCreateUnderOldID: what Okta numbers gets a number of its own, whatever the
// caller calls it.
func TestCreateUnderOldID(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	w := provider.Write{Op: provider.Create, Key: resource.Key{Type: "group", ID: "00gdeletedlongago000"}, Want: []byte(`{"profile":{"description":null,"name":"Back"},"type":"OKTA_GROUP"}`)}
	now := b.apply(w)
	if now.ID == w.Key.ID || b.text("profile.name", now.Body) != "Back" {
		t.Errorf("made %v: %s", now.Key, now.Body)
	}
	if _, err := b.w.Apply(t.Context(), w); !problem.Is(err, problem.Conflict) {
		t.Errorf("made once more: %v, want a problem of kind conflict", err)
	}
}

// TestPriorities: writes move the places of other policies, which is no reason to
// take those for changed by somebody.
func TestPriorities(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	create := func(name string, priority int) resource.Resource {
		return b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "policy_okta_sign_on"}, Want: []byte(fmt.Sprintf(
			`{"conditions":{"people":{"groups":{"include":[]}}},"description":"d","name":%q,"priority":%d,"status":"ACTIVE","type":"OKTA_SIGN_ON"}`, name, priority))})
	}
	two := create("Two", 1)
	three := create("Three", 2)
	one := create("One", 1) // moves both
	if got := b.text("name", b.get(two.Key).Body); got != "Two" || b.number("priority", b.get(two.Key).Body) != "2" || b.number("priority", b.get(three.Key).Body) != "3" {
		t.Fatalf("Okta did not make room: %s", b.get(two.Key).Body)
	}
	now := b.apply(provider.Write{Op: provider.Update, Key: two.Key, Expect: two.Body, Want: b.with(b.with(two.Body, "description", `"e"`), "priority", "2")})
	if b.text("description", now.Body) != "e" || b.number("priority", now.Body) != "2" {
		t.Errorf("after an update: %s", now.Body)
	}
	moved := b.apply(provider.Write{Op: provider.Update, Key: three.Key, Expect: three.Body, Want: b.with(three.Body, "priority", "1")})
	if b.number("priority", moved.Body) != "1" || b.number("priority", b.get(one.Key).Body) != "2" {
		t.Errorf("after a change of place: %s", moved.Body)
	}
	stale := provider.Write{Op: provider.Update, Key: two.Key, Expect: two.Body, Want: b.with(two.Body, "description", `"f"`)}
	if _, err := b.w.Apply(t.Context(), stale); !problem.Is(err, problem.Stale) {
		t.Errorf("an old description: %v, want a problem of kind stale", err)
	}
}

// TestInactiveFromTheStart: a rule that is to be off is never on, not for a moment.
func TestInactiveFromTheStart(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	begin := b.follow("")
	policy := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "policy_okta_sign_on"}, Want: []byte(
		`{"conditions":{"people":{"groups":{"include":[]}}},"description":"d","name":"Off","priority":1,"status":"INACTIVE","type":"OKTA_SIGN_ON"}`)})
	rule := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "policy_okta_sign_on_rule", Parent: policy.ID}, Want: []byte(
		`{"actions":{"signon":{"access":"ALLOW","requireFactor":false,"session":{"maxSessionIdleMinutes":60,"maxSessionLifetimeMinutes":0,"usePersistentCookie":false}}},"conditions":{"network":{"connection":"ANYWHERE"},"people":{"users":{"exclude":[]}}},"name":"Off","priority":1,"status":"INACTIVE","type":"SIGN_ON"}`)})
	if b.text("status", policy.Body) != "INACTIVE" || b.text("status", rule.Body) != "INACTIVE" {
		t.Errorf("made %s and %s", policy.Body, rule.Body)
	}
	for _, e := range b.follow(begin.Cursor).Events {
		if strings.HasSuffix(e.Name, "deactivate") {
			t.Errorf("%s: it was on before", e.Name)
		}
	}
}

// TestPersonComesBack: who has left is switched on before the profile is written;
// one who is made anew cannot be suspended, having never been active.
func TestPersonComesBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	const body = `{"profile":{"email":"ann@acme.example","firstName":"Ann","lastName":"A","login":"ann@acme.example"},"status":%q}`
	user := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "user"}, Want: []byte(fmt.Sprintf(body, "ACTIVE"))})
	b.sim.Call("POST", "/api/v1/users/"+user.ID+"/lifecycle/deactivate", nil, nil)
	left := b.get(user.Key)
	want := b.with(user.Body, "profile", `{"email":"ann@acme.example","firstName":"Anna","lastName":"A","login":"ann@acme.example","mobilePhone":null,"secondEmail":null}`)
	begin := b.follow("")
	now := b.apply(provider.Write{Op: provider.Update, Key: user.Key, Expect: left.Body, Want: want})
	if b.text("profile.firstName", now.Body) != "Anna" || b.text("status", now.Body) == "DEPROVISIONED" {
		t.Errorf("came back as %s", now.Body)
	}
	on := false
	for _, e := range b.follow(begin.Cursor).Events {
		on = on || strings.HasPrefix(e.Name, "user.lifecycle.activate")
		if e.Name == "user.account.update_profile" && !on {
			t.Error("the profile was written first")
		}
	}
	suspended := b.apply(provider.Write{Op: provider.Create, Key: resource.Key{Type: "user"}, Want: []byte(strings.ReplaceAll(fmt.Sprintf(body, "SUSPENDED"), "ann@", "sue@"))})
	if got := b.text("status", suspended.Body); got != "STAGED" && got != "SUSPENDED" {
		t.Errorf("a suspended person came back %s", got)
	}
	b.sim.Call("POST", "/api/v1/users/"+suspended.ID+"/lifecycle/deactivate", nil, nil)
	left = b.get(suspended.Key)
	w := provider.Write{Op: provider.Update, Key: left.Key, Expect: left.Body, Want: b.with(left.Body, "status", `"SUSPENDED"`)}
	if _, err := b.w.Apply(t.Context(), w); !problem.Is(err, problem.Invalid) || b.text("status", b.get(left.Key).Body) != "DEPROVISIONED" {
		t.Errorf("who had left is %s on the way to being suspended: %v", b.text("status", b.get(left.Key).Body), err)
	}
}

// TestAbsentLink: a link that the plan found absent is not deleted.
func TestAbsentLink(t *testing.T) {
	t.Parallel()
	b := newBench(t, `{"seed":1,"users":3,"groups":2,"memberships":3}`)
	group := b.group("Kept")
	user := b.named("user", resource.Key{}, "")
	key := resource.Key{Type: "group_membership", Parent: group.ID, ID: user.ID}
	link := b.apply(provider.Write{Op: provider.Create, Key: key, Want: []byte(fmt.Sprintf(`{"id":%q}`, user.ID))})
	b.apply(provider.Write{Op: provider.Delete, Key: key})
	b.get(key)
	b.apply(provider.Write{Op: provider.Delete, Key: key, Expect: link.Body})
	if _, err := b.r.Get(t.Context(), key); !problem.Is(err, problem.NotFound) {
		t.Errorf("after its delete: %v", err)
	}
}

// TestRuleHalfRemade: a rule was deleted to be made again, and that failed: asked to
// be made, under the key that it had, it is.
func TestRuleHalfRemade(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	one, two := b.group("One"), b.group("Two")
	rule := b.rule("Rule", one.ID, `user.title=="x"`)
	want := b.with(rule.Body, "actions", fmt.Sprintf(`{"assignUserToGroups":{"groupIds":[%q]}}`, two.ID))
	b.sim.Fault(oktasimtest.Fault{Method: "POST", Path: "/api/v1/groups/rules", Kind: "status", Status: 500, Count: 1})
	if _, err := b.w.Apply(t.Context(), provider.Write{Op: provider.Update, Key: rule.Key, Expect: rule.Body, Want: want}); !problem.Is(err, problem.Unavailable) {
		t.Fatalf("the failure: %v", err)
	}
	again := b.apply(provider.Write{Op: provider.Create, Key: rule.Key, Want: want})
	if again.ID == rule.ID || b.text("status", again.Body) != "ACTIVE" || b.text("actions.assignUserToGroups.groupIds[]", again.Body) != two.ID {
		t.Errorf("made again: %v %s", again.Key, again.Body)
	}
}

func (b bench) get(key resource.Key) resource.Resource {
	b.Helper()
	got, err := b.r.Get(b.Context(), key)
	if err != nil {
		b.Fatal(err)
	}
	return got
}

func (b bench) number(path resource.Path, body []byte) string {
	b.Helper()
	values, err := path.Lookup(body)
	if err != nil || len(values) != 1 {
		b.Fatalf("%s: %v", path, err)
	}
	return string(values[0].JSON)
}
