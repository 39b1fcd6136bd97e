package api_test

import (
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// campaign is a request for one that reviews who has an app.
func campaign(app, reviewer, zone string) doc.Doc {
	return doc.Doc{
		"name": "review",
		"scheduleSettings": doc.Doc{
			"type": "ONE_OFF", "startDate": "2026-10-04T13:43:40Z", "durationInDays": 30, "timeZone": zone, "recurrence": doc.Doc{"interval": ""},
		},
		"resourceSettings":    doc.Doc{"type": "APPLICATION", "targetResources": []any{doc.Doc{"resourceId": app, "resourceType": "APPLICATION"}}},
		"reviewerSettings":    doc.Doc{"type": "USER", "reviewerId": reviewer},
		"remediationSettings": doc.Doc{"accessApproved": "NO_ACTION", "accessRevoked": "NO_ACTION", "noResponse": "NO_ACTION"},
	}
}

func TestCampaign(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := doc.String(s.do("POST", "/api/v1/apps", doc.Doc{
		"label": "Reviewed", "signOnMode": "BOOKMARK", "name": "bookmark", "settings": doc.Doc{"app": doc.Doc{"url": "https://example.com"}},
	}).object(t), "id")
	user := doc.String(s.do("GET", "/api/v1/users?limit=1", nil).list(t)[0], "id")
	s.do("POST", "/api/v1/apps/"+app+"/users", doc.Doc{"id": user})

	made := s.do("POST", "/governance/api/v1/campaigns", campaign(app, user, "America/Vancouver")).object(t)
	settings := doc.Object(made, "scheduleSettings")
	// The clocks change in between.
	if settings["startDate"] != "2026-10-04T06:43:40-07:00" || settings["endDate"] != "2026-11-03T06:43:40-08:00" || settings["recurrence"] != nil {
		t.Errorf("%v", settings)
	}
	path := "/governance/api/v1/campaigns/" + doc.String(made, "id")
	if a := s.do("POST", path+"/end", nil); a.status != 400 {
		t.Errorf("ended before it began: %d", a.status)
	}
	if a := s.do("POST", path+"/launch", nil); a.status != 202 || len(a.body) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	reviews := s.do("GET", "/governance/api/v1/reviews?filter=campaignId+eq+%22"+doc.String(made, "id")+"%22", nil).object(t)
	list, ok := reviews["data"].([]any)
	if !ok || len(list) != 1 || doc.String(list[0].(doc.Doc), "principalProfile", "id") != user || doc.String(list[0].(doc.Doc), "resourceId") != app {
		t.Errorf("%v", reviews)
	}
	if a := s.do("DELETE", path, nil); a.status != 400 {
		t.Errorf("deleted while it runs: %d", a.status)
	}
	s.do("POST", path+"/end", nil)
	if a := s.do("DELETE", path, nil); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.do("POST", "/governance/api/v1/campaigns", campaign(app, user, "Mars/Olympus")); a.status != 400 || !strings.Contains(string(a.body), "timeZone") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestGrantOfBundle(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := doc.String(s.do("GET", "/api/v1/apps?limit=1", nil).list(t)[0], "id")
	user := doc.String(s.do("GET", "/api/v1/users?limit=1", nil).list(t)[0], "id")
	entitlement := s.do("POST", "/governance/api/v1/entitlements", doc.Doc{
		"name": "License", "externalValue": "license", "dataType": "array", "multiValue": true,
		"parent": doc.Doc{"type": "APPLICATION", "externalId": app}, "values": []any{doc.Doc{"name": "Full", "externalValue": "full"}},
	}).object(t)
	value := doc.String(entitlement["values"].([]any)[0].(doc.Doc), "id")
	bundle := s.do("POST", "/governance/api/v1/entitlement-bundles", doc.Doc{
		"name": "Bundle", "target": entitlement["parent"],
		"entitlements": []any{doc.Doc{"id": entitlement["id"], "values": []any{doc.Doc{"id": value}}}},
	}).object(t)
	if doc.String(bundle, "targetResourceOrn") != doc.String(entitlement, "parentResourceOrn") {
		t.Errorf("%v", bundle)
	}
	path := "/governance/api/v1/entitlement-bundles/" + doc.String(bundle, "id")
	if full := s.do("GET", path+"?include=full_entitlements", nil); !strings.Contains(string(full.body), `"externalValue":"full"`) {
		t.Errorf("%s", full.body)
	}
	if plain := s.do("GET", path, nil); strings.Contains(string(plain.body), "externalValue") {
		t.Errorf("%s", plain.body)
	}
	grant := doc.Doc{"grantType": "ENTITLEMENT-BUNDLE", "entitlementBundleId": bundle["id"], "targetPrincipal": doc.Doc{"type": "OKTA_USER", "externalId": user}}
	a := s.do("POST", "/governance/api/v1/grants", grant)
	if a.status != 201 || doc.String(a.object(t), "target", "externalId") != app || !strings.HasSuffix(doc.String(a.object(t), "targetPrincipalOrn"), ":users:"+user) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.do("POST", "/governance/api/v1/grants", doc.Doc{"grantType": "CUSTOM", "targetPrincipal": grant["targetPrincipal"]}); a.status != 400 {
		t.Errorf("a grant of nothing: %d %s", a.status, a.body)
	}
}

func TestDelegates(t *testing.T) {
	t.Parallel()
	s := start(t)
	users := s.do("GET", "/api/v1/users?limit=3", nil).list(t)
	away, one, two := doc.String(users[0], "id"), doc.String(users[1], "id"), doc.String(users[2], "id")
	appoint := func(ids ...string) answer {
		list := []any{}
		for _, id := range ids {
			list = append(list, doc.Doc{"delegate": doc.Doc{"type": "OKTA_USER", "externalId": id}})
		}
		return s.do("PATCH", "/governance/api/v1/principal-settings/"+away, doc.Doc{"delegates": doc.Doc{"appointments": list}})
	}
	listed := func() string {
		return string(s.do("GET", "/governance/api/v1/delegates?filter=delegatorId+eq+%22"+away+"%22", nil).body)
	}
	appoint(one)
	if a := appoint(two); a.status != 200 || strings.Contains(listed(), one) || !strings.Contains(listed(), two) {
		t.Errorf("%d %s, listed %s", a.status, a.body, listed())
	}
	if a := appoint(one, ""); a.status != 400 || strings.Contains(listed(), one) {
		t.Errorf("%d %s, listed %s", a.status, a.body, listed())
	}
	if got := s.do("PATCH", "/governance/api/v1/principal-settings/"+away, doc.Doc{}); !strings.Contains(string(got.body), two) {
		t.Errorf("an empty request changed something: %s", got.body)
	}
}

func TestRequestConditionsAreRankedFromZero(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := doc.String(s.do("GET", "/api/v1/apps?limit=1", nil).list(t)[0], "id")
	base := "/governance/api/v2/resources/" + app + "/request-conditions"
	for i, asked := range []int{1, 100, 0} {
		made := s.do("POST", base, doc.Doc{
			"name": "c", "approvalSequenceId": "68920b41386747a673869356", "priority": asked,
			"accessScopeSettings": doc.Doc{"type": "RESOURCE_DEFAULT"}, "requesterSettings": doc.Doc{"type": "EVERYONE"},
		}).object(t)
		if got, ok := doc.Int(made, "priority"); !ok || got != []int{0, 1, 0}[i] {
			t.Errorf("asked for %d, got %v", asked, made["priority"])
		}
	}
}
