// Command imago-api serves the api: the only program that is reachable from outside.
package main

import (
	"context"
	"errors"
	"net/http"
	_ "time/tzdata" // schedules name time zones, and a bare machine has none

	"imago/pkg/billing"
	"imago/pkg/billing/stripe"
	"imago/pkg/blob"
	"imago/pkg/blob/s3"
	"imago/pkg/boot"
	"imago/pkg/envelope"
	"imago/pkg/envelope/keyservice"
	"imago/pkg/envelope/local"
	"imago/pkg/notify"
	"imago/pkg/notify/sendgrid"
	"imago/pkg/postgres"
	"imago/pkg/provider/okta"
	"imago/services/api"
)

// config is the program's environment; -help lists it.
type config struct {
	boot.Common
	api.Config
	Listen   boot.Listener `envPrefix:"LISTEN_"`
	Database boot.File     `env:"DATABASE_URL_FILE,required" help:"file with the database's URL, as the role imago_api"`
	Keys     keyservice.Config
	Box      string    `env:"CREDENTIALS_PUB,required" help:"file of the workers' public key, to which credentials are sealed"`
	Store    s3.Config `envPrefix:"STORE_"`
	Stripe   payment   `envPrefix:"STRIPE_"`
	SendGrid events    `envPrefix:"MAIL_SENDGRID_"`
}

// events are what SendGrid tells of mail, where mail goes through it.
type events struct {
	Key string `env:"WEBHOOK_KEY" help:"SendGrid's verification key of the event webhook at /webhooks/sendgrid, base64; absent: it is not listened to"`
}

// Validate tells what is no key.
func (e events) Validate() error {
	_, err := e.listener()
	return err
}

// listener is nil where nobody is listened to.
func (e events) listener() (notify.Listener, error) {
	if e.Key == "" {
		return nil, nil
	}
	return sendgrid.NewHook(e.Key, nil)
}

// payment is where plans are sold; without a key nothing is, and nothing is limited.
type payment struct {
	Key     boot.File `env:"KEY_FILE" help:"file with Stripe's key; absent: nothing is sold, and nothing is limited"`
	Webhook boot.File `env:"WEBHOOK_SECRET_FILE" help:"file with the secret of the endpoint /webhooks/stripe at Stripe"`
	stripe.Prices
}

// Validate tells what is missing to sell.
func (p payment) Validate() error {
	if !p.Key.Set() {
		return nil
	}
	if !p.Webhook.Set() {
		return errors.New("WEBHOOK_SECRET_FILE: it is missing, and notifications would be refused")
	}
	_, err := p.processor()
	return err
}

// processor is nil where nothing is sold.
func (p payment) processor() (billing.Processor, error) {
	if !p.Key.Set() {
		return nil, nil
	}
	return stripe.New(p.Key.Secret(), stripe.Options{
		Prices: p.ByPlan(), WebhookSecret: p.Webhook.Secret(),
	})
}

// Validate tells what is wrong beyond single variables.
func (c config) Validate() error {
	if c.Listen.Addr == "" {
		return errors.New("IMAGO_LISTEN_ADDR: it is missing")
	}
	if c.Stripe.Key.Set() && c.PublicURL == "" {
		return errors.New("IMAGO_PUBLIC_URL: it is missing, and Stripe's pages lead back there")
	}
	return errors.Join(c.Listen.Validate(), c.Config.Validate())
}

func main() {
	boot.Main("imago-api", "serves the api by Connect and REST", setup)
}

func setup(ctx context.Context, c config, p *boot.Process) error {
	deps := api.Deps{Provider: okta.New(okta.Options{Public: !c.AllowLoopbackOrgs}), Log: p.Log, Metrics: p.Metrics}
	var err error
	if deps.Keys, err = c.Keys.Open(ctx); err != nil {
		return err
	}
	if deps.Box, err = local.ReadPublicKey(c.Box); err != nil {
		return err
	}
	if deps.Billing, err = c.Stripe.processor(); err != nil {
		return err
	}
	if deps.MailEvents, err = c.SendGrid.listener(); err != nil {
		return err
	}
	if deps.Store, err = c.Store.OpenToRead(ctx); err != nil {
		return err
	}
	if deps.DB, err = postgres.Open(ctx, c.Database.Text(), postgres.Options{}); err != nil {
		return err
	}
	p.OnStop(func() error { deps.DB.Close(); return nil })
	service, err := api.New(c.Config, deps)
	if err != nil {
		return err
	}
	p.Check("database", service.Ready)
	if p.Looking() { // else it would be asked with every look at /readyz
		p.Check("key service", func(ctx context.Context) error { return envelope.Check(ctx, deps.Keys) })
	}
	p.Check("store", func(ctx context.Context) error { return blob.Ready(ctx, deps.Store) })
	_, err = p.Listen(ctx, "api", c.Listen, public(p.Health(), service))
	return err
}

// public serves health beside the api: load balancers look there.
func public(health, service http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", health)
	mux.Handle("GET /readyz", health)
	mux.Handle("/", service)
	return mux
}
