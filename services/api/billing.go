package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/billing"
	"imago/pkg/postgres"
	"imago/pkg/postgres/subscriptions"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/wire"
)

// billingPage is the console's, to which Stripe's pages lead back.
const billingPage = "/billing"

type billingService struct{ *Service }

var _ rpc.BillingServiceHandler = billingService{}

func (s *Service) billing() billingService { return billingService{s} }

// standing is how the current account's subscription stands. Where nothing is sold,
// nothing is limited.
func (s *Service) standing(ctx context.Context, tx *postgres.Tx) (subscriptions.Subscription, error) {
	if s.Billing == nil {
		return subscriptions.Subscription{Subscription: billing.Subscription{Plan: billing.SelfHosted}}, nil
	}
	return subscriptions.Get(ctx, tx)
}

// entitled is what the account may have, and what it has. Whoever else makes what is
// limited waits until the transaction ends.
func (w *work) entitled(ctx context.Context) (e billing.Entitled, has subscriptions.Usage, err error) {
	if err := subscriptions.Hold(ctx, w.Tx); err != nil {
		return e, has, err
	}
	standing, err := w.s.standing(ctx, w.Tx)
	if err != nil {
		return e, has, err
	}
	has, err = subscriptions.Use(ctx, w.Tx)
	return billing.Entitlements(standing.Subscription, w.s.now()), has, err
}

// ListPlans is for everybody.
func (s billingService) ListPlans(context.Context, *connect.Request[imagov1.ListPlansRequest]) (*connect.Response[imagov1.ListPlansResponse], error) {
	out := &imagov1.ListPlansResponse{}
	if s.Billing == nil {
		return connect.NewResponse(out), nil
	}
	for _, p := range billing.Plans() {
		out.Plans = append(out.Plans, &imagov1.BillingPlan{Name: string(p), Title: p.Title(), Limits: limitsShape(p.Limits()), Sold: p.Sold()})
	}
	out.TrialDays, out.TrialPlan = inDays(billing.Trial), string(billing.TrialPlan)
	return connect.NewResponse(out), nil
}

