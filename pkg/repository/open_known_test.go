package repository_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/repository/repositorytest"
	"imago/pkg/snapshot"
)

// TestOpenKnown: what opens is the snapshot whose digest is known, as it was taken or sealed
// anew since, also where a program is slow to hear of the rotation, or only what was about to be
// put is known; what who has an old data key has put there is not.
func TestOpenKnown(t *testing.T) {
	t.Parallel()
	store, l := mem.New(mem.Options{}), newLife(t)
	thief := l.ring
	taken := take(t, repo(t, store, thief, conn, small), org(20))
	prepared, err := thief.Prepare(t.Context(), l.ks)
	if err != nil {
		t.Fatal(err)
	}
	l.ring, err = prepared.Rotate(t.Context(), l.ks)
	if err != nil {
		t.Fatal(err)
	}
	resealed, forged := store.Clone(), store.Clone()
	digest := repositorytest.Reseal(t, resealed, l.ring, taken)
	repositorytest.Forge(t, forged, thief, taken)
	again := repositorytest.Rotate(t, l.ks, l.ring)
	for _, tt := range []struct {
		name         string
		store        *mem.Store
		ring         *envelope.Keyring
		digest, next string
		opens        bool
	}{
		{"as it was taken", store, l.ring, taken.Digest(), "", true},
		{"sealed anew", resealed, l.ring, digest, "", true},
		{"sealed anew, and not noted", resealed, l.ring, taken.Digest(), "", true},
		{"sealed anew, for who has not heard of the rotation", resealed, prepared, taken.Digest(), "", true},
		{"about to be sealed anew", store, l.ring, taken.Digest(), digest, true},
		{"sealed anew, not noted, and rotated since", resealed, again, taken.Digest(), digest, true},
		{"sealed anew, not told of, and rotated since", resealed, again, taken.Digest(), "", false},
		{"as another one", store, l.ring, digest, "", false},
		{"as another one, with the next of another", store, l.ring, digest, digest, false},
		{"nothing is known", store, l.ring, "", "", false},
		{"forged", forged, l.ring, taken.Digest(), digest, false},
	} {
		k := repository.Known{Prefix: taken.Prefix(), Digest: tt.digest, Next: tt.next}
		s, err := repo(t, tt.store, tt.ring, conn, small).OpenKnown(t.Context(), k)
		if tt.opens {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			holds(t, s, org(20))
			continue
		}
		p := problem.Of(err)
		if s != nil || !errors.Is(err, repository.ErrDamaged) || p == nil || p.Kind != problem.Damaged {
			t.Fatalf("%s: %v", tt.name, err)
		}
		want := taken.Prefix() + "/manifest is damaged: another snapshot lies in the place of the one that was taken " +
			"(see who may write to the bucket, and bring the object back from the bucket's own versions)"
		if p.Error() != want {
			t.Errorf("%s: %s", tt.name, p)
		}
	}
	if _, err := repo(t, store, l.ring, conn, small).OpenKnown(t.Context(), repository.Known{Prefix: taken.Prefix()[:len(taken.Prefix())-1] + "0", Digest: taken.Digest()}); errors.Is(err, repository.ErrDamaged) {
		t.Errorf("what is not there is damaged: %v", err)
	}
}

// TestOpenKnownReadsOnce: a manifest that is kept is read again only where it is not the one
// that is known, or may not be any more.
func TestOpenKnownReadsOnce(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]func(was, digest string) (string, string){
		"noted":                 func(_, digest string) (string, string) { return digest, "" },
		"told of and not noted": func(was, digest string) (string, string) { return was, digest },
	} {
		under, l := mem.New(mem.Options{}), newLife(t)
		store := fault.New(under)
		cached := small
		cached.Cache = repository.NewCache(1 << 20)
		taken := take(t, repo(t, store, l.ring, conn, cached), org(20))
		reads := func(digest, next string, ring *envelope.Keyring) (n int) {
			t.Helper()
			before := len(store.Calls())
			k := repository.Known{Prefix: taken.Prefix(), Digest: digest, Next: next}
			if _, err := repo(t, store, ring, conn, cached).OpenKnown(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			for _, c := range store.Calls()[before:] {
				if strings.HasSuffix(c.Key, "/"+snapshot.ManifestName) {
					n++
				}
			}
			return n
		}
		if n := reads(taken.Digest(), "", l.ring); n != 0 {
			t.Errorf("%s: read %d times, and it is kept", name, n)
		}
		ring := repositorytest.Rotate(t, l.ks, l.ring)
		digest, next := row(taken.Digest(), repositorytest.Reseal(t, under, ring, taken)) // by another program
		if n := reads(digest, next, ring); n != 1 {
			t.Errorf("%s: read %d times, and what is kept is of before", name, n)
		}
	}
}

// TestForgedParent: a draft does not go on over what was put in the place of its parent.
func TestForgedParent(t *testing.T) {
	t.Parallel()
	store, l := mem.New(mem.Options{}), newLife(t)
	thief := l.ring
	taken := take(t, repo(t, store, thief, conn, small), org(20))
	l.ring = repositorytest.Rotate(t, l.ks, thief)
	r := repo(t, store, l.ring, conn, small)
	d, err := r.BeginNamed("over", started.Add(time.Hour), taken)
	if err != nil {
		t.Fatal(err)
	}
	state, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	resealed := store.Clone()
	repositorytest.Reseal(t, resealed, l.ring, taken)
	if _, err := repo(t, resealed, l.ring, conn, small).Resume(t.Context(), state); err != nil {
		t.Errorf("over a parent that was sealed anew: %v", err)
	}
	repositorytest.Forge(t, store, thief, taken)
	if _, err := r.Resume(t.Context(), state); !errors.Is(err, repository.ErrDamaged) || !strings.Contains(err.Error(), taken.Prefix()) {
		t.Errorf("over a forged one: %v", err)
	}
}
