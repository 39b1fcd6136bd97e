// Package repositorytest does to repositories what tests of their readers are about: what a
// program does with data keys, and somebody who has an old one.
package repositorytest

import (
	"bytes"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
)

// Rotate gives the keyring with another data key, which seals.
func Rotate(t testing.TB, ks envelope.KeyService, ring *envelope.Keyring) *envelope.Keyring {
	t.Helper()
	next, err := ring.Prepare(t.Context(), ks)
	must(t, err)
	next, err = next.Rotate(t.Context(), ks)
	must(t, err)
	return next
}

// Reseal seals a snapshot anew, and gives the digest that its manifest has then.
func Reseal(t testing.TB, store blob.Store, ring *envelope.Keyring, s *repository.Snapshot) string {
	t.Helper()
	done, err := open(t, store, ring, s).Resealing(time.Now()).Snapshot(t.Context(), repository.Known{Prefix: s.Prefix(), Digest: s.Digest()})
	must(t, err)
	if done.Digest == s.Digest() {
		t.Fatal("nothing of it lies under an older data key")
	}
	return done.Digest
}

// Forge puts another snapshot in the place of one: it opens, claims to be that one, sealed
// anew, and tells of an org that has nothing. The thief's keyring is one of before a rotation.
func Forge(t testing.TB, store blob.Store, thief *envelope.Keyring, s *repository.Snapshot) {
	t.Helper()
	elsewhere := mem.New(mem.Options{})
	m := s.Manifest()
	d, err := open(t, elsewhere, thief, s).Begin(m.ID, m.Started, nil)
	must(t, err)
	empty := snapshot.Manifest{Provider: m.Provider, Org: m.Org, Ended: m.Ended, LogCursor: m.LogCursor, Was: []string{s.Digest()}}
	for _, one := range m.Types {
		empty.Types = append(empty.Types, snapshot.TypeStatus{Type: one.Type})
	}
	_, err = d.Commit(t.Context(), empty)
	must(t, err)
	for o, err := range elsewhere.List(t.Context(), "") {
		must(t, err)
		object, err := blob.ReadAll(t.Context(), elsewhere, o.Key, o.Size)
		must(t, err)
		put(t, store, o.Key, object)
	}
	if _, err := open(t, store, thief, s).Open(t.Context(), s.Prefix()); err != nil {
		t.Fatalf("it does not open, which proves nothing: %v", err)
	}
}

// put puts an object, in the place of what is there.
func put(t testing.TB, store blob.Store, key string, object []byte) {
	t.Helper()
	replacer, ok := blob.As[blob.Replacer](store)
	if !ok {
		t.Fatal("the store cannot replace objects")
	}
	must(t, replacer.Replace(t.Context(), key, bytes.NewReader(object), int64(len(object))))
}

func open(t testing.TB, store blob.Store, ring *envelope.Keyring, s *repository.Snapshot) *repository.Repository {
	t.Helper()
	m := s.Manifest()
	r, err := repository.New(store, ring, account.ID(m.Account), account.ConnectionID(m.Connection), repository.Options{})
	must(t, err)
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
