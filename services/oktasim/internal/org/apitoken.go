package org

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

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
		checked, err := o.tokenNetwork(network)
		if err != nil {
			return err
		}
		t.Network = checked
	}
	t.Updated = o.stamp()
	o.Note(by, "system.api_token.update", nil, t.party())
	return nil
}

// tokenNetwork takes either all addresses or those in, or outside, zones.
func (o *Org) tokenNetwork(given doc.Doc) (doc.Doc, error) {
	network := doc.Doc{"connection": given["connection"]}
	switch given["connection"] {
	case "ANYWHERE":
		return network, nil
	case "ZONE":
	default:
		return nil, failure.Invalid("network.connection", "network.connection: It must be ANYWHERE or ZONE")
	}
	for _, side := range []string{"include", "exclude"} {
		zones := doc.Strings(given, side)
		for _, id := range zones {
			if err := o.exists("zones", id); err != nil {
				return nil, err
			}
		}
		if len(zones) > 0 {
			network[side] = doc.Array(zones...)
		}
	}
	if len(network) != 2 {
		return nil, failure.Invalid("network", "network: Either include or exclude must name zones")
	}
	return network, nil
}

// Reaches says whether the token may be used from the address. Zones of other types than IP
// hold no address: where an address lies, the simulator does not know.
func (o *Org) Reaches(t *Token, address string) bool {
	if t.Network["connection"] != "ZONE" {
		return true
	}
	inside := func(side string) bool {
		return slices.ContainsFunc(doc.Strings(t.Network, side), func(id string) bool { return o.inZone(id, address) })
	}
	if t.Network["include"] != nil {
		return inside("include")
	}
	return !inside("exclude")
}

func (o *Org) inZone(id, address string) bool {
	zone := o.object(o.kinds.named("zones"), id)
	ip, err := netip.ParseAddr(address)
	if zone == nil || err != nil || zone.Status() != Active {
		return false
	}
	return slices.ContainsFunc(parts(zone.Body, "gateways"), func(g doc.Doc) bool { return gatewayHas(doc.String(g, "value"), ip) })
}

// gatewayHas looks into a range or a prefix.
func gatewayHas(value string, ip netip.Addr) bool {
	if prefix, err := netip.ParsePrefix(value); err == nil {
		return prefix.Contains(ip)
	}
	first, last, _ := strings.Cut(value, "-")
	from, err := netip.ParseAddr(first)
	if err != nil {
		return false
	}
	to, err := netip.ParseAddr(last)
	return err == nil && !ip.Less(from) && !to.Less(ip)
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
