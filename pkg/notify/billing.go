package notify

import "time"

// PaymentFailed tells that a payment failed, before anything is limited.
type PaymentFailed struct {
	Account Text
	Plan    string    // its title
	Until   time.Time // when the plan's limits shrink
}

func (PaymentFailed) template() string { return "payment_failed" }

func (PaymentFailed) subject() string { return "[Imago] A payment failed" }

// SubscriptionEnded tells that nothing is paid for any more.
type SubscriptionEnded struct {
	Account Text
	Plan    string    // the title of what it was for
	Ended   time.Time // zero: unknown
	Kept    time.Time // until when older snapshots are kept; zero: they are not
	Days    int       // for how long snapshots are kept from then on
}

func (SubscriptionEnded) template() string { return "subscription_ended" }

func (SubscriptionEnded) subject() string { return "[Imago] Your subscription has ended" }
