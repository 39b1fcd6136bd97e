package api_test

import (
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

func TestOrgSettings(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	x := s.get("/api/v1/org")
	if city, there := x["city"]; x["companyName"] != "Acme" || x["subdomain"] != "acme" || x["website"] != "" || !there || city != nil {
		t.Errorf("got %v", x)
	}
	s.clock.Advance(time.Second)
	y := s.want(200, "POST", "/api/v1/org", doc.Doc{"website": "https://acme.example", "city": "Oslo", "subdomain": "other"}).object(t)
	if y["website"] != "https://acme.example" || y["companyName"] != "Acme" || y["subdomain"] != "acme" || y["lastUpdated"] != "2026-03-02T12:00:01.000Z" || y["id"] != x["id"] {
		t.Errorf("got %v", y)
	}
	z := s.want(200, "PUT", "/api/v1/org", doc.Doc{"companyName": "Apex"}).object(t)
	if z["companyName"] != "Apex" || z["website"] != "" || z["city"] != nil {
		t.Errorf("a PUT left %v", z)
	}
	s.refused(400, "E0000001", "companyName", "POST", "/api/v1/org", doc.Doc{"companyName": ""})
}

func TestOrgPreferences(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const path = "/api/v1/org/preferences"
	if x := s.want(200, "POST", path+"/hideEndUserFooter", nil).object(t); x["showEndUserFooter"] != false || doc.Object(x, "_links")["showEndUserFooter"] == nil {
		t.Errorf("got %v", x)
	}
	if x := s.want(200, "POST", "/api/v1/org/settings/autoAssignAdminAppSetting", doc.Doc{"autoAssignAdminAppSetting": false}).object(t); x["autoAssignAdminAppSetting"] != false {
		t.Errorf("got %v", x)
	}
	if x := s.get("/api/v1/org/privacy/oktaSupport/cases"); len(x["supportCases"].([]any)) != 0 {
		t.Errorf("got %v", x)
	}
}

// TestClientPrivileges: new service apps are super administrators while the org says so.
func TestClientPrivileges(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	roles := func(label string) int {
		client := doc.Doc{"application_type": "service", "grant_types": doc.Array("client_credentials"), "response_types": doc.Array("token")}
		x := s.create("/api/v1/apps", doc.Doc{"name": "oidc_client", "label": label, "signOnMode": "OPENID_CONNECT", "settings": doc.Doc{"oauthClient": client}})
		return len(s.list("/oauth2/v1/clients/" + doc.String(x, "id") + "/roles"))
	}
	if n := roles("A"); n != 0 {
		t.Errorf("a new client has %d roles", n)
	}
	s.want(200, "PUT", "/api/v1/org/settings/clientPrivilegesSetting", doc.Doc{"clientPrivilegesSetting": true})
	if n := roles("B"); n != 1 {
		t.Errorf("a privileged client has %d roles", n)
	}
}

// TestRateLimitSettingFaces: what is not published shows the same as what is.
func TestRateLimitSettingFaces(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	s.want(200, "POST", "/api/v1/internal/rateLimits/clientRateLimitMode", doc.Doc{"mode": "PREVIEW", "granularModeSettings": doc.Doc{"LOGIN_PAGE": "ENFORCE"}})
	if x := s.get("/api/v1/rate-limit-settings/per-client"); x["defaultMode"] != "PREVIEW" || doc.String(x, "useCaseModeOverrides", "LOGIN_PAGE") != "ENFORCE" {
		t.Errorf("got %v", x)
	}
	s.want(200, "PUT", "/api/v1/rate-limit-settings/per-client", doc.Doc{"defaultMode": "DISABLE"})
	if x := s.get("/api/v1/internal/rateLimits/clientRateLimitMode"); x["mode"] != "DISABLE" {
		t.Errorf("got %v", x)
	}
	s.refused(400, "E0000001", "mode", "POST", "/api/v1/internal/rateLimits/clientRateLimitMode", doc.Doc{"mode": "NEVER"})
}

func TestEmailSender(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const path = "/api/v1/org/email/sender"
	x := s.create(path, doc.Doc{"fromName": "A", "fromAddress": "no-reply@example.com", "validationSubdomain": "mail"})
	id := doc.String(x, "id")
	if records := x["dnsValidation"].([]any); len(records) != 4 || doc.String(records[1].(doc.Doc), "fqdn") != "mail.example.com" || x["status"] != "NOT_STARTED" {
		t.Errorf("got %v", x)
	}
	if y := s.create(path, doc.Doc{"id": id, "fromName": "B"}); y["fromName"] != "B" || y["id"] != id {
		t.Errorf("got %v", y)
	}
	s.refused(400, "E0000001", "pending_id", "POST", path+"/disable", doc.Doc{})
	s.want(204, "POST", path+"/disable", doc.Doc{"pending_id": id})
	s.refused(404, "E0000007", id, "GET", path+"/"+id, nil)
	errors := s.create("/api/v1/org/email/bounces/remove-list", doc.Doc{"emailAddresses": doc.Array("ada@x.example", "nobody")})["errors"].([]any)
	if len(errors) != 1 || doc.String(errors[0].(doc.Doc), "emailAddress") != "nobody" {
		t.Errorf("got %v", errors)
	}
}

func TestAgentPoolUpdate(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	pool := s.list("/api/v1/agentPools?poolType=AD")[0]
	path := "/api/v1/agentPools/" + doc.String(pool, "id") + "/updates"
	body := doc.Doc{"name": "Wednesdays", "agentType": "AD", "agents": []any{doc.Doc{"id": agent["id"]}}, "sortOrder": 0, "reason": "",
		"schedule": doc.Doc{"cron": "0 3 * * WED", "delay": 0, "duration": 1020, "timezone": "Asia/Calcutta"}}
	x := s.create(path, body)
	first := x["agents"].([]any)[0].(doc.Doc)
	if x["status"] != "Scheduled" || x["targetVersion"] != "3.22.0" || first["name"] != "DC1" || first["updateStatus"] != "Scheduled" || doc.Get(x, "schedule", "delay") != nil {
		t.Errorf("got %v", x)
	}
	one := path + "/" + doc.String(x, "id")
	s.refused(400, "E0000001", "InProgress", "POST", one+"/pause", nil)
	s.want(201, "POST", one+"/retry", nil)
	if y := s.want(201, "POST", one+"/pause", nil).object(t); y["status"] != "Paused" {
		t.Errorf("got %v", y)
	}
	body["agents"] = []any{doc.Doc{"id": "a53none"}}
	s.refused(404, "E0000007", "a53none", "POST", path, body)
	if x := s.want(201, "POST", path+"/settings", doc.Doc{"releaseChannel": "EA"}).object(t); x["releaseChannel"] != "EA" || x["latestVersion"] != "3.22.0" {
		t.Errorf("got %v", x)
	}
	if len(s.list("/api/v1/agentPools?poolType=LDAP")) != 0 {
		t.Error("AD agents are in the LDAP list")
	}
}
