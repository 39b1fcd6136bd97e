package worker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/billing"
	"imago/pkg/billing/stripe"
	"imago/pkg/billing/stripetest"
	"imago/pkg/job"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/subscriptions"
	"imago/pkg/postgres/worldtest"
	"imago/services/worker"
)

// shop is a world whose account is a customer of a stand-in of Stripe.
type shop struct {
	*worldtest.World
	stripe    *stripetest.Stripe
	processor *stripe.Processor
	customer  string
}

func newShop(t *testing.T) shop {
	t.Helper()
	return newShopIn(t, worldtest.Options{})
}

func newShopIn(t *testing.T, o worldtest.Options) shop {
	t.Helper()
	s := shop{World: worldtest.New(t, o), stripe: stripetest.New(t)}
	var err error
	s.processor, err = stripe.New(stripetest.Key, stripe.Options{Host: s.stripe.URL, WebhookSecret: stripetest.Secret,
		Prices: map[billing.Plan]string{billing.Standard: stripetest.Price("standard"), billing.Business: stripetest.Price("business")}})
	if err != nil {
		t.Fatal(err)
	}
	if s.customer, err = s.processor.Customer(t.Context(), s.Account.ID); err != nil {
		t.Fatal(err)
	}
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := subscriptions.SetCustomer(ctx, tx, s.customer)
		return err
	})
	return s
}

// sells says that plans have been sold for so many days, and accounts are as old.
func (s shop) sells(t *testing.T, days int) {
	t.Helper()
	s.Exec(t, `insert into selling (since) values (now() - make_interval(days => $1))`, days)
	s.Exec(t, `update accounts set created_at = now() - make_interval(days => $1)`, days)
}

// TestOldAccountsTryAPlanWhenThereAreSome: they lose nothing by it at once.
func TestOldAccountsTryAPlanWhenThereAreSome(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.Exec(t, `update accounts set created_at = now() - interval '400 days'`)
	d := deps(t, s.World)
	d.Billing = s.processor
	work(t, s.World, worker.Config{}, d)
	ticks(t, s.World, 1)
	var sub subscriptions.Subscription
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		sub, err = subscriptions.Get(ctx, tx)
		return err
	})
	if e := billing.Entitlements(sub.Subscription, time.Now()); e.Plan != billing.TrialPlan || e.Until.Before(time.Now().Add(13*24*time.Hour)) {
		t.Errorf("%+v; want a trial that has just begun", e)
	}
}

