package worker_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/provider/okta/oktasimtest"
	"imago/pkg/resource"
	"imago/services/worker"
)

// planned takes a snapshot, deletes Finance and plans its restore.
func planned(t *testing.T, w *worldtest.World) restores.Restore {
	t.Helper()
	taken := w.Taken(t, w.Queue(t))
	finance, _ := w.Group(t, "Finance")
	w.Org.Call(http.MethodDelete, "/api/v1/groups/"+finance, nil, nil)
	return w.Plan(t, taken.ID, resource.Key{Type: "group", ID: finance})
}

// That something else answers in the org's place is no proof that the write app is off;
// and a window whose job is gone is watched again.
func TestWindowIsOpenUntilTheOrgRefuses(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	stop := work(t, w, worker.Config{}, deps(t, w))
	r := planned(t, w)
	w.Write.Activate()
	w.Apply(t, r)
	w.Restored(t, r.ID, restores.Closing)
	w.Org.Fault(oktasimtest.Fault{Path: "/.well-known/okta-organization", Kind: "status", Status: 404, Count: 1_000_000})
	worldtest.Until(t, "the restore says that it cannot see", func() bool {
		now := w.Restored(t, r.ID, restores.Closing)
		return now.Problem != nil && now.Problem.Kind == problem.Unavailable
	})
	stop()
	w.Org.ClearFaults()
	w.Exec(t, `delete from river.river_job where kind = 'apply_restore'`)
	work(t, w, worker.Config{}, deps(t, w))
	w.Write.Deactivate()
	if closed := w.Restored(t, r.ID, restores.Closed); closed.Problem != nil {
		t.Errorf("closed: %s", worldtest.JSON(t, closed))
	}
}

// The write app is switched off while a slice writes: nothing fails of it, and the
// restore waits until it is on again.
func TestSwitchedOffWhileWriting(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	r := planned(t, w)
	w.Write.Activate()
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodPut, Path: "/api/v1/groups/*/users/*", Kind: "delay", Delay: "3s", After: 2, Count: 1})
	w.Apply(t, r)
	worldtest.Until(t, "a member is being added", func() bool { return fired(t, w) })
	w.Write.Deactivate()
	worldtest.Until(t, "the restore waits for the write app", func() bool {
		now := w.Restored(t, r.ID, restores.Applying, restores.Waiting)
		return now.State == restores.Waiting && now.Problem != nil && now.Problem.Kind == problem.Denied
	})
	w.Write.Activate()
	if receipt := w.Receipt(t, w.Restored(t, r.ID, restores.Closing)); receipt.Failed+receipt.Skipped+len(receipt.Report.Differences) > 0 {
		t.Errorf("receipt: %s", worldtest.JSON(t, receipt))
	}
}

// A restore that has to end in the middle gives its token back, the members hear, and its
// window counts as open until the org refuses the write app.
func TestRestoreThatStopsInTheMiddleIsTold(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{Patience: 3 * time.Second}, deps(t, w))
	r := planned(t, w)
	w.Write.Activate()
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodPut, Path: "/api/v1/groups/*/users/*", Kind: "status", Status: 503, After: 3, Count: 1_000_000})
	w.Apply(t, r)
	stopped := w.Restored(t, r.ID, restores.Closing)
	if stopped.Problem == nil || !strings.Contains(stopped.Problem.Hint, "deactivate the write app") {
		t.Errorf("restore: %s", worldtest.JSON(t, stopped))
	}
	look(t, w, 2)
	if now := w.Restored(t, r.ID, restores.Closing); now.WindowClosedAt != nil {
		t.Errorf("closed while the app is active: %s", worldtest.JSON(t, now))
	}
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	mail := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, "Restore stopped") })
	for _, want := range []string{r.ID, *r.PlanDigest, w.Account.Email, "Written    4"} {
		if !strings.Contains(mail.Text, want) {
			t.Errorf("the mail lacks %q:\n%s", want, mail.Text)
		}
	}
	if !strings.Contains(string(w.Org.Requests()), "/oauth2/v1/revoke") {
		t.Error("the token was not given back")
	}
	w.Write.Deactivate()
	ended := w.Restored(t, r.ID, restores.Stopped)
	if ended.WindowClosedAt == nil || cmp.Diff(stopped.Problem, ended.Problem) != "" {
		t.Errorf("ended: %s", worldtest.JSON(t, ended))
	}
	want := []string{"start_snapshot", "complete_snapshot", "plan_restore", "open_window", "stop_restore", "close_window"}
	if diff := cmp.Diff(want, w.Actions(t)); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
}

