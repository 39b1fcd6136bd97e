package api

import (
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
)

// TestDeleteAccount: an owner types its name, another one takes it back, and nobody else may.
func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	second, admin := w.member(p, account.Owner), w.member(p, account.Admin)
	var name string
	w.row([]any{&name}, `select name from accounts where id = $1`, p.account)
	ask := func(by *person, typed string) (*imagov1.Deletion, error) {
		res, err := by.deletion.DeleteAccount(t.Context(), req(&imagov1.DeleteAccountRequest{Name: typed}))
		if err != nil {
			return nil, err
		}
		return res.Msg.GetDeletion(), nil
	}
	for _, typed := range []string{"", strings.ToLower(name), name + " "} {
		if _, err := ask(p, typed); problemOf(t, err, connect.CodeInvalidArgument).GetField() != "name" {
			t.Errorf("%q: %v", typed, err)
		}
	}
	if _, err := ask(admin, name); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("an admin: %v", err)
	}
	for round := range 2 { // taken back, it can be asked for anew
		d, err := ask(p, name)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.GetDueAt().AsTime().Sub(d.GetAskedAt().AsTime()); got != 72*time.Hour || d.GetAskedBy() != p.email {
			t.Errorf("due after %s, asked by %s", got, d.GetAskedBy())
		}
		if _, err := ask(second, name); connect.CodeOf(err) != connect.CodeAlreadyExists {
			t.Errorf("asked for twice: %v", err)
		}
		res, err := admin.deletion.GetDeletion(t.Context(), req(&imagov1.GetDeletionRequest{}))
		if err != nil || !res.Msg.GetDeletion().GetDueAt().AsTime().Equal(d.GetDueAt().AsTime()) {
			t.Errorf("an admin sees %v, %v", res, err)
		}
		if _, err := admin.deletion.CancelDeletion(t.Context(), req(&imagov1.CancelDeletionRequest{})); connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Errorf("an admin takes it back: %v", err)
		}
		if _, err := w.stale(w.session(second)).deletion.CancelDeletion(t.Context(), req(&imagov1.CancelDeletionRequest{})); err != nil {
			t.Errorf("another owner takes it back, without a step-up: %v", err)
		}
		if _, err := p.deletion.CancelDeletion(t.Context(), req(&imagov1.CancelDeletionRequest{})); connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("taken back twice: %v", err)
		}
		if n := w.count(`select count(*) from river.river_job where kind = 'delete_account' and args ->> 'account_id' = $1`, p.account); n != round+1 {
			t.Errorf("%d jobs", n)
		}
	}
	if n := w.count(`select count(*) from activity_logs where account_id = $1 and action in ('delete_account', 'cancel_deletion')`, p.account); n != 4 {
		t.Errorf("%d rows of activity", n)
	}
}
