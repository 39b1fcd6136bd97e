package api_test

import (
	"fmt"
	"slices"
	"testing"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/limit"
)

// policyIn makes a policy of the type and returns its path.
func policyIn(s *sim, kind string) string {
	s.Helper()
	p := s.create("/api/v1/policies", doc.Doc{"type": kind, "name": "Mine", "status": "INACTIVE"})
	if p["status"] != "ACTIVE" {
		s.Errorf("a new policy is %v: only ?activate=false makes an inactive one", p["status"])
	}
	return "/api/v1/policies/" + doc.String(p, "id")
}

func TestRulesAreFilled(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, c := range []struct {
		name, policy string
		rule         doc.Doc
		path         []string
		want         any
	}{
		{"any factor first", "OKTA_SIGN_ON", doc.Doc{"actions": doc.Doc{"signon": doc.Doc{"access": "ALLOW"}}}, []string{"actions", "signon", "primaryFactor"}, "PASSWORD_IDP_ANY_FACTOR"},
		{"no factor where nobody gets in", "OKTA_SIGN_ON", doc.Doc{"actions": doc.Doc{"signon": doc.Doc{"access": "DENY"}}}, []string{"actions", "signon", "primaryFactor"}, "PASSWORD_IDP"},
		{"risk", "ACCESS_POLICY", doc.Doc{"actions": doc.Doc{"appSignOn": doc.Doc{}}}, []string{"conditions", "riskScore", "level"}, "ANY"},
		{"empty expression", "ACCESS_POLICY", doc.Doc{"actions": doc.Doc{}, "conditions": doc.Doc{"elCondition": doc.Doc{}}}, []string{"conditions", "elCondition"}, nil},
		{"expression", "ACCESS_POLICY", doc.Doc{"actions": doc.Doc{}, "conditions": doc.Doc{"elCondition": doc.Doc{"condition": "true"}}}, []string{"conditions", "elCondition", "condition"}, "true"},
		{"people nobody names", "PASSWORD", doc.Doc{"actions": doc.Doc{}, "conditions": doc.Doc{"people": doc.Doc{"groups": doc.Doc{"include": []any{}}}}}, []string{"conditions", "people", "groups"}, nil},
		{"chains are no assurance", "ACCESS_POLICY", doc.Doc{"actions": doc.Doc{"appSignOn": doc.Doc{"verificationMethod": doc.Doc{"type": "ASSURANCE", "chains": []any{doc.Doc{}}}}}}, []string{"actions", "appSignOn", "verificationMethod", "chains"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := policyIn(s, c.policy)
			c.rule["name"] = c.name
			r := s.create(path+"/rules", c.rule)
			if got := doc.Get(r, c.path...); got != c.want {
				t.Errorf("%v is %v, want %v", c.path, got, c.want)
			}
			s.want(204, "DELETE", path, nil)
		})
	}
}

// The place that a rule leaves counts as taken while it looks for another (recorded).
func TestRulesMakeRoom(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := policyIn(s, "ACCESS_POLICY")
	ids := map[string]string{}
	for i, name := range []string{"a", "b", "c", "d"} {
		r := s.create(path+"/rules", doc.Doc{"name": name, "priority": i, "actions": doc.Doc{"appSignOn": doc.Doc{}}})
		ids[name] = doc.String(r, "id")
	}
	order := func() (all []string) {
		for _, r := range s.list(path + "/rules") {
			all = append(all, fmt.Sprint(r["name"], " ", r["priority"]))
		}
		return all
	}
	for _, c := range []struct {
		name string
		to   int
		want []string
	}{
		{"c", 1, []string{"a 0", "c 1", "b 2", "d 4", "Catch-all Rule 99"}},
		{"c", 1, []string{"a 0", "c 1", "b 3", "d 4", "Catch-all Rule 99"}},
		{"d", 9, []string{"a 0", "c 1", "b 3", "d 9", "Catch-all Rule 99"}},
	} {
		s.want(200, "PUT", path+"/rules/"+ids[c.name], doc.Doc{"name": c.name, "priority": c.to, "actions": doc.Doc{"appSignOn": doc.Doc{}}})
		if got := order(); !slices.Equal(got, c.want) {
			t.Errorf("%s to %d: got %v, want %v", c.name, c.to, got, c.want)
		}
	}
}

