// Command browsertest plays Stripe for the console's tests in a browser: the stand-in's
// API and, asked for by the test, what people do on Stripe's pages. Each notification of
// that goes out twice, and the last one first.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"imago/pkg/billing/stripetest"
)

// shop is a stand-in, and where its notifications go.
type shop struct {
	stripe  *stripetest.Stripe
	webhook string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "browsertest: %v\n", err)
		os.Exit(1)
	}
}

// run says its address on a line, and serves until it is killed.
func run() error {
	webhook := flag.String("webhook", "", "URL to which notifications go")
	flag.Parse()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := shop{stripe: stripetest.Open(), webhook: *webhook}
	mux := http.NewServeMux()
	mux.Handle("/v1/", s.stripe)
	mux.HandleFunc("POST /play/{act}", s.play)
	fmt.Printf("http://%s\n", l.Addr())
	server := http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.Serve(l)
}

// play does what a person does on a page of Stripe's, and tells of it.
func (s shop) play(w http.ResponseWriter, r *http.Request) {
	subscription, err := s.act(r.PathValue("act"), r.FormValue("of"))
	if err == nil {
		err = s.tell()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	if err := json.NewEncoder(w).Encode(map[string]string{"subscription": subscription}); err != nil {
		return // the test is gone
	}
}

// act is about a page of Checkout, or about a subscription.
func (s shop) act(name, of string) (subscription string, err error) {
	switch name {
	case "pay":
		return s.stripe.Pay(of)
	case "fail":
		return of, s.stripe.Fail(of)
	case "recover":
		return of, s.stripe.Recover(of)
	case "cancel":
		return of, s.stripe.Cancel(of)
	}
	return "", fmt.Errorf("nobody can %q", name)
}

// tell delivers what has happened: backwards, and twice.
func (s shop) tell() error {
	var errs []error
	for _, e := range slices.Backward(s.stripe.Events()) {
		errs = append(errs, s.post(e), s.post(e))
	}
	return errors.Join(errs...)
}

func (s shop) post(e stripetest.Event) (err error) {
	req, err := http.NewRequest(http.MethodPost, s.webhook, bytes.NewReader(e.Payload))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Stripe-Signature", stripetest.Sign(e.Payload, stripetest.Secret, time.Now()))
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode/100 != 2 {
		said, err := io.ReadAll(res.Body)
		return errors.Join(err, fmt.Errorf("%s is answered %s: %s", e.Type, res.Status, said))
	}
	return nil
}
