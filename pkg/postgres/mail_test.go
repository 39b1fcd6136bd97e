package postgres_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/problem"
)

// post is an account with one member of each role, and a program that tells them.
type post struct {
	*testing.T
	base    *postgrestest.Database
	api     *postgres.DB
	drift   *postgres.DB
	worker  *postgres.DB
	owner   postgrestest.Account
	members map[account.Role]postgrestest.Account
	proof   postgres.Proof // of a job of the drift monitor
}

func newPost(t *testing.T) *post {
	t.Helper()
	base := postgrestest.New(t)
	p := &post{T: t, base: base, api: base.Open(t, "imago_api"), drift: base.Open(t, "imago_drift"), worker: base.Open(t, "imago_worker"),
		owner: base.Account(t), members: map[account.Role]postgrestest.Account{}}
	p.members[account.Owner] = p.owner
	for _, role := range account.Roles()[1:] {
		p.members[role] = base.Member(t, p.owner.ID, role)
	}
	p.proof = base.Job(t, job.FollowLog{AccountID: string(p.owner.ID)})
	return p
}

// prefer has a member choose.
func (p *post) prefer(role account.Role, topic notify.Topic, timing notify.Timing, threshold string) {
	p.Helper()
	in(p.T, p.api, p.members[role].Proof, func(tx *postgres.Tx) error {
		return messages.Prefer(p.Context(), tx, messages.Preference{Topic: topic, Timing: timing, Threshold: threshold})
	})
}

// tell queues one message, and gives each role's state of it and what it waits for.
func (p *post) tell(kind messages.Kind, severity string) map[account.Role]string {
	p.Helper()
	subject := uuid.NewString()
	in(p.T, p.drift, p.proof, func(tx *postgres.Tx) error {
		var err error
		if kind == messages.Finding {
			_, err = messages.QueueFinding(p.Context(), tx, subject, severity)
		} else {
			_, err = messages.Queue(p.Context(), tx, kind, subject)
		}
		return err
	})
	got := map[account.Role]string{}
	for role, m := range p.members {
		var state string
		err := p.base.Owner().QueryRow(p.Context(), `select coalesce(string_agg(state || ' ' || waits_for, ','), '')
			from messages where subject_id = $1 and user_id = $2`, subject, m.User).Scan(&state)
		if err != nil {
			p.Fatal(err)
		}
		if state = strings.TrimSpace(state); state != "" {
			got[role] = state
		}
	}
	return got
}

