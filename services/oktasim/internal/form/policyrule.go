package form

import "imago/services/oktasim/internal/doc"

// policyRule is a rule of a policy of any type.
func policyRule() doc.Doc {
	return doc.Doc{
		"actions": actions(), "conditions": conditions(), "name": text, "priority": number, "status": status,
		"system": flag, "type": text,
	}
}

func conditions() doc.Doc {
	return doc.Doc{
		"app": doc.Doc{
			"exclude": []any{doc.Doc{"id": text, "name": text, "type": text}},
			"include": []any{doc.Doc{"id": text, "name": text, "type": text}},
		},
		"authContext": doc.Doc{"authType": text},
		"device":      doc.Doc{"assurance": doc.Doc{"include": []any{text}}, "managed": flag, "registered": flag},
		"elCondition": doc.Doc{"condition": text}, "entityRisk": doc.Doc{"level": text},
		"identityProvider": doc.Doc{"idpIds": []any{text}, "provider": text},
		"network":          networks(),
		"people": doc.Doc{
			"groups": selection(),
			"users":  selection(),
		},
		"platform":           doc.Doc{"exclude": []any{platform()}, "include": []any{platform()}},
		"riskDetectionTypes": selection(),
		"riskScore":          doc.Doc{"level": text, "minRiskLevel": text},
		"userIdentifier": doc.Doc{
			"attribute": text, "patterns": []any{doc.Doc{"matchType": text, "value": text}}, "type": text,
		},
		"userType": selection(),
	}
}

func actions() doc.Doc {
	return doc.Doc{
		"appSignOn": appSignOn(),
		"deviceSignalCollection": doc.Doc{
			"deviceContextProviders": []any{doc.Doc{"id": text, "key": text, "userIdentification": text}},
		},
		"enroll":     doc.Doc{"self": text},
		"entityRisk": doc.Doc{"actions": []any{doc.Doc{"action": text, "workflow": doc.Doc{"id": number}}}},
		"idp": doc.Doc{
			"idpSelectionType": text, "matchCriteria": []any{doc.Doc{"propertyName": text, "providerExpression": text}},
			"providers": []any{doc.Doc{"id": text, "name": text, "type": text}}, "shouldFallBackToOkta": flag,
		},
		"passwordChange":    doc.Doc{"access": text},
		"postAuthSession":   doc.Doc{"failureActions": []any{doc.Doc{"action": text, "workflow": doc.Doc{"id": number}}}},
		"profileEnrollment": profileEnrollment(), "selfServicePasswordReset": passwordReset(),
		"selfServiceUnlock":         doc.Doc{"access": text},
		"sessionViolationDetection": doc.Doc{"policyEvaluation": doc.Doc{"enabled": flag}},
		"signon": doc.Doc{
			"access": text, "factorLifetime": number, "factorPromptMode": text, "primaryFactor": text,
			"rememberDeviceByDefault": flag, "requireFactor": flag,
			"session": doc.Doc{
				"maxSessionIdleMinutes": number, "maxSessionLifetimeMinutes": number, "usePersistentCookie": flag,
			},
		},
		"updateControls": doc.Doc{"actions": []any{doc.Doc{"action": text, "value": text}}},
	}
}

func appSignOn() doc.Doc {
	return doc.Doc{
		"access": text, "keepMeSignedIn": doc.Doc{"postAuth": text, "postAuthPromptFrequency": text},
		"verificationMethod": doc.Doc{
			"chains": []any{doc.Doc{
				"authenticationMethods": []any{doc.Doc{
					"hardwareProtection": text, "id": text, "key": text, "method": text, "phishingResistant": text,
					"userVerification": text, "userVerificationMethods": []any{text},
				}},
				"next": []any{doc.Doc{}}, "reauthenticateIn": text,
			}},
			"constraints": []any{doc.Doc{
				"knowledge": doc.Doc{
					"authenticationMethods":         []any{doc.Doc{"id": text, "key": text, "method": text}},
					"excludedAuthenticationMethods": []any{doc.Doc{"id": text, "key": text, "method": text}}, "methods": []any{text},
					"reauthenticateIn": text, "required": flag, "types": []any{text},
				},
				"possession": doc.Doc{
					"authenticationMethods": []any{doc.Doc{"id": text, "key": text, "method": text}}, "deviceBound": text,
					"excludedAuthenticationMethods": []any{doc.Doc{"id": text, "key": text, "method": text}}, "hardwareProtection": text,
					"methods": []any{text}, "phishingResistant": text, "reauthenticateIn": text, "required": flag, "types": []any{text},
					"userPresence": text, "userVerification": text, "userVerificationMethods": []any{text},
				},
			}},
			"factorMode": text, "id": text, "inactivityPeriod": text, "reauthenticateIn": text, "type": text,
		},
	}
}

func profileEnrollment() doc.Doc {
	return doc.Doc{
		"access": text, "activationRequirements": doc.Doc{"emailVerification": flag}, "allowedIdentifiers": []any{text},
		"enrollAuthenticatorTypes": []any{text}, "preRegistrationInlineHooks": []any{doc.Doc{"inlineHookId": text}},
		"profileAttributes":          []any{doc.Doc{"label": text, "name": text, "required": flag}},
		"progressiveProfilingAction": text, "targetGroupIds": []any{text}, "uiSchemaId": text, "unknownUserAction": text,
	}
}

func passwordReset() doc.Doc {
	return doc.Doc{
		"access": text,
		"requirement": doc.Doc{
			"accessControl": text,
			"primary": doc.Doc{
				"methodConstraints": []any{doc.Doc{"allowedAuthenticators": []any{doc.Doc{"key": text}}, "method": text}},
				"methods":           []any{text},
			},
			"stepUp": doc.Doc{"methods": []any{text}, "required": flag},
		},
		"type": text,
	}
}

func platform() doc.Doc {
	return doc.Doc{
		"os":   doc.Doc{"expression": text, "type": text, "version": doc.Doc{"matchType": text, "value": text}},
		"type": text,
	}
}

// networks is a condition on network zones.
func networks() doc.Doc {
	return doc.Doc{"connection": text, "exclude": []any{text}, "include": []any{text}}
}

// selection names ids that are meant and ids that are not.
func selection() doc.Doc { return doc.Doc{"exclude": []any{text}, "include": []any{text}} }
