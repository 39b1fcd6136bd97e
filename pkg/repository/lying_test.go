package repository_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"imago/pkg/blob"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// lie is what a store may give instead of an object, without a word.
type lie struct {
	name string
	of   func([]byte) []byte
}

var lies = []lie{
	{"half", half}, {"another bit", otherwise},
	{"nothing", func([]byte) []byte { return nil }},
	{"it twice", func(b []byte) []byte { return append(b, b...) }},
}

// trouble is what a reader meets in a store once.
type trouble struct {
	name string
	op   fault.Op
	plan func(*fault.Fault)
	// told is what the store says of it, and the reader with it; nil: nothing.
	told error
	// fewer are readings that learn of snapshots from a listing alone, and so tell of fewer
	// when it leaves some out without a word: of these nothing that is not so. Nobody else
	// may.
	fewer []string
}

var byListing = []string{"rebuild", "measure"}

var troubles = append([]trouble{
	{"an error instead", fault.Get, func(f *fault.Fault) { f.ErrorInstead(errAway) }, errAway, nil},
	{"a late error", fault.Get, func(f *fault.Fault) { f.ErrorAfter(errAway) }, errAway, nil},
	{"an end at once", fault.Get, func(f *fault.Fault) { f.Truncate(0) }, io.ErrUnexpectedEOF, nil},
	{"an early end", fault.Get, func(f *fault.Fault) { f.Truncate(50) }, io.ErrUnexpectedEOF, nil},
	{"an error instead", fault.List, func(f *fault.Fault) { f.ErrorInstead(errAway) }, errAway, nil},
	{"an error behind the last", fault.List, func(f *fault.Fault) { f.ErrorAfter(errAway) }, errAway, nil},
	{"an end at once", fault.List, func(f *fault.Fault) { f.Truncate(0) }, io.ErrUnexpectedEOF, nil},
	{"an early end", fault.List, func(f *fault.Fault) { f.Truncate(20) }, io.ErrUnexpectedEOF, nil},
	{"none as if all", fault.List, func(f *fault.Fault) { f.Omit(0) }, nil, byListing},
	{"some as if all", fault.List, func(f *fault.Fault) { f.Omit(3) }, nil, byListing},
	{"most as if all", fault.List, func(f *fault.Fault) { f.Omit(30) }, nil, byListing},
}, lied()...)

// lied are the troubles that lies make.
func lied() (out []trouble) {
	for _, lie := range lies {
		out = append(out, trouble{name: lie.name, op: fault.Get, plan: func(f *fault.Fault) { f.Alter(lie.of) }})
	}
	return out
}

// reading asks something of a repository, and words the whole answer.
type reading struct {
	name string
	do   func(context.Context, *life, *repository.Repository, blob.Store) (string, error)
}

var readings = []reading{
	{"rebuild", readsAll}, {"walk", walks}, {"get", gets}, {"below", readsBelow}, {"named", readsNamed}, {"compare", comparesEnds},
	{"history", tellsHistory}, {"check", checks}, {"measure", measures}, {"copy", copies},
}

// readsAll finds everything again from the store and the master key alone.
func readsAll(ctx context.Context, l *life, _ *repository.Repository, store blob.Store) (string, error) {
	wrapped, err := repository.LoadKeyring(ctx, store, alice)
	if err != nil {
		return "", err
	}
	ring, err := envelope.OpenKeyring(ctx, l.ks, alice, wrapped)
	if err != nil {
		return "", err
	}
	places, err := repository.Places(ctx, store, "")
	if err != nil {
		return "", err
	}
	r, err := repository.New(store, ring, alice, conn, small)
	if err != nil {
		return "", err
	}
	said := fmt.Sprintln(ring.Versions())
	for _, p := range places {
		said += fmt.Sprintln(p)
	}
	for e, err := range r.List(ctx) {
		if err != nil {
			return "", err
		}
		s, err := r.Open(ctx, e.Prefix)
		if err != nil {
			return "", err
		}
		m, err := json.Marshal(s.Manifest())
		if err != nil {
			return "", err
		}
		said += fmt.Sprintf("%s %s %s\n", e.Prefix, s.Digest(), m)
	}
	return said, nil
}

