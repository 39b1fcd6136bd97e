package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"
)

// outbox is the mail server of the demo: whatever is sent stays in a folder, a file
// a mail. There is none in the product.
type outbox struct {
	dir      string
	server   *smtp.Server
	listener net.Listener
	served   chan error

	mu    sync.Mutex
	mails []letter
}

// letter is one mail that arrived.
type letter struct {
	file, to, from, subject, text string
}

// openOutbox serves SMTP on a free port of this machine.
func openOutbox(dir string) (*outbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &outbox{dir: dir, listener: l, served: make(chan error, 1)}
	o.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{o: o}, nil }))
	o.server.Domain, o.server.MaxMessageBytes = "localhost", 10<<20
	o.server.ReadTimeout, o.server.WriteTimeout = time.Minute, time.Minute
	go func() { o.served <- o.server.Serve(l) }()
	return o, nil
}

func (o *outbox) address() string { return o.listener.Addr().String() }

func (o *outbox) close() error {
	err := o.server.Close()
	if served := <-o.served; !errors.Is(served, smtp.ErrServerClosed) && !errors.Is(served, net.ErrClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// find gives the newest mail that fits, of those that arrived after the first `after`.
func (o *outbox) find(after int, fits func(letter) bool) (letter, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.mails) - 1; i >= after; i-- {
		if fits(o.mails[i]) {
			return o.mails[i], true
		}
	}
	return letter{}, false
}

// count is how many have arrived.
func (o *outbox) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.mails)
}

// session is one client's visit.
type session struct {
	o  *outbox
	to []string
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Reset() { s.to = nil }

func (s *session) Logout() error { return nil }

// Data keeps the mail as it came, and reads what the demo shows of it.
func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	name := time.Now().UTC().Format("20060102T150405.000000Z") + ".eml"
	l, err := parseLetter(strings.NewReader(string(text)))
	if err != nil {
		return fmt.Errorf("this is not a mail: %w", err)
	}
	l.to, l.file = strings.Join(s.to, ", "), filepath.Join(s.o.dir, name)
	if err := os.WriteFile(l.file, text, 0o600); err != nil {
		return err
	}
	s.o.mails = append(s.o.mails, l)
	return nil
}

// parseLetter reads the head and the plain text.
func parseLetter(r io.Reader) (letter, error) {
	m, err := mail.CreateReader(r)
	if err != nil {
		return letter{}, err
	}
	var l letter
	if l.subject, err = m.Header.Subject(); err != nil {
		return l, err
	}
	l.from = m.Header.Get("From")
	for {
		part, err := m.NextPart()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return l, err
		}
		if h, ok := part.Header.(*mail.InlineHeader); ok && strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
			text, err := io.ReadAll(part.Body)
			if err != nil {
				return l, err
			}
			l.text = strings.ReplaceAll(string(text), "\r\n", "\n")
		}
	}
}

// show prints a mail in a frame.
func (l letter) show() {
	fmt.Printf("\n┌─ mail to %s\n│ From:    %s\n│ Subject: %s\n│\n", l.to, l.from, l.subject)
	for line := range strings.Lines(strings.TrimSpace(l.text) + "\n") {
		fmt.Printf("│ %s", line)
	}
	fmt.Printf("└─ %s\n", l.file)
}
