package api

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/messages"
	"imago/pkg/problem"
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

// The daily digest comes when its reader says, to them alone.
func TestDigestTimeIsChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	other := w.member(p, account.Admin)
	at := func(p *person) string {
		res, err := p.mail.GetMailPreferences(t.Context(), req(&imagov1.GetMailPreferencesRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", res.Msg.GetDigestTime().GetHour(), res.Msg.GetDigestTime().GetTimeZone())
	}
	set := func(hour int32, zone string) error {
		_, err := p.mail.UpdateMailPreferences(t.Context(), req(&imagov1.UpdateMailPreferencesRequest{DigestTime: &imagov1.DigestTime{Hour: hour, TimeZone: zone}}))
		return err
	}
	if at(p) != "6 UTC" || set(17, "Europe/Amsterdam") != nil || set(18, "Asia/Kolkata") != nil || at(p) != "18 Asia/Kolkata" || at(other) != "6 UTC" {
		t.Errorf("it comes at %s, another's at %s", at(p), at(other))
	}
	for _, wrong := range []struct {
		hour        int32
		zone, field string
	}{
		{24, "UTC", "digest_time.hour"}, {-1, "UTC", "digest_time.hour"}, {6, "", "digest_time.time_zone"}, {6, "Local", "digest_time.time_zone"},
		{6, "XYZ+5", "digest_time.time_zone"}, {6, "Europe/Nowhere", "digest_time.time_zone"}, {6, "../../etc/passwd", "digest_time.time_zone"},
		{6, "localtime", "digest_time.time_zone"},
	} {
		if p := problemOf(t, set(wrong.hour, wrong.zone), connect.CodeInvalidArgument); p.GetField() != wrong.field || p.GetHint() == "" {
			t.Errorf("%d %q: %v", wrong.hour, wrong.zone, p)
		}
	}
	if got := at(p); got != "18 Asia/Kolkata" {
		t.Errorf("what was wrong is stored: %s", got)
	}
	log, err := p.activity.ListActivity(t.Context(), req(&imagov1.ListActivityRequest{}))
	if err != nil || len(log.Msg.GetActivity()) != 2 || log.Msg.GetActivity()[0].GetDetail() != "digest 18:00 Asia/Kolkata" {
		t.Errorf("activity: %v, %v", log, err)
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

// listener takes one event a notification: "id reason message address".
type listener struct{}

func (listener) Events(payload []byte, header http.Header) ([]notify.Event, error) {
	w := strings.Fields(string(payload))
	switch {
	case header.Get("Signed") == "":
		return nil, problem.New(problem.Denied, "the notification is not signed")
	case len(w) != 4:
		return nil, problem.New(problem.Invalid, "the notification makes no sense")
	}
	return []notify.Event{{ID: w[0], Reason: notify.Reason(w[1]), Message: w[2], Address: w[3]}}, nil
}

// mailWorld is a world whose mail provider tells what becomes of mail.
func mailWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, Config{})
	w.api.MailEvents = listener{}
	var err error
	if w.api.handler, err = w.api.routes(); err != nil {
		t.Fatal(err)
	}
	return w
}

// post sends something to an address of the api that is no RPC.
func (w *world) postTo(path, body string, headers ...string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := res.Body.Close(); err != nil {
			w.t.Error(err)
		}
	}()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(page)
}

// message adds one that was sent to a person.
func (w *world) message(p *person, kind, topic, token string) (id string) {
	w.t.Helper()
	var hash []byte
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		hash = sum[:]
	}
	w.row([]any{&id}, `insert into messages (account_id, kind, subject_id, user_id, topic, state, unsubscribe_hash)
		values ($1, $2, new_id(), $3, $4, 'sent', $5) returning id`, p.account, kind, p.user, topic, hash)
	return id
}

// reports counts the jobs that tell an account.
func (w *world) reports(p *person) int {
	w.t.Helper()
	return w.count(`select count(*) from river.river_job where kind = 'report_stopped' and args ->> 'account_id' = $1`, p.account)
}

// What the provider tells stops mail to that address and of that kind, once.
func TestMailProviderStopsMail(t *testing.T) {
	t.Parallel()
	w := mailWorld(t)
	p, other := w.owner(), w.owner()
	receipt := w.message(p, "receipt", "restores", "")
	tell := func(event string) int {
		status, _ := w.postTo("/webhooks/sendgrid", event, "Signed", "yes")
		return status
	}
	complaint := "e1-" + receipt + " spam_report " + receipt + " " + strings.ToUpper(p.email)
	for name, test := range map[string]struct {
		event string
		want  int
	}{
		"of another address": {"e0-" + receipt + " bounce " + receipt + " " + other.email, 204},
		"of no message":      {"e2-" + receipt + " bounce " + receipt[:35] + "x " + p.email, 204},
		"of a code":          {"e3-" + receipt + " bounce " + receipt + ".1 " + p.email, 204},
		"of nonsense":        {"nonsense", 400},
		"of another kind":    {"e4-" + receipt + " delivered " + receipt + " " + p.email, 503},
	} {
		if got := tell(test.event); got != test.want {
			t.Errorf("an event %s: %d, want %d", name, got, test.want)
		}
	}
	if status, _ := w.postTo("/webhooks/sendgrid", complaint); status != 403 {
		t.Errorf("unsigned: %d", status)
	}
	if got := p.shown(t); strings.Contains(got, ",,") || w.reports(p) != 0 {
		t.Fatalf("something was believed: %s", got)
	}
	for range 2 {
		if got := tell(complaint); got != 204 {
			t.Fatalf("a complaint: %d", got)
		}
	}
	if got, want := p.shown(t), "drift=now restores=now,,spam_report backups=now billing=now updates=never"; got != want || w.reports(p) != 1 {
		t.Errorf("after a complaint, told twice: %s, %d reports; want %s", got, w.reports(p), want)
	}
	tell("e5-" + receipt + " bounce " + receipt + " " + p.email)
	if got, want := p.shown(t), "drift=now,,bounce restores=now,,spam_report backups=now,,bounce billing=now,,bounce updates=never,,bounce"; got != want || w.reports(p) != 2 {
		t.Errorf("after a bounce: %s, %d reports; want %s", got, w.reports(p), want)
	}
	if got := other.shown(t); strings.Contains(got, ",,") || w.reports(other) != 0 {
		t.Errorf("another account's: %s", got)
	}
	if strings.Contains(w.log.String(), p.email) {
		t.Error("the log names the address")
	}
}

