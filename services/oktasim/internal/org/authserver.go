package org

import (
	"cmp"
	"slices"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// authServerKinds are the custom authorization servers with their scopes and claims.
func authServerKinds() []Kind {
	return []Kind{authServers(), authScopes(), authClaims(), associatedServers()}
}

const (
	authServerPath = "/api/v1/authorizationServers/{authServerId}"
	apiAccess      = "api_access_management"
)

func authServers() Kind {
	below := func(name, path, allow string) Link { return Link{Name: name, To: path, Allow: allow} }
	return Kind{
		Name: "authorization_servers", Path: authServerPath, Prefix: "aus", Class: "AuthorizationServer",
		Scope: "okta.authorizationServers", Area: AreaAuthServers, Feature: apiAccess,
		Verbs: crud(201), Operations: append(switches(204, Nothing), keyRotation()),
		Page:   Page{Default: 200, Max: 200, Q: []string{"name", "audiences"}},
		Stamps: dated, Quiet: true,
		Fields: []Field{
			{Path: "name", Required: true},
			{Path: "description", Null: true},
			{Path: "audiences", Type: List, Required: true, Min: 1, Max: 1},
			{Path: "issuerMode", Enum: []string{"ORG_URL", "CUSTOM_URL", "DYNAMIC"}, Default: "ORG_URL"},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Active, Keep: true},
			// A new server rotates its keys by itself, whatever was asked for (recorded).
			{Path: "credentials.signing.rotationMode", Mode: Late, Enum: []string{"AUTO", "MANUAL"}, Default: "AUTO", Keep: true},
			{Path: "credentials.signing.kid", Mode: ReadOnly},
			{Path: "credentials.signing.lastRotated", Mode: ReadOnly},
			{Path: "default", Type: Bool, Mode: ReadOnly, Default: false},
		},
		// The default server goes by that name everywhere (recorded).
		Slug: func(x *Object) string {
			if doc.Bool(x.Body, "default") {
				return "default"
			}
			return x.ID
		},
		Links: []Link{
			self("GET DELETE PUT"),
			below("scopes", "scopes", "GET POST"), below("claims", "claims", "GET POST"), below("policies", "policies", "GET POST"),
			below("keys", "credentials/keys", "GET"), below("rotateKey", "credentials/lifecycle/keyRotate", "POST"),
			{Name: "resourceServerCredentialsKeys", To: "resourceservercredentials/keys", Allow: "GET", Feature: "resource_server_keys"},
		},
		Events: past("oauth2.as"),
		// Recordings always deactivate before they delete; the refusal is an assumption.
		Refusals: []Refusal{{
			On: []string{remove}, When: is("status", Active),
			With: failure.Invalid("status", "status: It must be deactivated before it can be deleted"),
		}},
		Seeds: []Seed{{Body: doc.Doc{
			"name": "default", "description": "Default Authorization Server for your Applications", "audiences": doc.Array("api://default"),
			"default": true,
		}}},
		Fill: fillAuthServer, Show: showAuthServer,
	}
}

// keyLife is how long a server signs with one key when it rotates by itself (recorded: 90 days).
const keyLife = 90 * 24 * time.Hour

func fillAuthServer(c *Change) error {
	signing := doc.Ensure(c.Body, "credentials", "signing")
	if signing["kid"] == nil {
		signing["kid"], signing["lastRotated"] = c.Org.ids.Secret(43), Millis.write(c.Org.stamp())
	}
	return nil
}

// showAuthServer adds what follows from the id and the key.
func showAuthServer(v *View) {
	issuer := v.Org.base + "/oauth2/" + v.Kind.slug(v.Object)
	v.Body["issuer"] = issuer
	signing := doc.Object(v.Body, "credentials", "signing")
	delete(signing, "nextRotation")
	if rotated := Millis.read(signing["lastRotated"]); signing["rotationMode"] == "AUTO" && rotated != 0 {
		signing["nextRotation"] = Millis.write(StampOf(rotated.Time().Add(keyLife)))
	}
	metadata := func(name string) doc.Doc {
		l := Hints.write(name, issuer+"/.well-known/"+name, []string{"GET"})
		l["name"] = name
		return l
	}
	doc.Object(v.Body, "_links")["metadata"] = []any{metadata("oauth-authorization-server"), metadata("openid-configuration")}
}

