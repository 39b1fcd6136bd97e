// Package billingtest is the suite that every billing.Processor passes.
package billingtest

import (
	"fmt"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/problem"
)

// Bundle is one processor, and hands on what is behind it; fresh for every test.
type Bundle struct {
	Processor billing.Processor
	Pay       func(checkout string) (subscription string, err error)
	Fail      func(subscription string) error
	Recover   func(subscription string) error
	Switch    func(subscription, plan string) error
	Later     func(subscription string) error // cancels at the period's end
	Cancel    func(subscription string) error
	// Sign gives the last notification, and a signature of a moment by the right or by a
	// wrong secret.
	Sign func(at time.Time, right bool) (payload []byte, signature string)
	Down func(bool)
}

// Run holds a processor to the door's promises.
func Run(t *testing.T, fresh func(t *testing.T) Bundle) {
	for name, test := range map[string]func(*testing.T, Bundle){
		"OneCustomerForEachAccount":  oneCustomer,
		"NoSubscriptionAtFirst":      noSubscription,
		"LivesThroughASubscription":  lives,
		"TrialIsNotCharged":          trial,
		"GivesTheOneThatCounts":      counts,
		"RefusesPlansThatAreNotSold": notSold,
		"OpensThePortal":             portal,
		"BelievesOnlySignedEvents":   signed,
		"LeavesOneCheckoutOpen":      oneCheckout,
		"TellsWhenItIsDown":          down,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

const buyer = account.ID("0193a2b0-0000-7000-8000-000000000001")

func (b Bundle) customer(t *testing.T, of account.ID) string {
	t.Helper()
	id, err := b.Processor.Customer(t.Context(), of)
	if err != nil || id == "" {
		t.Fatalf("customer %q: %v", id, err)
	}
	return id
}

func (b Bundle) buy(t *testing.T, customer string, plan billing.Plan, trialEnds time.Time) string {
	t.Helper()
	subscription, err := b.Pay(b.checkout(t, customer, plan, trialEnds))
	if err != nil {
		t.Fatal(err)
	}
	return subscription
}

func (b Bundle) checkout(t *testing.T, customer string, plan billing.Plan, trialEnds time.Time) string {
	t.Helper()
	url, err := b.Processor.Checkout(t.Context(), billing.Checkout{
		Account: buyer, Customer: customer, Plan: plan, TrialEnds: trialEnds,
		Done: "https://imago.example/billing?done", Cancelled: "https://imago.example/billing",
	})
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// oneCheckout: of two pages that were opened, only the last can be paid.
func oneCheckout(t *testing.T, b Bundle) {
	customer := b.customer(t, buyer)
	before := b.checkout(t, customer, billing.Standard, time.Time{})
	last := b.checkout(t, customer, billing.Business, time.Time{})
	if _, err := b.Pay(before); err == nil {
		t.Error("a checkout that another one has replaced was paid")
	}
	if _, err := b.Pay(last); err != nil {
		t.Error(err)
	}
	b.wants(t, customer, "business active")
}

func (b Bundle) wants(t *testing.T, customer, want string) billing.Subscription {
	t.Helper()
	s, err := b.Processor.Subscription(t.Context(), customer)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Plan, " ", s.State); got != want {
		t.Fatalf("the subscription is %s, want %s", got, want)
	}
	return s
}

func oneCustomer(t *testing.T, b Bundle) {
	one := b.customer(t, buyer)
	if again := b.customer(t, buyer); again != one {
		t.Errorf("the same account is %s and %s", one, again)
	}
	if b.customer(t, "0193a2b0-0000-7000-8000-000000000002") == one {
		t.Error("two accounts are one customer")
	}
}

func noSubscription(t *testing.T, b Bundle) {
	s := b.wants(t, b.customer(t, buyer), " ")
	if s != (billing.Subscription{}) {
		t.Errorf("got %+v", s)
	}
}

func lives(t *testing.T, b Bundle) {
	customer := b.customer(t, buyer)
	id := b.buy(t, customer, billing.Standard, time.Time{})
	s := b.wants(t, customer, "standard active")
	if s.ID != id || !s.PeriodEnds.After(time.Now()) || !s.EndsAt.IsZero() || !s.Ended.IsZero() {
		t.Errorf("got %+v", s)
	}
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return b.Fail(id) }, "standard past_due"},
		{func() error { return b.Recover(id) }, "standard active"},
		{func() error { return b.Switch(id, "business") }, "business active"},
		{func() error { return b.Later(id) }, "business active"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		s = b.wants(t, customer, step.want)
	}
	if !s.EndsAt.Equal(s.PeriodEnds) || s.EndsAt.IsZero() {
		t.Errorf("it ends at %v, its period at %v", s.EndsAt, s.PeriodEnds)
	}
	if err := b.Cancel(id); err != nil {
		t.Fatal(err)
	}
	if s = b.wants(t, customer, "business cancelled"); s.Ended.IsZero() {
		t.Error("nobody knows when it ended")
	}
}

