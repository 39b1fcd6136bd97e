package signin

import (
	"context"

	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// MembersOnly has the code that Begin has just begun, in the same transaction, mailed only
// if a member has its address; butFirst: unless nobody has an account yet. Whoever asked
// for the code cannot tell.
func MembersOnly(ctx context.Context, tx *postgres.Tx, butFirst bool) error {
	_, err := rows.Exec(ctx, tx, `select keep_to_members($1)`, butFirst)
	return err
}
