package org

import "imago/services/oktasim/internal/doc"

// entitlementStamp is the licence for the times of entitlements, which came late.
const entitlementStamp = "entitlement_stamps"

// entitlements are what people can have within an app.
func entitlements() Kind {
	return Kind{
		Name: "entitlements", Path: "/governance/api/v1/entitlements/{entitlementId}", Prefix: "esp", Class: "Entitlement",
		Scope: "okta.governance.entitlements", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{List: true, Get: true, Create: 201, Replace: "PUT", Delete: 204}, SelfHeader: true, Once: []string{"created", "lastUpdated"},
		Page: Page{Default: 20, Max: 200, Envelope: "data", BodyLinks: true, Hinted: true, Filter: []string{"*"}, Omit: []string{"values"}},
		Fields: []Field{
			{Path: "name", Required: true},
			{Path: "externalValue", Required: true},
			{Path: "description"},
			{Path: "multiValue", Type: Bool, Default: false},
			{Path: "required", Type: Bool, Default: false},
			{Path: "dataType", Required: true, Enum: []string{"string", "array"}},
			{Path: "parent", Type: Map, Required: true, Mode: Fixed, Example: doc.Doc{"type": "APPLICATION", "externalId": "0oa00000000000000000"}},
			{Path: "parent.type", Required: true, Enum: []string{"APPLICATION"}},
			{Path: "parent.externalId", Required: true},
			{Path: "values", Type: List, Default: []any{}},
			{Path: "values[].name", Required: true},
			{Path: "values[].externalValue", Required: true},
			{Path: "parentResourceOrn", Mode: ReadOnly, Default: appNameAt("parent.externalId")},
			{Path: "created", Mode: ReadOnly, Feature: entitlementStamp},
			{Path: "lastUpdated", Mode: ReadOnly, Feature: entitlementStamp},
			{Path: "createdBy", Mode: ReadOnly, Feature: entitlementStamp},
			{Path: "lastUpdatedBy", Mode: ReadOnly, Feature: entitlementStamp},
		},
		Fill: fillEntitlement, Show: showEntitlement,
	}
}

// fillEntitlement gives new values their ids, names and times.
func fillEntitlement(c *Change) error {
	who := ""
	if c.By != nil {
		who = c.By.Actor.ID
	}
	now := c.Org.stamp()
	stamps := func(body doc.Doc, layout Layout) {
		doc.Default(body, "created", layout.write(now))
		doc.Default(body, "createdBy", who)
		body["lastUpdated"], body["lastUpdatedBy"] = layout.write(now), who
	}
	for _, v := range values(c.Body["values"]) {
		value, ok := v.(doc.Doc)
		if !ok || value["id"] != nil {
			continue
		}
		value["id"] = c.Org.ids.ID("ent")
		value["orn"] = "orn:okta:governance:" + c.Org.info.ID + ":entitlement-values:" + textOf(value["id"])
		stamps(value, Seconds)
	}
	stamps(c.Body, Millis)
	return nil
}

func showEntitlement(v *View) {
	if v.Verb == "" {
		// Only the answers to writes show milliseconds (recorded).
		for _, field := range []string{"created", "lastUpdated"} {
			if at := Millis.read(v.Body[field]); at != 0 {
				v.Body[field] = Seconds.write(at)
			}
		}
	}
	list := values(v.Body["values"])
	v.Body["metadata"] = doc.Doc{"total": len(list)}
	if !v.Org.Licensed(entitlementStamp) {
		for _, field := range []string{"orn", "created", "createdBy", "lastUpdated", "lastUpdatedBy"} {
			hide(v.Body, "values[]."+field)
		}
	}
	governedLinks(v)
}

// entitlementBundles are sets of entitlement values of an app that are given together.
func entitlementBundles() Kind {
	return Kind{
		Name: "entitlement_bundles", Path: "/governance/api/v1/entitlement-bundles/{entitlementBundleId}", Prefix: "enb", Class: "EntitlementBundle",
		Scope: "okta.governance.entitlements", Area: AreaOrg, Feature: governance,
		Verbs: crud(201), Page: governancePage(), Stamps: governanceStamps,
		Fields: []Field{
			{Path: "name", Required: true, Max: 255},
			{Path: "description", Max: 1000},
			{Path: "target", Type: Map, Required: true, Mode: Fixed, Example: doc.Doc{"type": "APPLICATION", "externalId": "0oa00000000000000000"}},
			{Path: "target.type", Required: true, Enum: []string{"APPLICATION"}},
			{Path: "target.externalId", Required: true},
			{Path: "targetResourceOrn", Mode: ReadOnly, Default: appNameAt("target.externalId")},
			{Path: "entitlements", Type: List, Required: true, Example: []any{doc.Doc{"id": "esp00000000000000000"}}},
			{Path: "entitlements[].id", Required: true},
			{Path: "status", Mode: ReadOnly, Default: Active},
		},
		After: endGrants, Show: showBundle,
	}
}

// showBundle names the entitlements, and their values, if the request asks for them in full.
func showBundle(v *View) {
	governedLinks(v)
	include := v.Query["include"]
	if len(include) == 0 || include[0] != "full_entitlements" {
		return
	}
	for _, e := range values(v.Body["entitlements"]) {
		if chosen, ok := e.(doc.Doc); ok {
			v.Org.describeEntitlement(chosen)
		}
	}
}

// describeEntitlement completes the id of an entitlement, and those of its values.
func (o *Org) describeEntitlement(chosen doc.Doc) {
	x := o.object(o.kinds.named("entitlements"), doc.String(chosen, "id"))
	if x == nil {
		return
	}
	for _, field := range []string{"name", "externalValue", "description", "multiValue", "required", "dataType"} {
		if v := x.Body[field]; v != nil {
			chosen[field] = v
		}
	}
	for _, v := range values(chosen["values"]) {
		value, ok := v.(doc.Doc)
		if !ok {
			continue
		}
		for _, all := range values(x.Body["values"]) {
			if full, ok := all.(doc.Doc); ok && full["id"] == value["id"] {
				value["name"], value["externalValue"] = full["name"], full["externalValue"]
			}
		}
	}
}
