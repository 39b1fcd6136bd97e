package org

import (
	"encoding/base64"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// authKeyKinds are the keys with which authorization servers sign, and those of the
// resources for which they encrypt.
func authKeyKinds() []Kind { return []Kind{signingKeys(), resourceKeys()} }

func signingKeys() Kind {
	return Kind{
		Name: "auth_server_keys", Path: authServerPath + "/credentials/keys/{keyId}", Key: "kid", Class: "JsonWebKey",
		Scope: "okta.authorizationServers", Area: AreaAuthServers, Feature: apiAccess,
		Verbs: Verbs{List: true, Get: true},
		Page:  Page{Order: "created"},
		Fields: []Field{
			{Path: "status", Mode: ReadOnly, Default: Active}, {Path: "kid", Mode: ReadOnly, Default: serverKid}, {Path: "kty", Mode: ReadOnly, Default: "RSA"},
			{Path: "alg", Mode: ReadOnly, Default: "RS256"}, {Path: "use", Mode: ReadOnly, Default: "sig"}, {Path: "e", Mode: ReadOnly, Default: "AQAB"},
			{Path: "n", Mode: ReadOnly, Default: func(c *Change) any {
				return base64.RawURLEncoding.EncodeToString(modulus(textOf(c.Body["kid"])).Bytes())
			}},
		},
		Links: []Link{self("GET")},
		Seeds: []Seed{{}, {Body: doc.Doc{"status": nextKey}}}, SeedKey: []string{"status"}, Natural: []string{"kid"},
	}
}

// The key that a server will sign with, and the one that it signed with until lately.
const (
	nextKey    = "NEXT"
	expiredKey = "EXPIRED"
)

// serverKid is the key that the server says it signs with; others get a name of their own.
func serverKid(c *Change) any {
	if p := c.Parent(); c.Body["status"] == Active && p != nil && p.text("credentials.signing.kid") != "" {
		return p.text("credentials.signing.kid")
	}
	return c.Org.ids.Secret(43)
}

// keyRotation moves every key of a server on by one, and answers with all of them (documented).
func keyRotation() Operation {
	return Operation{
		Name: "rotateKeys", Path: "credentials/lifecycle/keyRotate", Status: 200, Link: "-", Example: doc.Doc{"use": "sig"},
		Run: rotateKeys,
		Reply: func(c *Change) (any, error) {
			keys := []any{}
			for _, x := range c.Org.below("auth_server_keys", c.Object.place()) {
				keys = append(keys, c.Org.Show(c.Org.kinds.named("auth_server_keys"), x, View{InList: true}, 0))
			}
			return keys, nil
		},
	}
}

func rotateKeys(c *Change) error {
	if c.Given["use"] != "sig" {
		return failure.Invalid("use", "use: It must be sig")
	}
	o, k := c.Org, c.Org.kinds.named("auth_server_keys")
	for _, x := range o.objectsIn(k, c.Object.place()) {
		switch x.Status() {
		case expiredKey:
			o.shelf(k).take(x)
		case Active:
			x.Body["status"] = expiredKey
		case nextKey:
			x.Body["status"] = Active
			put(c.Body, "credentials.signing.kid", x.ID)
			put(c.Body, "credentials.signing.lastRotated", Millis.write(o.stamp()))
		}
	}
	o.plant(k, c.Object.place(), Seed{Body: doc.Doc{"status": nextKey}})
	return nil
}

// resourceKeys are those for which a server encrypts access tokens: one is active (documented).
func resourceKeys() Kind {
	return Kind{
		Name: "resource_server_keys", Path: authServerPath + "/resourceservercredentials/keys/{keyId}", Prefix: "apk", Class: "JsonWebKey",
		Scope: "okta.authorizationServers", Area: AreaAuthServers, Feature: apiAccess,
		Verbs: Verbs{List: true, Get: true, Create: 201, Delete: 204}, Operations: switches(200, TheObject),
		Page:   Page{Order: "created"},
		Stamps: dated, Natural: []string{"kid"},
		Fields: []Field{
			{Path: "kty", Required: true, Enum: []string{"RSA"}},
			{Path: "e", Required: true, Example: "AQAB"},
			{Path: "n", Required: true},
			{Path: "kid", Required: true, Unique: InParent, Exact: true},
			{Path: "use", Enum: []string{"enc"}, Default: "enc"},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Inactive},
		},
		Links: []Link{{Name: "delete", Allow: "DELETE", When: is("status", Inactive)}},
		Events: map[string]string{
			create: "app.oauth2.as.resource_server.credentials.lifecycle.create", remove: "app.oauth2.as.resource_server.credentials.lifecycle.delete",
			"activate": "app.oauth2.as.resource_server.credentials.lifecycle.activate", "deactivate": "app.oauth2.as.resource_server.credentials.lifecycle.deactivate",
		},
		Refusals: []Refusal{{On: []string{remove}, When: is("status", Active), With: failure.Invalid("status", "status: An active key cannot be deleted")}},
		After:    soleActiveKey,
	}
}

// soleActiveKey puts the other keys out of use when one is activated.
func soleActiveKey(c *Change) {
	if c.Verb == remove || c.Object.Status() != Active {
		return
	}
	for _, x := range c.Org.objectsIn(c.Kind, c.Object.Home) {
		if x != c.Object {
			x.Body["status"] = Inactive
		}
	}
}