func trial(t *testing.T, b Bundle) {
	for left, want := range map[time.Duration]string{
		10 * 24 * time.Hour: "standard trialing", time.Hour: "standard active", -time.Hour: "standard active",
	} {
		customer := b.customer(t, account.ID("account "+left.String()))
		b.buy(t, customer, billing.Standard, time.Now().Add(left))
		b.wants(t, customer, want)
	}
}

func counts(t *testing.T, b Bundle) {
	customer := b.customer(t, buyer)
	old := b.buy(t, customer, billing.Business, time.Time{})
	if err := b.Cancel(old); err != nil {
		t.Fatal(err)
	}
	b.buy(t, customer, billing.Standard, time.Time{})
	b.wants(t, customer, "standard active")
	better := b.buy(t, customer, billing.Business, time.Time{})
	b.buy(t, customer, billing.Standard, time.Time{})
	b.wants(t, customer, "business active")
	if err := b.Fail(better); err != nil {
		t.Fatal(err)
	}
	b.wants(t, customer, "standard active")
}

func notSold(t *testing.T, b Bundle) {
	for _, plan := range []billing.Plan{billing.Free, billing.SelfHosted, "gold", ""} {
		_, err := b.Processor.Checkout(t.Context(), billing.Checkout{
			Customer: b.customer(t, buyer), Plan: plan, Done: "https://imago.example/", Cancelled: "https://imago.example/",
		})
		if p := problem.Of(err); p == nil || p.Kind != problem.Invalid || p.Field != "plan" {
			t.Errorf("%q: %v", plan, err)
		}
	}
}

func portal(t *testing.T, b Bundle) {
	url, err := b.Processor.Portal(t.Context(), b.customer(t, buyer), "https://imago.example/billing")
	if err != nil || url == "" {
		t.Errorf("portal at %q: %v", url, err)
	}
}

func signed(t *testing.T, b Bundle) {
	customer := b.customer(t, buyer)
	b.buy(t, customer, billing.Standard, time.Time{})
	payload, good := b.Sign(time.Now(), true)
	e, err := b.Processor.Event(payload, good)
	if err != nil || e.ID == "" || e.Type == "" || e.Customer != customer {
		t.Errorf("event %+v: %v", e, err)
	}
	_, wrong := b.Sign(time.Now(), false)
	_, old := b.Sign(time.Now().Add(-6*time.Minute), true)
	for name, c := range map[string]struct {
		payload   []byte
		signature string
	}{
		"of another secret": {payload, wrong}, "replayed later": {payload, old}, "unsigned": {payload, ""}, "garbage": {payload, "t=1,v1=zz"},
		"of another body": {append([]byte(" "), payload...), good}, "empty": {nil, good},
	} {
		if _, err := b.Processor.Event(c.payload, c.signature); !problem.Is(err, problem.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func down(t *testing.T, b Bundle) {
	customer := b.customer(t, buyer)
	b.Down(true)
	if _, err := b.Processor.Subscription(t.Context(), customer); !problem.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
}
