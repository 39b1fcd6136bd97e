package repository_test

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
)

// knownOf are rows as a check and a sweep ask for them.
func knownOf(rows []row) (out []repository.Known) {
	for _, r := range rows {
		out = append(out, repository.Known{Prefix: r.prefix, Digest: r.digest})
	}
	return out
}

func manifestsOf(prefixes []string) (out []string) {
	for _, p := range prefixes {
		out = append(out, p+"/"+snapshot.ManifestName)
	}
	return out
}

// resealed is a repository in the middle of its life, whose snapshots were sealed anew, and
// the store as it was before.
func resealed(t *testing.T) (l, was *life, store, before *mem.Store) {
	t.Helper()
	store, l = mem.New(mem.Options{}), newLife(t)
	l.until(t, store, "reseal")
	was, before = l.copied(), store.Clone()
	if err := l.reseal(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	return l, was, store, before
}

// without is a store from which snapshots were removed, whole.
func without(t *testing.T, store *mem.Store, keys *envelope.Keyring, prefixes ...string) *mem.Store {
	t.Helper()
	out := store.Clone()
	if err := repo(t, out, keys, conn, small).Forget(t.Context(), prefixes...); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestKnownSnapshots: what somebody knows to be there, and is not, or is another, is damage
// that names it; who knows of nothing is not told. No sweep makes the loss final.
func TestKnownSnapshots(t *testing.T) {
	t.Parallel()
	l, was, store, before := resealed(t)
	var all []string
	for _, r := range l.rows {
		all = append(all, r.prefix)
	}
	middle, newest := len(all)/2, len(all)-1
	older := manifestsOf(all[middle : middle+1])[0]
	forged := store.Clone()
	writer{t, repo(t, forged, l.ring, conn, small), forged}.rewrite("manifest", older, func(text []byte) []byte {
		return bytes.Replace(text, []byte(`"software":"`), []byte(`"software":"forged `), 1)
	})
	unlisted := hiding{store, older}
	const missing, other = "it is not there, though", "another snapshot lies in the place of the one that was taken"
	for _, c := range []struct {
		name  string
		store blob.Store
		rows  []row
		want  []string // prefixes
		what  string
	}{
		{"all are there", store, l.rows, nil, ""},
		{"rows of before they were sealed anew", store, was.rows, nil, ""},
		{"one that nobody knows of", store, l.rows[:newest], nil, ""},
		{"the middle one is missing", without(t, store, l.ring, all[middle]), l.rows, all[middle : middle+1], missing},
		{"the newest is missing", without(t, store, l.ring, all[newest]), l.rows, all[newest:], missing},
		{"two are missing", without(t, store, l.ring, all[0], all[newest]), l.rows, []string{all[0], all[newest]}, missing},
		{"all are missing", mem.New(mem.Options{}), l.rows, all, missing},
		{"an older copy is in the place of one", replayed(t, store, older, object(t, before, older)), l.rows, all[middle : middle+1], other},
		{"another is in the place of one", forged, l.rows, all[middle : middle+1], other},
		{"the store does not list one", unlisted, l.rows, all[middle : middle+1], "the store does not list it"},
	} {
		r := repo(t, c.store, l.ring, conn, small)
		report, err := r.Check(t.Context(), repository.CheckOptions{Data: true, Known: knownOf(c.rows)})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var found []string
		for _, d := range report.Damage {
			found = append(found, d.Snapshots...)
			if len(d.Snapshots) != 1 || d.Object != d.Snapshots[0]+"/"+snapshot.ManifestName || !strings.Contains(d.What, c.what) {
				t.Errorf("%s: %+v", c.name, d)
			}
			if (d.Hint == "") != (c.what == other) {
				t.Errorf("%s: the way out is %q", c.name, d.Hint)
			}
		}
		if gone := len(report.Missing) > 0; gone != (c.want != nil && c.what != other) || gone && !slices.Equal(report.Missing, c.want) {
			t.Errorf("%s: missing %v", c.name, report.Missing)
		}
		if c.want != nil && report.Rubbish != 0 {
			t.Errorf("%s: %d objects are said to be rubbish", c.name, report.Rubbish)
		}
		if !slices.Equal(found, c.want) || report.Snapshots != int64(len(all)) {
			t.Errorf("%s: %d snapshots, damage of %v, want of %v", c.name, report.Snapshots, found, c.want)
		}
		// Checksums tell of a manifest that was replaced without them; they stand in clear.
		if report := check(t, r); slices.ContainsFunc(report.Damage, func(d repository.Damage) bool { return !strings.HasSuffix(d.Object, snapshot.ChecksumsName) }) {
			t.Errorf("%s: who knows of nothing is told of %+v", c.name, report.Damage)
		}
		o := repository.SweepOptions{Before: time.Now().Add(time.Hour), Known: knownOf(c.rows), Dry: true}
		swept, err := r.Sweep(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if refused := append(swept.Missing, swept.Unread...); !slices.Equal(refused, c.want) || (swept.Objects == 0) != (len(c.want) > 0) {
			t.Errorf("%s: swept %+v", c.name, swept)
		}
		if (len(swept.Unread) > 0) != (c.what == other) {
			t.Errorf("%s: %v is unread", c.name, swept.Unread)
		}
	}
}

func object(t *testing.T, store blob.Store, key string) []byte {
	t.Helper()
	out, err := blob.ReadAll(t.Context(), store, key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// hiding does not list an object.
type hiding struct {
	*mem.Store
	key string
}

func (h hiding) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		for o, err := range h.Store.List(ctx, prefix) {
			if o.Key != h.key && !yield(o, err) {
				return
			}
		}
	}
}

// TestKnownSnapshotsThatGo: one that is let go once its row was read is no damage, and holds
// up no sweep; one that was sealed anew since is the same.
func TestKnownSnapshotsThatGo(t *testing.T) {
	t.Parallel()
	forget := func(l *life, store blob.Store) error {
		r, err := l.repo(store)
		if err != nil {
			return err
		}
		return r.Forget(t.Context(), l.rows[1].prefix)
	}
	for name, c := range map[string]struct {
		happens func(*life, blob.Store) error
		lost    int // snapshots, for a sweep: what they stood on must not go with them
	}{
		"removed":     {forget, 1},
		"sealed anew": {func(l *life, store blob.Store) error { return l.reseal(t.Context(), store) }, 0},
	} {
		store, l := mem.New(mem.Options{}), newLife(t)
		l.until(t, store, "reseal")
		rows := knownOf(l.rows)
		meanwhile := func() blob.Store {
			half := store.Clone()
			return &listed{half, func() {
				if err := c.happens(l.copied(), half); err != nil {
					t.Error(err)
				}
			}}
		}
		report, err := repo(t, meanwhile(), l.ring, conn, small).Check(t.Context(), repository.CheckOptions{Known: rows})
		if err != nil || len(report.Damage) != 0 {
			t.Errorf("%s: %+v, %v", name, report.Damage, err)
		}
		swept, err := repo(t, meanwhile(), l.ring, conn, small).Sweep(t.Context(), repository.SweepOptions{Before: time.Now(), Known: rows})
		if err != nil || len(swept.Missing) != c.lost || len(swept.Unread) != 0 || c.lost > 0 && swept.Objects != 0 {
			t.Errorf("%s: swept %+v, %v", name, swept, err)
		}
	}
}

// TestKnownSnapshotsAlone: who looks at some snapshots is told of these.
func TestKnownSnapshotsAlone(t *testing.T) {
	t.Parallel()
	l, _, store, _ := resealed(t)
	gone := l.rows[1].prefix
	r := repo(t, without(t, store, l.ring, gone), l.ring, conn, small)
	for prefix, want := range map[string]int{l.rows[0].prefix: 0, gone: 1} {
		report, err := r.Check(t.Context(), repository.CheckOptions{Prefixes: []string{prefix}, Known: knownOf(l.rows)})
		if err != nil || len(report.Damage) != want {
			t.Errorf("%s: %+v, %v", prefix, report.Damage, err)
		}
	}
}
