package worker_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/notify/notifytest"
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

// A restore that has to end in the middle gives its token back, and the members hear.
func TestRestoreThatStopsInTheMiddleIsTold(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{Patience: 3 * time.Second}, deps(t, w))
	r := planned(t, w)
	w.Write.Activate()
	w.Org.Fault(oktasimtest.Fault{Method: http.MethodPut, Path: "/api/v1/groups/*/users/*", Kind: "status", Status: 503, After: 3, Count: 1_000_000})
	w.Apply(t, r)
	stopped := w.Restored(t, r.ID, restores.Stopped)
	if stopped.Problem == nil || !strings.Contains(stopped.Problem.Hint, "deactivate the write app") {
		t.Errorf("restore: %s", worldtest.JSON(t, stopped))
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
