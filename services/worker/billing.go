package worker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/subscriptions"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
)

// applyBilling asks how the account's subscription stands and stores that. What order the
// notifications came in is all the same: each has it asked anew, and of two who ask at the
// same time the one who stores last asks again.
func (s *Service) applyBilling(ctx context.Context, u work.Unit, a job.ApplyBilling) (work.End, error) {
	if s.Billing == nil {
		return work.Done(outcome("nothing is sold here")), nil
	}
	ring, err := s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID))
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	was, err := s.subscription(ctx, u)
	if err != nil {
		return work.End{}, err
	}
	if err := s.tellTrial(ctx, u, was.Subscription); err != nil {
		return work.End{}, err
	}
	if was.Customer == "" {
		return work.Done(outcome("no customer")), nil
	}
	fetched, err := s.Billing.Subscription(ctx, was.Customer)
	if err != nil {
		return work.End{}, fmt.Errorf("ask for the subscription of account %s: %w", a.AccountID, err)
	}
	next := was
	next.Subscription = was.Becomes(fetched, s.Now())
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error { return s.storeBilling(ctx, tx, u, ring, was, next) })
	if problem.Is(err, problem.Stale) {
		return work.Again(0, outcome("asked too early")), nil
	}
	if err != nil {
		return work.End{}, fmt.Errorf("store the subscription of account %s: %w", a.AccountID, err)
	}
	return work.Done(outcome(string(next.State))), nil
}

// How often it is looked how accounts stand, without being told of anything, and how long
// before the trial ends that is said; after so long it is too late to say that it has.
const (
	lookEvery = 6 * time.Hour
	around    = 3 * 24 * time.Hour
)

// lookAtBilling has the processor asked about accounts that pay, and those told whose trial
// ends.
func (s *Service) lookAtBilling(ctx context.Context, u work.Unit) (n int, err error) {
	if s.Billing == nil {
		return 0, nil
	}
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		if err := subscriptions.BeginSelling(ctx, tx, s.Now()); err != nil {
			return err
		}
		claimed, err := subscriptions.ClaimLooks(ctx, tx, s.Now(), lookEvery, around, batch)
		n = len(claimed)
		for _, id := range claimed {
			if err != nil {
				break
			}
			err = tx.Enqueue(ctx, job.ApplyBilling{AccountID: string(id)})
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look at billing: %w", err)
	}
	return n, nil
}

// tellTrial tells that the trial ends, and that it has ended, once each, unless there is a
// subscription that goes on.
func (s *Service) tellTrial(ctx context.Context, u work.Unit, sub billing.Subscription) error {
	kind := trialNews(sub, s.Now())
	if kind == "" {
		return nil
	}
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		_, err := messages.Queue(ctx, tx, kind, string(tx.Account()))
		return err
	})
	if err != nil {
		return fmt.Errorf("tell of the trial: %w", err)
	}
	return nil
}

// trialNews is what there is to tell of a trial at a moment; "" for nothing.
func trialNews(s billing.Subscription, now time.Time) messages.Kind {
	left := s.TrialEnds.Sub(now)
	switch {
	case s.Live() || left > around || left < -around:
		return ""
	case left > 0:
		return messages.TrialEndsSoon
	}
	return messages.TrialEnded
}

// subscription reads the account's subscription.
func (s *Service) subscription(ctx context.Context, u work.Unit) (out subscriptions.Subscription, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		out, err = subscriptions.Get(ctx, tx)
		return err
	})
	return out, err
}

// storeBilling stores a subscription, and tells of what has changed.
func (s *Service) storeBilling(ctx context.Context, tx *postgres.Tx, u work.Unit, ring *envelope.Keyring, was, next subscriptions.Subscription) error {
	mail := news(was.Subscription, next.Subscription)
	subject, err := uuid.NewV7()
	if err != nil {
		return err
	}
	if mail == messages.PaymentFailed || mail == messages.SubscriptionEnded {
		next.WarningID = subject.String()
	}
	if err := subscriptions.Put(ctx, tx, next); err != nil {
		return err
	}
	if err := s.hasten(ctx, tx, was.Subscription, next.Subscription); err != nil {
		return err
	}
	if mail != "" {
		if _, err := messages.Queue(ctx, tx, mail, subject.String()); err != nil {
			return err
		}
	}
	before, now := standing(was.Subscription), standing(next.Subscription)
	if before == now {
		return nil
	}
	return u.Record(ctx, tx, ring, work.Event{At: s.Now(), Action: "change_subscription", TargetType: "account",
		TargetID: string(tx.Account()), Detail: "from " + before + " to " + now})
}

