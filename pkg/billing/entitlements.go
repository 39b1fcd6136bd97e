package billing

import (
	"time"
)

// How long things last.
const (
	Trial = 14 * day // of TrialPlan, from when the account was made
	Grace = 14 * day // from a failed payment, until the plan's limits shrink
	Kept  = 30 * day // from a downgrade, until what the better plan kept is forgotten
)

// TrialPlan is what the trial tries.
const TrialPlan = Standard

// Warning says what somebody should see to.
type Warning string

// The warnings, each with its moment in Entitled.Until.
const (
	Quiet         Warning = ""
	TrialEnds     Warning = "trial_ends"     // the trial ends then
	PaymentFailed Warning = "payment_failed" // the plan is limited then
	Limited       Warning = "limited"        // a payment failed too long ago; Until is when older data is forgotten
	Ends          Warning = "ends"           // the subscription ends then, as somebody wished
	DataExpires   Warning = "data_expires"   // what only the better plan kept is forgotten then
)

// Entitled is what an account may have.
type Entitled struct {
	Plan   Plan   // whose limits hold for what is made now
	Limits Limits // of the plan
	// Retention is how long snapshots are kept: longer than the plan says for 30 days
	// after a downgrade. Zero: for ever.
	Retention time.Duration
	Warning   Warning
	Until     time.Time // when what is warned of happens
}

// Entitlements says what a subscription allows at a moment. It is pure, and never about
// restores: those are not limited by anything.
func Entitlements(s Subscription, now time.Time) Entitled {
	e := Entitled{Plan: s.plan(now)}
	e.Limits = e.Plan.Limits()
	e.Retention = e.Limits.Retention
	kept := time.Time{}
	for _, p := range s.past() {
		ends := p.until.Add(Kept)
		if now.Before(ends) && longer(p.plan.Limits().Retention, e.Limits.Retention) {
			e.Retention = longest(e.Retention, p.plan.Limits().Retention)
			kept = latest(kept, ends)
		}
	}
	e.Warning, e.Until = s.warning(now, kept)
	return e
}

// plan is whose limits hold: of the trial or of what is paid for, the better.
func (s Subscription) plan(now time.Time) Plan {
	if s.Plan == SelfHosted {
		return SelfHosted
	}
	if now.Before(s.TrialEnds) {
		return best(TrialPlan, s.paid(now))
	}
	return s.paid(now)
}

// paid is the plan that the subscription itself gives.
func (s Subscription) paid(now time.Time) Plan {
	switch {
	case s.State == Active || s.State == Trialing, s.failing() && now.Before(s.FailedSince.Add(Grace)):
		return best(Free, s.Plan)
	}
	return Free
}

// failing reports whether a payment is due.
func (s Subscription) failing() bool { return s.State == PastDue || s.State == Unpaid }

// had is a plan that held until a moment, which may be still to come.
type had struct {
	plan  Plan
	until time.Time
}

// past lists the plans whose end is known.
func (s Subscription) past() []had {
	all := []had{{TrialPlan, s.TrialEnds}, {s.Better, s.BetterUntil}}
	if s.failing() {
		all = append(all, had{s.Plan, s.FailedSince.Add(Grace)})
	}
	if s.State == Cancelled {
		all = append(all, had{s.Plan, s.Ended})
	}
	return all
}

// warning says what is most worth seeing to.
func (s Subscription) warning(now, kept time.Time) (Warning, time.Time) {
	limited := s.FailedSince.Add(Grace)
	switch {
	case s.Plan == SelfHosted:
		return Quiet, time.Time{}
	case s.failing() && now.Before(limited):
		return PaymentFailed, limited
	case s.failing():
		return Limited, kept
	case (s.State == Active || s.State == Trialing) && !s.EndsAt.IsZero():
		return Ends, s.EndsAt
	case now.Before(s.TrialEnds) && s.paid(now) == Free:
		return TrialEnds, s.TrialEnds
	case !kept.IsZero():
		return DataExpires, kept
	}
	return Quiet, time.Time{}
}

// Becomes is what the subscription becomes when the processor says that it is as fetched
// now: what we remember goes on. One that the processor knows no more has ended, so that
// its data is kept as after any other end.
func (s Subscription) Becomes(fetched Subscription, now time.Time) Subscription {
	next := fetched
	if next.State == None && s.State != None {
		next = s
		next.State, next.EndsAt = Cancelled, time.Time{}
		if next.Ended.IsZero() {
			next.Ended = now
		}
	}
	next.TrialEnds, next.FailedSince = s.TrialEnds, time.Time{}
	next.Better, next.BetterUntil = s.Better, s.BetterUntil
	if next.failing() {
		next.FailedSince = now
		if s.failing() && s.ID == next.ID {
			next.FailedSince = s.FailedSince
		}
	}
	left := s.paid(now)
	kept := now.Before(s.BetterUntil.Add(Kept)) && s.Better.rank() > left.rank()
	if left.rank() > next.paid(now).rank() && !kept {
		next.Better, next.BetterUntil = left, now
	}
	return next
}

// longer reports whether a lasts longer than b; zero is for ever.
func longer(a, b time.Duration) bool { return b != 0 && (a == 0 || a > b) }

func longest(a, b time.Duration) time.Duration {
	if longer(b, a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
