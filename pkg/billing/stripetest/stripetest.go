// Package stripetest is a small Stripe that remembers: it plays checkout, payment,
// failure and cancellation, signs the events of all that, and refuses what Stripe refuses.
// It is written from Stripe's reference (https://docs.stripe.com/api), not from our client.
package stripetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the stand-in knows its user by.
const (
	Key    = "sk_test_standin"
	Secret = "whsec_stand_in"
)

// prices are the prices that it has, by what they are of.
var prices = map[string]string{"standard": "price_standard", "business": "price_business"}

// Price is the ID of a plan's price.
func Price(plan string) string { return prices[plan] }

// Stripe is the stand-in.
type Stripe struct {
	URL string

	mu            sync.Mutex
	n             int
	customers     map[string]object
	sessions      map[string]object // of Checkout
	subscriptions []object
	repeated      map[string]repeat // by idempotency key
	events        []Event
	calls         []string // path and parameters, as they came
	down          bool
}

// object is one of Stripe's, as JSON has it.
type object = map[string]any

// repeat is what a key was first used for, and what was answered.
type repeat struct {
	asked  string
	answer object
}

// Event is a notification: what is posted to a webhook endpoint, and its signature.
type Event struct {
	ID, Type, Customer string
	Payload            []byte
}

// Open makes a stand-in, for who serves it.
func Open() *Stripe {
	return &Stripe{customers: map[string]object{}, sessions: map[string]object{}, repeated: map[string]repeat{}}
}

// New starts a stand-in.
func New(t testing.TB) *Stripe {
	t.Helper()
	s := Open()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// call is one request on its way.
type call struct {
	form url.Values
}

// failure is an answer that is none.
type failure struct {
	status           int
	kind, code, what string
	param            string
}

func (f failure) Error() string { return f.what }

func invalid(param, code, format string, args ...any) error {
	return failure{http.StatusBadRequest, "invalid_request_error", code, fmt.Sprintf(format, args...), param}
}

// ServeHTTP answers one request.
func (s *Stripe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.answer(r)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", "req_test")
	if f, ok := errors.AsType[failure](err); ok {
		w.WriteHeader(f.status)
		answer = object{"error": object{"type": f.kind, "code": f.code, "message": f.what, "param": f.param}}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		return // the client is gone
	}
}

// answer does what a request asks for, once for each idempotency key.
func (s *Stripe) answer(r *http.Request) (object, error) {
	if s.down {
		return nil, failure{http.StatusServiceUnavailable, "api_error", "", "down", ""}
	}
	if key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || key != Key {
		return nil, failure{http.StatusUnauthorized, "invalid_request_error", "", "Invalid API Key provided", ""}
	}
	if r.Header.Get("Stripe-Version") == "" {
		return nil, invalid("", "", "this stand-in wants a version")
	}
	if err := r.ParseForm(); err != nil {
		return nil, invalid("", "", "%v", err)
	}
	asked := r.Method + " " + r.URL.Path + " " + r.Form.Encode()
	s.calls = append(s.calls, asked)
	before, ok := s.repeated[r.Header.Get("Idempotency-Key")]
	switch {
	case r.Method != http.MethodPost:
		return s.route(r)
	case ok && before.asked != asked:
		return nil, failure{http.StatusBadRequest, "idempotency_error", "", "Keys for idempotent requests can only be used with the same parameters", ""}
	case ok:
		return before.answer, nil
	}
	answer, err := s.route(r)
	if key := r.Header.Get("Idempotency-Key"); key != "" && err == nil {
		s.repeated[key] = repeat{asked, answer}
	}
	return answer, err
}

func (s *Stripe) route(r *http.Request) (object, error) {
	c := call{form: r.Form}
	if id, ok := strings.CutPrefix(r.Method+" "+r.URL.Path, "POST /v1/checkout/sessions/"); ok && strings.HasSuffix(id, "/expire") {
		return s.expire(c, strings.TrimSuffix(id, "/expire"))
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/checkout/sessions":
		return s.checkouts(c)
	case "POST /v1/customers":
		return s.customer(c)
	case "POST /v1/checkout/sessions":
		return s.checkout(c)
	case "POST /v1/billing_portal/sessions":
		return s.portal(c)
	case "GET /v1/subscriptions":
		return s.list(c)
	}
	return nil, failure{http.StatusNotFound, "invalid_request_error", "", "Unrecognized request URL", ""}
}

// only refuses parameters that the call does not have.
func (c call) only(known ...string) error {
	for name := range c.form {
		base, _, _ := strings.Cut(name, "[")
		if !slices.Contains(known, base) && !slices.Contains(known, name) {
			return invalid(name, "parameter_unknown", "Received unknown parameter: %s", name)
		}
	}
	return nil
}

// address wants a URL that a browser can go to.
func (c call) address(name string) error {
	u, err := url.Parse(c.form.Get(name))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return invalid(name, "url_invalid", "Not a valid URL")
	}
	return nil
}

func (s *Stripe) id(prefix string) string {
	s.n++
	return prefix + "_" + strconv.Itoa(s.n)
}