// PublishedScopes are the scopes that a server tells of to everybody, with the name by which
// it goes.
func (o *Org) PublishedScopes(server string) (slug string, scopes []any, err error) {
	k := o.kinds.named("authorization_servers")
	x, err := o.FindObject(k, []string{server})
	if err != nil {
		return "", nil, err
	}
	list := o.below("auth_server_scopes", x.place())
	slices.SortFunc(list, func(a, b *Object) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, s := range list {
		if s.text("metadataPublish") == "ALL_CLIENTS" {
			scopes = append(scopes, s.text("name"))
		}
	}
	return k.slug(x), orEmpty(scopes), nil
}

func authScopes() Kind {
	return Kind{
		Name: "auth_server_scopes", Path: authServerPath + "/scopes/{scopeId}", Prefix: "scp", Class: "OAuth2Scope",
		Scope: "okta.authorizationServers", Area: AreaAuthServers, Feature: apiAccess,
		Verbs: crud(201),
		Page:  Page{Default: 200, Max: 200, Bare: true, Filter: []string{"*"}, Q: []string{"name"}, Order: "created"},
		Fields: []Field{
			{Path: "name", Required: true, Unique: InParent, Exact: true},
			{Path: "displayName"},
			{Path: "description"},
			{Path: "system", Type: Bool, Mode: ReadOnly, Default: false},
			{Path: "metadataPublish", Enum: []string{"ALL_CLIENTS", "NO_CLIENTS"}, Default: "NO_CLIENTS"},
			{Path: "consent", Enum: []string{"REQUIRED", "IMPLICIT", "FLEXIBLE"}, Default: "IMPLICIT", Feature: "scope_consent"},
			{Path: "optional", Type: Bool, Default: false, Feature: "optional_scopes"},
			{Path: "apiResourceId", Mode: ReadOnly, Null: true},
			{Path: "default", Type: Bool, Default: false},
		},
		Links:    []Link{self("GET PUT DELETE")},
		Events:   past("oauth2.scope"),
		Refusals: []Refusal{systemStays()},
		Seeds:    scopeSeeds(),
	}
}

// systemStays refuses the deletion of what Okta made; the code is an assumption.
func systemStays() Refusal {
	return Refusal{On: []string{remove}, When: is("system", true), With: failure.Invalid("id", "id: A system object cannot be deleted")}
}

// scopeSeeds are the scopes that every server has.
func scopeSeeds() []Seed {
	var seeds []Seed
	for _, s := range [][3]string{
		{"openid", "openid", "Signals that a request is an OpenID request."},
		{"profile", "View your profile information.", "The exact data varies based on what profile information you have provided, such as: name, time zone, picture, or birthday."},
		{"email", "View your email address.", "This allows the app to view your email address."},
		{"address", "View your address.", "This allows the app to view your address, such as: street address, city, state, and zip code."},
		{"phone", "View your phone number.", "This allows the app to view your phone number."},
		{"offline_access", "Keep you signed in to the app.", "This keeps you signed in to the app, even when you are not using it."},
		{"device_sso", "Request device secret.", "This allows you to single sign on between native client applications on your device."},
	} {
		seeds = append(seeds, Seed{Body: doc.Doc{
			"name": s[0], "displayName": s[1], "description": s[2], "system": true, "metadataPublish": "ALL_CLIENTS",
		}})
	}
	return seeds
}

func authClaims() Kind {
	return Kind{
		Name: "auth_server_claims", Path: authServerPath + "/claims/{claimId}", Prefix: "ocl", Class: "OAuth2Claim",
		Scope: "okta.authorizationServers", Area: AreaAuthServers, Feature: apiAccess,
		Verbs:   crud(201),
		Page:    Page{Order: "created"},
		Natural: []string{"name", "claimType"}, Distinct: true,
		Fields: []Field{
			{Path: "name", Required: true},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Active},
			{Path: "claimType", Required: true, Enum: []string{"IDENTITY", "RESOURCE"}},
			{Path: "valueType", Enum: []string{"EXPRESSION", "GROUPS", "SYSTEM"}, Default: "EXPRESSION"},
			{Path: "value", Required: true, When: isNot("valueType", "SYSTEM")},
			{Path: "group_filter_type", Enum: []string{"CONTAINS", "EQUALS", "REGEX", "STARTS_WITH"}, When: is("valueType", "GROUPS")},
			{Path: "conditions.scopes", Type: List, Default: []any{}},
			{Path: "system", Type: Bool, Mode: ReadOnly, Default: false},
			{Path: "alwaysIncludeInToken", Type: Bool, Default: false},
			{Path: "apiResourceId", Mode: ReadOnly, Null: true},
		},
		Links:    []Link{self("GET PUT DELETE")},
		Events:   past("oauth2.claim"),
		Refusals: []Refusal{systemStays()},
		Seeds:    claimSeeds(),
	}
}

// claimSeeds are the claims that every server has.
func claimSeeds() []Seed {
	seeds := []Seed{{Body: doc.Doc{
		"name": "sub", "claimType": "RESOURCE", "value": "(appuser != null) ? appuser.userName : app.clientId",
		"system": true, "alwaysIncludeInToken": true,
	}}}
	scope := map[string]string{"address": "address", "email": "email", "email_verified": "email", "phone_number": "phone"}
	always := map[string]bool{"email": true, "name": true, "preferred_username": true}
	for _, name := range []string{
		"address", "birthdate", "email", "email_verified", "family_name", "gender", "given_name", "locale", "middle_name", "name",
		"nickname", "phone_number", "picture", "preferred_username", "profile", "updated_at", "website", "zoneinfo",
	} {
		of := scope[name]
		if of == "" {
			of = "profile"
		}
		seeds = append(seeds, Seed{Body: doc.Doc{
			"name": name, "claimType": "IDENTITY", "valueType": "SYSTEM", "conditions": doc.Doc{"scopes": doc.Array(of)},
			"system": true, "alwaysIncludeInToken": always[name],
		}})
	}
	return seeds
}
