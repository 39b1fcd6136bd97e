// Package smtp sends mail through an SMTP server: by STARTTLS or implicit TLS, in
// plain text only to this machine itself.
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/notify"
	"imago/pkg/outbound"
	"imago/pkg/problem"

	gomail "github.com/wneessen/go-mail"
)

// TLS says how the connection is protected.
type TLS string

// The ways.
const (
	StartTLS TLS = "starttls" // the default; a server without it is refused
	Implicit TLS = "implicit" // from the first byte, port 465
	Plain    TLS = "none"     // to a loopback address only
)

// Options of a Sender.
type Options struct {
	Username string
	Password account.Secret
	TLS      TLS            // zero: StartTLS
	RootCAs  *x509.CertPool // zero: the machine's
	Timeout  time.Duration  // of one delivery; zero: ten seconds
}

// Sender delivers through one server, by one connection a message.
type Sender struct {
	client *gomail.Client
	from   *mail.Address
	domain string
}

var _ notify.Sender = (*Sender)(nil)

// New makes a sender through the server at host:port. from is an address, with or
// without a name before it.
func New(address, from string, o Options) (*Sender, error) {
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return nil, problem.InField("from", "the sender is not a mail address").WithHint("write it as Imago <imago@example.com>").Because(err)
	}
	options, err := clientOptions(address, &o)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("split address: %w", err)
	}
	client, err := gomail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("configure mail client: %w", err)
	}
	return &Sender{client: client, from: sender, domain: sender.Address[strings.LastIndexByte(sender.Address, '@')+1:]}, nil
}

func clientOptions(address string, o *Options) ([]gomail.Option, error) {
	host, portText, err := net.SplitHostPort(address)
	port, portErr := strconv.Atoi(portText)
	if err != nil || portErr != nil || host == "" {
		return nil, problem.InField("address", "the mail server is not host:port").WithHint("write it as mail.example.com:587")
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	out := []gomail.Option{
		gomail.WithPort(port), gomail.WithTimeout(o.Timeout), gomail.WithHELO("localhost"),
		gomail.WithTLSConfig(&tls.Config{ServerName: host, RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}),
	}
	switch o.TLS {
	case StartTLS, "":
		out = append(out, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit:
		out = append(out, gomail.WithSSL())
	case Plain:
		if !outbound.IsLoopback(host) {
			return nil, problem.InField("tls", "mail without TLS leaves this machine").WithHint("use starttls or implicit; none is for loopback addresses")
		}
		out = append(out, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, problem.InField("tls", "%q is none of starttls, implicit, none", string(o.TLS))
	}
	if o.Username != "" {
		out = append(out, gomail.WithSMTPAuth(gomail.SMTPAuthPlain), gomail.WithUsername(o.Username), gomail.WithPassword(o.Password.Reveal()))
	}
	return out, nil
}

// Send delivers one message.
func (s *Sender) Send(ctx context.Context, m notify.Message) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	msg, err := s.message(m)
	if err != nil {
		return err
	}
	err = s.client.DialAndSendWithContext(ctx, msg)
	if msg.IsDelivered() {
		// The server has taken the mail: what went wrong in saying goodbye must not
		// send it once more.
		return nil
	}
	return told(err)
}

func (s *Sender) message(m notify.Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	msg.FromMailAddress(s.from)
	if err := msg.To(m.To); err != nil {
		return nil, problem.InField("to", "the recipient is not one mail address")
	}
	msg.SetMessageIDWithValue(m.ID + "@" + s.domain)
	msg.SetDate()
	msg.Subject(m.Subject)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	if m.Unsubscribe != "" {                             // RFC 8058
		msg.SetGenHeaderPreformatted("List-Unsubscribe", "<"+m.Unsubscribe+">")
		msg.SetGenHeaderPreformatted("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}

// told says what went wrong without repeating what the server said: servers repeat
// addresses.
func told(err error) error {
	if err == nil {
		return nil
	}
	var sent *gomail.SendError
	if !errors.As(err, &sent) {
		return undelivered(err)
	}
	code := fmt.Errorf("smtp answer %d: %s", sent.ErrorCode(), sent.Reason)
	switch {
	case sent.IsTemp():
		return problem.New(problem.Unavailable, "the mail server asks to try again later").Because(code)
	case sent.Reason == gomail.ErrSMTPRcptTo && sent.ErrorCode() >= 500:
		return &problem.Problem{Kind: problem.Invalid, Field: "to", What: "the mail server refuses the recipient", Hint: "see whether the mailbox exists", Err: code}
	case sent.ErrorCode() >= 500:
		return problem.New(problem.Denied, "the mail server refuses the mail").WithHint("see whether it lets this sender in").Because(code)
	}
	return problem.New(problem.Unavailable, "the mail server did not take the mail").Because(code)
}

// undelivered is about the connection, the TLS handshake or the sign-in, which
// know nothing of the recipient yet.
func undelivered(err error) error {
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &verify):
		return problem.New(problem.Denied, "the mail server's certificate is not trusted").WithHint("install its authority's certificate on this machine").Because(err)
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return problem.New(problem.Denied, "the mail server does not offer STARTTLS").WithHint("set tls to implicit if it speaks TLS from the first byte").Because(err)
	case strings.Contains(err.Error(), "535"):
		return problem.New(problem.Denied, "the mail server refuses the sign-in").WithHint("correct the user name or the password").Because(err)
	}
	return problem.New(problem.Unavailable, "the mail server does not answer").Because(err)
}
