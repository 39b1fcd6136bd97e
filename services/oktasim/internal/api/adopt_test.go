package api_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
)

// adopt puts what one org answers at a path into another, at the same path or at its own.
func adopt(t *testing.T, from, to *sim, path string) {
	t.Helper()
	body := from.get(path)
	if err := to.org.Update(func() error { return to.org.Adopt(path, body) }); err != nil {
		t.Fatalf("adopt %s: %v", path, err)
	}
}

// TestAdoptedObjectsAnswerAsBefore lets one org adopt what another one answers, and asks
// it for the same.
func TestAdoptedObjectsAnswerAsBefore(t *testing.T) {
	t.Parallel()
	from, to := start(t), empty(t)
	to.org.SetBase(from.url)
	paths := []string{"/.well-known/okta-organization", "/api/v1/org"}
	each := func(list, under string) {
		for _, d := range from.list(list) {
			paths = append(paths, under+doc.String(d, "id"))
		}
	}
	each("/api/v1/meta/types/user", "/api/v1/meta/types/user/")
	paths = append(paths, "/api/v1/meta/schemas/user/default", "/api/v1/meta/schemas/group/default")
	each("/api/v1/zones", "/api/v1/zones/")
	each("/api/v1/groups", "/api/v1/groups/")
	each("/api/v1/users?limit=20&filter=status+eq+%22ACTIVE%22", "/api/v1/users/")
	for _, kind := range []string{"OKTA_SIGN_ON", "PASSWORD", "MFA_ENROLL", "IDP_DISCOVERY", "ACCESS_POLICY", "PROFILE_ENROLLMENT"} {
		for _, p := range from.list("/api/v1/policies?type=" + kind) {
			policy := "/api/v1/policies/" + doc.String(p, "id")
			paths = append(paths, policy)
			each(policy+"/rules", policy+"/rules/")
		}
	}
	each("/api/v1/apps?limit=200", "/api/v1/apps/")
	each("/api/v1/groups/rules", "/api/v1/groups/rules/")
	for _, path := range paths {
		adopt(t, from, to, path)
	}
	for _, path := range paths {
		if want, got := from.get(path), to.get(path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", path, got, want)
		}
	}
	if len(paths) < 40 {
		t.Errorf("only %d objects were adopted", len(paths))
	}
}

