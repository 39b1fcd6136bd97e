package worker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob/mem"
	"imago/pkg/job"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/repository"
	"imago/services/worker"
)

// asked has the account deleted, as an owner asks for it.
func asked(t *testing.T, w *worldtest.World) (d accounts.Deletion) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if d, err = accounts.AskDeletion(ctx, tx); err != nil {
			return err
		}
		return tx.Enqueue(ctx, job.DeleteAccount{AccountID: string(w.Account.ID), DeletionID: d.ID})
	})
	return d
}

// left counts the account's rows, table by table, but for what stays.
func left(t *testing.T, w *worldtest.World) map[string]int {
	t.Helper()
	rows, err := w.Base.Owner().Query(t.Context(), `
		select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.relkind = 'r' and a.attname = 'account_id' and c.relnamespace = 'public'::regnamespace
			and c.relname not in ('activity_logs', 'activity_heads', 'account_keys')`)
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil || len(tables) < 20 {
		t.Fatalf("%d tables: %v", len(tables), err)
	}
	out := map[string]int{}
	for _, name := range tables {
		var n int
		if err := w.Base.Owner().QueryRow(t.Context(), `select count(*) from `+name+` where account_id = $1`, w.Account.ID).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			out[name] = n
		}
	}
	return out
}

// state is what the database's owner sees of the deletion: nobody else can look any more.
func state(t *testing.T, w *worldtest.World) (shredded, purged bool, wrapped []byte) {
	t.Helper()
	if err := w.Base.Owner().QueryRow(t.Context(), `
		select a.shredded_at is not null, a.purged_at is not null, k.wrapped
		from accounts a join account_keys k on k.account_id = a.id where a.id = $1`, w.Account.ID).Scan(&shredded, &purged, &wrapped); err != nil {
		t.Fatal(err)
	}
	return shredded, purged, wrapped
}

// hasten has what waits looked at now.
func hasten(t *testing.T, w *worldtest.World) {
	t.Helper()
	w.Exec(t, `update river.river_job set scheduled_at = now() where kind = 'delete_account' and state = 'scheduled'`)
}

// TestAccountIsDeleted: the owners are told, nothing happens for 72 hours, then nobody opens
// anything any more, and then nothing is left but the activity log and other accounts.
func TestAccountIsDeleted(t *testing.T) {
	t.Parallel()
	var c clock
	w := worldtest.New(t, worldtest.Options{Store: mem.New(mem.Options{Now: c.now})})
	second := w.Base.Member(t, w.Account.ID, "owner")
	w.Base.Member(t, w.Account.ID, "admin")
	other := w.Base.Account(t)
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	taken := w.Taken(t, w.Queue(t))
	asked(t, w)
	for _, owner := range []string{w.Account.Email, second.Email} {
		m := w.Mails.Wait(t.Context(), t, func(m notifytest.Mail) bool { return m.To == owner })
		if !strings.Contains(m.Subject, "Acme is to be deleted on ") || !strings.Contains(m.Text, w.Account.Email+" has asked") || !strings.Contains(m.Text, "imago account keep") {
			t.Errorf("to %s: %s: %s", owner, m.Subject, m.Text)
		}
	}
	c.advance(71 * time.Hour)
	hasten(t, w)
	ticks(t, w, 2)
	if shredded, _, _ := state(t, w); shredded {
		t.Fatal("it was shredded before it was due")
	}
	w.Open(t, taken)

	c.advance(2 * time.Hour)
	w.Exec(t, `update accounts set deletion_due_at = now() where id = $1`, w.Account.ID) // the database's own clock
	worldtest.Until(t, "the keys are destroyed", func() bool { hasten(t, w); shredded, _, _ := state(t, w); return shredded })
	if _, _, wrapped := state(t, w); len(wrapped) != 0 {
		t.Error("Postgres still has the keyring")
	}
	worldtest.Until(t, "the bucket has no keyring", func() bool {
		_, err := repository.LoadKeyring(t.Context(), w.Store, w.Account.ID)
		return err != nil
	})
	if err := w.API.As(t.Context(), w.Account.Proof, func(*postgres.Tx) error { return nil }); err == nil {
		t.Error("who deleted it is still signed in")
	}
	c.advance(10 * time.Minute)
	worldtest.Until(t, "the rest is gone", func() bool { hasten(t, w); _, purged, _ := state(t, w); return purged })
	if rows := left(t, w); len(rows) != 0 {
		t.Errorf("rows are left: %v", rows)
	}
	if keys := keysBelow(t, w.Store, "users/"+string(w.Account.ID)); len(keys) != 0 {
		t.Errorf("objects are left: %v", keys)
	}
	var log, others int
	if err := w.Base.Owner().QueryRow(t.Context(), `select (select count(*) from activity_logs where account_id = $1), (select count(*) from members where account_id = $2)`,
		w.Account.ID, other.ID).Scan(&log, &others); err != nil {
		t.Fatal(err)
	}
	if log == 0 || others != 1 || count(w.Actions(t), "shred_account") != 1 {
		t.Errorf("the log has %d rows, %v; the other account %d members", log, w.Actions(t), others)
	}
}

