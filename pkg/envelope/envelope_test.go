package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
)

const (
	alice account.ID = "0b6a9f0e-0000-7000-8000-00000000000a"
	bob   account.ID = "0b6a9f0e-0000-7000-8000-00000000000b"
)

func service(t testing.TB) envelope.KeyService {
	t.Helper()
	ks, err := local.Create(filepath.Join(t.TempDir(), "master"), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func keyring(t testing.TB, ks envelope.KeyService, id account.ID) *envelope.Keyring {
	t.Helper()
	k, err := envelope.NewKeyring(t.Context(), ks, id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOpenKeyring(t *testing.T) {
	t.Parallel()
	ks := service(t)
	wrapped := keyring(t, ks, alice).Wrapped()
	if _, err := envelope.OpenKeyring(t.Context(), ks, bob, wrapped); !errors.Is(err, envelope.ErrOtherAccount) {
		t.Errorf("another account's: %v", err)
	}
	renamed := bytes.ReplaceAll(wrapped, []byte(alice), []byte(bob))
	if _, err := envelope.OpenKeyring(t.Context(), ks, bob, renamed); !errors.Is(err, envelope.ErrNotOpened) {
		t.Errorf("another account's under this one's name: %v", err)
	}
	if _, err := envelope.OpenKeyring(t.Context(), service(t), alice, wrapped); !errors.Is(err, envelope.ErrNotOpened) {
		t.Errorf("under another master key: %v", err)
	}
	for _, bad := range []string{"", "{}", "null", `{"format":2}`, string(wrapped[:len(wrapped)/2])} {
		if _, err := envelope.OpenKeyring(t.Context(), ks, alice, []byte(bad)); err == nil {
			t.Errorf("opened %q", bad)
		}
	}
	if _, err := envelope.NewKeyring(t.Context(), ks, ""); err == nil {
		t.Error("a keyring of no account")
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	ks := service(t)
	first := keyring(t, ks, alice)
	object, column := sealBoth(t, first)
	second, err := first.Rotate(t.Context(), ks)
	if err != nil {
		t.Fatal(err)
	}
	other := service(t)
	moved, err := second.Rewrap(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	third, err := envelope.OpenKeyring(t.Context(), other, alice, moved.Wrapped())
	if err != nil {
		t.Fatal(err)
	}
	if got := third.Versions(); third.Current() != 2 || len(got) != 2 {
		t.Errorf("current %d of %v", third.Current(), got)
	}
	wantsBoth(t, third, object, column)
	if !bytes.Equal(first.Digest("d", []byte("x")), third.Digest("d", []byte("x"))) {
		t.Error("rotation changed the digests")
	}
	object, column = sealBoth(t, third)
	if v, err := envelope.ColumnVersion(column); err != nil || v != 2 {
		t.Errorf("sealed under %d, %v", v, err)
	}
	if _, err := first.OpenObject("p", "n", object); !errors.Is(err, envelope.ErrNoKey) {
		t.Errorf("the old keyring on a new object: %v", err)
	}
	if _, err := first.OpenColumn("t", "c", "r", column); !errors.Is(err, envelope.ErrNoKey) {
		t.Errorf("the old keyring on a new column: %v", err)
	}
}

// TestPrepare: a key that is prepared seals nothing yet, so that who still has the keyring
// of before opens all that is sealed; who has the prepared one opens what comes after.
func TestPrepare(t *testing.T) {
	t.Parallel()
	ks := service(t)
	first := keyring(t, ks, alice)
	prepared, err := first.Prepare(t.Context(), ks)
	if err != nil {
		t.Fatal(err)
	}
	if prepared, err = envelope.OpenKeyring(t.Context(), ks, alice, prepared.Wrapped()); err != nil {
		t.Fatal(err)
	}
	if first.Prepared() || !prepared.Prepared() || prepared.Current() != 1 || len(prepared.Versions()) != 2 {
		t.Errorf("prepared: %d of %v", prepared.Current(), prepared.Versions())
	}
	object, column := sealBoth(t, prepared)
	wantsBoth(t, first, object, column)
	if prepared, err = prepared.Prepare(t.Context(), ks); err != nil || len(prepared.Versions()) != 2 {
		t.Errorf("prepared twice: %v, %v", prepared.Versions(), err)
	}
	rotated, err := prepared.Rotate(t.Context(), ks)
	if err != nil {
		t.Fatal(err)
	}
	if rotated.Prepared() || rotated.Current() != 2 || len(rotated.Versions()) != 2 {
		t.Errorf("rotated: %d of %v", rotated.Current(), rotated.Versions())
	}
	object, column = sealBoth(t, rotated)
	wantsBoth(t, prepared, object, column)
}

func sealBoth(t *testing.T, k *envelope.Keyring) (object, column []byte) {
	t.Helper()
	object, err := k.SealObject("p", "n", []byte("object"))
	if err != nil {
		t.Fatal(err)
	}
	column, err = k.SealColumn("t", "c", "r", []byte("column"))
	if err != nil {
		t.Fatal(err)
	}
	return object, column
}

func wantsBoth(t *testing.T, k *envelope.Keyring, object, column []byte) {
	t.Helper()
	if got, err := k.OpenObject("p", "n", object); err != nil || string(got) != "object" {
		t.Errorf("object: %q, %v", got, err)
	}
	if got, err := k.OpenColumn("t", "c", "r", column); err != nil || string(got) != "column" {
		t.Errorf("column: %q, %v", got, err)
	}
}

func TestObjectIsBoundToItsPlace(t *testing.T) {
	t.Parallel()
	ks := service(t)
	k := keyring(t, ks, alice)
	object, _ := sealBoth(t, k)
	for _, place := range []struct {
		k             *envelope.Keyring
		purpose, name string
	}{{k, "q", "n"}, {k, "p", "m"}, {k, "p", ""}, {keyring(t, ks, bob), "p", "n"}, {keyring(t, ks, alice), "p", "n"}} {
		if got, err := place.k.OpenObject(place.purpose, place.name, object); !errors.Is(err, envelope.ErrNotOpened) {
			t.Errorf("%s %s: %q, %v", place.purpose, place.name, got, err)
		}
	}
}

func TestColumnIsBoundToItsPlace(t *testing.T) {
	t.Parallel()
	ks := service(t)
	k := keyring(t, ks, alice)
	_, sealed := sealBoth(t, k)
	for _, place := range [][3]string{{"t", "c", "s"}, {"t", "d", "r"}, {"u", "c", "r"}, {"t", "c,1:r", ""}, {"", "", ""}} {
		if got, err := k.OpenColumn(place[0], place[1], place[2], sealed); !errors.Is(err, envelope.ErrNotOpened) {
			t.Errorf("%v: %q, %v", place, got, err)
		}
	}
	if _, err := keyring(t, ks, bob).OpenColumn("t", "c", "r", sealed); !errors.Is(err, envelope.ErrNotOpened) {
		t.Errorf("another account: %v", err)
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 0x80
		if got, err := k.OpenColumn("t", "c", "r", altered); err == nil {
			t.Errorf("byte %d altered: %q", i, got)
		}
		if got, err := k.OpenColumn("t", "c", "r", sealed[:i]); err == nil {
			t.Errorf("cut at %d: %q", i, got)
		}
	}
}

func TestChunks(t *testing.T) {
	t.Parallel()
	k := keyring(t, service(t), alice)
	s, err := k.NewSealer("p", "n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bytes(); err == nil {
		t.Error("an object without its last chunk")
	}
	want := [][]byte{[]byte("first"), {}, bytes.Repeat([]byte("x"), 70000), []byte("last")}
	for i, c := range want {
		if err := s.Chunk(c, i == len(want)-1); err != nil {
			t.Fatal(err)
		}
	}
	if s.Chunk(nil, true) == nil {
		t.Error("a chunk after the last one")
	}
	object, err := s.Bytes()
	if err != nil || s.Len() != len(object) {
		t.Fatal(err)
	}
	if got, err := openChunks(k, object); err != nil || !bytes.Equal(got, bytes.Join(want, nil)) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := k.OpenObject("p", "n", object); !errors.Is(err, envelope.ErrNotOpened) {
		t.Errorf("several chunks in the place of one: %v", err)
	}
	tamper(t, k, object)
}

// openChunks opens a whole object of any number of chunks.
func openChunks(k *envelope.Keyring, object []byte) (plain []byte, err error) {
	o, err := k.NewOpener("p", "n", object)
	if err != nil {
		return nil, err
	}
	spans, err := envelope.Chunks(object)
	if err != nil {
		return nil, err
	}
	for i, s := range spans {
		chunk, err := o.Chunk(i, i == len(spans)-1, object[s.Offset:s.Offset+s.Length])
		if err != nil {
			return nil, err
		}
		plain = append(plain, chunk...)
	}
	return plain, nil
}

// tamper changes an object in every way that needs no key.
func tamper(t *testing.T, k *envelope.Keyring, object []byte) {
	t.Helper()
	spans, err := envelope.Chunks(object)
	if err != nil {
		t.Fatal(err)
	}
	with := func(i int) []byte { // a chunk with its length
		return object[spans[i].Offset-4 : spans[i].Offset+spans[i].Length]
	}
	head := object[:spans[0].Offset-4]
	altered := map[string][]byte{
		"nothing":          {},
		"header alone":     head,
		"swapped chunks":   bytes.Join([][]byte{head, with(1), with(0), with(2), with(3)}, nil),
		"left out":         bytes.Join([][]byte{head, with(0), with(2), with(3)}, nil),
		"cut after a part": bytes.Join([][]byte{head, with(0), with(1)}, nil),
		"doubled":          bytes.Join([][]byte{head, with(0), with(0), with(1), with(2), with(3)}, nil),
		"one more":         bytes.Join([][]byte{object, with(3)}, nil),
		"a byte more":      append(bytes.Clone(object), 0),
	}
	for i := 0; i < len(object); i += 1 + i/200 {
		flipped := bytes.Clone(object)
		flipped[i] ^= 1
		altered[fmt.Sprint("byte ", i)] = flipped
		altered[fmt.Sprint("cut at ", i)] = object[:i]
	}
	for what, o := range altered {
		if _, err := openChunks(k, o); err == nil {
			t.Errorf("%s: opened", what)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	ks := service(t)
	k := keyring(t, ks, alice)
	base := k.Digest("p", []byte("ab"), []byte("c"))
	for what, other := range map[string][]byte{
		"other cut":     k.Digest("p", []byte("a"), []byte("bc")),
		"other purpose": k.Digest("q", []byte("ab"), []byte("c")),
		"other account": keyring(t, ks, bob).Digest("p", []byte("ab"), []byte("c")),
		"one part":      k.Digest("p", []byte("abc")),
	} {
		if bytes.Equal(base, other) {
			t.Errorf("%s: equal", what)
		}
	}
	if !bytes.Equal(base, k.Digest("p", []byte("ab"), []byte("c"))) {
		t.Error("two digests of the same differ")
	}
}

func TestBox(t *testing.T) {
	t.Parallel()
	key, err := envelope.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := envelope.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := envelope.ParsePublicKey(key.PublicKey().String())
	if err != nil {
		t.Fatal(err)
	}
	box, err := public.Seal([]byte("account 1"), []byte("credential"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := key.Open([]byte("account 1"), box); err != nil || string(got) != "credential" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := key.Open([]byte("account 2"), box); !errors.Is(err, envelope.ErrNotOpened) {
		t.Errorf("for another account: %v", err)
	}
	if _, err := other.Open([]byte("account 1"), box); !errors.Is(err, envelope.ErrNoKey) {
		t.Errorf("by another key: %v", err)
	}
	for i := range box {
		altered := bytes.Clone(box)
		altered[i] ^= 1
		if got, err := key.Open([]byte("account 1"), altered); err == nil {
			t.Errorf("byte %d altered: %q", i, got)
		}
		if got, err := key.Open([]byte("account 1"), box[:i]); err == nil {
			t.Errorf("cut at %d: %q", i, got)
		}
	}
	for _, bad := range []string{"", "x", "imago-box-public-1:", "imago-box-public-1:AAAA", "imago-box-private-1:AAAA"} {
		if _, err := envelope.ParsePublicKey(bad); err == nil {
			t.Errorf("read %q as a public key", bad)
		}
		if _, err := envelope.ParsePrivateKey(bad); err == nil {
			t.Errorf("read %q as a private key", bad)
		}
	}
}

func TestKeysDoNotShow(t *testing.T) {
	t.Parallel()
	key, err := envelope.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []any{key, keyring(t, service(t), alice)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, secret); got != "sealed" {
				t.Errorf("%s of %T shows %s", verb, secret, got)
			}
		}
	}
}
