package org

import (
	"net/netip"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// allZones stands for every IP zone (documented).
const allZones = "ALL_IP_ZONES"

// checkedNetwork takes from where something may be used: either all addresses or those
// in, or outside, zones. field is what a refusal calls it.
func (o *Org) checkedNetwork(field string, given doc.Doc) (doc.Doc, error) {
	network := doc.Doc{"connection": given["connection"]}
	switch given["connection"] {
	case "ANYWHERE":
		return network, nil
	case "ZONE":
	default:
		return nil, failure.Invalid(field+".connection", field+".connection: It must be ANYWHERE or ZONE")
	}
	for _, side := range []string{"include", "exclude"} {
		zones := doc.Strings(given, side)
		for _, id := range zones {
			if id == allZones {
				continue
			}
			if err := o.exists("zones", id); err != nil {
				return nil, err
			}
		}
		if len(zones) > 0 {
			network[side] = doc.Array(zones...)
		}
	}
	if len(network) != 2 {
		return nil, failure.Invalid(field, field+": Either include or exclude must name zones")
	}
	return network, nil
}

// Reaches says whether the token may be used from the address.
func (o *Org) Reaches(t *Token, address string) bool { return o.within(t.Network, address) }

// ClientReaches says whether a client may ask for tokens from the address.
func (o *Org) ClientReaches(a *App, address string) bool {
	return o.within(doc.Object(a.Body, "settings", "oauthClient", "network"), address)
}

// within says whether a network has an address. Zones of other types than IP hold no
// address: where an address lies, the simulator does not know.
func (o *Org) within(network doc.Doc, address string) bool {
	if network["connection"] != "ZONE" {
		return true
	}
	inside := func(side string) bool {
		return slices.ContainsFunc(doc.Strings(network, side), func(id string) bool {
			return id == allZones && len(o.zonesOf(address)) > 0 || o.inZone(id, address)
		})
	}
	if network["include"] != nil {
		return inside("include")
	}
	return !inside("exclude")
}

// zonesOf are the active zones that an address is in.
func (o *Org) zonesOf(address string) []*Object {
	return slices.DeleteFunc(o.below("zones", ""), func(x *Object) bool { return !o.inZone(x.ID, address) })
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

// NoteClientOutside notes that a client asked for a token from where it must not.
func (o *Org) NoteClientOutside(by *Cause, a *App) {
	o.NoteFailure(by, "system.oauth2.token.request_outside_allowed_range", "Request from outside of the allowed network", a.ClientParty())
}
