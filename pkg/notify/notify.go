// Package notify is the door to people: a message, its templates, and who sends it.
// Every implementation of Sender passes notifytest.
package notify

import (
	"context"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"imago/pkg/outbound"
	"imago/pkg/problem"
)

// Message is one mail, ready to send.
type Message struct {
	ID      string // stable for retries; becomes the Message-ID
	To      string
	Subject string
	Text    string
	HTML    string
	// Asked says that its recipient waits for it, having just asked: it goes out although
	// earlier mail came back or was complained of, where the provider keeps lists of such.
	Asked bool
	// Unsubscribe is the address at which the recipient ends such mail with one click
	// and without signing in (RFC 8058); "": they did not subscribe to it.
	Unsubscribe string
}

// Sender delivers messages.
type Sender interface {
	// Send delivers one message. It MUST refuse what Validate refuses, and MUST
	// send the same Message-ID for the same ID. An error that the recipient causes
	// for good (no such mailbox) is a problem of kind Invalid; others may be tried
	// again. An error MUST NOT repeat the recipient's address. A message with an
	// address to unsubscribe at MUST carry it in the headers of RFC 8058.
	Send(ctx context.Context, m Message) error
}

// messageID is what may stand to the left of a Message-ID's "@" (RFC 5322, dot-atom).
var messageID = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// maxSubject bounds a subject, in bytes.
const maxSubject = 500

// Validate refuses a message that no sender may pass on: a header that somebody
// could continue on a line of their own, an address that is not exactly one, an
// empty body. It is a problem of kind Invalid that names the field.
func (m Message) Validate() error {
	if !messageID.MatchString(m.ID) || len(m.ID) > 200 {
		return problem.InField("id", "the message's ID is not letters, digits, dots and dashes")
	}
	if err := validAddress(m.To); err != nil {
		return err
	}
	if m.Subject == "" || len(m.Subject) > maxSubject || hasControl(m.Subject) {
		return problem.InField("subject", "the subject is empty, too long, or holds control characters")
	}
	if m.Text == "" || m.HTML == "" {
		return problem.InField("text", "the message lacks a body")
	}
	if !utf8.ValidString(m.Text) || !utf8.ValidString(m.HTML) || strings.ContainsRune(m.Text+m.HTML, 0) {
		return problem.InField("text", "the body is not valid text")
	}
	return validUnsubscribe(m.Unsubscribe)
}

// validUnsubscribe takes an https address, as RFC 8058 wants it; plain http leads to this
// machine only.
func validUnsubscribe(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.ContainsAny(address, "<>, ") || hasControl(address) ||
		u.Scheme != "https" && (u.Scheme != "http" || !outbound.IsLoopback(u.Hostname())) {
		return problem.InField("unsubscribe", "the address to unsubscribe at is no https address")
	}
	return nil
}

// validAddress takes a bare address: no display name, no list, no comment.
func validAddress(to string) error {
	a, err := mail.ParseAddress(to)
	if err != nil || a.Address != to || len(to) > 254 || hasControl(to) {
		return problem.InField("to", "the recipient is not one mail address").
			WithHint("write it as name@example.com")
	}
	return nil
}

func hasControl(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
}
