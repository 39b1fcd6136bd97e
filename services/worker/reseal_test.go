package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/snapshot"
	"imago/services/worker"
)

// asks has the worker give the account a new data key, or retire the older ones.
func asks(t *testing.T, w *worldtest.World, ask func(context.Context, *postgres.Tx) (bool, error)) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		if _, err := ask(ctx, tx); err != nil {
			return err
		}
		return tx.Enqueue(ctx, job.RenewKeyring{AccountID: string(w.Account.ID)})
	})
}

// hurried has jobs go on that wait for a clock which the test moves.
func hurried(t *testing.T, w *worldtest.World, what string, done func() bool) {
	t.Helper()
	worldtest.Until(t, what, func() bool {
		w.Exec(t, `update river.river_job set scheduled_at = now() where kind in ('renew_keyring', 'reseal_repository') and state in ('scheduled', 'retryable')`)
		return done()
	})
}

// rotates has the next data key seal.
func rotates(t *testing.T, w *worldtest.World, c *clock) {
	t.Helper()
	asks(t, w, accounts.AskRotation)
	hurried(t, w, "the key is prepared", func() bool { return standing(t, w).PreparedAt != nil })
	c.ahead.Add(int64(10 * time.Minute))
	hurried(t, w, "the key seals", func() bool { r := standing(t, w); return r.RotationAskedAt == nil && !r.Behind })
	w.Ring = both(t, w, w.Keys)
}

// dying is a store that fails while it is dead.
type dying struct {
	*mem.Store
	dead atomic.Bool
}

// Replace puts a manifest, whose checksums never come.
func (s *dying) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	if s.dead.Load() && strings.HasSuffix(key, "/"+snapshot.ChecksumsName) {
		return errors.New("it died")
	}
	return s.Store.Replace(ctx, key, r, size)
}

// TestRotationWhileSealingAnew: a manifest whose row does not know it yet is believed under
// the next data key, too, and sealed anew under that.
func TestRotationWhileSealingAnew(t *testing.T) {
	t.Parallel()
	var c clock
	store := &dying{Store: mem.New(mem.Options{Now: c.now})}
	w := worldtest.New(t, worldtest.Options{Store: store})
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	taken := w.Taken(t, w.Queue(t))
	rotates(t, w, &c)
	c.ahead.Add(int64(10 * time.Minute))
	store.dead.Store(true)
	asks(t, w, accounts.AskReseal)
	hurried(t, w, "the manifest is put", func() bool { return w.Open(t, taken).Digest() != taken.ManifestDigest })
	rotates(t, w, &c)
	if digestOf(t, w, taken.ID) != taken.ManifestDigest {
		t.Error("the row knows: this proves nothing")
	}
	store.dead.Store(false)
	c.ahead.Add(int64(10 * time.Minute))
	hurried(t, w, "the old keys are retired", func() bool { return standing(t, w).ResealAskedAt == nil })
	if w.Ring = both(t, w, w.Keys); w.Ring.Oldest() != 3 || w.Open(t, taken).Digest() != digestOf(t, w, taken.ID) {
		t.Errorf("from key %d on, and the row has another digest", w.Ring.Oldest())
	}
	if n := count(w.Actions(t), "fail_reseal") + count(w.Actions(t), "find_damage"); n > 0 {
		t.Errorf("damage is told of: %v", w.Actions(t))
	}
}

// TestKeysAreRetired: what was sealed before a rotation is sealed anew, by whom, when and
// how often it dies; then the old key opens nothing, and snapshots go on over those.
func TestKeysAreRetired(t *testing.T) {
	t.Parallel()
	var c clock
	store := fault.New(mem.New(mem.Options{Now: c.now}))
	w := worldtest.New(t, worldtest.Options{Store: store})
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	before := []snapshots.Snapshot{w.Taken(t, w.Queue(t)), w.Taken(t, w.Queue(t))}
	escrow := escrowed(t, w)
	rotates(t, w, &c)
	away := errors.New("away")
	store.AddFault(fault.Put).On("/seg-").ErrorAfter(away)
	store.AddFault(fault.Replace).On("/manifest").ErrorAfter(away)
	store.AddFault(fault.Replace).On("/checksums").ErrorInstead(away)
	asks(t, w, accounts.AskReseal)
	ticks(t, w, 2)
	if both(t, w, w.Keys).Oldest() != 1 {
		t.Error("what was sealed meanwhile by who has the old keyring may be lost")
	}
	c.ahead.Add(int64(10 * time.Minute))
	hurried(t, w, "the old key is retired", func() bool { r := standing(t, w); return r.ResealAskedAt == nil && !r.Behind })
	store.VerifyAllFired(t)
	if w.Ring = both(t, w, w.Keys); w.Ring.Oldest() != 2 {
		t.Errorf("from key %d on", w.Ring.Oldest())
	}
	if got := escrow().Versions(); !slices.Equal(got, []uint32{2}) {
		t.Errorf("the escrow has keys %v: who has an old one is believed by who opens it", got)
	}
	for _, s := range before {
		w.Open(t, s)
		if digestOf(t, w, s.ID) == s.ManifestDigest {
			t.Errorf("snapshot %s has the digest of before", s.ID)
		}
	}
	after := w.Taken(t, w.Queue(t))
	if s := w.Open(t, after); s.Manifest().Parent == "" || s.Manifest().Previous != digestOf(t, w, before[1].ID) {
		t.Errorf("the next one: parent %q, previous %q", s.Manifest().Parent, s.Manifest().Previous)
	}
	if n := count(w.Actions(t), "retire_keys"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	if got := w.Detail(t, "reseal_repository"); !strings.Contains(got, "sealed anew under data key 2, manifest of the newest ") {
		t.Error(got)
	}
	var uses []accounts.KeyUse
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
		uses, err = accounts.KeyUses(ctx, tx)
		return err
	})
	if len(uses) != 1 || uses[0].Version != 2 || uses[0].Objects < 4 {
		t.Errorf("%+v", uses)
	}
}

