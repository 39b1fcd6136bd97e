package repository_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
)

// writer is one that has the keys and writes what is not so.
type writer struct {
	t     *testing.T
	r     *repository.Repository
	store *mem.Store
}

// rewrite changes the text that an object holds, and gives the new object's size and sum.
func (w writer) rewrite(purpose, key string, change func(text []byte) []byte) (int64, string) {
	w.t.Helper()
	object, err := blob.ReadAll(w.t.Context(), w.store, key, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	name := snapshot.SealedName(alice, key)
	packed, err := repository.Keys(w.r).OpenObject(purpose, name, object)
	if err != nil {
		w.t.Fatal(err)
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer dec.Close()
	text, err := dec.DecodeAll(packed, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false))
	if err != nil {
		w.t.Fatal(err)
	}
	object, err = repository.Keys(w.r).SealObject(purpose, name, enc.EncodeAll(change(text), nil))
	if err != nil {
		w.t.Fatal(err)
	}
	w.store.Edit(key, func([]byte) []byte { return object })
	sum := sha256.Sum256(object)
	return int64(len(object)), hex.EncodeToString(sum[:])
}

// list changes the list of a full snapshot, and what its manifest says of that.
func (w writer) list(s *repository.Snapshot, change func(*snapshot.List)) {
	w.t.Helper()
	manifest := s.Prefix() + "/" + snapshot.ManifestName
	w.rewrite("manifest", manifest, func(text []byte) []byte {
		m := must(snapshot.DecodeManifest(text))
		m.List.Bytes, m.List.SHA256 = w.rewrite("list", s.Prefix()+"/"+m.List.Name, func(text []byte) []byte {
			l := must(snapshot.DecodeList(text))
			change(&l)
			return must(snapshot.EncodeList(l))
		})
		return must(snapshot.EncodeManifest(m))
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// wrongly tells whether a check names digests that are not those of the records.
func wrongly(t *testing.T, r *repository.Repository, o repository.CheckOptions) bool {
	t.Helper()
	report, err := r.Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range report.Damage {
		if strings.Contains(d.What, "not those that") {
			return true
		}
	}
	return false
}

// TestCheckProvesDigests: a digest that its writer computed wrongly is found by who
// computes all anew, and, where nothing else gives it away, by some of those that compute
// an eighth.
func TestCheckProvesDigests(t *testing.T) {
	t.Parallel()
	one := snapshot.Digest{31: 1}
	for _, c := range []struct {
		what   string
		change func(*snapshot.List)
		always bool // found without computing any
	}{
		{"of a type alone", func(l *snapshot.List) { l.Types[0].Digest.Add(one) }, true},
		{"of a segment alone", func(l *snapshot.List) { l.Segments[0].Digest.Add(one); l.Segments[0].Chunks = nil }, true},
		{"how many objects", func(l *snapshot.List) { l.Types[0].Objects++ }, true},
		{"of a type and a segment of another", func(l *snapshot.List) {
			l.Types[0].Digest.Add(one)
			l.Segments[len(l.Segments)-1].Digest.Add(one)
		}, false},
	} {
		k, store := keyring(t, alice), mem.New(mem.Options{})
		r := repo(t, store, k, conn, repository.Options{SegmentPlain: 2000, Chunk: 2000})
		s := take(t, r, org(60))
		for seed := range uint64(16) {
			if wrongly(t, r, repository.CheckOptions{Data: true, Seed: seed}) {
				t.Fatal("damage is told where there is none")
			}
		}
		writer{t, r, store}.list(s, c.change)
		if !wrongly(t, r, repository.CheckOptions{Data: true, Records: true}) {
			t.Errorf("%s: not found", c.what)
		}
		found := 0
		for seed := range uint64(32) {
			if wrongly(t, r, repository.CheckOptions{Data: true, Seed: seed}) {
				found++
			}
		}
		if c.always && found < 32 || found == 0 {
			t.Errorf("%s: found %d times of 32", c.what, found)
		}
	}
}
