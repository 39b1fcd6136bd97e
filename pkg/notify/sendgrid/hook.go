package sendgrid

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"

	"imago/pkg/notify"
	"imago/pkg/problem"
)

// tolerance is how old, or how far ahead, a notification may be. SendGrid names no bound.
const tolerance = 10 * time.Minute

// Hook reads the notifications of SendGrid's event webhook, whose signature must be
// switched on.
// https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
type Hook struct {
	key *ecdsa.PublicKey
	now func() time.Time
}

var _ notify.Listener = (*Hook)(nil)

// NewHook makes a hook with the verification key that SendGrid shows, base64; now nil is
// time.Now.
func NewHook(key string, now func() time.Time) (*Hook, error) {
	if now == nil {
		now = time.Now
	}
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	if err != nil {
		return nil, problem.InField("webhook_key", "the verification key is not base64").WithHint("copy it from SendGrid's settings of the event webhook").Because(err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	public, ok := parsed.(*ecdsa.PublicKey)
	if err != nil || !ok {
		return nil, problem.InField("webhook_key", "the verification key is no ECDSA public key").WithHint("copy it from SendGrid's settings of the event webhook").Because(err)
	}
	return &Hook{public, now}, nil
}

// Events reads a notification of many events, and gives those that say why to send no more.
func (h *Hook) Events(payload []byte, header http.Header) (out []notify.Event, err error) {
	if err := h.verify(payload, header); err != nil {
		return nil, err
	}
	var all []event
	if err := json.Unmarshal(payload, &all); err != nil {
		return nil, problem.New(problem.Invalid, "the notification is not a list of events").Because(err)
	}
	for _, e := range all {
		if reason := e.stops(); reason != "" && e.ID != "" && len(e.ID) <= 255 && e.Message != "" {
			out = append(out, notify.Event{ID: e.ID, Reason: reason, Message: e.Message, Address: e.Email})
		}
	}
	return out, nil
}

// verify wants SendGrid's signature over the timestamp and the body as it came.
func (h *Hook) verify(payload []byte, header http.Header) error {
	signature, stamp := header.Get(eventwebhook.VerificationHTTPHeader), header.Get(eventwebhook.TimestampHTTPHeader)
	ok, err := eventwebhook.VerifySignature(h.key, payload, signature, stamp)
	if err != nil || !ok {
		return problem.New(problem.Denied, "the notification is not signed by SendGrid").Because(err)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if age := h.now().Sub(time.Unix(seconds, 0)); err != nil || age.Abs() > tolerance {
		return problem.New(problem.Denied, "the notification was signed at another time").Because(err)
	}
	return nil
}

// event is what is read of an event. https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
type event struct {
	ID      string `json:"sg_event_id"`
	Event   string `json:"event"`
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Email   string `json:"email"`
	Message string `json:"message"` // messageArg
}

// lists are the reasons of a drop that are about the address; others are about the mail
// or the sender's account.
var lists = []string{"Bounced Address", "Spam Reporting Address", "Unsubscribed Address", "Invalid"}

// stops says why no more is to be sent; "" if more is. A block is a refusal for now.
func (e event) stops() notify.Reason {
	switch {
	case e.Event == "bounce" && e.Type != "blocked":
		return notify.Bounce
	case e.Event == "dropped" && slices.Contains(lists, e.Reason):
		return notify.Dropped
	case e.Event == "spamreport":
		return notify.SpamReport
	case e.Event == "unsubscribe" || e.Event == "group_unsubscribe":
		return notify.Unsubscribe
	}
	return ""
}