func (s *Stripe) customer(c call) (object, error) {
	if err := c.only("name", "email", "metadata"); err != nil {
		return nil, err
	}
	if email := c.form.Get("email"); email != "" && !strings.Contains(email, "@") {
		return nil, invalid("email", "email_invalid", "Invalid email address")
	}
	out := object{"id": s.id("cus"), "object": "customer", "name": c.form.Get("name"), "email": c.form.Get("email")}
	s.customers[out["id"].(string)] = out
	s.notify("customer.created", out["id"].(string), out)
	return out, nil
}

// known refuses a customer that is not there.
func (s *Stripe) known(c call) error {
	if id := c.form.Get("customer"); s.customers[id] == nil {
		return invalid("customer", "resource_missing", "No such customer: '%s'", id)
	}
	return nil
}

func (s *Stripe) checkout(c call) (object, error) {
	err := first(
		c.only("mode", "customer", "client_reference_id", "line_items", "subscription_data[metadata][account_id]", "subscription_data[trial_end]", "subscription_data", "success_url", "cancel_url"),
		s.known(c), c.address("success_url"), c.address("cancel_url"), lines(c), trial(c))
	if err != nil {
		return nil, err
	}
	id := s.id("cs")
	s.sessions[id] = object{
		"id": id, "object": "checkout.session", "mode": "subscription", "status": "open", "url": "https://checkout.stripe.test/" + id,
		"customer": c.form.Get("customer"), "client_reference_id": c.form.Get("client_reference_id"),
		"price": c.form.Get("line_items[0][price]"), "trial_end": c.form.Get("subscription_data[trial_end]"),
	}
	return s.sessions[id], nil
}

// checkouts lists a customer's Checkout Sessions.
func (s *Stripe) checkouts(c call) (object, error) {
	if err := first(c.only("customer", "status", "limit"), s.known(c)); err != nil {
		return nil, err
	}
	found := []object{}
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		session := s.sessions[id]
		if session["customer"] == c.form.Get("customer") && (c.form.Get("status") == "" || session["status"] == c.form.Get("status")) {
			found = append(found, session)
		}
	}
	return object{"object": "list", "url": "/v1/checkout/sessions", "has_more": false, "data": found}, nil
}

// expire ends a Checkout Session that nobody has paid.
func (s *Stripe) expire(c call, id string) (object, error) {
	session := s.sessions[id]
	if session == nil {
		return nil, invalid("session", "resource_missing", "No such checkout.session: '%s'", id)
	}
	if err := c.only(); err != nil {
		return nil, err
	}
	if session["status"] != "open" {
		return nil, invalid("", "", "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of %s", session["status"])
	}
	session["status"] = "expired"
	s.notify("checkout.session.expired", session["customer"].(string), session)
	return session, nil
}

// lines wants what is bought.
func lines(c call) error {
	price := c.form.Get("line_items[0][price]")
	switch {
	case c.form.Get("mode") != "subscription":
		return invalid("mode", "", "this stand-in sells subscriptions")
	case price != Price("standard") && price != Price("business"):
		return invalid("line_items[0][price]", "resource_missing", "No such price: '%s'", price)
	case c.form.Get("line_items[0][quantity]") != "1":
		return invalid("line_items[0][quantity]", "", "Quantity is required")
	}
	return nil
}

// trial wants 48 hours at least.
func trial(c call) error {
	text := c.form.Get("subscription_data[trial_end]")
	if text == "" {
		return nil
	}
	ends, err := strconv.ParseInt(text, 10, 64)
	if err != nil || time.Until(time.Unix(ends, 0)) < 48*time.Hour {
		return invalid("subscription_data[trial_end]", "", "The `trial_end` date has to be at least 2 days in the future")
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Stripe) portal(c call) (object, error) {
	if err := first(c.only("customer", "return_url"), s.known(c), c.address("return_url")); err != nil {
		return nil, err
	}
	id := s.id("bps")
	return object{"id": id, "object": "billing_portal.session", "customer": c.form.Get("customer"), "url": "https://billing.stripe.test/" + id}, nil
}

// list answers newest first. Without a status, ended subscriptions are left out.
func (s *Stripe) list(c call) (object, error) {
	if err := first(c.only("customer", "status", "limit"), s.known(c)); err != nil {
		return nil, err
	}
	found := []object{}
	for _, sub := range slices.Backward(s.subscriptions) {
		if sub["customer"] == c.form.Get("customer") && (c.form.Get("status") == "all" || sub["status"] != "canceled") {
			found = append(found, sub)
		}
	}
	return object{"object": "list", "url": "/v1/subscriptions", "has_more": false, "data": found}, nil
}

// notify keeps the event of a change.
func (s *Stripe) notify(kind, customer string, about object) {
	id := s.id("evt")
	payload, err := json.Marshal(object{
		"id": id, "object": "event", "type": kind, "api_version": "2025-01-27.acacia", "created": time.Now().Unix(),
		"data": object{"object": about},
	})
	if err != nil {
		panic(err)
	}
	s.events = append(s.events, Event{id, kind, customer, payload})
}

// Sign makes the header Stripe-Signature as of a moment.
// https://docs.stripe.com/webhooks#verify-manually
func Sign(payload []byte, secret string, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(payload)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
