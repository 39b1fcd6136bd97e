package stripe

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/billing"
	"imago/pkg/billing/billingtest"
	"imago/pkg/billing/stripetest"
	"imago/pkg/problem"
)

var prices = map[billing.Plan]string{billing.Standard: stripetest.Price("standard"), billing.Business: stripetest.Price("business")}

func processor(t *testing.T, host string) *Processor {
	t.Helper()
	p, err := New(stripetest.Key, Options{Prices: prices, WebhookSecret: stripetest.Secret, Host: host})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestKeepsTheDoorsPromises(t *testing.T) {
	t.Parallel()
	billingtest.Run(t, func(t *testing.T) billingtest.Bundle {
		s := stripetest.New(t)
		var last stripetest.Event
		return billingtest.Bundle{
			Processor: processor(t, s.URL), Pay: s.Pay, Fail: s.Fail, Recover: s.Recover, Switch: s.Switch, Later: s.CancelLater, Cancel: s.Cancel, Down: s.Down,
			Sign: func(at time.Time, right bool) ([]byte, string) {
				if all := s.Events(); len(all) > 0 {
					last = all[len(all)-1]
				}
				if right {
					return last.Payload, stripetest.Sign(last.Payload, stripetest.Secret, at)
				}
				return last.Payload, stripetest.Sign(last.Payload, "whsec_wrong", at)
			},
		}
	})
}

// TestEveryCallIsOneOfStripes sends every call to Stripe's own mock, which checks
// requests against Stripe's published description.
func TestEveryCallIsOneOfStripes(t *testing.T) {
	t.Parallel()
	p := processor(t, mock(t))
	const buyer = account.ID("0193a2b0-0000-7000-8000-000000000001")
	customer, err := p.Customer(t.Context(), buyer)
	if err != nil || customer == "" {
		t.Fatalf("customer %q: %v", customer, err)
	}
	for _, trial := range []time.Time{{}, time.Now().Add(10 * 24 * time.Hour)} {
		if _, err := p.Checkout(t.Context(), billing.Checkout{
			Account: buyer, Customer: customer, Plan: billing.Standard, TrialEnds: trial,
			Done: "https://imago.example/billing", Cancelled: "https://imago.example/billing",
		}); err != nil {
			t.Errorf("checkout: %v", err)
		}
	}
	if url, err := p.Portal(t.Context(), customer, "https://imago.example/billing"); err != nil || url == "" {
		t.Errorf("portal at %q: %v", url, err)
	}
	if _, err := p.Subscription(t.Context(), customer); err != nil {
		t.Errorf("subscription: %v", err)
	}
}

// port is what stripe-mock says when it listens.
var port = regexp.MustCompile(`Listening for HTTP at address: (.*)`)

// mock starts stripe-mock, which scripts/install test puts into .bin.
func mock(t *testing.T) (url string) {
	t.Helper()
	binary, err := filepath.Abs("../../../.bin/stripe-mock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); errors.Is(err, os.ErrNotExist) {
		t.Skip("SKIPPED: there is no .bin/stripe-mock to check the calls: run scripts/install test")
	}
	cmd := exec.CommandContext(t.Context(), binary, "-http-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Wait(); err == nil { // the test's context has ended it
			t.Error("stripe-mock ended by itself")
		}
	})
	said := bufio.NewScanner(out)
	for said.Scan() {
		if found := port.FindStringSubmatch(said.Text()); found != nil {
			go func() {
				for said.Scan() { // so that it does not wait to be read
				}
			}()
			return "http://" + strings.Replace(found[1], "[::]", "127.0.0.1", 1)
		}
	}
	t.Fatalf("stripe-mock does not listen: %v", said.Err())
	return ""
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key   account.Secret
		o     Options
		field string
	}{
		"no key":                 {"", Options{Prices: prices}, "key"},
		"no price":               {"sk", Options{Prices: map[billing.Plan]string{billing.Standard: "price_1"}}, "price_business"},
		"the key in the open":    {"sk", Options{Prices: prices, Host: "http://api.stripe.com"}, "host"},
		"a path behind the host": {"sk", Options{Prices: prices, Host: "https://api.stripe.com/v1"}, "host"},
	} {
		_, err := New(c.key, c.o)
		if p := problem.Of(err); p == nil || p.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutASecretNoEventIsBelieved(t *testing.T) {
	t.Parallel()
	p, err := New("sk", Options{Prices: prices})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"id":"evt_1"}`)
	if _, err := p.Event(body, stripetest.Sign(body, "", time.Now())); !problem.Is(err, problem.Denied) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsDoNotRepeatWhatWasSent(t *testing.T) {
	t.Parallel()
	p := processor(t, stripetest.New(t).URL)
	_, err := p.Portal(t.Context(), "cus_of_somebody", "https://imago.example/")
	if err == nil || problem.Of(err) != nil || strings.Contains(err.Error(), "somebody") || !strings.Contains(err.Error(), "resource_missing") {
		t.Errorf("got %v", err)
	}
}