// empty runs an org that holds nothing but what Okta hands over, and an administrator.
func empty(t *testing.T) *sim {
	t.Helper()
	s := startWith(t, "oie", limit.Options{Multiplier: 1000})
	s.org.Reset(7)
	err := s.org.Update(func() error {
		profile := doc.Doc{"login": "root@x.example", "email": "root@x.example", "firstName": "Root"}
		u, err := s.org.CreateUser(nil, org.NewUser{Body: doc.Doc{"profile": profile}, Activate: true})
		if err != nil {
			return err
		}
		_, err = s.org.AssignRole(nil, u.ID, "SUPER_ADMIN")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.token = s.tokenOf("root@x.example")
	return s
}

// TestAdoptedLinks takes over what stands between objects.
func TestAdoptedLinks(t *testing.T) {
	t.Parallel()
	from, to := start(t), empty(t)
	to.org.SetBase(from.url)
	group := from.made.Groups["Finance"]
	members := from.list("/api/v1/groups/" + group + "/users")
	adopt(t, from, to, "/api/v1/groups/"+group)
	for _, u := range members {
		adopt(t, from, to, "/api/v1/users/"+doc.String(u, "id"))
		err := to.org.Update(func() error { return to.org.Adopt("/api/v1/groups/"+group+"/users/"+doc.String(u, "id"), u) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := to.list("/api/v1/groups/" + group + "/users"); !reflect.DeepEqual(ids(got), ids(members)) || len(got) == 0 {
		t.Errorf("members: got %v, want %v", ids(got), ids(members))
	}
	if want, got := from.get("/api/v1/groups/"+group), to.get("/api/v1/groups/"+group); !reflect.DeepEqual(got, want) {
		t.Errorf("the group has other stamps: got %v, want %v", got, want)
	}
	if n := len(only(to.events(), "group.user_membership.add")); n > 0 {
		t.Errorf("%d events tell of adopted members", n)
	}
	for _, a := range from.list("/api/v1/apps?limit=200") {
		app := "/api/v1/apps/" + doc.String(a, "id")
		adopt(t, from, to, app)
		for _, link := range from.list(app + "/groups") {
			adopt(t, from, to, "/api/v1/groups/"+doc.String(link, "id"))
			adopt(t, from, to, app+"/groups/"+doc.String(link, "id"))
		}
		if want, got := from.list(app+"/groups"), to.list(app+"/groups"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s/groups: got %v, want %v", app, got, want)
		}
	}
}

// TestSystemObjectsTakeTheAdoptedID lets what every org has become what was adopted.
func TestSystemObjectsTakeTheAdoptedID(t *testing.T) {
	t.Parallel()
	to := empty(t)
	const everyone, policy, rule = "00gAdopted00000000a1", "00pAdopted00000000a1", "0prAdopted00000000a1"
	take := func(path string, body doc.Doc) {
		t.Helper()
		if err := to.org.Update(func() error { return to.org.Adopt(path, body) }); err != nil {
			t.Fatal(err)
		}
	}
	before := len(to.list("/api/v1/policies?type=PASSWORD"))
	conditions := doc.Doc{"people": doc.Doc{"groups": doc.Doc{"include": doc.Array(everyone)}}}
	take("/api/v1/policies/"+policy, doc.Doc{"id": policy, "type": "PASSWORD", "name": "Default Policy", "system": true, "conditions": conditions})
	take("/api/v1/policies/"+policy+"/rules/"+rule, doc.Doc{"id": rule, "name": "Default Rule", "system": true, "actions": doc.Doc{}})
	if n := len(to.list("/api/v1/policies?type=PASSWORD")); n != before {
		t.Errorf("there are %d password policies, not %d", n, before)
	}
	if n := len(to.list("/api/v1/policies/" + policy + "/rules")); n != 1 {
		t.Errorf("the policy has %d rules", n)
	}
	groups := to.list("/api/v1/groups?q=Everyone")
	if len(groups) != 1 || groups[0]["id"] != everyone {
		t.Errorf("Everyone is %v, and a system policy says that it is %s", groups, everyone)
	}
	made := to.create("/api/v1/policies", doc.Doc{"type": "OKTA_SIGN_ON", "name": "Mine"})
	if got := doc.Strings(made, "conditions", "people", "groups", "include"); !reflect.DeepEqual(got, []string{everyone}) {
		t.Errorf("a policy without groups is for %v", got)
	}
	if n := len(to.list("/api/v1/groups/" + everyone + "/users")); n != 1 {
		t.Errorf("Everyone has lost its members: %d", n)
	}
}

// TestLeastObjects makes things of which only the id is known.
func TestLeastObjects(t *testing.T) {
	t.Parallel()
	to := empty(t)
	for _, path := range []string{"/api/v1/groups/00gLeast000000000a1z", "/api/v1/users/00uLeast000000000a1z", "/api/v1/zones/nzoLeast000000000a1z"} {
		id := path[len(path)-20:]
		if err := to.org.Update(func() error { return to.org.Adopt(path, doc.Doc{"id": id}) }); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := to.get(path)["id"]; got != id {
			t.Errorf("%s: got %v", path, got)
		}
	}
	err := to.org.Update(func() error { return to.org.Adopt("/api/v1/unheard/of", doc.Doc{}) })
	if !errors.Is(err, org.ErrUnadoptable) {
		t.Errorf("a kind that does not exist: %v", err)
	}
}

// TestFeatures takes features from an org and finds out which ones an org has.
func TestFeatures(t *testing.T) {
	t.Parallel()
	s := start(t)
	group := "/api/v1/groups/" + s.made.Groups["Finance"]
	owners := func(d doc.Doc) bool { return doc.Object(d, "_links", "owners") != nil }
	if !owners(s.get(group)) {
		t.Fatal("a group has no link to its owners")
	}
	var e org.Evidence
	with, without := s.get(group), s.get(group)
	delete(doc.Object(without, "_links"), "owners")
	e.Note("/api/v1/groups/{groupId}", without)
	e.Note("/api/v1/apps/{appId}/users", without)
	accept := func() {
		if err := s.org.Update(func() error { s.org.Accept(&e); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	accept()
	if owners(s.get(group)) || owners(s.list("/api/v1/groups?q=Finance")[0]) {
		t.Error("a group links to its owners although the org's answers never did")
	}
	if a := s.list("/api/v1/apps?limit=1")[0]; a["orn"] == nil {
		t.Error("an app has lost its resource name, of which nothing was said")
	}
	e.Note("/api/v1/users/{userId}/groups", []any{without, with})
	accept()
	if !owners(s.get(group)) {
		t.Error("a group does not link to its owners although one answer did")
	}
}

// A role of which only the id is known takes over its permissions.
func TestAdoptedPermissions(t *testing.T) {
	t.Parallel()
	s := empty(t)
	role := "/api/v1/iam/roles/cr0Harbour00000000a1"
	given := doc.Doc{"label": "okta.users.manage", "created": "2021-02-06T16:20:57.000Z", "lastUpdated": "2021-02-07T16:20:57.000Z", "conditions": nil}
	err := s.org.Update(func() error {
		return errors.Join(s.org.Adopt(role, doc.Doc{"id": "cr0Harbour00000000a1"}), s.org.Adopt(role+"/permissions/okta.users.manage", given))
	})
	if err != nil {
		t.Fatal(err)
	}
	got := s.get(role + "/permissions/okta.users.manage")
	delete(got, "_links")
	if !reflect.DeepEqual(got, given) {
		t.Errorf("got %v, want %v", got, given)
	}
	if n := len(doc.Strings(s.get(role), "permissions")); n != 0 {
		t.Errorf("the role shows %d permissions", n)
	}
	s.get(role + "/permissions")
}

// TestAdoptedBindings puts in what a custom role is bound to, from the leaves: the set and
// the role, of which nothing else is known, come into being.
func TestAdoptedBindings(t *testing.T) {
	t.Parallel()
	s := empty(t)
	const (
		stamp  = "2021-02-06T16:20:57.000Z"
		set    = "/api/v1/iam/resource-sets/iamHarbour0000000a1z"
		role   = "cr0Harbour0000000a1z"
		group  = "/api/v1/groups/00gHarbour0000000a1z"
		client = "/oauth2/v1/clients/0oaHarbour0000000a1z"
	)
	href := func(path string) doc.Doc { return doc.Doc{"self": doc.Doc{"href": "https://elsewhere.example" + path}} }
	adopt := func(path string, body doc.Doc) error {
		return s.org.Update(func() error { return s.org.Adopt(path, body) })
	}
	err := errors.Join(
		adopt(group, doc.Doc{"id": "00gHarbour0000000a1z"}),
		adopt(set+"/resources/ireHarbour0000000a1z", doc.Doc{"created": stamp, "lastUpdated": stamp, "_links": href(group + "/users")}),
		adopt(set+"/bindings/"+role+"/members/irbHarbour0000000a1z", doc.Doc{"created": stamp, "lastUpdated": stamp, "_links": href(group)}),
		adopt(client, doc.Doc{"client_name": "Harbour"}),
		adopt(client+"/roles/irbHarbour0000000b2z", doc.Doc{"type": "CUSTOM", "resource-set": "iamHarbour0000000a1z", "role": role, "created": stamp, "lastUpdated": stamp}),
		adopt(client+"/roles/JBCUYUC7IRCVGS27IFCE2SKO", doc.Doc{"type": "HELP_DESK_ADMIN", "created": stamp, "lastUpdated": stamp}),
	)
	if err != nil {
		t.Fatal(err)
	}
	resource := s.get(set + "/resources/ireHarbour0000000a1z")
	if got := doc.String(resource, "_links", "self", "href"); got != s.url+group+"/users" || doc.Get(resource, "_links", "users") != nil {
		t.Errorf("the resource is %v", resource)
	}
	if got := len(entries(s.get(set+"/bindings/"+role+"/members"), "members")); got != 2 {
		t.Errorf("the binding has %d members, want 2", got)
	}
	if got := doc.String(s.get(set+"/bindings/"+role+"/members/irbHarbour0000000a1z"), "_links", "self", "href"); got != s.url+group {
		t.Errorf("the member is %s", got)
	}
	if got := names(s.list(client+"/roles"), "type"); !slices.Equal(got, []string{"HELP_DESK_ADMIN", "CUSTOM"}) {
		t.Errorf("the client's roles are %v", got)
	}
	if got := s.get(client)["client_name"]; got != "Harbour" {
		t.Errorf("the client is called %v", got)
	}
	if err := adopt(set+"/bindings/"+role+"/members/irbNobody0000000a1z", doc.Doc{}); !errors.Is(err, org.ErrUnadoptable) {
		t.Errorf("a member that links to nobody: %v", err)
	}
}
