package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// serviceAccountKinds are accounts in apps that nobody owns by themselves (documented).
func serviceAccountKinds() []Kind {
	return []Kind{{
		Name: "service_accounts", Path: "/privileged-access/api/v1/service-accounts/{id}", Class: "AppServiceAccount",
		Scope: "okta.serviceAccounts", Area: AreaApps,
		MakeID: func(o *Org) string { return o.ids.UUID() },
		Verbs:  Verbs{List: true, Get: true, Create: 200, Merge: "PATCH", Delete: 204},
		Page:   Page{Default: 20, Max: 200},
		Stamps: dated,
		Fields: []Field{
			{Path: "name", Required: true, Max: 50},
			{Path: "username", Required: true, Max: 100, Mode: Immutable},
			{Path: "containerOrn", Required: true, Mode: Immutable, Pattern: `orn:.+:apps:.+:.+`, Example: "orn:okta:idp:00o1n8sbwArJ7OQRw406:apps:salesforce:0oa1gjh63g214q0Hq0g4"},
			{Path: "containerGlobalName", Mode: ReadOnly, Default: func(c *Change) any { return ornPart(c, 2) }},
			{Path: "containerInstanceName", Mode: ReadOnly, Default: containerName},
			{Path: "description", Max: 255},
			{Path: "password", Mode: WriteOnly},
			{Path: "ownerUserIds", Type: List, Default: []any{}, Ref: "user", Gone: Cleared},
			{Path: "ownerGroupIds", Type: List, Default: []any{}, Ref: "group", Gone: Cleared},
			{Path: "status", Mode: ReadOnly, Default: "UNSECURED"},
			{Path: "statusDetail", Mode: ReadOnly, Default: "STAGED"},
		},
		Check: func(c *Change) error {
			users, groups := doc.Strings(c.Body, "ownerUserIds"), doc.Strings(c.Body, "ownerGroupIds")
			if c.Verb != remove && (len(users) > 1 || len(groups) > 3) {
				return failure.Invalid("ownerUserIds", "ownerUserIds: An account has one owner and three owning groups at most")
			}
			return nil
		},
	}}
}

// ornPart is a part of the app's resource name, counted from its end.
func ornPart(c *Change, fromEnd int) string {
	parts := strings.Split(textOf(c.Body["containerOrn"]), ":")
	if len(parts) < fromEnd {
		return ""
	}
	return parts[len(parts)-fromEnd]
}

func containerName(c *Change) any {
	if a := c.Org.apps[ornPart(c, 1)]; a != nil {
		return a.Label
	}
	return ornPart(c, 2)
}
