package postgres_test

import (
	"testing"

	"imago/pkg/account"
	"imago/pkg/postgres/postgrestest"
)

// TestRolesAreTheSameInTheDatabase holds what the database says of roles against the one
// table of who may what.
func TestRolesAreTheSameInTheDatabase(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	above := 6
	for _, r := range append(account.Roles(), "", "root") {
		var may bool
		var rank int
		if err := base.Owner().QueryRow(t.Context(), `select may_edit_members($1), role_rank($1)`, string(r)).Scan(&may, &rank); err != nil {
			t.Fatal(err)
		}
		if may != r.May(account.EditMembers) {
			t.Errorf("%q may edit members: %t", r, may)
		}
		if above = max(above-1, 0); rank != above {
			t.Errorf("%q ranks %d, want %d", r, rank, above)
		}
	}
}

// TestTokensMayTheSameInTheDatabase holds its list of what tokens must not against the table.
func TestTokensMayTheSameInTheDatabase(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	for _, a := range account.Actions() {
		var may bool
		err := base.Owner().QueryRow(t.Context(), `
			select position($1 in pg_get_constraintdef(oid)) = 0 from pg_constraint where conname = 'sessions_scopes_harmless'`,
			"'"+string(a)+"'").Scan(&may)
		if err != nil {
			t.Fatal(err)
		}
		if may != a.ForTokens() {
			t.Errorf("a token may %s: %t in the database, %t in the table", a, may, a.ForTokens())
		}
	}
}
