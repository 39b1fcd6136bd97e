package smtp_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/notify/notifytest"
	"imago/pkg/notify/smtp"
	"imago/pkg/problem"
)

const from = "Imago <imago@backup.example>"

func sender(t *testing.T, address string, o smtp.Options) *smtp.Sender {
	t.Helper()
	s, err := smtp.New(address, from, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// certificate is httptest's own, valid for 127.0.0.1.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return &tls.Config{Certificates: server.TLS.Certificates}, pool
}

func TestSenderKeepsTheDoorsPromises(t *testing.T) {
	t.Parallel()
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		notifytest.Run(t, func(t *testing.T) notifytest.Bundle {
			r := notifytest.StartReceiver(t, notifytest.ReceiverOptions{})
			return bundle(sender(t, r.Address, smtp.Options{TLS: smtp.Plain}), r)
		})
	})
	t.Run("starttls and password", func(t *testing.T) {
		t.Parallel()
		config, pool := certificate(t)
		notifytest.Run(t, func(t *testing.T) notifytest.Bundle {
			r := notifytest.StartReceiver(t, notifytest.ReceiverOptions{TLS: config, Username: "imago", Password: "right"})
			return bundle(sender(t, r.Address, smtp.Options{RootCAs: pool, Username: "imago", Password: "right"}), r)
		})
	})
}

func bundle(s *smtp.Sender, r *notifytest.Receiver) notifytest.Bundle {
	return notifytest.Bundle{Sender: s, Received: r.Mails, Refused: notifytest.RefusedAddress, Busy: notifytest.BusyAddress}
}

func TestSendSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	config, pool := certificate(t)
	plain := notifytest.StartReceiver(t, notifytest.ReceiverOptions{})
	secure := notifytest.StartReceiver(t, notifytest.ReceiverOptions{TLS: config, Username: "imago", Password: "right"})
	for name, test := range map[string]struct {
		address string
		options smtp.Options
		kind    problem.Kind
		what    string
	}{
		"no STARTTLS": {plain.Address, smtp.Options{}, problem.Denied, "the mail server does not offer STARTTLS"},
		"unknown authority": {secure.Address, smtp.Options{Username: "imago", Password: "right"},
			problem.Denied, "the mail server's certificate is not trusted"},
		"wrong password": {secure.Address, smtp.Options{RootCAs: pool, Username: "imago", Password: account.Secret("wrong")},
			problem.Denied, "the mail server refuses the sign-in"},
		"nobody there": {closed(t), smtp.Options{TLS: smtp.Plain}, problem.Unavailable, "the mail server does not answer"},
		"silent server": {silent(t), smtp.Options{TLS: smtp.Plain, Timeout: 50 * time.Millisecond},
			problem.Unavailable, "the mail server does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := sender(t, test.address, test.options).Send(t.Context(), notifytest.Message())
			if p := problem.Of(err); p == nil || p.Kind != test.kind || p.What != test.what {
				t.Errorf("%v, want %s: %s", err, test.kind, test.what)
			}
		})
	}
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// silent is an address where somebody listens and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		address, from string
		options       smtp.Options
		field         string
	}{
		"plain to another machine": {"mail.example.com:25", from, smtp.Options{TLS: smtp.Plain}, "tls"},
		"unknown way":              {"mail.example.com:25", from, smtp.Options{TLS: "sometimes"}, "tls"},
		"no port":                  {"mail.example.com", from, smtp.Options{}, "address"},
		"no host":                  {":25", from, smtp.Options{}, "address"},
		"no sender":                {"mail.example.com:587", "", smtp.Options{}, "from"},
		"sender that goes on":      {"mail.example.com:587", "a@b.example\r\nBcc: c@d.example", smtp.Options{}, "from"},
	} {
		if _, err := smtp.New(test.address, test.from, test.options); !problem.Is(err, problem.Invalid) || problem.Of(err).Field != test.field {
			t.Errorf("%s: %v, want a problem in field %s", name, err, test.field)
		}
	}
}