// TestDeletionIsTakenBack, by any owner, and its job does nothing any more.
func TestDeletionIsTakenBack(t *testing.T) {
	t.Parallel()
	var c clock
	w := worldtest.New(t, worldtest.Options{})
	d := deps(t, w)
	d.Now = c.now
	asked(t, w)
	second := w.Base.Member(t, w.Account.ID, "owner")
	if err := w.API.As(t.Context(), second.Proof, func(tx *postgres.Tx) error { return accounts.CancelDeletion(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
	c.advance(100 * time.Hour)
	work(t, w, worker.Config{}, d)
	ticks(t, w, 2)
	worldtest.Until(t, "the job is done", func() bool {
		var done bool
		if err := w.Base.Owner().QueryRow(t.Context(), `select state = 'completed' from river.river_job where kind = 'delete_account'`).Scan(&done); err != nil {
			t.Fatal(err)
		}
		return done
	})
	if shredded, _, wrapped := state(t, w); shredded || len(wrapped) == 0 {
		t.Error("it was shredded")
	}
}

// TestNobodyShortensADeletion: not the api with an owner's session, nor the worker with a
// job that is not it, nor with its own before it is due.
func TestNobodyShortensADeletion(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	d := asked(t, w)
	w.Exec(t, `delete from river.river_job where kind = 'delete_account'`)
	api := w.Base.Open(t, "imago_api")
	for name, try := range map[string]func() error{
		"once more": func() error {
			return api.As(t.Context(), w.Account.Proof, func(tx *postgres.Tx) error {
				_, err := accounts.AskDeletion(t.Context(), tx)
				return err
			})
		},
		"an admin": func() error {
			return api.As(t.Context(), w.Base.Member(t, w.Account.ID, "admin").Proof, func(tx *postgres.Tx) error { return accounts.CancelDeletion(t.Context(), tx) })
		},
	} {
		if err := try(); err == nil {
			t.Errorf("%s: it was let", name)
		}
	}
	db := w.Base.Open(t, "imago_worker")
	shred := func(p postgres.Proof) (done bool, err error) {
		err = db.As(t.Context(), p, func(tx *postgres.Tx) error {
			done, err = d.Shred(t.Context(), tx)
			return err
		})
		return done, err
	}
	own := w.Base.Job(t, job.DeleteAccount{AccountID: string(w.Account.ID), DeletionID: d.ID})
	if done, err := shred(own); err != nil || done {
		t.Errorf("before it is due: %t, %v", done, err)
	}
	w.Exec(t, `update accounts set deletion_due_at = now() where id = $1`, w.Account.ID)
	if done, err := shred(w.Base.Job(t, job.TakeSnapshot{AccountID: string(w.Account.ID)})); err == nil || done {
		t.Errorf("another job: %t, %v", done, err)
	}
	if done, err := shred(w.Base.Job(t, job.DeleteAccount{AccountID: string(w.Base.Account(t).ID), DeletionID: d.ID})); err != nil || done {
		t.Errorf("another account's: %t, %v", done, err)
	}
	if err := db.As(t.Context(), own, func(tx *postgres.Tx) error {
		done, err := accounts.Purge(t.Context(), tx)
		if done {
			t.Error("purged before it was shredded")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if done, err := shred(own); err != nil || !done {
		t.Errorf("when it is due: %t, %v", done, err)
	}
}
