package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// life is what a program does to a repository over months, step by step, with what it
// writes down elsewhere: the keyring, and which snapshots there are with their digests.
type life struct {
	ks    envelope.KeyService
	ring  *envelope.Keyring
	rows  []row
	draft []byte // state of what is being taken
	step  int
}

// row is what is known of one snapshot.
type row struct {
	prefix, digest string
	want           []resource.Resource
}

func newLife(t *testing.T) *life {
	t.Helper()
	ks, err := local.Create(filepath.Join(t.TempDir(), "master"), started)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := envelope.NewKeyring(t.Context(), ks, alice)
	if err != nil {
		t.Fatal(err)
	}
	return &life{ks: ks, ring: ring}
}

// copied is the same life as it may go on elsewhere.
func (l *life) copied() *life {
	out := *l
	out.rows = slices.Clone(l.rows)
	return &out
}

// step is one of a life. It may be done again when it failed.
type step struct {
	name string
	do   func(*life, context.Context, blob.Store) error
}

// steps of a life, in their order: points are merged on the way, and the draft of one is
// begun under the key that is retired.
var steps = func() (out []step) {
	do := map[string]func(*life, context.Context, blob.Store) error{
		"save": (*life).save, "sweep": (*life).sweep, "point": (*life).point, "clear": (*life).clear, "prepare": (*life).prepare,
		"rotate": (*life).rotate, "reseal": (*life).reseal, "retire": (*life).retire, "forget": (*life).forget,
	}
	for _, name := range strings.Fields(`save sweep point point point point point point point point point sweep clear
		prepare save point rotate save point reseal clear retire save forget point clear`) {
		out = append(out, step{name, do[name]})
	}
	return out
}()

// until lives up to a step, the first of its name.
func (l *life) until(t *testing.T, store blob.Store, name string) {
	t.Helper()
	for ; steps[l.step].name != name; l.step++ {
		if err := steps[l.step].do(l, t.Context(), store); err != nil {
			t.Fatal(err)
		}
	}
}

// live goes on until the end, or until something fails.
func (l *life) live(ctx context.Context, store blob.Store) error {
	for ; l.step < len(steps); l.step++ {
		if err := steps[l.step].do(l, ctx, store); err != nil {
			return fmt.Errorf("step %d, %s: %w", l.step, steps[l.step].name, err)
		}
	}
	return nil
}

func (l *life) repo(store blob.Store) (*repository.Repository, error) {
	o := small
	o.Inline = 700 // some points write a list
	o.Catalog = resource.Catalog{{Type: "user", Shape: resource.Collection, NaturalKey: []resource.Path{"profile.login"}}}
	return repository.New(store, l.ring, alice, conn, o)
}

func (l *life) save(ctx context.Context, store blob.Store) error {
	return repository.SaveKeyring(ctx, store, l.ring)
}

// changes replaces the keyring, as one transaction does.
func (l *life) changes(ctx context.Context, how func(context.Context, envelope.KeyService) (*envelope.Keyring, error)) (err error) {
	next, err := how(ctx, l.ks)
	if err == nil {
		l.ring = next
	}
	return err
}

func (l *life) prepare(ctx context.Context, _ blob.Store) error {
	return l.changes(ctx, l.ring.Prepare)
}
func (l *life) rotate(ctx context.Context, _ blob.Store) error { return l.changes(ctx, l.ring.Rotate) }
func (l *life) retire(ctx context.Context, _ blob.Store) error { return l.changes(ctx, l.ring.Retire) }

// when is a time of its own for each step.
func (l *life) when() time.Time { return started.Add(time.Duration(l.step) * time.Hour) }

func (l *life) parent(ctx context.Context, r *repository.Repository) (*repository.Snapshot, error) {
	if len(l.rows) == 0 {
		return nil, nil
	}
	return r.Open(ctx, l.rows[len(l.rows)-1].prefix)
}

// sweep takes a snapshot of an org that changes with each step.
func (l *life) sweep(ctx context.Context, store blob.Store) error {
	r, err := l.repo(store)
	if err != nil {
		return err
	}
	parent, err := l.parent(ctx, r)
	if err != nil {
		return err
	}
	var all []resource.Resource
	for i, res := range org(10) {
		if i%(7+l.step) != 3 {
			all = append(all, res)
		}
	}
	d, err := r.Begin(fmt.Sprint("sweep", l.step), l.when(), parent)
	return l.takes(ctx, r, d, err, all, all)
}

