package api_test

import (
	"fmt"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// TestDeletedEmailDomain: what was deleted is still read as such (recorded), and its name
// is free.
func TestDeletedEmailDomain(t *testing.T) {
	t.Parallel()
	s := start(t)
	brand := s.list("/api/v1/brands")[0]["id"]
	body := doc.Doc{"domain": "mail.acme.example", "brandId": brand, "displayName": "Acme", "userName": "noreply"}
	path := "/api/v1/email-domains/" + doc.String(s.want(201, "POST", "/api/v1/email-domains", body).object(t), "id")
	s.refused(409, "E0000197", "Unique email domain name", "POST", "/api/v1/email-domains", body)
	s.want(200, "POST", path+"/verify", nil)
	s.want(204, "DELETE", path, nil)
	if x := s.get(path); x["validationStatus"] != "DELETED" || x["domain"] != "mail.acme.example" {
		t.Errorf("got %v", x)
	}
	s.refused(404, "E0000198", "", "POST", path+"/verify", nil)
	s.refused(404, "E0000198", "", "DELETE", path, nil)
	if b := s.list("/api/v1/brands")[0]; b["emailDomainId"] != nil {
		t.Errorf("the brand still sends from it: %v", b)
	}
	s.want(201, "POST", "/api/v1/email-domains", body)
}

func TestDomainRefusals(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.refused(400, "E0000001", "domain: The value is not valid", "POST", "/api/v1/domains", doc.Doc{"domain": "no domain", "certificateSourceType": "MANUAL"})
	path := "/api/v1/domains/" + doc.String(s.want(201, "POST", "/api/v1/domains", doc.Doc{"domain": "id.acme.example", "certificateSourceType": "OKTA_MANAGED"}).object(t), "id")
	s.refused(400, "E0000001", "brandId: The field cannot be left blank", "PUT", path, doc.Doc{})
	s.refused(400, "E0000001", "privateKey: The field cannot be left blank", "PUT", path+"/certificate", doc.Doc{"type": "PEM", "certificate": "x", "certificateChain": "x"})
	s.refused(400, "E0000001", "type: The type must be PEM", "PUT", path+"/certificate", doc.Doc{"type": "DER", "certificate": "x", "certificateChain": "x", "privateKey": "x"})
}

func TestOneMailServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	server := doc.Doc{"alias": "a", "host": "smtp.acme.example", "port": 587, "username": "u", "password": "p", "enabled": true}
	path := "/api/v1/email-servers/" + doc.String(s.want(201, "POST", "/api/v1/email-servers", server).object(t), "id")
	s.refused(400, "E0000222", "only one SMTP server", "POST", "/api/v1/email-servers", server)
	s.refused(400, "E0000001", "toAddress", "POST", path+"/test", doc.Doc{"fromAddress": "a@acme.example"})
	s.want(200, "PATCH", path, doc.Doc{"enabled": false})
	s.want(201, "POST", "/api/v1/email-servers", server)
}

func TestLogStreamSettings(t *testing.T) {
	t.Parallel()
	s := start(t)
	stream := func(name, kind string, settings doc.Doc) doc.Doc {
		return doc.Doc{"name": name, "type": kind, "settings": settings}
	}
	aws := func(account, source, region string) doc.Doc {
		return doc.Doc{"accountId": account, "eventSourceName": source, "region": region}
	}
	for cause, body := range map[string]doc.Doc{
		"settings.accountId":       stream("a", "aws_eventbridge", aws("1", "okta", "us-east-2")),
		"settings.eventSourceName": stream("a", "aws_eventbridge", aws("123456789012", "o k t a", "us-east-2")),
		"settings.region":          stream("a", "aws_eventbridge", aws("123456789012", "okta", "mars-1")),
		"settings.host":            stream("a", "splunk_cloud_logstreaming", doc.Doc{"host": "https://acme.splunkcloud.com", "edition": "aws", "token": "t"}),
		"settings.token":           stream("a", "splunk_cloud_logstreaming", doc.Doc{"host": "acme.splunkcloud.com", "edition": "aws"}),
	} {
		s.refused(400, "E0000001", cause, "POST", "/api/v1/logStreams", body)
	}
	path := "/api/v1/logStreams/" + doc.String(s.want(200, "POST", "/api/v1/logStreams", stream("a", "aws_eventbridge", aws("123456789012", "okta", "us-east-2"))).object(t), "id")
	s.refused(400, "E0000001", "settings.region: The field cannot be changed", "PUT", path, stream("a", "aws_eventbridge", aws("123456789012", "okta", "us-east-1")))
	s.want(200, "PUT", path, stream("b", "aws_eventbridge", aws("123456789012", "okta", "us-east-2")))
}

