package org

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
)

func itoa(n int) string { return strconv.Itoa(n) }

// fillApp makes the stored body out of a request body. Shapes and defaults are those of
// recorded answers. Old is the body it replaces, nil for a new app.
func (o *Org) fillApp(a *App, old, body doc.Doc) {
	b := doc.Doc{
		"accessibility": doc.Merge(doc.Doc{"selfService": false, "errorRedirectUrl": nil, "loginRedirectUrl": nil}, doc.Object(body, "accessibility")),
		"visibility":    a.visibility(doc.Object(body, "visibility")),
		"features":      keep(old, "features", []any{}),
		"credentials":   o.appCredentials(a, old, body),
		"settings":      o.appSettings(a, old, body),
	}
	if profile := doc.Object(body, "profile"); profile != nil {
		b["profile"] = doc.Clone(profile)
	}
	if a.template().seats {
		b["licensing"] = doc.Merge(doc.Doc{"seatCount": json.Number("0")}, doc.Object(body, "licensing"))
	}
	if logout := keep(old, "universalLogout", a.logout()); logout != nil {
		b["universalLogout"] = logout
	}
	a.Body = b
}

func keep(old doc.Doc, field string, otherwise any) any {
	if v, there := old[field]; there {
		return v
	}
	return otherwise
}

// logout is what universal logout can do for the app.
func (a *App) logout() any {
	if a.SignOnMode == SAML2 && a.own() {
		return revokesTokens()
	}
	if own := a.template().logout; own != nil {
		return own
	}
	return doc.Doc{"status": "UNSUPPORTED"}
}

// visibility shows or hides the app's doors; others than its own are ignored (recorded).
func (a *App) visibility(given doc.Doc) doc.Doc {
	v := doc.Merge(doc.Doc{
		"autoLaunch": false, "autoSubmitToolbar": false, "hide": doc.Doc{"iOS": false, "web": false},
	}, given)
	links := doc.Doc{}
	for _, d := range a.Doors {
		links[d.Name] = true
		if shown, there := doc.Get(given, "appLinks", d.Name).(bool); there {
			links[d.Name] = shown
		}
	}
	v["appLinks"] = links
	return v
}

func (o *Org) appCredentials(a *App, old, body doc.Doc) doc.Doc {
	given := doc.Object(body, "credentials")
	c := doc.Doc{"userNameTemplate": userNameTemplate(doc.Object(given, "userNameTemplate")), "signing": doc.Doc{}}
	switch a.SignOnMode {
	case OpenIDConnect, SAML2, SAML1, WSFed:
		c["signing"] = doc.Doc{"kid": a.signingKey(doc.String(given, "signing", "kid"), doc.String(old, "credentials", "signing", "kid"))}
	case AutoLogin, BrowserPlugin, BasicAuth, PasswordStore:
		sharedCredentials(c, given)
	}
	if a.SignOnMode != OpenIDConnect {
		return c
	}
	client := o.clientCredentials(a, old, body)
	if a.Template == oidcTemplate {
		c["oauthClient"] = client
	}
	return c
}

// signingKey is the key that is asked for, or the one in use, or the app's first.
func (a *App) signingKey(asked, used string) string {
	for _, kid := range []string{asked, used} {
		if a.key(kid) != nil {
			return kid
		}
	}
	return a.Keys[len(a.Keys)-1].Kid
}

// userNameTemplate completes a template. Those of one's own say whether they are pushed (recorded).
func userNameTemplate(given doc.Doc) doc.Doc {
	if given == nil {
		return doc.Doc{"template": "${source.login}", "type": "BUILT_IN"}
	}
	t := doc.Clone(given)
	if t["type"] == "CUSTOM" {
		doc.Default(t, "pushStatus", "DONT_PUSH")
	}
	return t
}

// sharedCredentials are those of apps that fill in passwords. Only shared ones show a user
// name, and that there is a password (recorded).
func sharedCredentials(c, given doc.Doc) {
	c["scheme"] = cmp.Or(doc.String(given, "scheme"), "EDIT_USERNAME_AND_PASSWORD")
	c["revealPassword"] = doc.Bool(given, "revealPassword")
	if c["scheme"] == "SHARED_USERNAME_AND_PASSWORD" {
		c["userName"], c["password"] = given["userName"], doc.Doc{}
	}
}

