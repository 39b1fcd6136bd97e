package sendgrid_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"imago/pkg/account"
	"imago/pkg/notify/notifytest"
	"imago/pkg/notify/sendgrid"
	"imago/pkg/problem"
)

const (
	key  = "SG.test"
	from = "Imago <imago@backup.example>"
)

// api stands in for SendGrid's v3 mail/send, as its reference describes it, and
// takes nothing that the reference does not name.
type api struct {
	mu    sync.Mutex
	mails []notifytest.Mail
}

// person, content and body are the parts of the reference that Imago uses.
type person struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

type content struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type toggle struct {
	Enable     *bool `json:"enable"`
	EnableText *bool `json:"enable_text,omitempty"`
}

type body struct {
	From             person `json:"from"`
	Subject          string `json:"subject"`
	Personalizations []struct {
		To []person `json:"to"`
	} `json:"personalizations"`
	Content  []content         `json:"content"`
	Headers  map[string]string `json:"headers"`
	Args     map[string]string `json:"custom_args"`
	Settings map[string]toggle `json:"mail_settings"`
	Tracking map[string]toggle `json:"tracking_settings"`
}

// objection is an answer that is no 202.
type objection struct {
	status         int
	message, field string
}

// reserved may not be set through headers.
var reserved = []string{"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type",
	"content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m, bad := a.read(r)
	if bad == nil {
		a.mu.Lock()
		a.mails = append(a.mails, m)
		a.mu.Unlock()
		w.Header().Set("X-Message-Id", "14c5d75ce93.dfd.64b469")
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(bad.status)
	if _, err := fmt.Fprintf(w, `{"errors":[{"message":%q,"field":%q,"help":null}]}`, bad.message, bad.field); err != nil {
		panic(err)
	}
}

func (a *api) received() []notifytest.Mail {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.mails)
}

func (a *api) read(r *http.Request) (m notifytest.Mail, bad *objection) {
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/v3/mail/send" || r.URL.RawQuery != "":
		return m, &objection{404, "not found", ""}
	case r.Header.Get("Authorization") != "Bearer "+key:
		return m, &objection{401, "The provided authorization grant is invalid, expired, or revoked", ""}
	case r.Header.Get("Content-Type") != "application/json":
		return m, &objection{415, "unsupported media type", ""}
	}
	var b body
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return m, &objection{400, err.Error(), ""}
	}
	if _, err := decoder.Token(); err != io.EOF {
		return m, &objection{400, "Bad Request", ""}
	}
	return check(b)
}

func check(b body) (m notifytest.Mail, bad *objection) {
	if len(b.Personalizations) != 1 || len(b.Personalizations[0].To) != 1 {
		return m, &objection{400, "one recipient is wanted", "personalizations"}
	}
	to := b.Personalizations[0].To[0].Email
	if to == notifytest.RefusedAddress {
		return m, &objection{400, "Does not contain a valid address: " + to, "personalizations.0.to.0.email"}
	}
	if to == notifytest.BusyAddress {
		return m, &objection{503, "try again: " + to, ""}
	}
	for _, address := range []string{to, b.From.Email} {
		if _, err := mail.ParseAddress(address); err != nil {
			return m, &objection{400, "Does not contain a valid address.", "from.email"}
		}
	}
	if len(b.Content) != 2 || b.Content[0].Type != "text/plain" || b.Content[1].Type != "text/html" {
		return m, &objection{400, "text/plain must come first, then text/html", "content"}
	}
	if bad := checkHeaders(b.Headers); bad != nil {
		return m, bad
	}
	if id := b.Args["message"]; len(b.Args) != 1 || !strings.HasPrefix(b.Headers["Message-ID"], "<"+id+"@") {
		return m, &objection{400, "its notifications will not say which message they are about", "custom_args"}
	}
	if bad := checkTracking(b.Tracking); bad != nil {
		return m, bad
	}
	m = notifytest.Mail{From: b.From.Email, To: to, Subject: b.Subject, Text: b.Content[0].Value, HTML: b.Content[1].Value}
	for name, value := range b.Headers {
		switch name {
		case "Message-ID":
			m.MessageID = strings.Trim(value, "<>")
		case "List-Unsubscribe":
			m.Unsubscribe = value
		case "List-Unsubscribe-Post":
			m.UnsubscribePost = value
		}
		m.Headers = append(m.Headers, strings.ToLower(name))
	}
	return m, nil
}

