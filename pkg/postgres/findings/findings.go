// Package findings keeps what drift found, each thing once. What happened, who did it
// and from where are sealed.
package findings

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/resource"
)

// The states of a finding. Whatever is not open, somebody has settled; a snoozed one
// opens again by itself.
const (
	Open         = "open"
	Acknowledged = "acknowledged"
	Accepted     = "accepted"
	Snoozed      = "snoozed"
	Resolved     = "resolved"
)

// States lists them.
func States() []string { return []string{Open, Acknowledged, Accepted, Snoozed, Resolved} }

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
	State        string
	ResolvedBy   *account.UserID // who settled it; nil: nobody, or Imago itself
	ResolvedAt   *time.Time
	SnoozedUntil *time.Time
	SnapshotID   *string  // which holds the resource as it was; nil: none does
	Actors       []string // keyed digests of how who did it is called
}

const columns = `id, account_id, connection_id, rule, severity, dedup_key, resource_type, sealed, event_time, found_at,
	state, resolved_by, resolved_at, snoozed_until, snapshot_id, actors`

// Add stores a finding, once: ConnectionID, Rule, Severity, DedupKey, ResourceType,
// Sealed, EventTime, SnapshotID and Actors are taken from f. added is false when it is there already;
// enqueue no mail then.
func Add(ctx context.Context, tx *postgres.Tx, f Finding) (id string, added bool, err error) {
	made, added, err := rows.Maybe[struct{ ID string }](ctx, tx, `
		insert into findings (account_id, connection_id, rule, severity, dedup_key, resource_type, sealed, event_time, actors, snapshot_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		on conflict (account_id, connection_id, dedup_key) do nothing
		returning id`, tx.Account(), f.ConnectionID, f.Rule, f.Severity, f.DedupKey, f.ResourceType, f.Sealed, f.EventTime, orNone(f.Actors), f.SnapshotID)
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

// orNone keeps an empty list from being null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Filter says which findings are listed; what is empty asks for nothing.
type Filter struct {
	Connection account.ConnectionID
	States     []string
	Severities []string
	Types      []string
	Actor      string // a keyed digest, as in Finding.Actors
	Since      *time.Time
	Until      *time.Time // what was found at this moment is left out
}

// List lists findings, newest first.
func List(ctx context.Context, tx *postgres.Tx, f Filter, p postgres.Page) ([]Finding, error) {
	return rows.All[Finding](ctx, tx, `select `+columns+` from findings
		where ($1::uuid is null or connection_id = $1) and ($2::uuid is null or id < $2)
			and (cardinality($4::text[]) = 0 or state = any ($4))
			and (cardinality($5::text[]) = 0 or severity = any ($5))
			and (cardinality($6::text[]) = 0 or resource_type = any ($6))
			and ($7::text is null or $7 = any (actors))
			and ($8::timestamptz is null or found_at >= $8)
			and ($9::timestamptz is null or found_at < $9)
		order by id desc limit $3`, rows.Null(f.Connection), rows.Null(p.Before), p.Most(),
		orNone(f.States), orNone(f.Severities), orNone(f.Types), rows.Null(f.Actor), f.Since, f.Until)
}

// About lists a connection's findings about a type, newest event first.
func About(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, t resource.Type) ([]Finding, error) {
	return rows.All[Finding](ctx, tx, `select `+columns+` from findings
		where connection_id = as_uuid($1) and resource_type = $2 order by event_time desc, id desc limit 1000`, id, t)
}

// Severity counts the open findings of one severity.
type Severity struct {
	Severity string
	Open     int64
}

// BySeverity counts a connection's open findings; a severity that has none is left out.
func BySeverity(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) ([]Severity, error) {
	return rows.All[Severity](ctx, tx, `select severity, count(*) as open from findings
		where connection_id = as_uuid($1) and state = 'open' group by severity`, id)
}

// CountOpen counts a connection's findings that nobody has settled.
func CountOpen(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (int64, error) {
	c, err := rows.One[struct{ Open int64 }](ctx, tx, "connection",
		`select count(*) as open from findings where connection_id = as_uuid($1) and state = 'open'`, id)
	return c.Open, err
}
