package org

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Secret is a client secret of an OIDC app.
type Secret struct {
	ID          string `json:"id"`
	Created     Stamp  `json:"created"`
	LastUpdated Stamp  `json:"lastUpdated"`
	Status      string `json:"status"`
	Value       string `json:"client_secret"`
	Hash        string `json:"secret_hash"`
}

// mostSecrets is how many secrets a client may have, so that one can follow another
// (documented).
const mostSecrets = 2

// keepSecret records the app's secret in its list of secrets. One that a request changes
// takes the place of the first.
func (o *Org) keepSecret(a *App, value string) {
	if slices.ContainsFunc(a.Secrets, func(s *Secret) bool { return s.Value == value }) {
		return
	}
	s := o.newSecret(value, Active)
	if len(a.Secrets) > 0 {
		a.Secrets[0] = s
		return
	}
	a.Secrets = append(a.Secrets, s)
}

func (o *Org) newSecret(value, status string) *Secret {
	now := o.stamp()
	return &Secret{ID: o.ids.ID("ocs"), Created: now, LastUpdated: now, Status: status, Value: value, Hash: secretHash(value)}
}

// secretHash is Okta's short fingerprint of a secret: 22 letters (recorded length).
func secretHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// SecretOf finds a secret of the app.
func (a *App) SecretOf(id string) (*Secret, error) {
	for _, s := range a.Secrets {
		if s.ID == id {
			return s, nil
		}
	}
	return nil, failure.NotFound(id, "OAuth2ClientSecretMediated")
}

// AddSecret gives a client a second secret, of its own choice or made.
func (o *Org) AddSecret(by *Cause, a *App, body doc.Doc) (*Secret, error) {
	if len(a.Secrets) >= mostSecrets {
		return nil, failure.Invalid("client_secret", "You've reached the maximum number of client secrets per client.")
	}
	value, status := doc.String(body, "client_secret"), doc.String(body, "status")
	if value != "" && len(value) < 14 {
		return nil, failure.Invalid("client_secret", "client_secret: The length must be between 14 and 100")
	}
	if value == "" {
		value = o.ids.Secret(64)
	}
	if status == "" {
		status = Active
	}
	if status != Active && status != Inactive {
		return nil, failure.Malformed()
	}
	s := o.newSecret(value, status)
	a.Secrets = append(a.Secrets, s)
	o.Note(by, "app.oauth2.credentials.lifecycle.create", nil, a.ClientParty())
	return s, nil
}

// SwitchSecret activates or deactivates a secret; one must stay active.
func (o *Org) SwitchSecret(by *Cause, a *App, s *Secret, active bool) error {
	status, event := Inactive, "deactivate"
	if active {
		status, event = Active, "activate"
	} else if !slices.ContainsFunc(a.Secrets, func(x *Secret) bool { return x != s && x.Status == Active }) {
		return failure.Invalid("client_secret", "You can't deactivate the only active client secret.")
	}
	s.Status, s.LastUpdated = status, o.stamp()
	o.Note(by, "app.oauth2.credentials.lifecycle."+event, nil, a.ClientParty())
	return nil
}

// DeleteSecret removes an inactive secret.
func (o *Org) DeleteSecret(by *Cause, a *App, s *Secret) error {
	if s.Status == Active {
		return failure.Invalid("client_secret", "You can't delete an active client secret.")
	}
	a.Secrets = slices.DeleteFunc(a.Secrets, func(x *Secret) bool { return x == s })
	o.Note(by, "app.oauth2.credentials.lifecycle.delete", nil, a.ClientParty())
	return nil
}

// SecretBody is the body of a client secret. Its links name the client, not the app
// (recorded); an inactive one can be deleted (documented).
func (o *Org) SecretBody(a *App, s *Secret) any {
	links := doc.Doc{}
	self := o.base + "/api/v1/apps/" + cmp.Or(a.ClientID(), a.ID) + "/credentials/secrets/" + s.ID
	switchLink(links, self, s.Status)
	if s.Status == Inactive {
		links["delete"] = allow(self, "DELETE")
	}
	return struct {
		*Secret
		Links doc.Doc `json:"_links"`
	}{s, links}
}

// NoteSecretsRead records that the app's secrets were shown.
func (o *Org) NoteSecretsRead(by *Cause, a *App) {
	o.Note(by, "app.oauth2.client.read_client_secret", nil, a.ClientParty())
}
