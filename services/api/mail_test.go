package api

import (
	"strings"
	"testing"

	"connectrpc.com/connect"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
)

// shown is what a person is told of, one topic a word.
func (p *person) shown(t *testing.T) string {
	t.Helper()
	res, err := p.mail.GetMailPreferences(t.Context(), req(&imagov1.GetMailPreferencesRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	return topicWords(res.Msg.GetPreferences())
}

func topicWords(all []*imagov1.MailPreference) string {
	var out []string
	for _, m := range all {
		out = append(out, strings.TrimRight(m.GetTopic()+"="+m.GetTiming()+","+m.GetThreshold()+","+m.GetStopped(), ","))
	}
	return strings.Join(out, " ")
}

func TestMailPreferencesByRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner := w.owner()
	for role, want := range map[account.Role]string{
		account.Owner:    "drift=now restores=now backups=now billing=now updates=never",
		account.Admin:    "drift=now restores=now backups=now billing=now updates=never",
		account.Operator: "drift=now restores=now backups=now updates=never",
		account.Auditor:  "drift=never restores=never backups=never updates=never",
		account.Viewer:   "backups=never updates=never",
	} {
		if got := w.member(owner, role).shown(t); got != want {
			t.Errorf("%s is told of %s, want %s", role, got, want)
		}
	}
}

func TestMailPreferencesAreChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p, other := w.owner(), w.owner()
	w.exec(`insert into mail_preferences (account_id, user_id, topic, stopped, stopped_at) values ($1, $2, 'backups', 'bounce', now()), ($1, $2, 'drift', 'spam_report', now())`, p.account, p.user)
	if got := p.shown(t); got != "drift=now,,spam_report restores=now backups=now,,bounce billing=now updates=never" {
		t.Fatalf("before: %s", got)
	}
	res, err := p.mail.UpdateMailPreferences(t.Context(), req(&imagov1.UpdateMailPreferencesRequest{Preferences: []*imagov1.MailPreference{
		{Topic: "drift", Timing: "daily", Threshold: "high"}, {Topic: "updates", Timing: "now"},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	want := "drift=daily,high restores=now backups=now,,bounce billing=now updates=now"
	if got := topicWords(res.Msg.GetPreferences()); got != want || p.shown(t) != want {
		t.Errorf("chosen %s, want %s", got, want)
	}
	if got := other.shown(t); got != "drift=now restores=now backups=now billing=now updates=never" {
		t.Errorf("another account's: %s", got)
	}
	log, err := p.activity.ListActivity(t.Context(), req(&imagov1.ListActivityRequest{}))
	if err != nil || len(log.Msg.GetActivity()) != 1 {
		t.Fatalf("activity: %v, %v", log, err)
	}
	if a := log.Msg.GetActivity()[0]; a.GetAction() != "choose_mail" || a.GetDetail() != "drift daily high, updates now" {
		t.Errorf("activity: %v", a)
	}
}

func TestBadMailPreferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	owner := w.owner()
	viewer := w.member(owner, account.Viewer)
	for name, test := range map[string]struct {
		who   *person
		wants *imagov1.MailPreference
		field string
	}{
		"no topic":                {owner, &imagov1.MailPreference{Timing: "now"}, "preferences.topic"},
		"another topic":           {owner, &imagov1.MailPreference{Topic: "weather", Timing: "now"}, "preferences.topic"},
		"not for the role":        {viewer, &imagov1.MailPreference{Topic: "drift", Timing: "now"}, "preferences.topic"},
		"no timing":               {owner, &imagov1.MailPreference{Topic: "drift"}, "preferences.timing"},
		"another timing":          {owner, &imagov1.MailPreference{Topic: "drift", Timing: "hourly"}, "preferences.timing"},
		"billing is told at once": {owner, &imagov1.MailPreference{Topic: "billing", Timing: "never"}, "preferences.timing"},
		"no digest of updates":    {owner, &imagov1.MailPreference{Topic: "updates", Timing: "daily"}, "preferences.timing"},
		"another threshold":       {owner, &imagov1.MailPreference{Topic: "drift", Timing: "now", Threshold: "awful"}, "preferences.threshold"},
		"a threshold of receipts": {owner, &imagov1.MailPreference{Topic: "restores", Timing: "now", Threshold: "high"}, "preferences.threshold"},
	} {
		_, err := test.who.mail.UpdateMailPreferences(t.Context(), req(&imagov1.UpdateMailPreferencesRequest{Preferences: []*imagov1.MailPreference{test.wants}}))
		if p := problemOf(t, err, connect.CodeInvalidArgument); p.GetField() != test.field || p.GetHint() == "" {
			t.Errorf("%s: %v, want a problem in field %s", name, err, test.field)
		}
	}
	if got := owner.shown(t); got != "drift=now restores=now backups=now billing=now updates=never" {
		t.Errorf("something was stored: %s", got)
	}
}
