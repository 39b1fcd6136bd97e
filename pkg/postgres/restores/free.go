package restores

import (
	"context"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Free is a Conflict while a restore of the connection, other than one that is named (""
// for none), was asked to be applied and has not ended: one at a time writes to an org,
// and its write credential stays what it is until then.
func Free(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, but string) error {
	r, found, err := rows.Maybe[Restore](ctx, tx, `select `+columns+` from restores
		where connection_id = as_uuid($1) and id is distinct from as_uuid($2)
			and apply_requested_at is not null and ended_at is null
		order by id limit 1`, id, but)
	if err != nil || !found {
		return err
	}
	hint := r.State.onward()
	if r.WindowOpenedAt == nil {
		hint = "cancel that one, or wait until it has ended"
	}
	return problem.New(problem.Conflict, "restore %s of the same org is %s", r.ID, r.State).WithHint("%s", hint)
}
