package org

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"imago/services/oktasim/internal/doc"
)

func itoa(n int) string { return strconv.Itoa(n) }

// fillApp makes the stored body out of a request body. Shapes and defaults are those
// of recorded answers; unknown fields of settings are kept. Old is the body it
// replaces, nil for a new app.
func (o *Org) fillApp(a *App, old, body doc.Doc) {
	b := doc.Doc{
		"accessibility": appAccessibility(doc.Object(body, "accessibility")),
		"visibility":    o.appVisibility(a, doc.Object(body, "visibility")),
		"features":      []any{},
		"credentials":   o.appCredentials(a, old, body),
		"settings":      o.appSettings(a, old, body),
	}
	if profile := doc.Object(body, "profile"); profile != nil {
		b["profile"] = doc.Clone(profile)
	}
	a.Body = b
}

func appAccessibility(given doc.Doc) doc.Doc {
	return doc.Merge(doc.Doc{"selfService": false, "errorRedirectUrl": nil, "loginRedirectUrl": nil}, given)
}

func (o *Org) appVisibility(a *App, given doc.Doc) doc.Doc {
	v := doc.Merge(doc.Doc{
		"autoLaunch": false, "autoSubmitToolbar": false, "hide": doc.Doc{"iOS": false, "web": false},
	}, given)
	v["appLinks"] = doc.Doc{a.linkName(): true}
	return v
}

func (a *App) linkName() string {
	if a.SignOnMode == Bookmark {
		return "login"
	}
	return a.Name + "_link"
}

func (o *Org) appCredentials(a *App, old, body doc.Doc) doc.Doc {
	given := doc.Object(body, "credentials")
	template := doc.Object(given, "userNameTemplate")
	if template == nil {
		template = doc.Doc{"template": "${source.login}", "type": "BUILT_IN"}
	}
	c := doc.Doc{"userNameTemplate": doc.Clone(template), "signing": doc.Doc{}}
	if a.SignOnMode != Bookmark {
		c["signing"] = doc.Doc{"kid": o.info.SigningKid}
	}
	if a.SignOnMode == OpenIDConnect {
		c["oauthClient"] = o.clientCredentials(a, old, doc.Object(given, "oauthClient"))
	}
	return c
}

// clientCredentials keeps a chosen client_id and client_secret (recorded: both can be
// set at creation); else the id is the app's own and the secret is made.
func (o *Org) clientCredentials(a *App, old, given doc.Doc) doc.Doc {
	was := doc.Object(old, "credentials", "oauthClient")
	c := doc.Merge(doc.Doc{
		"autoKeyRotation": true, "client_id": a.ID, "token_endpoint_auth_method": "client_secret_basic", "pkce_required": false,
	}, given)
	if was != nil {
		c["client_id"] = was["client_id"]
	}
	if c["client_id"] == nil || c["client_id"] == "" {
		c["client_id"] = a.ID
	}
	secret := doc.String(given, "client_secret")
	if secret == "" {
		secret = doc.String(was, "client_secret")
	}
	delete(c, "client_secret")
	method := doc.String(c, "token_endpoint_auth_method")
	if method == "private_key_jwt" || method == "none" {
		return c
	}
	if secret == "" {
		secret = o.ids.Secret(64)
	}
	c["client_secret"] = secret
	o.keepSecret(a, secret)
	return c
}

// keepSecret records the app's secret in its list of secrets.
func (o *Org) keepSecret(a *App, value string) {
	for _, s := range a.Secrets {
		if s.Value == value {
			return
		}
	}
	now := o.stamp()
	a.Secrets = append(a.Secrets, &Secret{
		ID: o.ids.ID("ocs"), Created: now, LastUpdated: now, Status: Active, Value: value, Hash: secretHash(value),
	})
}

// secretHash is Okta's short fingerprint of a secret: 22 letters (recorded length).
func secretHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (o *Org) appSettings(a *App, old, body doc.Doc) doc.Doc {
	given := doc.Object(body, "settings")
	s := doc.Merge(doc.Doc{
		"app": doc.Doc{},
		"notifications": doc.Doc{"vpn": doc.Doc{
			"network": doc.Doc{"connection": "DISABLED"}, "message": nil, "helpUrl": nil,
		}},
		"manualProvisioning": false, "implicitAssignment": false, "emOptInStatus": "NONE",
		"notes": doc.Doc{"admin": nil, "enduser": nil},
	}, given)
	switch a.SignOnMode {
	case OpenIDConnect:
		s["oauthClient"] = o.clientSettings(a, old, doc.Object(given, "oauthClient"))
	case SAML2:
		s["signOn"] = doc.Merge(samlDefaults(), doc.Object(given, "signOn"))
		trimOverrides(doc.Object(s, "signOn"))
	case Bookmark:
		s["app"] = doc.Merge(doc.Doc{"requestIntegration": false}, doc.Object(given, "app"))
	}
	return s
}

func (o *Org) clientSettings(a *App, old, given doc.Doc) doc.Doc {
	s := doc.Merge(doc.Doc{
		"client_uri": nil, "logo_uri": nil, "redirect_uris": []any{}, "response_types": []any{}, "grant_types": []any{},
		"application_type": "web", "consent_method": "TRUSTED", "issuer_mode": "ORG_URL",
		"idp_initiated_login": doc.Doc{"mode": "DISABLED", "default_scope": []any{}},
		"wildcard_redirect":   "DISABLED", "dpop_bound_access_tokens": false, "participate_slo": false,
	}, given)
	keys, ok := doc.Get(s, "jwks", "keys").([]any)
	if !ok {
		delete(s, "jwks")
		return s
	}
	for i, k := range keys {
		keys[i] = o.clientKey(k, doc.Object(old, "settings", "oauthClient", "jwks"))
	}
	return s
}

