package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// clientKey gives a public key of a client its id and status, as Okta shows them. A key on
// an elliptic curve whose curve was not given shows none (recorded).
func (o *Org) clientKey(k any, old doc.Doc) any {
	key, ok := k.(doc.Doc)
	if !ok {
		return k
	}
	out := doc.Merge(doc.Doc{"status": Active, "use": nil}, key)
	if out["kty"] == "EC" {
		doc.Default(out, "crv", nil)
	}
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

// clientKeys are the client's public keys.
func (a *App) clientKeys() []any {
	keys, ok := doc.Get(a.Body, "settings", "oauthClient", "jwks", "keys").([]any)
	if !ok {
		return []any{}
	}
	return keys
}

func (a *App) setClientKeys(keys []any) {
	doc.Ensure(a.Body, "settings", "oauthClient", "jwks")["keys"] = keys
}

// ClientKeys are the client's public keys as Okta lists them.
func (o *Org) ClientKeys(a *App) []any {
	out := []any{}
	for _, k := range a.clientKeys() {
		if key, ok := k.(doc.Doc); ok {
			out = append(out, o.ClientKeyBody(a, key))
		}
	}
	return out
}

// ClientKeyBody is one public key of a client with its links.
func (o *Org) ClientKeyBody(a *App, key doc.Doc) doc.Doc {
	body, links := doc.Clone(key), doc.Doc{}
	doc.Default(body, "created", a.Created)
	doc.Default(body, "lastUpdated", a.Created)
	self := o.base + "/api/v1/apps/" + a.ID + "/credentials/jwks/" + doc.String(key, "id")
	switchLink(links, self, doc.String(key, "status"))
	if key["status"] == Inactive {
		links["delete"] = allow(self, "DELETE")
	}
	body["_links"] = links
	return body
}

// ClientKeyOf finds a public key by its id or kid.
func (a *App) ClientKeyOf(id string) (doc.Doc, error) {
	for _, k := range a.clientKeys() {
		if key, ok := k.(doc.Doc); ok && (key["id"] == id || key["kid"] == id) {
			return key, nil
		}
	}
	return nil, failure.NotFound(id, "OAuth2ClientJsonWebKey")
}

// AddClientKey registers another public key of a client.
func (o *Org) AddClientKey(by *Cause, a *App, body doc.Doc) (doc.Doc, error) {
	if doc.String(body, "kty") == "" {
		return nil, failure.Missing("kty")
	}
	if kid := doc.String(body, "kid"); kid == "" {
		body = doc.Merge(body, doc.Doc{"kid": o.ids.Secret(43)})
	} else if _, err := a.ClientKeyOf(kid); err == nil {
		return nil, failure.Invalid("kid", "A key with the same kid already exists.")
	}
	key, _ := o.clientKey(body, nil).(doc.Doc)
	now := o.stamp()
	key["created"], key["lastUpdated"] = now.String(), now.String()
	a.setClientKeys(append(a.clientKeys(), key))
	o.Note(by, "app.oauth2.credentials.lifecycle.create", nil, a.ClientParty())
	return key, nil
}

// SwitchClientKey activates or deactivates a public key.
func (o *Org) SwitchClientKey(by *Cause, a *App, key doc.Doc, active bool) {
	status, event := Inactive, "deactivate"
	if active {
		status, event = Active, "activate"
	}
	key["status"], key["lastUpdated"] = status, o.stamp().String()
	o.Note(by, "app.oauth2.credentials.lifecycle."+event, nil, a.ClientParty())
}

// DeleteClientKey removes an inactive public key.
func (o *Org) DeleteClientKey(by *Cause, a *App, key doc.Doc) error {
	if key["status"] == Active {
		return failure.Invalid("status", "You can't delete an active key.")
	}
	a.setClientKeys(slices.DeleteFunc(slices.Clone(a.clientKeys()), func(k any) bool {
		other, ok := k.(doc.Doc)
		return ok && other["id"] == key["id"]
	}))
	o.Note(by, "app.oauth2.credentials.lifecycle.delete", nil, a.ClientParty())
	return nil
}
