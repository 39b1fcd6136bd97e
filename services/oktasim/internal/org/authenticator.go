package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

const authenticatorPath = "/api/v1/authenticators/{authenticatorId}"

// authenticatorKinds are the authenticators with their methods and, for passkeys, the
// devices that the org adds to the known ones.
func authenticatorKinds() []Kind {
	return []Kind{authenticators(), authenticatorMethods(), customAAGUIDs()}
}

// manyOf are the keys of which an org may have several authenticators (documented).
var manyOf = []any{"custom_app", "custom_otp", "external_idp"}

// authenticatorTypes are the types of authenticators by key (recorded and documented).
var authenticatorTypes = map[string]string{
	"custom_app": "app", "custom_otp": "security_key", "duo": "app", "external_idp": "federated", "google_otp": "app",
	"okta_email": "email", "okta_password": "password", "okta_verify": "app", "onprem_mfa": "security_key",
	"phone_number": "phone", "rsa_token": "security_key", "security_question": "security_question", "smart_card_idp": "federated",
	"symantec_vip": "app", "tac": "tac", "webauthn": "security_key", "yubikey_token": "security_key",
}

func authenticators() Kind {
	app := is("key", "custom_app")
	return Kind{
		Name: "authenticators", Path: authenticatorPath, Prefix: "aut", Class: "Authenticator",
		Scope: "okta.authenticators", Area: AreaPolicies,
		Verbs:   Verbs{List: true, Get: true, Create: 200, Replace: "PUT"},
		Page:    Page{Order: "name"},
		Natural: []string{"name", "key"}, Stamps: dated,
		Operations: []Operation{
			{Name: "activate", Path: "lifecycle/activate", When: is("status", Inactive), Set: doc.Doc{"status": Active}, Status: 200},
			{
				Name: "deactivate", Path: "lifecycle/deactivate", When: is("status", Active), Set: doc.Doc{"status": Inactive}, Status: 200,
				Else: failure.Invalid("api.authenticator.error.unsupported.active.deactivate"),
			},
		},
		Fields: []Field{
			{Path: "key", Required: true, Mode: Immutable, Enum: sortedKeys(authenticatorTypes), Example: "custom_otp"},
			{Path: "type", Mode: ReadOnly},
			{Path: "name", Keep: true},
			{Path: "status", Mode: ReadOnly, Default: firstStatus},
			// The settings of a one-time password stand in its method (recorded).
			{Path: "settings", Type: Map, Keep: true, When: isNot("key", "custom_otp", "onprem_mfa", "webauthn", "yubikey_token", "okta_password")},
			{Path: "settings.appInstanceId", Ref: "app", Required: true, Keep: true, When: app},
			{Path: "settings.userVerification", Enum: []string{"PREFERRED", "REQUIRED", "DISCOURAGED"}, Default: "PREFERRED", Keep: true, When: app},
			{Path: "provider", Type: Map, Keep: true, When: is("key", "custom_app", "duo", "external_idp", "onprem_mfa", "rsa_token", "smart_card_idp", "symantec_vip")},
			{Path: "provider.configuration.sharedSecret", Mode: WriteOnly},
			{Path: "provider.configuration.secretKey", Mode: WriteOnly},
		},
		Links: []Link{
			self("GET PUT"), {Name: "methods", To: "methods", Allow: "GET"},
			{Name: "enroll", To: "/idp/authenticators", Allow: "POST", When: is("key", "custom_app", "okta_verify")},
			{Name: "aaguids", To: "aaguids", Allow: "GET POST", When: is("key", "webauthn"), Feature: "custom_aaguids"},
		},
		Events: present("security.authenticator.lifecycle"),
		Seeds:  authenticatorSeeds(),
		Check:  checkAuthenticator, Fill: fillAuthenticator, After: switchFactors, Show: showAuthenticator,
	}
}

// firstStatus is the status of a new object: inactive if the request asks for that.
func firstStatus(c *Change) any {
	if c.asked("activate") == "false" {
		return Inactive
	}
	return Active
}

