package org

import (
	"strings"
	"testing"
)

// TestRoleTable holds every cell: r reads, m manages, - neither.
func TestRoleTable(t *testing.T) {
	t.Parallel()
	areas := []Area{
		AreaUsers, AreaCredentials, AreaGroups, AreaMembers, AreaGroupRules, AreaApps, AreaAssignments, AreaAppSchemas, AreaSecrets, AreaGrants,
		AreaAuthServers, AreaProviders, AreaPolicies, AreaDevices, AreaRealms, AreaZones, AreaRoles, AreaLogs, AreaLogStreams, AreaSchemas,
		AreaCustomizations, AreaEventHooks, AreaSupport, AreaOrg,
	}
	for role, row := range map[string]string{
		"SUPER_ADMIN":                 "mmmmm mmmmm mmmmm mmmmm mmmm",
		"ORG_ADMIN":                   "mmmmm rrr-- rmmmm m-r-m mm-m",
		"APP_ADMIN":                   "rrrr- mmmm- -rrrr --r-m rr-r",
		"USER_ADMIN":                  "mmmm- ----- ----- --r-r rr-r",
		"HELP_DESK_ADMIN":             "rmrr- ----- ----- ----- rr-r",
		"GROUP_MEMBERSHIP_ADMIN":      "rrrm- ----- ----- ----- rr-r",
		"READ_ONLY_ADMIN":             "rrrrr rrr-- rrrrr r-r-r rr-r",
		"REPORT_ADMIN":                "----- ----- ----- --r-- rr-r",
		"API_ACCESS_MANAGEMENT_ADMIN": "rrrr- rrmm- m---- --r-m rr-r",
		"MOBILE_ADMIN":                "rrrr- --r-- --rr- --r-- rr-r",
		"":                            "----- ----- ----- ----- ----",
	} {
		for i, cell := range strings.ReplaceAll(row, " ", "") {
			p := Privileges{{role: role, rights: roleRights[role]}}
			read, manage := p.Open(areas[i], false), p.Open(areas[i], true)
			if read != (cell != '-') || manage != (cell == 'm') {
				t.Errorf("%s on %s: read %v, manage %v, want %c", role, areas[i], read, manage, cell)
			}
		}
	}
	for role := range roleRights {
		if roleLabels[role] == "" {
			t.Errorf("role %s has no label", role)
		}
	}
}

// TestPermissionRights says of single permissions what they open and what not.
func TestPermissionRights(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]struct{ reads, manages, never []Area }{
		"okta.users.read":                      {[]Area{AreaUsers, AreaCredentials}, nil, []Area{AreaGroups, AreaTokens}},
		"okta.users.manage":                    {nil, []Area{AreaUsers, AreaNewUsers, AreaLifecycle, AreaCredentials, AreaUserGroups}, []Area{AreaMembers}},
		"okta.users.create":                    {[]Area{AreaUsers}, []Area{AreaNewUsers}, nil},
		"okta.users.userprofile.manage":        {[]Area{AreaUsers}, []Area{AreaUserProfile}, nil},
		"okta.users.lifecycle.manage":          {nil, []Area{AreaActivation, AreaSuspension, AreaSessions}, nil},
		"okta.users.lifecycle.suspend":         {[]Area{AreaActivation}, []Area{AreaSuspension}, nil},
		"okta.users.credentials.manage":        {nil, []Area{AreaPasswordReset, AreaFactorReset, AreaCredentials}, nil},
		"okta.users.credentials.resetPassword": {nil, []Area{AreaPasswordReset}, nil},
		"okta.groups.manage":                   {nil, []Area{AreaGroups, AreaNewGroups, AreaMembers, AreaGroupApps}, []Area{AreaGroupRules}},
		"okta.groups.members.manage":           {[]Area{AreaGroups}, []Area{AreaMembers}, nil},
		"okta.apps.read":                       {[]Area{AreaApps, AreaAssignments, AreaAppSchemas}, nil, []Area{AreaSecrets, AreaGrants}},
		"okta.apps.manage":                     {nil, []Area{AreaApps, AreaAssignments, AreaSecrets, AreaSchemas}, []Area{AreaGrants}},
		"okta.apps.assignment.manage":          {[]Area{AreaApps}, []Area{AreaAssignments}, []Area{AreaSecrets}},
		"okta.apps.clientCredentials.read":     {[]Area{AreaSecrets, AreaApps}, nil, nil},
		"okta.authzServers.manage":             {nil, []Area{AreaAuthServers}, []Area{AreaPolicies}},
		"okta.identityProviders.read":          {[]Area{AreaProviders}, nil, []Area{AreaPolicies}},
		"okta.devices.lifecycle.suspend":       {[]Area{AreaDevices}, []Area{"devices.lifecycle.suspend"}, nil},
		"okta.iam.read":                        {[]Area{AreaRoles}, nil, []Area{AreaUsers}},
		"okta.support.cases.manage":            {nil, []Area{AreaSupport + ".cases"}, []Area{AreaOrg}},
	} {
		r := permissionRights(label)
		check := func(areas []Area, read, manage bool) {
			for _, a := range areas {
				if gotRead, gotManage := r.allow(a, false), r.allow(a, true); gotRead != read || gotManage != manage {
					t.Errorf("%s on %s: read %v, manage %v", label, a, gotRead, gotManage)
				}
			}
		}
		check(want.reads, true, false)
		check(want.manages, true, true)
		check(want.never, false, false)
	}
}

// TestPieceOf reads every form of resource name that Okta publishes.
func TestPieceOf(t *testing.T) {
	t.Parallel()
	for orn, want := range map[string]piece{
		"orn:okta:directory:00o1:users":                           {family: "users"},
		"orn:okta:directory:00o1:groups":                          {family: "groups"},
		"orn:okta:directory:00o1:groups:00g1":                     {family: "groups", id: "00g1"},
		"orn:okta:directory:00o1:groups:00g1:contained_resources": {family: "groups", id: "00g1", contained: true},
		"orn:okta:directory:00o1:realms:guo1:contained_resources": {family: "realms", id: "guo1", contained: true},
		"orn:oktapreview:idp:00o1:apps":                           {family: "apps"},
		"orn:okta:idp:00o1:apps:salesforce":                       {family: "apps", name: "salesforce"},
		"orn:okta:idp:00o1:apps:salesforce:0oa1":                  {family: "apps", name: "salesforce", id: "0oa1"},
		"orn:okta:idp:00o1:authorization_servers:aus1":            {family: "authorization_servers", id: "aus1"},
		"orn:okta:idp:00o1:customizations":                        {family: "customizations"},
		"orn:okta:idp:00o1:identity_providers":                    {family: "idps"},
		"orn:okta:iam:00o1:contained_resources":                   {family: "iam"},
		"orn:okta:support:00o1:cases":                             {family: "support"},
		"orn:okta:idp":                                            {},
	} {
		if got := pieceOf(orn); got.family != want.family || got.name != want.name || got.id != want.id || got.contained != want.contained {
			t.Errorf("%s: got %+v, want %+v", orn, got, want)
		}
	}
}
