package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

const idpPath = "/api/v1/idps/{idpId}"

// idpKinds are the identity providers with the people who came through them and the keys.
func idpKinds() []Kind {
	return []Kind{idps(), idpUsers(), idpTrustKeys(), idpSigningKeys(), idpCSRs()}
}

// The types of identity providers that behave in their own way; all others are social.
const (
	idpSAML = "SAML2"
	idpOIDC = "OIDC"
	idpX509 = "X509"
)

// social are the social providers and the endpoints that Okta fills in for them: those of
// Google, Facebook and Microsoft are recorded, the others are the providers' own.
func social() map[string][2]string {
	return map[string][2]string{
		"AMAZON":    {"https://www.amazon.com/ap/oa", "https://api.amazon.com/auth/o2/token"},
		"APPLE":     {"https://appleid.apple.com/auth/authorize", "https://appleid.apple.com/auth/token"},
		"DISCORD":   {"https://discord.com/api/oauth2/authorize", "https://discord.com/api/oauth2/token"},
		"FACEBOOK":  {"https://www.facebook.com/dialog/oauth", "https://graph.facebook.com/v2.8/oauth/access_token"},
		"GITHUB":    {"https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token"},
		"GITLAB":    {"https://gitlab.com/oauth/authorize", "https://gitlab.com/oauth/token"},
		"GOOGLE":    {"https://accounts.google.com/o/oauth2/auth", "https://www.googleapis.com/oauth2/v3/token"},
		"LINKEDIN":  {"https://www.linkedin.com/oauth/v2/authorization", "https://www.linkedin.com/oauth/v2/accessToken"},
		"MICROSOFT": {"https://login.microsoftonline.com/common/oauth2/v2.0/authorize", "https://login.microsoftonline.com/common/oauth2/v2.0/token"},
		"PAYPAL":    {"https://www.paypal.com/signin/authorize", "https://api.paypal.com/v1/oauth2/token"},
		"PAYPAL_SANDBOX": {
			"https://www.sandbox.paypal.com/signin/authorize", "https://api.sandbox.paypal.com/v1/oauth2/token",
		},
		"SALESFORCE": {"https://login.salesforce.com/services/oauth2/authorize", "https://login.salesforce.com/services/oauth2/token"},
		"SPOTIFY":    {"https://accounts.spotify.com/authorize", "https://accounts.spotify.com/api/token"},
		"XERO":       {"https://login.xero.com/identity/connect/authorize", "https://identity.xero.com/connect/token"},
		"YAHOO":      {"https://api.login.yahoo.com/oauth2/request_auth", "https://api.login.yahoo.com/oauth2/get_token"},
		"YAHOOJP":    {"https://auth.login.yahoo.co.jp/yconnect/v2/authorization", "https://auth.login.yahoo.co.jp/yconnect/v2/token"},
	}
}

// idpTypes are the published types.
func idpTypes() []string {
	types := []string{
		idpSAML, idpOIDC, idpX509, "AgentlessDSSO", "IWA", "LOGINGOV", "LOGINGOV_SANDBOX", "OKTA_INTEGRATION",
		"IDV_PERSONA", "IDV_CLEAR", "IDV_INCODE", "IDV_STANDARD",
	}
	return append(types, sortedKeys(social())...)
}

