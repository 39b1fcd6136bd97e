package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"imago/pkg/blob"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/resource"
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

// dying is a store that fails before it replaces what is named.
type dying struct {
	*mem.Store
	before atomic.Value // names of objects, as a string
}

func (s *dying) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	if strings.Contains(s.before.Load().(string), path.Base(key)) {
		return errors.New("it died")
	}
	return s.Store.Replace(ctx, key, r, size)
}

// TestRotationWhileSealingAnew: a manifest whose row does not know it yet is believed under
// the next data key, too, by restores and the next snapshot, and sealed anew under that; also
// where whoever does so dies once more.
func TestRotationWhileSealingAnew(t *testing.T) {
	t.Parallel()
	var c clock
	store := &dying{Store: mem.New(mem.Options{Now: c.now})}
	store.before.Store("")
	w := worldtest.New(t, worldtest.Options{Store: store})
	d := deps(t, w)
	d.Now = c.now
	work(t, w, worker.Config{}, d)
	taken := w.Taken(t, w.Queue(t))
	rotates(t, w, &c)
	c.ahead.Add(int64(10 * time.Minute))
	store.before.Store(snapshot.ChecksumsName)
	asks(t, w, accounts.AskReseal)
	hurried(t, w, "the manifest is put", func() bool { return w.Open(t, taken).Digest() != taken.ManifestDigest })
	put := w.Open(t, taken).Digest()
	rotates(t, w, &c)
	if digestOf(t, w, taken.ID) != taken.ManifestDigest {
		t.Error("the row knows: this proves nothing")
	}
	support, _ := w.Group(t, "Support")
	w.Plan(t, taken.ID, resource.Key{Type: "group", ID: support})
	if got := w.Open(t, w.Taken(t, w.Queue(t))).Manifest(); got.Parent != path.Base(taken.Place()) || got.Previous != taken.ManifestDigest {
		t.Errorf("the next one stands on %q, previous %q", got.Parent, got.Previous)
	}
	store.before.Store(snapshot.ManifestName + " " + snapshot.ChecksumsName)
	c.ahead.Add(int64(10 * time.Minute))
	hurried(t, w, "another manifest is to come", func() bool { return nextOf(t, w, taken.ID) != put })
	rotates(t, w, &c)
	if got := digestOf(t, w, taken.ID); got != put || w.Open(t, taken).Digest() != put {
		t.Errorf("the row has the digest %s, and not of what is there, %s", got, put)
	}
	store.before.Store("")
	c.ahead.Add(int64(10 * time.Minute))
	hurried(t, w, "the old keys are retired", func() bool { return standing(t, w).ResealAskedAt == nil })
	if w.Ring = both(t, w, w.Keys); w.Ring.Oldest() != 4 || w.Open(t, taken).Digest() != digestOf(t, w, taken.ID) {
		t.Errorf("from key %d on, and the row has another digest", w.Ring.Oldest())
	}
	if n := count(w.Actions(t), "fail_reseal") + count(w.Actions(t), "find_damage"); n > 0 {
		t.Errorf("damage is told of: %v", w.Actions(t))
	}
}

// held has the next segment that is put wait until it is let go.
func held(t *testing.T, store *fault.Store) (met func() bool, free func()) {
	t.Helper()
	wait := make(chan struct{})
	n := callsOf(store, fault.Put, "/seg-")
	store.AddFault(fault.Put).On("/seg-").Wait(wait)
	return func() bool { return callsOf(store, fault.Put, "/seg-") > n }, sync.OnceFunc(func() { close(wait) })
}

// callsOf counts how often a store was asked for an operation.
func callsOf(store *fault.Store, op fault.Op, part string) (n int) {
	for _, c := range store.Calls() {
		if c.Op == op && strings.Contains(c.Key, part) {
			n++
		}
	}
	return n
}

