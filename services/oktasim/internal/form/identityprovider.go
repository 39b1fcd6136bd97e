package form

import "imago/services/oktasim/internal/doc"

// identityProvider is a provider of any type.
func identityProvider() doc.Doc {
	return doc.Doc{
		"issuerMode": text, "name": text, "policy": linking(),
		"properties": doc.Doc{
			"aalValue": text, "additionalAmr": []any{text}, "ialValue": text,
			"idvMetadata":       doc.Doc{"privacyPolicy": text, "termsOfUse": text, "vendorDisplayName": text},
			"inquiryTemplateId": text,
		},
		"protocol": protocol(), "status": text, "type": text,
	}
}

func linking() doc.Doc {
	return doc.Doc{
		"accountLink": doc.Doc{
			"action": text,
			"filter": doc.Doc{
				"groups": doc.Doc{"include": []any{text}}, "users": doc.Doc{"exclude": []any{text}, "excludeAdmins": flag},
			},
		},
		"maxClockSkew": number,
		"provisioning": doc.Doc{
			"action":     text,
			"conditions": doc.Doc{"deprovisioned": doc.Doc{"action": text}, "suspended": doc.Doc{"action": text}},
			"groups": doc.Doc{
				"action": text, "assignments": []any{text}, "filter": []any{text}, "sourceAttributeName": text,
			},
			"profileMaster": flag,
		},
		"subject": doc.Doc{
			"filter": text, "matchAttribute": text, "matchType": text, "userNameTemplate": doc.Doc{"template": text},
		},
		"trustClaims": flag,
	}
}

func protocol() doc.Doc {
	return doc.Doc{
		"algorithms": doc.Doc{
			"request":  doc.Doc{"digest": text, "signature": doc.Doc{"algorithm": text, "scope": text}},
			"response": doc.Doc{"signature": doc.Doc{"algorithm": text, "scope": text}},
		},
		"credentials": doc.Doc{
			"bearer": doc.Doc{"apiKey": text},
			"client": doc.Doc{
				"client_id": text, "client_secret": text, "pkce_required": flag, "token_endpoint_auth_method": text,
			},
			"signing": doc.Doc{"kid": text, "privateKey": text, "teamId": text},
			"trust": doc.Doc{
				"additionalKids": []any{text}, "audience": text, "issuer": text, "kid": text, "revocation": text,
				"revocationCacheLifetime": number,
			},
		},
		"endpoints": doc.Doc{
			"acs": doc.Doc{"binding": text, "type": text}, "authorization": doc.Doc{"binding": text, "url": text},
			"jwks": doc.Doc{"binding": text, "url": text}, "par": doc.Doc{"binding": text, "url": text},
			"slo": doc.Doc{"binding": text, "url": text}, "sso": doc.Doc{"binding": text, "destination": text, "url": text},
			"token": doc.Doc{"binding": text, "url": text}, "userInfo": doc.Doc{"binding": text, "url": text},
		},
		"oktaIdpOrgUrl": text, "relayState": doc.Doc{"format": text}, "scopes": []any{text},
		"settings": doc.Doc{
			"honorPersistentNameId": flag, "nameFormat": text, "participateSlo": flag, "sendApplicationContext": flag,
		},
		"type": text,
	}
}
