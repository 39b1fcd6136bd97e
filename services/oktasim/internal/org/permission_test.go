package org

import (
	"strings"
	"testing"
)

// TestRoleTable holds every cell: r reads, m manages, - neither.
func TestRoleTable(t *testing.T) {
	t.Parallel()
	areas := strings.Fields("users groups members group_rules apps assignments secrets grants policies zones roles logs schemas org")
	for role, row := range map[string]string{
		"SUPER_ADMIN":                 "m m m m m m m m m m m m m m",
		"ORG_ADMIN":                   "m m m m r r - - m m - r m m",
		"APP_ADMIN":                   "r r r - m m m - r - - r r r",
		"USER_ADMIN":                  "m m m - - - - - - - - r r r",
		"HELP_DESK_ADMIN":             "r r r - - - - - - - - - - r",
		"GROUP_MEMBERSHIP_ADMIN":      "r r m - - - - - - - - - - r",
		"READ_ONLY_ADMIN":             "r r r r r r - - r r - r r r",
		"REPORT_ADMIN":                "- - - - - - - - - - - r - r",
		"API_ACCESS_MANAGEMENT_ADMIN": "r r - - - - m - - - - - - r",
		"MOBILE_ADMIN":                "r r - - - - - - r - - r - r",
		"":                            "- - - - - - - - - - - - - -",
	} {
		for i, cell := range strings.Fields(row) {
			a := Area(areas[i])
			read, manage := Allows([]string{role}, a, false), Allows([]string{role}, a, true)
			if read != (cell != "-") || manage != (cell == "m") {
				t.Errorf("%s on %s: read %v, manage %v, want %s", role, a, read, manage, cell)
			}
		}
	}
	for role := range roleRights {
		if roleLabels[role] == "" {
			t.Errorf("role %s has no label", role)
		}
	}
}