// point takes a snapshot of one change.
func (l *life) point(ctx context.Context, store blob.Store) error {
	r, err := l.repo(store)
	if err != nil {
		return err
	}
	parent, err := l.parent(ctx, r)
	if err != nil {
		return err
	}
	changed := res("user", "", "00u000004", fmt.Sprintf(`{"step":%d}`, l.step))
	all := slices.Clone(l.rows[len(l.rows)-1].want)
	all = append(slices.DeleteFunc(all, func(r resource.Resource) bool { return r.Key == changed.Key }), changed)
	d, err := r.BeginNamed(fmt.Sprint("point", l.step), l.when(), parent)
	return l.takes(ctx, r, d, err, []resource.Resource{changed}, all)
}

// takes takes a snapshot: it goes on with one that was begun.
func (l *life) takes(ctx context.Context, r *repository.Repository, d *repository.Draft, err error, read, want []resource.Resource) error {
	if l.draft != nil {
		d, err = r.Resume(ctx, l.draft)
	}
	if err != nil {
		return err
	}
	for _, res := range read {
		if err := d.Add(ctx, res); err != nil {
			return err
		}
	}
	if err := d.Flush(ctx); err != nil {
		return err
	}
	if l.draft, err = d.State(); err != nil {
		return err
	}
	f := facts()
	f.Types = nil
	if len(l.rows) > 0 {
		f.Previous = l.rows[len(l.rows)-1].digest
	}
	if _, err := d.Commit(ctx, f); err != nil {
		return err
	}
	l.rows, l.draft = append(l.rows, row{d.Prefix(), d.Digest(), want}), nil
	return nil
}

func (l *life) reseal(ctx context.Context, store blob.Store) error {
	r, err := l.repo(store)
	if err != nil {
		return err
	}
	x := r.Resealing(started)
	for i, row := range l.rows {
		done, err := x.Snapshot(ctx, repository.Known{Prefix: row.prefix, Digest: row.digest})
		if err != nil {
			return err
		}
		l.rows[i].digest = done.Digest
	}
	for version, n := range x.Keys() {
		if version != l.ring.Current() {
			return fmt.Errorf("%d objects stay under key %d", n, version)
		}
	}
	return nil
}

// forget forgets the first snapshot: nobody sees it any more, and then it goes.
func (l *life) forget(ctx context.Context, store blob.Store) error {
	r, err := l.repo(store)
	if err != nil {
		return err
	}
	if len(l.rows) == lived {
		l.rows = l.rows[1:]
	}
	return r.Forget(ctx, snapshot.Prefix(alice, conn, started.Add(time.Hour), "sweep1"))
}

// lived is how many snapshots there are when one is forgotten.
const lived = 13

func (l *life) clear(ctx context.Context, store blob.Store) error {
	r, err := l.repo(store)
	if err != nil {
		return err
	}
	swept, err := r.Sweep(ctx, repository.SweepOptions{Before: time.Now().Add(time.Hour), Known: knownOf(l.rows)})
	if err == nil && len(swept.Unread)+len(swept.Missing) > 0 {
		err = fmt.Errorf("unread: %v, missing: %v", swept.Unread, swept.Missing)
	}
	return err
}