// Who is told of what, and when, by their role and by what they chose.
func TestMailGoesToWhoWantsIt(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	doers := map[account.Role]string{account.Owner: "queued", account.Admin: "queued", account.Operator: "queued"}
	expect := func(name string, kind messages.Kind, severity string, want map[account.Role]string) {
		t.Helper()
		if diff := cmp.Diff(want, p.tell(kind, severity)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	expect("nobody chose", messages.Finding, "low", doers)
	p.prefer(account.Owner, notify.Drift, notify.Now, "high")
	p.prefer(account.Admin, notify.Drift, notify.Daily, "")
	p.prefer(account.Operator, notify.Drift, notify.Never, "")
	p.prefer(account.Auditor, notify.Drift, notify.Now, "")
	p.prefer(account.Viewer, notify.Drift, notify.Now, "") // may not be told, whatever the row says
	expect("below a threshold", messages.Finding, "medium", map[account.Role]string{account.Admin: "held digest", account.Auditor: "queued"})
	expect("at the threshold", messages.Finding, "high", map[account.Role]string{account.Owner: "queued", account.Admin: "held digest", account.Auditor: "queued"})
	expect("another topic", messages.SnapshotFailed, "", doers)
	p.prefer(account.Admin, notify.Restores, notify.Daily, "")
	expect("a receipt", messages.Receipt, "", map[account.Role]string{account.Owner: "queued", account.Admin: "held digest", account.Operator: "queued"})
	expect("a window that is open waits for no digest", messages.WindowOpen, "", doers)
	if _, err := p.base.Owner().Exec(t.Context(), `insert into mail_preferences (account_id, user_id, topic, stopped, stopped_at)
		values ($1, $2, 'backups', 'bounce', now())`, p.owner.ID, p.owner.User); err != nil {
		t.Fatal(err)
	}
	expect("where mail bounces", messages.SnapshotFailed, "", map[account.Role]string{account.Admin: "queued", account.Operator: "queued"})
	p.prefer(account.Owner, notify.Backups, notify.Now, "")
	expect("where somebody chose anew", messages.SnapshotFailed, "", doers)
	other := newPost(t)
	if diff := cmp.Diff(doers, other.tell(messages.Finding, "low")); diff != "" {
		t.Errorf("another account's choices count (-want +got):\n%s", diff)
	}
}

// After so many alerts in an hour the others become one mail, but what is worse than
// those comes at once.
func TestStormBecomesOneMail(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.prefer(account.Admin, notify.Drift, notify.Never, "")
	p.prefer(account.Operator, notify.Drift, notify.Never, "")
	for range messages.Crowd {
		if got := p.tell(messages.Finding, "medium")[account.Owner]; got != "queued" {
			t.Fatalf("an alert before the crowd: %s", got)
		}
	}
	for severity, want := range map[string]string{"low": "held storm", "medium": "held storm", "high": "queued", "critical": "queued"} {
		if got := p.tell(messages.Finding, severity)[account.Owner]; got != want {
			t.Errorf("a %s one in the crowd: %s, want %s", severity, got, want)
		}
	}
	if got := p.tell(messages.SnapshotFailed, "")[account.Owner]; got != "queued" {
		t.Errorf("what is no alert: %s", got)
	}
	due := p.due(time.Now().Add(messages.Window + time.Minute))
	if want := []account.UserID{p.owner.User}; !slices.Equal(due, want) {
		t.Fatalf("due %v, want %v", due, want)
	}
	if early := p.due(time.Now().Add(messages.Window - time.Minute)); len(early) != 0 {
		t.Errorf("due before the hour is over: %v", early)
	}
	if n := p.gather(p.owner.User, time.Now().Add(messages.Window+time.Minute)); n != 1 {
		t.Fatalf("%d mails", n)
	}
	if n := p.gather(p.owner.User, time.Now().Add(messages.Window+time.Minute)); n != 0 {
		t.Errorf("%d mails more", n)
	}
	if _, err := p.base.Owner().Exec(t.Context(), `update messages set created_at = created_at - interval '61 minutes' where account_id = $1`, p.owner.ID); err != nil {
		t.Fatal(err)
	}
	if got := p.tell(messages.Finding, "low")[account.Owner]; got != "queued" {
		t.Errorf("after the storm: %s", got)
	}
}

// due lists the members of the account for whom a digest is due.
func (p *post) due(at time.Time) (out []account.UserID) {
	p.Helper()
	in(p.T, p.worker, p.base.Job(p.T, job.RunSchedules{}), func(tx *postgres.Tx) error {
		all, err := messages.DueDigests(p.Context(), tx, at, 1000)
		for _, d := range all {
			if d.AccountID == p.owner.ID {
				out = append(out, d.UserID)
			}
		}
		return err
	})
	return out
}

func (p *post) gather(user account.UserID, at time.Time) (n int) {
	p.Helper()
	proof := p.base.Job(p.T, job.SendDigest{AccountID: string(p.owner.ID), UserID: string(user)})
	in(p.T, p.worker, proof, func(tx *postgres.Tx) (err error) {
		n, err = messages.Gather(p.Context(), tx, user, at)
		return err
	})
	return n
}

// A daily digest is due in the morning, holds what its member still wants, the worst
// first, and nothing of anybody else's.
func TestDailyDigestGathersWhatIsStillWanted(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for _, topic := range []notify.Topic{notify.Drift, notify.Backups, notify.Restores} {
		p.prefer(account.Owner, topic, notify.Daily, "")
		p.prefer(account.Admin, topic, notify.Daily, "")
	}
	p.tell(messages.Finding, "low")
	p.tell(messages.Finding, "critical")
	p.tell(messages.Receipt, "")
	p.tell(messages.SnapshotFailed, "")
	if got := p.due(time.Now()); len(got) != 0 {
		t.Fatalf("due already: %v", got)
	}
	p.prefer(account.Owner, notify.Backups, notify.Never, "")
	tomorrow := time.Now().Add(24 * time.Hour)
	if due := p.due(tomorrow); len(due) != 2 {
		t.Fatalf("due tomorrow: %v", due)
	}
	if n := p.gather(p.owner.User, tomorrow); n != 1 {
		t.Fatalf("%d digests", n)
	}
	var subject string
	if err := p.base.Owner().QueryRow(t.Context(), `select subject_id::text from messages where kind = 'digest' and user_id = $1`, p.owner.User).Scan(&subject); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	in(t, p.worker, p.base.Job(t, job.SendMessage{AccountID: string(p.owner.ID)}), func(tx *postgres.Tx) error {
		all, err := messages.Gathered(t.Context(), tx, subject)
		for _, m := range all {
			kinds = append(kinds, string(m.Kind)+" "+m.Severity)
			if m.Email != p.owner.Email || m.State != "gathered" {
				t.Errorf("gathered %+v", m)
			}
		}
		return err
	})
	if want := []string{"finding critical", "finding low", "receipt "}; !slices.Equal(kinds, want) {
		t.Errorf("the digest holds %v, want %v", kinds, want)
	}
	if n := p.gather(p.members[account.Admin].User, tomorrow); n != 1 {
		t.Errorf("%d digests of the admin", n)
	}
}

// A daily digest comes at its reader's hour, also on the days on which clocks change, and no
// zone that went away holds an alert up.
func TestDigestComesAtItsHour(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for _, at := range []struct {
		hour               int
		zone, after, comes string
	}{
		{6, "UTC", "2026-03-04 05:59:59+00", "2026-03-04 06:00:00"},
		{6, "UTC", "2026-03-04 06:00:00+00", "2026-03-05 06:00:00"},
		{0, "UTC", "2026-03-04 06:00:00+00", "2026-03-05 00:00:00"},
		{6, "Asia/Kolkata", "2026-03-04 00:29:00+00", "2026-03-04 00:30:00"},
		{23, "America/Los_Angeles", "2026-03-04 06:59:00+00", "2026-03-04 07:00:00"},
		{2, "Europe/Amsterdam", "2026-03-28 12:00:00+00", "2026-03-29 01:00:00"}, // there is no two o'clock
		{8, "Europe/Amsterdam", "2026-03-28 12:00:00+00", "2026-03-29 06:00:00"},
		{2, "Europe/Amsterdam", "2026-10-24 12:00:00+00", "2026-10-25 01:00:00"}, // two o'clock comes twice
		{8, "Europe/Atlantis", "2026-03-04 05:00:00+00", "2026-03-04 08:00:00"},
	} {
		var got string
		if err := p.base.Owner().QueryRow(t.Context(), `select to_char(next_digest($1, $2, $3::text::timestamptz) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')`,
			at.hour, at.zone, at.after).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != at.comes {
			t.Errorf("%d o'clock in %s after %s: %s, want %s", at.hour, at.zone, at.after, got, at.comes)
		}
	}
	p.prefer(account.Owner, notify.Drift, notify.Daily, "")
	p.prefer(account.Admin, notify.Drift, notify.Daily, "")
	hour := (time.Now().UTC().Hour() + 3) % 24
	in(t, p.api, p.owner.Proof, func(tx *postgres.Tx) error {
		return messages.SetDigestTime(t.Context(), tx, messages.DigestTime{Hour: hour, TimeZone: "UTC"})
	})
	p.tell(messages.Finding, "low")
	at := time.Now().Truncate(time.Hour).Add(3 * time.Hour)
	if early, due := p.due(at.Add(-time.Hour)), p.due(at); slices.Contains(early, p.owner.User) || !slices.Contains(due, p.owner.User) {
		t.Errorf("due at %s: %v, an hour before: %v", at, due, early)
	}
}

// Nobody chooses for others, and a tick has no digest made where nothing is held.
func TestChoicesAreOnesOwn(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.prefer(account.Owner, notify.Drift, notify.Daily, "high")
	for role, m := range maps.All(p.members) {
		in(t, p.api, m.Proof, func(tx *postgres.Tx) error {
			got, err := messages.Preferences(t.Context(), tx)
			if want := map[bool]int{true: 1}[role == account.Owner]; len(got) != want {
				t.Errorf("%s sees %v", role, got)
			}
			return err
		})
	}
	enqueue := func(user account.UserID) error {
		return p.worker.As(t.Context(), p.base.Job(t, job.RunSchedules{}), func(tx *postgres.Tx) error {
			return tx.Enqueue(t.Context(), job.SendDigest{AccountID: string(p.owner.ID), UserID: string(user)})
		})
	}
	if err := enqueue(p.owner.User); !problem.Is(err, problem.Denied) {
		t.Errorf("a digest of nothing: %v", err)
	}
	p.tell(messages.Finding, "high")
	if err := enqueue(p.owner.User); err != nil {
		t.Error(err)
	}
	if err := enqueue(p.members[account.Admin].User); !problem.Is(err, problem.Denied) {
		t.Errorf("somebody else's digest: %v", err)
	}
}
