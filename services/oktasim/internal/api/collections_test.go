package api_test

import (
	"fmt"
	"net/url"
	"testing"

	"imago/services/oktasim/internal/doc"
)

const governed = "/governance/api/v1/"

// data is the list in an answer of governance.
func data(t *testing.T, x doc.Doc) []doc.Doc {
	t.Helper()
	list, isList := x["data"].([]any)
	if !isList {
		t.Fatalf("no list in %v", x)
	}
	var out []doc.Doc
	for _, v := range list {
		out = append(out, v.(doc.Doc))
	}
	return out
}

// entitle makes an entitlement of an app with values, and returns it with their ids.
func (s *sim) entitle(app, name string, values ...string) (doc.Doc, []any) {
	s.Helper()
	var list, chosen []any
	for _, v := range values {
		list = append(list, doc.Doc{"name": v, "externalValue": v})
	}
	x := s.want(201, "POST", governed+"entitlements", doc.Doc{
		"name": name, "externalValue": name, "dataType": "array", "multiValue": true, "parent": doc.Doc{"type": "APPLICATION", "externalId": app}, "values": list,
	}).object(s.T)
	for _, v := range x["values"].([]any) {
		chosen = append(chosen, doc.Doc{"id": v.(doc.Doc)["id"]})
	}
	return x, chosen
}

// TestCollections hold apps with entitlements, and are given to people for a time.
func TestCollections(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app := s.list("/api/v1/apps")[0]
	e, values := s.entitle(doc.String(app, "id"), "role", "read", "write")
	path := governed + "collections/" + doc.String(s.want(201, "POST", governed+"collections", doc.Doc{"name": "C"}).object(t), "id")
	resource := doc.Doc{"resourceOrn": app["orn"], "entitlements": []any{doc.Doc{"id": e["id"], "values": values[:1]}}}
	s.refused(404, "E0000007", "esp0", "POST", path+"/resources", []any{doc.Doc{"resourceOrn": app["orn"], "entitlements": []any{doc.Doc{"id": "esp0", "values": values}}}})
	s.refused(400, "E0000001", "resourceOrn", "POST", path+"/resources", []any{doc.Doc{"resourceOrn": "orn:okta:directory:1:groups:2"}})
	s.refused(400, "E0000003", "", "POST", path+"/resources", doc.Doc{})
	made := data(t, s.create(path+"/resources", []any{resource}))
	if len(made) != 1 || made[0]["entitlements"] != nil || doc.Get(made[0], "resourceProfile", "id") != app["id"] {
		t.Fatalf("got %v", made)
	}
	one := path + "/resources/" + doc.String(made[0], "resourceId")
	s.want(200, "PUT", one, doc.Doc{"entitlements": []any{doc.Doc{"id": e["id"], "values": values}}})
	if x := s.get(one); fmt.Sprint(x["entitlementValueCount"]) != "2" || x["resourceOrn"] != app["orn"] {
		t.Errorf("got %v", x)
	}
	full := data(t, s.get(path+"/resources?include=entitlements"))[0]["entitlements"].([]any)[0].(doc.Doc)
	if full["name"] != "role" || full["values"].([]any)[1].(doc.Doc)["externalValue"] != "write" {
		t.Errorf("got %v", full)
	}
	s.assigns(path)
	s.want(204, "DELETE", one, nil)
	s.want(204, "DELETE", path, nil)
}

