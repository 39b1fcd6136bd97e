package api_test

import (
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

func TestDefaultAuthorizationServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	const path = "/api/v1/authorizationServers/default"
	x := s.get(path)
	if doc.String(x, "issuer") != s.url+"/oauth2/default" || doc.String(x, "_links", "self", "href") != s.url+path {
		t.Errorf("got %v", x)
	}
	scopes, claims := s.list(path+"/scopes"), s.list(path+"/claims")
	if len(scopes) != 7 || len(claims) != 19 || scopes[0]["name"] != "openid" || claims[0]["name"] != "sub" {
		t.Errorf("got %d scopes and %d claims", len(scopes), len(claims))
	}
	byID := "/api/v1/authorizationServers/" + doc.String(x, "id")
	scope := s.get(byID + "/scopes/" + doc.String(scopes[0], "id"))
	if got, want := doc.String(scope, "_links", "self", "href"), s.url+path+"/scopes/"+doc.String(scopes[0], "id"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.refused(400, "E0000001", "system", "DELETE", byID+"/claims/"+doc.String(claims[0], "id"), nil)
	s.refused(400, "E0000001", "deactivated", "DELETE", byID, nil)
	s.want(204, "POST", byID+"/lifecycle/deactivate", nil)
	s.want(204, "DELETE", byID, nil)
	s.refused(404, "E0000007", "default (AuthorizationServer)", "GET", path+"/scopes", nil)
}

func TestAuthorizationServerKeys(t *testing.T) {
	t.Parallel()
	s := start(t)
	body := doc.Doc{"name": "a", "audiences": doc.Array("api://a"), "credentials": doc.Doc{"signing": doc.Doc{"rotationMode": "MANUAL"}}}
	x := s.want(201, "POST", "/api/v1/authorizationServers", body).object(t)
	signing := doc.Object(x, "credentials", "signing")
	if signing["rotationMode"] != "AUTO" || signing["lastRotated"] != "2026-03-02T12:00:00.000Z" || signing["nextRotation"] != "2026-05-31T12:00:00.000Z" {
		t.Errorf("got %v", signing)
	}
	path := "/api/v1/authorizationServers/" + doc.String(x, "id")
	again := doc.Object(s.want(200, "PUT", path, body).object(t), "credentials", "signing")
	if again["rotationMode"] != "MANUAL" || again["kid"] != signing["kid"] || again["nextRotation"] != nil {
		t.Errorf("got %v", again)
	}
}

func TestInlineHookSecrets(t *testing.T) {
	t.Parallel()
	s := start(t)
	body := doc.Doc{"name": "a", "type": "com.okta.saml.tokens.transform", "version": "1.0.2", "channel": doc.Doc{"config": doc.Doc{
		"uri": "https://x.example", "authScheme": doc.Doc{"type": "HEADER", "key": "Authorization", "value": "secret"}}}}
	x := s.create("/api/v1/inlineHooks", body)
	scheme := doc.Object(x, "channel", "config", "authScheme")
	if scheme["key"] != "Authorization" || scheme["value"] != nil {
		t.Errorf("got %v", scheme)
	}
	links := doc.Object(x, "_links")
	if links["execute"] == nil || links["deactivate"] == nil || links["delete"] != nil {
		t.Errorf("links of an active hook: %v", links)
	}
	body["name"], body["channel"] = "b", doc.Doc{"config": doc.Doc{"uri": "https://x.example"}}
	y := s.create("/api/v1/inlineHooks", body)
	config := doc.Object(y, "channel", "config")
	if scheme, there := config["authScheme"]; !there || scheme != nil {
		t.Errorf("a hook without a scheme has %v", config)
	}
	path := "/api/v1/inlineHooks/" + doc.String(y, "id")
	s.refused(400, "E0000001", "deactivated", "DELETE", path, nil)
	off := s.want(200, "POST", path+"/lifecycle/deactivate", nil).object(t)
	if links := doc.Object(off, "_links"); links["execute"] != nil || links["activate"] == nil || links["delete"] == nil {
		t.Errorf("links of an inactive hook: %v", links)
	}
	s.want(204, "DELETE", path, nil)
	if found := s.list("/api/v1/inlineHooks?type=com.okta.saml.tokens.transform"); len(found) != 1 {
		t.Errorf("got %d hooks of the type", len(found))
	}
	if found := s.list("/api/v1/inlineHooks?type=com.okta.import.transform"); len(found) != 0 {
		t.Errorf("got %d hooks of another type", len(found))
	}
}

func TestSupportAccess(t *testing.T) {
	t.Parallel()
	s := start(t)
	const path = "/api/v1/org/privacy/oktaSupport"
	for _, step := range []struct{ operation, support, expires string }{
		{"extend", "DISABLED", ""}, {"grant", "ENABLED", "2026-03-02T20:00:00.000Z"}, {"extend", "ENABLED", "2026-03-03T20:00:00.000Z"},
		{"revoke", "DISABLED", ""},
	} {
		if step.operation == "extend" && step.support == "DISABLED" {
			if x := s.get(path); x["support"] != "DISABLED" || doc.Object(x, "_links")["grant"] == nil {
				t.Errorf("a new org: %v", x)
			}
			continue
		}
		x := s.want(200, "POST", path+"/"+step.operation, nil).object(t)
		if x["support"] != step.support || doc.String(x, "expiration") != step.expires {
			t.Errorf("%s: got %v", step.operation, x)
		}
	}
}

func TestContacts(t *testing.T) {
	t.Parallel()
	s := start(t)
	u := s.create("/api/v1/users", doc.Doc{"profile": doc.Doc{"login": "c@x.example", "email": "c@x.example", "firstName": "C", "lastName": "D"}})
	const path = "/api/v1/org/contacts/BILLING"
	s.refused(404, "E0000007", "00unobody (User)", "PUT", path, doc.Doc{"userId": "00unobody"})
	x := s.want(200, "PUT", path, doc.Doc{"userId": u["id"]}).object(t)
	if got, want := doc.String(x, "_links", "user", "href"), s.url+"/api/v1/users/"+doc.String(u, "id"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if list := s.list("/api/v1/org/contacts"); len(list) != 2 || list[0]["contactType"] != "BILLING" || list[0]["userId"] != nil {
		t.Errorf("got %v", list)
	}
	s.want(204, "DELETE", "/api/v1/users/"+doc.String(u, "id"), nil)
	s.want(204, "DELETE", "/api/v1/users/"+doc.String(u, "id"), nil)
	if x := s.get(path); x["userId"] != nil || x["_links"] != nil {
		t.Errorf("the contact is gone, and yet %v", x)
	}
}

func TestCaptchaInUse(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.want(201, "POST", "/api/v1/captchas", doc.Doc{"name": "c", "type": "HCAPTCHA", "siteKey": "k", "secretKey": "s"}).object(t)
	path := "/api/v1/captchas/" + doc.String(c, "id")
	set := s.want(200, "PUT", "/api/v1/org/captcha", doc.Doc{"captchaId": c["id"], "enabledPages": doc.Array("SSR")}).object(t)
	if doc.String(set, "_links", "captcha", "href") != s.url+path {
		t.Errorf("got %v", set)
	}
	s.refused(403, "E0000168", "associated with org-wide", "DELETE", path, nil)
	s.want(204, "DELETE", "/api/v1/org/captcha", nil)
	if x := s.get("/api/v1/org/captcha"); x["captchaId"] != nil || doc.Object(x, "_links")["captcha"] != nil {
		t.Errorf("the setting stays: %v", x)
	}
	s.want(204, "DELETE", path, nil)
}

func TestExemptZone(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, z := range s.list("/api/v1/zones") {
		if z["name"] != "DefaultExemptIpZone" {
			continue
		}
		s.clock.Advance(time.Minute)
		path := "/api/v1/zones/" + doc.String(z, "id")
		body := doc.Doc{"type": "IP", "name": "other", "gateways": []any{doc.Doc{"type": "CIDR", "value": "192.0.2.0/24"}}, "useAsExemptList": true}
		x := s.want(200, "PUT", path, body).object(t)
		if x["name"] != z["name"] || x["useAsExemptList"] != true || x["lastUpdated"] != z["lastUpdated"] {
			t.Errorf("got %v", x)
		}
		if x := s.get(path); x["useAsExemptList"] != nil || x["lastUpdated"] == z["lastUpdated"] {
			t.Errorf("got %v", x)
		}
		return
	}
	t.Error("there is no exempt zone")
}

// TestRotateKeys: the next key signs, the one before is shown until the next rotation.
func TestRotateKeys(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const server = "/api/v1/authorizationServers/default"
	statuses := func(keys []doc.Doc) map[string]string {
		out := map[string]string{}
		for _, k := range keys {
			out[doc.String(k, "status")] = doc.String(k, "kid")
		}
		return out
	}
	before := statuses(s.list(server + "/credentials/keys"))
	s.refused(400, "E0000001", "use", "POST", server+"/credentials/lifecycle/keyRotate", doc.Doc{"use": "enc"})
	s.clock.Advance(time.Second)
	after := statuses(s.want(200, "POST", server+"/credentials/lifecycle/keyRotate", doc.Doc{"use": "sig"}).list(t))
	if after["ACTIVE"] != before["NEXT"] || after["EXPIRED"] != before["ACTIVE"] || after["NEXT"] == "" || len(after) != 3 {
		t.Errorf("got %v after %v", after, before)
	}
	signing := doc.Object(s.get(server), "credentials", "signing")
	if signing["kid"] != after["ACTIVE"] || signing["lastRotated"] != "2026-03-02T12:00:01.000Z" {
		t.Errorf("the server signs with %v", signing)
	}
	if again := statuses(s.want(200, "POST", server+"/credentials/lifecycle/keyRotate", doc.Doc{"use": "sig"}).list(t)); len(again) != 3 || again["EXPIRED"] != after["ACTIVE"] {
		t.Errorf("got %v after %v", again, after)
	}
}

func TestResourceServerKeys(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const path = "/api/v1/authorizationServers/default/resourceservercredentials/keys"
	add := func(kid, status string) string {
		return path + "/" + doc.String(s.want(201, "POST", path, doc.Doc{"kty": "RSA", "e": "AQAB", "n": "abc", "kid": kid, "status": status}).object(t), "id")
	}
	first, second := add("a", "ACTIVE"), add("b", "ACTIVE")
	if s.get(first)["status"] != "INACTIVE" || s.get(second)["status"] != "ACTIVE" {
		t.Error("two keys are active, or none")
	}
	s.refused(400, "E0000001", "active", "DELETE", second, nil)
	s.want(200, "POST", first+"/lifecycle/activate", nil)
	s.want(204, "DELETE", second, nil)
}

func TestTelephonyProviders(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const path = "/api/v1/telephony-providers"
	add := func(name string) string {
		body := doc.Doc{"providerName": name, "providerSid": "s", "providerAuthToken": "t", "providerSettings": doc.Doc{"sms": doc.Doc{}}}
		return path + "/" + doc.String(s.want(201, "POST", path, body).object(t), "id")
	}
	first, second := add("TWILIO"), add("TELESIGN")
	if x := s.get(first); x["isPrimaryProvider"] != true || x["enabled"] != false || x["providerAuthToken"] != nil {
		t.Errorf("got %v", x)
	}
	for _, p := range []string{first, second} {
		s.want(200, "POST", p+"/lifecycle/activate", nil)
	}
	s.refused(400, "E0000001", "primary", "POST", first+"/lifecycle/deactivate", nil)
	s.want(200, "POST", second+"/setAsPrimary", nil)
	if s.get(first)["isPrimaryProvider"] != false {
		t.Error("two providers are primary")
	}
	s.refused(400, "E0000001", "deactivated", "DELETE", first, nil)
	s.want(200, "POST", first+"/lifecycle/deactivate", nil)
	s.want(204, "DELETE", first, nil)
	s.refused(400, "E0000001", "factor", "POST", second+"/test", doc.Doc{"phoneNumber": "1", "countryCodeIso2": "US", "factor": "FAX"})
}

// TestLogStreamSchemas describe the types of log streams.
func TestLogStreamSchemas(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	for _, x := range s.list("/api/v1/meta/schemas/logStream") {
		self := doc.String(x, "$id")
		if got := s.get(self[len(s.url):]); got["$id"] != self || len(doc.Object(got, "properties", "settings", "properties")) != 3 {
			t.Errorf("got %v", got)
		}
	}
	s.refused(404, "E0000007", "kafka", "GET", "/api/v1/meta/schemas/logStream/kafka", nil)
}

// TestAerialConsent is one account's, until it is taken back.
func TestAerialConsent(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const path = "/api/v1/org/privacy/aerial"
	body := doc.Doc{"accountId": "acc1"}
	s.refused(404, "E0000007", "", "GET", path, nil)
	s.refused(400, "E0000001", "accountId", "POST", path+"/grant", doc.Doc{})
	x := s.create(path+"/grant", body)
	if got := s.get(path); got["accountId"] != "acc1" || got["grantedBy"] != x["grantedBy"] || got["grantedDate"] != "2026-03-02T12:00:00.000Z" {
		t.Errorf("got %v", got)
	}
	s.refused(400, "E0000001", "accountId", "POST", path+"/grant", doc.Doc{"accountId": "acc2"})
	s.refused(404, "E0000007", "acc2", "POST", path+"/revoke", doc.Doc{"accountId": "acc2"})
	s.refused(400, "E0000001", "accountId", "POST", path+"/revoke", doc.Doc{})
	if doc.Get(s.create(path+"/revoke", body), "_links", "grant") == nil {
		t.Error("no link to grant it again")
	}
	s.refused(404, "E0000007", "", "GET", path, nil)
}

// TestPublicKeys are read by whoever checks what is signed with them.
func TestPublicKeys(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	key := s.create("/api/v1/hook-keys", doc.Doc{"name": "k"})
	public := s.get("/api/v1/hook-keys/public/" + doc.String(key, "keyId"))
	if public["kid"] != key["keyId"] || public["n"] != doc.Get(key, "_embedded", "n") {
		t.Errorf("got %v", public)
	}
	s.refused(404, "E0000007", "HookKey", "GET", "/api/v1/hook-keys/public/"+doc.String(key, "id"), nil)
	checks := s.list("/api/v1/device-posture-checks/default")
	if len(checks) != 1 || checks[0]["type"] != "BUILTIN" {
		t.Errorf("got %v", checks)
	}
	s.refused(501, "E0000060", "Okta's own", "DELETE", "/api/v1/device-posture-checks/"+doc.String(checks[0], "id"), nil)
}

// TestActiveIdpKeys are those with which requests are signed.
func TestActiveIdpKeys(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	oidc := s.create("/api/v1/idps", doc.Doc{"type": "OIDC", "name": "O", "protocol": doc.Doc{
		"type": "OIDC", "scopes": doc.Array("openid"), "issuer": doc.Doc{"url": "https://idp.example"},
		"endpoints":   doc.Doc{"authorization": doc.Doc{"url": "https://idp.example/a", "binding": "HTTP-REDIRECT"}, "token": doc.Doc{"url": "https://idp.example/t", "binding": "HTTP-POST"}, "jwks": doc.Doc{"url": "https://idp.example/k", "binding": "HTTP-REDIRECT"}},
		"credentials": doc.Doc{"client": doc.Doc{"client_id": "c", "client_secret": "s"}},
	}, "policy": doc.Doc{"subject": doc.Doc{"userNameTemplate": doc.Doc{"template": "idpuser.email"}}}})
	s.want(204, "GET", "/api/v1/idps/"+doc.String(oidc, "id")+"/credentials/keys/active", nil)
	_, trust := (&stroll{sim: s, kind: org.KindNamed("idp_keys"), base: "/api/v1/idps/credentials/keys"}).make()
	saml := s.create("/api/v1/idps", doc.Doc{"type": "SAML2", "name": "S", "protocol": doc.Doc{
		"type": "SAML2", "endpoints": doc.Doc{"sso": doc.Doc{"url": "https://idp.example", "binding": "HTTP-POST", "destination": "https://idp.example"}, "acs": doc.Doc{"binding": "HTTP-POST", "type": "INSTANCE"}},
		"credentials": doc.Doc{"trust": doc.Doc{"issuer": "https://idp.example", "audience": "a", "kid": trust}},
	}, "policy": doc.Doc{"subject": doc.Doc{"userNameTemplate": doc.Doc{"template": "idpuser.subjectNameId"}, "matchType": "USERNAME"}}})
	path := "/api/v1/idps/" + doc.String(saml, "id")
	first := s.list(path + "/credentials/keys/active")
	if len(first) != 1 || first[0]["kid"] != doc.Get(s.get(path), "protocol", "credentials", "signing", "kid") {
		t.Errorf("got %v", first)
	}
	fresh := s.create(path+"/credentials/keys/generate?validityYears=2", nil)
	body := s.get(path)
	doc.Ensure(body, "protocol", "credentials", "signing")["kid"] = fresh["kid"]
	s.want(200, "PUT", path, body)
	if got := s.list(path + "/credentials/keys/active"); len(got) != 1 || got[0]["n"] != fresh["n"] {
		t.Errorf("got %v", got)
	}
}