// each opens some of the snapshots that are known, the first and the last among them.
func (l *life) each(ctx context.Context, r *repository.Repository, do func(*repository.Snapshot) (string, error)) (said string, err error) {
	for i := 0; i < len(l.rows); i += (len(l.rows) - 1) / 2 {
		row := l.rows[i]
		s, err := r.OpenKnown(ctx, repository.Known{Prefix: row.prefix, Digest: row.digest})
		if err != nil {
			return "", err
		}
		more, err := do(s)
		if err != nil {
			return "", err
		}
		said += more + "\n"
	}
	return said, nil
}

func walks(ctx context.Context, l *life, r *repository.Repository, _ blob.Store) (string, error) {
	return l.each(ctx, r, func(s *repository.Snapshot) (string, error) {
		all, err := readBack(ctx, s)
		return strings.Join(lines(all), "\n"), err
	})
}

func gets(ctx context.Context, l *life, r *repository.Repository, _ blob.Store) (string, error) {
	return l.each(ctx, r, func(s *repository.Snapshot) (said string, err error) {
		for _, id := range []string{"00u000004", "00u000003", "00u000007", "none"} {
			res, err := s.Get(ctx, resource.Key{Type: "user", ID: id})
			if err != nil && !problem.Is(err, problem.NotFound) {
				return "", err
			}
			said += fmt.Sprintf("%s %s\n", id, res.Body)
		}
		return said, nil
	})
}

func readsBelow(ctx context.Context, l *life, r *repository.Repository, _ blob.Store) (string, error) {
	return l.each(ctx, r, func(s *repository.Snapshot) (string, error) {
		all, err := collect(s.Below(ctx, "group_member", "00g000000"))
		return strings.Join(lines(all), "\n"), err
	})
}

func readsNamed(ctx context.Context, l *life, r *repository.Repository, _ blob.Store) (string, error) {
	return l.each(ctx, r, func(s *repository.Snapshot) (said string, err error) {
		for _, name := range []string{"u2@example.com", "u5@example.com", "u4@example.com", "nobody"} {
			all, err := collect(s.Named(ctx, "user", name))
			if err != nil {
				return "", err
			}
			said += name + strings.Join(lines(all), "\n")
		}
		return said, nil
	})
}

// comparesEnds compares the first snapshot with the last.
func comparesEnds(ctx context.Context, l *life, r *repository.Repository, _ blob.Store) (said string, err error) {
	from, to := l.rows[0].prefix, l.rows[len(l.rows)-1].prefix
	a, err := r.Open(ctx, from)
	if err != nil {
		return "", err
	}
	b, err := r.Open(ctx, to)
	if err != nil {
		return "", err
	}
	for c, err := range r.Changes(ctx, a, b, repository.CompareOptions{}) {
		if err != nil {
			return "", err
		}
		said += fmt.Sprintf("%s: %s to %s\n", c.Key, c.From, c.To)
	}
	for k, err := range r.Differ(ctx, from, to) {
		if err != nil {
			return "", err
		}
		said += fmt.Sprintln(k)
	}
	return said, nil
}

func tellsHistory(ctx context.Context, l *life, r *repository.Repository, _ blob.Store) (said string, err error) {
	var prefixes []string
	for _, row := range slices.Backward(l.rows) {
		prefixes = append(prefixes, row.prefix)
	}
	for v, err := range r.History(ctx, resource.Key{Type: "user", ID: "00u000004"}, prefixes, r.Open) {
		if err != nil {
			return "", err
		}
		said += fmt.Sprintf("%s since %q: %s to %s\n", v.Snapshot, v.Since, v.From, v.To)
	}
	return said, nil
}

// foundDamage is what a check tells of an object that it was lied to about.
type foundDamage struct{ of []repository.Damage }

func (f foundDamage) Error() string {
	var said []string
	for _, d := range f.of {
		said = append(said, d.Object)
	}
	return strings.Join(said, ", ")
}

