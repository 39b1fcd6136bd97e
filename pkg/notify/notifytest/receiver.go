package notifytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Addresses that a Receiver refuses.
const (
	RefusedAddress = "nobody@customer.example" // for good, 550
	BusyAddress    = "busy@customer.example"   // for now, 451
)

// ReceiverOptions says how a Receiver is spoken to.
type ReceiverOptions struct {
	TLS *tls.Config // offered by STARTTLS; nil: none
	// Username and Password are asked for, unless empty.
	Username, Password string
}

// Receiver is a mail server on loopback that keeps what it is sent.
type Receiver struct {
	Address string // host:port

	options ReceiverOptions
	mu      sync.Mutex
	arrived *sync.Cond
	mails   []Mail
}

// StartReceiver serves until the test ends.
func StartReceiver(t testing.TB, o ReceiverOptions) *Receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Receiver{Address: l.Addr().String(), options: o}
	r.arrived = sync.NewCond(&r.mu)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{receiver: r, signedIn: o.Username == ""}, nil
	}))
	server.Domain, server.TLSConfig, server.AllowInsecureAuth = "localhost", o.TLS, o.TLS == nil
	server.ReadTimeout, server.WriteTimeout = 30*time.Second, 30*time.Second
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		// Serve may not have begun yet: it ends by its listener's end as well.
		if err := errors.Join(server.Close(), l.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("close the mail server: %v", err)
		}
		if err := <-ended; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the mail server ended: %v", err)
		}
	})
	return r
}

// Mails lists what arrived up to now.
func (r *Receiver) Mails() []Mail {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Mail(nil), r.mails...)
}

// Wait returns when a mail has arrived for which want is true; it fails the test
// when the context ends before.
func (r *Receiver) Wait(ctx context.Context, t testing.TB, want func(Mail) bool) Mail {
	t.Helper()
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.arrived.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for seen := 0; ; {
		for ; seen < len(r.mails); seen++ {
			if want(r.mails[seen]) {
				return r.mails[seen]
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("the mail did not arrive; %d others did", len(r.mails))
		}
		r.arrived.Wait()
	}
}

func (r *Receiver) keep(m Mail) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mails = append(r.mails, m)
	r.arrived.Broadcast()
}

// session is one conversation.
type session struct {
	receiver *Receiver
	signedIn bool
	from     string
	to       []string
}

var _ smtp.AuthSession = (*session)(nil)

func (*session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != s.receiver.options.Username || password != s.receiver.options.Password {
			return smtp.ErrAuthFailed
		}
		s.signedIn = true
		return nil
	}), nil
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.signedIn {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch to {
	case RefusedAddress:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox " + to}
	case BusyAddress:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later, " + to}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := Parse(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: err.Error()}
	}
	if len(s.to) != 1 || s.to[0] != m.To || s.from != m.From {
		return &smtp.SMTPError{Code: 554, Message: "the envelope and the headers differ"}
	}
	s.receiver.keep(m)
	return nil
}

// Parse reads a mail as its recipient's program does.
func Parse(raw []byte) (Mail, error) {
	for line := range bytes.Lines(raw) {
		if len(line) > 1000 {
			return Mail{}, errors.New("a line is longer than RFC 5322 allows")
		}
	}
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		return Mail{}, fmt.Errorf("read mail: %w", err)
	}
	m, err := parseHeader(r.Header)
	if err != nil {
		return Mail{}, err
	}
	if err := parseParts(r, &m); err != nil {
		return Mail{}, err
	}
	return m, nil
}

func parseHeader(h mail.Header) (m Mail, err error) {
	if m.MessageID, err = h.MessageID(); err != nil {
		return m, fmt.Errorf("read Message-ID: %w", err)
	}
	if m.Subject, err = h.Subject(); err != nil {
		return m, fmt.Errorf("read subject: %w", err)
	}
	for name, into := range map[string]*string{"From": &m.From, "To": &m.To} {
		list, err := h.AddressList(name)
		if err != nil || len(list) != 1 {
			return m, fmt.Errorf("read %s of %d addresses: %w", name, len(list), err)
		}
		*into = list[0].Address
	}
	m.Unsubscribe, m.UnsubscribePost = h.Get("List-Unsubscribe"), h.Get("List-Unsubscribe-Post")
	for fields := h.Fields(); fields.Next(); {
		m.Headers = append(m.Headers, strings.ToLower(fields.Key()))
	}
	return m, nil
}

func parseParts(r *mail.Reader, m *Mail) error {
	for {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read part: %w", err)
		}
		body, err := io.ReadAll(part.Body)
		if err != nil {
			return fmt.Errorf("read body: %w", err)
		}
		text := strings.ReplaceAll(string(body), "\r\n", "\n")
		switch kind := part.Header.Get("Content-Type"); {
		case strings.HasPrefix(kind, "text/plain"):
			m.Text += text
		case strings.HasPrefix(kind, "text/html"):
			m.HTML += text
		default:
			return fmt.Errorf("part of type %q", kind)
		}
	}
}
