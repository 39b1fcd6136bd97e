package api_test

import (
	"slices"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

func TestAppSchemas(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	schema := func(label string) string {
		return "/api/v1/meta/schemas/apps/" + doc.String(s.create("/api/v1/apps", webApp(label)), "id") + "/default"
	}
	path, other := schema("Shop"), schema("Shop")
	first, second := s.get(path), s.get(other)
	if first["name"] != "oidc_client" || second["name"] == "oidc_client" || first["title"] != "Shop User" {
		t.Errorf("schemas %v and %v", first["name"], second["name"])
	}
	custom := func(p doc.Doc) doc.Doc {
		return doc.Doc{"definitions": doc.Doc{"custom": doc.Doc{"id": "#custom", "type": "object", "properties": p}}}
	}
	got := s.create(path, custom(doc.Doc{
		"crew": doc.Doc{"title": "Crew", "type": "string", "required": false, "union": "DISABLE", "permissions": []any{}},
		"list": doc.Doc{"title": "List", "type": "array", "items": doc.Doc{"type": "object"}},
	}))
	properties := doc.Object(got, "definitions", "custom", "properties")
	crew, list := doc.Object(properties, "crew"), doc.Object(properties, "list")
	if crew["permissions"] != nil || crew["union"] != nil || crew["required"] != nil || crew["scope"] != "NONE" {
		t.Errorf("attribute %v", crew)
	}
	if list["union"] != "DISABLE" || !doc.Bool(list, "items", "additionalProperties") {
		t.Errorf("list %v", list)
	}
	s.create(path, doc.Doc{"definitions": doc.Doc{"base": doc.Doc{"properties": doc.Doc{"name": doc.Doc{"required": true}}}}})
	if required := doc.Strings(s.get(path), "definitions", "base", "required"); !slices.Equal(required, []string{"userName", "name"}) {
		t.Errorf("required %v", required)
	}
	s.create(path, custom(doc.Doc{"crew": nil}))
	again := custom(doc.Doc{"crew": doc.Doc{"title": "Crew", "type": "string"}})
	s.refused(400, "E0000001", "deletion process", "POST", path, again)
	s.clock.Advance(2 * time.Second)
	s.want(200, "POST", path, again)
	s.refused(400, "E0000001", "title", "POST", path, custom(doc.Doc{"x": doc.Doc{"type": "string"}}))
	s.refused(400, "E0000001", "not defined", "POST", path, doc.Doc{"definitions": doc.Doc{"base": doc.Doc{"properties": doc.Doc{"odd": doc.Doc{}}}}})
}

func TestProfileMappings(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app := doc.String(s.create("/api/v1/apps", webApp("Shop")), "id")
	list := s.list("/api/v1/mappings?targetId=" + app)
	if len(list) != 1 || doc.String(list[0], "source", "type") != "user" || list[0]["properties"] != nil {
		t.Fatalf("mappings to the app %v", list)
	}
	if both, _ := s.walk("/api/v1/mappings?limit=1"); len(both) != 4 {
		t.Errorf("%d mappings of two apps, want one in either direction", len(both))
	}
	path := "/api/v1/mappings/" + doc.String(list[0], "id")
	given := func(p doc.Doc) doc.Doc { return doc.Doc{"properties": p} }
	s.create(path, given(doc.Doc{"email": doc.Doc{"expression": "user.email"}, "name": doc.Doc{"expression": "user.login", "pushStatus": "PUSH"}}))
	got := doc.Object(s.create(path, given(doc.Doc{"email": nil})), "properties")
	if got["email"] != nil || doc.String(got, "name", "pushStatus") != "PUSH" {
		t.Errorf("properties %v", got)
	}
	s.refused(400, "E0000001", "expression", "POST", path, given(doc.Doc{"x": doc.Doc{}}))
	s.refused(400, "E0000001", "properties", "POST", path, doc.Doc{})
	s.want(200, "POST", "/api/v1/apps/"+app+"/lifecycle/deactivate", nil)
	s.want(204, "DELETE", "/api/v1/apps/"+app, nil)
	s.refused(404, "E0000007", "ProfileMapping", "GET", path, nil)
}

func TestProvisioning(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	bookmark := "/api/v1/apps/" + doc.String(s.list("/api/v1/apps")[0], "id")
	if got := s.get(bookmark + "/connections/default"); got["status"] != "UNKNOWN" {
		t.Errorf("connection of a bookmark %v", got)
	}
	s.refused(400, "E0000001", "not supported", "GET", bookmark+"/features", nil)
	app := "/api/v1/apps/" + doc.String(s.create("/api/v1/apps", catalogued("okta_org2org", "SAML_2_0", nil)), "id")
	s.refused(400, "E0000001", "profile.token", "POST", app+"/connections/default", doc.Doc{"profile": doc.Doc{"authScheme": "TOKEN"}})
	made := s.create(app+"/connections/default", doc.Doc{"baseUrl": "https://b.example", "profile": doc.Doc{"authScheme": "TOKEN", "token": "t0ken"}})
	if made["status"] != "DISABLED" || doc.Get(made, "profile", "token") != nil || made["baseUrl"] != "https://b.example" {
		t.Errorf("connection %v", made)
	}
	s.want(204, "POST", app+"/connections/default/lifecycle/activate", nil)
	feature := s.want(200, "PUT", app+"/features/USER_PROVISIONING", doc.Doc{"create": doc.Doc{"lifecycleCreate": doc.Doc{"status": "ENABLED"}}}).object(t)
	if doc.String(feature, "capabilities", "update", "password", "change") != "KEEP_EXISTING" || feature["status"] != "ENABLED" {
		t.Errorf("feature %v", feature)
	}
	if features := doc.Strings(s.get(app), "features"); !slices.Contains(features, "PUSH_NEW_USERS") || !slices.Contains(features, "GROUP_PUSH") {
		t.Errorf("the app says that it does %v", features)
	}
	s.refused(404, "E0000007", "ApplicationFeature", "GET", app+"/features/TELEPATHY", nil)
	s.refused(400, "E0000003", "", "PUT", app+"/features/USER_PROVISIONING", doc.Doc{"odd": doc.Doc{}})
}

func TestPushedGroups(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app := "/api/v1/apps/" + doc.String(s.list("/api/v1/apps")[0], "id") + "/group-push/mappings"
	group := doc.String(s.create("/api/v1/groups", doc.Doc{"profile": doc.Doc{"name": "Crew"}}), "id")
	s.refused(400, "E0000001", "targetGroupName", "POST", app, doc.Doc{"sourceGroupId": group})
	made := s.create(app, doc.Doc{"sourceGroupId": group, "targetGroupName": "Crew there"})
	target := "/api/v1/groups/" + doc.String(made, "targetGroupId")
	if got := s.get(target); got["type"] != "APP_GROUP" || doc.String(got, "profile", "name") != "Crew there" || made["targetGroupName"] != nil {
		t.Errorf("pushed as %v by %v", got, made)
	}
	s.refused(400, "E0000001", "used", "DELETE", "/api/v1/groups/"+group, nil)
	one := app + "/" + doc.String(made, "id")
	s.refused(400, "E0000001", "active", "DELETE", one, nil)
	s.want(200, "PATCH", one, doc.Doc{"status": "INACTIVE"})
	if a := s.want(200, "DELETE", one+"?deleteTargetGroup=true", nil); len(a.body) != 0 {
		t.Errorf("the answer is %s", a.body)
	}
	s.refused(404, "E0000007", "UserGroup", "GET", target, nil)
	s.want(204, "DELETE", "/api/v1/groups/"+group, nil)
}

func TestGroupsClaim(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	path := func(a doc.Doc) string {
		return "/api/v1/internal/apps/" + doc.String(a, "id") + "/settings/oauth/idToken"
	}
	app := s.create("/api/v1/apps", webApp("Shop"))
	if got := s.get(path(app)); got["audience"] != app["id"] || got["issuer"] != s.url {
		t.Errorf("id token %v", got)
	}
	claim := doc.Doc{"issuerMode": "ORG_URL", "name": "groups", "value": ".*", "valueType": "GROUPS", "groupFilterType": "REGEX"}
	if got := s.create(path(app), claim); got["audience"] != nil || got["name"] != "groups" {
		t.Errorf("the answer to a change is %v", got)
	}
	if got := s.get(path(app)); got["value"] != ".*" || got["audience"] != app["id"] {
		t.Errorf("after the change %v", got)
	}
	s.refused(404, "E0000007", "OAuth2AppInstance", "GET", path(s.create("/api/v1/apps", samlApp("Wiki"))), nil)
}

func TestWhatExpandEmbeds(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	id := doc.String(s.create("/api/v1/apps", webApp("Shop")), "id")
	app := "/api/v1/apps/" + id
	user := doc.String(s.get("/api/v1/users/me"), "id")
	s.want(200, "POST", app+"/users/"+user, doc.Doc{"profile": doc.Doc{"nickname": "Ada"}})
	if got := s.list(app + "/users?expand=user")[0]; doc.String(got, "_embedded", "user", "id") != user {
		t.Errorf("assignment %v", got)
	}
	if got := s.get(app + "?expand=user/" + user); doc.String(got, "_embedded", "user", "profile", "nickname") != "Ada" {
		t.Errorf("app %v", got["_embedded"])
	}
	group := doc.String(s.create("/api/v1/groups", doc.Doc{"profile": doc.Doc{"name": "Crew"}}), "id")
	link := app + "/groups/" + group
	s.refused(404, "E0000007", "ApplicationGroupAssignment", "PATCH", link, []any{})
	s.want(200, "PUT", link, doc.Doc{"profile": doc.Doc{"a": "b"}})
	got := s.want(200, "PATCH", link, []any{doc.Doc{"op": "replace", "path": "/profile/a", "value": "c"}}).object(t)
	if doc.String(got, "profile", "a") != "c" {
		t.Errorf("patched to %v", got)
	}
	s.refused(400, "E0000001", "replaced", "PATCH", link, []any{doc.Doc{"op": "add", "path": "/odd", "value": 1}})
	if got := s.list(app + "/groups?expand=group")[0]; doc.String(got, "_embedded", "group", "profile", "name") != "Crew" {
		t.Errorf("group's assignment %v", got)
	}
}

func TestAppsTrustOneAnother(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	target, asking := doc.String(s.create("/api/v1/apps", webApp("Shop")), "id"), doc.String(s.create("/api/v1/apps", webApp("Till")), "id")
	path := "/api/v1/apps/" + target + "/interclient-allowed-apps"
	s.refused(404, "E0000007", "AppInstance", "POST", path, doc.Doc{"id": "0oaNobody"})
	if got := s.want(201, "POST", path, doc.Doc{"id": asking}).object(t); got["trustedAppInstanceId"] != asking || got["appInstanceId"] != target {
		t.Errorf("trust %v", got)
	}
	s.refused(400, "E0000001", "already exists", "POST", path, doc.Doc{"id": asking})
	targets := func() string {
		return string(s.want(200, "GET", "/api/v1/apps/"+asking+"/interclient-target-apps", nil).body)
	}
	if got := targets(); got != `["`+target+`"]` {
		t.Errorf("targets %s", got)
	}
	s.want(204, "DELETE", path+"/"+asking, nil)
	if got := targets(); got != "[]" {
		t.Errorf("targets after the end %s", got)
	}
	s.refused(404, "E0000007", "InterclientTrustMapping", "DELETE", path+"/"+asking, nil)
}
