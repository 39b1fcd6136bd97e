// Package accounts reads what belongs to the account that a proof lets in: its members,
// its wrapped keyring.
package accounts

import (
	"context"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// Member is a person who may act in the account.
type Member struct {
	UserID account.UserID
	Email  string
	Role   account.Role
}

// Members lists the account's members, oldest first: for imago_api and imago_worker,
// since the drift monitor does not see addresses.
func Members(ctx context.Context, tx *postgres.Tx) ([]Member, error) {
	return rows.All[Member](ctx, tx, `
		select m.user_id, u.email, m.role
		from members m join users u on u.id = m.user_id
		order by m.created_at, m.user_id`)
}

// Name is what the account is called.
func Name(ctx context.Context, tx *postgres.Tx) (string, error) {
	a, err := rows.One[struct{ Name string }](ctx, tx, "account", `select name from accounts`)
	return a.Name, err
}

// Keyring gives the account's keyring as the key service wrapped it
// (envelope.Keyring.Wrapped).
func Keyring(ctx context.Context, tx *postgres.Tx) ([]byte, error) {
	key, err := rows.One[struct{ Wrapped []byte }](ctx, tx, "keyring", `select wrapped from account_keys`)
	return key.Wrapped, err
}