// One click ends what a mail came by: without signing in, by POST alone, and nothing else.
func TestOneClickUnsubscribes(t *testing.T) {
	t.Parallel()
	w := mailWorld(t)
	p := w.owner()
	w.exec(`insert into mail_preferences (account_id, user_id, topic, timing) values
		($1, $2, 'drift', 'daily'), ($1, $2, 'restores', 'daily'), ($1, $2, 'updates', 'now')`, p.account, p.user)
	const before = "drift=daily restores=daily backups=now billing=now updates=now"
	w.message(p, "digest", "", "digest-of-"+p.email)
	get, err := http.Get(w.url + "/unsubscribe?token=digest-of-" + p.email)
	if err != nil || get.StatusCode != 200 || get.Body.Close() != nil {
		t.Fatalf("the page: %v, %v", get, err)
	}
	for _, wrong := range []string{"", "?token=", "?token=digest-of-nobody", "?token=x%00", "?token=digest-of-" + p.email + "x"} {
		if status, page := w.postTo("/unsubscribe"+wrong, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded"); status != 200 || !strings.Contains(page, "You are unsubscribed") {
			t.Errorf("%q is answered %d: %s", wrong, status, page)
		}
	}
	if got := p.shown(t); got != before || w.reports(p) != 0 {
		t.Fatalf("a look at the page, or a token that is none, has changed %s", got)
	}
	if status, _ := w.postTo("/unsubscribe?token=digest-of-"+p.email, "", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("a page of another site: %d", status)
	}
	for range 2 {
		if status, page := w.postTo("/unsubscribe?token=digest-of-"+p.email, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded"); status != 200 || !strings.Contains(page, "You are unsubscribed") {
			t.Fatalf("one click: %d %s", status, page)
		}
	}
	if got, want := p.shown(t), "drift=never restores=never backups=now billing=now updates=now"; got != want || w.reports(p) != 1 {
		t.Errorf("after one click, twice: %s, %d reports; want %s", got, w.reports(p), want)
	}
	w.exec(`update mail_preferences set timing = 'daily' where user_id = $1 and topic = 'drift'`, p.user)
	w.postTo("/unsubscribe?token=digest-of-"+p.email, "List-Unsubscribe=One-Click")
	if got := p.shown(t); !strings.HasPrefix(got, "drift=never ") || w.reports(p) != 2 {
		t.Errorf("the link of an old mail does nothing any more: %s", got)
	}
}

// The page's own style is the only thing that its policy lets in: as it arrives, and not a
// byte of it changed on the way.
func TestUnsubscribePageHasItsStyleAlone(t *testing.T) {
	t.Parallel()
	w := mailWorld(t)
	get, err := http.Get(w.url + "/unsubscribe?token=x")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(get.Body)
	if err := errors.Join(err, get.Body.Close()); err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "<style>")
	style, rest, closed := strings.Cut(rest, "</style>")
	if !ok || !closed || strings.Contains(rest, "<style") || strings.Contains(string(page), "style=") || strings.Contains(string(page), "<script") {
		t.Fatalf("the page has other styles than one:\n%s", page)
	}
	sum := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if got := get.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("the policy is %q, want %q", got, want)
	}
	if get.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Error("the token in the address would be told to other sites")
	}
}

// The api tells an account of nothing that did not happen, and reads no events.
func TestMailEventsAreNobodysToMake(t *testing.T) {
	t.Parallel()
	w := mailWorld(t)
	p, other := w.owner(), w.owner()
	id := w.message(other, "receipt", "restores", "")
	for name, fn := range map[string]func(*postgres.Tx) error{
		"a report of nothing": func(tx *postgres.Tx) error {
			return tx.Enqueue(t.Context(), job.ReportStopped{AccountID: string(p.account), EventID: id})
		},
		"a report to another account": func(tx *postgres.Tx) error {
			if _, err := messages.Note(t.Context(), tx, notify.Event{ID: "e-" + id, Reason: notify.Bounce, Message: id, Address: other.email}); err != nil {
				return err
			}
			return tx.Enqueue(t.Context(), job.ReportStopped{AccountID: string(p.account), EventID: id})
		},
	} {
		if err := w.api.DB.As(t.Context(), postgres.Nobody, fn); !problem.Is(err, problem.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