// A restore that is switched off in the middle and cannot go on either is closed, too.
func TestRestoreThatStopsWhileItWaits(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	var c clock
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	r := planned(t, w)
	w.Write.Activate()
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodPut, Path: "/api/v1/groups/*/users/*", Kind: "delay", Delay: "3s", After: 2, Count: 1})
	w.Apply(t, r)
	worldtest.Until(t, "a member is being added", func() bool { return fired(t, w) })
	w.Write.Deactivate()
	w.Restored(t, r.ID, restores.Waiting)
	c.advance(25 * time.Hour)
	worldtest.Until(t, "the restore ends", func() bool {
		hurry(t, w)
		return w.Restored(t, r.ID, restores.Waiting, restores.Closing, restores.Stopped).State == restores.Stopped
	})
	want := []string{"start_snapshot", "complete_snapshot", "plan_restore", "open_window", "stop_restore", "close_window"}
	alarms := func(action string) bool { return action == "raise_alarm" } // a day went by
	if diff := cmp.Diff(want, slices.DeleteFunc(w.Actions(t), alarms)); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
}

// A token that the org does not take back is no reason not to have the window closed.
func TestRevocationRefused(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	r := planned(t, w)
	w.Write.Activate()
	w.Org.Fault(oktasimtest.Fault{Path: "/oauth2/v1/revoke", Kind: "status", Status: 403, Count: 1_000_000})
	w.Apply(t, r)
	worldtest.Until(t, "the restore says that the write app is active", func() bool {
		now := w.Restored(t, r.ID, restores.Applying, restores.Waiting, restores.Approved, restores.Verifying, restores.Verified, restores.Closing)
		return now.State == restores.Closing && now.Problem != nil && strings.Contains(now.Problem.What, "still active")
	})
	w.Write.Deactivate()
	w.Restored(t, r.ID, restores.Closed)
}

// An app that has lost its scopes is refused, and can have them back at any moment: its
// window is not shut. And as long as it is not, nothing may put another app in its place.
func TestOtherRefusalsDoNotCloseTheWindow(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	r := closing(t, w)
	w.Org.Fault(oktasimtest.Fault{Path: "/oauth2/v1/token", Kind: "status", Status: 400, Count: 1_000_000})
	worldtest.Until(t, "the restore says that it cannot see", func() bool {
		now := w.Restored(t, r.ID, restores.Closing)
		return now.Problem != nil && now.Problem.Kind == problem.Unavailable
	})
	err := w.API.As(t.Context(), w.Account.Proof, func(tx *postgres.Tx) error {
		_, err := connections.SetClientID(t.Context(), tx, w.Connection, account.Write, "0oanobody", w.Write.Credential.Scopes)
		return err
	})
	if err == nil {
		t.Error("another app was put in the place of the one whose window is open")
	}
	w.Org.ClearFaults()
	w.Write.Deactivate()
	w.Restored(t, r.ID, restores.Closed)
}

// Somebody takes the name of what is to be made between the plan and its apply: nothing
// is written over theirs, and the log tells of one stop and of a closed window.
func TestNameTakenMeanwhile(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	r := planned(t, w)
	w.Org.Call(http.MethodPost, "/api/v1/groups", map[string]any{"profile": map[string]string{"name": "Finance", "description": "somebody else's"}}, nil)
	w.Write.Activate()
	w.Apply(t, r)
	receipt := w.Receipt(t, w.Restored(t, r.ID, restores.Closing))
	if receipt.Failed != 1 || receipt.Skipped == 0 {
		t.Errorf("receipt: %s", worldtest.JSON(t, receipt))
	}
	w.Write.Deactivate()
	stopped := w.Restored(t, r.ID, restores.Stopped)
	if stopped.WindowClosedAt == nil || stopped.Problem == nil || stopped.Problem.Kind != problem.Stale {
		t.Errorf("restore: %s", worldtest.JSON(t, stopped))
	}
	want := []string{"start_snapshot", "complete_snapshot", "plan_restore", "open_window", "stop_restore", "close_window"}
	if diff := cmp.Diff(want, w.Actions(t)); diff != "" {
		t.Errorf("activity (-want +got):\n%s", diff)
	}
}

// closing brings a restore to where only its write app has to be switched off.
func closing(t *testing.T, w *worldtest.World) restores.Restore {
	t.Helper()
	r := planned(t, w)
	w.Write.Activate()
	w.Apply(t, r)
	return w.Restored(t, r.ID, restores.Closing)
}