// buy pays for a plan.
func (s shop) buy(t *testing.T, plan billing.Plan) string {
	t.Helper()
	url, err := s.processor.Checkout(t.Context(), billing.Checkout{
		Account: s.Account.ID, Customer: s.customer, Plan: plan, Done: "https://imago.example/", Cancelled: "https://imago.example/"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.stripe.Pay(url)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// hear notes events as the api does, and answers how many were news.
func (s shop) hear(t *testing.T, events []stripetest.Event) (news int) {
	t.Helper()
	for _, e := range events {
		err := s.API.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) error {
			isNew, err := subscriptions.Note(t.Context(), tx, billing.Event{ID: e.ID, Type: e.Type, Customer: e.Customer})
			if isNew {
				news++
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return news
}

// becomes waits until the account's subscription is as told.
func (s shop) becomes(t *testing.T, plan billing.Plan, state billing.State) (out subscriptions.Subscription) {
	t.Helper()
	worldtest.Until(t, string(plan)+" "+string(state), func() bool {
		s.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
			out, err = subscriptions.Get(ctx, tx)
			return err
		})
		return out.Plan == plan && out.State == state
	})
	return out
}

// TestSubscriptionLives plays checkout, failure, recovery, another failure and the end,
// with every event sent twice and in the wrong order.
func TestSubscriptionLives(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	d := deps(t, s.World)
	d.Billing = s.processor
	work(t, s.World, worker.Config{}, d)
	var all []stripetest.Event
	told := func() { // newest first, then what was told before once more
		fresh := s.stripe.Events()
		for i := range fresh {
			all = append([]stripetest.Event{fresh[i]}, all...)
		}
		if news := s.hear(t, all); news != len(fresh) {
			t.Errorf("%d of %d events were news, want %d", news, len(all), len(fresh))
		}
		if s.hear(t, all) != 0 {
			t.Error("an event was news twice")
		}
	}
	id := s.buy(t, billing.Standard)
	told()
	s.becomes(t, billing.Standard, billing.Active)
	for _, step := range []struct {
		do    func(string) error
		state billing.State
	}{{s.stripe.Fail, billing.PastDue}, {s.stripe.Recover, billing.Active}, {s.stripe.Fail, billing.PastDue}, {s.stripe.Cancel, billing.Cancelled}} {
		if err := step.do(id); err != nil {
			t.Fatal(err)
		}
		told()
		got := s.becomes(t, billing.Standard, step.state)
		if (step.state == billing.PastDue) == got.FailedSince.IsZero() {
			t.Errorf("%s: it failed at %v", step.state, got.FailedSince)
		}
		if step.state == billing.PastDue {
			s.mail(t, "A payment failed", "the Standard plan goes on until")
		}
	}
	s.mail(t, "Your subscription has ended", "The Standard subscription of Acme has ended")
	var actions []string
	for range 5 {
		actions = append(actions, "change_subscription")
	}
	if diff := cmp.Diff(actions, s.Actions(t)); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
	if got := s.Detail(t, "change_subscription"); !strings.Contains(got, "Standard") {
		t.Errorf("the activity log says: %s", got)
	}
}

// TestABetterPlanCountsAtOnce: a schedule that the Free plan held back runs by its own hours.
func TestABetterPlanCountsAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.sells(t, 60)
	s.Exec(t, `insert into schedules (connection_id, account_id, cron, time_zone, enabled, next_run_at)
		select id, account_id, '0 * * * *', 'UTC', true, now() + interval '1 day' from connections`)
	d := deps(t, s.World)
	d.Billing = s.processor
	work(t, s.World, worker.Config{}, d)
	s.buy(t, billing.Business)
	s.hear(t, s.stripe.Events())
	s.becomes(t, billing.Business, billing.Active)
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		all, err := schedules.Enabled(ctx, tx)
		if err == nil && (len(all) != 1 || all[0].NextRunAt.After(time.Now().Add(time.Hour))) {
			t.Errorf("%+v; want the next full hour", all)
		}
		return err
	})
}

// mail waits for a mail, and takes it for told.
func (s shop) mail(t *testing.T, subject, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	m := s.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, subject) })
	if m.To != s.Account.Email || !strings.Contains(strings.Join(strings.Fields(m.Text), " "), text) {
		t.Errorf("mail: %s", m.Text)
	}
}

// TestEndThatIsSetIsTold sets a subscription to end, takes that back and sets it again: each
// setting is told once, however often it is heard of, and taking it back is not.
func TestEndThatIsSetIsTold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	d := deps(t, s.World)
	d.Billing = s.processor
	work(t, s.World, worker.Config{PublicURL: "https://imago.example.com"}, d)
	id := s.buy(t, billing.Standard)
	s.hear(t, s.stripe.Events())
	ends := s.becomes(t, billing.Standard, billing.Active).PeriodEnds.UTC().Format("2006-01-02")
	mails := func() (n int) {
		for _, m := range s.Mails.Mails() {
			if strings.Contains(m.Subject, "Your subscription ends on "+ends) {
				n++
			}
		}
		return n
	}
	set := func(do func(string) error, ends bool) {
		t.Helper()
		if err := do(id); err != nil {
			t.Fatal(err)
		}
		s.hear(t, s.stripe.Events())
		worldtest.Until(t, "it is stored", func() bool { return s.becomes(t, billing.Standard, billing.Active).EndsAt.IsZero() != ends })
	}
	for n, do := range []func(string) error{s.stripe.CancelLater, s.stripe.GoOn, s.stripe.CancelLater} {
		set(do, n != 1)
		want := []int{1, 1, 2}[n]
		worldtest.Until(t, "mail", func() bool { return mails() >= want })
	}
	set(s.stripe.CancelLater, true) // told of once more, and nothing has changed
	ticks(t, s.World, 2)
	if n := mails(); n != 2 {
		t.Errorf("%d mails, want one for each time", n)
	}
	s.mail(t, "Your subscription ends on "+ends, "The Standard subscription of Acme ends on "+ends)
}

