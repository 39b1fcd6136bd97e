package org

import "imago/services/oktasim/internal/doc"

// bootstrapPolicies makes the system policies of a new org: names, shapes and settings
// are those of recorded orgs.
func (o *Org) bootstrapPolicies(now Stamp) {
	const all = "The default policy applies in all situations if no other policy applies."
	o.systemPolicyOf("OKTA_SIGN_ON", "Default Policy", all, o.systemRule("Default Rule", 1, "0pr",
		o.fillConditions("SIGN_ON", nil), o.fillActions("SIGN_ON", doc.Doc{})))
	o.systemPolicyOf("PASSWORD", "Default Policy", all, o.systemRule("Default Rule", 1, "0pr",
		o.fillConditions("PASSWORD", nil), doc.Doc{
			"passwordChange": doc.Doc{"access": "ALLOW"},
			"selfServicePasswordReset": doc.Doc{"access": "ALLOW", "requirement": doc.Doc{
				"primary": doc.Doc{"methods": doc.Array("email")}, "stepUp": doc.Doc{"required": false}}},
			"selfServiceUnlock": doc.Doc{"access": "DENY"},
		}))
	o.systemPolicyOf("MFA_ENROLL", "Default Policy", all, o.systemRule("Default Rule", 1, "0pr",
		o.fillConditions("MFA_ENROLL", nil), doc.Doc{"enroll": doc.Doc{"self": "CHALLENGE"}}))
	o.systemPolicyOf("IDP_DISCOVERY", "Idp Discovery Policy", "The default IdP Discovery Policy", o.systemRule("Default Rule", 1, "0pr",
		o.fillConditions("IDP_DISCOVERY", nil),
		doc.Doc{"idp": doc.Doc{"providers": []any{doc.Doc{"type": "OKTA"}}, "idpSelectionType": "SPECIFIC"}}))
	if o.IsOIE() {
		o.bootstrapEngine(now)
	}
}

func (o *Org) bootstrapEngine(now Stamp) {
	for _, name := range []string{"Okta Admin Console", "Okta Dashboard"} {
		p := o.systemPolicyOf("ACCESS_POLICY", name, "", o.systemRule("Catch-all Rule", 99, "rul", nil, catchAll()))
		p.System = false
	}
	o.systemPolicyOf("ACCESS_POLICY", "Any two factors", "Require two factors to access.",
		o.systemRule("Catch-all Rule", 99, "rul", nil, catchAll()))
	o.systemPolicyOf("PROFILE_ENROLLMENT", "Default Policy", "", o.systemRule("Catch-all Rule", 99, "rul", nil, doc.Doc{
		"profileEnrollment": doc.Doc{
			"access": "DENY", "preRegistrationInlineHooks": nil, "targetGroupIds": nil, "unknownUserAction": "DENY",
			"profileAttributes":      []any{doc.Doc{"name": "email", "label": "Primary email", "required": true}},
			"activationRequirements": doc.Doc{"emailVerification": true}, "progressiveProfilingAction": "DISABLED",
		}}))
	o.bootstrapSessions()
}

// bootstrapSessions makes the policies that watch sessions. The name of the first and its
// rules are recorded, the rest is an assumption.
func (o *Org) bootstrapSessions() {
	first := func(t, name string, actions doc.Doc) *Rule {
		r := o.systemRule(name, 1, "rul", o.fillConditions(t, nil), actions)
		r.System = false
		return r
	}
	last := func(actions doc.Doc) *Rule { return o.systemRule("Catch-all Rule", 99, "rul", nil, actions) }
	o.systemPolicyOf("POST_AUTH_SESSION", "Post Auth Policy", "Enables post auth policy evaluation for the org.",
		first("POST_AUTH_SESSION", "Post Auth Rule", doc.Doc{"postAuthSession": doc.Doc{}}), last(doc.Doc{"postAuthSession": doc.Doc{"failureActions": []any{}}}))
	o.systemPolicyOf("ENTITY_RISK", "Entity Risk Policy", "Evaluates the risk of entities.",
		last(doc.Doc{"entityRisk": doc.Doc{"actions": []any{}}}))
	o.systemPolicyOf("SESSION_VIOLATION_DETECTION", "Session Violation Detection Policy", "Detects violations of sessions.",
		first("SESSION_VIOLATION_DETECTION", "Session Violation Rule", doc.Doc{"sessionViolationDetection": doc.Doc{}}),
		last(doc.Doc{"sessionViolationDetection": doc.Doc{}}))
}