// clientKey gives a public key its id and status, as Okta shows them.
func (o *Org) clientKey(k any, old doc.Doc) any {
	key, ok := k.(doc.Doc)
	if !ok {
		return k
	}
	out := doc.Merge(doc.Doc{"status": Active, "use": nil}, key)
	if known, ok := old["keys"].([]any); ok {
		for _, e := range known {
			if was, ok := e.(doc.Doc); ok && was["kid"] == out["kid"] {
				out["id"] = was["id"]
			}
		}
	}
	if doc.String(out, "id") == "" {
		out["id"] = o.ids.ID("pks")
	}
	return out
}

func samlDefaults() doc.Doc {
	return doc.Doc{
		"defaultRelayState": "", "ssoAcsUrl": nil, "idpIssuer": "http://www.okta.com/${org.externalKey}",
		"audience": nil, "recipient": nil, "destination": nil,
		"subjectNameIdTemplate": "${user.userName}",
		"subjectNameIdFormat":   "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
		"responseSigned":        true, "assertionSigned": true,
		"signatureAlgorithm": "RSA_SHA256", "digestAlgorithm": "SHA256", "honorForceAuthn": true,
		"authnContextClassRef": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
		"spIssuer":             nil, "requestCompressed": false, "attributeStatements": []any{}, "inlineHooks": []any{},
		"assertionEncryption": doc.Doc{"enabled": false}, "allowMultipleAcsEndpoints": false, "acsEndpoints": []any{},
		"samlSignedRequestEnabled": false, "slo": doc.Doc{"enabled": false},
	}
}

// trimOverrides drops the override fields that Okta does not give back when empty
// (recorded).
func trimOverrides(s doc.Doc) {
	for _, f := range []string{"audienceOverride", "destinationOverride", "recipientOverride", "ssoAcsUrlOverride"} {
		if s[f] == "" {
			delete(s, f)
		}
	}
}

// AppBody is the app's body as it is read, alone or in a list: without the client
// secret (recorded), which has a list of its own.
func (o *Org) AppBody(a *App) any {
	body := o.appBody(a)
	credentials := doc.Clone(doc.Object(a.Body, "credentials"))
	delete(doc.Object(credentials, "oauthClient"), "client_secret")
	body["credentials"] = credentials
	return body
}

// AppBodyWithSecret is the answer to creating and replacing an app, which shows the
// client secret (recorded).
func (o *Org) AppBodyWithSecret(a *App) any { return o.appBody(a) }

func (o *Org) appBody(a *App) doc.Doc {
	body := doc.Doc{
		"id": a.ID, "orn": "orn:okta:idp:" + o.info.ID + ":apps:" + a.Name + ":" + a.ID,
		"name": a.Name, "label": a.Label, "status": a.Status, "lastUpdated": a.LastUpdated, "created": a.Created,
		"signOnMode": a.SignOnMode, "universalLogout": o.universalLogout(a), "_links": o.appLinks(a),
	}
	for k, v := range a.Body {
		body[k] = v
	}
	return body
}

// universalLogout is null in orgs without the feature (recorded).
func (o *Org) universalLogout(a *App) any {
	switch {
	case !o.IsOIE():
		return nil
	case a.SignOnMode == Bookmark:
		return doc.Doc{"status": "UNSUPPORTED"}
	}
	return doc.Doc{"status": "DISABLED", "supportType": "FULL", "identityStack": "NOT_SHARED", "protocol": "GLOBAL_TOKEN_REVOCATION"}
}

func (o *Org) appLinks(a *App) doc.Doc {
	self := o.base + "/api/v1/apps/" + a.ID
	href := func(url string) doc.Doc { return doc.Doc{"href": url} }
	logo := "default"
	if a.SignOnMode == Bookmark {
		logo = "bookmark-app"
	}
	l := doc.Doc{
		"uploadLogo": doc.Doc{"href": self + "/logo", "hints": doc.Doc{"allow": doc.Array("POST")}},
		"appLinks": []any{doc.Doc{
			"name": a.linkName(), "href": o.base + "/home/" + a.Name + "/" + a.ID + "/" + a.Link, "type": "text/html",
		}},
		"groups": href(self + "/groups"), "users": href(self + "/users"),
		"logo": []any{doc.Doc{"name": "medium", "href": image(logo), "type": "image/png"}},
	}
	if a.Status == Active {
		l["deactivate"] = href(self + "/lifecycle/deactivate")
	} else {
		l["activate"] = href(self + "/lifecycle/activate")
	}
	if o.IsOIE() {
		l["policies"] = doc.Doc{"href": self + "/policies", "hints": doc.Doc{"allow": doc.Array("PUT")}}
		l["accessPolicy"] = href(o.base + "/api/v1/policies/" + a.AccessPolicy)
		l["profileEnrollment"] = href(o.base + "/api/v1/policies/" + a.ProfileEnrollment)
	}
	switch a.SignOnMode {
	case SAML2:
		l["help"] = doc.Doc{"href": o.base + "/app/" + a.Name + "/" + a.ID + "/setup/help/SAML_2_0/instructions", "type": "text/html"}
		l["metadata"] = doc.Doc{"href": self + "/sso/saml/metadata", "type": "application/xml"}
	case OpenIDConnect:
		l["clientCredentials"] = []any{a.credentialLink(self)}
	}
	return l
}

func (a *App) credentialLink(self string) doc.Doc {
	kind := "secrets"
	if doc.String(a.Body, "credentials", "oauthClient", "token_endpoint_auth_method") == "private_key_jwt" {
		kind = "jwks"
	}
	return doc.Doc{"name": kind, "href": self + "/credentials/" + kind}
}
