package drift_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/restore"
)

// window is a world in which a restore may write, and is watched.
type window struct {
	*worldtest.World
	t       *testing.T
	restore string
	writer  provider.Writer
	n       int
}

func openWindow(t *testing.T) *window {
	t.Helper()
	w := worldtest.New(t, worldtest.Options{})
	taken := take(t, w)
	watch(t, w)
	polled(t, w)
	v := &window{World: w, t: t}
	must(t, w.Base.Owner().QueryRow(t.Context(), `insert into restores (account_id, connection_id, snapshot_id, selection_sealed,
			requested_by, state, plan_sealed, plan_digest, approved_by, approved_at, window_opened_at)
		values ($1, $2, $3, '', $4, 'applying', '', 'sha256:', $4, now(), now()) returning id`,
		w.Account.ID, w.Connection, taken.ID, w.Account.User).Scan(&v.restore))
	w.Write.Activate()
	var err error
	v.writer, err = worldtest.Providers()[0].Writer(t.Context(), account.Org{URL: w.Org.URL}, w.Write.Credential)
	must(t, err)
	return v
}

// drop deletes a group as the write app.
func (v *window) drop(name string) provider.Done {
	v.t.Helper()
	id, _ := v.Group(v.t, name)
	live, err := reader(v.t, v.World).Get(v.t.Context(), resource.Key{Type: "group", ID: id})
	must(v.t, err)
	done, err := v.writer.Apply(v.t.Context(), provider.Write{Op: provider.Delete, Key: live.Key, Expect: live.Body})
	must(v.t, err)
	done.Resource.Key = live.Key
	return done
}

// begin writes down that a step is begun, as a worker does.
func (v *window) begin() (n int) {
	v.t.Helper()
	v.n++
	v.Exec(v.t, `insert into restore_steps (restore_id, account_id, n, state, op, resource_type)
		values ($1, $2, $3, 'begun', 'delete', 'group')`, v.restore, v.Account.ID, v.n)
	return v.n
}

// end writes down what became of it.
func (v *window) end(n int, e restore.Entry) {
	v.t.Helper()
	shut, err := sealed.Step(v.restore, n).Seal(v.Ring, e)
	must(v.t, err)
	v.Exec(v.t, `update restore_steps set state = 'done', sealed = $3, ended_at = now() where restore_id = $1 and n = $2`, v.restore, n, shut)
}

func (v *window) wantRules(want ...string) {
	v.t.Helper()
	polled(v.t, v.World)
	var got []string
	for _, f := range found(v.t, v.World) {
		got = append(got, f.Rule+" "+f.Label)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		v.t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// What a restore writes is no drift, and neither is that its write app is switched on and
// off for it. What is done to that app besides is, and what it does in another window.
func TestOwnWritesAreNoDrift(t *testing.T) {
	t.Parallel()
	v := openWindow(t)
	n := v.begin()
	v.end(n, restore.Entry{State: restore.Done, Transactions: v.drop("Marketing").Transactions})
	v.Write.Deactivate()
	v.wantRules()
	v.Write.Activate()
	v.Org.Call(http.MethodPost, "/oauth2/v1/clients/"+v.Write.ID+"/roles", map[string]string{"type": "ORG_ADMIN"}, nil)
	worldtest.Until(t, "a finding", func() bool { return len(found(t, v.World)) == 1 })
	v.wantRules("new_admin Organizational Administrator")
	v.Exec(t, `update restores set window_opened_at = now() - interval '2 hours', window_closed_at = now() - interval '1 hour',
		state = 'stopped', ended_at = now()`)
	n = v.begin()
	v.end(n, restore.Entry{State: restore.Done, Transactions: v.drop("Support").Transactions})
	worldtest.Until(t, "a finding", func() bool { return len(deletions(found(t, v.World))) > 0 })
	if diff := cmp.Diff([]string{"Support"}, deletions(found(t, v.World))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// Whoever has stolen the write app's key is told of, in the window too: what the journal
// does not know is not ours.
func TestStolenKeyInTheWindowIsDrift(t *testing.T) {
	t.Parallel()
	v := openWindow(t)
	n := v.begin()
	v.end(n, restore.Entry{State: restore.Done, Transactions: v.drop("Marketing").Transactions})
	v.drop("Support")
	worldtest.Until(t, "a finding", func() bool { return len(deletions(found(t, v.World))) > 0 })
	v.wantRules("group_deleted Support")
}

// A step that is under way says in a moment what it wrote: until then nobody is told. Of
// one whose answer was lost, what it wrote is known.
func TestStepUnderWayIsNoDrift(t *testing.T) {
	t.Parallel()
	v := openWindow(t)
	n := v.begin()
	done := v.drop("Marketing")
	v.heldUp()
	v.end(n, restore.Entry{State: restore.Done, Transactions: done.Transactions})
	v.wantRules()
	n = v.begin()
	done = v.drop("Support")
	v.heldUp()
	v.end(n, restore.Entry{State: restore.Done, Key: done.Resource.Key, Resumed: true})
	v.wantRules()
}

// heldUp waits for a look that left the log where it was.
func (v *window) heldUp() {
	v.t.Helper()
	var last cursors.Cursor
	held := 0
	worldtest.Until(v.t, "looks are held up", func() bool {
		was := last
		v.Ask(v.t, func(ctx context.Context, tx *postgres.Tx) (err error) {
			last, err = cursors.Status(ctx, tx, v.Connection)
			return err
		})
		if last.PolledAt == nil || was.PolledAt == nil || !last.PolledAt.Equal(*was.PolledAt) {
			held = 0
		} else if !last.NextPollAt.Equal(*was.NextPollAt) {
			held++
		}
		return held == 2
	})
	if n := len(found(v.t, v.World)); n != 0 {
		v.t.Errorf("%d findings about a step that is under way", n)
	}
}
