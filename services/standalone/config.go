package standalone

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"time"

	"imago/pkg/boot"
	"imago/pkg/notify"
	"imago/pkg/notify/smtp"
	"imago/pkg/postgres/cluster"
	"imago/services/api"
)

// DefaultAddress is where an installation is reached if nobody says otherwise.
const DefaultAddress = "127.0.0.1:8420"

// Config is one installation. Without any variable it is for oneself, on this machine.
type Config struct {
	boot.Common
	Data   string        `env:"DATA" help:"the data directory; absent: $XDG_DATA_HOME/imago, for root /var/lib/imago"`
	Listen boot.Listener `envPrefix:"LISTEN_"`

	SMTP         string    `env:"SMTP" help:"the mail server, host:port; absent: mails are files in the data directory"`
	SMTPTLS      smtp.TLS  `env:"SMTP_TLS" help:"starttls (if absent), implicit, or none, which is for this machine only"`
	SMTPUser     string    `env:"SMTP_USER" help:"who signs in to the mail server; absent: nobody"`
	SMTPPassword boot.File `env:"SMTP_PASSWORD_FILE" help:"file with that user's password"`
	MailFrom     string    `env:"MAIL_FROM" envDefault:"Imago <imago@localhost>" help:"the sender of mails"`

	SignUp            api.SignUp `env:"SIGN_UP" envDefault:"first" help:"who may make an account by signing in: first, open or closed"`
	AllowLoopbackOrgs bool       `env:"ALLOW_LOOPBACK_ORGS" help:"take orgs on this machine, for a simulated one"`
}

// Validate tells what is wrong with the configuration, and what the machine lacks.
func (c Config) Validate() error {
	var wrong []error
	if _, err := mail.ParseAddress(c.MailFrom); err != nil {
		wrong = append(wrong, fmt.Errorf("MAIL_FROM: %q is not a mail address", c.MailFrom))
	}
	if (c.SMTPUser == "") == c.SMTPPassword.Set() {
		wrong = append(wrong, errors.New("SMTP_USER and SMTP_PASSWORD_FILE: one needs the other"))
	}
	if c.SMTP != "" {
		if _, err := c.smtp(); err != nil {
			wrong = append(wrong, fmt.Errorf("SMTP: %w", err))
		}
	}
	switch c.SignUp {
	case api.SignUpFirst, api.SignUpOpen, api.SignUpClosed:
	default:
		wrong = append(wrong, fmt.Errorf("SIGN_UP: %q is none of first, open, closed", c.SignUp))
	}
	if c.Listen.Addr == "" { // another one is asked by itself
		wrong = append(wrong, underPrefix("LISTEN_", c.listener().Validate()))
	}
	if _, err := cluster.Find(); err != nil {
		wrong = append(wrong, fmt.Errorf("POSTGRES_BIN: %w", err))
	}
	return errors.Join(wrong...)
}

// listener is where the installation is reached.
func (c Config) listener() boot.Listener {
	l := c.Listen
	if l.Addr == "" {
		l.Addr = DefaultAddress
	}
	return l
}

func underPrefix(prefix string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s%w", prefix, err)
}

// sender is who delivers mails.
func (c Config) sender(p *place, now func() time.Time) (notify.Sender, error) {
	if c.SMTP == "" {
		return newFolder(p.path("mail"), now)
	}
	return c.smtp()
}

func (c Config) smtp() (*smtp.Sender, error) {
	o := smtp.Options{Username: c.SMTPUser, TLS: c.SMTPTLS}
	if host, _, err := net.SplitHostPort(c.SMTP); err == nil && o.TLS == "" && loopback(host) {
		o.TLS = smtp.Plain // nobody listens in between
	}
	if c.SMTPPassword.Set() {
		o.Password = c.SMTPPassword.Secret()
	}
	return smtp.New(c.SMTP, c.MailFrom, o)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