// keeps fails unless every snapshot that is known opens and is whole, by the keyring that
// lies beside it alone, and by the program's own.
func (l *life) keeps(t *testing.T, store *mem.Store, when string) {
	t.Helper()
	wrapped, err := repository.LoadKeyring(t.Context(), store, alice)
	if errors.Is(err, blob.ErrNotFound) && len(l.rows) == 0 {
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	beside, err := envelope.OpenKeyring(t.Context(), l.ks, alice, wrapped)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	r, mine, same := repo(t, store, beside, conn, small), repo(t, store, l.ring, conn, small), bytes.Equal(wrapped, l.ring.Wrapped())
	for _, row := range l.rows {
		s, err := r.Open(t.Context(), row.prefix)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		holds(t, s, row.want)
		if !same {
			s, err = mine.Open(t.Context(), row.prefix)
		}
		if err != nil || !s.Is(row.digest) {
			t.Fatalf("%s: %s is not the snapshot that was taken: %v", when, row.prefix, err)
		}
	}
	report, err := mine.Check(t.Context(), repository.CheckOptions{Data: true, Records: true, Known: knownOf(l.rows)})
	if err != nil || len(report.Damage) != 0 || len(report.Unchained) > 1 { // the first is forgotten at the end
		t.Fatalf("%s: %+v, %v", when, report, err)
	}
}

// over fails unless the end is as it should be.
func (l *life) over(t *testing.T, store *mem.Store, when string) {
	t.Helper()
	l.keeps(t, store, when)
	r := repo(t, store, l.ring, conn, small)
	stats, err := r.Stats(t.Context())
	if err != nil || stats.Rubbish != 0 || int(stats.Snapshots()) != len(l.rows) || len(l.rows) != lived {
		t.Fatalf("%s: %d known: %+v, %v", when, len(l.rows), stats, err)
	}
	for _, row := range l.rows {
		text, err := blob.ReadAll(t.Context(), store, row.prefix+"/"+snapshot.ChecksumsName, 1<<20)
		if err != nil || !strings.HasSuffix(string(text), row.digest+"  manifest\n") {
			t.Errorf("%s: the checksums tell of another manifest than %s: %s, %v", when, row.digest, text, err)
		}
	}
	for version, n := range stats.Keys {
		if version != 2 {
			t.Errorf("%s: %d objects under data key %d", when, n, version)
		}
	}
}

// TestCrashesOfALife kills a program before and after each operation of the store, from the
// first snapshot to the retirement of a data key, and has it go on.
func TestCrashesOfALife(t *testing.T) {
	t.Parallel()
	all, calls := stages(t)
	n := len(calls)
	if n < 150 {
		t.Fatalf("only %d operations: too few to tell", n)
	}
	if !merges(t, newLife(t)) {
		t.Fatal("no layers were merged")
	}
	for name, die := range deaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			every, _ := lifeEvery()
			for at := len(name) % every; at < n; at += every {
				from := stageOf(all, at, 0)
				l, store := from.again()
				failing := fault.New(store)
				die(failing, at-from.calls)
				when := fmt.Sprintf("killed %s operation %d, %s", name, at, calls[at])
				if err := l.live(t.Context(), failing); !errors.Is(err, errKilled) {
					t.Fatalf("%s: %v", when, err)
				}
				l.keeps(t, store, when)
				if err := l.live(t.Context(), store); err != nil {
					t.Fatalf("%s, going on: %v", when, err)
				}
				l.over(t, store, when)
			}
		})
	}
}

// merges reports whether layers are merged on the way.
func merges(t *testing.T, l *life) bool {
	t.Helper()
	store := mem.New(mem.Options{})
	l.until(t, store, "prepare")
	segments := map[int]bool{}
	for _, row := range l.rows {
		segments[len(opened(t, repo(t, store, l.ring, conn, small), row).Manifest().Segments)] = true
	}
	return len(segments) < len(l.rows)-1
}

// TestResealedInPlace: who opened a snapshot before it was sealed anew goes on for a while,
// also to write a layer over it.
func TestResealedInPlace(t *testing.T) {
	t.Parallel()
	now := started
	store, l := mem.New(mem.Options{Now: func() time.Time { return now }}), newLife(t)
	l.until(t, store, "reseal")
	last := l.rows[len(l.rows)-1]
	r := repo(t, store, l.ring, conn, small)
	s, err := r.Open(t.Context(), last.prefix)
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Begin("over", l.when(), s)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, d, last.want[:8])
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	now = started.Add(30 * 24 * time.Hour)
	tidy := func() repository.Swept {
		t.Helper()
		swept, err := r.Sweep(t.Context(), repository.SweepOptions{Before: now.Add(-24 * time.Hour), Keep: []string{d.Prefix()}})
		if err != nil {
			t.Fatal(err)
		}
		return swept
	}
	tidy()
	if err := l.reseal(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if swept := tidy(); swept.Objects != 0 {
		t.Fatalf("%+v", swept)
	}
	holds(t, s, last.want)
	addAll(t, d, last.want[8:])
	resumes, err := r.Resume(t.Context(), state)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, resumes, last.want[8:])
	commit(t, resumes)
	over, err := r.Open(t.Context(), resumes.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	holds(t, over, last.want)
	if report := check(t, r); len(report.Damage) != 0 {
		t.Errorf("%+v", report)
	}
	now = now.Add(24 * time.Hour)
	if swept := tidy(); swept.Objects == 0 {
		t.Errorf("a day later: %+v", swept)
	}
	holds(t, over, last.want)
}

