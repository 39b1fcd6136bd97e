package org

import (
	"maps"
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Token is an API token (SSWS): it acts as its owner.
type Token struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Value    string `json:"token"`
	UserID   string `json:"userId"`
	Created  Stamp  `json:"created"`
	LastUsed Stamp  `json:"lastUsed"`
	// Updated is when its network was changed last, 0 for never; Network is from where it may
	// be used, nil for anywhere.
	Updated Stamp   `json:"lastUpdated,omitempty"`
	Network doc.Doc `json:"network,omitempty"`
	// Guise is how the log shows its use, nil for as it is.
	Guise *Guise `json:"guise,omitempty"`
}

// AccessToken is an OAuth token of a service app. Thumbprint names the key that it is
// bound to, "" for none.
type AccessToken struct {
	ID       string   `json:"id"`
	Value    string   `json:"token"`
	ClientID string   `json:"clientId"`
	Scopes   []string `json:"scopes"`
	Issued   Stamp    `json:"issued"`
	Expires  Stamp    `json:"expires"`

	Thumbprint string `json:"jkt,omitempty"`
	Guise      *Guise `json:"guise,omitempty"`
}

// Type is the scheme by which the token is presented.
func (t *AccessToken) Type() string {
	if t.Thumbprint != "" {
		return "DPoP"
	}
	return "Bearer"
}

// tokenWindow is how long an unused API token lives (documented, recorded as P30D).
const tokenWindow = 30 * 24 * time.Hour

// CreateToken makes an API token for the user.
func (o *Org) CreateToken(by *Cause, u *User, name string) (*Token, error) {
	if u.Status == Deprovisioned || u.Status == Suspended {
		return nil, failure.WrongStatus()
	}
	now := o.stamp()
	t := &Token{ID: o.ids.ID("00T"), Name: name, Value: "00" + o.ids.Secret(40), UserID: u.ID, Created: now, LastUsed: now}
	o.tokens[t.Value] = t
	o.Note(by, "system.api_token.create", nil, Party{ID: t.ID, Type: "Token", AlternateID: "unknown", DisplayName: name})
	return t, nil
}

// TokenOf finds a living API token and its owner.
func (o *Org) TokenOf(value string) (*Token, *User, error) {
	t := o.tokens[value]
	if t == nil || !o.alive(t) {
		return nil, nil, failure.BadToken()
	}
	u := o.users[t.UserID]
	if u == nil || u.Status == Deprovisioned || u.Status == Suspended {
		return nil, nil, failure.BadToken()
	}
	return t, u, nil
}

// Touch notes the use of a token, at most once an hour. It takes the lock itself.
func (o *Org) Touch(t *Token) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.stamp(); now-t.LastUsed > Stamp(time.Hour.Milliseconds()) {
		t.LastUsed = now
		o.revision++
	}
}

// GrantAccess makes the access token, whose client, scopes and key are given, and which
// lives one hour; sign writes it. wanted are the scopes that were asked for.
func (o *Org) GrantAccess(by *Cause, a *App, t *AccessToken, wanted []string, sign func() (string, error)) (err error) {
	now := o.clock.Now()
	maps.DeleteFunc(o.access, func(_ string, t *AccessToken) bool { return t.Expires.Time().Before(now) })
	t.ID, t.Issued, t.Expires = "AT."+o.ids.Secret(43), StampOf(now), StampOf(now.Add(time.Hour))
	if t.Value, err = sign(); err != nil {
		return err
	}
	o.access[t.Value] = t
	grants := doc.Doc{"grantedScopes": strings.Join(t.Scopes, " "), "requestedScopes": strings.Join(wanted, " "), "grantType": "client_credentials"}
	o.Note(by, "app.oauth2.token.grant", grants, a.ClientParty())
	o.Note(by, "app.oauth2.token.grant.access_token", grants,
		Party{ID: t.ID, Type: "access_token", AlternateID: "unknown", DisplayName: "Access Token"}, a.ClientParty())
	return nil
}

// AccessOf finds a living access token and its app. The app must still be active.
func (o *Org) AccessOf(value string) (*AccessToken, *App) {
	t := o.access[value]
	if t == nil || !o.clock.Now().Before(t.Expires.Time()) {
		return nil, nil
	}
	a := o.Client(t.ClientID)
	if a == nil || a.Status != Active {
		return nil, nil
	}
	return t, a
}