// only reports whether the damage is of one object alone, or of what a prefix, which ends
// with a slash, should list.
func (f foundDamage) only(key string) bool {
	for _, d := range f.of {
		if listed := strings.HasSuffix(key, "/") && strings.HasPrefix(d.Object, key); d.Object != key && !listed {
			return false
		}
	}
	return true
}

func checks(ctx context.Context, l *life, r *repository.Repository, _ blob.Store) (string, error) {
	report, err := r.Check(ctx, repository.CheckOptions{Data: true, Records: true, Known: knownOf(l.rows)})
	if err == nil && len(report.Damage) > 0 {
		err = foundDamage{report.Damage}
	}
	return fmt.Sprintf("%+v", report), err
}

func measures(ctx context.Context, _ *life, r *repository.Repository, _ blob.Store) (string, error) {
	stats, err := r.Stats(ctx)
	if err == nil && stats.Unreadable > 0 {
		err = fmt.Errorf("%d manifests are unreadable", stats.Unreadable)
	}
	return fmt.Sprintf("%+v", stats), err
}

func copies(ctx context.Context, l *life, r *repository.Repository, _ blob.Store) (string, error) {
	return l.each(ctx, r, func(s *repository.Snapshot) (string, error) {
		out := sha256.New()
		for _, o := range s.Objects() {
			if err := r.Copy(ctx, o, out); err != nil {
				return "", err
			}
		}
		return hex.EncodeToString(out.Sum(nil)), nil
	})
}

// TestReadersThatAreLiedTo: whoever is given half of an object, or another bit, once, without
// a word, is told so, or gives the right answer all the same; whoever is refused one, or a
// part, says that and which. Nobody takes it for damage, and all do well when asked again.
func TestReadersThatAreLiedTo(t *testing.T) {
	t.Parallel()
	l, under := newLife(t), mem.New(mem.Options{})
	if err := l.live(t.Context(), under); err != nil {
		t.Fatal(err)
	}
	for _, of := range readings {
		for name, o := range map[string]repository.Options{"": small, ", with a cache": {Cache: repository.NewCache(1 << 20)}} {
			calls := fault.New(under)
			want, err := of.do(t.Context(), l, repo(t, calls, l.ring, conn, o), calls)
			if err != nil || len(want) < 80 {
				t.Fatalf("%s: %q, %v", of.name, want, err)
			}
			t.Run(of.name+name, func(t *testing.T) {
				t.Parallel()
				_, every := lifeEvery()
				for i, trouble := range troubles {
					var asked []string // keys of what it can happen to
					for _, c := range calls.Calls() {
						if c.Op == trouble.op {
							asked = append(asked, c.Key)
						}
					}
					step := min(every, 67)
					for n := i % max(1, min(step, len(asked))); n < len(asked); n += step { // each trouble, now and then
						troubled{l, under, of, o}.once(t, n, asked[n], trouble, want)
					}
				}
			})
		}
	}
}

// troubled is one reading of a store that is not as it should be.
type troubled struct {
	l     *life
	under *mem.Store
	of    reading
	o     repository.Options
}

// once has what is asked of an object or a prefix, after n others, go wrong.
func (r troubled) once(t *testing.T, n int, key string, trouble trouble, want string) {
	t.Helper()
	if r.o.Cache != nil {
		r.o.Cache = repository.NewCache(1 << 20)
	}
	store := fault.New(r.under)
	trouble.plan(store.AddFault(trouble.op).After(n))
	reader := repo(t, store, r.l.ring, conn, r.o)
	got, err := r.of.do(t.Context(), r.l, reader, store)
	when := fmt.Sprintf("%s %d of %s, %s", trouble.op, n, key, trouble.name)
	switch found, damage := errors.AsType[foundDamage](err); {
	case err == nil && got == want:
	case trouble.told != nil && (!errors.Is(err, trouble.told) || errors.Is(err, repository.ErrDamaged) || !strings.Contains(err.Error(), key)):
		t.Fatalf("%s: %v, which is no %q of that", when, err, trouble.told)
	case err == nil && !(slices.Contains(trouble.fewer, r.of.name) && fewer(got, want)):
		t.Fatalf("%s: %s\nwant %s", when, got, want)
	case damage && !found.only(key):
		t.Fatalf("%s: it is said to be of %v", when, found)
	case errors.Is(err, repository.ErrDamaged) && !strings.Contains(err.Error(), key):
		t.Fatalf("%s: %v", when, err)
	}
	store.VerifyAllFired(t)
	if got, err = r.of.do(t.Context(), r.l, reader, store); err != nil || got != want {
		t.Fatalf("%s: asked again, %s, %v\nwant %s", when, got, err, want)
	}
}

