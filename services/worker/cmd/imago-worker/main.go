// Command imago-worker takes snapshots, plans and applies restores, and sends mail.
package main

import (
	"context"
	"errors"
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
	"imago/pkg/notify/smtp"
	"imago/pkg/postgres"
	"imago/pkg/provider"
	"imago/pkg/provider/okta"
	"imago/services/worker"
)

// config is the program's environment; -help lists it.
type config struct {
	boot.Common
	worker.Config
	Database boot.File `env:"DATABASE_URL_FILE,required" help:"file with the database's URL, as the role imago_worker"`
	Keys     keyservice.Config
	// AllowLoopbackOrgs is for trying things with a simulated org, as the api's is: else
	// a customer's address must not lead into the service's own network.
	AllowLoopbackOrgs bool      `env:"ALLOW_LOOPBACK_ORGS" help:"true reaches orgs in private networks, and simulated ones; never in production"`
	Box               string    `env:"CREDENTIALS_KEY,required" help:"file of the private key that opens credentials"`
	Store             s3.Config `envPrefix:"STORE_"`
	Mail              mail      `envPrefix:"MAIL_"`
	Stripe            payment   `envPrefix:"STRIPE_"`
}

// payment is where plans are sold; without a key nothing is.
type payment struct {
	Key boot.File `env:"KEY_FILE" help:"file with Stripe's key, which reads subscriptions and need not do more; absent: nothing is sold"`
	stripe.Prices
}

// Validate tells what is missing.
func (p payment) Validate() error {
	_, err := p.processor()
	return err
}

// processor is nil where nothing is sold.
func (p payment) processor() (billing.Processor, error) {
	if !p.Key.Set() {
		return nil, nil
	}
	return stripe.New(p.Key.Secret(), stripe.Options{
		Prices: p.ByPlan(),
	})
}

// mail is by whom mail is sent: SendGrid if there is a key for it, else an SMTP server.
type mail struct {
	From     string    `env:"FROM,required" help:"the sender: Imago <imago@example.com>"`
	SMTP     string    `env:"SMTP_ADDR" help:"host:port of the mail server"`
	TLS      string    `env:"SMTP_TLS" envDefault:"starttls" help:"starttls, implicit or, on this machine, none"`
	User     string    `env:"SMTP_USER" help:"user name at the mail server"`
	Password boot.File `env:"SMTP_PASSWORD_FILE" help:"file with the password at the mail server"`
	SendGrid boot.File `env:"SENDGRID_KEY_FILE" help:"file with SendGrid's API key, instead of a mail server"`
	Host     string    `env:"SENDGRID_HOST" help:"https://api.eu.sendgrid.com for the EU region"`
}

// Validate tells what does not go together.
func (m mail) Validate() error {
	if (m.SMTP == "") == !m.SendGrid.Set() {
		return errors.New("SMTP_ADDR and SENDGRID_KEY_FILE: give one of them")
	}
	_, err := m.sender()
	return err
}

func (m mail) sender() (notify.Sender, error) {
	if m.SendGrid.Set() {
		return sendgrid.New(m.SendGrid.Secret(), m.From, sendgrid.Options{Host: m.Host})
	}
	return smtp.New(m.SMTP, m.From, smtp.Options{Username: m.User, Password: m.Password.Secret(), TLS: smtp.TLS(m.TLS)})
}

func main() {
	boot.Main("imago-worker", "takes snapshots, plans and applies restores, sends mail", setup)
}

func setup(ctx context.Context, c config, p *boot.Process) error {
	org := okta.New(okta.Options{Public: !c.AllowLoopbackOrgs, Demo: c.DemoOrgs, Part: 0.8}) // the rest is the drift monitor's
	deps := worker.Deps{Providers: []provider.Provider{org}, Software: "imago " + p.Version, Log: p.Log, Metrics: p.Metrics}
	var err error
	if deps.Keys, err = c.Keys.Open(ctx); err != nil {
		return err
	}
	if deps.Box, err = local.ReadBoxKey(c.Box); err != nil {
		return err
	}
	if deps.Billing, err = c.Stripe.processor(); err != nil {
		return err
	}
	if deps.Mail, err = c.Mail.sender(); err != nil {
		return err
	}
	if deps.Store, err = c.Store.Open(ctx); err != nil {
		return err
	}
	tellStore(deps.Store, p)
	if deps.DB, err = postgres.Open(ctx, c.Database.Text(), postgres.Options{}); err != nil {
		return err
	}
	p.OnStop(func() error { deps.DB.Close(); return nil })
	service, err := worker.New(c.Config, deps)
	if err != nil {
		return err
	}
	p.Check("database", service.Ready)
	if p.Looking() { // else it would be asked with every look at /readyz
		p.Check("key service", func(ctx context.Context) error { return envelope.Check(ctx, deps.Keys) })
	}
	p.Check("store", func(ctx context.Context) error { return blob.Ready(ctx, deps.Store) })
	p.Go("jobs", service.Run)
	return nil
}

// tellStore says what the bucket was found to do, and how: to who looks, and in the log of
// who runs.
func tellStore(store blob.Store, p *boot.Process) {
	bucket, ok := blob.As[blob.Explainer](store)
	if !ok {
		return
	}
	for _, a := range bucket.Abilities() {
		p.Tell("store: " + a.String())
	}
	if !p.Looking() {
		p.Log.Info("bucket opened", "abilities", bucket.Abilities())
	}
}
