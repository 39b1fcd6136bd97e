package org

import (
	"cmp"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// appTokenKind names the kind of refresh tokens.
const appTokenKind = "app_tokens"

// appTokens are the refresh tokens that people have let an app have (recorded). Nobody
// signs in to the simulator, so there are none but those that were taken over.
func appTokens() Kind {
	return Kind{
		Name: appTokenKind, Path: "/api/v1/apps/{appId}/tokens/{tokenId}", Prefix: "oar", Class: "OAuth2RefreshToken",
		Scope: "okta.apps", Area: AreaApps,
		Verbs:  Verbs{List: true, Get: true, Delete: 204},
		Page:   Page{Default: 20, Max: 200},
		Stamps: dated, Natural: []string{"clientId"},
		Fields: []Field{
			{Path: "status", Mode: ReadOnly, Default: Active}, {Path: "expiresAt", Mode: ReadOnly}, {Path: "issuer", Mode: ReadOnly},
			{Path: "clientId", Mode: ReadOnly}, {Path: "userId", Mode: ReadOnly, Ref: "user", Gone: Follows},
			{Path: "scopes", Type: List, Mode: ReadOnly, Default: []any{}},
		},
		Links:  []Link{{Name: "self"}, {Name: "revoke", Allow: "DELETE"}},
		Events: map[string]string{remove: "app.oauth2.token.revoke"},
		Show:   showAppToken,
	}
}

// showAppToken links a token to app, client, person and issuer by their names.
func showAppToken(v *View) {
	links, o := doc.Object(v.Body, "_links"), v.Org
	titled := func(name, path, title string) { links[name] = doc.Doc{"href": o.base + path, "title": title} }
	if a := o.apps[v.Object.Home]; a != nil {
		titled("app", "/api/v1/apps/"+a.ID, a.Label)
		titled("client", "/oauth2/v1/clients/"+doc.String(v.Body, "clientId"), a.Label)
	}
	if u := o.users[doc.String(v.Body, "userId")]; u != nil {
		titled("user", "/api/v1/users/"+u.ID, u.Name())
	}
	server := lastPart(doc.String(v.Body, "issuer"))
	if k := o.kinds.named("authorization_servers"); k != nil {
		if x := o.look(k, "", server); x != nil {
			titled("authorizationServer", "/api/v1/authorizationServers/"+server, x.text("name"))
		}
	}
	if expand := v.Query["expand"]; len(expand) > 0 && expand[0] == "scope" {
		scopes := []any{}
		for _, s := range doc.Strings(v.Body, "scopes") {
			scopes = append(scopes, doc.Doc{"id": s})
		}
		v.Body["_embedded"] = doc.Doc{"scopes": scopes}
	}
}

// RevokeAppTokens ends all refresh tokens of an app.
func (o *Org) RevokeAppTokens(by *Cause, a *App) error {
	k := o.kinds.named(appTokenKind)
	for _, x := range o.objectsIn(k, a.ID) {
		if err := o.DeleteObject(k, x, Request{By: by}); err != nil {
			return err
		}
	}
	return nil
}

// adoptAppToken takes a token over with what its links tell of: the app, the person and
// the authorization server.
func adoptAppToken(o *Org, ids []string, body doc.Doc) error {
	title := func(name string) (id, text string) {
		return lastPart(doc.String(body, "_links", name, "href")), doc.String(body, "_links", name, "title")
	}
	a, err := o.appFor(ids[0])
	if err != nil {
		return err
	}
	if _, label := title("app"); a.Label == a.ID {
		a.Label = cmp.Or(label, a.Label)
	}
	if id, name := title("user"); id != "" && o.users[id] == nil {
		first, last, _ := strings.Cut(name, " ")
		profile := doc.Doc{"login": id + "@example.com", "email": id + "@example.com", "firstName": first, "lastName": last, "mobilePhone": nil, "secondEmail": nil}
		if err := adoptUser(o, []string{id}, doc.Doc{"id": id, "profile": profile}); err != nil {
			return err
		}
	}
	if id, name := title("authorizationServer"); id != "" {
		if err := o.Adopt("/api/v1/authorizationServers/"+id, doc.Doc{"id": id, "name": name, "status": Active}); err != nil {
			return err
		}
	}
	return o.adoptKind(o.kinds.named(appTokenKind), ids, body)
}