// assigns gives a collection to somebody.
func (s *sim) assigns(path string) {
	s.Helper()
	me := doc.String(s.get("/api/v1/users/me"), "id")
	free := func() int {
		return len(data(s.T, s.get(path+"/catalog/users?filter="+url.QueryEscape(`firstName sw "Ad"`))))
	}
	person := func(end string) []any {
		return []any{doc.Doc{"principal": doc.Doc{"type": "OKTA_USER", "externalId": me}, "expirationTime": end, "timeZone": "America/Toronto"}}
	}
	if free() != 1 {
		s.Error("somebody who has nothing cannot be given it")
	}
	s.refused(400, "E0000001", "expirationTime", "POST", path+"/assignments", person("soon"))
	s.refused(404, "E0000007", "00u0", "POST", path+"/assignments", []any{doc.Doc{"principal": doc.Doc{"type": "OKTA_USER", "externalId": "00u0"}}})
	first := s.want(201, "POST", path+"/assignments", person("2027-04-30T23:59:59Z")).list(s.T)
	again := s.want(201, "POST", path+"/assignments", person("2028-04-30T23:59:59Z")).list(s.T)
	if len(again) != 1 || again[0]["id"] != first[0]["id"] || again[0]["expirationTime"] != "2028-04-30T23:59:59Z" || free() != 0 {
		s.Errorf("got %v and then %v", first, again)
	}
	one := path + "/assignments/" + doc.String(first[0], "id")
	s.want(204, "PATCH", one, []any{doc.Doc{"op": "REMOVE", "path": "/expirationTime"}})
	s.refused(400, "E0000001", "path", "PATCH", one, []any{doc.Doc{"op": "REMOVE", "path": "/actor"}})
	for _, list := range []string{path + "/assignments", governed + "collections/assignments"} {
		if got := data(s.T, s.get(list)); len(got) != 1 || got[0]["expirationTime"] != nil || doc.String(got[0], "principalProfile", "login") != "admin@x.example" {
			s.Errorf("%s: got %v", list, got)
		}
	}
	s.want(204, "DELETE", one, nil)
}

// TestEntitlementValues are read one by one and changed by operations.
func TestEntitlementValues(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app := doc.String(s.list("/api/v1/apps")[0], "id")
	e, values := s.entitle(app, "role", "read", "write")
	path := governed + "entitlements/" + doc.String(e, "id")
	read := doc.String(values[0].(doc.Doc), "id")
	if x := s.get(path + "/values/" + read); x["name"] != "read" || x["entitlementId"] != e["id"] || doc.Get(x, "parent", "externalId") != app {
		t.Errorf("got %v", x)
	}
	s.refused(404, "E0000007", "ent0", "GET", path+"/values/ent0", nil)
	page := s.get(path + "/values?limit=1")
	if list := data(t, page); len(list) != 1 || doc.Get(page, "_links", "next") == nil || fmt.Sprint(doc.Get(page, "metadata", "total")) != "2" {
		t.Errorf("got %v", page)
	}
	found := data(t, s.get(governed+"entitlements/values?filter="+url.QueryEscape(`parent.externalId eq "`+app+`" and name sw "wr"`)))
	if len(found) != 1 || found[0]["name"] != "write" {
		t.Errorf("got %v", found)
	}
	s.refused(400, "E0000031", "filter", "GET", governed+"entitlements/values", nil)
	operation := func(op, at, kind string, value any) doc.Doc {
		return doc.Doc{"op": op, "path": at, "refType": kind, "value": value}
	}
	changed := s.want(200, "PATCH", path, []any{
		operation("REPLACE", "/name", "ENTITLEMENT", "Role"), operation("REMOVE", "/values/"+read, "ENTITLEMENT-VALUE", nil),
		operation("ADD", "/values/-", "ENTITLEMENT-VALUE", doc.Doc{"name": "own", "externalValue": "own"}),
	}).object(t)
	if list := changed["values"].([]any); changed["name"] != "Role" || len(list) != 1 || list[0].(doc.Doc)["name"] != "own" {
		t.Errorf("got %v", changed)
	}
	for words, bad := range map[string]any{
		"path": operation("ADD", "/dataType", "ENTITLEMENT", "x"), "refType": operation("ADD", "/name", "", "x"), "op": operation("MOVE", "/name", "ENTITLEMENT", "x"),
		"name": operation("REMOVE", "/name", "ENTITLEMENT", nil),
	} {
		s.refused(400, "E0000001", words, "PATCH", path, []any{operation("REPLACE", "/description", "ENTITLEMENT", "lost"), bad})
	}
	if got := data(t, s.get(path+"/values")); len(got) != 2 || s.get(path)["description"] != nil {
		t.Errorf("got %v", got)
	}
}