// TestSealingAnewTooLate: a manifest that was begun before the keyring was renewed, or the
// snapshot let go, is not put.
func TestSealingAnewTooLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(*testing.T, *worldtest.World, *clock, snapshots.Snapshot)
		puts      int
	}{
		"the keyring is renewed": {func(t *testing.T, w *worldtest.World, c *clock, _ snapshots.Snapshot) { t.Helper(); rotates(t, w, c) }, 1},
		"it is let go":           {func(t *testing.T, w *worldtest.World, _ *clock, s snapshots.Snapshot) { t.Helper(); forgets(t, w, s) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var clock clock
			store := fault.New(mem.New(mem.Options{Now: clock.now}))
			w := worldtest.New(t, worldtest.Options{Store: store})
			d := deps(t, w)
			d.Now = clock.now
			work(t, w, worker.Config{}, d)
			taken := w.Taken(t, w.Queue(t))
			w.Taken(t, w.Queue(t)) // the newest is not let go
			rotates(t, w, &clock)
			clock.ahead.Add(int64(10 * time.Minute))
			met, free := held(t, store)
			defer free()
			asks(t, w, accounts.AskReseal)
			hurried(t, w, "a segment is put", met)
			c.meanwhile(t, w, &clock, taken)
			clock.ahead.Add(int64(10 * time.Minute))
			free()
			hurried(t, w, "the old keys are retired", func() bool { return standing(t, w).ResealAskedAt == nil })
			if n := callsOf(store, fault.Replace, taken.Place()+"/"+snapshot.ManifestName); n != c.puts {
				t.Errorf("its manifest was put %d times, want %d", n, c.puts)
			}
		})
	}
}

// forgets has a snapshot let go, and its manifest removed.
func forgets(t *testing.T, w *worldtest.World, s snapshots.Snapshot) {
	t.Helper()
	w.Exec(t, `update snapshots set expired_at = now() - interval '2 hours' where id = $1`, s.ID)
	for _, name := range []string{snapshot.ManifestName, snapshot.ChecksumsName} {
		if err := w.Store.Delete(t.Context(), s.Place()+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	w.Exec(t, `update snapshots set forgotten_at = now() where id = $1`, s.ID)
}

// TestSealingAnewIsRefused: where the store does not write over what it locks the row keeps the
// digest of what was there, and it is tried again later.
func TestSealingAnewIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{snapshot.ManifestName, snapshot.ChecksumsName} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c clock
			store := fault.New(mem.New(mem.Options{Now: c.now}))
			w := worldtest.New(t, worldtest.Options{Store: store})
			d := deps(t, w)
			d.Now = c.now
			work(t, w, worker.Config{}, d)
			taken := w.Taken(t, w.Queue(t))
			rotates(t, w, &c)
			c.ahead.Add(int64(10 * time.Minute))
			store.AddFault(fault.Replace).On("/" + name).ErrorInstead(errors.Join(blob.ErrExists, &blob.LockedError{Err: errors.New("by a rule")}))
			asks(t, w, accounts.AskReseal)
			worldtest.Until(t, "it is to be tried again", func() bool { return waits(t, w) })
			store.VerifyAllFired(t)
			if got := digestOf(t, w, taken.ID); got != taken.ManifestDigest || !w.Open(t, taken).Is(got) {
				t.Errorf("the row has the digest %s, and not %s", got, taken.ManifestDigest)
			}
			hurried(t, w, "the old key is retired", func() bool { return standing(t, w).ResealAskedAt == nil })
			w.Ring = both(t, w, w.Keys)
			digest := digestOf(t, w, taken.ID)
			if digest == taken.ManifestDigest || w.Open(t, taken).Digest() != digest {
				t.Errorf("the row has the digest %s", digest)
			}
			sums, err := blob.ReadAll(t.Context(), store, taken.Place()+"/"+snapshot.ChecksumsName, 1<<20)
			if err != nil || !strings.Contains(string(sums), digest) {
				t.Errorf("the checksums tell of another manifest than %s: %s, %v", digest, sums, err)
			}
			if n := count(w.Actions(t), "fail_reseal"); n > 0 {
				t.Errorf("it is told that it failed: %s", w.Detail(t, "fail_reseal"))
			}
		})
	}
}

// waits reports whether the snapshots are to be sealed anew later.
func waits(t *testing.T, w *worldtest.World) (later bool) {
	t.Helper()
	err := w.Base.Owner().QueryRow(t.Context(), `select exists (select from river.river_job
		where kind = 'reseal_repository' and state = 'scheduled' and scheduled_at > now() + interval '30 minutes')`).Scan(&later)
	if err != nil {
		t.Fatal(err)
	}
	return later
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

// nextOf is the digest of the manifest that is to come.
func nextOf(t *testing.T, w *worldtest.World, id string) (digest string) {
	t.Helper()
	if err := w.Base.Owner().QueryRow(t.Context(), `select manifest_next from snapshots where id = $1`, id).Scan(&digest); err != nil {
		t.Fatal(err)
	}
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
	if got := w.Detail(t, "fail_reseal"); !strings.Contains(got, "1 snapshot cannot be sealed anew, and no data key is retired") ||
		!strings.Contains(got, "; the older keys stay until it can be, or is let go: by imago snapshot give-up where it does not open, else by retention") {
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
