package account

import (
	"strings"
	"testing"
)

// table is the whole matrix, written out a second time on purpose: a change of
// the rules has to be made in both places, with open eyes.
const table = `
action             owner admin operator auditor viewer
approve_restore    yes   yes   no       no      no
delete_account     yes   no    no       no      no
delete_connection  yes   yes   no       no      no
download           yes   yes   no       no      no
edit_account       yes   yes   no       no      no
edit_billing       yes   yes   no       no      no
edit_connection    yes   yes   no       no      no
edit_keys          yes   no    no       no      no
edit_members       yes   yes   no       no      no
edit_security      yes   yes   no       no      no
edit_sso           yes   no    no       no      no
open_snapshot      yes   yes   yes      yes     no
plan_restore       yes   yes   yes      no      no
resolve_finding    yes   yes   yes      no      no
take_snapshot      yes   yes   yes      no      no
view_account       yes   yes   yes      yes     yes
view_activity      yes   yes   no       yes     no
`

// TestTokensMay holds the list against a second copy of it, on purpose: what is new is not
// for tokens until somebody says so twice.
func TestTokensMay(t *testing.T) {
	t.Parallel()
	const may = "edit_account edit_connection open_snapshot plan_restore resolve_finding take_snapshot view_account view_activity"
	var got []string
	for _, a := range Actions() {
		if a.ForTokens() {
			got = append(got, string(a))
		}
	}
	if strings.Join(got, " ") != may {
		t.Errorf("tokens may %v", got)
	}
}

func TestRolesMayCellByCell(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(table), "\n")
	roles := strings.Fields(lines[0])[1:]
	if len(roles) != len(Roles()) {
		t.Fatalf("the table has %d roles, the code %d", len(roles), len(Roles()))
	}
	if len(lines)-1 != len(Actions()) {
		t.Fatalf("the table has %d actions, the code %d", len(lines)-1, len(Actions()))
	}
	for n, line := range lines[1:] {
		cells := strings.Fields(line)
		if Action(cells[0]) != Actions()[n] {
			t.Errorf("row %d is %s, the code has %s", n, cells[0], Actions()[n])
		}
		for i, cell := range cells[1:] {
			if got, want := Role(roles[i]).May(Action(cells[0])), cell == "yes"; got != want {
				t.Errorf("%s may %s: got %v, want %v", roles[i], cells[0], got, want)
			}
		}
	}
}

func TestUnknownRolesAndActionsAreRefused(t *testing.T) {
	t.Parallel()
	if Role("").May(ViewAccount) || Role("root").May(ViewAccount) {
		t.Error("an unknown role may view the account")
	}
	if Owner.May("fly") {
		t.Error("an owner may do something that no row allows")
	}
}
