package api

import (
	"net"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// wellKnownOperations describe the org's authorization server and the custom ones to
// everybody (RFC 8414, OpenID Connect Discovery).
func wellKnownOperations() []operation {
	open := func(path string, run func(*call) error) operation {
		return operation{method: "GET", path: path, area: org.AreaOrg, open: true, run: run}
	}
	file := func(name string) operation {
		return open("/.well-known/"+name, func(c *call) error { return c.show(c.org.WellKnown(c.hostname(), name), nil) })
	}
	const oauth, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	return []operation{
		open(oauth, func(c *call) error { return c.show(c.metadata(c.org.Base()+"/oauth2", c.org.Base(), orgScopes()), nil) }),
		open(openid, func(c *call) error {
			return c.show(c.discovery(c.org.Base()+"/oauth2", c.org.Base(), orgScopes()), nil)
		}),
		file("apple-app-site-association"), file("assetlinks.json"), file("webauthn"),
		open("/oauth2/{authServerId}"+oauth, func(c *call) error { return c.customServer((*call).metadata) }),
		open("/oauth2/{authServerId}"+openid, func(c *call) error { return c.customServer((*call).discovery) }),
	}
}

// hostname is the host that the client asks, without the port.
func (c *call) hostname() string {
	host, _, err := net.SplitHostPort(c.r.Host)
	if err != nil {
		return c.r.Host
	}
	return host
}

// customServer describes the server in the path with the scopes that it publishes.
func (c *call) customServer(describe func(*call, string, string, []any) doc.Doc) error {
	x, scopes, err := c.org.PublishedScopes(c.params["authServerId"])
	if err != nil {
		return err
	}
	issuer := c.org.Base() + "/oauth2/" + x
	return c.show(describe(c, issuer, issuer, scopes), nil)
}

// orgScopes are the scopes that every org names (recorded): fewer than there are. Those with
// a dot at the end stand for .manage and .read.
func orgScopes() []any {
	var scopes []any
	for _, s := range strings.Fields(`
		okta.users.manage okta.users.manage.self okta.users.read okta.users.read.self okta.linkedObjects. okta.profileMappings.
		okta.userTypes. okta.clients.manage okta.clients.register okta.clients.read okta.appGrants. okta.policies. okta.groups.
		okta.inlineHooks. okta.eventHooks. okta.events.read okta.logs.read okta.apps. okta.governance.assignmentCandidates.read
		okta.accessRequests.tasks. okta.schemas. okta.idps. okta.factors. okta.riskProviders. okta.roles. okta.orgs. okta.domains.
		okta.brands. okta.sessions. okta.templates. okta.trustedOrigins. okta.threatInsights. okta.behaviors. okta.networkZones.
		okta.agentPools. okta.reports.read okta.features. okta.certificateAuthorities. okta.principalRateLimits. okta.rateLimits.
		okta.directories.manage okta.directories.groups.manage okta.apiTokens. okta.personal.adminSettings.
		openid email profile address phone offline_access groups`) {
		if strings.HasSuffix(s, ".") {
			scopes = append(scopes, s+"manage", s+"read")
			continue
		}
		scopes = append(scopes, s)
	}
	return scopes
}

var (
	clientMethods = []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"}
	signatures    = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"}
)

// metadata is recorded of an org's own server.
func (c *call) metadata(under, issuer string, scopes []any) doc.Doc {
	at := func(name string) string { return under + "/v1/" + name }
	return doc.Doc{
		"issuer": issuer, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"), "registration_endpoint": c.org.Base() + "/oauth2/v1/clients",
		"response_types_supported": doc.Array("code", "token", "id_token", "code id_token", "code token", "id_token token", "code id_token token"),
		"response_modes_supported": doc.Array("query", "fragment", "form_post", "okta_post_message"),
		"grant_types_supported": doc.Array("authorization_code", "implicit", "refresh_token", "password", "client_credentials",
			"urn:ietf:params:oauth:grant-type:device_code", "urn:okta:params:oauth:grant-type:otp", "http://auth0.com/oauth/grant-type/mfa-otp",
			"urn:okta:params:oauth:grant-type:oob", "http://auth0.com/oauth/grant-type/mfa-oob", "urn:ietf:params:oauth:grant-type:token-exchange"),
		"subject_types_supported": doc.Array("public"), "scopes_supported": scopes,
		"token_endpoint_auth_methods_supported": doc.Array(clientMethods...),
		"claims_supported":                      doc.Array("ver", "jti", "iss", "aud", "iat", "exp", "cid", "uid", "scp", "sub"),
		"code_challenge_methods_supported":      doc.Array("S256"),
		"introspection_endpoint":                at("introspect"), "introspection_endpoint_auth_methods_supported": doc.Array(clientMethods...),
		"revocation_endpoint": at("revoke"), "revocation_endpoint_auth_methods_supported": doc.Array(clientMethods...),
		"end_session_endpoint": at("logout"), "request_parameter_supported": true,
		"request_object_signing_alg_values_supported": doc.Array(append([]string{"HS256", "HS384", "HS512"}, signatures...)...),
		"device_authorization_endpoint":               at("device/authorize"), "pushed_authorization_request_endpoint": at("par"),
		"dpop_signing_alg_values_supported": doc.Array(signatures...),
		"frontchannel_logout_supported":     true, "frontchannel_logout_session_supported": true,
		"identity_chaining_requested_token_types_supported": doc.Array("urn:ietf:params:oauth:token-type:id-jag"),
	}
}

// discovery adds what sign-in with OpenID Connect needs (documented).
func (c *call) discovery(under, issuer string, scopes []any) doc.Doc {
	d := c.metadata(under, issuer, scopes)
	d["userinfo_endpoint"], d["jwks_uri"] = under+"/v1/userinfo", under+"/v1/keys"
	d["id_token_signing_alg_values_supported"] = doc.Array("RS256")
	d["claims_supported"] = doc.Array("iss", "ver", "sub", "aud", "iat", "exp", "jti", "auth_time", "amr", "idp", "nonce", "name", "nickname",
		"preferred_username", "given_name", "middle_name", "family_name", "email", "email_verified", "profile", "zoneinfo", "locale", "address",
		"phone_number", "picture", "website", "gender", "birthdate", "updated_at", "at_hash", "c_hash")
	return d
}
