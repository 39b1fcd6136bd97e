package api_test

import (
	"slices"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/limit"
)

func TestPolicyTypeIsMandatory(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.refused(400, "E0000001", "type", "GET", "/api/v1/policies", nil)
	s.refused(400, "E0000001", "type", "GET", "/api/v1/policies?type=WEATHER", nil)
	for kind, n := range map[string]int{
		"OKTA_SIGN_ON": 3, "ACCESS_POLICY": 5, "PASSWORD": 2, "MFA_ENROLL": 1, "PROFILE_ENROLLMENT": 1, "IDP_DISCOVERY": 1,
	} {
		if got := s.list("/api/v1/policies?type=" + kind); len(got) != n {
			t.Errorf("%d policies of the type %s, want %d", len(got), kind, n)
		}
	}
	classic := startWith(t, "classic", limit.Options{Multiplier: 1000})
	classic.refused(400, "E0000001", "type", "GET", "/api/v1/policies?type=ACCESS_POLICY", nil)
	if got := classic.get("/.well-known/okta-organization")["pipeline"]; got != "v1" {
		t.Errorf("a Classic org has the pipeline %v", got)
	}
}

func TestPolicyPriorities(t *testing.T) {
	t.Parallel()
	s := start(t)
	order := func() []string { return names(s.list("/api/v1/policies?type=OKTA_SIGN_ON"), "name") }
	p := s.create("/api/v1/policies", doc.Doc{"type": "OKTA_SIGN_ON", "name": "New", "priority": 1})
	path := "/api/v1/policies/" + doc.String(p, "id")
	if got := doc.Strings(p, "conditions", "people", "groups", "include"); !slices.Equal(got, []string{s.org.Info().Everyone}) {
		t.Errorf("a policy without groups got %v, want Everyone", got)
	}
	if got, want := order(), []string{"New", "Finance sessions", "Contractor sessions", "Default Policy"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	p["priority"] = 99
	s.want(200, "PUT", path, p)
	if got, want := order(), []string{"Finance sessions", "Contractor sessions", "New", "Default Policy"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	s.want(204, "POST", path+"/lifecycle/deactivate", nil)
	if got := s.get(path); got["status"] != "INACTIVE" || doc.Get(got, "_links", "activate") == nil {
		t.Errorf("got %v", got)
	}
	s.want(204, "DELETE", path, nil)
	s.refused(404, "E0000007", "(Policy)", "GET", path, nil)
	for i, p := range s.list("/api/v1/policies?type=OKTA_SIGN_ON") {
		if n, _ := doc.Int(p, "priority"); n != 0 && n != i+1 {
			t.Errorf("%v has the priority %d, want %d", p["name"], n, i+1)
		}
	}
}

func TestSystemPoliciesStay(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, p := range s.list("/api/v1/policies?type=PASSWORD") {
		if p["system"] != true {
			continue
		}
		path := "/api/v1/policies/" + doc.String(p, "id")
		s.refused(400, "E0000001", "system", "DELETE", path, nil)
		s.refused(400, "E0000001", "system", "POST", path+"/lifecycle/deactivate", nil)
		rule := s.list(path + "/rules")[0]
		s.refused(400, "E0000001", "system", "DELETE", path+"/rules/"+doc.String(rule, "id"), nil)
	}
	s.refused(400, "E0000001", "cannot be created", "POST", "/api/v1/policies", doc.Doc{"type": "IDP_DISCOVERY", "name": "x"})
}

func accessRule(name string, priority int) doc.Doc {
	return doc.Doc{
		"type": "ACCESS_POLICY", "name": name, "priority": priority, "conditions": doc.Doc{"platform": doc.Doc{}},
		"actions": doc.Doc{"appSignOn": doc.Doc{"access": "ALLOW", "verificationMethod": doc.Doc{"type": "ASSURANCE", "factorMode": "2FA"}}},
	}
}

func TestAccessRules(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.create("/api/v1/policies", doc.Doc{"type": "ACCESS_POLICY", "name": "Lab"})
	rules := "/api/v1/policies/" + doc.String(p, "id") + "/rules"
	a := s.create(rules, accessRule("a", 0))
	s.create(rules, accessRule("b", 1))
	s.create(rules, accessRule("c", 0))
	if got, want := names(s.list(rules), "name"), []string{"c", "a", "b", "Catch-all Rule"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if doc.String(a, "actions", "appSignOn", "verificationMethod", "reauthenticateIn") != "PT12H" || doc.Get(a, "conditions", "platform") != nil ||
		doc.String(a, "actions", "appSignOn", "keepMeSignedIn", "postAuth") != "NOT_ALLOWED" {
		t.Errorf("defaults are missing: %v", a)
	}
	one := rules + "/" + doc.String(a, "id")
	s.want(204, "POST", one+"/lifecycle/deactivate", nil)
	if s.get(one)["status"] != "INACTIVE" {
		t.Error("the rule is still active")
	}
	bad := accessRule("bad", 5)
	bad["conditions"] = doc.Doc{"people": doc.Doc{"groups": doc.Doc{"include": doc.Array("00gnone")}}}
	s.refused(400, "E0000001", "conditions.people.groups.include", "POST", rules, bad)
	bad["conditions"] = doc.Doc{"network": doc.Doc{"connection": "ZONE", "include": doc.Array("nzonone")}}
	s.refused(400, "E0000001", "conditions.network.include", "POST", rules, bad)
	s.refused(400, "E0000001", "name: An object", "POST", rules, accessRule("a", 7))
	s.want(204, "DELETE", one, nil)
	s.refused(404, "E0000007", "(PolicyRule)", "GET", one, nil)
	want := []string{"policy.lifecycle.create", "policy.rule.add", "policy.rule.add", "policy.rule.add", "policy.rule.deactivate", "policy.rule.delete"}
	if got := eventTypes(s.events()); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestSignOnRulesAreNumberedWithoutGaps(t *testing.T) {
	t.Parallel()
	s := start(t)
	rules := "/api/v1/policies/" + s.made.Policies["Finance sessions"] + "/rules"
	r := s.create(rules, doc.Doc{"type": "SIGN_ON", "name": "Third", "priority": 999, "actions": doc.Doc{"signon": doc.Doc{"access": "DENY"}}})
	if n, _ := doc.Int(r, "priority"); n != 3 || doc.Get(r, "conditions", "risk", "behaviors") == nil {
		t.Errorf("got %v", r)
	}
}

func TestPolicyUpdateIsLoggedWithTheChange(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := "/api/v1/policies/" + s.made.Policies["Finance sessions"]
	p := s.get(path)
	p["name"] = "Money sessions"
	s.want(200, "PUT", path, p)
	events := only(s.events(), "policy.lifecycle.update")
	change := doc.Object(target(events[0], "PolicyEntity"), "changeDetails")
	if doc.String(change, "from", "name") != "Finance sessions" || doc.String(change, "to", "name") != "Money sessions" || doc.Get(change, "to", "status") != nil {
		t.Errorf("change details %v", change)
	}
	if doc.String(target(events[0], "PolicyEntity"), "detailEntry", "policyType") != "OktaSignOn" {
		t.Errorf("target %v", target(events[0], "PolicyEntity"))
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	s := start(t)
	z := s.create("/api/v1/zones", doc.Doc{"type": "IP", "name": "Lab", "gateways": []any{doc.Doc{"type": "RANGE", "value": "192.0.2.7"}}})
	path := "/api/v1/zones/" + doc.String(z, "id")
	gateways, ok := z["gateways"].([]any)
	if !ok || gateways[0].(doc.Doc)["value"] != "192.0.2.7-192.0.2.7" || z["proxies"] != nil {
		t.Errorf("got %v", z)
	}
	s.refused(400, "E0000001", "gateways: Invalid address 300.0.0.1/8", "POST", "/api/v1/zones",
		doc.Doc{"type": "IP", "name": "Bad", "gateways": []any{doc.Doc{"type": "CIDR", "value": "300.0.0.1/8"}}})
	s.refused(400, "E0000001", "name: An object", "POST", "/api/v1/zones", doc.Doc{"type": "DYNAMIC", "name": "lab"})
	z["usage"] = "BLOCKLIST"
	s.want(200, "PUT", path, z)
	if got := s.want(200, "POST", path+"/lifecycle/deactivate", nil).object(t); got["status"] != "INACTIVE" {
		t.Errorf("got %v", got)
	}
	s.want(204, "DELETE", path, nil)
	s.refused(404, "E0000007", "(NetworkZone)", "GET", path, nil)
	s.refused(400, "E0000001", "used in a policy", "POST", "/api/v1/zones/"+s.made.Zones["Finance VPN"]+"/lifecycle/deactivate", nil)
	all := names(s.list("/api/v1/zones"), "name")
	for _, system := range []string{"LegacyIpZone", "BlockedIpZone"} {
		if !slices.Contains(all, system) {
			t.Errorf("zone %s is missing", system)
		}
	}
	want := []string{"zone.create", "zone.update", "zone.make_blacklist", "zone.deactivate", "zone.delete"}
	if got := eventTypes(s.events()); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	s := start(t)
	user := s.made.Users[s.made.Admins["other"]]
	path := "/api/v1/users/" + user + "/roles"
	r := s.want(201, "POST", path, doc.Doc{"type": "HELP_DESK_ADMIN"}).object(t)
	if r["label"] != "Help Desk Administrator" || strings.HasPrefix(doc.String(r, "id"), "ra1") {
		t.Errorf("got %v", r)
	}
	s.refused(409, "E0000090", "already assigned", "POST", path, doc.Doc{"type": "HELP_DESK_ADMIN"})
	s.refused(400, "E0000001", "type", "POST", path, doc.Doc{"type": "KING"})
	super := s.want(201, "POST", path, doc.Doc{"type": "SUPER_ADMIN"}).object(t)
	if !strings.HasPrefix(doc.String(super, "id"), "ra1") {
		t.Errorf("a super administrator's assignment is %v", super["id"])
	}
	if got := doc.Get(s.get("/api/v1/iam/assignees/users"), "value").([]any); len(got) != 2 {
		t.Errorf("%d users have roles, want 2", len(got))
	}
	s.want(204, "DELETE", path+"/"+doc.String(r, "id"), nil)
	s.refused(404, "E0000007", "(RoleAssignment)", "DELETE", path+"/"+doc.String(r, "id"), nil)
	e := only(s.events(), "user.account.privilege.grant")[1]
	if target(e, "User")["id"] != user || doc.String(e, "debugContext", "debugData", "privilegeGranted") != "Super Administrator" {
		t.Errorf("event %v", e)
	}
}

func TestClonePolicy(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	group := doc.Doc{"people": doc.Doc{"groups": doc.Doc{"include": doc.Array(s.org.Info().Everyone)}}}
	p := s.create("/api/v1/policies", doc.Doc{"type": "OKTA_SIGN_ON", "name": "Strict", "description": "d", "conditions": group})
	path := "/api/v1/policies/" + doc.String(p, "id")
	s.create(path+"/rules", doc.Doc{"name": "Deny", "type": "SIGN_ON", "actions": doc.Doc{"signon": doc.Doc{"access": "DENY"}}})
	twin := s.create(path+"/clone", nil)
	rules := s.list("/api/v1/policies/" + doc.String(twin, "id") + "/rules")
	if twin["id"] == p["id"] || twin["type"] != "OKTA_SIGN_ON" || twin["description"] != "d" || len(rules) != 1 || rules[0]["name"] != "Deny" {
		t.Errorf("got %v with %v", twin, rules)
	}
	s.refused(404, "E0000007", "Policy", "POST", "/api/v1/policies/00pnone/clone", nil)
	s.refused(404, "E0000007", "Session", "POST", "/api/v1/sessions/102none/lifecycle/refresh", nil)
}
