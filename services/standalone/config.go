package standalone

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"imago/pkg/boot"
	"imago/pkg/envelope/keyservice"
	"imago/pkg/envelope/local"
	"imago/pkg/notify"
	"imago/pkg/notify/sendgrid"
	"imago/pkg/notify/smtp"
	"imago/pkg/outbound"
	"imago/pkg/postgres/cluster"
	"imago/services/api"
	"imago/services/drift"
	"imago/services/worker"
)

// DefaultAddress is where an installation is reached if nobody says otherwise.
const DefaultAddress = "127.0.0.1:8420"

// Config is one installation. Without any variable it is for oneself, on this machine.
type Config struct {
	boot.Common
	Data   string `env:"DATA" help:"the data directory; absent: $XDG_DATA_HOME/imago, for root /var/lib/imago"`
	NewKey bool   `env:"NEW_CREDENTIALS_KEY" help:"true makes a new credentials.key for one that is lost; each connection then needs new keys (imago connect NAME --new-key)"`
	Keys   keyservice.Remote
	Listen boot.Listener `envPrefix:"LISTEN_"`
	Mail   Mail          `envPrefix:"MAIL_"`
	Stripe Payment       `envPrefix:"STRIPE_"`
	API    api.Config
	Worker worker.Config
	Drift  drift.Config
}

// Validate tells what is wrong with the configuration, and what the machine lacks.
func (c Config) Validate() error {
	var wrong []error
	if c.Listen.Addr == "" { // another one is asked by itself
		if err := c.listener().Validate(); err != nil {
			wrong = append(wrong, fmt.Errorf("LISTEN_%w", err))
		}
	}
	if c.Stripe.Key.Set() && c.API.PublicURL == "" {
		wrong = append(wrong, errors.New("PUBLIC_URL: it is missing, and Stripe's pages lead back there"))
	}
	if err := c.checkKeys(); err != nil {
		wrong = append(wrong, err)
	}
	if _, err := cluster.Find(); err != nil {
		wrong = append(wrong, fmt.Errorf("POSTGRES_BIN: %w", err))
	}
	return errors.Join(wrong...)
}

// checkKeys tells what is wrong with the master keys in the data directory, if there are
// any, and with how they go with a key service. Where there are neither, they will be made.
func (c Config) checkKeys() (err error) {
	if c.Data == "" {
		if c.Data, err = DefaultData(os.Getenv); err != nil {
			return fmt.Errorf("DATA: %w", err)
		}
	}
	path := filepath.Join(c.Data, "master.keys")
	there, err := local.Exists(path)
	if err == nil && there {
		_, err = local.Open(path)
	}
	if err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	return c.Keys.Check(there || !c.Keys.Given())
}

// listener is where the installation is reached.
func (c Config) listener() boot.Listener {
	l := c.Listen
	if l.Addr == "" {
		l.Addr = DefaultAddress
	}
	return l
}

// Mail is by whom mail is sent: SendGrid if there is a key for it, else a mail server;
// with neither, mails are files in the data directory.
type Mail struct {
	From     string    `env:"FROM" envDefault:"Imago <imago@localhost>" help:"the sender of mails"`
	SMTP     string    `env:"SMTP_ADDR" help:"host:port of the mail server; absent: mails are files in the data directory"`
	TLS      smtp.TLS  `env:"SMTP_TLS" help:"starttls (if absent), implicit or, on this machine, none"`
	User     string    `env:"SMTP_USER" help:"user name at the mail server"`
	Password boot.File `env:"SMTP_PASSWORD_FILE" help:"file with the password at the mail server"`
	SendGrid boot.File `env:"SENDGRID_KEY_FILE" help:"file with SendGrid's API key, instead of a mail server"`
	Host     string    `env:"SENDGRID_HOST" help:"https://api.eu.sendgrid.com for the EU region"`
	Webhook  string    `env:"SENDGRID_WEBHOOK_KEY" help:"SendGrid's verification key of the event webhook at /webhooks/sendgrid, base64; absent: it is not listened to"`
}

// Validate tells what does not go together.
func (m Mail) Validate() error {
	if m.SMTP != "" && m.SendGrid.Set() {
		return errors.New("SMTP_ADDR and SENDGRID_KEY_FILE: give one of them")
	}
	if (m.User == "") == m.Password.Set() {
		return errors.New("SMTP_USER and SMTP_PASSWORD_FILE: one needs the other")
	}
	if _, err := m.listener(); err != nil {
		return fmt.Errorf("SENDGRID_WEBHOOK_KEY: %w", err)
	}
	if m.none() {
		return nil
	}
	if _, err := m.server(); err != nil {
		return fmt.Errorf("SMTP_ADDR and FROM: %w", err)
	}
	return nil
}

func (m Mail) none() bool { return m.SMTP == "" && !m.SendGrid.Set() }

// sender is who delivers mails.
func (m Mail) sender(dir string, now func() time.Time) (notify.Sender, error) {
	if m.none() {
		return newFolder(dir, now)
	}
	return m.server()
}

// listener is nil where nobody is listened to.
func (m Mail) listener() (notify.Listener, error) {
	if m.Webhook == "" {
		return nil, nil
	}
	return sendgrid.NewHook(m.Webhook, nil)
}

func (m Mail) server() (notify.Sender, error) {
	if m.SendGrid.Set() {
		return sendgrid.New(m.SendGrid.Secret(), m.From, sendgrid.Options{Host: m.Host})
	}
	o := smtp.Options{Username: m.User, TLS: m.TLS}
	if host, _, err := net.SplitHostPort(m.SMTP); err == nil && o.TLS == "" && outbound.IsLoopback(host) {
		o.TLS = smtp.Plain // nobody listens in between
	}
	if m.Password.Set() {
		o.Password = m.Password.Secret()
	}
	return smtp.New(m.SMTP, m.From, o)
}
