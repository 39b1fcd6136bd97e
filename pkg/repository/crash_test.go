package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/blob"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

var errKilled = errors.New("killed")

// job is a writer that works in slices and keeps its place, as a worker does in
// the database.
type job struct {
	parent string // prefix of the snapshot that it is a layer over; "": none
	state  []byte // of the draft; nil: not begun
	next   int    // of the resources
}

const slice = 25

// run works until the snapshot is committed, or the store fails.
func (j *job) run(t *testing.T, store blob.Store, k *envelope.Keyring, all []resource.Resource) error {
	t.Helper()
	r := repo(t, store, k, conn, small)
	d, err := j.draft(t, r)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(all[j.next:], slice) {
		for _, res := range part {
			if err := d.Add(t.Context(), res); err != nil {
				return err
			}
		}
		if err := d.Flush(t.Context()); err != nil {
			return err
		}
		if j.state, err = d.State(); err != nil {
			return err
		}
		j.next += len(part)
	}
	_, err = d.Commit(t.Context(), facts())
	return err
}

func (j *job) draft(t *testing.T, r *repository.Repository) (*repository.Draft, error) {
	if j.state == nil && j.parent == "" {
		return begin(t, r), nil
	}
	if j.state == nil {
		parent, err := r.Open(t.Context(), j.parent)
		if err != nil {
			return nil, err
		}
		return r.Begin("over", started.Add(time.Hour), parent)
	}
	return r.Resume(t.Context(), j.state)
}

// deaths are the ways to die at an operation of the store.
var deaths = map[string]func(*fault.Store, int){
	"before": func(s *fault.Store, n int) { s.AddFault(fault.Any).After(n).ErrorInstead(errKilled).Forever() },
	"after": func(s *fault.Store, n int) {
		s.AddFault(fault.Any).After(n).ErrorAfter(errKilled)
		s.AddFault(fault.Any).After(n).ErrorInstead(errKilled).Forever()
	},
}

// TestCrashMatrix kills the writer before and after each operation of the store,
// lets it go on, and kills it once more on the way.
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	k := keyring(t, alice)
	all := append(org(60), shuffled(org(60), 4)[:20]...) // some are read twice
	undisturbed := mem.New(mem.Options{})
	calls := fault.New(undisturbed)
	if err := new(job).run(t, calls, k, all); err != nil {
		t.Fatal(err)
	}
	want := committed(t, undisturbed, k)
	n := len(calls.Calls())
	if n < 30 {
		t.Fatalf("only %d operations: too few to tell", n)
	}
	for name, die := range deaths {
		for first := 0; first < n; first += deathEvery {
			t.Run(fmt.Sprintf("%s/%d", name, first), func(t *testing.T) {
				t.Parallel()
				store, j := mem.New(mem.Options{}), &job{}
				crash(t, store, k, j, all, die, first)
				crash(t, store, k, j, all, die, (first*7)%11)
				if err := j.run(t, store, k, all); err != nil {
					t.Fatal(err)
				}
				got := committed(t, store, k)
				if diff := cmp.Diff(digests(want.Manifest()), digests(got.Manifest())); diff != "" {
					t.Error(diff)
				}
				holds(t, got, org(60))
			})
		}
	}
}

// TestCrashOverAParent does the same with a sweep over a snapshot, which stays as it was.
func TestCrashOverAParent(t *testing.T) {
	t.Parallel()
	k, under := keyring(t, alice), mem.New(mem.Options{})
	parent := take(t, repo(t, under, k, conn, small), org(60))
	var all []resource.Resource
	for i, res := range org(60) {
		switch {
		case i%7 == 0: // gone
		case i%5 == 0:
			res.Body = []byte(`{"changed":true}`)
			fallthrough
		default:
			all = append(all, res)
		}
	}
	calls := fault.New(under.Clone())
	if err := (&job{parent: parent.Prefix()}).run(t, calls, k, shuffled(all, 9)); err != nil {
		t.Fatal(err)
	}
	for name, die := range deaths {
		for first := 0; first < len(calls.Calls()); first += deathEvery {
			t.Run(fmt.Sprintf("%s/%d", name, first), func(t *testing.T) {
				t.Parallel()
				store, j := under.Clone(), &job{parent: parent.Prefix()}
				crash(t, store, k, j, shuffled(all, 9), die, first)
				if err := j.run(t, store, k, shuffled(all, 9)); err != nil {
					t.Fatal(err)
				}
				r := repo(t, store, k, conn, small)
				for n, want := range [][]resource.Resource{org(60), all} {
					s, err := r.Open(t.Context(), list(t, r)[n])
					if err != nil {
						t.Fatal(err)
					}
					holds(t, s, want)
				}
				if report := check(t, r); len(report.Damage) != 0 {
					t.Error(report.Damage)
				}
			})
		}
	}
}

