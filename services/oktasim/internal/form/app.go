package form

import "imago/services/oktasim/internal/doc"

// app is an app of any sign-on mode; settings.app is each app's own.
func app() doc.Doc {
	return doc.Doc{
		"accessibility": doc.Doc{"errorRedirectUrl": text, "loginRedirectUrl": text, "selfService": flag},
		"credentials":   appCredentials(), "features": []any{text}, "label": text,
		"licensing": doc.Doc{"seatCount": number}, "name": text, "profile": doc.Doc{},
		"settings": doc.Doc{
			"app": doc.Doc{}, "identityStoreId": text, "implicitAssignment": flag, "inlineHookId": text,
			"notes": doc.Doc{"admin": text, "enduser": text},
			"notifications": doc.Doc{
				"vpn": doc.Doc{
					"helpUrl": text, "message": text,
					"network": networks(),
				},
			},
			"oauthClient": oauthClient(), "signOn": saml(),
		},
		"signOnMode": text, "status": text,
		"visibility": doc.Doc{
			"appLinks": doc.Doc{}, "autoLaunch": flag, "autoSubmitToolbar": flag, "hide": doc.Doc{"iOS": flag, "web": flag},
		},
	}
}

func appCredentials() doc.Doc {
	return doc.Doc{
		"oauthClient": doc.Doc{
			"autoKeyRotation": flag, "client_id": text, "client_secret": text, "pkce_required": flag,
			"token_endpoint_auth_method": text,
		},
		"password": doc.Doc{
			"hash": doc.Doc{
				"algorithm": text, "digestAlgorithm": text, "iterationCount": number, "keySize": number, "salt": text,
				"saltOrder": text, "value": text, "workFactor": number,
			},
			"hook": doc.Doc{"type": text}, "value": text,
		},
		"revealPassword": flag, "scheme": text, "signing": doc.Doc{"kid": text, "rotationMode": text, "use": text},
		"userName":         text,
		"userNameTemplate": doc.Doc{"pushStatus": text, "template": text, "type": text, "userSuffix": text},
	}
}

func oauthClient() doc.Doc {
	return doc.Doc{
		"application_type": text, "backchannel_authentication_request_signing_alg": text,
		"backchannel_custom_authenticator_id": text, "backchannel_token_delivery_mode": text, "client_uri": text,
		"consent_method": text, "dpop_bound_access_tokens": flag, "frontchannel_logout_session_required": flag,
		"frontchannel_logout_uri": text, "grant_types": []any{text}, "id_token_encrypted_response_alg": text,
		"idp_initiated_login": doc.Doc{"default_scope": []any{text}, "mode": text}, "initiate_login_uri": text,
		"issuer_mode": text,
		"jwks": doc.Doc{
			"keys": []any{doc.Doc{
				"e": text, "kid": text, "kty": text, "n": text, "status": text, "use": text, "x": text, "y": text,
			}},
		},
		"jwks_uri": text, "logo_uri": text,
		"network": networks(), "participate_slo": flag,
		"policy_uri": text, "post_logout_redirect_uris": []any{text}, "redirect_uris": []any{text},
		"refresh_token": doc.Doc{"leeway": number, "rotation_type": text}, "request_object_signing_alg": text,
		"response_types": []any{text}, "sector_identifier_uri": text, "subject_type": text, "tos_uri": text,
		"wildcard_redirect": text,
	}
}

func saml() doc.Doc {
	return doc.Doc{
		"acsEndpoints": []any{doc.Doc{"index": number, "url": text}}, "allowMultipleAcsEndpoints": flag,
		"assertionEncryption": doc.Doc{
			"enabled": flag, "encryptionAlgorithm": text, "keyTransportAlgorithm": text, "x5c": []any{text},
		},
		"assertionSigned": flag,
		"attributeStatements": []any{doc.Doc{
			"filterType": text, "filterValue": text, "name": text, "namespace": text, "type": text, "values": []any{text},
		}},
		"audience": text, "audienceOverride": text, "authnContextClassRef": text,
		"configuredAttributeStatements": []any{doc.Doc{
			"filterType": text, "filterValue": text, "name": text, "namespace": text, "type": text, "values": []any{text},
		}},
		"defaultRelayState": text, "destination": text, "destinationOverride": text, "digestAlgorithm": text,
		"honorForceAuthn": flag, "idpIssuer": text, "inlineHooks": []any{doc.Doc{"id": text}}, "loginUrl": text,
		"participateSlo": doc.Doc{"bindingType": text, "enabled": flag, "logoutRequestUrl": text, "sessionIndexRequired": flag},
		"recipient":      text, "recipientOverride": text, "redirectUrl": text, "requestCompressed": flag, "responseSigned": flag,
		"samlAssertionLifetimeSeconds": number, "signatureAlgorithm": text,
		"slo": doc.Doc{"enabled": flag, "issuer": text, "logoutUrl": text}, "spCertificate": doc.Doc{"x5c": []any{text}},
		"spIssuer": text, "ssoAcsUrl": text, "ssoAcsUrlOverride": text, "subjectNameIdFormat": text,
		"subjectNameIdTemplate": text,
	}
}
