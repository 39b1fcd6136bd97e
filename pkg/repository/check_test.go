package repository_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// chain takes a full snapshot and some minutes over it.
func chain(t *testing.T, r *repository.Repository, minutes int) (prefixes []string) {
	t.Helper()
	parent := take(t, r, org(30))
	prefixes = append(prefixes, parent.Prefix())
	for i := range minutes {
		at := started.Add(time.Duration(i+1) * time.Minute)
		d, err := r.BeginNamed(string(rune('a'+i)), at, parent)
		if err != nil {
			t.Fatal(err)
		}
		addAll(t, d, []resource.Resource{res("user", "", "00u000003", fmt.Sprintf(`{"id":"00u000003","n":%d}`, i))})
		f := facts()
		f.Types, f.Previous = nil, parent.Digest()
		if _, err := d.Commit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if parent, err = r.Open(t.Context(), d.Prefix()); err != nil {
			t.Fatal(err)
		}
		prefixes = append(prefixes, parent.Prefix())
	}
	return prefixes
}

// TestCheckTellsWhomDamageConcerns: one object that is missing is one damage, of all
// snapshots that stand on it, and of no other.
func TestCheckTellsWhomDamageConcerns(t *testing.T) {
	t.Parallel()
	k, store := keyring(t, alice), mem.New(mem.Options{})
	r := repo(t, store, k, conn, small)
	all := chain(t, r, 3)
	minute, err := r.Open(t.Context(), all[3])
	if err != nil {
		t.Fatal(err)
	}
	segments := minute.Manifest().Segments
	for _, c := range []struct {
		what, object string
		want         []string
	}{
		{"a segment of the full one", ofFolder(t, segments, all[0]), all},
		{"a segment of the last minute", ofFolder(t, segments, all[3]), all[3:]},
	} {
		for _, data := range []bool{false, true} {
			half := store.Clone()
			if err := half.Delete(t.Context(), c.object); err != nil {
				t.Fatal(err)
			}
			report, err := repo(t, half, k, conn, small).Check(t.Context(), repository.CheckOptions{Data: data})
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Damage) != 1 || report.Damage[0].Object != c.object || !slices.Equal(report.Damage[0].Snapshots, c.want) {
				t.Errorf("%s, data %v: %+v, want %s of %v", c.what, data, report.Damage, c.object, c.want)
			}
		}
	}
}

// ofFolder is the first segment that lies below a prefix.
func ofFolder(t *testing.T, all []snapshot.Segment, prefix string) string {
	t.Helper()
	for _, s := range all {
		if strings.HasSuffix(prefix, "/"+s.Folder) {
			return prefix + "/" + s.Name
		}
	}
	t.Fatalf("nothing below %s", prefix)
	return ""
}

// TestCheckReadsAgain: what was damaged is read, whichever part is drawn.
func TestCheckReadsAgain(t *testing.T) {
	t.Parallel()
	k, store := keyring(t, alice), mem.New(mem.Options{})
	r := repo(t, store, k, conn, small)
	s := take(t, r, org(60))
	broken := s.Prefix() + "/" + s.Manifest().Segments[0].Name
	store.Edit(broken, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	for _, again := range []map[string]bool{nil, {broken: true}} {
		report, err := r.Check(t.Context(), repository.CheckOptions{Again: again})
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Damage) != len(again) || report.Read != int64(len(again)) {
			t.Errorf("%d objects read again: %+v", len(again), report)
		}
	}
}

