package org

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// zoneKinds are the network zones.
func zoneKinds() []Kind {
	// Recorded is TorAnonymizer, documented Tor.
	proxyTypes := []string{"", "null", "Any", "Tor", "TorAnonymizer", "NotTorAnonymizer"}
	return []Kind{{
		Name: "zones", Path: "/api/v1/zones/{zoneId}", Prefix: "nzo", Class: "NetworkZone",
		Scope: "okta.networkZones", Area: AreaZones,
		Verbs: crud(200), Operations: switches(200, TheObject),
		Page:   Page{Default: 200, Max: 200, Filter: []string{"*"}},
		Stamps: dated, LateStamp: true, Quiet: true,
		Licences: []Licence{{Feature: "dynamic_zones", When: is("type", "DYNAMIC", "DYNAMIC_V2")}},
		Fields: []Field{
			{Path: "type", Required: true, Enum: []string{"IP", "DYNAMIC", "DYNAMIC_V2"}, Mode: Fixed, Keep: true},
			{Path: "name", Required: true, Unique: InOrg, Max: 128},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Active, Keep: true, Mode: Late},
			{Path: "usage", Enum: []string{"POLICY", "BLOCKLIST"}, Default: "POLICY"},
			{Path: "system", Type: Bool, Mode: ReadOnly, Default: false},
			{Path: "gateways", Type: List, Null: true, When: is("type", "IP"), Example: []any{doc.Doc{"type": "CIDR", "value": "192.0.2.0/24"}}},
			{Path: "proxies", Type: List, Null: true, When: is("type", "IP")},
			{Path: "locations", Type: List, Null: true, When: is("type", "DYNAMIC")},
			{Path: "locations[].country", Required: true, Pattern: "[A-Z]{2}", When: is("type", "DYNAMIC")},
			{Path: "proxyType", Enum: proxyTypes, Null: true, When: is("type", "DYNAMIC")},
			{Path: "asns", Type: List, When: is("type", "DYNAMIC")},
			{Path: "locations", Type: Map, Default: bothSides, When: is("type", "DYNAMIC_V2")},
			{Path: "ipServiceCategories", Type: Map, Default: bothSides, When: is("type", "DYNAMIC_V2")},
			{Path: "asns", Type: Map, Default: bothSides, When: is("type", "DYNAMIC_V2")},
		},
		Links:  []Link{self("GET PUT DELETE")},
		Events: present("zone"),
		// An active zone can be deleted (recorded); the refusals are assumptions.
		Refusals: []Refusal{
			{On: []string{"deactivate"}, When: is("system", true), With: failure.Invalid("status", "status: A system object cannot be deactivated")},
			{On: []string{remove}, When: is("system", true), With: failure.Invalid("id", "id: A system object cannot be deleted")},
		},
		Seeds: []Seed{
			{Body: doc.Doc{"type": "IP", "name": "LegacyIpZone", "system": true}},
			{Body: doc.Doc{"type": "IP", "name": "BlockedIpZone", "usage": "BLOCKLIST", "system": true}},
			{Body: doc.Doc{"type": "IP", "name": exemptZone, "system": true}},
		},
		Check: checkZone,
		Fill:  fillZone, After: zoneChanged, Show: showZone,
	}}
}

// checkZone keeps zones that policies name, whole and in use (documented; the words are an
// assumption), and refuses those that hold nothing or too much.
func checkZone(c *Change) error {
	switch c.Verb {
	case "deactivate", remove:
		if c.Org.mentioned(c.Object.ID) {
			return failure.Invalid("status", "status: It is used in a policy and cannot be deactivated or deleted")
		}
	case create, replace:
		if err := zoneFull(c.Body, doc.Bool(c.Before, "system")); err != nil {
			return err
		}
		return zoneEmpty(c.Body)
	}
	return nil
}

// zoneFull counts addresses: 150, 1000 for a blocklist's gateways, 5000 for Okta's own
// zones (documented).
func zoneFull(z doc.Doc, system bool) error {
	for _, list := range []string{"gateways", "proxies"} {
		most := 150
		switch {
		case system:
			most = 5000
		case list == "gateways" && z["usage"] == "BLOCKLIST":
			most = 1000
		}
		if entries, ok := z[list].([]any); ok && len(entries) > most {
			return failure.Invalid(list, fmt.Sprintf("%s: The number of elements must be between 0 and %d", list, most))
		}
	}
	return nil
}

// zoneEmpty: a dynamic zone says where, through what or whose network (documented).
func zoneEmpty(z doc.Doc) error {
	var parts []string
	switch doc.String(z, "type") {
	case "DYNAMIC":
		parts = []string{"asns", "locations", "proxyType"}
	case "DYNAMIC_V2":
		parts = []string{"asns", "locations", "ipServiceCategories"}
	default:
		return nil
	}
	if slices.ContainsFunc(parts, func(part string) bool { return zoneSays(z[part]) }) {
		return nil
	}
	return failure.Invalid(parts[0], "At least one of "+strings.Join(parts, ", ")+" must be defined")
}

// zoneSays says whether a part of a dynamic zone holds anything.
func zoneSays(part any) bool {
	if sides, ok := part.(doc.Doc); ok {
		return !isBlank(sides["include"]) || !isBlank(sides["exclude"])
	}
	return !isBlank(part)
}

// exemptZone is the system zone whose addresses ThreatInsight lets pass.
const exemptZone = "DefaultExemptIpZone"

// showZone adds what only the answer to an update of the exempt zone says (recorded).
func showZone(v *View) {
	if exempt, given := v.Given["useAsExemptList"].(bool); given && v.Body["name"] == exemptZone {
		v.Body["useAsExemptList"], v.Body["useAsBlackList"] = exempt, false
	}
}

func bothSides(*Change) any { return doc.Doc{"include": []any{}, "exclude": []any{}} }

func zoneChanged(c *Change) {
	was, is := doc.String(c.Before, "usage"), doc.String(c.Body, "usage")
	switch {
	case c.Before == nil:
	case was != "BLOCKLIST" && is == "BLOCKLIST":
		c.Org.Note(c.By, "zone.make_blacklist", nil, c.Kind.party(c.Object))
	case was == "BLOCKLIST" && is != "BLOCKLIST":
		c.Org.Note(c.By, "zone.remove_blacklist", nil, c.Kind.party(c.Object))
	}
}

// fillZone writes addresses and locations as Okta does.
func fillZone(c *Change) error {
	z := c.Body
	switch doc.String(z, "type") {
	case "IP":
		return fillIPZone(c)
	case "DYNAMIC":
		z["locations"] = locations(z["locations"])
	case "DYNAMIC_V2":
		for _, list := range []string{"locations", "ipServiceCategories", "asns"} {
			z[list] = lists(doc.Object(z, list))
		}
	}
	return nil
}

func fillIPZone(c *Change) error {
	z := c.Body
	if doc.Bool(c.Before, "system") {
		z["name"], z["system"] = c.Before["name"], true
	}
	for _, list := range []string{"gateways", "proxies"} {
		entries, ok := z[list].([]any)
		if !ok || len(entries) == 0 {
			z[list] = nil
			continue
		}
		for i, e := range entries {
			address, err := zoneAddress(list, e)
			if err != nil {
				return err
			}
			entries[i] = address
		}
	}
	if z["gateways"] == nil && z["proxies"] == nil && !doc.Bool(z, "system") {
		return failure.Invalid("gateways", "gateways: At least one gateway or proxy is required")
	}
	return nil
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