// TestCrashOfMinutes kills whoever takes snapshots of single changes, so many that layers
// are merged: those that are listed are whole, and whoever comes next goes on from them.
func TestCrashOfMinutes(t *testing.T) {
	t.Parallel()
	k, under := keyring(t, alice), mem.New(mem.Options{})
	first := take(t, repo(t, under, k, conn, small), org(10)).Prefix()
	calls := fault.New(under.Clone())
	if _, err := minutes(t, calls, k, first, 0); err != nil {
		t.Fatal(err)
	}
	for name, die := range deaths {
		for n := 0; n < len(calls.Calls()); n += deathEvery {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				t.Parallel()
				store := under.Clone()
				failing := fault.New(store)
				die(failing, n)
				done, err := minutes(t, failing, k, first, 0)
				if err != nil && !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				r := repo(t, store, k, conn, small)
				prefixes := list(t, r)
				if _, err := minutes(t, store, k, prefixes[len(prefixes)-1], len(prefixes)-1); err != nil {
					t.Fatal(err)
				}
				if prefixes = list(t, r); len(prefixes) != 21 || done > 20 {
					t.Fatalf("%d snapshots", len(prefixes))
				}
				for i, prefix := range prefixes {
					s, err := r.Open(t.Context(), prefix)
					if err != nil {
						t.Fatal(err)
					}
					holds(t, s, after(org(10), i))
				}
				if report := check(t, r); len(report.Damage) != 0 {
					t.Error(report.Damage)
				}
			})
		}
	}
}

// after is an org after so many minutes.
func after(all []resource.Resource, minutes int) []resource.Resource {
	all = slices.Clone(all)
	for i := range minutes {
		all[i%len(all)].Body = fmt.Appendf(nil, `{"minute":%d}`, i)
	}
	return all
}

// minutes takes twenty snapshots of a change each, but for so many that are there.
func minutes(t *testing.T, store blob.Store, k *envelope.Keyring, last string, done int) (int, error) {
	t.Helper()
	r := repo(t, store, k, conn, small)
	for ; done < 20; done++ {
		parent, err := r.Open(t.Context(), last)
		if err != nil {
			return done, err
		}
		d, err := r.BeginNamed(fmt.Sprint("minute", done), started.Add(time.Duration(1+done)*time.Minute), parent)
		if err != nil {
			return done, err
		}
		if err := d.Add(t.Context(), after(org(10), done+1)[done%len(org(10))]); err != nil {
			return done, err
		}
		f := facts()
		f.Types = nil
		if _, err := d.Commit(t.Context(), f); err != nil {
			return done, err
		}
		last = d.Prefix()
	}
	return done, nil
}

// crash runs the job into its death. What is listed afterwards must be whole.
func crash(t *testing.T, store *mem.Store, k *envelope.Keyring, j *job, all []resource.Resource, die func(*fault.Store, int), n int) {
	t.Helper()
	failing := fault.New(store)
	die(failing, n)
	err := j.run(t, failing, k, all)
	if err != nil && !errors.Is(err, errKilled) {
		t.Fatalf("died of something else: %v", err)
	}
	r := repo(t, store, k, conn, small)
	listed := list(t, r)
	if _, err := r.Open(t.Context(), begin(t, r).Prefix()); j.parent == "" && len(listed) == 0 && !problem.Is(err, problem.NotFound) {
		t.Fatalf("not listed, and opened with %v", err)
	}
	if report := check(t, r); len(report.Damage) != 0 || report.Snapshots != int64(len(listed)) {
		t.Fatalf("%d listed; %+v", len(listed), report)
	}
}

