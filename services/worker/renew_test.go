package worker_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/riverqueue/river"

	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/job"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/keyrings"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/services/worker"
)

// standing is how the account's keyring stands, as the owner of the account sees it.
func standing(t *testing.T, w *worldtest.World) (r accounts.Renewal) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		r, err = accounts.RenewalOf(ctx, tx)
		return err
	})
	return r
}

func masterKeys(t *testing.T) *local.KeyService {
	t.Helper()
	ks, err := local.Create(filepath.Join(t.TempDir(), "master.keys"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

// both opens the account's keyring as Postgres and the bucket hold it, which must be one.
func both(t *testing.T, w *worldtest.World, ks envelope.KeyService) *envelope.Keyring {
	t.Helper()
	kept := standing(t, w).Wrapped
	stored, err := repository.LoadKeyring(t.Context(), w.Store, w.Account.ID)
	if err != nil || !bytes.Equal(kept, stored) {
		t.Errorf("Postgres has %s, the bucket %s: %v", kept, stored, err)
	}
	ring, err := envelope.OpenKeyring(t.Context(), ks, w.Account.ID, stored)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// waiting is how many keyrings are still to be wrapped by a master key.
func waiting(t *testing.T, w *worldtest.World, by string) (left int64) {
	t.Helper()
	all, err := keyrings.Wrapped(t.Context(), w.Base.OwnerURL())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		left += a.Waiting
		if a.Name != by && a.Waiting == 0 {
			t.Errorf("%d keyrings stay with %q", a.Keyrings, a.Name)
		}
	}
	return left
}

// TestMasterKeysChange: an operator has every keyring move to another key service. When
// nothing waits any more, the old one can be thrown away: with the new one alone every
// keyring opens, also the installation's own, and so does what was sealed before.
func TestMasterKeysChange(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	stop := work(t, w, worker.Config{}, deps(t, w))
	taken := w.Taken(t, w.Queue(t))
	signIn, err := keyrings.New(w.API, w.Keys, keyrings.Options{}).SignIn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop()

	next, d := masterKeys(t), deps(t, w)
	d.Keys = envelope.Moving{To: next, From: []envelope.KeyService{w.Keys}}
	n, err := keyrings.AskRewrap(t.Context(), w.Base.OwnerURL())
	if err != nil || n != 2 {
		t.Fatalf("%d keyrings: %v", n, err)
	}
	if left := waiting(t, w, next.Name()); left != 2 {
		t.Fatalf("%d keyrings wait", left)
	}
	work(t, w, worker.Config{}, d)
	worldtest.Until(t, "every keyring has moved", func() bool { return waiting(t, w, next.Name()) == 0 })

	old := w.Ring
	w.Ring = both(t, w, next)
	w.Open(t, taken)
	if n := count(w.Actions(t), "rewrap_keyring"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	young, err := keyrings.New(w.API, next, keyrings.Options{}).SignIn(t.Context())
	if err != nil || !bytes.Equal(young.Digest("x"), signIn.Digest("x")) {
		t.Errorf("the installation's own keyring: %v", err)
	}
	// Whoever opened the keyring before does not bring the old wrapping back.
	if err := repository.SaveKeyring(t.Context(), w.Store, old); !problem.Is(err, problem.Stale) {
		t.Errorf("the old wrapping was put back: %v", err)
	}
	w.Taken(t, w.Queue(t))
	both(t, w, next)
}

// TestDataKeyRotates: it is prepared, settles, and seals only then; snapshots of before
// open, and escrows hold the new key without anybody asking.
func TestDataKeyRotates(t *testing.T) {
	t.Parallel()
	var c clock
	w := worldtest.New(t, worldtest.Options{Store: mem.New(mem.Options{Now: c.now})})
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	before := w.Taken(t, w.Queue(t))
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		if _, err := accounts.AddEscrow(ctx, tx, identity.Recipient().String(), w.Account.User); err != nil {
			return err
		}
		if _, err := accounts.AskRotation(ctx, tx); err != nil {
			return err
		}
		return tx.Enqueue(ctx, job.RenewKeyring{AccountID: string(w.Account.ID)})
	})
	worldtest.Until(t, "the key is prepared", func() bool { r := standing(t, w); return r.PreparedAt != nil && !r.Behind })
	if ring := both(t, w, w.Keys); ring.Current() != 1 || !ring.Prepared() {
		t.Errorf("key %d seals of %v", ring.Current(), ring.Versions())
	}
	ticks(t, w, 2)
	if r := standing(t, w); r.RotationAskedAt == nil {
		t.Error("it sealed before it had settled")
	}
	c.ahead.Store(int64(10 * time.Minute))
	worldtest.Until(t, "the key seals", func() bool {
		w.Exec(t, `update river.river_job set scheduled_at = now() where kind = 'renew_keyring' and state = 'scheduled'`)
		r := standing(t, w)
		return r.RotationAskedAt == nil && !r.Behind
	})
	w.Ring = both(t, w, w.Keys)
	if w.Ring.Current() != 2 || w.Ring.Prepared() {
		t.Errorf("key %d seals of %v", w.Ring.Current(), w.Ring.Versions())
	}
	w.Open(t, before)
	after := w.Taken(t, w.Queue(t))
	w.Open(t, after)
	for action, times := range map[string]int{"complete_rotation": 1, "make_escrow": 1, "rewrap_keyring": 0} {
		if n := count(w.Actions(t), action); n != times {
			t.Errorf("%s is told %d times", action, n)
		}
	}
	if got := w.Detail(t, "complete_rotation"); got != "data key 2 seals from now on; 1 key of before stay to open what they sealed" {
		t.Error(got)
	}
	mail := w.Mails.Wait(t.Context(), t, func(m notifytest.Mail) bool { return strings.Contains(m.Subject, "were sealed to an age recipient") })
	if !strings.Contains(mail.Text, identity.Recipient().String()) || !strings.Contains(mail.Text, w.Account.Email+" has asked for an escrow") {
		t.Errorf("%s", mail.Text)
	}
	var escrows []accounts.Escrow
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		escrows, err = accounts.Escrows(ctx, tx)
		return err
	})
	w.Ring, err = envelope.OpenEscrow(strings.NewReader(escrows[0].File), strings.NewReader(identity.String()))
	if err != nil || escrows[0].Version != 2 {
		t.Fatalf("escrow of version %d: %v", escrows[0].Version, err)
	}
	w.Open(t, before)
	w.Open(t, after)
}

