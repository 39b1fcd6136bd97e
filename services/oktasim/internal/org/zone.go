package org

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// zones are the network zones.
var zones = Definition{
	Name: "zones", Prefix: "nzo", Class: "NetworkZone", Target: "NetworkZone", Event: "zone",
	Max: 200, Default: 200, Fill: fillZone, Changed: zoneChanged,
}

// bootstrapZones makes the two zones that every org has.
func (o *Org) bootstrapZones(now Stamp) {
	for _, z := range []struct{ name, usage string }{{"LegacyIpZone", "POLICY"}, {"BlockedIpZone", "BLOCKLIST"}} {
		o.put(zones, &Object{
			ID: o.ids.ID("nzo"), Status: Active, System: true, Created: now, LastUpdated: now,
			Body: doc.Doc{"type": "IP", "name": z.name, "usage": z.usage, "gateways": nil, "proxies": nil},
		})
	}
}

func zoneChanged(o *Org, by *Cause, d Definition, before doc.Doc, x *Object) {
	was, is := doc.String(before, "usage"), doc.String(x.Body, "usage")
	switch {
	case was != "BLOCKLIST" && is == "BLOCKLIST":
		o.Note(by, "zone.make_blacklist", nil, x.party(d))
	case was == "BLOCKLIST" && is != "BLOCKLIST":
		o.Note(by, "zone.remove_blacklist", nil, x.party(d))
	}
}

func fillZone(o *Org, old *Object, body doc.Doc) (doc.Doc, error) {
	t := doc.String(body, "type")
	if old != nil && t != "" && t != doc.String(old.Body, "type") {
		return nil, failure.Invalid("type", "type: The type of a zone cannot be changed")
	}
	if old != nil && t == "" {
		t = doc.String(old.Body, "type")
	}
	usage := doc.String(body, "usage")
	if usage == "" {
		usage = "POLICY"
	}
	if usage != "POLICY" && usage != "BLOCKLIST" {
		return nil, failure.Invalid("usage", "usage: The field must be POLICY or BLOCKLIST")
	}
	z := doc.Doc{"type": t, "name": body["name"], "usage": usage}
	switch t {
	case "IP":
		return fillIPZone(z, body, old != nil && old.System)
	case "DYNAMIC":
		z["locations"], z["proxyType"] = locations(body["locations"]), body["proxyType"]
		if asns, ok := body["asns"].([]any); ok {
			z["asns"] = doc.Clone(asns)
		}
		return z, nil
	case "DYNAMIC_V2":
		for _, list := range []string{"locations", "ipServiceCategories", "asns"} {
			z[list] = lists(doc.Object(body, list))
		}
		return z, nil
	case "":
		return nil, failure.Missing("type")
	}
	return nil, failure.Invalid("type", "type: The field must be IP, DYNAMIC or DYNAMIC_V2")
}

func fillIPZone(z, body doc.Doc, system bool) (doc.Doc, error) {
	for _, list := range []string{"gateways", "proxies"} {
		entries, ok := body[list].([]any)
		z[list] = nil
		if !ok || len(entries) == 0 {
			continue
		}
		out := make([]any, len(entries))
		for i, e := range entries {
			address, err := zoneAddress(list, e)
			if err != nil {
				return nil, err
			}
			out[i] = address
		}
		z[list] = out
	}
	if z["gateways"] == nil && z["proxies"] == nil && !system {
		return nil, failure.Invalid("gateways", "gateways: At least one gateway or proxy is required")
	}
	return z, nil
}

// zoneAddress checks one entry and writes a single address as a range (recorded).
func zoneAddress(list string, e any) (doc.Doc, error) {
	entry, ok := e.(doc.Doc)
	value := doc.String(entry, "value")
	bad := failure.Invalid(list, list+": Invalid address "+value)
	if !ok {
		return nil, bad
	}
	switch doc.String(entry, "type") {
	case "CIDR":
		if _, err := netip.ParsePrefix(value); err != nil {
			return nil, bad
		}
	case "RANGE":
		from, to, isRange := strings.Cut(value, "-")
		if !isRange {
			to = from
		}
		a, err := netip.ParseAddr(strings.TrimSpace(from))
		if err != nil {
			return nil, bad
		}
		b, err := netip.ParseAddr(strings.TrimSpace(to))
		if err != nil || b.Less(a) {
			return nil, bad
		}
		value = a.String() + "-" + b.String()
	default:
		return nil, failure.Invalid(list, list+": The type must be CIDR or RANGE")
	}
	return doc.Doc{"type": entry["type"], "value": value}, nil
}

// locations orders by country and adds a null region (recorded).
func locations(v any) any {
	given, ok := v.([]any)
	if !ok {
		return nil
	}
	out := doc.Clone(given)
	for _, e := range out {
		if l, ok := e.(doc.Doc); ok {
			doc.Default(l, "region", nil)
		}
	}
	slices.SortStableFunc(out, func(a, b any) int {
		x, _ := a.(doc.Doc)
		y, _ := b.(doc.Doc)
		return cmp.Compare(doc.String(x, "country"), doc.String(y, "country"))
	})
	return out
}

// lists fills the include and exclude lists of an enhanced dynamic zone.
func lists(given doc.Doc) doc.Doc {
	out := doc.Doc{"include": []any{}, "exclude": []any{}}
	for _, side := range []string{"include", "exclude"} {
		entries, ok := given[side].([]any)
		if !ok {
			continue
		}
		out[side] = doc.Clone(entries)
		if len(entries) > 0 {
			if _, isLocation := entries[0].(doc.Doc); isLocation {
				out[side] = locations(entries)
			}
		}
	}
	return out
}
