package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// authPolicyKinds are what an authorization server lets clients and people have: policies
// and their rules.
func authPolicyKinds() []Kind { return []Kind{authPolicies(), authRules()} }

const authPolicyPath = authServerPath + "/policies/{policyId}"

func lifecycle(area string) map[string]string {
	return map[string]string{
		create: area + ".create", replace: area + ".update", remove: area + ".delete", "activate": area + ".activate", "deactivate": area + ".deactivate",
	}
}

func authPolicies() Kind {
	return Kind{
		Name: "auth_server_policies", Path: authPolicyPath, Prefix: "00p", Class: "Policy", Target: "PolicyEntity",
		Scope: "okta.authorizationServers", Area: AreaAuthServers, Feature: apiAccess,
		Verbs: crud(201), Operations: switches(204, Nothing),
		Rank: "priority", Page: Page{Order: "priority"},
		Stamps: dated, Alias: nil,
		Fields: []Field{
			{Path: "type", Enum: []string{"OAUTH_AUTHORIZATION_POLICY"}, Default: "OAUTH_AUTHORIZATION_POLICY"},
			{Path: "name", Required: true, Unique: InParent, Max: 100},
			{Path: "description", Required: true},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Active, Keep: true},
			{Path: "priority", Type: Number, Keep: true},
			{Path: "system", Type: Bool, Mode: ReadOnly, Default: false},
			{Path: "conditions", Type: Map, Required: true, Example: doc.Doc{"clients": doc.Doc{"include": doc.Array("ALL_CLIENTS")}}},
			{Path: "conditions.clients.include", Type: List, Required: true},
		},
		Links:    []Link{self("GET PUT DELETE"), {Name: "rules", To: "rules", Allow: "GET"}},
		Refusals: []Refusal{systemStays()},
		Seeds: []Seed{{
			Below: is("default", true),
			Body: doc.Doc{
				"name": "Default Policy", "description": "Default Authorization Server Policy", "priority": 1,
				"conditions": doc.Doc{"clients": doc.Doc{"include": doc.Array("ALL_CLIENTS")}},
			},
		}},
		Events: lifecycle("policy.lifecycle"),
	}
}

func authRules() Kind {
	return Kind{
		Name: "auth_server_rules", Path: authPolicyPath + "/rules/{ruleId}", Prefix: "0pr", Class: "PolicyRule", Target: "PolicyRule",
		Scope: "okta.authorizationServers", Area: AreaAuthServers, Feature: apiAccess,
		Verbs: crud(201), Operations: switches(204, Nothing),
		Rank: "priority", Page: Page{Order: "priority"},
		Stamps: dated,
		Fields: []Field{
			{Path: "type", Enum: []string{"RESOURCE_ACCESS"}, Default: "RESOURCE_ACCESS"},
			{Path: "name", Required: true, Unique: InParent, Max: 100},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Active, Keep: true},
			{Path: "priority", Type: Number, Keep: true},
			{Path: "system", Type: Bool, Mode: ReadOnly, Default: false},
			{Path: "conditions", Type: Map, Required: true, Example: doc.Doc{"grantTypes": doc.Doc{"include": doc.Array("client_credentials")}}},
			{Path: "conditions.people", Type: Map, Default: doc.Doc{}},
			{Path: "conditions.people.users", Type: Map, Default: doc.Doc{}},
			{Path: "conditions.people.users.include", Type: List, Ref: "user", Gone: Cleared},
			{Path: "conditions.people.users.exclude", Type: List, Default: []any{}, Ref: "user", Gone: Cleared},
			{Path: "conditions.people.groups", Type: Map, Default: doc.Doc{}},
			{Path: "conditions.people.groups.include", Type: List, Default: []any{}, Ref: "group", Literals: []string{"EVERYONE"}, Gone: Cleared},
			{Path: "conditions.people.groups.exclude", Type: List, Ref: "group", Gone: Cleared},
			{Path: "conditions.grantTypes.include", Type: List, Required: true, Enum: grantTypes()},
			{Path: "conditions.scopes", Type: Map, Default: doc.Doc{}},
			{Path: "conditions.scopes.include", Type: List, Default: []any{}},
			{Path: "actions", Type: Map, Default: doc.Doc{}},
			{Path: "actions.token.accessTokenLifetimeMinutes", Type: Number, Default: 60, Min: 5, Max: 1440},
			{Path: "actions.token.refreshTokenLifetimeMinutes", Type: Number, Default: 0},
			{Path: "actions.token.refreshTokenWindowMinutes", Type: Number, Default: 10080, Min: 10, Max: 2628000},
			{Path: "actions.token.inlineHook.id", Ref: "inline_hooks"},
		},
		Links:    []Link{self("GET PUT DELETE")},
		Refusals: []Refusal{systemStays()},
		Seeds: []Seed{{
			Below: is("name", "Default Policy"),
			Body: doc.Doc{
				"name": "Default Policy Rule", "priority": 1,
				"conditions": doc.Doc{
					"people":     doc.Doc{"users": doc.Doc{"include": []any{}, "exclude": []any{}}, "groups": doc.Doc{"include": doc.Array("EVERYONE")}},
					"grantTypes": doc.Doc{"include": doc.Array("authorization_code", "client_credentials", "implicit", "password")},
					"scopes":     doc.Doc{"include": doc.Array("*")},
				},
			},
		}},
		Fill: orderGrants, Once: []string{"created", "lastUpdated"}, Show: forgetRuleTimes,
		Events: lifecycle("policy.rule"),
	}
}

// forgetRuleTimes: until the end of 2023 rules showed when they were made only in the
// answer to that, and when they were changed only in the answers to changes (recorded).
func forgetRuleTimes(v *View) {
	if v.Object.Body["system"] == true || v.Org.stamp().String() >= timesSince || v.Verb == create {
		return
	}
	v.Body["created"] = nil
	if v.Verb == "" {
		v.Body["lastUpdated"] = nil
	}
}

func grantTypes() []string {
	return []string{
		"authorization_code", "client_credentials", "implicit", "interaction_code", "password",
		"urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer",
		"urn:openid:params:grant-type:ciba", "urn:okta:params:oauth:grant-type:otp", "urn:okta:params:oauth:grant-type:oob",
		"http://auth0.com/oauth/grant-type/mfa-otp", "http://auth0.com/oauth/grant-type/mfa-oob",
	}
}

// orderGrants puts grant types in Okta's order, whatever order they came in (recorded).
func orderGrants(c *Change) error {
	include := doc.Strings(c.Body, "conditions", "grantTypes", "include")
	slices.SortFunc(include, strings.Compare)
	put(c.Body, "conditions.grantTypes.include", doc.Array(include...))
	return nil
}