// fewer reports whether each line that is said stands in a longer answer, or counts.
func fewer(said, of string) bool {
	there := map[string]bool{}
	for line := range strings.Lines(of) {
		there[line] = true
	}
	for line := range strings.Lines(said) {
		if counts := strings.HasPrefix(line, "{Snapshots:") || strings.HasPrefix(line, "{Full:"); !there[line] && !counts {
			return false
		}
	}
	return true
}

// lying loses the answer to one put, which is told that the place is taken, and gives half
// of what is read to see what lies there.
type lying struct {
	*mem.Store
	puts atomic.Int32 // to let pass
	lied atomic.Int32
}

func (s *lying) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	err := s.Store.Put(ctx, key, r, size)
	if s.puts.Add(-1) == -1 && err == nil {
		return blob.ErrExists
	}
	return err
}

func (s *lying) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, key, rng)
	if err != nil || s.puts.Load() >= 0 || s.lied.Add(1) > 1 {
		return r, err
	}
	data, err := io.ReadAll(r)
	return io.NopCloser(bytes.NewReader(half(data))), errors.Join(err, r.Close())
}

// TestLostAnswersAndLies: who is told that a place is taken, and then lied to about what is
// in it, tries again, and loses nothing.
func TestLostAnswersAndLies(t *testing.T) {
	t.Parallel()
	all, calls := stages(t)
	_, every := lifeEvery()
	puts := 0
	for at, c := range calls {
		if c.Op != fault.Put {
			continue
		}
		if puts++; puts%min(every, 13) != 0 {
			continue
		}
		from := stageOf(all, at, 0)
		l, under := from.again()
		store := &lying{Store: under}
		for _, before := range calls[from.calls:at] {
			if before.Op == fault.Put {
				store.puts.Add(1)
			}
		}
		when := fmt.Sprintf("operation %d, %s", at, c)
		for try := 0; ; try++ {
			err := l.live(t.Context(), store)
			if err == nil {
				break
			}
			if try > 2 {
				t.Fatalf("%s: %v", when, err)
			}
			l.keeps(t, under, when)
		}
		if store.lied.Load() == 0 {
			t.Errorf("%s: nobody was lied to", when)
		}
		if err := l.clear(t.Context(), under); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		l.over(t, under, when)
	}
	if puts < 50 {
		t.Errorf("only %d puts", puts)
	}
}

// TestSavingAKeyringAndLies: who holds a keyring of before does not put it in the place of a
// newer one, whatever that reads like once.
func TestSavingAKeyringAndLies(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	old := l.ring
	if err := l.rotate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, lie := range lies {
		for name, ring := range map[string]*envelope.Keyring{"older": old, "same": l.ring} {
			under := mem.New(mem.Options{})
			if err := repository.SaveKeyring(t.Context(), under, l.ring); err != nil {
				t.Fatal(err)
			}
			store := fault.New(under)
			store.AddFault(fault.Get).Alter(lie.of)
			if err := repository.SaveKeyring(t.Context(), store, ring); name == "older" && !problem.Is(err, problem.Stale) {
				t.Errorf("%s: the older one was saved: %v", lie.name, err)
			}
			if have, err := repository.LoadKeyring(t.Context(), under, alice); err != nil || !bytes.Equal(have, l.ring.Wrapped()) {
				t.Errorf("%s: the store lost the newest key to the %s keyring: %v", lie.name, name, err)
			}
			store.VerifyAllFired(t)
		}
	}
}
