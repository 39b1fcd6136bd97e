package org

import "slices"

// Area is a part of the org that admin roles open for reading or managing.
type Area string

// The areas.
const (
	AreaUsers       Area = "users"
	AreaGroups      Area = "groups"
	AreaMembers     Area = "members"
	AreaGroupRules  Area = "group_rules"
	AreaApps        Area = "apps"
	AreaAssignments Area = "assignments"
	AreaSecrets     Area = "secrets"
	AreaGrants      Area = "grants"
	AreaPolicies    Area = "policies"
	AreaZones       Area = "zones"
	AreaRoles       Area = "roles"
	AreaLogs        Area = "logs"
	AreaSchemas     Area = "schemas"
	AreaOrg         Area = "org"
)

// rights are what a role may read and manage; managing includes reading.
type rights struct{ read, manage []Area }

var everyArea = []Area{
	AreaUsers, AreaGroups, AreaMembers, AreaGroupRules, AreaApps, AreaAssignments, AreaSecrets, AreaGrants,
	AreaPolicies, AreaZones, AreaRoles, AreaLogs, AreaSchemas, AreaOrg,
}

// roleRights follows Okta's table of standard administrator roles. Where the table is
// silent on an API, the narrower reading was taken: role assignments and scope grants
// are for super administrators alone, client secrets for those who manage apps.
var roleRights = map[string]rights{
	"SUPER_ADMIN": {manage: everyArea},
	"ORG_ADMIN": {
		read:   []Area{AreaApps, AreaAssignments, AreaLogs},
		manage: []Area{AreaUsers, AreaGroups, AreaMembers, AreaGroupRules, AreaPolicies, AreaZones, AreaSchemas, AreaOrg},
	},
	"APP_ADMIN": {
		read:   []Area{AreaUsers, AreaGroups, AreaMembers, AreaLogs, AreaPolicies, AreaSchemas, AreaOrg},
		manage: []Area{AreaApps, AreaAssignments, AreaSecrets},
	},
	"USER_ADMIN": {
		read:   []Area{AreaSchemas, AreaOrg, AreaLogs},
		manage: []Area{AreaUsers, AreaGroups, AreaMembers},
	},
	"HELP_DESK_ADMIN":        {read: []Area{AreaUsers, AreaGroups, AreaMembers, AreaOrg}},
	"GROUP_MEMBERSHIP_ADMIN": {read: []Area{AreaUsers, AreaGroups, AreaOrg}, manage: []Area{AreaMembers}},
	"READ_ONLY_ADMIN": {read: []Area{
		AreaUsers, AreaGroups, AreaMembers, AreaGroupRules, AreaApps, AreaAssignments, AreaPolicies, AreaZones, AreaLogs, AreaSchemas, AreaOrg,
	}},
	"REPORT_ADMIN":                {read: []Area{AreaLogs, AreaOrg}},
	"API_ACCESS_MANAGEMENT_ADMIN": {read: []Area{AreaUsers, AreaGroups, AreaOrg}, manage: []Area{AreaSecrets}},
	"MOBILE_ADMIN":                {read: []Area{AreaUsers, AreaGroups, AreaLogs, AreaPolicies, AreaOrg}},
}

// permissionRights are what permissions of custom roles open, wherever they are bound: that
// a role holds for the resources of its set alone is not simulated.
var permissionRights = map[string]rights{
	"okta.users.read":                  {read: []Area{AreaUsers}},
	"okta.users.manage":                {manage: []Area{AreaUsers}},
	"okta.groups.read":                 {read: []Area{AreaGroups, AreaMembers}},
	"okta.groups.manage":               {manage: []Area{AreaGroups, AreaMembers}},
	"okta.groups.members.manage":       {read: []Area{AreaGroups}, manage: []Area{AreaMembers}},
	"okta.apps.read":                   {read: []Area{AreaApps, AreaAssignments}},
	"okta.apps.manage":                 {manage: []Area{AreaApps, AreaAssignments}},
	"okta.apps.assignment.manage":      {read: []Area{AreaApps}, manage: []Area{AreaAssignments}},
	"okta.apps.clientCredentials.read": {read: []Area{AreaSecrets}},
	"okta.authzServers.read":           {read: []Area{AreaPolicies}},
	"okta.authzServers.manage":         {manage: []Area{AreaPolicies}},
	"okta.policies.read":               {read: []Area{AreaPolicies}},
	"okta.policies.manage":             {manage: []Area{AreaPolicies}},
	"okta.realms.read":                 {read: []Area{AreaUsers}},
	"okta.iam.read":                    {read: []Area{AreaRoles}},
}

// Allows says whether any of the standard roles or permissions opens the area.
func Allows(roles []string, a Area, manage bool) bool {
	return slices.ContainsFunc(roles, func(role string) bool {
		r, standard := roleRights[role]
		if !standard {
			r = permissionRights[role]
		}
		return slices.Contains(r.manage, a) || !manage && slices.Contains(r.read, a)
	})
}
