package org

import (
	"slices"
	"strings"
)

// Area is a part of the org that admin roles open for reading or managing. What is below
// an area begins with its name and a dot. Areas that permissions of custom roles open are
// called as these are, without "okta." before and ".read" or ".manage" behind; those with
// an underscore are for standard roles alone.
type Area string

// The areas.
const (
	AreaUsers          Area = "users"
	AreaNewUsers       Area = "users.create"
	AreaUserProfile    Area = "users.userprofile"
	AreaCredentials    Area = "users.credentials"
	AreaPasswordReset  Area = "users.credentials.resetPassword"
	AreaPasswordExpiry Area = "users.credentials.expirePassword"
	AreaFactorReset    Area = "users.credentials.resetFactors"
	AreaLifecycle      Area = "users.lifecycle"
	AreaActivation     Area = "users.lifecycle.activate"
	AreaSuspension     Area = "users.lifecycle.suspend"
	AreaSessions       Area = "users.lifecycle.clearSessions"
	AreaUserGroups     Area = "users.groupMembership"
	AreaUserApps       Area = "users.appAssignment"
	AreaGroups         Area = "groups"
	AreaNewGroups      Area = "groups.create"
	AreaMembers        Area = "groups.members"
	AreaGroupApps      Area = "groups.appAssignment"
	AreaGroupRules     Area = "group_rules"
	AreaApps           Area = "apps"
	AreaAssignments    Area = "apps.assignment"
	AreaAppSchemas     Area = "apps.schema"
	AreaSecrets        Area = "client_credentials"
	AreaGrants         Area = "app_grants"
	AreaAuthServers    Area = "authzServers"
	AreaProviders      Area = "identityProviders"
	AreaPolicies       Area = "policies"
	AreaDevices        Area = "devices"
	AreaRealms         Area = "realms"
	AreaCustomizations Area = "customizations"
	AreaEventHooks     Area = "eventHooks"
	AreaInlineHooks    Area = "inlineHooks"
	AreaAgents         Area = "agents"
	AreaSupport        Area = "support"
	AreaTokens         Area = "api_tokens"
	AreaZones          Area = "network_zones"
	AreaRoles          Area = "iam"
	AreaLogs           Area = "system_log"
	AreaLogStreams     Area = "log_streams"
	AreaSchemas        Area = "user_schemas"
	AreaOrg            Area = "org_settings"
)

// top is the widest area that a lies in.
func (a Area) top() Area {
	name, _, _ := strings.Cut(string(a), ".")
	return Area(name)
}

// rights are what a role may read and manage; managing includes reading.
type rights struct{ read, manage []Area }

// allow says whether the rights open the area.
func (r rights) allow(a Area, manage bool) bool {
	within := func(b Area) bool { return a == b || strings.HasPrefix(string(a), string(b)+".") }
	return slices.ContainsFunc(r.manage, within) || !manage && slices.ContainsFunc(r.read, within)
}

func (r rights) and(more rights) rights {
	return rights{slices.Concat(r.read, more.read), slices.Concat(r.manage, more.manage)}
}

// orgWide are the settings that Okta's table shows to most administrators.
var orgWide = []Area{AreaOrg, AreaCustomizations, AreaEventHooks, AreaInlineHooks, AreaAgents, AreaTokens}

// roleRights follows Okta's table of standard administrator roles. Where the table is
// silent on an API, the narrower reading was taken: role assignments and scope grants
// are for super administrators alone, client secrets for those who manage apps.
var roleRights = map[string]rights{
	"SUPER_ADMIN": {manage: slices.Concat(orgWide, []Area{
		AreaUsers, AreaGroups, AreaGroupRules, AreaApps, AreaSecrets, AreaGrants, AreaAuthServers, AreaProviders, AreaPolicies, AreaDevices, AreaRealms,
		AreaSupport, AreaZones, AreaRoles, AreaLogs, AreaLogStreams, AreaSchemas,
	})},
	"ORG_ADMIN": {
		read: []Area{AreaApps, AreaAuthServers, AreaLogs},
		manage: slices.Concat(orgWide, []Area{
			AreaUsers, AreaGroups, AreaGroupRules, AreaProviders, AreaPolicies, AreaDevices, AreaRealms, AreaZones, AreaSchemas,
		}),
	},
	"APP_ADMIN": {
		read:   slices.Concat(orgWide, []Area{AreaUsers, AreaGroups, AreaLogs, AreaPolicies, AreaProviders, AreaDevices, AreaRealms}),
		manage: []Area{AreaApps, AreaSecrets, AreaSchemas, AreaUserApps, AreaGroupApps},
	},
	"USER_ADMIN": {
		read:   slices.Concat(orgWide, []Area{AreaSchemas, AreaLogs}),
		manage: []Area{AreaUsers, AreaGroups},
	},
	"HELP_DESK_ADMIN": {
		read:   slices.Concat(orgWide, []Area{AreaUsers, AreaGroups}),
		manage: []Area{AreaCredentials, "users.lifecycle.unlock", AreaSessions},
	},
	"GROUP_MEMBERSHIP_ADMIN": {
		read:   slices.Concat(orgWide, []Area{AreaUsers, AreaGroups}),
		manage: []Area{AreaMembers, AreaUserGroups},
	},
	"READ_ONLY_ADMIN": {read: slices.Concat(orgWide, []Area{
		AreaUsers, AreaGroups, AreaGroupRules, AreaApps, AreaAuthServers, AreaProviders, AreaPolicies, AreaDevices, AreaRealms, AreaZones, AreaLogs, AreaSchemas,
	})},
	"REPORT_ADMIN": {read: slices.Concat(orgWide, []Area{AreaLogs})},
	"API_ACCESS_MANAGEMENT_ADMIN": {
		read:   slices.Concat(orgWide, []Area{AreaUsers, AreaGroups, AreaApps, AreaLogs}),
		manage: []Area{AreaAuthServers, AreaSecrets, AreaSchemas, AreaAppSchemas},
	},
	"MOBILE_ADMIN": {read: slices.Concat(orgWide, []Area{AreaUsers, AreaGroups, AreaLogs, AreaPolicies, AreaDevices, AreaAppSchemas})},
}

// permissionRights are what a permission opens: one to read opens its area for reading,
// one to manage opens all below it, and any other verb one thing below its area. Whoever
// changes something can read it (assumption: which permissions include which others is
// published of few).
func permissionRights(label string) rights {
	name := strings.TrimPrefix(label, "okta.")
	if area, ok := strings.CutSuffix(name, ".read"); ok {
		return rights{read: []Area{Area(area)}}.and(included[label])
	}
	area := Area(strings.TrimSuffix(name, ".manage"))
	return rights{read: []Area{area.top()}, manage: []Area{area}}.and(included[label])
}

// included are what permissions open beyond what they are called (documented: the
// permissions of schemas and linked objects in Okta's API description; the others are
// assumptions).
var included = map[string]rights{
	"okta.apps.manage":                    {manage: []Area{AreaSecrets, AreaSchemas}},
	"okta.apps.clientCredentials.read":    {read: []Area{AreaApps, AreaSecrets}},
	"okta.users.credentials.resetFactors": {manage: []Area{AreaCredentials + ".lifecycle.delete"}},
	"okta.users.apitokens.read":           {read: []Area{AreaTokens}},
	"okta.users.apitokens.manage":         {manage: []Area{AreaTokens}},
}
