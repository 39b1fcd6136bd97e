package org

import "imago/services/oktasim/internal/doc"

// collections are sets of apps, with entitlements, that people are given together.
func collections() Kind {
	return Kind{
		Name: "collections", Path: collectionPath, Prefix: "col", Class: "Collection",
		Scope: "okta.governance.collections", Area: AreaOrg, Feature: governance,
		Verbs: crud(201), Page: governancePage(), Stamps: governanceStamps,
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 255},
			{Path: "description", Max: 1000},
		},
		Events: map[string]string{
			create: "resource.collection.create", replace: "resource.collection.update", remove: "resource.collection.delete",
		},
		Show: func(v *View) { v.Body["_links"] = doc.Doc{"resources": governed(v.Self + "/resources")} },
	}
}

// riskRules say which entitlements nobody should have together.
func riskRules() Kind {
	return Kind{
		Name: "risk_rules", Path: "/governance/api/v1/risk-rules/{ruleId}", Prefix: "rul", Class: "RiskRule",
		Scope: "okta.governance.riskRule", Area: AreaOrg, Feature: governance,
		Verbs: crud(201), Page: governancePage(), Stamps: governanceStamps,
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg, Max: 255},
			{Path: "description", Max: 1000},
			{Path: "notes", Max: 1000},
			{Path: "type", Required: true, Mode: Immutable, Enum: []string{"SEPARATION_OF_DUTIES"}},
			{Path: "resources", Type: List, Required: true, Mode: Immutable, Example: []any{doc.Doc{"resourceOrn": "orn:okta:idp:00o:apps:app:0oa"}}},
			{Path: "resources[].resourceOrn", Required: true},
			{Path: "conflictCriteria", Type: Map, Required: true, Example: doc.Doc{"and": []any{doc.Doc{
				"name": "one", "attribute": "principal.effective_grants", "operation": "CONTAINS_ONE",
			}}}},
			{Path: "conflictCriteria.and", Type: List, Required: true},
			{Path: "conflictCriteria.and[].name", Required: true},
			{Path: "conflictCriteria.and[].operation", Required: true, Enum: []string{"CONTAINS_ONE", "CONTAINS_ALL"}},
			{Path: "status", Mode: ReadOnly, Default: Active},
		},
		Show: showRiskRule,
	}
}

// showRiskRule names the entitlements of the criteria (documented).
func showRiskRule(v *View) {
	governedLinks(v)
	for _, c := range values(get(v.Body, "conflictCriteria.and")) {
		criterion, ok := c.(doc.Doc)
		if !ok {
			continue
		}
		for _, e := range values(get(criterion, "value.value")) {
			if chosen, ok := e.(doc.Doc); ok {
				v.Org.describeEntitlement(chosen)
			}
		}
	}
}
