package org

import (
	"cmp"
	"maps"
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// alive says whether the token was used lately enough.
func (o *Org) alive(t *Token) bool { return o.clock.Now().Sub(t.LastUsed.Time()) <= tokenWindow }

// Tokens lists the living API tokens by id.
func (o *Org) Tokens() []*Token {
	list := slices.Collect(maps.Values(o.tokens))
	list = slices.DeleteFunc(list, func(t *Token) bool { return !o.alive(t) })
	slices.SortFunc(list, func(a, b *Token) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// TokenByID finds a living API token.
func (o *Org) TokenByID(id string) (*Token, error) {
	for _, t := range o.tokens {
		if t.ID == id && o.alive(t) {
			return t, nil
		}
	}
	return nil, failure.NotFound(id, "ApiToken")
}

// TokenBody is what can be known of a token: all but its value.
func (o *Org) TokenBody(t *Token) doc.Doc {
	network := t.Network
	if network == nil {
		network = doc.Doc{"connection": "ANYWHERE"}
	}
	return doc.Doc{
		"id": t.ID, "name": t.Name, "userId": t.UserID, "clientName": "Okta API", "tokenWindow": "P30D", "network": network,
		"created": t.Created, "lastUpdated": max(t.Created, t.Updated), "expiresAt": StampOf(t.LastUsed.Time().Add(tokenWindow)),
		"_links": doc.Doc{
			"self": allow(o.base+"/api/v1/api-tokens/"+t.ID, "GET", "DELETE"),
			"user": allow(o.base+"/api/v1/users/"+t.UserID, "GET"),
		},
	}
}

// RestrictToken says from where a token may be used; nothing else of it can be changed
// (documented).
func (o *Org) RestrictToken(by *Cause, t *Token, body doc.Doc) error {
	if name, given := body["name"]; given && name == "" {
		return failure.Missing("name")
	}
	if network := doc.Object(body, "network"); network != nil {
		checked, err := o.checkedNetwork("network", network)
		if err != nil {
			return err
		}
		t.Network = checked
	}
	t.Updated = o.stamp()
	o.Note(by, "system.api_token.update", nil, t.party())
	return nil
}

// RevokeToken ends an API token.
func (o *Org) RevokeToken(by *Cause, t *Token) {
	delete(o.tokens, t.Value)
	o.Note(by, "system.api_token.revoke", nil, t.party())
}

func (t *Token) party() Party {
	return Party{ID: t.ID, Type: "Token", AlternateID: "unknown", DisplayName: t.Name}
}

// NoteOutside notes the use of a token from where it must not be used.
func (o *Org) NoteOutside(by *Cause, t *Token) {
	o.NoteFailure(by, "system.api_token.request_outside_allowed_range", "Request from outside of the allowed network", t.party())
}

// adoptToken takes over a token, of which the value stays unknown, with its owner.
func adoptToken(o *Org, ids []string, body doc.Doc) error {
	t, err := o.TokenByID(ids[0])
	if err != nil {
		t = &Token{ID: ids[0], Value: "00" + o.ids.Secret(40)}
		o.tokens[t.Value] = t
	}
	t.Name, t.UserID, t.Network = doc.String(body, "name"), doc.String(body, "userId"), doc.Object(body, "network")
	t.Created = stampIn(body, "created", o.stamp())
	t.Updated = stampIn(body, "lastUpdated", t.Created)
	t.LastUsed = t.Created
	if expires := stampIn(body, "expiresAt", 0); expires != 0 {
		t.LastUsed = StampOf(expires.Time().Add(-tokenWindow))
	}
	if t.UserID != "" && o.users[t.UserID] == nil {
		return adoptUser(o, []string{t.UserID}, doc.Doc{"id": t.UserID})
	}
	return nil
}
