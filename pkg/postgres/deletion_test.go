package postgres_test

import (
	"encoding/hex"
	"testing"

	"github.com/jackc/pgx/v5"

	"imago/pkg/account"
	"imago/pkg/postgres/postgrestest"
)

// Whoever runs SQL as the api, with an owner's session, cannot make a deletion shorter than
// 72 hours, or have it look older; and nobody but an owner asks for one.
func TestDeletionWaits(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	owner := base.Account(t)
	admin := base.Member(t, owner.ID, account.Admin)
	conn, err := pgx.Connect(t.Context(), base.URL("imago_api"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	const ask = `update accounts set deletion_id = new_id(), deletion_asked_by = current_user_id(), deletion_asked_at = now(), deletion_due_at = now() + interval '72 hours'`
	for _, c := range []struct {
		by   postgrestest.Account
		sql  string
		want bool
	}{
		{admin, ask, false},
		{owner, `update accounts set deletion_id = new_id(), deletion_asked_by = current_user_id(), deletion_asked_at = now(), deletion_due_at = now() + interval '71 hours'`, false},
		{owner, `update accounts set deletion_id = new_id(), deletion_asked_by = current_user_id(), deletion_asked_at = now() - interval '73 hours', deletion_due_at = now() - interval '1 hour'`, false},
		{owner, `update accounts set deletion_id = new_id(), deletion_asked_at = now(), deletion_due_at = now() + interval '72 hours'`, false},
		{owner, ask, true},
		{owner, `update accounts set deletion_due_at = now()`, false},
		{owner, ask, false},
		{admin, `update accounts set deletion_id = null, deletion_asked_by = null, deletion_asked_at = null, deletion_due_at = null`, false},
		{owner, `update accounts set deletion_id = null, deletion_asked_by = null, deletion_asked_at = null, deletion_due_at = null`, true},
		{owner, `update accounts set shredded_at = now()`, false},
	} {
		n, err := as(t.Context(), conn, presented{"session", "session", hex.EncodeToString(c.by.Token[:])}, c.sql)
		if (err == nil && n == 1) != c.want || err != nil && !refused(err) {
			t.Errorf("%s: %d rows, %v", c.sql, n, err)
		}
	}
}