// TestBehaviorForm: the link's name, the times' form and the settings' bounds are Okta's own.
func TestBehaviorForm(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.want(200, "POST", "/api/v1/behaviors", doc.Doc{"name": "Fast", "type": "VELOCITY"}).object(t)
	self := doc.Object(x, "_link", "self")
	if x["_links"] != nil || doc.String(self, "href") != s.url+"/api/v1/behaviors/"+doc.String(x, "id") || fmt.Sprint(x["settings"]) != "map[velocityKph:805]" {
		t.Errorf("got %v", x)
	}
	if found := s.list("/api/v1/behaviors?q=fas&limit=1"); len(found) != 1 || found[0]["id"] != x["id"] {
		t.Errorf("q found %v", found)
	}
	s.refused(400, "E0000001", "settings.radiusKilometers", "POST", "/api/v1/behaviors", doc.Doc{"name": "Near", "type": "ANOMALOUS_LOCATION", "settings": doc.Doc{"granularity": "LAT_LONG"}})
	s.refused(400, "E0000001", "between 1 and 100", "POST", "/api/v1/behaviors", doc.Doc{"name": "New", "type": "ANOMALOUS_DEVICE", "settings": doc.Doc{"maxEventsUsedForEvaluation": 0}})
}

func TestZoneRefusals(t *testing.T) {
	t.Parallel()
	s := start(t)
	addresses := func(n int) []any {
		var out []any
		for i := range n {
			out = append(out, doc.Doc{"type": "CIDR", "value": fmt.Sprintf("10.0.%d.0/24", i)})
		}
		return out
	}
	zone := func(kind string, more doc.Doc) doc.Doc {
		more["name"], more["type"] = "Z", kind
		return more
	}
	for cause, body := range map[string]doc.Doc{
		"gateways: The number of elements must be between 0 and 150": zone("IP", doc.Doc{"gateways": addresses(151)}),
		"proxies: The number of elements must be between 0 and 150":  zone("IP", doc.Doc{"usage": "BLOCKLIST", "proxies": addresses(151)}),
		"asns, locations, proxyType":                                 zone("DYNAMIC", doc.Doc{}),
		"asns, locations, ipServiceCategories":                       zone("DYNAMIC_V2", doc.Doc{"asns": doc.Doc{"include": []any{}}}),
		"proxyType":                                                  zone("DYNAMIC", doc.Doc{"proxyType": "Nobody"}),
		"locations[0].country":                                       zone("DYNAMIC", doc.Doc{"locations": []any{doc.Doc{"country": "Norway"}}}),
	} {
		s.refused(400, "E0000001", cause, "POST", "/api/v1/zones", body)
	}
	s.want(200, "POST", "/api/v1/zones", zone("IP", doc.Doc{"usage": "BLOCKLIST", "gateways": addresses(151)}))
}

func TestTrustedOriginsByScope(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, scope := range map[string]string{"a": "CORS", "b": "REDIRECT"} {
		s.want(200, "POST", "/api/v1/trustedOrigins", doc.Doc{"name": name, "origin": "https://" + name + ".example", "scopes": []any{doc.Doc{"type": scope}}})
	}
	if found := s.list("/api/v1/trustedOrigins?filter=type+eq+%22REDIRECT%22"); len(found) != 1 || found[0]["name"] != "b" {
		t.Errorf("got %v", found)
	}
}

