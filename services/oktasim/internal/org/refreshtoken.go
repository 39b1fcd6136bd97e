package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// TokenHolder chooses refresh tokens by who gave and who has them; "" is anybody.
type TokenHolder struct {
	// Server is a custom authorization server, Client an OAuth client, User who signed in.
	Server *Object
	Client string
	User   string
}

func (h TokenHolder) has(x *Object) bool {
	issuer := lastPart(x.text("issuer"))
	return (h.Server == nil || issuer == h.Server.ID || issuer == "default" && doc.Bool(h.Server.Body, "default")) &&
		(h.Client == "" || x.text("clientId") == h.Client) && (h.User == "" || x.text("userId") == h.User)
}

// RefreshTokens lists the tokens by id.
func (o *Org) RefreshTokens(h TokenHolder) []*Object {
	list := ordered(o.shelf(o.kinds.named(appTokenKind)).objects)
	list = slices.DeleteFunc(list, func(x *Object) bool { return !h.has(x) })
	slices.SortFunc(list, byID)
	return list
}

func byID(a, b *Object) int { return compare(a.ID, b.ID) }

// RefreshToken finds one of the tokens.
func (o *Org) RefreshToken(h TokenHolder, id string) (*Object, error) {
	for _, x := range o.RefreshTokens(h) {
		if x.ID == id {
			return x, nil
		}
	}
	return nil, failure.NotFound(id, "OAuth2RefreshToken")
}

// RefreshTokenBody shows a token at one of the paths by which it can be reached.
func (o *Org) RefreshTokenBody(x *Object, path string, query map[string][]string) doc.Doc {
	body := o.Show(o.kinds.named(appTokenKind), x, View{Query: query}, 0)
	links := doc.Object(body, "_links")
	links["self"], links["revoke"] = doc.Doc{"href": o.base + path}, allow(o.base+path, "DELETE")
	return body
}

// RevokeRefreshTokens ends tokens.
func (o *Org) RevokeRefreshTokens(by *Cause, list []*Object) error {
	for _, x := range list {
		if err := o.DeleteObject(o.kinds.named(appTokenKind), x, Request{By: by}); err != nil {
			return err
		}
	}
	return nil
}

// TokenClients are the clients that have tokens, each once, by id. Path is that of the list.
func (o *Org) TokenClients(h TokenHolder, path string) []any {
	out := []any{}
	for _, a := range ordered(o.apps) {
		own := TokenHolder{Server: h.Server, Client: a.ClientID(), User: h.User}
		if own.Client == "" || len(o.RefreshTokens(own)) == 0 {
			continue
		}
		below := o.base + path + "/" + own.Client
		out = append(out, doc.Doc{
			"client_id": own.Client, "client_name": a.Label,
			"client_uri": a.oauthText("client_uri"), "logo_uri": a.oauthText("logo_uri"),
			"_links": doc.Doc{"grants": doc.Doc{"href": below + "/grants"}, "tokens": doc.Doc{"href": below + "/tokens"}},
		})
	}
	return out
}

// oauthText is a setting of an OAuth client, null if it has none.
func (a *App) oauthText(name string) any { return doc.Get(a.Body, "settings", "oauthClient", name) }

// adoptServerToken takes over a token as its authorization server shows it.
func adoptServerToken(o *Org, ids []string, body doc.Doc) error {
	return adoptAppToken(o, ids[1:], body)
}