// committed opens the one snapshot that there is.
func committed(t *testing.T, store blob.Store, k *envelope.Keyring) *repository.Snapshot {
	t.Helper()
	r := repo(t, store, k, conn, small)
	prefixes := list(t, r)
	if len(prefixes) != 1 {
		t.Fatalf("listed %v, want one", prefixes)
	}
	s, err := r.Open(t.Context(), prefixes[0])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPassingFaults: an operation that fails once is tried again by the caller,
// on the same draft.
func TestPassingFaults(t *testing.T) {
	t.Parallel()
	k := keyring(t, alice)
	all := org(40)
	for _, op := range []fault.Op{fault.Put, fault.Get, fault.List} {
		for n := range 6 {
			store := fault.New(mem.New(mem.Options{}))
			f := store.AddFault(op).ErrorAfter(errKilled)
			if op == fault.Put {
				f.After(n)
			}
			r := repo(t, store, k, conn, small)
			d := begin(t, r)
			if op == fault.List { // what this process wrote needs no second look
				d = resumed(t, r, d)
			}
			for _, res := range all {
				if err := d.Add(t.Context(), res); err != nil && !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
			}
			m, err := d.Commit(t.Context(), facts())
			for i := 0; errors.Is(err, errKilled) && i < 3; i++ {
				m, err = d.Commit(t.Context(), facts())
			}
			if err != nil || m.Objects() != int64(len(all)) {
				t.Fatalf("%s %d: %d objects, %v", op, n, m.Objects(), err)
			}
			holds(t, committed(t, store, k), all)
			store.VerifyAllFired(t)
		}
	}
}

// resumed is the draft as another process goes on with it.
func resumed(t *testing.T, r *repository.Repository, d *repository.Draft) *repository.Draft {
	t.Helper()
	saved, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	if d, err = r.Resume(t.Context(), saved); err != nil {
		t.Fatal(err)
	}
	return d
}

// taken is a store with one snapshot, and what is in it.
func taken(t *testing.T) (*mem.Store, *envelope.Keyring, []resource.Resource) {
	t.Helper()
	k, store, all := keyring(t, alice), mem.New(mem.Options{}), org(40)
	take(t, repo(t, store, k, conn, small), all)
	return store, k, all
}

// TestTruncatedReads: a read that is cut off is an error, never a shorter answer.
func TestTruncatedReads(t *testing.T) {
	t.Parallel()
	under, k, all := taken(t)
	for _, bytes := range []int64{0, 1, 41, 42, 100} {
		store := fault.New(under)
		s := committed(t, store, k)
		store.AddFault(fault.Get).After(2).Truncate(bytes)
		got, err := readBack(t.Context(), s)
		if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) == len(all) {
			t.Errorf("cut after %d bytes: %d resources, %v", bytes, len(got), err)
		}
		store.VerifyAllFired(t)
	}
}

// TestBrokenRangeIsNoDamage: of a chunk that a store broke off nothing is known, as of one
// that it does not give at all.
func TestBrokenRangeIsNoDamage(t *testing.T) {
	t.Parallel()
	under, k, all := taken(t)
	for _, bytes := range []int64{0, 1, 30} {
		store := fault.New(under)
		s := committed(t, store, k)
		store.AddFault(fault.Get).Truncate(bytes)
		_, err := s.Get(t.Context(), all[7].Key)
		if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, repository.ErrDamaged) {
			t.Errorf("cut after %d bytes: %v", bytes, err)
		}
		store.VerifyAllFired(t)
		if got, err := s.Get(t.Context(), all[7].Key); err != nil || got.Key != all[7].Key {
			t.Errorf("asked again: %v", err)
		}
	}
}