func TestRealmSearch(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, name := range []string{"Beta", "Alpha"} {
		s.want(200, "POST", "/api/v1/realms", doc.Doc{"profile": doc.Doc{"name": name, "domains": doc.Array(name + ".example")}})
	}
	a := s.want(200, "GET", "/api/v1/realms?search=profile.name+co+%22a%22&sortBy=profile.name&sortOrder=desc", nil)
	if found := a.list(t); len(found) != 3 || doc.String(found[1], "profile", "name") != "Beta" {
		t.Errorf("got %v", found)
	}
	s.refused(400, "E0000001", "profile.domains", "POST", "/api/v1/realms", doc.Doc{"profile": doc.Doc{"name": "C", "domains": doc.Array("a b!")}})
}

// TestLinkedObjectNames: the names of both sides of all definitions are one set.
func TestLinkedObjectNames(t *testing.T) {
	t.Parallel()
	s := start(t)
	const path = "/api/v1/meta/schemas/user/linkedObjects"
	relation := func(primary, associated string) doc.Doc {
		side := func(name string) doc.Doc { return doc.Doc{"name": name, "title": name, "type": "USER"} }
		return doc.Doc{"primary": side(primary), "associated": side(associated)}
	}
	s.want(201, "POST", path, relation("manager", "subordinate"))
	s.refused(409, "E0000127", "for associated is already in use", "POST", path, relation("mentor", "manager"))
	s.refused(409, "E0000127", "for primary is already in use", "POST", path, relation("subordinate", "pupil"))
	s.refused(409, "E0000127", "already in use", "POST", path, relation("twin", "twin"))
	s.want(201, "POST", path, relation("mentor", "pupil"))
}

// TestTranslationsMerge: a partial update touches the languages that it names.
func TestTranslationsMerge(t *testing.T) {
	t.Parallel()
	s := start(t)
	x := s.want(200, "POST", "/api/v1/templates/sms", doc.Doc{
		"name": "T", "type": "SMS_VERIFY_CODE", "template": "${code}", "translations": doc.Doc{"de": "${code}", "fr": "${code}"},
	}).object(t)
	path := "/api/v1/templates/sms/" + doc.String(x, "id")
	s.want(200, "POST", path, doc.Doc{"translations": doc.Doc{"de": nil, "fr": "code: ${code}", "es": "${code}"}})
	got := s.get(path)
	if want := "map[es:${code} fr:code: ${code}]"; fmt.Sprint(got["translations"]) != want || got["template"] != "${code}" {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestDeviceStatus: only what a device's status allows.
func TestDeviceStatus(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	path := "/api/v1/devices/guo4a5u7YAHhjXrMK0g4"
	s.refused(403, "E0000152", "Illegal device status", "POST", path+"/lifecycle/unsuspend", nil)
	s.refused(403, "E0000152", "", "DELETE", path, nil)
	s.want(204, "POST", path+"/lifecycle/suspend", nil)
	s.refused(403, "E0000152", "", "POST", path+"/lifecycle/suspend", nil)
	s.want(204, "POST", path+"/lifecycle/deactivate", nil)
	s.refused(403, "E0000152", "", "POST", path+"/lifecycle/suspend", nil)
	s.want(204, "DELETE", path, nil)
}

// TestPushProviderInUse: an authenticator's provider stays.
func TestPushProviderInUse(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	provider := doc.Doc{"name": "P", "providerType": "FCM", "configuration": doc.Doc{"serviceAccountJson": doc.Doc{"project_id": "p"}}}
	id := doc.String(s.create("/api/v1/push-providers", provider), "id")
	s.refused(400, "E0000001", "name", "POST", "/api/v1/push-providers", provider)
	s.create("/api/v1/authenticators", doc.Doc{
		"key": "custom_app", "name": "Push", "agreeToTerms": true, "settings": doc.Doc{"appInstanceId": s.list("/api/v1/apps")[0]["id"]},
		"provider": doc.Doc{"type": "PUSH", "configuration": doc.Doc{"fcm": doc.Doc{"id": id}}},
	})
	s.refused(409, "E0000187", "custom app authenticator", "DELETE", "/api/v1/push-providers/"+id, nil)
}