// RevokeAccess ends an access token of the client.
func (o *Org) RevokeAccess(by *Cause, a *App, value string) {
	t := o.access[value]
	if t == nil || t.ClientID != a.ClientID() {
		return
	}
	delete(o.access, value)
	o.Note(by, "app.oauth2.token.revoke", nil,
		Party{ID: t.ID, Type: "access_token", AlternateID: "unknown", DisplayName: "Access Token"}, a.ClientParty())
}

// Replayed notes a token that is good for one use until it expires, by who signed it and
// its jti, and says whether it was used before.
func (o *Org) Replayed(signer, jti string, expires time.Time) bool {
	now := o.stamp()
	maps.DeleteFunc(o.assertions, func(_ string, until Stamp) bool { return until < now })
	key := signer + " " + jti
	_, seen := o.assertions[key]
	o.assertions[key] = StampOf(expires)
	return seen
}

// dropTokensOf ends every token of a user or of a client.
func (o *Org) dropTokensOf(id string) {
	maps.DeleteFunc(o.tokens, func(_ string, t *Token) bool { return t.UserID == id })
	maps.DeleteFunc(o.access, func(_ string, t *AccessToken) bool { return t.ClientID == id })
}

// GrantScope lets a service app ask for a scope.
func (o *Org) GrantScope(by *Cause, a *App, body doc.Doc, createdBy string) (*Grant, error) {
	scope := doc.String(body, "scopeId")
	if scope == "" {
		return nil, failure.Missing("scopeId")
	}
	if doc.String(body, "issuer") == "" {
		return nil, failure.Missing("issuer")
	}
	if !strings.HasPrefix(scope, "okta.") {
		// Only Okta's own scopes can be granted; the code is an assumption.
		return nil, failure.Invalid("scopeId", "scopeId: The scope '"+scope+"' does not exist")
	}
	if a.Granted(scope) {
		return nil, failure.Taken("scopeId")
	}
	g := &Grant{ID: o.ids.ID("oag"), Created: o.stamp(), CreatedBy: createdBy, Issuer: o.base, ScopeID: scope}
	g.LastUpdated = g.Created
	a.Grants = append(a.Grants, g)
	o.Note(by, "app.oauth2.admin.consent.grant", doc.Doc{"scope": scope}, a.Party())
	return g, nil
}

// Granted says whether the app may ask for the scope.
func (a *App) Granted(scope string) bool {
	return slices.ContainsFunc(a.Grants, func(g *Grant) bool { return g.ScopeID == scope })
}

// GrantOf finds a grant of the app.
func (a *App) GrantOf(id string) (*Grant, error) {
	for _, g := range a.Grants {
		if g.ID == id {
			return g, nil
		}
	}
	return nil, failure.NotFound(id, "OAuth2ScopeConsentGrant")
}

// RevokeScope takes a grant away.
func (o *Org) RevokeScope(by *Cause, a *App, g *Grant) {
	a.Grants = slices.DeleteFunc(a.Grants, func(x *Grant) bool { return x == g })
	o.Note(by, "app.oauth2.admin.consent.revoke", doc.Doc{"scope": g.ScopeID}, a.Party())
}

// GrantBody is the body of a grant; embed adds the scope.
func (o *Org) GrantBody(a *App, g *Grant, embed bool) any {
	app := o.base + "/api/v1/apps/" + a.ID
	creator := "User"
	if o.users[g.CreatedBy] == nil {
		creator = "SystemPrincipal"
	}
	b := doc.Doc{
		"id": g.ID, "status": Active, "created": g.Created, "createdBy": doc.Doc{"id": g.CreatedBy, "type": creator},
		"lastUpdated": g.LastUpdated, "issuer": o.base, "clientId": a.ClientID(), "scopeId": g.ScopeID, "source": "ADMIN",
		"_links": doc.Doc{
			"app":    doc.Doc{"href": app, "title": a.Label},
			"self":   allow(app+"/grants/"+g.ID, "GET", "DELETE"),
			"client": doc.Doc{"href": o.base + "/oauth2/v1/clients/" + a.ClientID(), "title": a.Label},
		},
	}
	if embed {
		b["_embedded"] = doc.Doc{"scope": doc.Doc{"id": g.ScopeID}}
	}
	return b
}
