package org

import (
	"encoding/json"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// An OIDC app is also an OAuth client, which the Dynamic Client Registration API shows and
// makes in its own words (documented, no recording).

// clientFields are what both have, by the same names, in settings.oauthClient.
func clientFields() []string {
	return []string{
		"client_uri", "logo_uri", "redirect_uris", "post_logout_redirect_uris", "response_types", "grant_types", "application_type",
		"initiate_login_uri", "tos_uri", "policy_uri", "jwks", "jwks_uri",
	}
}

// ClientBody is the app as an OAuth client; fresh shows the secret.
func (o *Org) ClientBody(a *App, fresh bool) doc.Doc {
	settings, credentials := doc.Object(a.Body, "settings", "oauthClient"), doc.Object(a.Body, "credentials", "oauthClient")
	body := doc.Doc{
		"client_id": a.ClientID(), "client_name": a.Label, "client_id_issued_at": a.Created.Time().Unix(),
		"token_endpoint_auth_method": credentials["token_endpoint_auth_method"],
	}
	for _, f := range clientFields() {
		if v, there := settings[f]; there {
			body[f] = v
		}
	}
	if secret := credentials["client_secret"]; secret != nil {
		body["client_secret_expires_at"] = json.Number("0")
		if fresh {
			body["client_secret"] = secret
		}
	}
	return body
}

// ClientApp is the request to make an app out of the request to register a client.
func ClientApp(client doc.Doc) (doc.Doc, error) {
	if doc.String(client, "client_name") == "" {
		return nil, failure.Missing("client_name")
	}
	settings := doc.Doc{}
	for _, f := range clientFields() {
		if v := client[f]; v != nil {
			settings[f] = doc.Clone(v)
		}
	}
	credentials := doc.Doc{}
	for _, f := range []string{"client_id", "client_secret", "token_endpoint_auth_method"} {
		if v := client[f]; v != nil {
			credentials[f] = v
		}
	}
	return doc.Doc{
		"name": oidcTemplate, "label": client["client_name"], "signOnMode": OpenIDConnect,
		"credentials": doc.Doc{"oauthClient": credentials}, "settings": doc.Doc{"oauthClient": settings},
	}, nil
}

// ClientOf finds the app of a client id.
func (o *Org) ClientOf(id string) (*App, error) {
	if a := o.Client(id); a != nil {
		return a, nil
	}
	return nil, failure.NotFound(id, "PublicClientApp")
}

// NewSecret replaces the secret of a client.
func (o *Org) NewSecret(by *Cause, a *App) error {
	if a.Proof != secretProof {
		return failure.Invalid("token_endpoint_auth_method", "The client does not authenticate with a secret.")
	}
	value := o.ids.Secret(64)
	doc.Object(a.Body, "credentials", "oauthClient")["client_secret"] = value
	o.keepSecret(a, value)
	a.LastUpdated = o.stamp()
	o.Note(by, "app.oauth2.client.lifecycle.update", nil, a.ClientParty())
	return nil
}