// TestResealedByAnother: a program that keeps small objects does not go by manifests of
// before, which another has sealed anew.
func TestResealedByAnother(t *testing.T) {
	t.Parallel()
	store, l := mem.New(mem.Options{}), newLife(t)
	l.until(t, store, "reseal")
	cached := small
	cached.Cache = repository.NewCache(1 << 20)
	last := l.rows[len(l.rows)-1]
	d, err := repo(t, store, l.ring, conn, cached).BeginNamed("cached", l.when(), opened(t, repo(t, store, l.ring, conn, cached), last))
	if err != nil {
		t.Fatal(err)
	}
	f := facts()
	f.Types = nil
	if _, err := d.Commit(t.Context(), f); err != nil { // its manifest is kept
		t.Fatal(err)
	}
	l.rows = append(l.rows, row{d.Prefix(), d.Digest(), last.want})
	for _, retires := range []bool{false, true} {
		if err := l.reseal(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		if retires {
			if err := l.retire(t.Context(), store); err != nil {
				t.Fatal(err)
			}
		}
		newest := l.rows[len(l.rows)-1]
		s, err := repo(t, store, l.ring, conn, cached).OpenKnown(t.Context(), repository.Known{Prefix: newest.prefix, Digest: newest.digest})
		if err != nil || s.Digest() != newest.digest {
			t.Fatalf("retired %t: %v", retires, err)
		}
		holds(t, s, newest.want)
	}
}

func opened(t *testing.T, r *repository.Repository, of row) *repository.Snapshot {
	t.Helper()
	s, err := r.Open(t.Context(), of.prefix)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestResealWaitsForLocks: what the bucket locks is left as it is, and sealed anew when it
// no longer is.
func TestResealWaitsForLocks(t *testing.T) {
	t.Parallel()
	now := started
	store := mem.New(mem.Options{Now: func() time.Time { return now }, LockFor: 30 * 24 * time.Hour})
	l := newLife(t)
	r := repo(t, store, l.ring, conn, small)
	s := take(t, r, org(20))
	if err := l.rotate(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	before := keysOf(t, store)
	for after, want := range map[time.Duration]bool{29 * 24 * time.Hour: false, 31 * 24 * time.Hour: true} {
		at := store.Clone()
		now = started.Add(after)
		done, err := repo(t, at, l.ring, conn, small).Resealing(now).Snapshot(t.Context(), repository.Known{Prefix: s.Prefix(), Digest: s.Digest()})
		if want {
			if err != nil || done.Objects < 3 {
				t.Errorf("after %s: %+v, %v", after, done, err)
			}
			continue
		}
		locked, ok := errors.AsType[*blob.LockedError](err)
		if !ok || !errors.Is(err, blob.ErrLocked) || locked.Until.Before(started.Add(30*24*time.Hour)) || len(keysOf(t, at)) != len(before) {
			t.Errorf("after %s: %v; %d objects of %d", after, err, len(keysOf(t, at)), len(before))
		}
	}
}

// TestWhatALockedSnapshotStandsOn stays locked for half of the time at least: the base is
// written anew by then, and without a lock later.
func TestWhatALockedSnapshotStandsOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lock, after time.Duration
		full        bool
	}{
		{0, 11 * 24 * time.Hour, false}, {20 * 24 * time.Hour, 9 * 24 * time.Hour, false}, {20 * 24 * time.Hour, 11 * 24 * time.Hour, true},
		{90 * 24 * time.Hour, 29 * 24 * time.Hour, false}, {90 * 24 * time.Hour, 31 * 24 * time.Hour, true},
	} {
		r := repo(t, mem.New(mem.Options{LockFor: c.lock}), keyring(t, alice), conn, small)
		d, err := r.Begin("second", started.Add(c.after), take(t, r, org(20)))
		if err != nil || (d.Parent() == "") != c.full {
			t.Errorf("locked for %s, %s later: over %q, %v", c.lock, c.after, d.Parent(), err)
		}
	}
}

// TestResealRefuses: what was put there by who has an old data key, and the bucket, is not
// sealed under the new one, nor believed once the old one is retired.
func TestResealRefuses(t *testing.T) {
	t.Parallel()
	store, l := mem.New(mem.Options{}), newLife(t)
	thief := l.ring // has data key 1
	l.until(t, store, "reseal")
	victim := l.rows[1]
	forged := forge(t, thief, store, victim.prefix)
	manifest := victim.prefix + "/" + snapshot.ManifestName
	genuine := store.Clone()
	store.Edit(manifest, func([]byte) []byte { return forged })
	x := repo(t, store, l.ring, conn, small).Resealing(started)
	if _, err := x.Snapshot(t.Context(), repository.Known{Prefix: victim.prefix, Digest: victim.digest}); !errors.Is(err, repository.ErrDamaged) || !strings.Contains(err.Error(), manifest) {
		t.Errorf("sealed what was forged anew: %v", err)
	}
	if err := l.reseal(t.Context(), genuine); err != nil {
		t.Fatal(err)
	}
	if err := l.retire(t.Context(), genuine); err != nil {
		t.Fatal(err)
	}
	for name, ring := range map[string]*envelope.Keyring{"before": thief, "after": l.ring} {
		s, err := repo(t, replayed(t, genuine, manifest, forged), ring, conn, small).Open(t.Context(), victim.prefix)
		if opened := err == nil; opened != (name == "before") {
			t.Errorf("%s the old key is retired: %v", name, err)
		} else if opened && s.Manifest().Org != "https://forged.example" {
			t.Error("it was not forged: this proves nothing")
		} else if !opened && !errors.Is(err, repository.ErrDamaged) {
			t.Errorf("refused by %v", err)
		}
	}
}

// TestResealedBeforeAnotherRotation: whoever dies between a manifest and its row has told what
// the manifest is: it is believed, and sealed anew, when another data key seals; so is the old
// one, where he died before. Of who was told of nothing it is another.
func TestResealedBeforeAnotherRotation(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]bool{"put": true, "not put": false} {
		store, l := fault.New(mem.New(mem.Options{})), newLife(t)
		l.until(t, store, "reseal")
		was, died := l.rows[1], errors.New("died")
		if put {
			store.AddFault(fault.Replace).On(was.prefix + "/" + snapshot.ManifestName).ErrorAfter(died)
		} else {
			store.AddFault(fault.Replace).On(was.prefix + "/" + snapshot.ManifestName).ErrorInstead(died)
		}
		k := noted{repository.Known{Prefix: was.prefix, Digest: was.digest}}
		if _, err := k.seal(t, repo(t, store, l.ring, conn, small), started); !errors.Is(err, died) || k.Next == "" {
			t.Fatalf("%s: %v, told %q", name, err, k.Next)
		}
		if err := l.rotate(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		r := repo(t, store, l.ring, conn, small)
		if _, err := r.OpenKnown(t.Context(), repository.Known{Prefix: was.prefix, Digest: was.digest}); errors.Is(err, repository.ErrDamaged) != put {
			t.Errorf("%s: who was told of nothing: %v", name, err)
		}
		report, err := r.Check(t.Context(), repository.CheckOptions{Prefixes: []string{was.prefix}, Known: []repository.Known{k.Known}})
		if err != nil || len(report.Damage) != 0 {
			t.Errorf("%s: %+v, %v", name, report.Damage, err)
		}
		done, err := r.Resealing(started).Snapshot(t.Context(), k.Known)
		if err != nil {
			t.Fatal(name, err)
		}
		if s, err := r.OpenKnown(t.Context(), repository.Known{Prefix: was.prefix, Digest: done.Digest}); err != nil || !s.Is(was.digest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// noted is a snapshot as who has it sealed anew writes it down, step by step.
type noted struct{ repository.Known }

// before is for what is there and what is about to take its place.
func (k *noted) before(_ context.Context, from, to string) error {
	k.Digest, k.Next = from, to
	return nil
}

// seal seals it anew.
func (k *noted) seal(t *testing.T, r *repository.Repository, now time.Time) (repository.Resealed, error) {
	t.Helper()
	x := r.Resealing(now)
	x.Before = k.before
	done, err := x.Snapshot(t.Context(), k.Known)
	if done.Digest != "" && done.Digest != k.Digest {
		k.Digest, k.Next = done.Digest, ""
	}
	return done, err
}

// TestResealDiesTwice, wherever, with a rotation in between or none: by what was written down
// the snapshot opens, is no damage, and is sealed anew in the end.
func TestResealDiesTwice(t *testing.T) {
	t.Parallel()
	whole, from := mem.New(mem.Options{}), newLife(t)
	from.until(t, whole, "reseal")
	was := from.rows[1]
	manifest, sums := was.prefix+"/"+snapshot.ManifestName, was.prefix+"/"+snapshot.ChecksumsName
	places := map[string]func(*fault.Store){
		"before a segment": func(s *fault.Store) { s.AddFault(fault.Put).ErrorInstead(errKilled) },
		"before the put":   func(s *fault.Store) { s.AddFault(fault.Replace).On(manifest).ErrorInstead(errKilled) },
		"after the put":    func(s *fault.Store) { s.AddFault(fault.Replace).On(manifest).ErrorAfter(errKilled) },
		"before the sums":  func(s *fault.Store) { s.AddFault(fault.Replace).On(sums).ErrorInstead(errKilled) },
		"after the sums":   func(s *fault.Store) { s.AddFault(fault.Replace).On(sums).ErrorAfter(errKilled) },
	}
	for first, dies := range places {
		for second, diesAgain := range places {
			for _, rotates := range []bool{true, false} {
				when := fmt.Sprintf("%s, then %s, rotated %v", first, second, rotates)
				under, l, k := whole.Clone(), from.copied(), noted{repository.Known{Prefix: was.prefix, Digest: was.digest}}
				for _, die := range []func(*fault.Store){dies, diesAgain} {
					store := fault.New(under)
					die(store)
					if _, err := k.seal(t, repo(t, store, l.ring, conn, small), started); !errors.Is(err, errKilled) && (rotates || err != nil) {
						t.Fatalf("%s: %v", when, err)
					}
					if rotates {
						if err := l.rotate(t.Context(), under); err != nil {
							t.Fatal(err)
						}
					}
					if _, err := repo(t, under, l.ring, conn, small).OpenKnown(t.Context(), k.Known); err != nil {
						t.Fatalf("%s: what is written down is not there: %v", when, err)
					}
				}
				r := repo(t, under, l.ring, conn, small)
				if _, err := k.seal(t, r, started); err != nil {
					t.Fatalf("%s: %v", when, err)
				}
				s, err := r.Open(t.Context(), was.prefix)
				if err != nil || s.Digest() != k.Digest || k.Next != "" || !s.Is(was.digest) {
					t.Fatalf("%s: in the end %+v, %v", when, k, err)
				}
				holds(t, s, was.want)
				if text, err := blob.ReadAll(t.Context(), under, sums, 1<<20); err != nil || !strings.Contains(string(text), k.Digest) {
					t.Fatalf("%s: the checksums are %s, %v", when, text, err)
				}
			}
		}
	}
}

// TestResealWhereTheStoreRefuses to write over what it locks: what is not put nobody is told
// of, and the snapshot stays what it is until the lock has ended. What was put before, and is
// locked since, is no obstacle.
func TestResealWhereTheStoreRefuses(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := started
	store, l := mem.New(mem.Options{LockFor: 30 * day, Refuses: true, Now: func() time.Time { return now }}), newLife(t)
	s := take(t, repo(t, store, l.ring, conn, small), org(20))
	k := noted{repository.Known{Prefix: s.Prefix(), Digest: s.Digest()}}
	rotate := func() {
		if err := l.rotate(t.Context(), store); err != nil {
			t.Fatal(err)
		}
	}
	seal := func(done bool) {
		t.Helper()
		r := repo(t, store, l.ring, conn, small)
		got, err := k.seal(t, r, now)
		if (got.Digest != "") != done || done != (err == nil) || !done && !errors.Is(err, blob.ErrLocked) {
			t.Fatalf("done %v, want %v: %v", got.Digest != "", done, err)
		}
		if _, err := r.OpenKnown(t.Context(), k.Known); err != nil {
			t.Fatalf("what is written down is not there: %v", err)
		}
		swept, err := r.Sweep(t.Context(), repository.SweepOptions{Before: now, Known: []repository.Known{k.Known}})
		if err != nil || len(swept.Unread)+len(swept.Missing) > 0 {
			t.Fatalf("%+v, %v", swept, err)
		}
	}
	rotate()
	now = started.Add(31 * day)
	sums, dying := k.Prefix+"/"+snapshot.ChecksumsName, fault.New(store)
	dying.AddFault(fault.Replace).On(sums).ErrorAfter(errKilled)
	if _, err := k.seal(t, repo(t, dying, l.ring, conn, small), now); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	var right []byte
	store.Edit(sums, func(text []byte) []byte { right = text; return nil })
	seal(false)
	store.Edit(sums, func([]byte) []byte { return right })
	seal(true)
	rotate()
	now = started.Add(35 * day)
	seal(false)
	now = started.Add(62 * day)
	dying.AddFault(fault.Replace).On(snapshot.ManifestName).ErrorInstead(errors.Join(blob.ErrExists, &blob.LockedError{Err: errKilled}))
	got, err := k.seal(t, repo(t, dying, l.ring, conn, small), now) // the manifest alone is locked
	if !errors.Is(err, blob.ErrLocked) || got.Digest != "" || len(check(t, repo(t, store, l.ring, conn, small)).Damage) > 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	seal(true)
	opens, err := repo(t, store, l.ring, conn, small).Open(t.Context(), k.Prefix)
	if err != nil || opens.Digest() != k.Digest || k.Next != "" {
		t.Fatalf("%+v, %v", k, err)
	}
	holds(t, opens, org(20))
}

// TestResealStops where nobody can be told what is about to be put.
func TestResealStops(t *testing.T) {
	t.Parallel()
	store, l := mem.New(mem.Options{}), newLife(t)
	l.until(t, store, "reseal")
	x, stop := repo(t, store, l.ring, conn, small).Resealing(started), errors.New("stop")
	x.Before = func(context.Context, string, string) error { return stop }
	k := knownOf(l.rows)[0]
	if _, err := x.Snapshot(t.Context(), k); !errors.Is(err, stop) {
		t.Error(err)
	}
	if s, err := repo(t, store, l.ring, conn, small).Open(t.Context(), k.Prefix); err != nil || s.Digest() != k.Digest {
		t.Errorf("the manifest is another: %v", err)
	}
}

// forge makes a manifest that claims to be the one that it replaces.
func forge(t *testing.T, thief *envelope.Keyring, store *mem.Store, prefix string) []byte {
	t.Helper()
	s, err := repo(t, store, thief, conn, small).Open(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	m := s.Manifest()
	m.Org, m.Was = "https://forged.example", []string{s.Digest()}
	text, err := snapshot.EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	return repository.SealManifest(t, repo(t, store, thief, conn, small), prefix, text)
}

func replayed(t *testing.T, store *mem.Store, key string, data []byte) *mem.Store {
	t.Helper()
	out := store.Clone()
	out.Edit(key, func([]byte) []byte { return data })
	return out
}

// TestResealingTwice: two who do it at once make the same bytes, whoever is first, and one
// who comes again makes nothing.
func TestResealingTwice(t *testing.T) {
	t.Parallel()
	store, l := mem.New(mem.Options{}), newLife(t)
	l.until(t, store, "reseal")
	elsewhere, m := store.Clone(), l.copied()
	if err := l.reseal(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if err := m.reseal(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	for i := range l.rows {
		if l.rows[i].digest != m.rows[i].digest {
			t.Errorf("%s has two manifests", l.rows[i].prefix)
		}
	}
	calls := fault.New(store)
	if err := l.reseal(t.Context(), calls); err != nil {
		t.Fatal(err)
	}
	for _, c := range calls.Calls() {
		if c.Op != fault.Get {
			t.Errorf("the second time: %v", c)
		}
	}
}
