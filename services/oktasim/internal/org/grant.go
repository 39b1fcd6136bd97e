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
			{Path: "entitlementBundleId", Mode: Fixed, Required: true, When: bundle},
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
		Check: checkGrant, After: grantRoles, Show: showGrant,
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

// checkGrant refuses grants of nothing and of what is not there.
func checkGrant(c *Change) error {
	if c.Verb != create {
		return nil
	}
	if id := doc.String(c.Body, "entitlementBundleId"); id != "" && !c.Org.has("entitlement_bundles", id) {
		return c.Org.exists("admin_bundles", id)
	}
	if get(c.Body, "target.externalId") == nil {
		return failure.Missing("target.externalId")
	}
	return nil
}

// grantRoles gives the person the admin roles of a bundle (documented). They have them as if
// they had been assigned by hand, and keep them when the bundle goes (an assumption).
func grantRoles(c *Change) {
	bundle := c.Org.object(c.Org.kinds.named("admin_bundles"), doc.String(c.Body, "entitlementBundleId"))
	if c.Verb != create || c.Adopting || bundle == nil {
		return
	}
	for _, e := range parts(bundle.Body, "entitlements") {
		c.Org.grantRole(c.By, textOf(get(c.Body, "targetPrincipal.externalId")), e)
	}
}

// endGrants ends the grants of a bundle that is deleted.
func endGrants(c *Change) {
	if c.Verb != remove {
		return
	}
	k := c.Org.kinds.named("grants")
	for _, x := range c.Org.objectsIn(k, "") {
		if x.text("entitlementBundleId") == c.Object.ID {
			c.Org.shelf(k).take(x)
		}
	}
}

func showGrant(v *View) {
	governedLinks(v)
	if id := v.Object.text("entitlementBundleId"); id != "" {
		links := doc.Object(v.Body, "_links")
		links["entitlementBundle"] = governed(v.Org.base + "/governance/api/v1/entitlement-bundles/" + id)
	}
}
