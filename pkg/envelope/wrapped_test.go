package envelope_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/envelope/envelopetest"
	"imago/pkg/envelope/local"
)

// What every form of the stored keyring in testdata opens, and was sealed by the first.
const vectorDigest = "039c54c7f1887fe5f653c119f287e6389a8fb95ddd8329efcdd2327f5d6e754b"

func fixed(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fixedService has the master key of testdata, which is in a repository for everybody to see.
func fixedService(t testing.TB) envelope.KeyService {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.keys")
	if err := os.WriteFile(path, fixed(t, "master.keys"), 0o600); err != nil {
		t.Fatal(err)
	}
	ks, err := local.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func wantsVector(t *testing.T, k *envelope.Keyring) {
	t.Helper()
	if got, err := k.OpenObject("purpose", "name", fixed(t, "object")); err != nil || string(got) != "content" {
		t.Errorf("object: %q, %v", got, err)
	}
	if got := hex.EncodeToString(k.Digest("purpose", []byte("content"))); got != vectorDigest {
		t.Errorf("digest %s", got)
	}
	if got := k.Versions(); !slices.Equal(got, []uint32{1, 2}) {
		t.Errorf("versions %v", got)
	}
}

func TestEveryStoredFormOpens(t *testing.T) {
	t.Parallel()
	ks := fixedService(t)
	for name, want := range map[string]envelope.Wrapping{
		"keyring-1.json": {Version: 2},
		"keyring-2.json": {Version: 2, Number: 7, By: ks.Name()},
	} {
		stored := fixed(t, name)
		if got := envelope.WrappingOf(stored); got != want {
			t.Errorf("%s says %+v, want %+v", name, got, want)
		}
		k, err := envelope.OpenKeyring(t.Context(), ks, alice, stored)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantsVector(t, k)
		again, err := k.Rewrap(t.Context(), ks)
		if err != nil {
			t.Fatal(err)
		}
		if got := envelope.WrappingOf(again.Wrapped()); got != (envelope.Wrapping{Version: 2, Number: want.Number + 1, By: ks.Name()}) {
			t.Errorf("%s wrapped anew says %+v", name, got)
		}
		if again, err = envelope.OpenKeyring(t.Context(), ks, alice, again.Wrapped()); err != nil {
			t.Fatalf("%s wrapped anew: %v", name, err)
		}
		wantsVector(t, again)
	}
}

// TestWrappingIsBound: what stands in clear, told wrongly, does not open; and of two
// keyrings of one account no third one can be made.
func TestWrappingIsBound(t *testing.T) {
	t.Parallel()
	ks := fixedService(t)
	stored := fixed(t, "keyring-2.json")
	for _, c := range [][2]string{
		{`"current":2,`, ``}, {`"current":2,`, `"current":1,`}, {`"current":2,`, `"current":3,`}, {`"current":2,`, `"current":0,`},
		{`"wrapping":7,`, ``}, {`"wrapping":7,`, `"wrapping":8,`}, {`"by":"local`, `"by":"locas`},
	} {
		altered := bytes.Replace(stored, []byte(c[0]), []byte(c[1]), 1)
		if bytes.Equal(altered, stored) {
			t.Fatalf("there is no %s", c[0])
		}
		if _, err := envelope.OpenKeyring(t.Context(), ks, alice, altered); !errors.Is(err, envelope.ErrNotOpened) {
			t.Errorf("%s in the place of %s: %v", c[1], c[0], err)
		}
	}
	if _, err := envelope.OpenKeyring(t.Context(), ks, alice, bytes.Replace(fixed(t, "keyring-1.json"), []byte(`"current":2`), []byte(`"current":1`), 1)); !errors.Is(err, envelope.ErrNotOpened) {
		t.Errorf("format 1 that tells another version: %v", err)
	}
	other, err := keyring(t, ks, alice).Rotate(t.Context(), ks)
	if err != nil {
		t.Fatal(err)
	}
	keys := func(wrapped []byte) []byte { return wrapped[bytes.Index(wrapped, []byte(`"keys"`)):] }
	mixed := bytes.Replace(other.Wrapped(), keys(other.Wrapped()), keys(bytes.TrimSpace(stored)), 1)
	if _, err := envelope.OpenKeyring(t.Context(), ks, alice, mixed); !errors.Is(err, envelope.ErrNotOpened) {
		t.Errorf("put together of two: %v", err)
	}
}

func TestWrappingBefore(t *testing.T) {
	t.Parallel()
	ks := service(t)
	first := keyring(t, ks, alice)
	moved, err := first.Rewrap(t.Context(), ks)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := moved.Rotate(t.Context(), ks)
	if err != nil {
		t.Fatal(err)
	}
	rising := [][]byte{[]byte("no keyring"), first.Wrapped(), moved.Wrapped(), rotated.Wrapped()}
	for i, a := range rising {
		for j, b := range rising {
			if got := envelope.WrappingOf(a).Before(envelope.WrappingOf(b)); got != (i < j) {
				t.Errorf("%d before %d: %t", i, j, got)
			}
		}
	}
}

// TestManyVersions: a key service wraps 4,096 bytes, and 112 versions were the end of it.
func TestManyVersions(t *testing.T) {
	t.Parallel()
	ks := service(t)
	k := keyring(t, ks, alice)
	object, column := sealBoth(t, k)
	for range 300 {
		next, err := k.Rotate(t.Context(), ks)
		if err != nil {
			t.Fatal(err)
		}
		k = next
	}
	again, err := envelope.OpenKeyring(t.Context(), ks, alice, k.Wrapped())
	if err != nil {
		t.Fatal(err)
	}
	if got := len(again.Versions()); got != 301 || again.Current() != 301 {
		t.Errorf("%d versions, the last is %d", got, again.Current())
	}
	wantsBoth(t, again, object, column)
}

// away is a key service that opens nothing, and says why.
type away struct {
	envelope.KeyService
	err error
}

func (a away) Unwrap(context.Context, account.ID, []byte) ([]byte, error) { return nil, a.err }

func TestMoving(t *testing.T) {
	t.Parallel()
	older, old, next := service(t), service(t), service(t)
	moving := envelope.Moving{To: next, From: []envelope.KeyService{old, older}}
	envelopetest.Run(t, moving)
	for _, ks := range []envelope.KeyService{older, old, next} {
		k := keyring(t, ks, alice)
		if _, err := envelope.OpenKeyring(t.Context(), moving, alice, k.Wrapped()); err != nil {
			t.Errorf("wrapped by %s: %v", ks.Name(), err)
		}
	}
	moved, err := keyring(t, old, alice).Rewrap(t.Context(), moving)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envelope.OpenKeyring(t.Context(), next, alice, moved.Wrapped()); err != nil || envelope.WrappingOf(moved.Wrapped()).By != next.Name() {
		t.Errorf("moved to %s: %v", envelope.WrappingOf(moved.Wrapped()).By, err)
	}
	moving.To = away{next, fmt.Errorf("port closed: %w", envelope.ErrUnavailable)}
	if _, err := envelope.OpenKeyring(t.Context(), moving, alice, keyring(t, old, alice).Wrapped()); err != nil {
		t.Errorf("the next service is away, but the old one is not: %v", err)
	}
	_, err = envelope.OpenKeyring(t.Context(), moving, alice, keyring(t, service(t), alice).Wrapped())
	if !errors.Is(err, envelope.ErrUnavailable) || errors.Is(err, envelope.ErrNotOpened) || !strings.Contains(err.Error(), "port closed") || !strings.Contains(err.Error(), "does not open") {
		t.Errorf("nobody opens it, and one cannot be asked: %v", err)
	}
	moving.To = next
	if _, err = envelope.OpenKeyring(t.Context(), moving, alice, keyring(t, service(t), alice).Wrapped()); !errors.Is(err, envelope.ErrNotOpened) {
		t.Errorf("nobody opens it: %v", err)
	}
}

// TestMovingAsksWhoWrapped: where the next service is a black hole, each keyring that it has
// not wrapped would wait for it.
func TestMovingAsksWhoWrapped(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master.keys")
	old, err := local.Create(path, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	before := keyring(t, old, alice)
	rotated, err := old.Rotate(time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	hole := &asked{KeyService: service(t)}
	moving := envelope.Moving{To: hole, From: []envelope.KeyService{service(t), rotated}}
	for _, k := range []*envelope.Keyring{before, keyring(t, rotated, alice)} {
		if _, err := envelope.OpenKeyring(t.Context(), moving, alice, k.Wrapped()); err != nil || hole.n != 0 {
			t.Errorf("wrapped by %s: %v, and the next was asked %d times", envelope.WrappingOf(k.Wrapped()).By, err, hole.n)
		}
	}
	if _, err := envelope.OpenKeyring(t.Context(), moving, alice, keyring(t, hole, alice).Wrapped()); err != nil || hole.n != 1 {
		t.Errorf("wrapped by the next: %v, and it was asked %d times", err, hole.n)
	}
}

// asked counts how often a key service is asked to open something.
type asked struct {
	envelope.KeyService
	n int
}

func (a *asked) Unwrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error) {
	a.n++
	return a.KeyService.Unwrap(ctx, id, wrapped)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	ks := service(t)
	if err := envelope.Check(t.Context(), ks); err != nil {
		t.Error(err)
	}
	if err := envelope.Check(t.Context(), away{ks, envelope.ErrRefused}); !errors.Is(err, envelope.ErrRefused) {
		t.Error(err)
	}
	if err := envelope.Check(t.Context(), away{ks, nil}); !errors.Is(err, envelope.ErrRefused) {
		t.Errorf("unwrapped to something else: %v", err)
	}
}

func FuzzOpenKeyring(f *testing.F) {
	ks := fixedService(f)
	for _, name := range []string{"keyring-1.json", "keyring-2.json"} {
		f.Add(fixed(f, name))
	}
	f.Add([]byte(`{"format":2,"account":"` + string(alice) + `","key":"AAAA","keys":""}`))
	f.Fuzz(func(t *testing.T, stored []byte) {
		k, err := envelope.OpenKeyring(t.Context(), ks, alice, stored)
		if err != nil {
			return
		}
		if got, err := k.OpenObject("purpose", "name", fixed(t, "object")); err != nil || string(got) != "content" {
			t.Errorf("a keyring opened that nobody wrapped: %s", stored)
		}
	})
}

// TestRetire: a retired key opens no object, and still the columns; nobody takes that back
// by what stands in clear, and what comes after keeps to it.
func TestRetire(t *testing.T) {
	t.Parallel()
	ks := fixedService(t)
	k, err := envelope.OpenKeyring(t.Context(), ks, alice, fixed(t, "keyring-1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if k, err = k.Rotate(t.Context(), ks); err != nil {
		t.Fatal(err)
	}
	column, err := k.SealColumn("table", "column", "row", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if k, err = k.Rotate(t.Context(), ks); err != nil {
		t.Fatal(err)
	}
	if k, err = k.Retire(t.Context(), ks); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(context.Context, envelope.KeyService) (*envelope.Keyring, error){
		"retired": k.Rewrap, "prepared after it": k.Prepare, "rotated after it": k.Rotate,
	} {
		next, err := change(t.Context(), ks)
		if err != nil {
			t.Fatal(err)
		}
		if next, err = envelope.OpenKeyring(t.Context(), ks, alice, next.Wrapped()); err != nil || next.Oldest() != 4 {
			t.Fatalf("%s: %v, from key %d on", name, err, next.Oldest())
		}
		if got, err := next.OpenColumn("table", "column", "row", column); err != nil || string(got) != "plain" {
			t.Errorf("%s: column: %q, %v", name, got, err)
		}
		if _, err := next.OpenObject("purpose", "name", fixed(t, "object")); !errors.Is(err, envelope.ErrRetired) {
			t.Errorf("%s: object: %v", name, err)
		}
	}
	for _, c := range [][2]string{
		{`"oldest":4,`, ``}, {`"oldest":4,`, `"oldest":1,`}, {`"oldest":4,`, `"oldest":5,`}, {`"format":3,`, `"format":2,`}, {`"format":3,`, `"format":4,`},
	} {
		altered := bytes.Replace(k.Wrapped(), []byte(c[0]), []byte(c[1]), 1)
		if bytes.Equal(altered, k.Wrapped()) {
			t.Fatalf("there is no %s in %s", c[0], k.Wrapped())
		}
		if _, err := envelope.OpenKeyring(t.Context(), ks, alice, altered); err == nil {
			t.Errorf("%s in the place of %s opens", c[1], c[0])
		}
	}
}

// TestResealer: it seals alike what is alike, and under other keys what is not.
func TestResealer(t *testing.T) {
	t.Parallel()
	k, err := envelope.OpenKeyring(t.Context(), fixedService(t), alice, fixed(t, "keyring-2.json"))
	if err != nil {
		t.Fatal(err)
	}
	seal := func(purpose, name, plain string) []byte {
		s, err := k.NewResealer(purpose, name, sha256.Sum256([]byte(plain)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Chunk([]byte(plain), true); err != nil {
			t.Fatal(err)
		}
		object, err := s.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.OpenObject(purpose, name, object); err != nil || string(got) != plain {
			t.Fatalf("opened %q, %v", got, err)
		}
		return object
	}
	first := seal("segment", "a", "plain")
	if !bytes.Equal(first, seal("segment", "a", "plain")) {
		t.Error("sealed twice, and not alike")
	}
	for _, c := range [][3]string{{"list", "a", "plain"}, {"segment", "b", "plain"}, {"segment", "a", "other"}} {
		if salt := envelope.HeadSize; bytes.Equal(first[:salt], seal(c[0], c[1], c[2])[:salt]) {
			t.Errorf("%v is sealed under the key of another object", c)
		}
	}
}
