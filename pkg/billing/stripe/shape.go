package stripe

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	stripego "github.com/stripe/stripe-go/v76"

	"imago/pkg/billing"
	"imago/pkg/problem"
)

// states are Stripe's words in ours. What is incomplete was never paid for.
// https://docs.stripe.com/api/subscriptions/object#subscription_object-status
var states = map[stripego.SubscriptionStatus]billing.State{
	stripego.SubscriptionStatusTrialing: billing.Trialing, stripego.SubscriptionStatusActive: billing.Active,
	stripego.SubscriptionStatusPastDue: billing.PastDue, stripego.SubscriptionStatusUnpaid: billing.Unpaid,
	stripego.SubscriptionStatusPaused: billing.Paused, stripego.SubscriptionStatusCanceled: billing.Cancelled,
}

// ranked is a subscription, and when it was made.
type ranked struct {
	billing.Subscription
	created int64
}

// rank reads a subscription.
func (p *Processor) rank(s *stripego.Subscription) ranked {
	r := ranked{created: s.Created}
	r.ID, r.State, r.Plan = s.ID, states[s.Status], p.plan(s)
	r.PeriodEnds, r.EndsAt, r.Ended = moment(s.CurrentPeriodEnd), moment(s.CancelAt), moment(s.EndedAt)
	if s.CancelAtPeriodEnd && r.EndsAt.IsZero() {
		r.EndsAt = r.PeriodEnds
	}
	return r
}

// plan is the best plan that a subscription has a price of; one that is sold under a
// price that we do not know is none.
func (p *Processor) plan(s *stripego.Subscription) billing.Plan {
	if s.Items == nil {
		return ""
	}
	for _, plan := range slices.Backward(billing.Plans()) {
		has := func(i *stripego.SubscriptionItem) bool { return i.Price != nil && i.Price.ID == p.prices[plan] }
		if plan.Sold() && slices.ContainsFunc(s.Items.Data, has) {
			return plan
		}
	}
	return ""
}

// compare orders subscriptions by how much they count.
func compare(a, b ranked) int {
	return cmp.Or(
		cmp.Compare(weight(a.State), weight(b.State)),
		cmp.Compare(slices.Index(billing.Plans(), a.Plan), slices.Index(billing.Plans(), b.Plan)),
		cmp.Compare(a.created, b.created))
}

// weight tells what is paid for from what is not, and that from what has ended.
func weight(s billing.State) int {
	switch s {
	case billing.Active, billing.Trialing:
		return 3
	case billing.PastDue, billing.Unpaid:
		return 2
	case billing.Paused:
		return 1
	}
	return 0
}

// moment reads Stripe's seconds; 0 is no moment.
func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// told turns an error into a problem. Stripe's sentences may repeat what was sent, and
// stay behind with all but their codes.
func told(what string, err error) error {
	e, ok := errors.AsType[*stripego.Error](err)
	if !ok {
		return problem.New(problem.Unavailable, "Stripe does not answer").WithHint("try again in a minute").Because(fmt.Errorf("%s: %w", what, err))
	}
	cause := fmt.Errorf("%s: stripe answer %d, %s %s, param %q, request %s", what, e.HTTPStatusCode, e.Type, e.Code, e.Param, e.RequestID)
	switch {
	case e.HTTPStatusCode == http.StatusTooManyRequests, e.HTTPStatusCode >= 500, e.HTTPStatusCode == http.StatusConflict:
		return problem.New(problem.Unavailable, "Stripe does not work at the moment").WithHint("try again in a minute").Because(cause)
	}
	return cause
}
