package connections

import (
	"context"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// The first step of a demo's story, and where it has been told. The worker knows those
// between them.
const (
	DemoFirst = "furnish"
	DemoReady = "ready"
)

// CreateDemo adds the account's demo org: Provider, Name and FollowSeconds are taken
// from c. Its address is made of the connection's ID, as
// demo.URL makes it. A second one is a Conflict.
func CreateDemo(ctx context.Context, tx *postgres.Tx, c Connection) (Connection, error) {
	made, err := rows.One[Connection](ctx, tx, "connection", `
		with made as materialized (select new_id() as id)
		insert into connections (id, account_id, provider, name, org_url, follow_seconds, demo)
		select made.id, $1, $2, $3, 'http://demo-' || right(replace(made.id::text, '-', ''), 12) || '.imago.invalid', $4, $5
		from made
		returning `+columns, tx.Account(), c.Provider, c.Name, c.FollowSeconds, DemoFirst)
	if rows.Violates(err, "connections_demo_key") {
		return made, problem.New(problem.Conflict, "the account has a demo org already").
			WithHint("open that one, or remove it first").Because(err)
	}
	return made, taken(err, c)
}

// SetDemo says which step of a demo's story is next: for imago_worker.
func SetDemo(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, next string) error {
	return rows.Must(ctx, tx, missing(), `update connections set demo = $2 where id = as_uuid($1) and demo <> ''`, id, next)
}

// SetDemoClient stores what the simulator called a service app of the demo that the running
// job makes: for imago_worker.
func SetDemoClient(ctx context.Context, tx *postgres.Tx, p account.Purpose, clientID string) error {
	set, err := rows.One[struct{ OK bool }](ctx, tx, "demo", `select set_demo_client($1, $2) as ok`, p, clientID)
	if err == nil && !set.OK {
		return missing()
	}
	return err
}

// HasDemo reports whether the account has a demo.
func HasDemo(ctx context.Context, tx *postgres.Tx) (bool, error) {
	has, err := rows.One[struct{ Yes bool }](ctx, tx, "demo", `select exists (select from connections where demo <> '') as yes`)
	return has.Yes, err
}

// SwitchDemo says whether a demo's write app is to be active. Another org's is NotFound.
func SwitchDemo(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, on bool) error {
	return rows.Must(ctx, tx, missing(), `update connections set demo_app = $2 where id = as_uuid($1) and demo <> ''`, id, on)
}
