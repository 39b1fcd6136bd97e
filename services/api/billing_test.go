package api

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/billing"
	"imago/pkg/billing/stripe"
	"imago/pkg/billing/stripetest"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/subscriptions"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
)

// shop is a world in which a stand-in of Stripe sells plans.
type shop struct {
	*world
	stripe *stripetest.Stripe
}

func newShop(t *testing.T) shop {
	t.Helper()
	s := stripetest.New(t)
	p, err := stripe.New(stripetest.Key, stripe.Options{Host: s.URL, WebhookSecret: stripetest.Secret,
		Prices: map[billing.Plan]string{billing.Standard: stripetest.Price("standard"), billing.Business: stripetest.Price("business")}})
	if err != nil {
		t.Fatal(err)
	}
	return shop{worldThatSells(t, postgrestest.New(t), Config{PublicURL: "https://imago.example"}, p), s}
}

// post sends a notification.
func (s shop) post(payload []byte, signature string) int {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), "POST", s.url+"/webhooks/stripe", bytes.NewReader(payload))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Stripe-Signature", signature)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode
}

// jobs counts what the worker is asked for an account.
func (s shop) jobs(p *person) int {
	return s.count(`select count(*) from river.river_job where kind = 'apply_billing' and args ->> 'account_id' = $1`, p.account)
}

