// Package sendgrid sends mail through Twilio SendGrid's v3 API. Opens and clicks are
// not tracked: no link is rewritten and no picture is added.
package sendgrid

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/notify"
	"imago/pkg/problem"

	"github.com/sendgrid/rest"
	sendgridgo "github.com/sendgrid/sendgrid-go"
	sgmail "github.com/sendgrid/sendgrid-go/helpers/mail"
)

// endpoint is where mail is handed in.
// https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
const endpoint = "/v3/mail/send"

// messageArg names the message's ID in SendGrid's notifications about it.
const messageArg = "message"

// Options of a Sender.
type Options struct {
	// Host is the API's URL; zero: https://api.sendgrid.com. Customers in the EU
	// region use https://api.eu.sendgrid.com.
	Host    string
	Timeout time.Duration     // of one call; zero: ten seconds
	HTTP    http.RoundTripper // zero: http.DefaultTransport
}

// Sender hands mail in.
type Sender struct {
	client  *rest.Client
	request rest.Request
	from    *sgmail.Email
	domain  string
}

var _ notify.Sender = (*Sender)(nil)

// New makes a sender with an API key that may send mail. from is an address, with
// or without a name before it, that SendGrid has verified.
func New(key account.Secret, from string, o Options) (*Sender, error) {
	if key == "" {
		return nil, problem.InField("key", "there is no API key for SendGrid")
	}
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return nil, problem.InField("from", "the sender is not a mail address").WithHint("write it as Imago <imago@example.com>").Because(err)
	}
	if err := validHost(o.Host); err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	request := sendgridgo.GetRequest(key.Reveal(), endpoint, o.Host)
	request.Method = rest.Post
	return &Sender{
		client:  &rest.Client{HTTPClient: &http.Client{Transport: o.HTTP, Timeout: o.Timeout, CheckRedirect: stay}},
		request: request,
		from:    sgmail.NewEmail(sender.Name, sender.Address),
		domain:  sender.Address[strings.LastIndexByte(sender.Address, '@')+1:],
	}, nil
}

// stay keeps the key and the mail from going where an answer points.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// validHost keeps the API key off the open network.
func validHost(host string) error {
	u, err := url.Parse(host)
	switch {
	case host == "":
		return nil
	case err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "":
		return problem.InField("host", "the host is not the URL of an API").WithHint("write it as https://api.sendgrid.com")
	case u.Scheme != "https" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" && u.Hostname() != "localhost":
		return problem.InField("host", "the API key would travel without TLS").WithHint("begin the host with https://")
	}
	return nil
}

// Send delivers one message.
func (s *Sender) Send(ctx context.Context, m notify.Message) error {
	if err := m.Validate(); err != nil {
		return err
	}
	request := s.request
	request.Body = sgmail.GetRequestBody(s.mail(m))
	answer, err := s.client.SendWithContext(ctx, request)
	if err != nil {
		return problem.New(problem.Unavailable, "SendGrid does not answer").Because(err)
	}
	return told(answer)
}

func (s *Sender) mail(m notify.Message) *sgmail.SGMailV3 {
	out := sgmail.NewV3MailInit(s.from, m.Subject, sgmail.NewEmail("", m.To),
		sgmail.NewContent("text/plain", m.Text), sgmail.NewContent("text/html", m.HTML))
	out.SetHeader("Message-ID", "<"+m.ID+"@"+s.domain+">")
	out.SetHeader("Auto-Submitted", "auto-generated") // RFC 3834
	if m.Unsubscribe != "" {                          // RFC 8058
		out.SetHeader("List-Unsubscribe", "<"+m.Unsubscribe+">")
		out.SetHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	out.SetCustomArg(messageArg, m.ID)
	if m.Asked {
		on := sgmail.NewSetting(true)
		out.SetMailSettings(sgmail.NewMailSettings().SetBypassBounceManagement(on).SetBypassSpamManagement(on).SetBypassUnsubscribeManagement(on))
	}
	return out.SetTrackingSettings(sgmail.NewTrackingSettings().
		SetClickTracking(sgmail.NewClickTrackingSetting().SetEnable(false).SetEnableText(false)).
		SetOpenTracking(sgmail.NewOpenTrackingSetting().SetEnable(false)).
		SetSubscriptionTracking(sgmail.NewSubscriptionTrackingSetting().SetEnable(false)).
		SetGoogleAnalytics(sgmail.NewGaSetting().SetEnable(false)))
}

// refusal is the body of an answer that is no 2xx.
type refusal struct {
	Errors []struct {
		Field string `json:"field"`
	} `json:"errors"`
}

// fields names what SendGrid objects to: "personalizations.0.to.0.email". The
// sentences beside them repeat addresses, and stay behind.
func fields(body string) []string {
	var r refusal
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return nil // a proxy's page: the status alone tells
	}
	var out []string
	for _, e := range r.Errors {
		out = append(out, e.Field)
	}
	return out
}

// told turns an answer into an error for a person.
func told(answer *rest.Response) error {
	status := answer.StatusCode
	if status == http.StatusAccepted || status == http.StatusOK {
		return nil
	}
	objections := fields(answer.Body)
	cause := fmt.Errorf("sendgrid answer %d about %q", status, objections)
	switch {
	case status == http.StatusBadRequest && aboutRecipient(objections):
		return &problem.Problem{Kind: problem.Invalid, Field: "to", What: "SendGrid refuses the recipient", Hint: "see whether the address is right", Err: cause}
	case status == http.StatusUnauthorized:
		return problem.New(problem.Denied, "SendGrid does not know the API key").WithHint("make a key that may send mail").Because(cause)
	case status == http.StatusForbidden:
		return problem.New(problem.Denied, "SendGrid does not let this key send from this address").WithHint("verify the sender, and let the key send mail").Because(cause)
	case status == http.StatusTooManyRequests:
		return problem.New(problem.OverLimit, "SendGrid's rate limit is used up").Because(cause)
	case status >= 500:
		return problem.New(problem.Unavailable, "SendGrid does not work at the moment").Because(cause)
	}
	return problem.New(problem.Denied, "SendGrid refuses the mail").Because(cause)
}

func aboutRecipient(objections []string) bool {
	for _, f := range objections {
		if !strings.HasPrefix(f, "personalizations.") || !strings.Contains(f, ".to") {
			return false
		}
	}
	return len(objections) > 0
}
