package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// RequestAccess asks for an entry of the catalog for a person, in whose name an administrator
// does it (documented).
func (o *Org) RequestAccess(r Request) (*Object, error) {
	k := o.kinds.named("my_requests")
	if kind := doc.String(r.Given, "requested", "type"); kind != "CATALOG_ENTRY" {
		return nil, failure.Invalid("requested.type", "requested.type: '"+kind+"' is not a valid value. It must be one of CATALOG_ENTRY")
	}
	people := doc.Doc{}
	for _, field := range []string{"requestedFor", "requestedBy"} {
		id := doc.String(r.Given, field, "externalId")
		if id == "" && field == "requestedFor" {
			return nil, failure.Missing("requestedFor.externalId")
		}
		if id == "" {
			continue
		}
		u, err := o.User(id)
		if err != nil {
			return nil, err
		}
		people[field] = doc.Doc{"type": "OKTA_USER", "externalId": u.ID}
	}
	entry := doc.String(r.Given, "requested", "entryId")
	x, err := o.CreateObject(k, []string{entry}, Request{By: r.By, Given: doc.Doc{"requesterFieldValues": r.Given["requesterFieldValues"]}})
	if err != nil {
		return nil, err
	}
	x.Body = doc.Merge(x.Body, people)
	return x, nil
}

// AccessRequest finds a request, whoever made it.
func (o *Org) AccessRequest(id string) (*Object, error) {
	k := o.kinds.named("my_requests")
	x := o.object(k, id)
	if x == nil {
		return nil, k.missing(id)
	}
	return x, nil
}

// AccessRequestBody is a request as administrators see it. The answer to a new one says
// that it is submitted.
func (o *Org) AccessRequestBody(x *Object, isNew bool) doc.Doc {
	verb := ""
	if isNew {
		verb = create
	}
	body := o.Show(o.kinds.named("my_requests"), x, View{Verb: verb}, 0)
	body["_links"] = doc.Doc{
		"self":         governed(o.base + "/governance/api/v2/requests/" + x.ID),
		"catalogEntry": governed(o.base + "/governance/api/v2/catalogs/default/entries/" + x.Home),
	}
	return body
}

// AddMessage tells more to those who decide a request.
func (o *Org) AddMessage(x *Object, r Request) error {
	const longest = 5000
	text := doc.String(r.Given, "message")
	if text == "" {
		return failure.Missing("message")
	}
	if len([]rune(text)) > longest {
		return failure.Invalid("message", "message: The length must be between 1 and 5000")
	}
	x.Body["messages"] = append(values(x.Body["messages"]), text)
	o.change(o.kinds.named("my_requests"), x, merge, r).touch()
	return nil
}

// Requesters are the people for whom somebody else can ask for an entry: all who are there, if
// the settings of its app allow it at all.
func (o *Org) Requesters(entry *Object) []doc.Doc {
	var out []doc.Doc
	for _, settings := range o.below("request_settings", entry.text("app")) {
		if settings.Body["requestOnBehalfOfSettings"] == nil {
			continue
		}
		for _, u := range ordered(o.users) {
			if u.Status != Deprovisioned {
				p := o.profileOf(u.ID)
				delete(p, "status")
				out = append(out, p)
			}
		}
	}
	return out
}
