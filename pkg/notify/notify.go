// Package notify is the door to people: a message, its templates, and who sends it.
package notify

import "context"

// Message is one mail, ready to send.
type Message struct {
	ID      string // stable for retries; becomes the Message-ID
	To      string
	Subject string
	Text    string
	HTML    string
}

// Sender delivers messages.
type Sender interface {
	// Send delivers one message. An error that the recipient causes for good (no
	// such mailbox) is a problem of kind Invalid; others may be tried again.
	Send(ctx context.Context, m Message) error
}
