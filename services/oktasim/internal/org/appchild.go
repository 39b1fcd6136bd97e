package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// appChildKinds are what lies below apps and behaves as most of Okta's types do.
func appChildKinds() []Kind {
	return []Kind{federatedClaims(), pushMappings(), crossAppConnections(), appTokens()}
}

// federatedClaims go into assertions and tokens beside those of the sign-on settings.
func federatedClaims() Kind {
	return Kind{
		Name: "app_federated_claims", Path: "/api/v1/apps/{appId}/federated-claims/{claimId}", Prefix: "ofc", Class: "FederatedClaim",
		Scope: "okta.apps", Area: AreaApps,
		Verbs:  crud(201),
		Stamps: dated,
		Fields: []Field{
			{Path: "name", Required: true, Unique: InParent, Exact: true},
			{Path: "expression", Required: true, Example: "user.profile.lastName"},
		},
		Events: map[string]string{create: appUpdated, replace: appUpdated, remove: appUpdated},
	}
}

// appUpdated is the event of what Okta keeps in an app without an event of its own.
const appUpdated = "application.lifecycle.update"

// pushMappings push groups of the org into an app (recorded).
func pushMappings() Kind {
	return Kind{
		Name: "app_push_mappings", Path: "/api/v1/apps/{appId}/group-push/mappings/{mappingId}", Prefix: "gPm", Class: "GroupPushMapping",
		Scope: "okta.apps", Area: AreaApps,
		Verbs:   Verbs{List: true, Get: true, Create: 200, Merge: "PATCH", Delete: 200},
		Page:    Page{Default: 100, Max: 1000, Equal: map[string]string{"sourceGroupId": "sourceGroupId", "status": "status"}},
		Stamps:  Stamps{Created: "created", Updated: "lastUpdated", Layout: Seconds},
		Natural: []string{"sourceGroupId"},
		Fields: []Field{
			{Path: "sourceGroupId", Required: true, Mode: Immutable, Ref: "group", Gone: Holds},
			{Path: "targetGroupId", Mode: Immutable},
			{Path: "targetGroupName", Mode: WriteOnly, Example: "Pushed %d"},
			{Path: "status", Enum: []string{Active, Inactive, "ERROR"}, Default: Active, Example: Inactive},
			{Path: "appConfig", Type: Map, Mode: Immutable},
		},
		Links: []Link{
			{Name: "sourceGroup", To: "/api/v1/groups/{sourceGroupId}"}, {Name: "targetGroup", To: "/api/v1/groups/{targetGroupId}"},
		},
		LinkStyle: Bare,
		Refusals: []Refusal{{
			On: []string{remove}, When: is("status", Active),
			With: failure.Invalid("status", "An active group push mapping cannot be deleted."),
		}},
		Events: map[string]string{
			create: "application.provision.group_push.mapping.created", merge: "application.provision.group_push.updated",
			remove: "application.provision.group_push.removed",
		},
		Fill: fillPush, After: afterPush, Show: showPush,
	}
}

// fillPush makes the group in the app that a name asks for.
func fillPush(c *Change) error {
	if c.Before != nil || c.Adopting || doc.String(c.Body, "targetGroupId") != "" {
		return nil
	}
	name := doc.String(c.Body, "targetGroupName")
	if name == "" {
		return failure.Invalid("targetGroupName", "Either targetGroupId or targetGroupName is required.")
	}
	now := c.Org.stamp()
	g := &Group{
		ID: c.Org.ids.ID("00g"), Type: "APP_GROUP", Created: now, LastUpdated: now, LastMembershipUpdated: now,
		Profile: doc.Doc{"name": name, "description": nil}, Source: c.Object.Home,
	}
	c.Org.putGroup(g)
	c.Body["targetGroupId"] = g.ID
	return nil
}

// afterPush removes the group in the app with the mapping, if asked to. What else holds
// the group is found out when the mapping has gone, so that only the log can tell.
func afterPush(c *Change) {
	asked := c.Query["deleteTargetGroup"]
	g := c.Org.groups[doc.String(c.Body, "targetGroupId")]
	if c.Verb != remove || len(asked) == 0 || asked[0] != "true" || g == nil {
		return
	}
	if err := c.Org.DeleteGroup(c.By, g); err != nil {
		c.Org.Note(c.By, "application.provision.group_push.mapping.update.or.delete.failed", doc.Doc{"reason": err.Error()}, g.Party())
	}
}

func showPush(v *View) {
	doc.Object(v.Body, "_links")["app"] = doc.Doc{"href": v.Org.base + "/api/v1/apps/" + v.Object.Home}
}

// crossAppConnections let one app ask for tokens of another (documented).
func crossAppConnections() Kind {
	return Kind{
		Name: "app_cross_app_connections", Path: "/api/v1/apps/{appId}/cwo/connections/{connectionId}", Prefix: "cwo", Class: "CrossAppAccessConnection",
		Scope: "okta.apps", Area: AreaApps, Engine: "oie",
		Verbs: Verbs{List: true, Get: true, Create: 201, Merge: "PATCH", Delete: 204},
		Page: Page{Default: 200, Max: 200, Equal: map[string]string{
			"status": "status", "requestingAppId": "requestingAppInstanceId", "resourceAppId": "resourceAppInstanceId",
		}},
		Stamps:  Stamps{Created: "created", Updated: "lastUpdated", Layout: Seconds},
		Natural: []string{"requestingAppInstanceId", "resourceAppInstanceId"},
		Fields: []Field{
			{Path: "requestingAppInstanceId", Required: true, Mode: Immutable, Ref: "app", Gone: Follows},
			{Path: "resourceAppInstanceId", Required: true, Mode: Immutable, Ref: "app", Gone: Follows},
			{Path: "status", Enum: []string{Active, Inactive}, Default: Active},
		},
		Events: map[string]string{create: appUpdated, merge: appUpdated, remove: appUpdated},
	}
}