func TestEnrollmentNamesWhatIsActive(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.create("/api/v1/policies", doc.Doc{"type": "MFA_ENROLL", "name": "A", "settings": doc.Doc{
		"type": "AUTHENTICATORS", "authenticators": []any{doc.Doc{"key": "okta_password", "enroll": doc.Doc{"self": "REQUIRED"}}},
	}})
	self := map[string]string{}
	list, _ := doc.Get(p, "settings", "authenticators").([]any)
	for _, e := range list {
		entry, _ := e.(doc.Doc)
		self[doc.String(entry, "key")] = doc.String(entry, "enroll", "self")
	}
	if self["okta_password"] != "REQUIRED" || self["phone_number"] != "NOT_ALLOWED" || self["webauthn"] != "" {
		t.Errorf("the policy allows %v", self)
	}
	classic := startWith(t, "classic", limit.Options{Multiplier: 1000})
	classic.want(200, "POST", "/api/v1/org/factors/google_otp/lifecycle/activate", nil)
	c := classic.create("/api/v1/policies", doc.Doc{"type": "MFA_ENROLL", "name": "C", "settings": doc.Doc{
		"type": "FACTORS", "factors": doc.Doc{"google_otp": doc.Doc{"enroll": doc.Doc{"self": "REQUIRED"}}, "okta_sms": doc.Doc{"enroll": doc.Doc{"self": "REQUIRED"}}},
	}})
	factors := doc.Object(c, "settings", "factors")
	if doc.String(factors, "google_otp", "consent", "type") != "NONE" || factors["okta_sms"] != nil || factors["okta_password"] == nil {
		t.Errorf("the policy has the factors %v", factors)
	}
	classic.refused(400, "E0000020", "", "POST", "/api/v1/org/factors/okta_password/lifecycle/deactivate", nil)
}

func TestAuthenticatorsInUseStay(t *testing.T) {
	t.Parallel()
	s := start(t)
	byKey := map[string]string{}
	for _, a := range s.list("/api/v1/authenticators") {
		byKey[doc.String(a, "key")] = "/api/v1/authenticators/" + doc.String(a, "id")
	}
	const down = "/lifecycle/deactivate"
	s.refused(403, "E0000148", "Default Policy", "POST", byKey["phone_number"]+down, nil)
	s.refused(501, "E0000060", "", "POST", byKey["okta_password"]+down, nil)
	s.want(200, "POST", byKey["security_question"]+down, nil)
	s.refused(400, "E0000001", "unsupported.active.deactivate", "POST", byKey["security_question"]+down, nil)
	s.refused(400, "E0000001", "key", "POST", "/api/v1/authenticators", doc.Doc{"key": "okta_email"})
	push := byKey["okta_verify"] + "/methods/push"
	s.refused(400, "E0000003", "", "PUT", push, nil)
	s.refused(400, "E0000003", "", "PUT", push, doc.Doc{"type": "totp"})
	s.want(200, "PUT", push, doc.Doc{"settings": doc.Doc{"keyProtection": "HARDWARE"}})
	otp := s.create("/api/v1/authenticators?activate=false", doc.Doc{"key": "custom_otp", "name": "Tokens"})
	if otp["status"] != "INACTIVE" || otp["settings"] != nil {
		t.Errorf("got %v", otp)
	}
	methods := s.list("/api/v1/authenticators/" + doc.String(otp, "id") + "/methods")
	if len(methods) != 1 || methods[0]["type"] != "otp" || doc.Get(methods[0], "_links", "deactivate") != nil {
		t.Errorf("its methods are %v", methods)
	}
}