func checkHeaders(headers map[string]string) *objection {
	for name, value := range headers {
		if slices.Contains(reserved, strings.ToLower(name)) || strings.ContainsAny(name+value, "\r\n") {
			return &objection{400, "a reserved header", "headers." + name}
		}
	}
	return nil
}

// checkTracking wants every way of tracking to be switched off in words: an
// account's own default may be on.
func checkTracking(tracking map[string]toggle) *objection {
	for _, way := range []string{"click_tracking", "open_tracking", "subscription_tracking", "ganalytics"} {
		if t, ok := tracking[way]; !ok || t.Enable == nil || *t.Enable || t.EnableText != nil && *t.EnableText {
			return &objection{400, "tracking is not switched off", "tracking_settings." + way}
		}
	}
	return nil
}

func start(t *testing.T, h http.Handler) *sendgrid.Sender {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	s, err := sendgrid.New(key, from, sendgrid.Options{Host: server.URL, HTTP: server.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSenderKeepsTheDoorsPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, func(t *testing.T) notifytest.Bundle {
		a := &api{}
		return notifytest.Bundle{Sender: start(t, a), Received: a.received, Refused: notifytest.RefusedAddress, Busy: notifytest.BusyAddress}
	})
}

// What somebody has just asked for goes out past SendGrid's lists, and nothing else does.
func TestWhatWasAskedForPassesLists(t *testing.T) {
	t.Parallel()
	for asked, want := range map[bool]string{false: "", true: "bypass_bounce_management bypass_spam_management bypass_unsubscribe_management"} {
		var got []string
		s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var b body
			if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
				t.Error(err)
			}
			for name, setting := range b.Settings {
				if setting.Enable != nil && *setting.Enable {
					got = append(got, name)
				}
			}
			w.WriteHeader(http.StatusAccepted)
		}))
		m := notifytest.Message()
		m.Asked = asked
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("asked %v: passes %v", asked, got)
		}
	}
}

func TestSendSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		kind   problem.Kind
		field  string
	}{
		"wrong key":          {401, `{"errors":[{"message":"authorization required","field":null}]}`, problem.Denied, ""},
		"unverified sender":  {403, `{"errors":[{"message":"The from address does not match a verified Sender Identity","field":"from"}]}`, problem.Denied, ""},
		"recipient":          {400, `{"errors":[{"message":"x","field":"personalizations.0.to.0.email"}]}`, problem.Invalid, "to"},
		"recipient and else": {400, `{"errors":[{"field":"personalizations.0.to.0.email"},{"field":"content"}]}`, problem.Denied, ""},
		"no reason":          {400, `{}`, problem.Denied, ""},
		"too many":           {429, `{"errors":[{"message":"too many requests"}]}`, problem.OverLimit, ""},
		"broken":             {500, `<html>`, problem.Unavailable, ""},
		"away":               {503, ``, problem.Unavailable, ""},
		"too large":          {413, ``, problem.Denied, ""},
		"redirect":           {302, ``, problem.Denied, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				if _, err := io.WriteString(w, test.body); err != nil {
					t.Error(err)
				}
			}))
			err := s.Send(t.Context(), notifytest.Message())
			if p := problem.Of(err); p == nil || p.Kind != test.kind || p.Field != test.field {
				t.Errorf("%v, want %s in field %q", err, test.kind, test.field)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key, from, host, field string
	}{
		"no key":           {"", from, "", "key"},
		"no sender":        {key, "imago", "", "from"},
		"plain HTTP":       {key, from, "http://api.sendgrid.com", "host"},
		"no URL":           {key, from, "api.sendgrid.com", "host"},
		"more than a host": {key, from, "https://api.sendgrid.com/v3", "host"},
	} {
		_, err := sendgrid.New(account.Secret(test.key), test.from, sendgrid.Options{Host: test.host})
		if !problem.Is(err, problem.Invalid) || problem.Of(err).Field != test.field {
			t.Errorf("%s: %v, want a problem in field %s", name, err, test.field)
		}
	}
}
