package api_test

import (
	"testing"

	"imago/services/oktasim/internal/doc"
)

// TestAdminBundles grants admin roles by governance, and tells where they come from.
func TestAdminBundles(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const path = "/api/v1/iam/governance/"
	for _, turn := range [][3]string{{"optIn", "OPTING_IN", "OPTED_IN"}, {"optOut", "OPTING_OUT", "OPTED_OUT"}, {"optOut", "OPTED_OUT", "OPTED_OUT"}} {
		if got := s.create(path+turn[0], nil)["optInStatus"]; got != turn[1] || s.get(path + "optIn")["optInStatus"] != turn[2] {
			t.Errorf("%s: got %v", turn[0], got)
		}
	}
	group := s.list("/api/v1/groups?q=G")[0]
	set := s.create("/api/v1/iam/resource-sets", doc.Doc{"label": "S", "description": "d", "resources": doc.Array(s.url + "/api/v1/users")})
	role := s.create("/api/v1/iam/roles", doc.Doc{"label": "R", "description": "d", "permissions": doc.Array("okta.users.read")})
	entitlements := func(list ...any) doc.Doc { return doc.Doc{"name": "B", "entitlements": list} }
	help := doc.Doc{"role": "HELP_DESK_ADMIN", "targets": doc.Array(doc.String(group, "id"))}
	s.refused(400, "E0000001", "resourceSets", "POST", path+"bundles", entitlements(doc.Doc{"role": "R"}))
	s.refused(404, "E0000007", "NOBODY_ADMIN", "POST", path+"bundles", entitlements(doc.Doc{"role": "NOBODY_ADMIN"}))
	s.refused(400, "E0000091", "", "POST", path+"bundles", entitlements(doc.Doc{"role": "APP_ADMIN", "targets": doc.Array(doc.String(group, "id"))}))
	bundle := s.create(path+"bundles", entitlements(help, doc.Doc{"role": "R", "resourceSets": doc.Array(doc.String(set, "id"))}))
	at := doc.String(bundle, "_links", "entitlements", "href")[len(s.url):]
	listed, isList := s.get(at + "?limit=1")["entitlements"].([]any)
	if !isList || len(listed) != 1 || doc.String(listed[0].(doc.Doc), "role") != "HELP_DESK_ADMIN" {
		t.Fatalf("got %v", listed)
	}
	next := doc.String(s.get(at+"?limit=1"), "_links", "next", "href")[len(s.url):]
	second := s.get(next)["entitlements"].([]any)[0].(doc.Doc)
	if second["role"] != role["id"] || doc.Get(s.get(next), "_links", "next") != nil {
		t.Errorf("got %v", second)
	}
	values := s.get(doc.String(second, "_links", "values", "href")[len(s.url):])["entitlementValues"].([]any)
	if len(values) != 1 || doc.String(values[0].(doc.Doc), "_links", "resource-set", "href") == "" {
		t.Errorf("got %v", values)
	}
	s.refused(404, "E0000007", "ent0", "GET", at+"/ent0/values", nil)
	s.granted(doc.String(bundle, "id"), doc.String(group, "id"))
	s.want(204, "DELETE", path+"bundles/"+doc.String(bundle, "id"), nil)
	s.refused(404, "E0000007", "GovernanceBundle", "GET", at, nil)
}

// granted gives a bundle to somebody, who then has its roles within the limits.
func (s *sim) granted(bundle, group string) {
	s.Helper()
	user := doc.String(s.create("/api/v1/users", doc.Doc{"profile": doc.Doc{"login": "h@y.example", "email": "h@y.example", "firstName": "H", "lastName": "D"}}), "id")
	s.want(201, "POST", "/governance/api/v1/grants", doc.Doc{
		"grantType": "ENTITLEMENT-BUNDLE", "entitlementBundleId": bundle, "targetPrincipal": doc.Doc{"type": "OKTA_USER", "externalId": user},
	})
	roles := s.list("/api/v1/users/" + user + "/roles")
	if len(roles) != 2 {
		s.Fatalf("the roles are %v", roles)
	}
	for _, r := range roles {
		path := "/api/v1/users/" + user + "/roles/" + doc.String(r, "id") + "/governance"
		grants := s.get(path)["grants"].([]any)
		if len(grants) != 1 || doc.String(grants[0].(doc.Doc), "bundleId") != bundle {
			s.Fatalf("%v: got %v", r["type"], grants)
		}
		one := doc.String(grants[0].(doc.Doc), "_links", "self", "href")[len(s.url):]
		if resources := s.get(one + "/resources")["resources"].([]any); s.get(one)["bundleId"] != bundle || len(resources) != 1 {
			s.Errorf("got %v", resources)
		}
		s.refused(404, "E0000007", "0gg0", "GET", path+"/0gg0", nil)
	}
	at := "/api/v1/users/" + user + "/roles/" + doc.String(roles[0], "id") + "/targets"
	if got := s.list(at); len(got) != 1 || got[0]["assignmentType"] != "USER" || doc.String(got[0], "_links", "self", "href") != s.url+"/api/v1/groups/"+group {
		s.Errorf("got %v", got)
	}
	if got := s.list(at + "?assignmentType=GROUP"); len(got) != 0 {
		s.Errorf("got %v", got)
	}
	s.refused(400, "E0000001", "assignmentType", "GET", at+"?assignmentType=X", nil)
}
