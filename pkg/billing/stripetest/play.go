package stripetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Pay completes the Checkout Session at a URL: a subscription begins.
func (s *Stripe) Pay(address string) (subscription string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.sessions[address[strings.LastIndexByte(address, '/')+1:]]
	if session == nil || session["status"] != "open" {
		return "", fmt.Errorf("there is no open checkout at %s", address)
	}
	session["status"] = "complete"
	sub := object{
		"id": s.id("sub"), "object": "subscription", "customer": session["customer"], "status": "active",
		"created": time.Now().Unix() + int64(s.n), "current_period_end": time.Now().Add(30 * 24 * time.Hour).Unix(),
		"cancel_at_period_end": false, "items": items(session["price"].(string)),
	}
	if session["trial_end"] != "" {
		sub["status"] = "trialing"
	}
	s.subscriptions = append(s.subscriptions, sub)
	s.changed(sub, "checkout.session.completed", "customer.subscription.created", "invoice.paid")
	return sub["id"].(string), nil
}

func items(price string) object {
	return object{"object": "list", "data": []object{{"id": "si_1", "object": "subscription_item", "price": object{"id": price, "object": "price"}}}}
}

// Fail has the next payment of a subscription fail.
func (s *Stripe) Fail(subscription string) error {
	return s.change(subscription, object{"status": "past_due"}, "invoice.payment_failed", "customer.subscription.updated")
}

// Recover has the failed payment made.
func (s *Stripe) Recover(subscription string) error {
	return s.change(subscription, object{"status": "active"}, "invoice.paid", "customer.subscription.updated")
}

// Switch changes the plan, as a person does in the portal.
func (s *Stripe) Switch(subscription, plan string) error {
	return s.change(subscription, object{"items": items(Price(plan))}, "customer.subscription.updated")
}

// CancelLater has a subscription end with its period.
func (s *Stripe) CancelLater(subscription string) error {
	return s.change(subscription, object{"cancel_at_period_end": true}, "customer.subscription.updated")
}

// GoOn takes CancelLater back.
func (s *Stripe) GoOn(subscription string) error {
	return s.change(subscription, object{"cancel_at_period_end": false}, "customer.subscription.updated")
}

// Cancel ends a subscription now.
func (s *Stripe) Cancel(subscription string) error {
	return s.change(subscription, object{"status": "canceled", "ended_at": time.Now().Unix()}, "customer.subscription.deleted")
}

// change alters a subscription that has not ended; an ended one stays as it is.
func (s *Stripe) change(id string, to object, events ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subscriptions {
		if sub["id"] == id && sub["status"] != "canceled" {
			maps.Copy(sub, to)
			s.changed(sub, events...)
			return nil
		}
	}
	return fmt.Errorf("no subscription %s can be changed", id)
}

// changed tells of a subscription in events of several kinds.
func (s *Stripe) changed(sub object, events ...string) {
	for _, kind := range events {
		s.notify(kind, sub["customer"].(string), maps.Clone(sub))
	}
}

// Down has every call refused, or answered again.
func (s *Stripe) Down(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = is
}

// Events takes the events that were not taken yet, in the order in which they happened.
func (s *Stripe) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.events
	s.events = nil
	return out
}

// Calls lists what was asked, in order.
func (s *Stripe) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}