func (s billingService) GetBilling(ctx context.Context, _ *connect.Request[imagov1.GetBillingRequest]) (*connect.Response[imagov1.GetBillingResponse], error) {
	var standing subscriptions.Subscription
	var has subscriptions.Usage
	err := s.read(ctx, func(tx *postgres.Tx) (err error) {
		if standing, err = s.standing(ctx, tx); err != nil {
			return err
		}
		has, err = subscriptions.Use(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	e := billing.Entitlements(standing.Subscription, s.now())
	out := &imagov1.GetBillingResponse{
		Plan: string(e.Plan), Title: e.Plan.Title(), Limits: limitsShape(e.Limits), RetentionDays: inDays(e.Retention),
		Warning: string(e.Warning), Until: stamp(e.Until), TrialEndsAt: stamp(standing.TrialEnds),
		SubscriptionState: string(standing.State), PeriodEndsAt: stamp(standing.PeriodEnds),
		Connections: int32(has.Connections), Members: int32(has.Members),
		CanCheckout: s.Billing != nil && !standing.Live(), CanPortal: standing.Customer != "",
	}
	if standing.State != billing.None {
		out.SubscriptionPlan = string(standing.Plan)
	}
	return connect.NewResponse(out), nil
}

func (s billingService) CreateCheckout(ctx context.Context, r *connect.Request[imagov1.CreateCheckoutRequest]) (*connect.Response[imagov1.CreateCheckoutResponse], error) {
	if err := s.sells(); err != nil {
		return nil, err
	}
	plan := billing.Plan(r.Msg.GetPlan())
	if !plan.Sold() {
		return nil, problem.InField("plan", "the plan %q is not sold", plan).WithHint("choose standard or business")
	}
	if answered, err := replay[imagov1.CreateCheckoutResponse](ctx, s.Service, r); answered != nil || err != nil {
		return answered, err
	}
	c, err := s.basket(ctx, plan)
	if err != nil {
		return nil, err
	}
	url, err := s.Billing.Checkout(ctx, c)
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CreateCheckoutResponse, error) {
		return &imagov1.CreateCheckoutResponse{Url: url}, w.record(ctx, "create_checkout", "account", string(w.Account()), plan.Title())
	})
}

// sells refuses where nothing is sold.
func (s billingService) sells() error {
	if s.Billing != nil {
		return nil
	}
	return problem.New(problem.NotFound, "this installation is self-hosted: nothing is limited, and nothing is sold")
}

// basket is what the account is about to buy. The customer is made, and kept, before
// anything can be paid: its notifications find the account by it.
func (s billingService) basket(ctx context.Context, plan billing.Plan) (billing.Checkout, error) {
	back := s.config.PublicURL + billingPage
	c := billing.Checkout{Account: requestOf(ctx).caller.account, Plan: plan, Done: back + "?checkout=done", Cancelled: back}
	err := s.read(ctx, func(tx *postgres.Tx) error {
		standing, err := subscriptions.Get(ctx, tx)
		if err == nil && standing.Live() {
			err = problem.New(problem.Conflict, "the account has a subscription already").WithHint("change its plan, or its card, in the portal")
		}
		c.Customer, c.TrialEnds = standing.Customer, standing.TrialEnds
		return err
	})
	if err != nil || c.Customer != "" {
		return c, err
	}
	made, err := s.Billing.Customer(ctx, c.Account)
	if err != nil {
		return c, err
	}
	return c, s.read(ctx, func(tx *postgres.Tx) (err error) {
		c.Customer, err = subscriptions.SetCustomer(ctx, tx, made)
		return err
	})
}

func (s billingService) CreatePortal(ctx context.Context, r *connect.Request[imagov1.CreatePortalRequest]) (*connect.Response[imagov1.CreatePortalResponse], error) {
	if err := s.sells(); err != nil {
		return nil, err
	}
	var customer string
	err := s.read(ctx, func(tx *postgres.Tx) error {
		standing, err := subscriptions.Get(ctx, tx)
		customer = standing.Customer
		return err
	})
	if err != nil {
		return nil, err
	}
	if customer == "" {
		return nil, problem.New(problem.NotFound, "the account has bought nothing yet").WithHint("choose a plan first")
	}
	url, err := s.Billing.Portal(ctx, customer, s.config.PublicURL+billingPage)
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CreatePortalResponse, error) {
		return &imagov1.CreatePortalResponse{Url: url}, w.record(ctx, "open_portal", "account", string(w.Account()), "")
	})
}

// stripeHook takes the processor's notifications: signed, each once, in any order. What
// they say is not believed; a worker asks. An answer that is no 2xx has it sent again.
func (s *Service) stripeHook(w http.ResponseWriter, r *http.Request) {
	q := requestOf(r.Context())
	q.procedure = "webhook/stripe"
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, q, http.StatusRequestEntityTooLarge, problem.New(problem.Invalid, "the notification is too long, or broke off").Because(err))
		return
	}
	e, err := s.Billing.Event(payload, r.Header.Get("Stripe-Signature"))
	if err != nil {
		refuse(w, q, http.StatusForbidden, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
	defer cancel()
	if err := s.note(ctx, e); err != nil {
		refuse(w, q, http.StatusServiceUnavailable, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// note notes a notification that is about a customer.
func (s *Service) note(ctx context.Context, e billing.Event) error {
	if e.Customer == "" {
		return nil
	}
	return s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) error {
		_, err := subscriptions.Note(ctx, tx, e)
		return err
	})
}

// refuse answers a request that is no RPC, and keeps the cause for the log.
func refuse(w http.ResponseWriter, q *request, status int, err error) {
	p := problem.Of(err)
	if p == nil || p.Kind == problem.Damaged {
		q.err = err
	}
	if p == nil {
		p = problem.New(problem.Unavailable, "something went wrong on our side (request %s)", q.id)
	}
	q.cause = p.Err
	wire.WriteProblem(w, status, p, q.id)
}

func limitsShape(l billing.Limits) *imagov1.BillingLimits {
	return &imagov1.BillingLimits{
		RetentionDays: inDays(l.Retention), ScheduleMinutes: int32(l.Every / time.Minute),
		Connections: int32(l.Connections), Members: int32(l.Members),
	}
}

func inDays(d time.Duration) int32 { return int32(d / (24 * time.Hour)) }