func idps() Kind {
	saml, oidc, claims := is("type", idpSAML), is("type", idpOIDC), is("type", idpSAML, idpOIDC)
	return Kind{
		Name: "idps", Path: idpPath, Prefix: "0oa", Class: "IdpTrust", Target: "IdentityProvider",
		Scope: "okta.idps", Area: AreaProviders,
		Verbs: crud(200), Operations: switches(200, TheObject),
		Page:   Page{Default: 200, Max: 200, Q: []string{"name"}, Anywhere: true, Equal: map[string]string{"type": "type"}},
		Stamps: dated,
		Fields: []Field{
			{Path: "type", Required: true, Mode: Immutable, Enum: idpTypes(), Example: idpOIDC},
			{Path: "issuerMode", Enum: []string{"ORG_URL", "CUSTOM_URL", "DYNAMIC"}, Default: "ORG_URL", When: isNot("type", idpSAML)},
			{Path: "name", Required: true, Unique: InOrg, Max: 100},
			{Path: "status", Enum: []string{Active, Inactive}, Default: statusOf},
			{Path: "properties", Type: Map},
			{Path: "protocol", Type: Map, Required: true, Example: doc.Doc{
				"type": "OIDC", "scopes": doc.Array("openid"), "issuer": doc.Doc{"url": "https://idp.example.com"},
				"credentials": doc.Doc{"client": doc.Doc{"client_id": "sample", "client_secret": "sample-secret"}},
			}},
			{Path: "protocol.type", Required: true, Enum: []string{"SAML2", "OIDC", "OAUTH2", "MTLS", "ID_PROOFING"}},
			// Recorded of SAML: the names of nobody are of no form, and the trust is asked for no revocations.
			{Path: "protocol.settings", Type: Map, Default: doc.Doc{}, Feature: oidcSettings},
			{Path: "protocol.settings.nameFormat", When: saml, Default: "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"},
			{Path: "protocol.settings.honorPersistentNameId", Type: Bool, When: saml, Default: honoursPersistentIDs},
			{Path: "protocol.algorithms.request.digest", When: saml, Default: "SHA-1", Feature: "idp_request_digest"},
			{Path: "protocol.credentials.trust.issuer", When: saml},
			{Path: "protocol.credentials.trust.audience", When: saml, Keep: true, Default: audienceOf},
			{Path: "protocol.credentials.trust.kid", When: saml, Ref: "idp_keys", Gone: Holds},
			{Path: "protocol.credentials.trust.revocation", When: saml, Null: true},
			{Path: "protocol.credentials.trust.revocationCacheLifetime", Type: Number, When: saml, Default: 0},
			{Path: "policy", Type: Map, Default: doc.Doc{}},
			{Path: "policy.provisioning", Type: Map, Default: doc.Doc{"action": "DISABLED"}},
			{Path: "policy.provisioning.profileMaster", Type: Bool, Default: false},
			{Path: "policy.provisioning.groups", Type: Map, Default: doc.Doc{"action": "NONE"}},
			{Path: "policy.provisioning.conditions", Type: Map, Default: doc.Doc{
				"deprovisioned": doc.Doc{"action": "NONE"}, "suspended": doc.Doc{"action": "NONE"},
			}},
			{Path: "policy.accountLink.filter", Type: Map, Null: true},
			{Path: "policy.accountLink.action", Enum: []string{"AUTO", "DISABLED"}, Default: "AUTO"},
			{Path: "policy.subject", Type: Map, Default: doc.Doc{"userNameTemplate": doc.Doc{"template": "idpuser.email"}}},
			{Path: "policy.subject.filter", Null: true},
			{Path: "policy.subject.matchType", Enum: []string{"USERNAME", "EMAIL", "USERNAME_OR_EMAIL", "CUSTOM_ATTRIBUTE"}, Default: "USERNAME"},
			{Path: "policy.subject.matchAttribute", Null: true},
			{Path: "policy.maxClockSkew", Type: Number, Default: 0},
			{Path: "policy.mapAMRClaims", Type: Bool, Default: false, When: claims, Feature: "idp_amr_claims"},
			{Path: "policy.trustClaims", Type: Bool, Default: false, When: claims, Feature: "idp_trust_claims"},
			{Path: "policy.transformedUsernameMatchingEnabled", Type: Bool, Default: false, Feature: transformedUsernames},
			{Path: "protocol.issuer", Type: Map, When: oidc},
		},
		Links: nil,
		Check: checkIdp, Fill: fillIdp, Show: showIdp,
		Events: map[string]string{
			create: "system.idp.lifecycle.create", replace: "system.idp.lifecycle.update", remove: "system.idp.lifecycle.delete",
			"activate": "system.idp.lifecycle.activate", "deactivate": "system.idp.lifecycle.deactivate",
		},
	}
}

// statusOf: a new provider is active, and one that is replaced without a word about its
// status is not (recorded).
func statusOf(c *Change) any {
	if c.Before != nil && c.Verb == replace {
		return Inactive
	}
	return Active
}

const (
	transformedUsernames = "idp_transformed_usernames"
	oidcSettings         = "idp_oidc_settings"
)

// honoursPersistentIDs: providers of orgs that transform usernames honour persistent name
// ids unless told otherwise, those of older ones do not (recorded).
func honoursPersistentIDs(c *Change) any { return c.Org.Licensed(transformedUsernames) }

// audienceOf names Okta as a service provider; the tail is 20 lower case letters beginning
// with sp (recorded).
func audienceOf(c *Change) any {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	var tail strings.Builder
	for _, b := range []byte(c.Org.ids.Secret(18)) {
		tail.WriteByte(letters[int(b)%len(letters)])
	}
	return "https://www.okta.com/saml2/service-provider/sp" + tail.String()
}

// checkIdp refuses SAML trusts without a key and other providers without a client
// (documented as required; the causes are assumptions).
func checkIdp(c *Change) error {
	if c.Verb != create && c.Verb != replace {
		return nil
	}
	need := func(path string) error {
		if isBlank(get(c.Body, path)) {
			return failure.Missing(path)
		}
		return nil
	}
	switch doc.String(c.Body, "protocol", "type") {
	case "SAML2":
		return need("protocol.credentials.trust.kid")
	case "OIDC":
		if doc.String(c.Body, "type") == idpOIDC {
			return need("protocol.credentials.client.client_id")
		}
	}
	return nil
}

func fillIdp(c *Change) error {
	protocol := doc.Object(c.Body, "protocol")
	switch t := doc.String(c.Body, "type"); t {
	case idpSAML:
		doc.Ensure(protocol, "credentials")["signing"] = doc.Doc{"kid": idpSigningKid(c)}
	case idpOIDC:
		tidyOIDC(protocol)
	default:
		fillSocial(protocol, t)
	}
	if client := doc.Object(protocol, "credentials", "client"); client != nil && client["pkce_required"] == nil {
		delete(client, "pkce_required")
	}
	return nil
}