// look has the restore's job look at the write app so many times more.
func look(t *testing.T, w *worldtest.World, times int) {
	t.Helper()
	snoozes := func() (n int) {
		if err := w.Base.Owner().QueryRow(t.Context(), `select coalesce(max((metadata ->> 'snoozes')::int), 0)
			from river.river_job where kind = 'apply_restore'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	until := snoozes() + times
	worldtest.Until(t, "another look", func() bool { hurry(t, w); return snoozes() >= until })
}

// hurry has the restore's job look now, and not after its snooze.
func hurry(t *testing.T, w *worldtest.World) {
	t.Helper()
	w.Exec(t, `update river.river_job set scheduled_at = now() where kind = 'apply_restore' and state = 'scheduled'`)
}

// reminders counts what the activity log says of a window that stays open.
func reminders(t *testing.T, w *worldtest.World) (n int) {
	t.Helper()
	if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from activity_logs
		where account_id = $1 and action = 'raise_alarm' and target_type = 'restore'`, w.Account.ID).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A write app that nobody switches off is told of after an hour, once.
func TestWindowThatStaysOpenIsToldOnce(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	var c clock
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	r := closing(t, w)
	c.advance(59 * time.Minute)
	look(t, w, 2)
	if n := reminders(t, w); n != 0 {
		t.Fatalf("%d reminders before the time", n)
	}
	c.advance(2 * time.Minute)
	look(t, w, 1)
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	reminder := func(m notifytest.Mail) bool { return strings.Contains(m.Subject, "Deactivate the write app") }
	mail := w.Mails.Wait(ctx, t, reminder)
	for _, want := range []string{r.ID, "the write app is still active"} {
		if mail.To != w.Account.Email || !strings.Contains(mail.Text, want) {
			t.Errorf("the mail to %s lacks %q:\n%s", mail.To, want, mail.Text)
		}
	}
	w.Base.Member(t, w.Account.ID, "admin") // who comes later is not told either
	c.advance(5 * time.Hour)
	look(t, w, 2)
	w.Write.Deactivate()
	hurry(t, w)
	w.Restored(t, r.ID, restores.Closed)
	if n := reminders(t, w); n != 1 {
		t.Errorf("%d reminders", n)
	}
	if n := len(slices.DeleteFunc(w.Mails.Mails(), func(m notifytest.Mail) bool { return !reminder(m) })); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// A reminder that could not go out before the app was switched off says nothing wrong.
func TestReminderIsNotSentWhenTheWindowIsClosed(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	var c clock
	d := deps(t, w)
	d.Now = c.now
	stop := work(t, w, worker.Config{Queues: map[string]int{"backup": 2, "restore": 1}}, d)
	r := closing(t, w)
	c.advance(61 * time.Minute)
	worldtest.Until(t, "the reminder is queued", func() bool { look(t, w, 1); return reminders(t, w) == 1 })
	w.Write.Deactivate()
	hurry(t, w)
	w.Restored(t, r.ID, restores.Closed)
	stop()
	work(t, w, worker.Config{Queues: map[string]int{"mail": 1}}, deps(t, w))
	worldtest.Until(t, "the mails are done with", func() bool {
		var queued int
		if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from messages where state = 'queued'`).Scan(&queued); err != nil {
			t.Fatal(err)
		}
		return queued == 0
	})
	for _, m := range w.Mails.Mails() {
		if strings.Contains(m.Subject, "Deactivate the write app") {
			t.Errorf("sent: %s", m.Text)
		}
	}
}

// busy is a provider whose org allows nothing for a while.
type busy struct {
	provider.Provider
	until *atomic.Pointer[time.Time]
}

func (b busy) Reader(ctx context.Context, o account.Org, c account.Credential) (provider.Reader, error) {
	if until := b.until.Load(); until != nil {
		return nil, &provider.Wait{Until: *until, Reason: "the org's limit on sign-ins"}
	}
	return b.Provider.Reader(ctx, o, c)
}

// A plan that has to wait longer than its job may take is no failed try.
func TestPlanWaitsForTheRateLimit(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	d := deps(t, w)
	var until atomic.Pointer[time.Time]
	d.Providers = []provider.Provider{busy{worldtest.Providers()[0], &until}}
	work(t, w, worker.Config{}, d)
	taken := w.Taken(t, w.Queue(t))
	later := time.Now().Add(time.Hour)
	until.Store(&later)
	finance, _ := w.Group(t, "Finance")
	id := w.RequestPlan(t, taken.ID, resource.Key{Type: "group", ID: finance})
	var at time.Time
	var errs int
	worldtest.Until(t, "the plan waits", func() bool {
		var state string
		if err := w.Base.Owner().QueryRow(t.Context(), `select state, scheduled_at, coalesce(array_length(errors, 1), 0)
			from river.river_job where kind = 'plan_restore'`).Scan(&state, &at, &errs); err != nil {
			t.Fatal(err)
		}
		return state == "scheduled"
	})
	if errs != 0 || at.Before(later.Add(-time.Minute)) || at.After(later.Add(time.Minute)) {
		t.Errorf("goes on at %v after %d errors; the org allows it at %v", at, errs, later)
	}
	until.Store(nil)
	w.Exec(t, `update river.river_job set scheduled_at = now() where kind = 'plan_restore'`)
	w.Restored(t, id, restores.Planned)
}

// An approved restore waits for its turn while another one writes to the org, and is
// carried out then.
func TestOneRestoreAfterTheOther(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	first := closing(t, w)
	marketing, _ := w.Group(t, "Marketing")
	w.Org.Call(http.MethodDelete, "/api/v1/groups/"+marketing, nil, nil)
	second := w.Plan(t, first.SnapshotID, resource.Key{Type: "group", ID: marketing})
	w.Apply(t, second)
	worldtest.Until(t, "the second waits for its turn", func() bool {
		now := w.Restored(t, second.ID, restores.Approved)
		return now.Problem != nil && now.Problem.Kind == problem.Conflict
	})
	w.Write.Deactivate()
	w.Restored(t, first.ID, restores.Closed)
	w.Restored(t, second.ID, restores.Waiting)
	w.Write.Activate()
	w.Restored(t, second.ID, restores.Closing)
}

// Whoever approved a restore and may approve none any more when its window would open has
// nothing written.
func TestApproverWhoMayNoMore(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	r := planned(t, w)
	w.Apply(t, r)
	w.Restored(t, r.ID, restores.Waiting)
	w.Exec(t, `update members set role = 'viewer' where account_id = $1`, w.Account.ID)
	w.Write.Activate()
	failed := w.Restored(t, r.ID, restores.Failed)
	if failed.Problem == nil || failed.Problem.Kind != problem.Denied || !strings.Contains(failed.Problem.What, "may not approve restores any more") {
		t.Errorf("restore: %s", worldtest.JSON(t, failed))
	}
	if _, ok := w.Group(t, "Finance"); ok || failed.WindowOpenedAt != nil {
		t.Error("it was applied")
	}
}

// Workers that lost the write app's key cannot ask the org, and say so; the restore ends on
// a person's word, and a new key can be made then.
func TestWindowIsClosedWhereTheKeyIsLost(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	stop := work(t, w, worker.Config{}, deps(t, w))
	r := closing(t, w)
	stop()
	d := deps(t, w)
	var err error
	if d.Box, err = envelope.NewBoxKey(); err != nil {
		t.Fatal(err)
	}
	work(t, w, worker.Config{}, d)
	worldtest.Until(t, "the restore says what is lost", func() bool {
		hurry(t, w)
		now := w.Restored(t, r.ID, restores.Closing)
		return now.Problem != nil && strings.Contains(now.Problem.What, "the workers cannot open the key")
	})
	w.Exec(t, `update restores set window_opened_at = now() - interval '2 hours', seen_open_at = now() - interval '2 hours' where id = $1`, r.ID)
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := restores.Close(ctx, tx, r.ID)
		return err
	})
	closed := w.Restored(t, r.ID, restores.Closed)
	if closed.ClosedBy == nil || closed.Problem != nil || closed.WindowClosedAt == nil {
		t.Errorf("closed: %s", worldtest.JSON(t, closed))
	}
	worldtest.Until(t, "its job has ended", func() bool {
		hurry(t, w)
		var left int
		if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from river.river_job
			where kind = 'apply_restore' and state <> 'completed'`).Scan(&left); err != nil {
			t.Fatal(err)
		}
		return left == 0
	})
}

// A restore whose write app's key is lost does not wait for the app: it cannot be applied,
// and says how a new key is made.
func TestRestoreWhoseKeyIsLostFails(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	r := planned(t, w)
	w.Exec(t, `update credentials set sealed_key = 'lost' where connection_id = $1 and purpose = 'write'`, w.Connection)
	w.Write.Activate()
	w.Apply(t, r)
	failed := w.Restored(t, r.ID, restores.Failed)
	if failed.Problem == nil || !strings.Contains(failed.Problem.What, "cannot open the key") || !strings.Contains(failed.Problem.Hint, "--new-key --write") {
		t.Errorf("restore: %s", worldtest.JSON(t, failed))
	}
}
