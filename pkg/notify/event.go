package notify

import "net/http"

// Reason is why mail to an address is stopped.
type Reason string

// The reasons.
const (
	Bounce      Reason = "bounce"      // the mailbox refused a mail for good
	Dropped     Reason = "dropped"     // the provider did not even try, because of what happened before
	SpamReport  Reason = "spam_report" // its reader called a mail spam
	Unsubscribe Reason = "unsubscribe" // its reader wants no more of such
)

// Event is what a mail provider tells of a message that it has taken.
type Event struct {
	ID      string // the same when it is told again
	Reason  Reason
	Message string // the message's ID
	Address string // whom it went to
}

// Listener reads a mail provider's notifications.
type Listener interface {
	// Events gives those that say why to send no more. A notification that the provider
	// did not sign, or not lately, MUST be a problem of kind Denied; what is signed and
	// makes no sense, one of kind Invalid.
	Events(payload []byte, header http.Header) ([]Event, error)
}
