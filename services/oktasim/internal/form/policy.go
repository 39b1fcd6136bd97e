package form

import "imago/services/oktasim/internal/doc"

// policy is a policy of any type.
func policy() doc.Doc {
	return doc.Doc{
		"conditions": doc.Doc{
			"authProvider": doc.Doc{"include": []any{text}, "provider": text},
			"people":       doc.Doc{"groups": doc.Doc{"include": []any{text}}},
		},
		"description": text, "name": text, "priority": number,
		"settings": doc.Doc{
			"authenticators": []any{doc.Doc{
				"constraints": doc.Doc{"aaguidGroups": []any{text}},
				"enroll": doc.Doc{
					"gracePeriod": doc.Doc{"expiry": text, "skipCount": number, "type": text}, "self": text,
				},
				"id": text, "key": text,
			}},
			"delegation": doc.Doc{"options": doc.Doc{"skipUnlock": flag}}, "password": passwordSettings(),
			"recovery": recoverySettings(), "type": text,
		},
		"status": status, "system": flag, "type": text,
	}
}

func passwordSettings() doc.Doc {
	return doc.Doc{
		"age": doc.Doc{
			"expireWarnDays": number, "historyCount": number, "maxAgeDays": number, "minAgeMinutes": number,
		},
		"breachedProtection": doc.Doc{"delegatedWorkflowId": text, "expireAfterDays": number, "logoutEnabled": flag},
		"complexity": doc.Doc{
			"dictionary": doc.Doc{"common": doc.Doc{"exclude": flag}}, "excludeAttributes": []any{text}, "excludeUsername": flag,
			"maxConsecutiveCharacters": number, "minLength": number, "minLowerCase": number, "minNumber": number,
			"minSymbol": number, "minUpperCase": number, "oelStatement": text,
		},
		"lockout": doc.Doc{
			"autoUnlockMinutes": number, "maxAttempts": number, "showLockoutFailures": flag,
			"userLockoutNotificationChannels": []any{text},
		},
	}
}

func recoverySettings() doc.Doc {
	return doc.Doc{
		"factors": doc.Doc{
			"okta_call": doc.Doc{"status": text},
			"okta_email": doc.Doc{
				"properties": doc.Doc{"recoveryToken": doc.Doc{"tokenLifetimeMinutes": number}}, "status": text,
			},
			"okta_sms":          doc.Doc{"status": text},
			"recovery_question": doc.Doc{"properties": doc.Doc{"complexity": doc.Doc{}}, "status": text},
		},
	}
}