// asked is a parameter of the request, "" if it was not given.
func (c *Change) asked(name string) string {
	if v := c.Query[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// authenticatorSeeds are what a new org has (recorded).
func authenticatorSeeds() []Seed {
	recovery := doc.Doc{"allowedFor": "recovery"}
	seed := func(key, name, status string, settings doc.Doc) Seed {
		body := doc.Doc{"key": key, "name": name, "status": status}
		if settings != nil {
			body["settings"] = settings
		}
		return Seed{Body: body}
	}
	return []Seed{
		seed("okta_email", "Email", Active, doc.Doc{"allowedFor": "any", "tokenLifetimeInMinutes": 5}),
		seed("okta_password", "Password", Active, nil),
		seed("phone_number", "Phone", Active, doc.Doc{"allowedFor": "any"}),
		seed("security_question", "Security Question", Active, recovery),
		seed("okta_verify", "Okta Verify", Active, doc.Doc{
			"compliance":       doc.Doc{"fips": "OPTIONAL"},
			"channelBinding":   doc.Doc{"style": "NUMBER_CHALLENGE", "required": "NEVER"},
			"userVerification": "PREFERRED", "enrollmentSecurityLevel": "ANY",
			"userVerificationMethods": doc.Array("BIOMETRICS", "PIN"), "appInstanceId": "",
		}),
		seed("google_otp", "Google Authenticator", Inactive, doc.Doc{}),
		seed("webauthn", "Security Key or Biometric", Inactive, nil),
	}
}

// checkAuthenticator refuses a second one of a key that stands once, and to switch off
// what is in use (recorded).
func checkAuthenticator(c *Change) error {
	switch c.Verb {
	case create:
		return c.checkNewAuthenticator()
	case "deactivate":
		return c.checkDeactivation()
	}
	return nil
}

func (c *Change) checkNewAuthenticator() error {
	key := c.Body["key"]
	if is("key", manyOf...).Holds(c.Body) {
		return nil
	}
	for _, x := range c.Org.objectsIn(c.Kind, "") {
		if x.Body["key"] == key {
			return failure.Taken("key")
		}
	}
	return nil
}

func (c *Change) checkDeactivation() error {
	if c.Before["status"] == Inactive {
		return nil
	}
	// Assumption: the password is refused as other authenticators that every org needs.
	if c.Before["key"] == "okta_password" {
		return failure.Unsupported("This authenticator cannot be deactivated.")
	}
	for _, a := range c.Org.apps {
		if doc.String(a.Body, "settings", "oauthClient", "backchannel_custom_authenticator_id") == c.Object.ID {
			return failure.Invalid("Authenticator", "Cannot delete this authenticator because it is being configured for CIBA by one or more OIDC applications.")
		}
	}
	if used := c.Org.enrolledBy(c.Object); len(used) > 0 {
		return failure.InPolicies("Authenticator Enrollment Policies: " + strings.Join(used, ", "))
	}
	return nil
}

// enrolledBy names the enrollment policies that let people enroll the authenticator.
func (o *Org) enrolledBy(x *Object) []string {
	var names []string
	for _, p := range o.Policies("MFA_ENROLL") {
		if p.Settings["type"] == "AUTHENTICATORS" && p.enrolls(x) {
			names = append(names, p.Name)
		}
	}
	return names
}

// enrolls says whether the policy lets people enroll the authenticator. The default
// policy does so for one that it does not name, if there is but one of its key and it is
// not for recovery alone (assumption, from refusals in recordings).
func (p *Policy) enrolls(x *Object) bool {
	list, _ := p.Settings["authenticators"].([]any)
	for _, e := range list {
		entry, _ := e.(doc.Doc)
		if entry["id"] == x.ID || entry["id"] == nil && entry["key"] == x.Body["key"] {
			return doc.String(entry, "enroll", "self") != "NOT_ALLOWED"
		}
	}
	return p.System && !is("key", manyOf...).Holds(x.Body) && x.text("settings.allowedFor") != "recovery"
}

// fillAuthenticator adds what follows from the key.
func fillAuthenticator(c *Change) error {
	key := doc.String(c.Body, "key")
	c.Body["type"] = authenticatorTypes[key]
	if doc.String(c.Body, "name") == "" {
		c.Body["name"] = c.unnamed(key)
	}
	switch key {
	case "custom_app":
		settings := doc.Ensure(c.Body, "settings")
		settings["oauthClientId"] = settings["appInstanceId"]
	case "okta_verify":
		doc.Default(doc.Ensure(c.Body, "settings"), "appInstanceId", "")
	case "google_otp":
		doc.Ensure(c.Body, "settings")
	case "onprem_mfa", "rsa_token":
		// The service behind it is an app instance that nothing else shows (recorded).
		configuration := doc.Ensure(c.Body, "provider", "configuration")
		if configuration["instanceId"] == nil {
			configuration["instanceId"] = c.Org.ids.ID("0oa")
		}
	}
	return nil
}

// authenticatorNames are what Okta calls authenticators that no request names and no new
// org has (recorded of onprem_mfa and rsa_token, the others are an assumption).
var authenticatorNames = map[string]string{
	"custom_app": "Custom App", "custom_otp": "Custom OTP", "duo": "Duo Security", "external_idp": "IdP Authenticator",
	"onprem_mfa": "On-Prem MFA", "rsa_token": "RSA SecurID", "smart_card_idp": "Smart Card IdP", "symantec_vip": "Symantec VIP",
	"tac": "Temporary Access Code", "yubikey_token": "YubiKey OTP",
}

// authenticatorName is what Okta calls an authenticator that the request does not name.
func authenticatorName(key string) string {
	for _, s := range authenticatorSeeds() {
		if s.Body["key"] == key {
			return doc.String(s.Body, "name")
		}
	}
	return authenticatorNames[key]
}

// unnamed is the name of an authenticator that the request does not name: one that stands
// for an identity provider bears that one's (recorded).
func (c *Change) unnamed(key string) string {
	if key == "external_idp" {
		id := doc.String(c.Body, "provider", "configuration", "idpId")
		if idp := c.Org.shelf(KindNamed("idps")).objects[id]; idp != nil {
			return idp.text("name")
		}
	}
	return authenticatorName(key)
}

// showAuthenticator leaves out the switch that the password does not have (recorded).
func showAuthenticator(v *View) {
	if v.Body["key"] == "okta_password" {
		delete(doc.Object(v.Body, "_links"), "deactivate")
	}
}

func authenticatorMethods() Kind {
	return Kind{
		Name: "authenticator_methods", Path: authenticatorPath + "/methods/{methodType}", Key: "type", Class: "AuthenticatorMethod",
		Scope: "okta.authenticators", Area: AreaPolicies,
		Verbs:   Verbs{List: true, Get: true, Replace: "PUT"},
		Page:    Page{Order: "created"},
		Natural: []string{"type"}, Target: "AuthenticatorMethod",
		Operations: switches(200, TheObject),
		Fields: []Field{
			{Path: "type", Mode: ReadOnly},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Active, Keep: true},
			{Path: "settings", Type: Map, Keep: true},
			{Path: "verifiableProperties", Type: List, Keep: true},
		},
		Links:  []Link{self("GET PUT")},
		Events: map[string]string{replace: methodEvent, "activate": methodEvent, "deactivate": methodEvent},
		Seeds:  methodSeeds(), Check: checkMethod, Show: showMethod,
	}
}

const methodEvent = "security.authenticator.lifecycle.update"

// checkMethod refuses a body of another type than the path names (assumption).
func checkMethod(c *Change) error {
	if t := doc.String(c.Given, "type"); c.Verb == replace && t != "" && t != c.Object.ID {
		return failure.Malformed()
	}
	return nil
}

// switched are the methods that can be switched by themselves (recorded).
var switched = is("type", "push", "signed_nonce", "sms", "voice")

func showMethod(v *View) {
	if !switched.Holds(v.Object.Body) {
		links := doc.Object(v.Body, "_links")
		delete(links, "activate")
		delete(links, "deactivate")
	}
}

// methodSeeds are the methods of each authenticator (recorded; the settings of those of
// custom_app, google_otp and webauthn are documented).
func methodSeeds() []Seed {
	algorithms := func(more doc.Doc) doc.Doc {
		return doc.Merge(doc.Doc{"algorithms": doc.Array("ES256", "RS256"), "keyProtection": "ANY"}, more)
	}
	totp := doc.Doc{"timeIntervalInSeconds": 30, "encoding": "Base32", "algorithm": "HMACSHA1", "passCodeLength": 6}
	var seeds []Seed
	add := func(method string, settings doc.Doc, keys ...any) {
		body := doc.Doc{"type": method}
		if settings != nil {
			body["settings"] = settings
		}
		seeds = append(seeds, Seed{Body: body, Below: is("key", keys...)})
	}
	add("push", algorithms(doc.Doc{"transactionTypes": doc.Array("LOGIN")}), "okta_verify")
	add("totp", totp, "okta_verify")
	add("signed_nonce", algorithms(doc.Doc{"showSignInWithOV": "NEVER"}), "okta_verify")
	add("push", algorithms(doc.Doc{"transactionTypes": doc.Array("LOGIN", "CIBA")}), "custom_app")
	add("sms", nil, "phone_number")
	add("voice", nil, "phone_number")
	add("email", nil, "okta_email")
	add("password", nil, "okta_password")
	add("security_question", nil, "security_question")
	add("otp", totp, "google_otp")
	add("otp", doc.Doc{
		"protocol": "TOTP", "timeIntervalInSeconds": 30, "encoding": "base32", "algorithm": "HMacSHA256", "passCodeLength": 6,
		"acceptableAdjacentIntervals": 3,
	}, "custom_otp")
	add("otp", nil, "onprem_mfa", "rsa_token", "symantec_vip", "yubikey_token")
	add("webauthn", doc.Doc{"userVerification": "DISCOURAGED", "attachment": "ANY"}, "webauthn")
	add("duo", nil, "duo")
	add("idp", nil, "external_idp")
	add("cert", nil, "smart_card_idp")
	add("tac", nil, "tac")
	return seeds
}

// customAAGUIDs are the models of security keys that the org adds (documented).
func customAAGUIDs() Kind {
	return Kind{
		Name: "authenticator_aaguids", Path: authenticatorPath + "/aaguids/{aaguid}", Key: "aaguid", Class: "CustomAAGUID",
		Scope: "okta.authenticators", Area: AreaPolicies,
		Verbs: Verbs{List: true, Get: true, Create: 200, Replace: "PUT", Merge: "PATCH", Delete: 204},
		Page:  Page{Order: "created"},
		Fields: []Field{
			{Path: "aaguid", Required: true, Mode: Immutable, Max: 36, Pattern: `[0-9a-fA-F-]+`, Example: "00000000-0000-4000-8000-%d"},
			{Path: "name"},
			{Path: "attestationRootCertificates", Type: List},
			{Path: "authenticatorCharacteristics", Type: Map},
		},
		Links:  []Link{self("GET PUT DELETE")},
		Events: map[string]string{create: methodEvent, replace: methodEvent, merge: methodEvent, remove: methodEvent},
	}
}
