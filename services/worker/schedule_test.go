package worker_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/audit"
	"imago/pkg/job"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/team"
	"imago/pkg/postgres/worldtest"
	"imago/services/worker"
)

// clock is moved by tests.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// list reads the connection's snapshots, newest first.
func list(t *testing.T, w *worldtest.World) (all []snapshots.Snapshot) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		all, err = snapshots.List(ctx, tx, w.Connection, postgres.Page{})
		return err
	})
	return all
}

func schedule(t *testing.T, w *worldtest.World) (s schedules.Schedule) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		s, _, err = schedules.Get(ctx, tx, w.Connection)
		return err
	})
	return s
}

// A schedule that was missed while nothing ran has one snapshot afterwards, not one for
// each time, and its next moment lies ahead.
func TestMissedRunsAreMadeUpForOnce(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	long := time.Now().Add(-72 * time.Hour)
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := schedules.Put(ctx, tx, schedules.Schedule{
			ConnectionID: w.Connection, Cron: "*/30 * * * *", TimeZone: "Europe/Amsterdam", Enabled: true, NextRunAt: &long})
		return err
	})
	for range 2 { // two workers claim at the same time
		work(t, w, worker.Config{}, deps(t, w))
	}
	worldtest.Until(t, "the snapshot is taken", func() bool {
		all := list(t, w)
		return len(all) > 0 && all[0].State.Ended()
	})
	// Each tick is a job: after two more of them nothing else was started.
	ticks(t, w, 2)
	all := list(t, w)
	if len(all) != 1 || all[0].Trigger != snapshots.Schedule || all[0].State != snapshots.Partial {
		t.Errorf("snapshots: %s", worldtest.JSON(t, all))
	}
	s := schedule(t, w)
	if !s.NextRunAt.After(time.Now()) || s.NextRunAt.After(time.Now().Add(31*time.Minute)) || s.LastRunAt == nil {
		t.Errorf("schedule: %s", worldtest.JSON(t, s))
	}
}

// TestALesserPlanSlowsASchedule that was made under a better one, and raises no alarm for it.
func TestALesserPlanSlowsASchedule(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	due := time.Now().Add(-time.Minute)
	s.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := schedules.Put(ctx, tx, schedules.Schedule{
			ConnectionID: s.Connection, Cron: "*/30 * * * *", TimeZone: "UTC", Enabled: true, NextRunAt: &due})
		return err
	})
	s.sells(t, 400) // its trial is long over
	var c clock
	d := deps(t, s.World)
	d.Billing, d.Now = s.processor, c.now
	work(t, s.World, worker.Config{}, d)
	worldtest.Until(t, "the snapshot is taken", func() bool {
		all := list(t, s.World)
		return len(all) > 0 && all[0].State.Ended()
	})
	if next := schedule(t, s.World).NextRunAt; next.Before(due.Add(24*time.Hour).Truncate(time.Second)) || next.After(due.Add(25*time.Hour)) {
		t.Errorf("comes at %v, after %v; want a day between", next, due)
	}
	ticks(t, s.World, 2)
	c.advance(20 * time.Hour)
	ticks(t, s.World, 2)
	var alarmed bool
	if err := s.Base.Owner().QueryRow(t.Context(), `select alarm_at = 'infinity' from schedules where connection_id = $1`, s.Connection).Scan(&alarmed); err != nil {
		t.Fatal(err)
	}
	if n := len(list(t, s.World)); n != 1 || alarmed {
		t.Errorf("%d snapshots within the day, alarm %t", n, alarmed)
	}
	c.advance(5 * time.Hour)
	worldtest.Until(t, "the next day's", func() bool { return len(list(t, s.World)) == 2 })
}

