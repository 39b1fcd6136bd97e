// Package stripe takes money by Stripe: Checkout, the Customer Portal, and webhooks whose
// content is not believed but asked for again. It speaks the API's version 2023-10-16,
// whatever version the account's webhook endpoint has.
package stripe

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	stripego "github.com/stripe/stripe-go/v76"
	portal "github.com/stripe/stripe-go/v76/billingportal/session"
	checkout "github.com/stripe/stripe-go/v76/checkout/session"
	"github.com/stripe/stripe-go/v76/customer"
	"github.com/stripe/stripe-go/v76/subscription"
	"github.com/stripe/stripe-go/v76/webhook"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/problem"
)

// Options of a Processor.
type Options struct {
	// Prices are the IDs of Stripe's recurring prices, one of each plan that is sold.
	Prices map[billing.Plan]string
	// WebhookSecret is the endpoint's; without it every event is refused.
	WebhookSecret account.Secret
	Host          string            // zero: https://api.stripe.com
	Timeout       time.Duration     // of one try of a call; zero: ten seconds
	HTTP          http.RoundTripper // zero: http.DefaultTransport
}

// Processor is one Stripe account.
type Processor struct {
	prices        map[billing.Plan]string
	secret        account.Secret
	customers     customer.Client
	checkouts     checkout.Client
	portals       portal.Client
	subscriptions subscription.Client
}

var _ billing.Processor = (*Processor)(nil)

// New makes a processor with a secret or restricted key. What is missing or cannot be
// is a problem of kind Invalid that names the field.
func New(key account.Secret, o Options) (*Processor, error) {
	if key == "" {
		return nil, problem.InField("key", "there is no key for Stripe")
	}
	for _, p := range billing.Plans() {
		if p.Sold() && o.Prices[p] == "" {
			return nil, problem.InField("price_"+string(p), "there is no price of the %s plan", p.Title()).
				WithHint("make a recurring price in Stripe, and write its ID: price_…")
		}
	}
	if err := validHost(o.Host); err != nil {
		return nil, err
	}
	b, k := backend(o), key.Reveal()
	return &Processor{
		prices: o.Prices, secret: o.WebhookSecret,
		customers: customer.Client{B: b, Key: k}, checkouts: checkout.Client{B: b, Key: k},
		portals: portal.Client{B: b, Key: k}, subscriptions: subscription.Client{B: b, Key: k},
	}, nil
}

// backend tries a call three times, and tells Stripe and the log nothing besides.
func backend(o Options) stripego.Backend {
	config := &stripego.BackendConfig{
		EnableTelemetry:   stripego.Bool(false),
		HTTPClient:        &http.Client{Transport: o.HTTP, Timeout: cmp.Or(o.Timeout, 10*time.Second), CheckRedirect: stay},
		LeveledLogger:     &stripego.LeveledLogger{Level: stripego.LevelNull},
		MaxNetworkRetries: stripego.Int64(2),
	}
	if o.Host != "" {
		config.URL = stripego.String(o.Host)
	}
	return stripego.GetBackendWithConfig(stripego.APIBackend, config)
}

// stay keeps the key from going where an answer points.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// validHost keeps the key off the open network.
func validHost(host string) error {
	u, err := url.Parse(host)
	switch {
	case host == "":
		return nil
	case err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "":
		return problem.InField("host", "the host is not the URL of an API").WithHint("leave it out for Stripe itself")
	case u.Scheme != "https" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" && u.Hostname() != "localhost":
		return problem.InField("host", "the key would travel without TLS").WithHint("begin the host with https://")
	}
	return nil
}

// Customer makes the account's customer. Stripe remembers its idempotency key for a day,
// if all that is sent is the same: so a name and an address are left to Checkout, which
// asks who pays for them and keeps them.
// https://docs.stripe.com/api/idempotent_requests
// https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-customer
func (p *Processor) Customer(ctx context.Context, id account.ID) (string, error) {
	params := &stripego.CustomerParams{}
	params.AddMetadata("account_id", string(id))
	params.Context = ctx
	params.SetIdempotencyKey("customer-" + string(id))
	c, err := p.customers.New(params)
	if err != nil {
		return "", told("make a customer", err)
	}
	return c.ID, nil
}

// leastTrial is the shortest trial that Checkout takes.
// https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-subscription_data-trial_end
const leastTrial = 48 * time.Hour