// hasten has schedules that a lesser plan held back run as soon as the better one lets them.
func (s *Service) hasten(ctx context.Context, tx *postgres.Tx, was, now billing.Subscription) error {
	at := s.Now()
	e := billing.Entitlements(now, at)
	if e.Limits.Every >= billing.Entitlements(was, at).Limits.Every {
		return nil
	}
	enabled, err := schedules.Enabled(ctx, tx)
	if err != nil {
		return err
	}
	for _, d := range enabled {
		var ran time.Time
		if d.LastRunAt != nil {
			ran = *d.LastRunAt
		}
		next, err := nextRun(d.Cron, d.TimeZone, ran, at, e)
		if err != nil { // the tick tells of it when the time comes
			s.Log.ErrorContext(ctx, "schedule cannot be read", "connection", d.ConnectionID, "error", err)
			continue
		}
		if err := schedules.Hasten(ctx, tx, d.ConnectionID, next); err != nil {
			return err
		}
	}
	return nil
}

// news is what a change is worth a mail for; "" if it is not.
func news(was, next billing.Subscription) messages.Kind {
	switch {
	case !next.FailedSince.IsZero() && !next.FailedSince.Equal(was.FailedSince):
		return messages.PaymentFailed
	case next.State == billing.Cancelled && was.State != billing.None && (was.State != next.State || was.ID != next.ID):
		return messages.SubscriptionEnded
	case next.Live() && !next.EndsAt.IsZero() && (was.EndsAt.IsZero() || was.ID != next.ID):
		return messages.SubscriptionEnds
	}
	return ""
}

// standing is a subscription for a sentence.
func standing(s billing.Subscription) string {
	if s.State == billing.None {
		return "no subscription"
	}
	out := s.Plan.Title() + ", " + strings.ReplaceAll(string(s.State), "_", " ")
	if !s.EndsAt.IsZero() {
		out += ", ends " + s.EndsAt.UTC().Format("2006-01-02")
	}
	return out
}

// payer is an account, for mail about what it pays for.
type payer struct {
	subscriptions.Subscription
	name notify.Text
}

func readPayer(ctx context.Context, tx *postgres.Tx) (p payer, err error) {
	if p.Subscription, err = subscriptions.Get(ctx, tx); err != nil {
		return p, err
	}
	name, err := accounts.Name(ctx, tx)
	p.name = notify.Text(name)
	return p, err
}

// mail is what the payer is told.
func (p payer) mail(kind messages.Kind) notify.Mail {
	if kind == messages.TrialEndsSoon || kind == messages.TrialEnded {
		return p.trial(kind)
	}
	if kind == messages.PaymentFailed {
		return notify.PaymentFailed{Payer: notify.Payer{Account: p.name}, Plan: p.Plan.Title(), Until: p.FailedSince.Add(billing.Grace)}
	}
	if kind == messages.SubscriptionEnds {
		return notify.SubscriptionEnds{Payer: notify.Payer{Account: p.name}, Plan: p.Plan.Title(), Ends: p.EndsAt}
	}
	out := notify.SubscriptionEnded{Payer: notify.Payer{Account: p.name}, Plan: p.Plan.Title(), Ended: p.Ended}
	if e := billing.Entitlements(p.Subscription.Subscription, p.Ended); e.Warning == billing.DataExpires {
		out.Kept, out.Days = e.Until, int(e.Limits.Retention/(24*time.Hour))
	}
	return out
}

// trial is what is told of the trial.
func (p payer) trial(kind messages.Kind) notify.Mail {
	limits := billing.Free.Limits()
	return notify.TrialEnds{
		Payer: notify.Payer{Account: p.name}, Plan: billing.TrialPlan.Title(), Ends: p.TrialEnds, Over: kind == messages.TrialEnded,
		Kept: p.TrialEnds.Add(billing.Kept), Days: int(limits.Retention / (24 * time.Hour)),
	}
}
