package worker

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/postgres"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/subscriptions"
)

// pays is what the accounts of connections pay for. Where nothing is sold, nothing is limited.
func (s *Service) pays(ctx context.Context, tx *postgres.Tx, ids []account.ConnectionID) (map[account.ConnectionID]billing.Subscription, error) {
	if s.Billing != nil {
		return subscriptions.OfConnections(ctx, tx, ids)
	}
	out := map[account.ConnectionID]billing.Subscription{}
	for _, id := range ids {
		out[id] = billing.Subscription{Plan: billing.SelfHosted}
	}
	return out, nil
}

// nextRun is when a schedule comes next after a moment. One that comes more often than the
// account's plan has it, because it was made under a better one, comes as often as that,
// counted from its last run. (A schedule that the plan has comes when it says, also where a
// changed clock makes a day shorter.)
func nextRun(expression, timeZone string, last, after time.Time, e billing.Entitled) (time.Time, error) {
	gap, err := schedules.Gap(expression, after)
	if err != nil {
		return time.Time{}, err
	}
	if soonest := last.Add(e.Limits.Every - time.Nanosecond); e.AllowEvery(gap) != nil && soonest.After(after) {
		after = soonest
	}
	return schedules.Next(expression, timeZone, after)
}