// TestCheckReadsASample: each segment is drawn by some seed, and damage in it found.
func TestCheckReadsASample(t *testing.T) {
	t.Parallel()
	k, store := keyring(t, alice), mem.New(mem.Options{})
	r := repo(t, store, k, conn, small)
	s := take(t, r, org(60))
	broken := s.Prefix() + "/" + s.Manifest().Segments[0].Name
	store.Edit(broken, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	found, missed := 0, 0
	for seed := range uint64(64) {
		report, err := r.Check(t.Context(), repository.CheckOptions{Sample: 0.25, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if report.Read >= report.Segments {
			t.Fatalf("seed %d: read %d of %d", seed, report.Read, report.Segments)
		}
		if len(report.Damage) == 1 && report.Damage[0].Object == broken {
			found++
		} else {
			missed++
		}
	}
	if found < 4 || missed < 24 {
		t.Errorf("of 64 samples of a quarter %d met the segment, %d did not", found, missed)
	}
	for _, sample := range []float64{-0.1, 1.1} {
		if _, err := r.Check(t.Context(), repository.CheckOptions{Sample: sample}); !problem.Is(err, problem.Invalid) {
			t.Errorf("sample %g: %v", sample, err)
		}
	}
}

// TestCheckTellsOfTheChain: a snapshot that was removed from between two is noticed, the
// newest one is not.
func TestCheckTellsOfTheChain(t *testing.T) {
	t.Parallel()
	k, store := keyring(t, alice), mem.New(mem.Options{})
	all := chain(t, repo(t, store, k, conn, small), 3)
	for i, want := range [][]string{all[1:2], all[2:3], all[3:4], nil} {
		without := store.Clone()
		r := repo(t, without, k, conn, small)
		if err := r.Forget(t.Context(), all[i]); err != nil {
			t.Fatal(err)
		}
		if report := check(t, r); !slices.Equal(report.Unchained, want) || len(report.Damage) != 0 {
			t.Errorf("without %s: %v unchained, want %v, %+v", all[i], report.Unchained, want, report.Damage)
		}
	}
	if report := check(t, repo(t, store, k, conn, small)); len(report.Unchained) != 0 {
		t.Errorf("the whole chain: %v unchained", report.Unchained)
	}
	store.Edit(all[1]+"/"+snapshot.ManifestName, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	if report := check(t, repo(t, store, k, conn, small)); len(report.Unchained) != 0 || len(report.Damage) != 1 {
		t.Errorf("after one that does not open: %v unchained, %+v", report.Unchained, report.Damage)
	}
}

// forgetting forgets a snapshot, and all that it stands on, once a segment of it is read.
type forgetting struct {
	*mem.Store
	prefix string
}

func (f forgetting) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	if strings.Contains(key, "/seg-") {
		for o, err := range f.Store.List(ctx, f.prefix) {
			if err := errors.Join(err, f.Delete(ctx, o.Key)); err != nil {
				return nil, err
			}
		}
	}
	return f.Store.Get(ctx, key, rng)
}

// TestCheckBesideForgetting: what was forgotten while it was looked at is no damage.
func TestCheckBesideForgetting(t *testing.T) {
	t.Parallel()
	k, store := keyring(t, alice), mem.New(mem.Options{})
	s := take(t, repo(t, store, k, conn, small), org(30))
	report := check(t, repo(t, forgetting{store, s.Prefix()}, k, conn, small))
	if len(report.Damage) != 0 {
		t.Errorf("%+v", report.Damage)
	}
}

func TestPlacesAndStats(t *testing.T) {
	t.Parallel()
	k, store := keyring(t, alice), mem.New(mem.Options{})
	if got, err := repository.Places(t.Context(), store, ""); err != nil || got != nil {
		t.Errorf("an empty store: %v and %v", got, err)
	}
	r := repo(t, store, k, conn, small)
	all := chain(t, r, 2)
	if err := repository.SaveKeyring(t.Context(), store, k); err != nil {
		t.Fatal(err)
	}
	want := []repository.Place{{Account: alice, Connection: conn}, {Account: alice}}
	for _, id := range []string{"", string(alice)} {
		got, err := repository.Places(t.Context(), store, account.ID(id))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("places of %q: %v and %v", id, got, err)
		}
	}
	stats, err := r.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	report := check(t, r)
	if stats.Full != 1 || stats.Incremental != 2 || stats.Segments != report.Segments || stats.Sealed != report.Bytes || stats.Rubbish != report.Rubbish || stats.Other == 0 {
		t.Errorf("%+v beside %+v", stats, report)
	}
	store.Edit(all[2]+"/"+snapshot.ManifestName, func(b []byte) []byte { return b[:len(b)-1] })
	if stats, err = r.Stats(t.Context()); err != nil || stats.Unreadable != 1 || stats.Rubbish != 0 {
		t.Errorf("with a broken manifest: %+v and %v", stats, err)
	}
}

// TestAnotherFormatIsTold: it is no damage, and the way out is another program.
func TestAnotherFormatIsTold(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"format":3}`, `{"format":3,"types":"elsewhere"}`} {
		if _, err := snapshot.DecodeManifest([]byte(text)); !errors.Is(err, snapshot.ErrFormat) {
			t.Errorf("manifest %s: %v", text, err)
		}
		if _, err := snapshot.DecodeList([]byte(text)); !errors.Is(err, snapshot.ErrFormat) {
			t.Errorf("list %s: %v", text, err)
		}
	}
	if _, err := snapshot.DecodeManifest([]byte(`[]`)); err == nil || errors.Is(err, snapshot.ErrFormat) {
		t.Errorf("no manifest at all: %v", err)
	}
}

// TestCheckComparesManifests: what two manifests tell of one segment is the same, also
// where its data is read for one of them alone.
func TestCheckComparesManifests(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*snapshot.Segment){
		"plain":      func(g *snapshot.Segment) { g.Plain++ },
		"layer":      func(g *snapshot.Segment) { g.Layer += 7 },
		"filter":     func(g *snapshot.Segment) { g.Filter = []byte{0, 1} },
		"tombstones": func(g *snapshot.Segment) { g.Tombstones++ },
		"first":      func(g *snapshot.Segment) { g.First.ID, g.Last.ID = "00u000004", "00u000004" },
	} {
		k, store := keyring(t, alice), mem.New(mem.Options{})
		r := repo(t, store, k, conn, small)
		all := chain(t, r, 2)
		manifest := all[2] + "/" + snapshot.ManifestName
		writer{t, r, store}.rewrite("manifest", manifest, func(text []byte) []byte {
			m := must(snapshot.DecodeManifest(text))
			i := slices.IndexFunc(m.Segments, func(g snapshot.Segment) bool { return strings.HasSuffix(all[1], "/"+g.Folder) })
			change(&m.Segments[i])
			return must(snapshot.EncodeManifest(m))
		})
		for _, data := range []bool{false, true} {
			report, err := r.Check(t.Context(), repository.CheckOptions{Data: data})
			if err != nil || !slices.ContainsFunc(report.Damage, func(d repository.Damage) bool {
				return d.Object == manifest && slices.Equal(d.Snapshots, all[2:]) && strings.Contains(d.What, "otherwise")
			}) {
				t.Errorf("%s, data %v: %+v, %v", what, data, report.Damage, err)
			}
		}
	}
}

// TestWalkComparesSegments: who reads a segment to its end has counted what is told of it.
func TestWalkComparesSegments(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*snapshot.Segment){
		"plain":      func(g *snapshot.Segment) { g.Plain++ },
		"tombstones": func(g *snapshot.Segment) { g.Tombstones++ },
		"last":       func(g *snapshot.Segment) { g.Last.ID += "x" },
		"filter":     func(g *snapshot.Segment) { g.Filter = []byte{0, 1} },
	} {
		k, store := keyring(t, alice), mem.New(mem.Options{})
		r := repo(t, store, k, conn, repository.Options{})
		all, _ := users(20)
		s := take(t, r, all)
		writer{t, r, store}.list(s, func(l *snapshot.List) { change(&l.Segments[0]) })
		s, err := r.Open(t.Context(), s.Prefix())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readBack(t.Context(), s); !errors.Is(err, repository.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
