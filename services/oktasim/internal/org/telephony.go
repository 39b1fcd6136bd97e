package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// telephonyKinds are the org's own accounts with those who send texts and calls (documented).
func telephonyKinds() []Kind {
	return []Kind{{
		Name: "telephony_providers", Path: "/api/v1/telephony-providers/{customTelephonyProviderId}", Prefix: "ctp", Class: "CustomTelephonyProvider",
		Scope: "okta.telephonyProviders", Area: AreaOrg, Engine: "oie",
		Verbs: Verbs{List: true, Get: true, Create: 201, Merge: "PATCH", Delete: 204},
		Operations: []Operation{
			{Name: "activate", Path: "lifecycle/activate", When: is("enabled", false), Set: doc.Doc{"enabled": true}, Status: 200, Link: "-"},
			{Name: "deactivate", Path: "lifecycle/deactivate", When: is("enabled", true), Set: doc.Doc{"enabled": false}, Run: keepPrimary, Status: 200, Link: "-"},
			{Name: "setAsPrimary", Path: "setAsPrimary", When: is("isPrimaryProvider", false), Set: doc.Doc{"isPrimaryProvider": true}, Run: soloPrimary, Status: 200, Link: "-"},
			{Name: "test", Path: "test", Status: 204, Read: true, Link: "-", Run: checkTestMessage, Example: doc.Doc{"phoneNumber": "+15555550100", "countryCodeIso2": "US", "factor": "SMS"}},
		},
		Natural: []string{"providerName"},
		Fields: []Field{
			{Path: "providerName", Required: true, Enum: []string{"TWILIO", "TELESIGN"}, Mode: Immutable, Example: "TWILIO"},
			{Path: "providerCapability", Enum: []string{"ALL"}, Default: "ALL"},
			{Path: "providerSid", Required: true},
			{Path: "providerAuthToken", Required: true, Mode: WriteOnly},
			{Path: "providerSettings", Type: Map, Required: true, Example: doc.Doc{"sms": doc.Doc{"twilioPhoneNumber": "+15555550101"}}},
			{Path: "enabled", Type: Bool, Mode: ReadOnly, Default: false},
			{Path: "isPrimaryProvider", Type: Bool, Mode: ReadOnly, Default: firstProvider},
		},
		Refusals: []Refusal{{
			On: []string{remove}, When: is("enabled", true),
			With: failure.Invalid("enabled", "enabled: The provider must be deactivated before it can be deleted"),
		}},
	}}
}

// firstProvider: the first one is the primary one, there being no other (an assumption).
func firstProvider(c *Change) any { return len(c.Org.objectsIn(c.Kind, "")) == 0 }

// keepPrimary: of two active providers the primary one stays (documented).
func keepPrimary(c *Change) error {
	if !doc.Bool(c.Before, "isPrimaryProvider") {
		return nil
	}
	for _, x := range c.Org.objectsIn(c.Kind, "") {
		if x != c.Object && doc.Bool(x.Body, "enabled") {
			return failure.Invalid("enabled", "enabled: The primary provider cannot be deactivated while another one is active")
		}
	}
	return nil
}

// soloPrimary: there is one primary provider (documented).
func soloPrimary(c *Change) error {
	for _, x := range c.Org.objectsIn(c.Kind, "") {
		if x != c.Object {
			x.Body["isPrimaryProvider"] = false
		}
	}
	return nil
}

// checkTestMessage wants what a message needs; none is ever sent.
func checkTestMessage(c *Change) error {
	for _, field := range []string{"phoneNumber", "countryCodeIso2"} {
		if doc.String(c.Given, field) == "" {
			return failure.Missing(field)
		}
	}
	if f := doc.String(c.Given, "factor"); f != "SMS" && f != "CALL" {
		return failure.Invalid("factor", "factor: It must be SMS or CALL")
	}
	return nil
}