func (o *Org) systemPolicyOf(t, name, description string, rules ...*Rule) *Policy {
	p := &Policy{
		ID: o.ids.ID(kinds[t].prefix), Type: t, Name: name, Description: description, Priority: 1, Status: Active, System: true,
		Created: o.stamp(), Rules: rules,
	}
	p.LastUpdated = p.Created
	if kinds[t].ranked {
		p.Conditions = o.withEveryone(nil)
	}
	if t == "PASSWORD" {
		p.Conditions["authProvider"] = doc.Doc{"provider": "OKTA"}
	}
	if t == "ACCESS_POLICY" {
		p.ResourceType = "APP"
	}
	p.Settings = policySettings(t)
	if t == "MFA_ENROLL" && !o.IsOIE() {
		p.Settings = doc.Doc{"factors": doc.Doc{"okta_password": doc.Doc{"enroll": doc.Doc{"self": "REQUIRED"}, "consent": doc.Doc{"type": "NONE"}}}}
	}
	o.policies[p.ID] = p
	return p
}

func (o *Org) systemRule(name string, priority int, prefix string, conditions, actions doc.Doc) *Rule {
	now := o.stamp()
	return &Rule{
		ID: o.ids.ID(prefix), Name: name, Priority: priority, Status: Active, System: true,
		Created: now, LastUpdated: now, Conditions: conditions, Actions: actions,
	}
}

// catchAll is what the last rule of an app sign-in policy does.
func catchAll() doc.Doc {
	return doc.Doc{"appSignOn": doc.Doc{
		"access":             "ALLOW",
		"verificationMethod": doc.Doc{"factorMode": "2FA", "type": "ASSURANCE", "reauthenticateIn": "PT12H"},
		"keepMeSignedIn":     doc.Doc{"postAuth": "NOT_ALLOWED"},
	}}
}

// policySettings are a type's settings where nothing else is said; nil for types
// without settings.
func policySettings(t string) doc.Doc {
	switch t {
	case "PASSWORD":
		return doc.Doc{
			"password": doc.Doc{
				"complexity": doc.Doc{
					"minLength": 8, "minLowerCase": 1, "minUpperCase": 1, "minNumber": 1, "minSymbol": 0, "excludeUsername": true,
					"dictionary": doc.Doc{"common": doc.Doc{"exclude": false}}, "excludeAttributes": []any{},
				},
				"age": doc.Doc{"maxAgeDays": 0, "expireWarnDays": 0, "minAgeMinutes": 0, "historyCount": 4},
				"lockout": doc.Doc{
					"maxAttempts": 10, "autoUnlockMinutes": 0, "userLockoutNotificationChannels": []any{}, "showLockoutFailures": false,
				},
			},
			"recovery": doc.Doc{"factors": doc.Doc{
				"recovery_question": doc.Doc{"status": Inactive, "properties": doc.Doc{"complexity": doc.Doc{"minLength": 4}}},
				"okta_email":        doc.Doc{"status": Active, "properties": doc.Doc{"recoveryToken": doc.Doc{"tokenLifetimeMinutes": 60}}},
				"okta_sms":          doc.Doc{"status": Inactive}, "okta_call": doc.Doc{"status": Inactive},
			}},
			"delegation": doc.Doc{"options": doc.Doc{"skipUnlock": false}},
		}
	case "MFA_ENROLL":
		return doc.Doc{"type": "AUTHENTICATORS", "authenticators": []any{
			doc.Doc{"key": "okta_email", "enroll": doc.Doc{"self": "REQUIRED"}},
			doc.Doc{"key": "okta_verify", "enroll": doc.Doc{"self": "OPTIONAL"}},
			doc.Doc{"key": "okta_password", "enroll": doc.Doc{"self": "REQUIRED"}},
			doc.Doc{"key": "phone_number", "enroll": doc.Doc{"self": "OPTIONAL"}},
			doc.Doc{"key": "security_question", "enroll": doc.Doc{"self": "NOT_ALLOWED"}},
		}}
	}
	return nil
}
