package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
)

// AppBody is the app's body as it is read, alone or in a list: without the client
// secret (recorded), which has a list of its own.
func (o *Org) AppBody(a *App) doc.Doc {
	body := o.appBody(a)
	credentials := doc.Clone(doc.Object(a.Body, "credentials"))
	delete(doc.Object(credentials, "oauthClient"), "client_secret")
	body["credentials"] = credentials
	return body
}

// AppBodyWithSecret is the answer to creating and replacing an app, which shows the
// client secret (recorded).
func (o *Org) AppBodyWithSecret(a *App) doc.Doc { return o.appBody(a) }

func (o *Org) appBody(a *App) doc.Doc {
	body := doc.Doc{
		"id": a.ID, "orn": "orn:okta:idp:" + o.info.ID + ":apps:" + a.Name + ":" + a.ID,
		"name": a.Name, "label": a.Label, "status": a.Status, "lastUpdated": a.LastUpdated, "created": a.Created,
		"signOnMode": orNull(a.SignOnMode), "_links": o.appLinks(a),
	}
	for k, v := range a.Body {
		body[k] = v
	}
	if !o.IsOIE() || !o.Licensed(universalLogoutPolicies) {
		body["universalLogout"] = nil
	}
	if hooks, ok := doc.Get(a.Body, "settings", "signOn", "inlineHooks").([]any); ok && len(hooks) > 0 {
		body["settings"] = o.withHooks(doc.Object(a.Body, "settings"))
	}
	return body
}

// universalLogoutPolicies is the feature by which an org uses universal logout; without it
// apps say that they have none.
const universalLogoutPolicies = "universal_logout_policies"

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// withHooks links the inline hooks that change the app's assertions.
func (o *Org) withHooks(settings doc.Doc) doc.Doc {
	s := doc.Clone(settings)
	hooks, _ := doc.Get(s, "signOn", "inlineHooks").([]any)
	for _, h := range hooks {
		if hook, ok := h.(doc.Doc); ok {
			hook["_links"] = doc.Doc{"self": allow(o.base+"/api/v1/inlineHooks/"+doc.String(hook, "id"), "GET", "PUT", "DELETE")}
		}
	}
	return s
}

func (o *Org) appLinks(a *App) doc.Doc {
	self := o.base + "/api/v1/apps/" + a.ID
	href := func(url string) doc.Doc { return doc.Doc{"href": url} }
	l := doc.Doc{
		"uploadLogo": allow(self+"/logo", "POST"),
		"appLinks":   o.homeLinks(a),
		"groups":     href(self + "/groups"), "users": href(self + "/users"),
		"logo": []any{doc.Doc{"name": "medium", "href": staticHost + a.Logo, "type": "image/png"}},
	}
	if a.Status == Active {
		l["deactivate"] = href(self + "/lifecycle/deactivate")
	} else {
		l["activate"] = href(self + "/lifecycle/activate")
	}
	if o.IsOIE() {
		l["policies"] = allow(self+"/policies", "PUT")
		for name, id := range map[string]string{"accessPolicy": a.AccessPolicy, "profileEnrollment": a.ProfileEnrollment} {
			if id != "" {
				l[name] = href(o.base + "/api/v1/policies/" + id)
			}
		}
	}
	if a.Help != "" {
		l["help"] = doc.Doc{"href": o.base + "/app/" + a.Name + "/" + a.ID + "/setup/help/" + a.SignOnMode + "/" + a.Help, "type": "text/html"}
	}
	if a.SignOnMode == SAML2 {
		l["metadata"] = doc.Doc{"href": self + "/sso/saml/metadata", "type": "application/xml"}
	}
	if a.Proof != "" {
		l["clientCredentials"] = []any{doc.Doc{"name": a.Proof, "href": self + "/credentials/" + a.Proof}}
	}
	return l
}

// homeLinks are the app's doors that the dashboard shows.
func (o *Org) homeLinks(a *App) []any {
	links := []any{}
	for _, d := range a.openDoors() {
		links = append(links, doc.Doc{"name": d.Name, "href": o.door(a, d), "type": "text/html"})
	}
	return links
}

// openDoors are those that nobody has hidden.
func (a *App) openDoors() []Door {
	return slices.DeleteFunc(slices.Clone(a.Doors), func(d Door) bool {
		shown, set := doc.Get(a.Body, "visibility", "appLinks", d.Name).(bool)
		return set && !shown
	})
}

// door is the URL by which a person enters the app.
func (o *Org) door(a *App, d Door) string {
	return o.base + "/home/" + a.Name + "/" + a.ID + "/" + d.ID
}