// TestPrincipalAccess tells what somebody has, and what would be too much.
func TestPrincipalAccess(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app := s.list("/api/v1/apps")[0]
	me := doc.String(s.get("/api/v1/users/me"), "id")
	pay, payments := s.entitle(doc.String(app, "id"), "pay", "approve")
	buy, orders := s.entitle(doc.String(app, "id"), "buy", "process")
	bundle := func(name string, e doc.Doc, values []any) doc.Doc {
		return s.want(201, "POST", governed+"entitlement-bundles", doc.Doc{
			"name": name, "target": e["parent"], "entitlements": []any{doc.Doc{"id": e["id"], "values": values}},
		}).object(t)
	}
	mine, more := bundle("mine", pay, payments), bundle("more", buy, orders)
	s.want(201, "POST", governed+"grants", doc.Doc{
		"grantType": "ENTITLEMENT-BUNDLE", "entitlementBundleId": mine["id"], "targetPrincipal": doc.Doc{"type": "OKTA_USER", "externalId": me},
	})
	ask := func(what, filter string) string { return governed + what + "?filter=" + url.QueryEscape(filter) }
	ids := fmt.Sprintf(`parent.externalId eq "%s" AND targetPrincipal.externalId eq "%s"`, app["id"], me)
	access := s.get(ask("principal-access", ids))
	if got := access["additional"].([]any); len(got) != 1 || doc.Get(got[0].(doc.Doc), "bundle", "name") != "mine" || access["base"] != nil {
		t.Errorf("got %v", access)
	}
	names := fmt.Sprintf(`parentResourceOrn eq "%s" AND targetPrincipalOrn eq "%s"`, access["parentResourceOrn"], access["targetPrincipalOrn"])
	have := data(t, s.get(ask("principal-entitlements", names)))
	if len(have) != 1 || have[0]["name"] != "pay" || have[0]["values"].([]any)[0].(doc.Doc)["name"] != "approve" {
		t.Errorf("got %v", have)
	}
	s.refused(400, "E0000031", "principal", "GET", ask("principal-access", `parent.externalId eq "`+doc.String(app, "id")+`"`), nil)
	criterion := func(name string, e doc.Doc, values []any) doc.Doc {
		return doc.Doc{"name": name, "attribute": "principal.effective_grants", "operation": "CONTAINS_ONE", "value": doc.Doc{
			"type": "ENTITLEMENTS", "value": []any{doc.Doc{"id": e["id"], "values": values}}}}
	}
	s.want(201, "POST", governed+"risk-rules", doc.Doc{
		"name": "both", "type": "SEPARATION_OF_DUTIES", "resources": []any{doc.Doc{"resourceOrn": app["orn"]}},
		"conflictCriteria": doc.Doc{"and": []any{criterion("a", pay, payments), criterion("b", buy, orders)}},
	})
	for x, conflicts := range map[string]int{doc.String(mine, "id"): 0, doc.String(more, "id"): 1} {
		body := doc.Doc{"principalOrn": access["targetPrincipalOrn"], "resourceOrn": "orn:okta:governance:1:entitlement-bundles:" + x}
		if got := data(t, s.create(governed+"risk-rule-assessments", body)); len(got) != conflicts {
			t.Errorf("%s: got %v", x, got)
		}
	}
	s.refused(404, "E0000007", "enb0", "POST", governed+"risk-rule-assessments", doc.Doc{"principalOrn": me, "resourceOrn": "enb0"})
}

// TestReassignedReviews go to somebody else while the campaign runs.
func TestReassignedReviews(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app, me := doc.String(s.list("/api/v1/apps")[0], "id"), doc.String(s.get("/api/v1/users/me"), "id")
	other := doc.String(s.create("/api/v1/users", doc.Doc{"profile": doc.Doc{"login": "o@y.example", "email": "o@y.example", "firstName": "O", "lastName": "R"}}), "id")
	s.create("/api/v1/apps/"+app+"/users", doc.Doc{"id": me})
	path := governed + "campaigns/" + doc.String(s.want(201, "POST", governed+"campaigns", campaign(app, me, "UTC")).object(t), "id")
	body := doc.Doc{"reviewerId": other, "reviewIds": doc.Array("icr0"), "note": "away"}
	s.refused(400, "E0000001", "ACTIVE", "POST", path+"/reviews/reassign", body)
	s.want(202, "POST", path+"/launch", nil)
	s.refused(404, "E0000007", "icr0", "POST", path+"/reviews/reassign", body)
	review := data(t, s.get(governed+"reviews"))[0]
	body["reviewIds"] = doc.Array(doc.String(review, "id"))
	got := data(t, s.create(path+"/reviews/reassign", body))
	if len(got) != 1 || doc.String(got[0], "reviewerProfile", "id") != other || got[0]["lastUpdatedBy"] != me {
		t.Errorf("got %v", got)
	}
	delete(body, "note")
	s.refused(400, "E0000001", "note", "POST", path+"/reviews/reassign", body)
}

