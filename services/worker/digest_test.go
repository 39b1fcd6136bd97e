package worker_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/notify"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/services/worker"
)

// renamed is a finding of a group, by its number.
func renamed(n int, severity drift.Severity) drift.Finding {
	return drift.Finding{
		Rule: fmt.Sprintf("r%d", n), Severity: severity, Title: "Group renamed", Sentence: "Somebody renamed a group.",
		Observation: drift.Observation{Label: fmt.Sprintf("Team %d", n), Attribution: drift.Attribution{Event: &provider.Event{Actor: provider.Actor{Login: "mallory@acme.example"}}},
			Change: diff.Change{Key: resource.Key{Type: "group", ID: fmt.Sprintf("00g%d", n)}, Op: diff.Update,
				Fields: []diff.Field{{Path: "profile.name", Op: diff.Update, After: json.RawMessage(`"x"`)}}}},
	}
}

// waitMail waits for a mail about something.
func waitMail(t *testing.T, w *worldtest.World, subject string) notifytest.Mail {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	return w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, subject) })
}

// Many alerts in an hour are some mails and then one, and a person who chose a daily
// digest gets that and nothing besides.
func TestStormAndDigestAreMailed(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	daily := w.Base.Member(t, w.Account.ID, "admin")
	err := w.API.As(t.Context(), daily.Proof, func(tx *postgres.Tx) error {
		return messages.Prefer(t.Context(), tx, messages.Preference{Topic: notify.Drift, Timing: notify.Daily})
	})
	if err != nil {
		t.Fatal(err)
	}
	const many = messages.Crowd + 3
	for n := range many {
		store(t, w, renamed(n, drift.Medium))
	}
	store(t, w, renamed(many, drift.Critical))
	var c clock
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{PublicURL: "https://imago.example.com"}, d)
	waitMail(t, w, "[Imago] critical: Group renamed: Team 8")
	c.advance(messages.Window + time.Minute)
	storm := waitMail(t, w, "Many changes: 3 messages from Acme")
	for _, want := range []string{"Group renamed: Team 5", "Group renamed: Team 7", "https://imago.example.com/changes/"} {
		if storm.To != w.Account.Email || !strings.Contains(storm.Text, want) {
			t.Errorf("the mail to %s lacks %q:\n%s", storm.To, want, storm.Text)
		}
	}
	if storm.Unsubscribe != "" {
		t.Error("one click would end what was never subscribed to")
	}
	c.advance(24 * time.Hour)
	digest := waitMail(t, w, "Daily digest: 9 messages from Acme")
	if first, second := strings.Index(digest.Text, "critical  Group renamed: Team 8"), strings.Index(digest.Text, "medium    Group renamed: Team 0"); digest.To != daily.Email || first < 0 || second < first {
		t.Errorf("the digest to %s:\n%s", digest.To, digest.Text)
	}
	token, found := strings.CutPrefix(strings.Trim(digest.Unsubscribe, "<>"), "https://imago.example.com/unsubscribe?token=")
	if !found || digest.UnsubscribePost != "List-Unsubscribe=One-Click" || len(token) < 40 || !strings.Contains(digest.Text, token) {
		t.Errorf("the digest is ended by %q, %q", digest.Unsubscribe, digest.UnsubscribePost)
	}
	if !end(t, w, token) || end(t, w, token) {
		t.Error("the link in the digest ends it not at all, or twice")
	}
	waitMail(t, w, "Mail to "+daily.Email+" is stopped")
	ticks(t, w, 2)
	if got := len(w.Mails.Mails()); got-1 != messages.Crowd+1+1+1 {
		t.Errorf("%d mails arrived", got)
	}
}

// end clicks on the link of a mail.
func end(t *testing.T, w *worldtest.World, token string) (ended bool) {
	t.Helper()
	err := w.API.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) (err error) {
		ended, err = messages.End(t.Context(), tx, sha256.Sum256([]byte(token)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ended
}

// A mailbox that bounces gets nothing more but codes; the account's log and its owners are
// told, and what the mailbox's owner chooses anew is sent again.
func TestMailboxThatBounces(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	gone := w.Base.Member(t, w.Account.ID, "admin")
	work(t, w, worker.Config{}, deps(t, w))
	store(t, w, renamed(1, drift.High))
	waitMail(t, w, "Team 1")
	worldtest.Until(t, "both have it", func() bool { return len(w.Mails.Mails()) == 2 })
	err := w.API.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) error {
		var id string
		if err := w.Base.Owner().QueryRow(t.Context(), `select id from messages where user_id = $1`, gone.User).Scan(&id); err != nil {
			return err
		}
		news, err := messages.Note(t.Context(), tx, notify.Event{ID: "e1-" + id, Reason: notify.Bounce, Message: id, Address: gone.Email})
		if !news {
			t.Error("the bounce is no news")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	told := waitMail(t, w, "Mail to "+gone.Email+" is stopped")
	if told.To != w.Account.Email || !strings.Contains(told.Text, "refused a mail for good") || !strings.Contains(told.Text, "drift, restores, backups, billing, product updates") {
		t.Errorf("the mail to %s: %s", told.To, told.Text)
	}
	if got := w.Detail(t, "stop_mail"); !strings.Contains(got, gone.Email) || !strings.Contains(got, "bounce") {
		t.Errorf("the log says: %s", got)
	}
	store(t, w, renamed(2, drift.High))
	waitMail(t, w, "Team 2")
	if err := w.API.As(t.Context(), gone.Proof, func(tx *postgres.Tx) error {
		return messages.Prefer(t.Context(), tx, messages.Preference{Topic: notify.Drift, Timing: notify.Now})
	}); err != nil {
		t.Fatal(err)
	}
	store(t, w, renamed(3, drift.High))
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return m.To == gone.Email && strings.Contains(m.Subject, "Team 3") })
	for _, m := range w.Mails.Mails() {
		if m.To == gone.Email && strings.Contains(m.Subject, "Team 2") {
			t.Error("mail was sent to a mailbox that bounces")
		}
	}
}

// Who may not open snapshots any more is sent nothing that was queued before.
func TestWhoMayNotBeToldAnyMoreIsNot(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	demoted := w.Base.Member(t, w.Account.ID, "operator")
	store(t, w, renamed(1, drift.High))
	w.Exec(t, `update members set role = 'viewer' where user_id = $1`, demoted.User)
	work(t, w, worker.Config{}, deps(t, w))
	waitMail(t, w, "[Imago] high: Group renamed: Team 1")
	worldtest.Until(t, "all is done with", func() bool {
		var queued int
		if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from messages where state = 'queued'`).Scan(&queued); err != nil {
			t.Fatal(err)
		}
		return queued == 0
	})
	for _, m := range w.Mails.Mails() {
		if m.To == demoted.Email {
			t.Errorf("they were sent: %s", m.Subject)
		}
	}
}