// TestShortSegmentIsDamage: one that ends before a chunk, or in the middle of it, is not
// what was written.
func TestShortSegmentIsDamage(t *testing.T) {
	t.Parallel()
	under, k, all := taken(t)
	s := committed(t, under, k)
	for _, bytes := range []int{0, 1, envelope.HeadSize, envelope.HeadSize + 10} {
		short := under.Clone()
		for _, g := range s.Manifest().Segments {
			short.Edit(s.Prefix()+"/"+g.Object(), func(b []byte) []byte { return b[:min(bytes, len(b))] })
		}
		if _, err := committed(t, short, k).Get(t.Context(), all[7].Key); !errors.Is(err, repository.ErrDamaged) {
			t.Errorf("cut after %d bytes: %v", bytes, err)
		}
	}
}

// TestLostAnswerOfTheManifest: the put went through, its retry below the door
// found the place taken.
func TestLostAnswerOfTheManifest(t *testing.T) {
	t.Parallel()
	k := keyring(t, alice)
	store := &forgetful{Store: mem.New(mem.Options{})}
	d := begin(t, repo(t, store, k, conn, small))
	addAll(t, d, org(20))
	commit(t, d)
	if store.lost < 3 {
		t.Errorf("%d answers were lost", store.lost)
	}
	holds(t, committed(t, store, k), org(20))
}

// forgetful makes every put and answers that the place was taken.
type forgetful struct {
	*mem.Store
	lost int
}

func (f *forgetful) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	if strings.HasSuffix(key, snapshot.ChecksumsName) {
		return f.Store.Put(ctx, key, r, size)
	}
	if err := f.Store.Put(ctx, key, r, size); err != nil {
		return err
	}
	f.lost++
	return blob.ErrExists
}

// TestAnotherWriterFinished: of two writers of one snapshot the first manifest
// counts, for both, and the checksums are those of the first.
func TestAnotherWriterFinished(t *testing.T) {
	t.Parallel()
	k := keyring(t, alice)
	store := mem.New(mem.Options{})
	first := begin(t, repo(t, store, k, conn, small))
	addAll(t, first, org(10))
	late := begin(t, repo(t, &interrupted{store, func() { commit(t, first) }}, k, conn, small))
	addAll(t, late, org(30))
	if m := commit(t, late); m.Objects() != int64(len(org(10))) || late.Digest() != first.Digest() {
		t.Errorf("the late writer was told of %d objects", m.Objects())
	}
	holds(t, committed(t, store, k), org(10))
	if report := check(t, repo(t, store, k, conn, small)); len(report.Damage) != 0 {
		t.Errorf("%+v", report)
	}
}

// interrupted lets something else happen just before the manifest is put.
type interrupted struct {
	*mem.Store
	before func()
}

func (i *interrupted) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	if strings.HasSuffix(key, snapshot.ManifestName) {
		i.before()
	}
	return i.Store.Put(ctx, key, r, size)
}

// orderly is a store that refuses what must not happen: a manifest before all
// that it names, anything after it, and a deletion of what a manifest names.
type orderly struct {
	*mem.Store
	t *testing.T
}

func (o *orderly) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	prefix, name := key[:strings.LastIndexByte(key, '/')], key[strings.LastIndexByte(key, '/')+1:]
	if o.has(prefix + "/" + snapshot.ManifestName) {
		o.t.Errorf("put %s after the manifest", name)
	}
	if name == snapshot.ManifestName {
		o.whole(prefix)
	}
	return o.Store.Put(ctx, key, bytes.NewReader(data), size)
}

// whole fails unless the checksums are there, and all that they name but the
// manifest itself.
func (o *orderly) whole(prefix string) {
	text, err := blob.ReadAll(o.t.Context(), o.Store, prefix+"/"+snapshot.ChecksumsName, 1<<20)
	if err != nil {
		o.t.Errorf("manifest before checksums: %v", err)
	}
	sums, err := snapshot.DecodeChecksums(text)
	if err != nil {
		o.t.Error(err)
	}
	for _, c := range sums {
		if c.Name != snapshot.ManifestName && !o.has(prefix+"/"+c.Name) {
			o.t.Errorf("manifest before segment %s", c.Name)
		}
	}
}

func (o *orderly) Delete(ctx context.Context, key string) error {
	prefix, name := key[:strings.LastIndexByte(key, '/')], key[strings.LastIndexByte(key, '/')+1:]
	if name != snapshot.ManifestName && o.has(prefix+"/"+snapshot.ManifestName) {
		o.t.Errorf("deleted %s below a manifest", name)
	}
	return o.Store.Delete(ctx, key)
}