func TestSimulatedPolicies(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := doc.String(s.list("/api/v1/apps?limit=1")[0], "id")
	ask := func(expand string) []doc.Doc {
		a := s.want(200, "POST", "/api/v1/policies/simulate"+expand, []any{doc.Doc{
			"appInstance": app, "policyTypes": doc.Array("OKTA_SIGN_ON", "ACCESS_POLICY"),
		}})
		v, err := doc.Parse(a.body)
		if err != nil {
			t.Fatal(err)
		}
		var out []doc.Doc
		for _, e := range v.([]any) {
			out = append(out, e.(doc.Doc))
		}
		return out
	}
	got := ask("")
	if len(got) != 2 || got[1]["status"] != "MATCH" || got[0]["evaluated"] != nil {
		t.Fatalf("got %v", got)
	}
	policies, _ := doc.Get(got[0], "result", "policies").([]any)
	if len(policies) != 1 || policies[0].(doc.Doc)["name"] != "Default Policy" {
		t.Errorf("somebody in no group comes under %v", policies)
	}
	if ask("?expand=EVALUATED")[0]["evaluated"] == nil {
		t.Error("expand=EVALUATED adds nothing")
	}
	s.refused(404, "E0000007", "nobody", "POST", "/api/v1/policies/simulate", []any{doc.Doc{"appInstance": "nobody"}})
	s.refused(400, "E0000001", "policyTypes", "POST", "/api/v1/policies/simulate", []any{doc.Doc{"appInstance": app, "policyTypes": doc.Array("X")}})
	s.refused(400, "E0000003", "", "POST", "/api/v1/policies/simulate", doc.Doc{})
}

func TestUnnamedAuthenticatorsBearOktasNames(t *testing.T) {
	t.Parallel()
	s := start(t)
	idp := s.create("/api/v1/idps", doc.Doc{"type": "GOOGLE", "name": "Partners", "protocol": doc.Doc{
		"type": "OIDC", "scopes": doc.Array("openid"), "credentials": doc.Doc{"client": doc.Doc{"client_id": "c", "client_secret": "s"}},
	}, "policy": doc.Doc{"subject": doc.Doc{"userNameTemplate": doc.Doc{"template": "idpuser.email"}}}})
	for _, want := range []struct {
		name string
		body doc.Doc
	}{
		{"Partners", doc.Doc{"key": "external_idp", "provider": doc.Doc{"type": "CLAIMS", "configuration": doc.Doc{"idpId": idp["id"]}}}},
		{"On-Prem MFA", doc.Doc{"key": "onprem_mfa", "provider": doc.Doc{"type": "DEL_OATH", "configuration": doc.Doc{"hostName": "mfa.acme.example"}}}},
		{"YubiKey OTP", doc.Doc{"key": "yubikey_token"}},
	} {
		if got := s.create("/api/v1/authenticators", want.body)["name"]; got != want.name {
			t.Errorf("got %v, want %s", got, want.name)
		}
	}
}

func TestSessionViolationRulesWatchEveryNetwork(t *testing.T) {
	t.Parallel()
	s := start(t)
	rules := "/api/v1/policies/" + doc.String(s.list("/api/v1/policies?type=SESSION_VIOLATION_DETECTION")[0], "id") + "/rules"
	first := s.list(rules)[0]
	delete(first, "conditions")
	changed := s.want(200, "PUT", rules+"/"+doc.String(first, "id"), first).object(t)
	if got := doc.Get(changed, "conditions", "network", "connection"); got != "ANYWHERE" {
		t.Errorf("got %v", changed["conditions"])
	}
}

func TestGuardsRefuse(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.refused(400, "E0000001", "action", "POST", "/api/v1/threats/configuration", doc.Doc{"action": "shout"})
	s.refused(404, "E0000007", "nzoNone", "POST", "/api/v1/threats/configuration", doc.Doc{"action": "audit", "excludeZones": doc.Array("nzoNone")})
	s.refused(400, "E0000001", "settings.issuer", "POST", "/api/v1/security-events-providers", doc.Doc{"name": "N", "type": "okta", "settings": doc.Doc{"jwks_url": "https://x.example"}})
	s.refused(400, "E0000001", "serviceAccountJson", "POST", "/api/v1/push-providers", doc.Doc{"name": "N", "providerType": "FCM", "configuration": doc.Doc{"fileName": "f"}})
	s.refused(400, "E0000001", "settings.granularity", "POST", "/api/v1/behaviors", doc.Doc{"name": "N", "type": "ANOMALOUS_LOCATION"})
	s.refused(400, "E0000001", "type", "POST", "/api/v1/policies", doc.Doc{"name": "N", "type": "POST_AUTH_SESSION"})
}