// TestRenewalGoesOnWhereItDied: the store fails before and after the keyring is put there,
// and the job is lost altogether; the tick has it gone on with, and it is told once.
func TestRenewalGoesOnWhereItDied(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*fault.Store){
		"before the bucket": func(s *fault.Store) { s.AddFault(fault.Replace).ErrorInstead(errors.New("away")).Repeat(2) },
		"after the bucket":  func(s *fault.Store) { s.AddFault(fault.Replace).ErrorAfter(errors.New("away")).Repeat(2) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := fault.New(mem.New(mem.Options{}))
			w := worldtest.New(t, worldtest.Options{Store: store})
			fail(store)
			next := masterKeys(t)
			d := deps(t, w)
			d.Keys = envelope.Moving{To: next, From: []envelope.KeyService{w.Keys}}
			if _, err := keyrings.AskRewrap(t.Context(), w.Base.OwnerURL()); err != nil {
				t.Fatal(err)
			}
			work(t, w, worker.Config{}, d)
			lost := 0
			worldtest.Until(t, "the keyring has moved", func() bool {
				if standing(t, w).Behind && lost == 0 { // Postgres has it, the bucket may not
					lost++
					w.Exec(t, `update river.river_job set state = 'discarded', finalized_at = now() where kind = 'renew_keyring' and state = 'retryable'`)
				}
				w.Exec(t, `update river.river_job set scheduled_at = now() where kind = 'renew_keyring' and state = 'retryable'`)
				return waiting(t, w, next.Name()) == 0
			})
			both(t, w, next)
			if n := count(w.Actions(t), "rewrap_keyring"); n != 1 || lost == 0 {
				t.Errorf("it is told %d times; the job was lost %d times", n, lost)
			}
		})
	}
}

// TestDatabaseOfBeforeIsNoReplacement: a database that was restored from a backup holds an
// older keyring than the bucket. That is an error until somebody takes the bucket's over,
// and the keyring there stays.
func TestDatabaseOfBeforeIsNoReplacement(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	old, err := envelope.OpenKeyring(t.Context(), w.Keys, w.Account.ID, standing(t, w).Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := old.Prepare(t.Context(), w.Keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := repository.SaveKeyring(t.Context(), w.Store, newer); err != nil {
		t.Fatal(err)
	}
	w.Exec(t, `update account_keys set behind = true`)
	work(t, w, worker.Config{}, deps(t, w))
	worldtest.Until(t, "the job fails", func() (failed bool) {
		if err := w.Base.Owner().QueryRow(t.Context(), `select exists (select from river.river_job where kind = 'renew_keyring' and errors is not null)`).Scan(&failed); err != nil {
			t.Fatal(err)
		}
		return failed
	})
	if !standing(t, w).Behind {
		t.Error("the database passes for one that is not behind")
	}
	stored, err := repository.LoadKeyring(t.Context(), w.Store, w.Account.ID)
	if err != nil || !bytes.Equal(stored, newer.Wrapped()) {
		t.Errorf("the bucket's keyring was replaced: %v", err)
	}
}

// TestOnlyItsJobRenewsAKeyring: whoever takes a program over overwrites no keyring by the
// way; and no tick renews one that nobody asked to have renewed.
func TestOnlyItsJobRenewsAKeyring(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	db := w.Base.Open(t, "imago_worker")
	now := time.Now()
	for args, may := range map[river.JobArgs]bool{
		job.RenewKeyring{AccountID: string(w.Account.ID)}:                                     true,
		job.TakeSnapshot{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)}: false,
		job.RenewKeyring{AccountID: string(w.Base.Account(t).ID)}:                             false,
	} {
		err := db.As(t.Context(), w.Base.Job(t, args), func(tx *postgres.Tx) error {
			return accounts.Renewal{Wrapped: w.Ring.Wrapped()}.Renew(t.Context(), tx, []byte("lost"), nil, false, now)
		})
		if (err == nil) != may {
			t.Errorf("%v: %v", args, err)
		}
	}
	// Of two jobs that read the same keyring, the one that stores last begins anew.
	slow := accounts.Renewal{Wrapped: w.Ring.Wrapped()}
	if err := db.As(t.Context(), w.Base.Job(t, job.RenewKeyring{AccountID: string(w.Account.ID)}), func(tx *postgres.Tx) error {
		return slow.Renew(t.Context(), tx, []byte("lost"), nil, false, now)
	}); !problem.Is(err, problem.Stale) {
		t.Errorf("a keyring that was renewed meanwhile: %v", err)
	}
	err := db.As(t.Context(), w.Base.Job(t, job.RunSchedules{}), func(tx *postgres.Tx) error {
		return tx.Enqueue(t.Context(), job.RenewKeyring{AccountID: string(w.Base.Account(t).ID)})
	})
	if err == nil {
		t.Error("a tick renews a keyring of its own accord")
	}
}
