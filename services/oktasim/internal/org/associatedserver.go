package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// associatedServers are the authorization servers whose tokens a server takes in exchange
// for its own (documented). Their list shows the servers themselves.
func associatedServers() Kind {
	return Kind{
		Name: "associated_servers", Path: authServerPath + "/associatedServers/{associatedServerId}", Of: "authorization_servers", Class: "AuthorizationServer",
		Scope: "okta.authorizationServers", Area: AreaAuthServers, Feature: apiAccess,
		Verbs: Verbs{Delete: 204}, Natural: []string{"name"},
		Fields: []Field{{Path: "name", Mode: ReadOnly}},
		Events: map[string]string{create: "app.oauth2.trusted_server.add", remove: "app.oauth2.trusted_server.delete"},
	}
}

// AssociatedServers are the servers that the one with the id trusts, or those that it does
// not trust.
func (o *Org) AssociatedServers(server string, trusted bool) ([]*Object, error) {
	k := o.kinds.named("authorization_servers")
	x, err := o.FindObject(k, []string{server})
	if err != nil {
		return nil, err
	}
	var out []*Object
	for _, other := range o.objectsIn(k, "") {
		_, is := o.shelf(o.kinds.named("associated_servers")).objects[within(x.place(), other.ID)]
		if other != x && is == trusted {
			out = append(out, other)
		}
	}
	return out, nil
}

// Associate lets a server trust others. One that is trusted already stays so.
func (o *Org) Associate(server string, r Request) error {
	x, err := o.FindObject(o.kinds.named("authorization_servers"), []string{server})
	if err != nil {
		return err
	}
	others, err := o.toTrust(x, r.Given)
	if err != nil {
		return err
	}
	k := o.kinds.named("associated_servers")
	for _, other := range others {
		if o.look(k, x.place(), other.ID) != nil {
			continue
		}
		c := o.change(k, &Object{ID: other.ID, Home: x.place()}, create, r)
		c.Body = doc.Doc{"name": other.Body["name"]}
		o.install(c)
	}
	return nil
}

// toTrust finds the servers that a request names. That a server cannot trust itself is an
// assumption.
func (o *Org) toTrust(x *Object, given doc.Doc) ([]*Object, error) {
	ids, isList := given["trusted"].([]any)
	if !isList || len(ids) == 0 {
		return nil, failure.Missing("trusted")
	}
	var out []*Object
	for _, id := range ids {
		other, err := o.FindObject(o.kinds.named("authorization_servers"), []string{textOf(id)})
		if err != nil {
			return nil, err
		}
		if other == x {
			return nil, failure.Invalid("trusted", "trusted: An authorization server cannot trust itself")
		}
		out = append(out, other)
	}
	return out, nil
}