// clientCredentials keeps a chosen client_id and client_secret (recorded: both can be
// set at creation); else the id is the app's own and the secret is made.
func (o *Org) clientCredentials(a *App, old, body doc.Doc) doc.Doc {
	given := doc.Object(body, "credentials", "oauthClient")
	was := doc.Object(old, "credentials", "oauthClient")
	kind := doc.String(body, "settings", "oauthClient", "application_type")
	c := doc.Merge(doc.Doc{
		"autoKeyRotation": true, "client_id": a.ID, "token_endpoint_auth_method": "client_secret_basic",
		// Apps that cannot keep a secret must use PKCE (recorded for native apps).
		"pkce_required": public(kind),
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
	a.Proof = proofOf(doc.String(c, "token_endpoint_auth_method"))
	if a.Proof != secretProof {
		return c
	}
	if secret == "" {
		secret = o.ids.Secret(64)
	}
	c["client_secret"] = secret
	o.keepSecret(a, secret)
	return c
}

// How a client proves who it is: the end of the link to its credentials.
const (
	secretProof = "secrets"
	keyProof    = "jwks"
)

// proofOf is how clients prove who they are by the method; "" for public clients.
func proofOf(method string) string {
	switch method {
	case "client_secret_basic", "client_secret_post", "client_secret_jwt":
		return secretProof
	case "private_key_jwt":
		return keyProof
	}
	return ""
}

func (o *Org) appSettings(a *App, old, body doc.Doc) doc.Doc {
	given := doc.Clone(doc.Object(body, "settings"))
	client, signOn := doc.Object(given, "oauthClient"), doc.Object(given, "signOn")
	delete(given, "oauthClient")
	delete(given, "signOn")
	s := doc.Merge(doc.Doc{
		"notifications": doc.Doc{"vpn": doc.Doc{
			"network": doc.Doc{"connection": "DISABLED"}, "message": nil, "helpUrl": nil,
		}},
		"manualProvisioning": false, "implicitAssignment": false, "emOptInStatus": "NONE",
		"notes": doc.Doc{"admin": nil, "enduser": nil},
	}, given)
	s["app"] = doc.Merge(doc.Doc{}, doc.Object(given, "app"))
	if !a.own() {
		s["app"] = a.template().appSettings(a.SignOnMode, doc.Object(given, "app"))
	}
	switch {
	case a.Template == oidcTemplate:
		s["oauthClient"] = o.clientSettings(a, old, client)
	case a.SignOnMode == SAML2 && a.own():
		s["signOn"] = o.samlSettings(signOn)
	case a.SignOnMode == SAML2, a.SignOnMode == SAML1:
		s["signOn"] = a.overrides(signOn)
	case a.SignOnMode == AutoLogin && a.own():
		s["signOn"] = signOn
	}
	return s
}

// overrides are what an app of the network lets say about sign-on: an empty text is none,
// and what it does not know is dropped (recorded).
func (a *App) overrides(given doc.Doc) doc.Doc {
	fields := []string{"audienceOverride", "defaultRelayState", "recipientOverride", "ssoAcsUrlOverride"}
	out := doc.Doc{}
	if a.SignOnMode == SAML2 {
		fields = append(fields, "destinationOverride")
		out["attributeStatements"] = []any{}
		if statements, ok := given["attributeStatements"].([]any); ok {
			out["attributeStatements"] = statements
		}
	}
	for _, f := range fields {
		out[f] = nil
		if given[f] != "" {
			out[f] = given[f]
		}
	}
	return out
}

func (o *Org) clientSettings(a *App, old, given doc.Doc) doc.Doc {
	s := doc.Merge(doc.Doc{
		"application_type": nil, "grant_types": []any{}, "response_types": responses(doc.Strings(given, "grant_types")),
		"redirect_uris": []any{}, "client_uri": nil, "logo_uri": nil, "issuer_mode": "ORG_URL", "consent_method": "TRUSTED",
		"idp_initiated_login": doc.Doc{"mode": "DISABLED", "default_scope": []any{}},
		"wildcard_redirect":   "DISABLED", "dpop_bound_access_tokens": false, "participate_slo": false,
	}, given)
	if r := doc.Object(s, "refresh_token"); r != nil && r["rotation_type"] == "STATIC" {
		// The leeway is for tokens that rotate (recorded).
		delete(r, "leeway")
	}
	if s["backchannel_custom_authenticator_id"] != nil {
		doc.Default(s, "backchannel_token_delivery_mode", "poll")
	}
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

// responses are what the grants answer with: the default of response_types (documented).
func responses(grants []string) []any {
	out := []any{}
	if slices.Contains(grants, "authorization_code") {
		out = append(out, "code")
	}
	if slices.Contains(grants, "implicit") {
		out = append(out, "token", "id_token")
	}
	if len(out) == 0 && slices.Contains(grants, "client_credentials") {
		out = append(out, "token")
	}
	return out
}

// relayStateChanged is when Okta began to answer an empty relay state with null, not with
// an empty text (both recorded; the day itself is an assumption).
const relayStateChanged = "2026-03-16"

// samlSettings are the sign-on settings of a SAML app of the org's own.
func (o *Org) samlSettings(given doc.Doc) doc.Doc {
	s := doc.Merge(samlDefaults(), given)
	for _, f := range []string{"audienceOverride", "destinationOverride", "recipientOverride", "ssoAcsUrlOverride"} {
		if s[f] == "" || s[f] == nil {
			delete(s, f)
		}
	}
	if s["defaultRelayState"] == "" && o.Now().Format(time.DateOnly) >= relayStateChanged {
		s["defaultRelayState"] = nil
	}
	if doc.Bool(s, "slo", "enabled") {
		s["spIssuer"] = doc.Get(s, "slo", "issuer")
	} else {
		s["spIssuer"], s["slo"] = nil, doc.Doc{"enabled": false}
	}
	endpoints, _ := s["acsEndpoints"].([]any)
	for i, e := range endpoints {
		if endpoint, ok := e.(doc.Doc); ok {
			doc.Default(endpoint, "index", json.Number(itoa(i)))
		}
	}
	if chain, ok := doc.Get(s, "spCertificate", "x5c").([]any); ok {
		for i, c := range chain {
			chain[i] = wrapped(c)
		}
	}
	return s
}

// wrapped breaks a certificate into lines of 76 characters, as Okta gives it back (recorded).
func wrapped(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	for _, fence := range []string{"-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"} {
		text = strings.ReplaceAll(text, fence, "")
	}
	text = strings.Join(strings.Fields(text), "")
	var b strings.Builder
	const width = 76
	for len(text) > 0 {
		n := min(width, len(text))
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	return b.String()
}

func samlDefaults() doc.Doc {
	return doc.Doc{
		"defaultRelayState": nil, "ssoAcsUrl": nil, "idpIssuer": "http://www.okta.com/${org.externalKey}",
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