func (o *orderly) has(key string) bool {
	return slices.Contains(keysOf(o.t, o.Store), key)
}

func TestOrderOfWriting(t *testing.T) {
	t.Parallel()
	r := repo(t, &orderly{mem.New(mem.Options{}), t}, keyring(t, alice), conn, small)
	d := begin(t, r)
	addAll(t, d, shuffled(org(80), 5))
	commit(t, d)
	if err := r.Forget(t.Context(), d.Prefix()); err != nil {
		t.Fatal(err)
	}
}

// TestForgettingThatDies kills whoever forgets a snapshot before and after each operation
// of the store: what is half removed cannot be opened, nothing else suffers, and the next
// attempt removes the rest.
func TestForgettingThatDies(t *testing.T) {
	t.Parallel()
	k, all := keyring(t, alice), org(40)
	for name, dies := range deaths {
		for n, died := 0, true; died; n++ {
			under := mem.New(mem.Options{})
			r := repo(t, under, k, conn, small)
			kept, gone := take(t, r, all), another(t, r, all)
			before := len(keysOf(t, under))
			store := fault.New(under)
			dies(store, n)
			err := forgets(t.Context(), repo(t, store, k, conn, small), gone)
			if died = errors.Is(err, errKilled); err != nil && !died {
				t.Fatal(err)
			}
			if !died && n < 5 {
				t.Fatalf("it was over after %d operations", n)
			}
			forgotten(t, r, gone, fmt.Sprintf("killed %s operation %d", name, n), before > len(keysOf(t, under)))
			holds(t, kept, all)
		}
	}
}

// forgets forgets a snapshot, and removes what nothing else stands on.
func forgets(ctx context.Context, r *repository.Repository, prefix string) error {
	if err := r.Forget(ctx, prefix); err != nil {
		return err
	}
	_, err := r.Sweep(ctx, repository.SweepOptions{Before: time.Now().Add(time.Hour)})
	return err
}

// another takes a second snapshot, an hour after the first.
func another(t *testing.T, r *repository.Repository, all []resource.Resource) (prefix string) {
	t.Helper()
	d, err := r.Begin("snapshot-2", started.Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, d, all)
	commit(t, d)
	return d.Prefix()
}

// forgotten fails if a snapshot of which something was removed can be opened, or if
// forgetting it again leaves anything of it.
func forgotten(t *testing.T, r *repository.Repository, prefix, when string, begun bool) {
	t.Helper()
	if _, err := r.Open(t.Context(), prefix); begun && !problem.Is(err, problem.NotFound) {
		t.Fatalf("%s: half of it is removed, and it opens (%v)", when, err)
	}
	if report := check(t, r); len(report.Damage) != 0 {
		t.Fatalf("%s: %+v", when, report.Damage)
	}
	if err := forgets(t.Context(), r, prefix); err != nil {
		t.Fatalf("%s: forget again: %v", when, err)
	}
	if report := check(t, r); len(report.Damage) != 0 || report.Rubbish != 0 {
		t.Fatalf("%s: %+v", when, report)
	}
	if got := list(t, r); len(got) != 1 || got[0] == prefix {
		t.Fatalf("%s: listed %v", when, got)
	}
}

// TestCommitAgainRightsTheChecksums: a late writer that died between its checksums
// and its look at the manifest leaves the wrong ones.
func TestCommitAgainRightsTheChecksums(t *testing.T) {
	t.Parallel()
	k, store := keyring(t, alice), mem.New(mem.Options{})
	r := repo(t, store, k, conn, small)
	d := begin(t, r)
	addAll(t, d, org(20))
	commit(t, d)
	store.Edit(d.Prefix()+"/"+snapshot.ChecksumsName, func(b []byte) []byte { return b[:len(b)/2] })
	if len(check(t, r).Damage) != 1 {
		t.Fatal("nothing is wrong")
	}
	commit(t, d)
	if report := check(t, r); len(report.Damage) != 0 {
		t.Errorf("%+v", report.Damage)
	}
}
