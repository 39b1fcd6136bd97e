package notify

import (
	"strings"
	"time"
)

// Digest is several messages in one mail.
type Digest struct {
	Account Text
	Storm   bool // too many came within an hour; else its recipient chose a daily one
	Entries []Entry
	More    int // those that the mail leaves out
}

// Entry is one message of a digest, in a line.
type Entry struct {
	Severity   string // low, medium, high or critical; "" for what is no finding
	Title      Text
	Connection Text
	When       time.Time
	Page       string // of the console; "" for none
}

// EntryOf is a mail as an entry of a digest.
func EntryOf(m Mail, severity string, connection Text, when time.Time) Entry {
	e := Entry{Severity: severity, Title: Text(strings.TrimPrefix(m.subject(), "[Imago] ")), Connection: connection, When: when}
	if p, ok := m.(interface{ Page() string }); ok {
		e.Page = p.Page()
	}
	if a, ok := m.(DriftAlert); ok {
		e.Title = Text(a.headline())
		if len(a.Findings) == 1 && a.More == 0 {
			e.Page = a.Findings[0].Page()
		}
	}
	return e
}

func (Digest) template() string { return "digest" }

func (d Digest) subject() string {
	name := "Daily digest"
	if d.Storm {
		name = "Many changes"
	}
	return "[Imago] " + name + ": " + plural(d.Total(), "message", "messages") + " from " + d.Account.String()
}

func (d Digest) foot() Foot {
	why := "Imago sends this because you chose a daily digest."
	if d.Storm {
		why = "Imago sends this because you are a member of " + d.Account.String() + "."
	}
	return Foot{Why: why, Chosen: true}
}

// Page is the console's first.
func (Digest) Page() string { return "/" }

// Total counts the messages, those that the mail leaves out among them.
func (d Digest) Total() int { return len(d.Entries) + d.More }

// ProductUpdate tells of what is new in Imago, to those who asked for it.
type ProductUpdate struct {
	Title string
	Body  Markdown
}

func (ProductUpdate) template() string { return "product_update" }

func (u ProductUpdate) subject() string { return "[Imago] " + u.Title }

func (ProductUpdate) foot() Foot {
	return Foot{Why: "Imago sends this because you asked for product updates.", Chosen: true}
}

// MailStopped tells owners that mail to a member is stopped.
type MailStopped struct {
	Account Text
	Who     Text   // the member's address
	Topic   string // what it was about
	Reason  Reason
}

func (MailStopped) template() string { return "mail_stopped" }

func (s MailStopped) subject() string { return "[Imago] Mail to " + s.Who.String() + " is stopped" }

func (s MailStopped) foot() Foot {
	return Foot{Why: "Imago sends this because you are an owner of " + s.Account.String() + "."}
}

// Page lists the account's members.
func (MailStopped) Page() string { return "/team" }

// Sentence says what happened.
func (s MailStopped) Sentence() string {
	switch s.Reason {
	case Bounce:
		return "The mailbox refused a mail for good."
	case Dropped:
		return "A mail was not delivered, because the mailbox had refused one before."
	case SpamReport:
		return "Somebody who reads the mailbox reported a mail as spam."
	}
	return "Somebody who reads the mailbox unsubscribed."
}