// Checkout makes a Checkout Session for a subscription, and expires those of the customer
// that are still open: each would make a subscription of its own.
func (p *Processor) Checkout(ctx context.Context, c billing.Checkout) (string, error) {
	price := p.prices[c.Plan]
	if price == "" {
		return "", problem.InField("plan", "the plan %q is not sold", c.Plan).WithHint("choose standard or business")
	}
	if err := p.expireOpen(ctx, c.Customer); err != nil {
		return "", err
	}
	data := &stripego.CheckoutSessionSubscriptionDataParams{Metadata: map[string]string{"account_id": string(c.Account)}}
	if time.Until(c.TrialEnds) > leastTrial+time.Minute {
		data.TrialEnd = stripego.Int64(c.TrialEnds.Unix())
	}
	params := &stripego.CheckoutSessionParams{
		Mode:              stripego.String(string(stripego.CheckoutSessionModeSubscription)),
		Customer:          stripego.String(c.Customer),
		ClientReferenceID: stripego.String(string(c.Account)),
		LineItems:         []*stripego.CheckoutSessionLineItemParams{{Price: stripego.String(price), Quantity: stripego.Int64(1)}},
		SubscriptionData:  data,
		SuccessURL:        stripego.String(c.Done),
		CancelURL:         stripego.String(c.Cancelled),
	}
	params.Context = ctx
	s, err := p.checkouts.New(params)
	if err != nil {
		return "", told("begin a checkout", err)
	}
	return s.URL, nil
}

// expireOpen expires the customer's open Checkout Sessions.
// https://docs.stripe.com/api/checkout/sessions/expire
func (p *Processor) expireOpen(ctx context.Context, customer string) error {
	params := &stripego.CheckoutSessionListParams{
		Customer: stripego.String(customer), Status: stripego.String(string(stripego.CheckoutSessionStatusOpen)),
	}
	params.Limit = stripego.Int64(100)
	params.Context = ctx
	open := p.checkouts.List(params)
	for open.Next() {
		expire := &stripego.CheckoutSessionExpireParams{}
		expire.Context = ctx
		if _, err := p.checkouts.Expire(open.CheckoutSession().ID, expire); err != nil {
			return told("expire a checkout that was begun before", err)
		}
	}
	if err := open.Err(); err != nil {
		return told("list checkouts", err)
	}
	return nil
}

// Portal makes a session of the Customer Portal.
func (p *Processor) Portal(ctx context.Context, customer, returnTo string) (string, error) {
	params := &stripego.BillingPortalSessionParams{Customer: stripego.String(customer), ReturnURL: stripego.String(returnTo)}
	params.Context = ctx
	s, err := p.portals.New(params)
	if err != nil {
		return "", told("open the customer portal", err)
	}
	return s.URL, nil
}

// Subscription lists the customer's subscriptions, ended ones too, and gives the one that
// counts: a live one before an ended one, then the better plan, then the newest.
func (p *Processor) Subscription(ctx context.Context, customer string) (billing.Subscription, error) {
	params := &stripego.SubscriptionListParams{Customer: stripego.String(customer), Status: stripego.String("all")}
	params.Limit = stripego.Int64(100)
	params.Context = ctx
	var all []ranked
	found := p.subscriptions.List(params)
	for found.Next() {
		if r := p.rank(found.Subscription()); r.State != billing.None {
			all = append(all, r)
		}
	}
	if err := found.Err(); err != nil {
		return billing.Subscription{}, told("list subscriptions", err)
	}
	if len(all) == 0 {
		return billing.Subscription{}, nil
	}
	return slices.MaxFunc(all, compare).Subscription, nil
}

// Event reads a notification that Stripe signed at most five minutes ago.
func (p *Processor) Event(payload []byte, signature string) (billing.Event, error) {
	if p.secret == "" {
		return billing.Event{}, problem.New(problem.Denied, "this installation has no secret of a webhook endpoint")
	}
	e, err := webhook.ConstructEventWithOptions(payload, signature, p.secret.Reveal(), webhook.ConstructEventOptions{
		Tolerance: webhook.DefaultTolerance, IgnoreAPIVersionMismatch: true,
	})
	if err != nil {
		return billing.Event{}, problem.New(problem.Denied, "the notification is not signed by Stripe just now").Because(err)
	}
	return billing.Event{ID: e.ID, Type: string(e.Type), Customer: customerOf(e)}, nil
}

// about are the objects whose events may mean that a subscription has changed.
var about = []string{"customer.subscription.", "checkout.session.", "invoice."}

// customerOf finds whose subscription an event may have changed; "" for other events.
// Objects in events are not expanded, so a customer is its ID.
func customerOf(e stripego.Event) string {
	isAbout := func(prefix string) bool { return strings.HasPrefix(string(e.Type), prefix) }
	if e.Data == nil || !slices.ContainsFunc(about, isAbout) {
		return ""
	}
	id, ok := e.Data.Object["customer"].(string)
	if !ok {
		return ""
	}
	return id
}
