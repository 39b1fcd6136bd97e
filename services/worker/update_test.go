package worker_test

import (
	"strings"
	"testing"

	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/updates"
	"imago/pkg/postgres/worldtest"
	"imago/services/worker"
)

// updatesFor is a world with two members who ask for product updates and one who does not.
func updatesFor(t *testing.T) (w *worldtest.World, asked []string) {
	t.Helper()
	w = worldtest.New(t, worldtest.Options{})
	viewer := w.Base.Member(t, w.Account.ID, "viewer")
	w.Base.Member(t, w.Account.ID, "admin")
	for _, proof := range []postgres.Proof{w.Account.Proof, viewer.Proof} {
		err := w.API.As(t.Context(), proof, func(tx *postgres.Tx) error {
			return messages.Prefer(t.Context(), tx, messages.Preference{Topic: notify.Updates, Timing: notify.Now})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return w, []string{w.Account.Email, viewer.Email}
}

func announce(t *testing.T, w *worldtest.World, u updates.Update) {
	t.Helper()
	if _, err := updates.Announce(t.Context(), w.Base.OwnerURL(), u); err != nil {
		t.Fatal(err)
	}
}

// A product update goes once to each who asked, and one click ends them.
func TestProductUpdateIsMailed(t *testing.T) {
	t.Parallel()
	w, asked := updatesFor(t)
	stop := work(t, w, worker.Config{PublicURL: "https://imago.example.com"}, deps(t, w))
	u := updates.Update{Subject: "Imago 1.2", Body: "What is *new*:\n\n- [this](https://imago.example.com/news)\n- <script>alert(1)</script> [that](javascript:alert(1))"}
	announce(t, w, u)
	worldtest.Until(t, "both have it", func() bool { return len(w.Mails.Mails()) == 2 })
	announce(t, w, u)
	stop()
	work(t, w, worker.Config{PublicURL: "https://imago.example.com"}, deps(t, w))
	ticks(t, w, 2)
	got := map[string]int{}
	for _, m := range w.Mails.Mails() {
		got[m.To]++
		if m.Subject != "[Imago] Imago 1.2" || !strings.Contains(m.Text, "What is *new*:") || !strings.Contains(m.HTML, `<em>new</em>`) ||
			strings.Contains(m.HTML, "<script") || strings.Contains(m.HTML, "javascript:") {
			t.Errorf("the mail:\n%s\n%s", m.Text, m.HTML)
		}
		token, found := strings.CutPrefix(strings.Trim(m.Unsubscribe, "<>"), "https://imago.example.com/unsubscribe?token=")
		if !found || m.UnsubscribePost != "List-Unsubscribe=One-Click" || m.To == asked[0] && !end(t, w, token) {
			t.Errorf("it is ended by %q, %q", m.Unsubscribe, m.UnsubscribePost)
		}
	}
	if len(got) != 2 || got[asked[0]] != 1 || got[asked[1]] != 1 {
		t.Errorf("mailed %v, want each of %v once", got, asked)
	}
	u.Subject = "Imago 1.3"
	announce(t, w, u)
	if m := waitMail(t, w, "Imago 1.3"); m.To != asked[1] {
		t.Errorf("after the click it goes to %s", m.To)
	}
	ticks(t, w, 2)
	if n := len(w.Mails.Mails()); n != 3 {
		t.Errorf("%d mails", n)
	}
}

// Where no link could end them, product updates wait.
func TestProductUpdateWaitsForAWayToEndIt(t *testing.T) {
	t.Parallel()
	w, _ := updatesFor(t)
	announce(t, w, updates.Update{Subject: "Imago 1.2", Body: "New."})
	stop := work(t, w, worker.Config{PublicURL: "http://imago.example.com"}, deps(t, w))
	ticks(t, w, 2)
	stop()
	if got := w.Mails.Mails(); len(got) != 0 {
		t.Errorf("sent: %v", got)
	}
	work(t, w, worker.Config{PublicURL: "https://imago.example.com"}, deps(t, w))
	waitMail(t, w, "Imago 1.2")
}
