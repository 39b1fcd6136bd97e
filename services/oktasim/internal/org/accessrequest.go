package org

import "imago/services/oktasim/internal/doc"

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
		Page: Page{Envelope: "data", BodyLinks: true, Hinted: true, Order: "priority"},
		Rank: "priority", FromZero: true,
		Stamps: governanceStamps,
		Fields: []Field{
			{Path: "name", Required: true},
			{Path: "description"},
			{Path: "approvalSequenceId", Required: true},
			{Path: "accessScopeSettings", Type: Map, Required: true, Example: doc.Doc{"type": "RESOURCE_DEFAULT"}},
			{Path: "accessScopeSettings.type", Required: true, Enum: []string{"RESOURCE_DEFAULT", "GROUPS", "ENTITLEMENT_BUNDLES"}},
			{Path: "requesterSettings", Type: Map, Required: true, Example: doc.Doc{"type": "EVERYONE"}},
			{Path: "requesterSettings.type", Required: true, Enum: []string{"EVERYONE", "GROUPS", "TEAMS"}},
			{Path: "accessDurationSettings", Type: Map},
			{Path: "priority", Type: Number},
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

// requestSequences are the ways in which a request for a resource is decided. They are
// made in a console of their own; the API shows and deletes them.
func requestSequences() Kind {
	return Kind{
		Name: "request_sequences", Path: governedPath + "/request-sequences/{sequenceId}", Class: "RequestSequence",
		Scope: "okta.accessRequests.condition", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{List: true, Get: true}, Page: Page{Envelope: "data", BodyLinks: true, Hinted: true},
		Fields: []Field{
			{Path: "name"},
			{Path: "description"},
			{Path: "compatibleResourceTypes", Type: List, Default: doc.Array("APP", "GROUP")},
			{Path: "link"},
		},
		Show: func(v *View) { delete(v.Body, "_links") },
	}
}

// DeleteSequence removes a sequence, whichever resource it was shown for.
func (o *Org) DeleteSequence(id string, r Request) error {
	k := o.kinds.named("request_sequences")
	x := o.object(k, id)
	if x == nil {
		return k.missing(id)
	}
	return o.DeleteObject(k, x, r)
}

// orgRequestSettings say whether and how people of the org can ask for access.
func orgRequestSettings() Kind {
	return Kind{
		Name: "org_request_settings", Path: "/governance/api/v2/request-settings", Class: "OrgRequestSettings",
		Scope: "okta.accessRequests.condition", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{Get: true, Merge: "PATCH"},
		Fields: []Field{
			{Path: "subprocessorsAcknowledged", Type: Bool, Default: true},
			{Path: "provisioningStatus", Mode: ReadOnly, Default: "PROVISIONED"},
			{Path: "requestExperiences", Type: List, Mode: ReadOnly, Default: doc.Array("CATALOG", "ADMIN_ROLES")},
			{Path: "longTimePastProvisioned", Type: Bool, Mode: ReadOnly, Default: false},
		},
		Seeds: []Seed{{}},
		Show:  func(v *View) { delete(v.Body, "_links") },
	}
}
