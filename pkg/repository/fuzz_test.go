package repository_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"imago/pkg/blob/mem"
	"imago/pkg/snapshot"
)

// FuzzObjects puts anything in the place of a segment, a list or a manifest: nothing
// panics, and nothing that was not written comes out.
func FuzzObjects(f *testing.F) {
	store := mem.New(mem.Options{})
	k := keyring(f, alice)
	r := repo(f, store, k, conn, small)
	d, err := r.Begin(id, started, nil)
	if err != nil {
		f.Fatal(err)
	}
	all := org(10)
	addAll(f, d, all)
	m := commit(f, d)
	keys := []string{d.Prefix() + "/" + snapshot.ManifestName, d.Prefix() + "/" + m.Segments[0].Name}
	for o, err := range store.List(f.Context(), d.Prefix()+"/list-") {
		if err != nil {
			f.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	for i, key := range keys {
		store.Edit(key, func(b []byte) []byte {
			f.Add(uint8(i), bytes.Clone(b))
			return b
		})
	}
	want := map[string]bool{}
	for _, line := range lines(all) {
		want[line] = true
	}
	f.Fuzz(func(t *testing.T, which uint8, object []byte) {
		spoiled := store.Clone()
		spoiled.Edit(keys[int(which)%len(keys)], func([]byte) []byte { return object })
		s, err := repo(t, spoiled, k, conn, small).Open(t.Context(), d.Prefix())
		if err != nil {
			return
		}
		got, err := readBack(t.Context(), s)
		if err == nil && len(got) != len(all) {
			t.Errorf("%d resources, want %d", len(got), len(all))
		}
		for _, line := range lines(got) {
			if !want[line] {
				t.Errorf("%s came out", line)
			}
		}
	})
}

// FuzzState resumes drafts from anything.
func FuzzState(f *testing.F) {
	r := repo(f, mem.New(mem.Options{}), keyring(f, alice), conn, small)
	d, err := r.Begin(id, started, nil)
	if err != nil {
		f.Fatal(err)
	}
	addAll(f, d, org(10))
	if err := d.Flush(f.Context()); err != nil {
		f.Fatal(err)
	}
	state, err := d.State()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state)
	f.Add([]byte(`{"format":2,"held":{},"added":{},"seen":{"":{"seg":"AAAA"}}}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		d, err := r.Resume(t.Context(), state)
		if err != nil || !json.Valid(state) {
			return
		}
		if _, err := d.State(); err != nil {
			t.Errorf("resumed, and has no state: %v", err)
		}
	})
}
