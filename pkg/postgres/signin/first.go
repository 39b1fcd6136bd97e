package signin

import (
	"context"

	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
)

// First reports whether nobody has an account yet, and holds that answer until the
// transaction ends: call it before OpenSession where only the first person may make one.
func First(ctx context.Context, tx *postgres.Tx) (bool, error) {
	found, err := rows.One[struct{ First bool }](ctx, tx, "answer", `select is_first_sign_up() as first`)
	return found.First, err
}