// TestWhoAskedEarlierDoesNotWin has two jobs ask, and the one that asked first store last.
func TestWhoAskedEarlierDoesNotWin(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	db := s.Base.Open(t, "imago_worker")
	var early, late subscriptions.Subscription
	proof := s.Base.Job(t, job.ApplyBilling{AccountID: string(s.Account.ID)})
	put := func(of *subscriptions.Subscription, plan billing.Plan) error {
		return db.As(t.Context(), proof, func(tx *postgres.Tx) (err error) {
			if plan == "" {
				*of, err = subscriptions.Get(t.Context(), tx)
				return err
			}
			of.Plan, of.State = plan, billing.Active
			return subscriptions.Put(t.Context(), tx, *of)
		})
	}
	for _, err := range []error{put(&early, ""), put(&late, ""), put(&late, billing.Business)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := put(&early, billing.Standard); err == nil {
		t.Error("what was asked earlier has overwritten what was asked later")
	}
	s.becomes(t, billing.Business, billing.Active)
}

// TestProcessorIsAway has the job wait until Stripe is back.
func TestProcessorIsAway(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	d := deps(t, s.World)
	d.Billing = s.processor
	s.buy(t, billing.Business)
	events := s.stripe.Events()
	s.stripe.Down(true)
	work(t, s.World, worker.Config{}, d)
	s.hear(t, events)
	worldtest.Until(t, "a job has failed", func() bool {
		var n int
		if err := s.Base.Owner().QueryRow(t.Context(), `select count(*) from river.river_job where kind = 'apply_billing' and errors is not null`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0
	})
	s.stripe.Down(false)
	s.becomes(t, billing.Business, billing.Active)
}

// TestTrialIsToldBeforeItEnds has the days of a trial go by: it is said three days before the
// end, and at the end, once each; an account that pays is told nothing, and asked about.
func TestTrialIsToldBeforeItEnds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.Exec(t, `delete from subscriptions`) // nobody went to buy
	s.sells(t, 10)
	var c clock
	d := deps(t, s.World)
	d.Billing, d.Now = s.processor, c.now
	work(t, s.World, worker.Config{}, d)
	ticks(t, s.World, 1)
	if n := len(s.Mails.Mails()); n != 0 {
		t.Fatalf("%d mails four days before the end", n)
	}
	c.advance(26 * time.Hour)
	s.mail(t, "[Imago] Your trial ends on", "you have all of the Standard plan")
	c.advance(24 * time.Hour)
	ticks(t, s.World, 2)
	c.advance(48 * time.Hour)
	s.mail(t, "[Imago] Your trial has ended", "Backups go on by the limits of the Free plan")
	c.advance(24 * time.Hour)
	ticks(t, s.World, 2)
	if n := len(s.Mails.Mails()); n != 2 {
		t.Errorf("%d mails", n)
	}
}

// TestLostNotificationIsMadeUpFor has a customer pay without Imago being told.
func TestLostNotificationIsMadeUpFor(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.sells(t, 12)
	s.buy(t, billing.Business)
	d := deps(t, s.World)
	d.Billing = s.processor
	work(t, s.World, worker.Config{}, d)
	s.becomes(t, billing.Business, billing.Active)
}
