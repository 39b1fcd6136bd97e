package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Principal is a person and an app, about whose access governance is asked.
type Principal struct {
	User *User
	App  string
}

// PrincipalAt finds the person and the app that a question names, by id or by Okta's name for
// them. demand says what an attribute must be.
func (o *Org) PrincipalAt(demand func(attribute string) (string, bool)) (Principal, error) {
	named := func(id, orn string) string {
		if text, is := demand(id); is {
			return text
		}
		if text, is := demand(orn); is {
			return text[strings.LastIndex(text, ":")+1:]
		}
		return ""
	}
	user, app := named("targetPrincipal.externalId", "targetPrincipalOrn"), named("parent.externalId", "parentResourceOrn")
	if user == "" || app == "" {
		return Principal{}, failure.BadSearch("filter: It must name the principal and the resource")
	}
	u, err := o.User(user)
	if err != nil {
		return Principal{}, err
	}
	id, err := governedApp(o, app)
	return Principal{u, id}, err
}

// principalBody says whose access to what it is.
func (o *Org) principalBody(p Principal) doc.Doc {
	return doc.Doc{
		"parent": doc.Doc{"externalId": p.App, "type": "APPLICATION"}, "parentResourceOrn": o.appResource(p.App),
		"targetPrincipal": doc.Doc{"externalId": p.User.ID, "type": "OKTA_USER"}, "targetPrincipalOrn": o.userResource(p.User.ID),
	}
}

// grantsTo are the grants of an app to a person, in the order of their making.
func (o *Org) grantsTo(p Principal) []*Object {
	var out []*Object
	for _, g := range o.below("grants", "") {
		if g.text("targetPrincipal.externalId") == p.User.ID && g.text("target.externalId") == p.App && g.Status() == Active {
			out = append(out, g)
		}
	}
	return out
}

// granted are the entitlements of a grant, with their values, in full.
func (o *Org) granted(g *Object) []doc.Doc {
	list := parts(g.Body, "entitlements")
	if bundle := o.object(o.kinds.named("entitlement_bundles"), g.text("entitlementBundleId")); bundle != nil {
		list = parts(bundle.Body, "entitlements")
	}
	var out []doc.Doc
	for _, e := range list {
		full := doc.Clone(e)
		o.describeEntitlement(full)
		if full["values"] == nil {
			full["values"] = []any{}
		}
		out = append(out, full)
	}
	return out
}

// PrincipalAccess is what a person has of an app, grant by grant: bundles beside the base,
// which is a policy's or was put together for the person (documented).
func (o *Org) PrincipalAccess(p Principal) doc.Doc {
	body, additional := o.principalBody(p), []any{}
	for _, g := range o.grantsTo(p) {
		entry := o.accessBy(g)
		if g.text("grantType") == "ENTITLEMENT-BUNDLE" {
			additional = append(additional, entry)
		} else if body["base"] == nil {
			body["base"] = entry
		}
	}
	if len(additional) > 0 {
		body["additional"] = additional
	}
	return body
}

func (o *Org) accessBy(g *Object) doc.Doc {
	list := []any{}
	for _, e := range o.granted(g) {
		list = append(list, e)
	}
	entry := doc.Doc{
		"grantType": g.text("grantType"), "grantMethod": g.text("actor"), "startTime": Seconds.write(g.Created), "entitlements": list,
		"grant": doc.Doc{"id": g.ID, "_links": doc.Doc{"self": governed(o.Href(o.kinds.named("grants"), g))}},
	}
	for to, from := range map[string]string{"expirationTime": "scheduleSettings.expirationDate", "timeZone": "scheduleSettings.timeZone"} {
		if v := g.text(from); v != "" {
			entry[to] = v
		}
	}
	if bundle := o.object(o.kinds.named("entitlement_bundles"), g.text("entitlementBundleId")); bundle != nil {
		entry["bundle"] = doc.Doc{"id": bundle.ID, "name": bundle.Body["name"]}
	}
	return entry
}

// PrincipalEntitlements are the entitlements that a person has of an app, whatever grants give
// them: each once, with all values.
func (o *Org) PrincipalEntitlements(p Principal) []doc.Doc {
	var out []doc.Doc
	byID := map[any]doc.Doc{}
	for _, g := range o.grantsTo(p) {
		for _, e := range o.granted(g) {
			all := byID[e["id"]]
			if all == nil {
				all = doc.Merge(e, o.principalBody(p))
				byID[e["id"]] = all
				out = append(out, all)
				continue
			}
			all["values"] = union(values(all["values"]), values(e["values"]))
		}
	}
	return out
}

// union adds the objects of more that list has not, by id.
func union(list, more []any) []any {
	have := map[any]bool{}
	for _, v := range list {
		have[asDoc(v)["id"]] = true
	}
	for _, v := range more {
		if !have[asDoc(v)["id"]] {
			list = append(list, v)
		}
	}
	return list
}
