package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

func webApp(label string) doc.Doc {
	return doc.Doc{
		"name": "oidc_client", "label": label, "signOnMode": "OPENID_CONNECT",
		"credentials": doc.Doc{"oauthClient": doc.Doc{"token_endpoint_auth_method": "client_secret_basic"}},
		"settings": doc.Doc{"oauthClient": doc.Doc{
			"application_type": "web", "grant_types": doc.Array("authorization_code"), "response_types": doc.Array("code"),
			"redirect_uris": doc.Array("https://x.example/cb"),
		}},
	}
}

func TestClientComesBackWithItsCredentials(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.create("/api/v1/apps", webApp("Shop"))
	path := "/api/v1/apps/" + doc.String(a, "id")
	credentials := doc.Object(a, "credentials", "oauthClient")
	if credentials["client_id"] != a["id"] || len(doc.String(credentials, "client_secret")) != 64 {
		t.Fatalf("credentials %v", credentials)
	}
	if doc.Get(s.get(path), "credentials", "oauthClient", "client_secret") != nil {
		t.Error("reading the app shows the secret")
	}
	secrets := s.list(path + "/credentials/secrets")
	if len(secrets) != 1 || secrets[0]["client_secret"] != credentials["client_secret"] {
		t.Errorf("secrets %v", secrets)
	}
	if len(only(s.events(), "app.oauth2.client.read_client_secret")) != 1 {
		t.Error("reading the secret left no trace")
	}
	s.refused(403, "E0000056", "deactivated", "DELETE", path, nil)
	s.want(200, "POST", path+"/lifecycle/deactivate", nil)
	s.want(204, "DELETE", path, nil)
	s.refused(404, "E0000007", "(AppInstance)", "GET", path, nil)
	again := webApp("Shop")
	doc.Object(again, "credentials")["oauthClient"] = doc.Clone(credentials)
	b := s.create("/api/v1/apps", again)
	if b["id"] == a["id"] || doc.String(b, "credentials", "oauthClient", "client_id") != a["id"] ||
		doc.String(b, "credentials", "oauthClient", "client_secret") != credentials["client_secret"] {
		t.Errorf("the client came back as %v", b["credentials"])
	}
	s.refused(400, "E0000001", "client_id", "POST", "/api/v1/apps", again)
}

func TestAppKinds(t *testing.T) {
	t.Parallel()
	s := start(t)
	all, _ := s.walk("/api/v1/apps?limit=3")
	kinds := map[string]int{}
	for _, a := range all {
		kinds[doc.String(a, "signOnMode")]++
		if !strings.HasPrefix(doc.String(a, "_links", "accessPolicy", "href"), s.url+"/api/v1/policies/rst") {
			t.Errorf("%s has the access policy %v", a["label"], doc.Get(a, "_links", "accessPolicy"))
		}
	}
	if kinds["OPENID_CONNECT"] != 4 || kinds["SAML_2_0"] != 4 || kinds["BOOKMARK"] != 2 {
		t.Errorf("kinds %v", kinds)
	}
	saml := s.list("/api/v1/apps?q=Spendwise")[0]
	if saml["name"] != "acme_spendwise_1" {
		t.Errorf("a custom SAML app is named %v", saml["name"])
	}
	for field, change := range map[string]func(doc.Doc){
		"label":            func(a doc.Doc) { delete(a, "label") },
		"signOnMode":       func(a doc.Doc) { delete(a, "signOnMode") },
		"application_type": func(a doc.Doc) { doc.Object(a, "settings", "oauthClient")["application_type"] = "toaster" },
		"redirect_uris":    func(a doc.Doc) { delete(doc.Object(a, "settings", "oauthClient"), "redirect_uris") },
		"jwks": func(a doc.Doc) {
			doc.Object(a, "credentials", "oauthClient")["token_endpoint_auth_method"] = "private_key_jwt"
		},
	} {
		a := webApp("Bad")
		change(a)
		s.refused(400, "E0000001", field, "POST", "/api/v1/apps", a)
	}
}

func TestAppUpdateIsLoggedWithTheChange(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.create("/api/v1/apps", webApp("Shop"))
	path := "/api/v1/apps/" + doc.String(a, "id")
	doc.Object(a, "settings", "oauthClient")["redirect_uris"] = doc.Array("https://y.example/cb")
	a["label"] = "Shop 2"
	got := s.want(200, "PUT", path, a).object(t)
	if got["label"] != "Shop 2" || doc.String(got, "credentials", "oauthClient", "client_secret") != doc.String(a, "credentials", "oauthClient", "client_secret") {
		t.Errorf("got %v", got)
	}
	secret := doc.String(got, "credentials", "oauthClient", "client_secret")
	got = s.want(200, "PUT", path, s.get(path)).object(t)
	if doc.String(got, "credentials", "oauthClient", "client_secret") != secret {
		t.Error("an update without the secret changed it")
	}
	events := only(s.events(), "application.lifecycle.update")
	change := doc.Object(target(events[0], "AppInstance"), "changeDetails")
	if doc.String(change, "from", "label") != "Shop" || doc.String(change, "to", "label") != "Shop 2" {
		t.Errorf("change details %v", change)
	}
	if len(only(s.events(), "app.oauth2.client.lifecycle.update")) != 2 {
		t.Error("the client's own event is missing")
	}
}

