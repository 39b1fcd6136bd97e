// Package findings keeps what drift found, each thing once. What happened, who did it
// and from where are sealed.
package findings

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
	"imago/pkg/resource"
)

// Resolved is the state of a finding that somebody has seen to.
const Resolved = "resolved"

// Finding is one row.
type Finding struct {
	ID           string
	AccountID    account.ID
	ConnectionID account.ConnectionID
	Rule         string
	Severity     string // low, medium, high, critical
	DedupKey     string // keyed digest of what was found; unique in a connection
	ResourceType resource.Type
	Sealed       []byte // drift.Finding as JSON, under the account's key
	EventTime    time.Time
	FoundAt      time.Time
	State        string // open, acknowledged, accepted, resolved
	ResolvedBy   *account.UserID
	ResolvedAt   *time.Time
}

const columns = `id, account_id, connection_id, rule, severity, dedup_key, resource_type, sealed, event_time, found_at,
	state, resolved_by, resolved_at`

// Add stores a finding, once: ConnectionID, Rule, Severity, DedupKey, ResourceType,
// Sealed and EventTime are taken from f. added is false when it is there already;
// enqueue no mail then.
func Add(ctx context.Context, tx *postgres.Tx, f Finding) (id string, added bool, err error) {
	made, added, err := rows.Maybe[struct{ ID string }](ctx, tx, `
		insert into findings (account_id, connection_id, rule, severity, dedup_key, resource_type, sealed, event_time)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (account_id, connection_id, dedup_key) do nothing
		returning id`, tx.Account(), f.ConnectionID, f.Rule, f.Severity, f.DedupKey, f.ResourceType, f.Sealed, f.EventTime)
	return made.ID, added, err
}

// Get reads a finding.
func Get(ctx context.Context, tx *postgres.Tx, id string) (Finding, error) {
	return rows.One[Finding](ctx, tx, "finding", `select `+columns+` from findings where id = as_uuid($1)`, id)
}

// Together reads a finding and those that the same look at the org found, in the order
// in which they were stored.
func Together(ctx context.Context, tx *postgres.Tx, id string) ([]Finding, error) {
	return rows.All[Finding](ctx, tx, `select `+columns+` from findings
		where (connection_id, found_at) in (select f.connection_id, f.found_at from findings f where f.id = as_uuid($1))
		order by id`, id)
}

// List lists findings, newest first; of one connection, or of all ("").
func List(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p postgres.Page) ([]Finding, error) {
	return rows.All[Finding](ctx, tx, `select `+columns+` from findings
		where ($1::uuid is null or connection_id = $1) and ($2::uuid is null or id < $2)
		order by id desc limit $3`, rows.Null(id), rows.Null(p.Before), p.Most())
}

// Open counts a connection's findings that nobody has settled.
func Open(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (int64, error) {
	c, err := rows.One[struct{ Open int64 }](ctx, tx, "connection",
		`select count(*) as open from findings where connection_id = as_uuid($1) and state = 'open'`, id)
	return c.Open, err
}

// Resolve sets a finding's state, in the name of whoever is signed in; "open" opens it
// again.
func Resolve(ctx context.Context, tx *postgres.Tx, id, state string) error {
	return rows.Must(ctx, tx, problem.New(problem.NotFound, "there is no such finding"), `
		update findings set state = $2,
			resolved_by = case $2 when 'open' then null else current_user_id() end,
			resolved_at = case $2 when 'open' then null else now() end
		where id = as_uuid($1)`, id, state)
}
