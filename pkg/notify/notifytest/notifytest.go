// Package notifytest is the suite that every notify.Sender must pass, and a mail
// server on loopback to receive by.
package notifytest

import (
	"context"
	"strings"
	"testing"
	"time"

	"imago/pkg/notify"
	"imago/pkg/problem"

	"github.com/google/go-cmp/cmp"
)

// Mail is one mail as it arrived.
type Mail struct {
	From      string
	To        string
	MessageID string // without angle brackets
	Subject   string
	Text      string
	HTML      string
	Headers   []string // names of all other headers, in lower case
	// Unsubscribe and UnsubscribePost are List-Unsubscribe and List-Unsubscribe-Post.
	Unsubscribe, UnsubscribePost string
}

// Bundle is one sender and the server behind it, fresh for every test.
type Bundle struct {
	Sender   notify.Sender
	Received func() []Mail // everything that arrived up to now, in order
	Refused  string        // an address that the server refuses for good
	Busy     string        // an address that the server refuses for now
}

// Run holds a sender to the door's promises.
func Run(t *testing.T, fresh func(t *testing.T) Bundle) {
	for name, test := range map[string]func(*testing.T, Bundle){
		"delivers text and html":         delivers,
		"keeps every character":          keepsCharacters,
		"keeps long lines":               keepsLongLines,
		"repeats the Message-ID":         repeatsMessageID,
		"marks mail as automatic":        marksAutomatic,
		"says where to unsubscribe":      unsubscribes,
		"sends nothing malformed":        refusesMalformed,
		"tells a refused recipient":      tellsRefused,
		"tells a recipient to try again": tellsBusy,
		"gives up with its context":      givesUp,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// Message is a message that every sender delivers.
func Message() notify.Message {
	return notify.Message{
		ID: "0193a2b0-0000-7000-8000-0000000000ff", To: "ada@customer.example", Subject: "Group deleted",
		Text: "The group was deleted.\n", HTML: "<p>The group was deleted.</p>\n",
	}
}

func send(t *testing.T, b Bundle, m notify.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.Sender.Send(ctx, m); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func one(t *testing.T, b Bundle) Mail {
	t.Helper()
	got := b.Received()
	if len(got) != 1 {
		t.Fatalf("%d mails arrived, want 1", len(got))
	}
	return got[0]
}

func delivers(t *testing.T, b Bundle) {
	m := Message()
	send(t, b, m)
	got := one(t, b)
	id, domain, _ := strings.Cut(got.MessageID, "@")
	if id != m.ID || domain == "" {
		t.Errorf("Message-ID is %q", got.MessageID)
	}
	if got.From == "" {
		t.Error("the mail is from nobody")
	}
	same(t, m, got)
}

// same compares what people see.
func same(t *testing.T, want notify.Message, got Mail) {
	t.Helper()
	w := notify.Message{To: want.To, Subject: want.Subject, Text: want.Text, HTML: want.HTML}
	g := notify.Message{To: got.To, Subject: got.Subject, Text: got.Text, HTML: got.HTML}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("the mail differs (-sent +arrived):\n%s", diff)
	}
}

func keepsCharacters(t *testing.T, b Bundle) {
	m := Message()
	m.Subject = "Gelöscht: «Финансы» 財務 🏦 =?utf-8?q?no?="
	m.Text = "Финансы 財務 🏦 e\u0301 =3D =\n.\n..\nFrom here on\n\ttab & <b>\n"
	m.HTML = "<p>Финансы &lt;b&gt; 🏦 =20</p>\n.\n"
	send(t, b, m)
	same(t, m, one(t, b))
}

// RFC 5322 bounds a line at 998 characters; a setting's value may be longer.
func keepsLongLines(t *testing.T, b Bundle) {
	m := Message()
	m.Subject = strings.TrimSpace(strings.Repeat("a long subject ", 20))
	m.Text = strings.Repeat("x", 5000) + " é\n"
	m.HTML = "<p>" + strings.Repeat("lang ", 2000) + "</p>\n"
	send(t, b, m)
	same(t, m, one(t, b))
}

func repeatsMessageID(t *testing.T, b Bundle) {
	other := Message()
	other.ID = "another-one"
	send(t, b, Message())
	send(t, b, Message())
	send(t, b, other)
	got := b.Received()
	if len(got) != 3 {
		t.Fatalf("%d mails arrived, want 3", len(got))
	}
	if got[0].MessageID != got[1].MessageID || got[0].MessageID == got[2].MessageID {
		t.Errorf("Message-IDs %q, %q, %q", got[0].MessageID, got[1].MessageID, got[2].MessageID)
	}
}

// RFC 3834: so that no out-of-office note answers.
func marksAutomatic(t *testing.T, b Bundle) {
	send(t, b, Message())
	headers := one(t, b).Headers
	for _, h := range headers {
		if h == "auto-submitted" {
			return
		}
	}
	t.Errorf("no Auto-Submitted among %v", headers)
}

// RFC 8058: both headers, for mail that its recipient subscribed to, and else neither.
func unsubscribes(t *testing.T, b Bundle) {
	m := Message()
	send(t, b, m)
	if got := one(t, b); got.Unsubscribe != "" || got.UnsubscribePost != "" {
		t.Errorf("nobody subscribed: %q, %q", got.Unsubscribe, got.UnsubscribePost)
	}
	m.ID, m.Unsubscribe = "another-one", "https://imago.example.com/unsubscribe?token="+strings.Repeat("a", 60)
	send(t, b, m)
	got := b.Received()[1]
	if got.Unsubscribe != "<"+m.Unsubscribe+">" || got.UnsubscribePost != "List-Unsubscribe=One-Click" {
		t.Errorf("List-Unsubscribe: %q, List-Unsubscribe-Post: %q", got.Unsubscribe, got.UnsubscribePost)
	}
}

func refusesMalformed(t *testing.T, b Bundle) {
	for name, spoil := range map[string]func(*notify.Message){
		"subject that goes on":   func(m *notify.Message) { m.Subject = "x\r\nBcc: eve@evil.example" },
		"recipient that goes on": func(m *notify.Message) { m.To = "ada@customer.example\r\nBcc: eve@evil.example" },
		"two recipients":         func(m *notify.Message) { m.To = "ada@customer.example,eve@evil.example" },
		"id that goes on":        func(m *notify.Message) { m.ID = "x>\r\nBcc: eve@evil.example\r\nX: <y" },
		"unsubscribe by http":    func(m *notify.Message) { m.Unsubscribe = "http://imago.example.com/" },
		"no html":                func(m *notify.Message) { m.HTML = "" },
	} {
		m := Message()
		spoil(&m)
		if err := b.Sender.Send(t.Context(), m); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v, want a problem of kind invalid", name, err)
		}
	}
	if got := b.Received(); len(got) != 0 {
		t.Errorf("%d malformed mails arrived", len(got))
	}
}

func tellsRefused(t *testing.T, b Bundle) {
	m := Message()
	m.To = b.Refused
	err := b.Sender.Send(t.Context(), m)
	if !problem.Is(err, problem.Invalid) || problem.Of(err).Field != "to" {
		t.Fatalf("%v, want a problem of kind invalid in field to", err)
	}
	quiet(t, err, m.To)
	if got := b.Received(); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}

func tellsBusy(t *testing.T, b Bundle) {
	m := Message()
	m.To = b.Busy
	err := b.Sender.Send(t.Context(), m)
	if err == nil || problem.Is(err, problem.Invalid) {
		t.Fatalf("%v, want an error that may be tried again", err)
	}
	quiet(t, err, m.To)
}

// quiet holds an error, causes included, to naming nobody.
func quiet(t *testing.T, err error, address string) {
	t.Helper()
	text := err.Error()
	if p := problem.Of(err); p.Err != nil {
		text += p.Err.Error()
	}
	if strings.Contains(text, address) {
		t.Errorf("the error names the recipient: %s", text)
	}
}

func givesUp(t *testing.T, b Bundle) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Sender.Send(ctx, Message()); err == nil || problem.Is(err, problem.Invalid) {
		t.Errorf("%v, want an error that may be tried again", err)
	}
	if got := b.Received(); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}