// TestAccessRequests are made for people, found by administrators and commented.
func TestAccessRequests(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	app, me := doc.String(s.list("/api/v1/apps")[0], "id"), doc.String(s.get("/api/v1/users/me"), "id")
	const v2, entry = "/governance/api/v2/", "cenElsewhere00000000"
	body := doc.Doc{"id": entry, "name": "E", "_links": doc.Doc{"relatedEntity": doc.Doc{"href": s.url + "/api/v1/apps/" + app}}}
	if err := s.org.Update(func() error { return s.org.Adopt(v2+"catalogs/default/entries/"+entry, body) }); err != nil {
		t.Fatal(err)
	}
	wish := doc.Doc{"requested": doc.Doc{"type": "CATALOG_ENTRY", "entryId": entry}, "requestedFor": doc.Doc{"type": "OKTA_USER", "externalId": me}}
	x := s.want(202, "POST", v2+"requests", wish).object(t)
	if x["status"] != "SUBMITTED" || doc.String(x, "requested", "resourceId") != app || doc.String(x, "requestedFor", "externalId") != me {
		t.Errorf("got %v", x)
	}
	path := v2 + "requests/" + doc.String(x, "id")
	if got := s.get(path); got["status"] != "PENDING" || doc.String(got, "_links", "self", "href") != s.url+path {
		t.Errorf("got %v", got)
	}
	s.want(201, "POST", path+"/messages", doc.Doc{"message": "please"})
	s.refused(400, "E0000001", "message", "POST", path+"/messages", doc.Doc{})
	s.refused(404, "E0000007", "req0", "POST", v2+"requests/req0/messages", doc.Doc{"message": "please"})
	for filter, n := range map[string]int{`requestedFor eq "` + me + `"`: 1, `status eq "APPROVED"`: 0} {
		if got := data(t, s.get(v2+"requests?filter="+url.QueryEscape(filter))); len(got) != n || n == 1 && got[0]["messages"] != nil {
			t.Errorf("%s: got %v", filter, got)
		}
	}
	s.refused(400, "E0000001", "requestedFor", "POST", v2+"requests", doc.Doc{"requested": wish["requested"]})
	s.refused(404, "E0000007", "cen0", "POST", v2+"requests", doc.Merge(wish, doc.Doc{"requested": doc.Doc{"entryId": "cen0"}}))
	top := "?filter=" + url.QueryEscape("not(parent pr)")
	if got := data(t, s.get(v2+"catalogs/default/user/"+me+"/entries"+top)); len(got) != 1 || got[0]["id"] != entry {
		t.Errorf("got %v", got)
	}
	s.refused(400, "E0000031", "filter", "GET", v2+"catalogs/default/user/"+me+"/entries", nil)
	users := v2 + "my/catalogs/default/entries/" + entry + "/users?filter=" + url.QueryEscape(`lastName sw "Mi"`)
	if got := data(t, s.get(users)); len(got) != 0 {
		t.Errorf("nobody may ask for others, got %v", got)
	}
	s.want(200, "PATCH", v2+"resources/"+app+"/request-settings", doc.Doc{"requestOnBehalfOfSettings": doc.Doc{"allowed": true, "onlyFor": doc.Array("DIRECT_REPORT")}})
	if got := data(t, s.get(users)); len(got) != 1 || got[0]["id"] != me {
		t.Errorf("got %v", got)
	}
}
