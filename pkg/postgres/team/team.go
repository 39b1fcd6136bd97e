// Package team keeps who is in an account and who is asked in, and finds the accounts of
// a person. What nobody may do (roles above one's own, an account without an owner) the
// database itself refuses, with a problem of kind Denied.
package team

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Member is a person in the account.
type Member struct {
	UserID   account.UserID
	Email    string
	Role     account.Role
	JoinedAt time.Time
}

const members = `select m.user_id, u.email, m.role, m.created_at as joined_at
	from members m join users u on u.id = m.user_id`

// List lists the account's members, oldest first.
func List(ctx context.Context, tx *postgres.Tx) ([]Member, error) {
	return rows.All[Member](ctx, tx, members+` order by m.created_at, m.user_id`)
}

// Get reads one member.
func Get(ctx context.Context, tx *postgres.Tx, id string) (Member, error) {
	return rows.One[Member](ctx, tx, "member", members+` where m.user_id = as_uuid($1)`, id)
}

// Hold keeps others who change who is in the account waiting until the transaction ends.
// Do it before anything else is held, the activity log above all.
func Hold(ctx context.Context, tx *postgres.Tx) error {
	_, err := rows.Exec(ctx, tx, `select lock_team($1)`, tx.Account())
	return err
}

// SetRole gives a member another role.
func SetRole(ctx context.Context, tx *postgres.Tx, id account.UserID, role account.Role) error {
	return rows.Must(ctx, tx, none("member"), `update members set role = $2 where user_id = $1`, id, role)
}

// Remove takes a member out of the account and ends their sessions in it.
func Remove(ctx context.Context, tx *postgres.Tx, id account.UserID) error {
	return rows.Must(ctx, tx, none("member"), `delete from members where user_id = $1`, id)
}

// Rename names the account.
func Rename(ctx context.Context, tx *postgres.Tx, name string) error {
	return rows.Must(ctx, tx, none("account"), `update accounts set name = $1`, name)
}

func none(what string) error { return problem.New(problem.NotFound, "there is no such %s", what) }

// Mine is one of a person's accounts.
type Mine struct {
	AccountID account.ID
	Name      string
	Role      account.Role
	JoinedAt  time.Time
}

// Accounts lists the accounts of the person whose session was presented, oldest first.
func Accounts(ctx context.Context, tx *postgres.Tx) ([]Mine, error) {
	return rows.All[Mine](ctx, tx, `select account_id, name, role, joined_at from my_accounts()`)
}

// Switch takes the session that was presented to another account of its person, under a
// new token: the proof of the transaction is worth nothing from then on. NotFound: that
// account is not theirs.
func Switch(ctx context.Context, tx *postgres.Tx, id account.ID, token [32]byte) error {
	_, err := rows.One[struct{ ID string }](ctx, tx, "account of yours",
		`select id from switch_session(as_uuid($1), $2)`, id, token[:])
	return err
}
