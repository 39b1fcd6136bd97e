// Package subscriptions keeps which customer of the payment processor an account is, what
// it subscribes to, and which notifications were heard, each once.
package subscriptions

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Subscription is an account's, as the processor last told it.
type Subscription struct {
	billing.Subscription
	Customer  string // the processor's; "" until somebody went to buy
	WarningID string // the subject of the last mail about it; "": none
	revision  int64
}

// row is a subscription as it is stored.
type row struct {
	CustomerID, SubscriptionID, Plan, State, Better, WarningID           string
	PeriodEndsAt, EndsAt, EndedAt, FailedSince, BetterUntil, TrialEndsAt *time.Time
	Revision                                                             int64
}

// Get reads the current account's subscription. One that never bought anything has its
// trial and no more.
func Get(ctx context.Context, tx *postgres.Tx) (Subscription, error) {
	r, err := rows.One[row](ctx, tx, "account", `select `+columns+`
		from accounts a left join subscriptions s on s.account_id = a.id`, billing.Trial.Seconds())
	return r.subscription(), err
}

// Joined reads the subscription of an account that somebody has joined in this very
// transaction, whoever they are, and how many members it has with them; none: nobody has.
func Joined(ctx context.Context, tx *postgres.Tx, id account.ID) (Subscription, int, error) {
	r, _, err := rows.Maybe[struct {
		row
		Members int
	}](ctx, tx, `select `+columns+`, a.members
		from joined_account($2) a cross join lateral (select (a.subscription).*) s`, billing.Trial.Seconds(), id)
	return r.subscription(), r.Members, err
}

// OfConnections reads what the accounts of connections pay for: for a running run_schedules
// job. A connection that is gone is not among them.
func OfConnections(ctx context.Context, tx *postgres.Tx, ids []account.ConnectionID) (map[account.ConnectionID]billing.Subscription, error) {
	all, err := rows.All[struct {
		row
		ConnectionID account.ConnectionID
	}](ctx, tx, `select `+columns+`, a.connection_id
		from subscriptions_of($2::uuid[]) a cross join lateral (select (a.subscription).*) s`, billing.Trial.Seconds(), ids)
	out := map[account.ConnectionID]billing.Subscription{}
	for _, r := range all {
		out[r.ConnectionID] = r.subscription().Subscription
	}
	return out, err
}

// columns of a row, from an account a and its subscription s; $1 is the trial in seconds.
const columns = `coalesce(s.customer_id, '') as customer_id, coalesce(s.subscription_id, '') as subscription_id,
	coalesce(s.plan, '') as plan, coalesce(s.state, '') as state, coalesce(s.better, '') as better,
	coalesce(s.warning_id::text, '') as warning_id, s.period_ends_at, s.ends_at, s.ended_at, s.failed_since,
	s.better_until, trial_begins(a.created_at) + make_interval(secs => $1) as trial_ends_at, coalesce(s.revision, 0) as revision`

func (r row) subscription() Subscription {
	return Subscription{Customer: r.CustomerID, WarningID: r.WarningID, revision: r.Revision, Subscription: billing.Subscription{
		ID: r.SubscriptionID, Plan: billing.Plan(r.Plan), State: billing.State(r.State), PeriodEnds: moment(r.PeriodEndsAt),
		EndsAt: moment(r.EndsAt), Ended: moment(r.EndedAt), TrialEnds: moment(r.TrialEndsAt), FailedSince: moment(r.FailedSince),
		Better: billing.Plan(r.Better), BetterUntil: moment(r.BetterUntil),
	}}
}

// Usage is what an account has of what is limited; a demo org is not.
type Usage struct{ Connections, Members, Invited int }

// Use counts what the account has.
func Use(ctx context.Context, tx *postgres.Tx) (Usage, error) {
	return rows.One[Usage](ctx, tx, "account", `
		select (select count(*) from connections where demo = '')::int as connections, (select count(*) from members)::int as members,
			(select count(*) from invitations where accepted_at is null and revoked_at is null and expires_at > now())::int as invited`)
}

// Hold keeps others who make what is limited waiting until the transaction ends, so that
// two of them do not both take the last place.
func Hold(ctx context.Context, tx *postgres.Tx) error {
	_, err := rows.Exec(ctx, tx, `select pg_advisory_xact_lock(7304, hashtext($1))`, tx.Account())
	return err
}

// SetCustomer says which customer the account is, unless it is one already, and answers
// which it is: for imago_api.
func SetCustomer(ctx context.Context, tx *postgres.Tx, customer string) (string, error) {
	_, err := rows.Exec(ctx, tx, `
		insert into subscriptions (account_id, customer_id) values ($1, $2)
		on conflict on constraint subscriptions_pkey do nothing`, tx.Account(), customer)
	if err != nil {
		return "", err
	}
	s, err := Get(ctx, tx)
	return s.Customer, err
}

// Put writes a subscription: for imago_worker. Stale: somebody else wrote since it was
// read, who may have asked the processor later; read and ask again.
func Put(ctx context.Context, tx *postgres.Tx, s Subscription) error {
	return rows.Must(ctx, tx, problem.New(problem.Stale, "the subscription was written by another job"), `
		update subscriptions set subscription_id = $1, plan = $2, state = $3, period_ends_at = $4, ends_at = $5, ended_at = $6,
			failed_since = $7, better = $8, better_until = $9, warning_id = as_uuid($10), revision = revision + 1, updated_at = now()
		where revision = $11`,
		s.ID, s.Plan, s.State, null(s.PeriodEnds), null(s.EndsAt), null(s.Ended),
		null(s.FailedSince), s.Better, null(s.BetterUntil), rows.Null(s.WarningID), s.revision)
}

// Note notes a notification, and enqueues the job that asks the processor what is so: for
// imago_api as postgres.Nobody. It answers false, and does nothing, for one that was noted
// before, and for a customer that is no account's.
func Note(ctx context.Context, tx *postgres.Tx, e billing.Event) (bool, error) {
	noted, ok, err := rows.Maybe[struct{ ID, AccountID string }](ctx, tx,
		`select id, account_id from note_billing_event($1, $2, $3)`, e.ID, e.Type, e.Customer)
	if err != nil || !ok {
		return false, err
	}
	if err := tx.ForEvent(ctx, rows.Key{}, noted.ID); err != nil {
		return false, err
	}
	return true, tx.Enqueue(ctx, job.ApplyBilling{AccountID: noted.AccountID})
}

// ClaimLooks gives the accounts that pay, or whose trial ends within around from now or
// did, each once in every: for a running run_schedules job, which enqueues ApplyBilling.
func ClaimLooks(ctx context.Context, tx *postgres.Tx, now time.Time, every, around time.Duration, most int) ([]account.ID, error) {
	all, err := rows.All[struct{ AccountID account.ID }](ctx, tx,
		`select account_id from claim_billing_looks($1, $2, $3, $4, $5)`, now, every, billing.Trial, around, most)
	var out []account.ID
	for _, a := range all {
		out = append(out, a.AccountID)
	}
	return out, err
}

// BeginSelling says that this installation sells plans, from a moment on, unless it did
// before: for a running run_schedules job. No account's trial began before it.
func BeginSelling(ctx context.Context, tx *postgres.Tx, now time.Time) error {
	_, err := rows.Exec(ctx, tx, `select begin_selling($1)`, now)
	return err
}

// moment reads a time that may be null as the zero time.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// null makes the zero time null.
func null(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
