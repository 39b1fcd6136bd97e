package local_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imago/pkg/envelope"
	"imago/pkg/envelope/envelopetest"
	"imago/pkg/envelope/local"
	"imago/pkg/problem"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func create(t *testing.T, path string) *local.KeyService {
	t.Helper()
	ks, err := local.Create(path, now)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func TestKeyService(t *testing.T) {
	t.Parallel()
	envelopetest.Run(t, create(t, filepath.Join(t.TempDir(), "master")))
}

func TestRotate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master")
	first := create(t, path)
	old, err := first.Wrap(t.Context(), "a", []byte("old"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := first.Rotate(now)
	if err != nil {
		t.Fatal(err)
	}
	envelopetest.Run(t, second)
	reopened, err := local.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if reopened.Version() != 2 {
		t.Errorf("the file's newest key is %d", reopened.Version())
	}
	if got, err := reopened.Unwrap(t.Context(), "a", old); err != nil || string(got) != "old" {
		t.Errorf("what the old key wrapped: %q, %v", got, err)
	}
	young, err := second.Wrap(t.Context(), "a", []byte("young"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Unwrap(t.Context(), "a", young); !errors.Is(err, envelope.ErrNoKey) {
		t.Errorf("a key from the future: %v", err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "master")
	create(t, path)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if _, err := local.Create(path, now); !problem.Is(err, problem.Conflict) {
		t.Errorf("created over another: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("a refused create changed the file: %v", err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := local.Open(path); !problem.Is(err, problem.Denied) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if _, err := local.Open(filepath.Join(dir, "none")); !problem.Is(err, problem.NotFound) {
		t.Errorf("absent: %v", err)
	}
	if _, err := local.Open(dir); problem.Of(err) == nil {
		t.Errorf("a folder: %v", err)
	}
	for name, text := range map[string]string{
		"text": "no json", "empty": `{"format":1}`, "future": `{"format":2,"keys":[]}`,
		"short": `{"format":1,"keys":[{"version":1,"key":"AAAA"}]}`,
		"gap":   `{"format":1,"keys":[{"version":2,"key":"` + strings.Repeat("A", 43) + `="}]}`,
	} {
		bad := filepath.Join(dir, name)
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := local.Open(bad); !problem.Is(err, problem.Invalid) || problem.Of(err).Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".imago-key-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

func TestExists(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master")
	for _, want := range []bool{false, true} {
		if got, err := local.Exists(path); err != nil || got != want {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
		if !want {
			create(t, path)
		}
	}
}

func TestKeysDoNotShow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master")
	ks := create(t, path)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, ks); got != "master keys in "+path {
			t.Errorf("%s shows %s", verb, got)
		}
	}
}

func TestBoxKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := envelope.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	private, public := filepath.Join(dir, "box"), filepath.Join(dir, "box.pub")
	if err := local.WriteBoxKey(private, key); err != nil {
		t.Fatal(err)
	}
	if err := local.WritePublicKey(public, key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	seals, err := local.ReadPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	opens, err := local.ReadBoxKey(private)
	if err != nil {
		t.Fatal(err)
	}
	box, err := seals.Seal([]byte("aad"), []byte("credential"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := opens.Open([]byte("aad"), box); err != nil || string(got) != "credential" {
		t.Errorf("%q, %v", got, err)
	}
	if err := local.WriteBoxKey(private, key); !problem.Is(err, problem.Conflict) {
		t.Errorf("over another: %v", err)
	}
	if _, err := local.ReadBoxKey(public); !problem.Is(err, problem.Denied) {
		t.Errorf("a public file as the private one: %v", err)
	}
	if _, err := local.ReadPublicKey(private); !problem.Is(err, problem.Invalid) {
		t.Errorf("the private file as the public one: %v", err)
	}
	if err := os.Chmod(public, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := local.ReadPublicKey(public); !problem.Is(err, problem.Denied) {
		t.Errorf("a public key that everybody may change: %v", err)
	}
}

// TestRotationKeepsOthers: a rotation by who opened the file earlier must not lose
// the key that another rotation added since, and all that it wraps.
func TestRotationKeepsOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master")
	first := create(t, path)
	second, err := local.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := first.Rotate(now)
	if err != nil {
		t.Fatal(err)
	}
	const id = "0b6a9f0e-0000-7000-8000-00000000000a"
	wrapped, err := rotated.Wrap(t.Context(), id, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Rotate(now); !problem.Is(err, problem.Conflict) {
		t.Errorf("a stale rotation: %v", err)
	}
	again, err := local.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Unwrap(t.Context(), id, wrapped); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestRotationsAtOnce: of those that begin with the same file one adds its key, and the
// others say that they did not.
func TestRotationsAtOnce(t *testing.T) {
	t.Parallel()
	const programs = 8
	for range 20 {
		path := filepath.Join(t.TempDir(), "master")
		create(t, path)
		var all []*local.KeyService
		for range programs {
			ks, err := local.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, ks)
		}
		errs := make(chan error, programs)
		for _, ks := range all {
			go func() {
				_, err := ks.Rotate(now)
				errs <- err
			}()
		}
		added := 0
		for range programs {
			if err := <-errs; err == nil {
				added++
			} else if !problem.Is(err, problem.Conflict) {
				t.Error(err)
			}
		}
		if stands, err := local.Open(path); err != nil || added != 1 || stands.Version() != 2 {
			t.Fatalf("%d added a key, and %v has %d: %v", added, stands, stands.Version(), err)
		}
	}
}

// TestRotationKeepsTheLink: what the link leads to is replaced, and it stays.
func TestRotationKeepsTheLink(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	path, link := filepath.Join(elsewhere, "master"), filepath.Join(dir, "link")
	create(t, path)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	ks, err := local.Open(link)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ks.Rotate(now); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if stands, err := local.Open(path); err != nil || stands.Version() != 2 {
		t.Errorf("%v, %v", stands, err)
	}
}

// TestRotationKeepsTheMode: one that nobody may write is not loosened.
func TestRotationKeepsTheMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master")
	ks := create(t, path)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	_, err := ks.Rotate(now)
	if os.Geteuid() == 0 && err != nil || os.Geteuid() != 0 && !problem.Is(err, problem.Denied) {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
