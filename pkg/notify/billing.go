package notify

import "time"

// Payer is whom a mail about what is paid for goes to.
type Payer struct {
	Account Text
}

func (p Payer) foot() Foot {
	return Foot{Why: "Imago sends this because you are an owner or admin of " + p.Account.String() + "."}
}

// Page is where plans are chosen.
func (Payer) Page() string { return "/billing" }

// PaymentFailed tells that a payment failed, before anything is limited.
type PaymentFailed struct {
	Payer
	Plan  string    // its title
	Until time.Time // when the plan's limits shrink
}

func (PaymentFailed) template() string { return "payment_failed" }

func (PaymentFailed) subject() string { return "[Imago] A payment failed" }

// SubscriptionEnds tells that somebody set the subscription to end.
type SubscriptionEnds struct {
	Payer
	Plan string // its title
	Ends time.Time
}

func (SubscriptionEnds) template() string { return "subscription_ends" }

func (s SubscriptionEnds) subject() string {
	return "[Imago] Your subscription ends on " + shownDay(s.Ends)
}

// SubscriptionEnded tells that nothing is paid for any more.
type SubscriptionEnded struct {
	Payer
	Plan  string    // the title of what it was for
	Ended time.Time // zero: unknown
	Kept  time.Time // until when older snapshots are kept; zero: they are not
	Days  int       // for how long snapshots are kept from then on
}

func (SubscriptionEnded) template() string { return "subscription_ended" }

func (SubscriptionEnded) subject() string { return "[Imago] Your subscription has ended" }

// TrialEnds tells that the trial will end soon, or that it is over.
type TrialEnds struct {
	Payer
	Plan string // the title of what is tried
	Ends time.Time
	Over bool
	Kept time.Time // once it is over: until when older snapshots are kept
	Days int       // for how long snapshots are kept from then on
}

func (TrialEnds) template() string { return "trial_ends" }

func (t TrialEnds) subject() string {
	if t.Over {
		return "[Imago] Your trial has ended"
	}
	return "[Imago] Your trial ends on " + shownDay(t.Ends)
}