func TestGroupsWithoutPriorityTakeTheFirstFreePlace(t *testing.T) {
	t.Parallel()
	s := start(t)
	groups := "/api/v1/apps/" + doc.String(s.create("/api/v1/apps", webApp("Shop")), "id") + "/groups/"
	for i, want := range []struct {
		body     doc.Doc
		priority int
	}{{doc.Doc{"priority": 1}, 1}, {doc.Doc{}, 0}, {doc.Doc{"priority": 3}, 3}, {doc.Doc{}, 2}, {doc.Doc{}, 4}} {
		g := doc.String(s.create("/api/v1/groups", newGroup(fmt.Sprint("Shoppers ", i))), "id")
		link := s.want(200, "PUT", groups+g, want.body).object(t)
		if n, ok := doc.Int(link, "priority"); !ok || n != want.priority {
			t.Errorf("%d: got the priority %v, want %d", i, link["priority"], want.priority)
		}
	}
}

func TestOthersMoveUpOnlyForWhoTakesTheirPlace(t *testing.T) {
	t.Parallel()
	s := start(t)
	groups := "/api/v1/apps/" + doc.String(s.create("/api/v1/apps", webApp("Shop")), "id") + "/groups"
	var made []string
	for i := range 3 {
		made = append(made, doc.String(s.create("/api/v1/groups", newGroup(fmt.Sprint("Shoppers ", i))), "id"))
		s.want(200, "PUT", groups+"/"+made[i], doc.Doc{"priority": i})
	}
	for _, move := range []struct {
		group, to int
		want      []int
	}{{0, 4, []int{4, 1, 2}}, {1, 2, []int{4, 2, 1}}, {2, 2, []int{4, 1, 2}}} {
		s.want(200, "PUT", groups+"/"+made[move.group], doc.Doc{"priority": move.to})
		for i, id := range made {
			if n, _ := doc.Int(s.get(groups+"/"+id), "priority"); n != move.want[i] {
				t.Errorf("after %d went to %d: %d has the priority %d, want %d", move.group, move.to, i, n, move.want[i])
			}
		}
	}
}

func TestAssignments(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := "/api/v1/apps/" + doc.String(s.create("/api/v1/apps", webApp("Shop")), "id")
	finance, sales := s.made.Groups["Finance"], s.made.Groups["Sales"]
	link := s.want(200, "PUT", app+"/groups/"+finance, doc.Doc{}).object(t)
	if link["priority"].(interface{ String() string }).String() != "0" {
		t.Errorf("the first priority is %v, want 0", link["priority"])
	}
	s.want(200, "PUT", app+"/groups/"+sales, doc.Doc{"priority": 0})
	if got := ids(s.list(app + "/groups")); !slices.Equal(got, []string{sales, finance}) {
		t.Errorf("order %v", got)
	}
	if n, _ := doc.Int(s.get(app+"/groups/"+finance), "priority"); n != 1 {
		t.Errorf("the group that made room has the priority %d, want 1", n)
	}
	users, _ := s.walk(app + "/users?limit=7")
	for _, u := range users {
		if u["scope"] != "GROUP" || doc.String(u, "_links", "group", "href") == "" {
			t.Errorf("user %v came without a group", u["id"])
		}
	}
	financeUsers := ids(s.list("/api/v1/groups/" + finance + "/users"))
	for _, id := range financeUsers {
		if !slices.Contains(ids(users), id) {
			t.Errorf("member %s does not have the app", id)
		}
	}
	direct := s.create(app+"/users", doc.Doc{"id": financeUsers[0], "scope": "USER", "credentials": doc.Doc{"userName": "shopper"}})
	if direct["scope"] != "USER" || doc.String(direct, "credentials", "userName") != "shopper" {
		t.Errorf("got %v", direct)
	}
	s.want(204, "DELETE", app+"/groups/"+finance, nil)
	s.want(200, "GET", app+"/users/"+financeUsers[0], nil)
	s.want(404, "GET", app+"/users/"+financeUsers[1], nil)
	s.want(204, "DELETE", app+"/users/"+financeUsers[0], nil)
	s.want(404, "GET", app+"/users/"+financeUsers[0], nil)
	s.want(404, "DELETE", app+"/groups/"+finance, nil)
	if got := len(only(s.events(), "group.application_assignment.add")); got != 2 {
		t.Errorf("%d assignments logged, want 2", got)
	}
}

func TestAppPolicy(t *testing.T) {
	t.Parallel()
	s := start(t)
	app, policy := s.made.Apps["Atlas CRM"], s.made.Policies["Finance apps"]
	s.want(204, "PUT", "/api/v1/apps/"+app+"/policies/"+policy, nil)
	got := s.get("/api/v1/apps/" + app)
	if href := doc.String(got, "_links", "accessPolicy", "href"); !strings.HasSuffix(href, policy) {
		t.Errorf("the app's policy is %s", href)
	}
	if got := s.list("/api/v1/policies/" + policy + "/mappings"); len(got) != 3 {
		t.Errorf("%d apps are mapped, want 3", len(got))
	}
	s.want(204, "DELETE", "/api/v1/policies/"+policy, nil)
	fallback := s.get(strings.TrimPrefix(doc.String(s.get("/api/v1/apps/"+app), "_links", "accessPolicy", "href"), s.url))
	if fallback["system"] != true {
		t.Errorf("the app of a deleted policy has %v", fallback["name"])
	}
	s.refused(400, "E0000001", "OKTA_SIGN_ON", "PUT", "/api/v1/apps/"+app+"/policies/"+s.made.Policies["Finance sessions"], nil)
	s.refused(404, "E0000007", "(RuleSetEntity)", "PUT", "/api/v1/apps/"+app+"/policies/rstnone", nil)
}