// escrowed has the account's keyring sealed to a recipient, and gives what opens it as it
// is then.
func escrowed(t *testing.T, w *worldtest.World) func() *envelope.Keyring {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		_, err := accounts.AddEscrow(ctx, tx, identity.Recipient().String(), w.Account.User)
		return err
	})
	return func() *envelope.Keyring {
		var all []accounts.Escrow
		w.Ask(t, func(ctx context.Context, tx *postgres.Tx) (err error) {
			all, err = accounts.Escrows(ctx, tx)
			return err
		})
		ring, err := envelope.OpenEscrow(strings.NewReader(all[0].File), strings.NewReader(identity.String()))
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
}

func digestOf(t *testing.T, w *worldtest.World, id string) (digest string) {
	t.Helper()
	w.Ask(t, func(ctx context.Context, tx *postgres.Tx) error {
		s, err := snapshots.Get(ctx, tx, id)
		digest = s.ManifestDigest
		return err
	})
	return digest
}

// TestKeysAreNotRetired while anything is left that is not sealed anew: a snapshot that is
// not as it was written is told of, and neither believed nor lost.
func TestKeysAreNotRetired(t *testing.T) {
	t.Parallel()
	var c clock
	under := mem.New(mem.Options{Now: c.now})
	w := worldtest.New(t, worldtest.Options{Store: under})
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	taken := w.Taken(t, w.Queue(t))
	rotates(t, w, &c)
	w.Exec(t, `alter table snapshots disable trigger snapshots_guard`)
	w.Exec(t, fmt.Sprintf(`update snapshots set manifest_digest = '%064d' where id = '%s'`, 0, taken.ID))
	w.Exec(t, `alter table snapshots enable trigger snapshots_guard`)
	c.ahead.Add(int64(10 * time.Minute))
	asks(t, w, accounts.AskReseal)
	worldtest.Until(t, "it is told", func() bool { return count(w.Actions(t), "fail_reseal") == 1 })
	w.Ring = both(t, w, w.Keys)
	if got := w.Detail(t, "fail_reseal"); !strings.Contains(got, "1 snapshot cannot be sealed anew, and no data key is retired") {
		t.Error(got)
	}
	ticks(t, w, 2)
	if r := standing(t, w); r.ResealAskedAt == nil || both(t, w, w.Keys).Oldest() != 1 {
		t.Error("the key is retired")
	}
	if s := w.Open(t, taken); s.Digest() != taken.ManifestDigest {
		t.Error("it was sealed anew")
	}
}

// TestOnlyItsJobChangesDigests: whoever takes a program over has no forged manifest believed.
func TestOnlyItsJobChangesDigests(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	work(t, w, worker.Config{}, deps(t, w))
	taken := w.Taken(t, w.Queue(t))
	id, digest := taken.ID, taken.ManifestDigest
	db := w.Base.Open(t, "imago_worker")
	for kind, may := range map[string]bool{"reseal": true, "sweep": false} {
		of := w.Base.Job(t, job.SweepRepository{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
		if kind == "reseal" {
			of = w.Base.Job(t, job.ResealRepository{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
		}
		err := db.As(t.Context(), of, func(tx *postgres.Tx) error {
			if err := snapshots.Resealed(t.Context(), tx, id, digest, strings.Repeat("0", 64)); err != nil {
				return err
			}
			return errRolledBack
		})
		if errors.Is(err, errRolledBack) != may {
			t.Errorf("%s: %v", kind, err)
		}
	}
	elsewhere := job.ResealRepository{AccountID: string(w.Base.Account(t).ID), ConnectionID: string(w.Connection)}
	if err := db.As(t.Context(), w.Base.Job(t, elsewhere), func(tx *postgres.Tx) error {
		return snapshots.Resealed(t.Context(), tx, id, digest, strings.Repeat("0", 64))
	}); err == nil {
		t.Error("another account's job changed it")
	}
	if err := db.As(t.Context(), w.Base.Job(t, job.RunSchedules{}), func(tx *postgres.Tx) error {
		return tx.Enqueue(t.Context(), job.ResealRepository{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
	}); err == nil {
		t.Error("a tick seals anew of its own accord")
	}
}

var errRolledBack = errors.New("rolled back")
