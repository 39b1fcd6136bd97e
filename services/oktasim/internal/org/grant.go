package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// grants give a person a bundle, or entitlements of an app. They expire only on paper.
func grants() Kind {
	bundle := is("grantType", "ENTITLEMENT-BUNDLE")
	return Kind{
		Name: "grants", Path: "/governance/api/v1/grants/{grantId}", Prefix: "0gg", Class: "Grant",
		Scope: "okta.governance.entitlements", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{List: true, Get: true, Create: 201, Replace: "PUT", Merge: "PATCH"}, Page: governancePage(), Stamps: governanceStamps,
		Fields: []Field{
			{Path: "grantType", Required: true, Mode: Fixed, Enum: []string{"CUSTOM", "ENTITLEMENT-BUNDLE", "POLICY"}},
			{Path: "entitlementBundleId", Mode: Fixed, Required: true, When: bundle, Ref: "entitlement_bundles", Gone: Follows},
			{Path: "targetPrincipal", Type: Map, Required: true, Mode: Fixed, Example: doc.Doc{"type": "OKTA_USER"}},
			{Path: "targetPrincipal.type", Required: true, Enum: []string{"OKTA_USER"}},
			{Path: "targetPrincipal.externalId", Required: true, Ref: "user", Gone: Follows},
			{Path: "targetPrincipalOrn", Mode: ReadOnly, Default: func(c *Change) any {
				return c.Org.userResource(textOf(get(c.Body, "targetPrincipal.externalId")))
			}},
			{Path: "target", Type: Map, Mode: Immutable, Default: doc.Doc{}, Example: doc.Doc{"externalId": "0oa00000000000000000"}},
			{Path: "target.type", Enum: []string{"APPLICATION"}, Default: "APPLICATION"},
			{Path: "target.externalId", Mode: Fixed, Default: appOfBundle},
			{Path: "targetResourceOrn", Mode: ReadOnly, Default: appNameAt("target.externalId")},
			{Path: "entitlements", Type: List},
			{Path: "action", Enum: []string{"ALLOW", "DENY"}, Default: "ALLOW"},
			{Path: "actor", Mode: Immutable, Enum: []string{"API", "ACCESS_REQUEST", "NONE", "ADMIN"}, Default: "API"},
			{Path: "scheduleSettings", Type: Map},
			{Path: "status", Mode: ReadOnly, Default: Active},
		},
		Check: checkGrant, Show: showGrant,
	}
}

// appOfBundle is the app of the bundle that is granted.
func appOfBundle(c *Change) any {
	x := c.Org.object(c.Org.kinds.named("entitlement_bundles"), textOf(get(c.Body, "entitlementBundleId")))
	if x == nil {
		return nil
	}
	return x.text("target.externalId")
}

// checkGrant refuses grants of nothing.
func checkGrant(c *Change) error {
	if c.Verb == create && get(c.Body, "target.externalId") == nil {
		return failure.Missing("target.externalId")
	}
	return nil
}

func showGrant(v *View) {
	governedLinks(v)
	if id := v.Object.text("entitlementBundleId"); id != "" {
		links := doc.Object(v.Body, "_links")
		links["entitlementBundle"] = governed(v.Org.base + "/governance/api/v1/entitlement-bundles/" + id)
	}
}