// ticks waits until so many more ticks have ended.
func ticks(t *testing.T, w *worldtest.World, n int) {
	t.Helper()
	ended := func() (n int) {
		if err := w.Base.Owner().QueryRow(t.Context(),
			`select count(*) from river.river_job where kind = 'run_schedules' and state = 'completed'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	until := ended() + n
	worldtest.Until(t, "ticks", func() bool { return ended() >= until })
}

// A schedule whose snapshots stay away is told of, once, although no job of its own is
// left to tell; when one is taken the alarm is set anew.
func TestSilentScheduleRaisesOneAlarm(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	tomorrow := time.Now().Add(24 * time.Hour)
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := schedules.Put(ctx, tx, schedules.Schedule{
			ConnectionID: w.Connection, Cron: "0 2 * * *", TimeZone: "UTC", Enabled: true, NextRunAt: &tomorrow})
		return err
	})
	w.Exec(t, `update connections set state = 'failed' where id = $1`, w.Connection) // so that nothing is started
	var c clock
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	ticks(t, w, 1)
	if n := count(w.Actions(t), "raise_alarm"); n != 0 {
		t.Fatalf("%d alarms before the time", n)
	}
	c.advance(51 * time.Hour) // two periods, an hour, and what is left of today
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	mail := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, "overdue") })
	if !strings.Contains(mail.Text, "never") || !strings.Contains(mail.Text, "0 2 * * *") {
		t.Errorf("mail: %s", mail.Text)
	}
	ticks(t, w, 2)
	if n := count(w.Actions(t), "raise_alarm"); n != 1 {
		t.Errorf("%d alarms", n)
	}
	w.Exec(t, `update connections set state = 'ready' where id = $1`, w.Connection)
	w.Taken(t, w.Queue(t))
	ticks(t, w, 1)
	var set bool
	if err := w.Base.Owner().QueryRow(t.Context(), `select alarm_at < 'infinity' from schedules where connection_id = $1`, w.Connection).Scan(&set); err != nil {
		t.Fatal(err)
	}
	if !set {
		t.Error("the alarm is not set anew")
	}
}

// A log that nobody reads, because no monitor runs, is told of: once, until it is read.
func TestSilentLogRaisesOneAlarm(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	var c clock
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	w.Taken(t, w.Queue(t))
	ticks(t, w, 1)
	if n := count(w.Actions(t), "raise_alarm"); n != 0 {
		t.Fatalf("%d alarms before the time", n)
	}
	c.advance(61 * time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, "Changes are not noticed") })
	ticks(t, w, 2)
	if n := count(w.Actions(t), "raise_alarm"); n != 1 {
		t.Errorf("%d alarms", n)
	}
	// A monitor reads the log, and dies again.
	proof := w.Base.Job(t, job.FollowLog{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
	polled := c.now()
	err := w.Base.Open(t, "imago_drift").As(t.Context(), proof, func(tx *postgres.Tx) error {
		return cursors.Advance(t.Context(), tx, w.Connection, "", cursors.Cursor{Cursor: "1", PolledAt: &polled})
	})
	if err != nil {
		t.Fatal(err)
	}
	ticks(t, w, 2)
	c.advance(61 * time.Minute)
	worldtest.Until(t, "another alarm", func() bool { return count(w.Actions(t), "raise_alarm") == 2 })
	worldtest.Until(t, "another mail, although no snapshot was taken since", func() bool {
		mails := 0
		for _, m := range w.Mails.Mails() {
			if strings.Contains(m.Subject, "Changes are not noticed") {
				mails++
			}
		}
		return mails == 2
	})
}

// A snapshot whose job is gone is ended and told of, so that it holds no place for ever.
func TestSnapshotWithoutAJobIsEnded(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	id := w.Queue(t)
	w.Exec(t, `delete from river.river_job where kind = 'take_snapshot'`)
	w.Exec(t, `update snapshots set created_at = now() - interval '5 minutes' where id = $1`, id)
	work(t, w, worker.Config{}, deps(t, w))
	if s := w.Taken(t, id); s.State != snapshots.Failed || s.Problem == nil {
		t.Errorf("snapshot: %s", worldtest.JSON(t, s))
	}
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, "Snapshot failed") })
	if n := count(w.Actions(t), "fail_snapshot"); n != 1 {
		t.Errorf("activity: %v", w.Actions(t))
	}
}

// The code that arrives is the one whose hash is stored, and stands nowhere else.
func TestSignInCodeArrives(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{Queues: map[string]int{job.QueueMail: 1}}, deps(t, w))
	client := signin.Hash{1}
	var attempt signin.Attempt
	ask := func(fn func(tx *postgres.Tx) error) {
		t.Helper()
		if err := w.API.As(t.Context(), postgres.Nobody, fn); err != nil {
			t.Fatal(err)
		}
	}
	ask(func(tx *postgres.Tx) (err error) {
		attempt, err = signin.Begin(t.Context(), tx, w.Account.Email, client, signin.Hash{2})
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	mail := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return m.To == w.Account.Email })
	code := ""
	for _, word := range strings.Fields(mail.Text) {
		if len(word) == 6 && strings.Trim(word, "0123456789") == "" {
			code = word
		}
	}
	if code == "" || strings.Contains(mail.Subject, code) {
		t.Fatalf("mail %q: %s", mail.Subject, mail.Text)
	}
	var answer signin.Answer
	ask(func(tx *postgres.Tx) (err error) {
		answer, err = signin.Check(t.Context(), tx, attempt.ID, signin.CodeHash(attempt.ID, code), client)
		return err
	})
	if answer.Wrong != nil || len(answer.Memberships) != 1 {
		t.Errorf("answer: %+v", answer)
	}
	var jobs string
	if err := w.Base.Owner().QueryRow(t.Context(),
		`select string_agg(j::text, ' ') from river.river_job j where kind = 'send_code'`).Scan(&jobs); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(jobs, code) || strings.Contains(jobs, w.Account.Email) {
		t.Errorf("the queue knows too much: %s", jobs)
	}
}

// The invitation that arrives opens the account that sent it, to whom it was sent alone,
// and stands nowhere else.
func TestInvitationArrives(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{Queues: map[string]int{job.QueueMail: 1}, PublicURL: "https://imago.example.com"}, deps(t, w))
	guest := w.Base.Account(t)
	ask := func(proof postgres.Proof, fn func(tx *postgres.Tx) error) {
		t.Helper()
		if err := w.API.As(t.Context(), proof, fn); err != nil {
			t.Fatal(err)
		}
	}
	ask(w.Account.Proof, func(tx *postgres.Tx) error {
		_, err := team.Invite(t.Context(), tx, guest.Email, account.Operator)
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	mail := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return m.To == guest.Email })
	token := regexp.MustCompile(`imago_invite_[A-Za-z0-9_-]{43}`).FindString(mail.Text)
	for _, want := range []string{"https://imago.example.com/invitation#" + token, "imago team join " + token, w.Account.Email, "an operator"} {
		if token == "" || !strings.Contains(mail.Text, want) {
			t.Errorf("the mail lacks %q:\n%s", want, mail.Text)
		}
	}
	if strings.Contains(mail.Subject, token) {
		t.Errorf("the subject shows the token: %s", mail.Subject)
	}
	var jobs string
	if err := w.Base.Owner().QueryRow(t.Context(),
		`select string_agg(j::text, ' ') from river.river_job j where kind = 'send_invitation'`).Scan(&jobs); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(jobs, token) || strings.Contains(jobs, guest.Email) {
		t.Errorf("the queue knows too much: %s", jobs)
	}
	ask(guest.Proof, func(tx *postgres.Tx) error {
		in, err := team.Accept(t.Context(), tx, sha256.Sum256([]byte(token)))
		if in != w.Account.ID {
			t.Errorf("the token opens account %s", in)
		}
		return err
	})
}

// A code whose time was over before it could be mailed is not mailed.
func TestExpiredSignInCodeIsNotSent(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	err := w.API.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) error {
		_, err := signin.Begin(t.Context(), tx, w.Account.Email, signin.Hash{1}, signin.Hash{2})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var c clock
	c.advance(11 * time.Minute)
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{Queues: map[string]int{job.QueueMail: 1}}, d)
	worldtest.Until(t, "the job ends", func() bool {
		var state string
		if err := w.Base.Owner().QueryRow(t.Context(), `select state from river.river_job where kind = 'send_code'`).Scan(&state); err != nil {
			t.Fatal(err)
		}
		return state == "completed"
	})
	if n := len(w.Mails.Mails()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// Wrong codes for a member's address stand in the account's log, with where they came
// from, and those for an address without an account in nobody's.
func TestWrongCodesAreTold(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	client := signin.Hash{1}
	refusal := func(n int) signin.Refusal {
		id := fmt.Sprintf("01938f00-0000-7000-8000-00000000000%d", n)
		box, err := w.Box.PublicKey().Seal(sealed.RefusalBox(id), []byte(`{"request_id":"r`+fmt.Sprint(n)+`","source_ip":"203.0.113.7"}`))
		if err != nil {
			t.Fatal(err)
		}
		return signin.Refusal{ID: id, Box: box}
	}
	try := func(email string, refusals ...signin.Refusal) (attempt signin.Attempt) {
		t.Helper()
		for i, r := range append([]signin.Refusal{{}}, refusals...) {
			err := w.API.As(t.Context(), postgres.Nobody, func(tx *postgres.Tx) (err error) {
				if i == 0 {
					attempt, err = signin.Begin(t.Context(), tx, email, client, signin.Hash{2})
					return err
				}
				if _, err := signin.Check(t.Context(), tx, attempt.ID, signin.Hash{9}, client); err != nil {
					return err
				}
				return signin.Note(t.Context(), tx, attempt.ID, client, r)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return attempt
	}
	try("nobody@acme.test", refusal(1))
	spoiled := refusal(3)
	spoiled.Box[len(spoiled.Box)-1] ^= 1
	attempt := try(w.Account.Email, refusal(2), spoiled)
	work(t, w, worker.Config{Queues: map[string]int{job.QueueMail: 1, job.QueueTick: 1}}, deps(t, w))
	worldtest.Until(t, "both are told", func() bool { return count(w.Actions(t), "refuse_code") == 2 })
	ticks(t, w, 2)
	if diff := cmp.Diff([]string{"refuse_code", "refuse_code"}, w.Actions(t)); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
	var got []audit.Who
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		all, err := activity.List(ctx, tx, postgres.Page{})
		for _, row := range all {
			if row.TargetType != "sign_in" || row.TargetID != attempt.ID {
				t.Errorf("the row is about %s %s", row.TargetType, row.TargetID)
			}
			var who audit.Who
			if err := sealed.Activity(row.Entry).Open(w.Ring, row.Sealed, &who); err != nil {
				return err
			}
			got = append(got, who)
		}
		return err
	})
	slices.SortFunc(got, func(a, b audit.Who) int { return strings.Compare(a.Detail, b.Detail) })
	want := []audit.Who{
		{Actor: "unknown", SourceIP: "203.0.113.7", Detail: "wrong sign-in code for " + w.Account.Email + ", try 1 of 5"},
		{Actor: "unknown", Detail: "wrong sign-in code for " + w.Account.Email + ", try 2 of 5"}, // its box does not open
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who (-want +got):\n%s", diff)
	}
	if n := len(w.Mails.Mails()); n > 2 { // the codes themselves
		t.Errorf("%d mails", n)
	}
}

// A wrong second factor is told alike: somebody had the mailed code.
func TestWrongSecondFactorsAreTold(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	token := sha256.Sum256([]byte("half"))
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := w.Base.Owner().Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`insert into totp_factors (user_id, secret, confirmed_at) values ($1, 'sealed', now())`, w.Account.User)
	exec(`insert into sessions (account_id, user_id, token_hash, kind, idle_expires_at, expires_at)
		values ($1, $2, $3, 'cli', now() + interval '1 hour', now() + interval '1 day')`, w.Account.ID, w.Account.User, token[:])
	const id = "01938f00-0000-7000-8000-000000000001"
	box, err := w.Box.PublicKey().Seal(sealed.RefusalBox(id), []byte(`{"request_id":"r1","source_ip":"203.0.113.7"}`))
	if err != nil {
		t.Fatal(err)
	}
	err = w.API.As(t.Context(), postgres.Pending(token), func(tx *postgres.Tx) error {
		if _, err := signin.TryFactor(t.Context(), tx, false); err != nil {
			return err
		}
		return signin.NoteFactor(t.Context(), tx, signin.Refusal{ID: id, Box: box})
	})
	if err != nil {
		t.Fatal(err)
	}
	work(t, w, worker.Config{Queues: map[string]int{job.QueueMail: 1, job.QueueTick: 1}}, deps(t, w))
	worldtest.Until(t, "it is told", func() bool { return count(w.Actions(t), "refuse_second_factor") == 1 })
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		all, err := activity.List(ctx, tx, postgres.Page{})
		if err != nil {
			return err
		}
		var who audit.Who
		if err := sealed.Activity(all[0].Entry).Open(w.Ring, all[0].Sealed, &who); err != nil {
			return err
		}
		want := audit.Who{Actor: "unknown", SourceIP: "203.0.113.7", Detail: "wrong second factor for " + w.Account.Email + ", try 1 of 5, by who had the mailed code"}
		if diff := cmp.Diff(want, who); diff != "" {
			t.Errorf("who (-want +got):\n%s", diff)
		}
		return nil
	})
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]worker.Config{
		"unknown queue":     {Queues: map[string]int{"drift": 1}},
		"no jobs":           {Queues: map[string]int{"mail": 0}},
		"too many":          {Queues: map[string]int{"mail": 1000}},
		"negative patience": {Patience: -1},
	} {
		if err := c.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A schedule that cannot be started holds up no other account's, nor the rest of the tick.
func TestPoisonedScheduleHoldsUpNothing(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{Base: postgrestest.Fresh(t)})
	other := w.Base.Account(t)
	healthy, orphaned := w.Base.Connection(t, other.ID), w.Base.Connection(t, other.ID)
	w.Exec(t, `create function poison() returns trigger language plpgsql as $$
		begin raise exception 'poisoned'; end $$`)
	w.Exec(t, `create trigger poison before insert on snapshots for each row
		when (new.connection_id = '`+string(w.Connection)+`') execute function poison()`)
	w.Exec(t, `insert into schedules (account_id, connection_id, cron, time_zone, enabled, next_run_at)
		values ($1, $2, '0 2 * * *', 'UTC', true, now() - interval '2 hours'), ($3, $4, '0 2 * * *', 'UTC', true, now() - interval '1 hour')`,
		w.Account.ID, w.Connection, other.ID, healthy)
	w.Exec(t, `insert into snapshots (account_id, connection_id, trigger, created_at)
		values ($1, $2, 'manual', now() - interval '5 minutes')`, other.ID, orphaned)
	work(t, w, worker.Config{Queues: map[string]int{job.QueueTick: 1}}, deps(t, w))
	count := func(sql string, args ...any) (n int) {
		if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from `+sql, args...).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	worldtest.Until(t, "the healthy schedule is started and the orphan ended", func() bool {
		return count(`snapshots where connection_id = $1 and trigger = 'schedule'`, healthy) == 1 &&
			count(`snapshots where connection_id = $1 and state = 'failed'`, orphaned) == 1
	})
	if n := count(`schedules where connection_id = $1 and next_run_at < now()`, w.Connection); n != 1 {
		t.Error("the poisoned schedule was moved on")
	}
}
