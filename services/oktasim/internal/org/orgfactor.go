package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// orgFactorKinds are the switches of factors for the whole org. They are not documented;
// both engines have them (recorded).
func orgFactorKinds() []Kind {
	return []Kind{{
		Name: "org_factors", Path: "/api/v1/org/factors/{factorId}", Class: "Factor",
		Scope: "okta.factors", Area: AreaPolicies,
		Verbs:      Verbs{List: true, Get: true},
		Operations: switches(200, TheObject),
		Page:       Page{Order: "created"},
		Natural:    []string{"factorType", "provider"},
		Fields: []Field{
			{Path: "provider", Mode: ReadOnly},
			{Path: "factorType", Mode: ReadOnly},
			{Path: "status", Mode: ReadOnly, Default: Inactive},
		},
		Links: []Link{
			self("GET"),
			{Name: "profiles", To: "profiles", Allow: "GET POST", When: is("factorType", "password"), Feature: "factor_profiles"},
		},
		Events: map[string]string{"activate": "system.mfa.factor.activate", "deactivate": "system.mfa.factor.deactivate"},
		// Recorded.
		Refusals: []Refusal{{On: []string{"deactivate"}, When: is("factorType", "password"), With: failure.BadRequest()}},
		Seeds:    orgFactorSeeds(),
	}}
}

// activeFactors are the factors that recorded orgs had switched on from the beginning.
func activeFactors(engine string) []string {
	if engine == "classic" {
		return []string{"okta_otp", "okta_password"}
	}
	return []string{"okta_otp", "okta_push", "okta_password", "fido_webauthn", "rsa_token", "yubikey_token"}
}

func orgFactorSeeds() []Seed {
	var seeds []Seed
	for _, s := range [][3]string{
		{"duo", "DUO", "web"}, {"fido_u2f", "FIDO", "u2f"}, {"fido_webauthn", "FIDO", "webauthn"},
		{"google_otp", "GOOGLE", "token:software:totp"}, {"hotp", "CUSTOM", "token:hotp"}, {"okta_call", "OKTA", "call"},
		{"okta_email", "OKTA", "email"}, {"okta_otp", "OKTA", "token:software:totp"}, {"okta_password", "OKTA", "password"},
		{"okta_push", "OKTA", "push"}, {"okta_question", "OKTA", "question"}, {"okta_sms", "OKTA", "sms"},
		{"rsa_token", "RSA", "token"}, {"symantec_vip", "SYMANTEC", "token"}, {"yubikey_token", "YUBICO", "token:hardware"},
	} {
		for _, engine := range []string{"classic", "oie"} {
			body := doc.Doc{"provider": s[1], "factorType": s[2]}
			if slices.Contains(activeFactors(engine), s[0]) {
				body["status"] = Active
			}
			seeds = append(seeds, Seed{ID: s[0], Engine: engine, Body: body})
		}
	}
	return seeds
}