// stands stores how an account's subscription stands, as the worker does.
func (s shop) stands(p *person, sub billing.Subscription) {
	s.t.Helper()
	proof := s.db.Job(s.t, job.ApplyBilling{AccountID: string(p.account)})
	err := s.worker.As(s.t.Context(), proof, func(tx *postgres.Tx) error {
		was, err := subscriptions.Get(s.t.Context(), tx)
		if err != nil {
			return err
		}
		was.Subscription = sub
		return subscriptions.Put(s.t.Context(), tx, was)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// old makes an account old enough that its trial has ended.
func (s shop) old(p *person) {
	s.exec(`insert into selling (since) values (now() - interval '20 days')`)
	s.exec(`update accounts set created_at = now() - interval '20 days' where id = $1`, p.account)
}

func (s shop) billing(p *person) *imagov1.GetBillingResponse {
	s.t.Helper()
	res, err := p.billing.GetBilling(s.t.Context(), req(&imagov1.GetBillingRequest{}))
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Msg
}

func TestSelfHostedLimitsAndSellsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	for _, url := range []string{"https://one.okta.com", "https://two.okta.com", "https://three.okta.com"} {
		if _, err := p.connections.CreateConnection(t.Context(), req(&imagov1.CreateConnectionRequest{OrgUrl: url})); err != nil {
			t.Fatal(err)
		}
	}
	got := shop{w, nil}.billing(p)
	if got.GetPlan() != "self_hosted" || got.GetLimits().GetConnections() != 0 || got.GetConnections() != 3 || got.GetCanCheckout() || got.GetWarning() != "" {
		t.Errorf("got %v", got)
	}
	if plans, err := p.billing.ListPlans(t.Context(), req(&imagov1.ListPlansRequest{})); err != nil || len(plans.Msg.GetPlans()) != 0 {
		t.Errorf("plans %v: %v", plans, err)
	}
	_, err := p.billing.CreateCheckout(t.Context(), req(&imagov1.CreateCheckoutRequest{Plan: "standard"}))
	problemOf(t, err, connect.CodeNotFound)
	if status, _ := w.rest(p, "POST", "/webhooks/stripe", "{}"); status != http.StatusNotFound {
		t.Errorf("a webhook answers %d", status)
	}
}

func TestFromTrialToCheckoutToPortal(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.owner()
	if got := s.billing(p); got.GetPlan() != "standard" || got.GetWarning() != "trial_ends" || !got.GetCanCheckout() || got.GetCanPortal() {
		t.Fatalf("in the trial: %v", got)
	}
	if plans, err := s.stranger().billing.ListPlans(t.Context(), req(&imagov1.ListPlansRequest{})); err != nil || len(plans.Msg.GetPlans()) != 3 {
		t.Errorf("plans %v: %v", plans, err)
	}
	_, err := p.billing.CreateCheckout(t.Context(), req(&imagov1.CreateCheckoutRequest{Plan: "free"}))
	if got := problemOf(t, err, connect.CodeInvalidArgument); got.GetField() != "plan" {
		t.Errorf("got %v", got)
	}
	_, err = p.billing.CreatePortal(t.Context(), req(&imagov1.CreatePortalRequest{}))
	problemOf(t, err, connect.CodeNotFound)
	res, err := p.billing.CreateCheckout(t.Context(), req(&imagov1.CreateCheckoutRequest{Plan: "business"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.stripe.Pay(res.Msg.GetUrl()); err != nil {
		t.Fatal(err)
	}
	events := s.stripe.Events()
	sent := 0
	for _, e := range append(events, events...) { // each twice
		if got := s.post(e.Payload, stripetest.Sign(e.Payload, stripetest.Secret, time.Now())); got != http.StatusNoContent {
			t.Errorf("%s: %d", e.Type, got)
		}
		if e.Type != "customer.created" {
			sent++
		}
	}
	if got := s.jobs(p); got != sent/2 {
		t.Errorf("%d jobs for %d events", got, sent/2)
	}
	s.stands(p, billing.Subscription{ID: "sub_1", Plan: billing.Business, State: billing.Active})
	if got := s.billing(p); got.GetPlan() != "business" || got.GetRetentionDays() != 0 || got.GetCanCheckout() || !got.GetCanPortal() {
		t.Errorf("after paying: %v", got)
	}
	_, err = p.billing.CreateCheckout(t.Context(), req(&imagov1.CreateCheckoutRequest{Plan: "standard"}))
	problemOf(t, err, connect.CodeAlreadyExists)
	portal, err := p.billing.CreatePortal(t.Context(), req(&imagov1.CreatePortalRequest{}))
	if err != nil || portal.Msg.GetUrl() == "" {
		t.Errorf("portal %v: %v", portal, err)
	}
	for _, call := range s.stripe.Calls() {
		if strings.Contains(call, "@") || strings.Contains(call, "Acme") {
			t.Errorf("Stripe was told who it is: %s", call)
		}
	}
}

func TestWebhookBelievesNobody(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.owner()
	s.exec(`insert into subscriptions (account_id, customer_id) values ($1, 'cus_ours')`, p.account)
	body := []byte(`{"id":"evt_forged","object":"event","type":"invoice.paid","data":{"object":{"object":"invoice","customer":"cus_ours"}}}`)
	foreign := []byte(strings.Replace(string(body), "cus_ours", "cus_of_nobody", 1))
	for name, c := range map[string]struct {
		payload   []byte
		signature string
		want      int
	}{
		"unsigned":              {body, "", 403},
		"of another secret":     {body, stripetest.Sign(body, "whsec_other", time.Now()), 403},
		"replayed":              {body, stripetest.Sign(body, stripetest.Secret, time.Now().Add(-10*time.Minute)), 403},
		"of another body":       {body, stripetest.Sign(foreign, stripetest.Secret, time.Now()), 403},
		"endless":               {bytes.Repeat([]byte(" "), maxBody+1), "t=1,v1=00", 413},
		"of nobody's customer":  {foreign, stripetest.Sign(foreign, stripetest.Secret, time.Now()), 204},
		"signed, and no object": {[]byte(`{"id":"evt_2","type":"invoice.paid"}`), stripetest.Sign([]byte(`{"id":"evt_2","type":"invoice.paid"}`), stripetest.Secret, time.Now()), 204},
	} {
		if got := s.post(c.payload, c.signature); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if s.jobs(p) != 0 {
		t.Error("a notification that is none was believed")
	}
	if got := s.post(body, stripetest.Sign(body, stripetest.Secret, time.Now())); got != 204 || s.jobs(p) != 1 {
		t.Errorf("a good one: %d, %d jobs", got, s.jobs(p))
	}
}

// TestSubscriptionsAreTheWorkersToWrite has the api, with a good session and with none, try
// to give itself a plan, to take somebody else's customer, and to enqueue what nobody told.
func TestSubscriptionsAreTheWorkersToWrite(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p, other := s.owner(), s.owner()
	s.exec(`insert into subscriptions (account_id, customer_id) values ($1, $2)`, other.account, "cus_"+string(other.account))
	for name, fn := range map[string]func(*postgres.Tx) error{
		"a plan of one's own": func(tx *postgres.Tx) error {
			if _, err := subscriptions.SetCustomer(t.Context(), tx, "cus_"+string(p.account)); err != nil {
				return err
			}
			sub, err := subscriptions.Get(t.Context(), tx)
			if err != nil {
				return err
			}
			sub.Plan, sub.State = billing.Business, billing.Active
			return subscriptions.Put(t.Context(), tx, sub)
		},
		"somebody else's customer": func(tx *postgres.Tx) error {
			_, err := subscriptions.SetCustomer(t.Context(), tx, "cus_"+string(other.account))
			return err
		},
		"a job that nobody told of": func(tx *postgres.Tx) error {
			return tx.Enqueue(t.Context(), job.ApplyBilling{AccountID: string(other.account)})
		},
	} {
		if err := s.api.DB.As(t.Context(), p.proof, fn); !problem.Is(err, problem.Denied) && !problem.Is(err, problem.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := s.api.DB.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) error {
		if _, err := subscriptions.Note(t.Context(), tx, billing.Event{ID: "evt_" + string(other.account), Type: "invoice.paid", Customer: "cus_" + string(other.account)}); err != nil {
			return err
		}
		return tx.Enqueue(t.Context(), job.ApplyBilling{AccountID: string(p.account)})
	})
	if !problem.Is(err, problem.Denied) {
		t.Errorf("a job for another than the event's account: %v", err)
	}
}

func TestPlansLimitWhatIsMade(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.owner()
	s.old(p)
	connectTo := func(url string) (*connect.Response[imagov1.CreateConnectionResponse], error) {
		return p.connections.CreateConnection(t.Context(), req(&imagov1.CreateConnectionRequest{OrgUrl: url}))
	}
	var wait sync.WaitGroup
	made := make(chan string, 3)
	for _, url := range []string{"https://one.okta.com", "https://two.okta.com", "https://three.okta.com"} { // at the same time
		wait.Go(func() {
			if res, err := connectTo(url); err == nil {
				made <- res.Msg.GetConnection().GetId()
			}
		})
	}
	wait.Wait()
	if len(made) != 1 {
		t.Fatalf("%d connections were made, of 1", len(made))
	}
	id := <-made
	_, err := connectTo("https://four.okta.com")
	if got := problemOf(t, err, connect.CodeResourceExhausted); got.GetKind() != "over_limit" || !strings.Contains(got.GetHint(), "Standard plan has room") {
		t.Errorf("got %v", got)
	}
	schedule := func(cron string, on bool) error {
		_, err := p.connections.SetSchedule(t.Context(), req(&imagov1.SetScheduleRequest{ConnectionId: id, Cron: cron, TimeZone: "Europe/Berlin", Enabled: on}))
		return err
	}
	if got := problemOf(t, schedule("0 * * * *", true), connect.CodeResourceExhausted); got.GetField() != "cron" || !strings.Contains(got.GetHint(), "Standard") {
		t.Errorf("got %v", got)
	}
	for _, err := range []error{schedule("0 2 * * *", true), schedule("0 * * * *", false)} {
		if err != nil {
			t.Errorf("a schedule that is allowed: %v", err)
		}
	}
	s.exec(`insert into subscriptions (account_id, customer_id) values ($1, $2)`, p.account, "cus_"+string(p.account))
	s.stands(p, billing.Subscription{ID: "sub_1", Plan: billing.Standard, State: billing.PastDue, FailedSince: time.Now()})
	if err := schedule("0 * * * *", true); err != nil {
		t.Errorf("a failed payment limits at once: %v", err)
	}
	s.clock.move(15 * 24 * time.Hour)
	problemOf(t, schedule("0 * * * *", true), connect.CodeResourceExhausted)
	if got := s.billing(p); got.GetWarning() != "limited" || got.GetRetentionDays() != 90 {
		t.Errorf("got %v", got)
	}
}