// idpSigningKid is the key with which the org signs requests: the one asked for, or the
// one that it has for all providers.
func idpSigningKid(c *Change) string {
	if kid := doc.String(c.Given, "protocol", "credentials", "signing", "kid"); kid != "" {
		return kid
	}
	if kid := doc.String(c.Before, "protocol", "credentials", "signing", "kid"); kid != "" {
		return kid
	}
	return c.Org.info.ProviderKid
}

// tidyOIDC: requests are signed with a client secret or not at all, SAML's settings mean
// nothing, and a logout is a redirect (recorded).
func tidyOIDC(protocol doc.Doc) {
	if a := doc.String(protocol, "algorithms", "request", "signature", "algorithm"); strings.HasPrefix(a, "SHA") {
		delete(protocol, "algorithms")
	}
	settings := doc.Ensure(protocol, "settings")
	delete(settings, "honorPersistentNameId")
	settings["nameFormat"] = nil
	for name, binding := range map[string]string{"slo": "HTTP-REDIRECT", "authorization": "HTTP-REDIRECT", "token": "HTTP-POST", "userInfo": "HTTP-REDIRECT", "jwks": "HTTP-REDIRECT"} {
		if e := doc.Object(protocol, "endpoints", name); e != nil {
			doc.Default(e, "binding", binding)
		}
	}
}

// fillSocial adds the provider's own endpoints.
func fillSocial(protocol doc.Doc, name string) {
	urls, known := social()[name]
	if !known {
		return
	}
	delete(protocol, "settings")
	endpoint := func(name, url, binding string) {
		e := doc.Ensure(protocol, "endpoints", name)
		doc.Default(e, "url", url)
		doc.Default(e, "binding", binding)
	}
	endpoint("authorization", urls[0], "HTTP-REDIRECT")
	endpoint("token", urls[1], "HTTP-POST")
}

// showIdp adds the links, which depend on the protocol. The answer of a PUT says nothing of
// the creation (recorded).
func showIdp(v *View) {
	if v.Verb == replace {
		v.Body["created"] = nil
	}
	if v.Object.text("type") == idpSAML {
		// SAML's settings are those of every org.
		put(v.Body, "protocol.settings", doc.Clone(get(v.Object.Body, "protocol.settings")))
		v.Body["_links"] = samlLinks(v)
		return
	}
	authorize := Hints.write("authorize", v.Org.base+"/oauth2/v1/authorize?idp="+v.Object.ID+"&client_id={clientId}&response_type={responseType}"+
		"&response_mode={responseMode}&scope={scopes}&redirect_uri={redirectUri}&state={state}&nonce={nonce}", []string{"GET"})
	authorize["templated"] = true
	v.Body["_links"] = doc.Doc{
		"authorize":         authorize,
		"clientRedirectUri": Hints.write("", v.Org.base+"/oauth2/v1/authorize/callback", []string{"POST"}),
	}
}

func samlLinks(v *View) doc.Doc {
	xml := func(href, method string) doc.Doc {
		l := Hints.write("", href, []string{method})
		l["type"] = "application/xml"
		return l
	}
	links := doc.Doc{
		"metadata": xml(v.Self+"/metadata.xml", "GET"),
		"acs":      xml(v.Org.base+"/sso/saml2/"+v.Object.ID, "POST"),
		"users":    Hints.write("", v.Self+"/users", []string{"GET"}),
	}
	next := "deactivate"
	if v.Object.Status() != Active {
		next = "activate"
	}
	links[next] = Hints.write("", v.Self+"/lifecycle/"+next, []string{"POST"})
	return links
}

// idpUsers are the people whom a provider knows (documented).
func idpUsers() Kind {
	return Kind{
		Name: "idp_users", Path: idpPath + "/users/{userId}", Of: "user", Class: "IdpUser",
		Scope: "okta.idps", Area: AreaProviders,
		Verbs: Verbs{List: true, Get: true, Replace: "POST", Upsert: true, Delete: 204},
		Operations: []Operation{{
			Name: "tokens", Path: "credentials/tokens", Method: "GET", Status: 200, Read: true, Link: "-",
			Reply: func(*Change) (any, error) { return []any{}, nil },
		}},
		Page:   Page{Default: 200, Max: 200},
		Stamps: dated, Natural: []string{"externalId"},
		Fields: []Field{
			{Path: "externalId", Required: true, Unique: InParent},
			{Path: "profile", Type: Map, Mode: ReadOnly, Default: doc.Doc{}},
		},
		Links: []Link{
			self("GET DELETE"), {Name: "users", To: "/api/v1/users/{id}", Allow: "GET"},
		},
		Show: func(v *View) {
			idp := v.Org.parentOf(v.Kind, v.Object)
			doc.Object(v.Body, "_links")["idp"] = Hints.write("", v.Org.Href(v.Kind.parent, idp), []string{"GET"})
		},
		Events: map[string]string{create: "user.authentication.auth_via_IDP", remove: "user.account.unlink_idp"},
	}
}
