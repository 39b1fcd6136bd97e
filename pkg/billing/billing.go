// Package billing says what an account may have by what it pays for: the table of
// plans, the pure function Entitlements, and the door to whoever takes the money.
// Every implementation of Processor passes billingtest.
package billing

import (
	"context"
	"time"

	"imago/pkg/account"
)

// Processor takes the money. It keeps cards and invoices; we keep which customer of its
// is which account, and ask it for the rest.
type Processor interface {
	// Customer makes the account's customer. The same account MUST get the same customer
	// when the call is repeated within a day.
	Customer(ctx context.Context, id account.ID) (customer string, err error)
	// Checkout gives the address of a page on which the customer subscribes to a plan.
	Checkout(ctx context.Context, c Checkout) (url string, err error)
	// Portal gives the address of a page on which the customer changes card and plan,
	// reads invoices and cancels.
	Portal(ctx context.Context, customer, returnTo string) (url string, err error)
	// Subscription asks how the customer's subscription stands now: of several, the one
	// that gives the most. A customer that never subscribed has the zero Subscription.
	Subscription(ctx context.Context, customer string) (Subscription, error)
	// Event reads a notification. One that the processor did not sign, or signed more
	// than five minutes ago, MUST be a problem of kind Denied. What it says of the
	// subscription is not believed: ask Subscription.
	Event(payload []byte, signature string) (Event, error)
}

// Checkout is what a customer is about to subscribe to.
type Checkout struct {
	Account  account.ID
	Customer string
	Plan     Plan
	// TrialEnds is when the account's trial ends: nothing is charged before. A processor
	// may charge at once when little is left of it.
	TrialEnds time.Time
	Done      string // address to come back to after it
	Cancelled string // address to come back to without it
}

// Event is a notification that something changed at the processor.
type Event struct {
	ID       string // the same when it is sent again
	Type     string
	Customer string // whom it is about; "" if nobody
}

// State is how a subscription stands.
type State string

// The states. A first payment that is not made yet is none.
const (
	None      State = ""
	Trialing  State = "trialing"
	Active    State = "active"
	PastDue   State = "past_due" // a payment failed, and is tried again
	Unpaid    State = "unpaid"   // a payment failed for good
	Paused    State = "paused"
	Cancelled State = "cancelled"
)

// Subscription is what an account pays for: what the processor says of it, and what we
// remember besides.
type Subscription struct {
	ID         string // the processor's; "" for none
	Plan       Plan
	State      State
	PeriodEnds time.Time // to which it is paid for
	EndsAt     time.Time // when it will end because somebody cancelled it; zero: it goes on
	Ended      time.Time // when it ended; zero: it did not

	// TrialEnds is when the account's trial without a card ends.
	TrialEnds time.Time
	// FailedSince is when we learned that a payment failed; zero: none did.
	FailedSince time.Time
	// Better is a plan that was left for a lesser one, and BetterUntil when that was.
	Better      Plan
	BetterUntil time.Time
}

// Live reports whether there is a subscription that has not ended: another one beside it
// would be paid for twice.
func (s Subscription) Live() bool { return s.State != None && s.State != Cancelled }
