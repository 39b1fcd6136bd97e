package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
)

// governanceKinds are the types of identity governance that recordings show.
func governanceKinds() []Kind {
	return []Kind{entitlements(), requestConditions(), requestSettings()}
}

const (
	governance       = "identity_governance"
	entitlementStamp = "entitlement_stamps"
	governedPath     = "/governance/api/v2/resources/{resourceId}"
)

// governedLinks puts the links that v.Body needs in governance's form: hints that say nothing
// (recorded).
func governedLinks(v *View) {
	v.Body["_links"] = doc.Doc{"self": doc.Doc{"href": v.Self, "hints": doc.Doc{}}}
}

// entitlements are what people can have within an app.
func entitlements() Kind {
	return Kind{
		Name: "entitlements", Path: "/governance/api/v1/entitlements/{entitlementId}", Prefix: "esp", Class: "Entitlement",
		Scope: "okta.governance.entitlements", Area: AreaOrg, Feature: governance,
		Verbs: crud(201), SelfHeader: true,
		Page: Page{Default: 20, Max: 200, Envelope: "data", BodyLinks: true, Filter: []string{"*"}, Omit: []string{"values"}},
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
			{Path: "parentResourceOrn", Mode: ReadOnly, Default: resourceName},
			{Path: "created", Mode: ReadOnly, Feature: entitlementStamp},
			{Path: "lastUpdated", Mode: ReadOnly, Feature: entitlementStamp},
			{Path: "createdBy", Mode: ReadOnly, Feature: entitlementStamp},
			{Path: "lastUpdatedBy", Mode: ReadOnly, Feature: entitlementStamp},
		},
		Fill: fillEntitlement, Show: showEntitlement,
	}
}

// resourceName is Okta's name for the app that an entitlement belongs to (recorded).
func resourceName(c *Change) any {
	id := doc.String(c.Body, "parent", "externalId")
	name := "app"
	if a, err := c.Org.App(id); err == nil {
		name = a.Name
	}
	return "orn:okta:idp:" + c.Org.info.ID + ":apps:" + name + ":" + id
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
	list := values(v.Body["values"])
	v.Body["metadata"] = doc.Doc{"total": len(list)}
	if !v.Org.Licensed(entitlementStamp) {
		for _, field := range []string{"orn", "created", "createdBy", "lastUpdated", "lastUpdatedBy"} {
			hide(v.Body, "values[]."+field)
		}
	}
	governedLinks(v)
}

// governedApp finds the app that a resource of governance is: no other resources have
// conditions or settings. Governance knows apps by their ids alone, so that any app's id is
// taken (an assumption).
func governedApp(o *Org, key string) (string, error) {
	const length = 20
	if strings.HasPrefix(key, "0oa") && len(key) == length {
		return key, nil
	}
	a, err := o.App(key)
	if err != nil {
		return "", err
	}
	return a.ID, nil
}

// adoptGoverned makes the app that a governed resource is.
func adoptGoverned(o *Org, ids []string, _ doc.Doc) error {
	if _, err := o.App(ids[0]); err == nil {
		return nil
	}
	return adoptApp(o, ids, doc.Doc{})
}

// requestConditions say who may ask for what of a resource, and who decides.
func requestConditions() Kind {
	return Kind{
		Name: "request_conditions", Path: governedPath + "/request-conditions/{requestConditionId}", Prefix: "rco", Class: "RequestCondition",
		Scope: "okta.accessRequests.condition", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{List: true, Get: true, Create: 201, Merge: "PATCH", Delete: 204},
		Operations: []Operation{
			{Name: "activate", Path: "activate", When: is("status", Inactive, "INVALID"), Set: doc.Doc{"status": Active}, Status: 200, Link: "-"},
			{Name: "deactivate", Path: "deactivate", When: is("status", Active), Set: doc.Doc{"status": Inactive}, Status: 200, Link: "-"},
		},
		Page:   Page{Envelope: "data", BodyLinks: true, Order: "priority"},
		Stamps: Stamps{Created: "created", Updated: "lastUpdated", CreatedBy: "createdBy", UpdatedBy: "lastUpdatedBy", Layout: Seconds},
		Fields: []Field{
			{Path: "name", Required: true},
			{Path: "description"},
			{Path: "approvalSequenceId", Required: true},
			{Path: "accessScopeSettings", Type: Map, Required: true, Example: doc.Doc{"type": "RESOURCE_DEFAULT"}},
			{Path: "accessScopeSettings.type", Required: true, Enum: []string{"RESOURCE_DEFAULT", "GROUPS", "ENTITLEMENT_BUNDLES"}},
			{Path: "requesterSettings", Type: Map, Required: true, Example: doc.Doc{"type": "EVERYONE"}},
			{Path: "requesterSettings.type", Required: true, Enum: []string{"EVERYONE", "GROUPS", "TEAMS"}},
			{Path: "accessDurationSettings", Type: Map},
			{Path: "priority", Type: Number, Default: 0},
			{Path: "status", Mode: ReadOnly, Default: Inactive},
		},
		Show: governedLinks,
	}
}

// requestSettings say how a resource can be asked for.
func requestSettings() Kind {
	types := func(names ...string) []any {
		var out []any
		for _, name := range names {
			out = append(out, doc.Doc{"type": name})
		}
		return out
	}
	return Kind{
		Name: "request_settings", Path: governedPath + "/request-settings", Class: "RequestSettings",
		Scope: "okta.accessRequests.condition", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{Get: true, Merge: "PATCH"},
		Fields: []Field{
			{Path: "validAccessScopeSettings", Type: List, Mode: ReadOnly, Default: types("RESOURCE_DEFAULT", "ENTITLEMENT_BUNDLES")},
			{Path: "validRequesterSettings", Type: List, Mode: ReadOnly, Default: types("GROUPS", "EVERYONE")},
			{Path: "validAccessDurationSettings", Type: Map, Mode: ReadOnly, Default: doc.Doc{
				"supportedTypes": types("REQUESTER_SPECIFIED_DURATION", "ADMIN_FIXED_DURATION"), "required": false,
				"maximumDays": 90, "maximumHours": 72, "maximumWeeks": 12,
			}},
			{Path: "validRiskSettings", Type: Map, Mode: ReadOnly, Default: doc.Doc{"supportedTypes": types("DEFAULT_SETTING")}},
			{Path: "validRequestOnBehalfOfSettings", Type: List, Mode: ReadOnly, Default: []any{}},
			{Path: "requestOnBehalfOfSettings", Type: Map},
			{Path: "riskSettings", Type: Map, Default: doc.Doc{"defaultSetting": doc.Doc{"requestSubmissionType": "RESTRICTED"}}},
		},
		Seeds: []Seed{{}},
		Fill:  tidyRequestSettings,
	}
}

// tidyRequestSettings: null takes a setting away (recorded).
func tidyRequestSettings(c *Change) error {
	if v, given := c.Given["requestOnBehalfOfSettings"]; given && v == nil {
		delete(c.Body, "requestOnBehalfOfSettings")
	}
	if d := doc.Object(c.Body, "riskSettings", "defaultSetting"); d != nil {
		for name, v := range d {
			if v == nil {
				delete(d, name)
			}
		}
	}
	return nil
}
