package standalone

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imago/pkg/envelope"
	"imago/pkg/envelope/awskms/awskmstest"
	"imago/pkg/envelope/keyservice"
	"imago/pkg/envelope/local"
	"imago/pkg/notify"
	"imago/pkg/problem"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestPlaceIsHeldOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, err := openPlace(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openPlace(dir); err == nil || !strings.Contains(err.Error(), "another imagod (process ") {
		t.Errorf("a second one on the same directory: %v", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	second, err := openPlace(dir)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if err := second.close(); err != nil {
		t.Error(err)
	}
}

func TestPlaceIsClosedToOthers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if _, err := p.openKeys(t.Context(), noon, keyservice.Remote{}, false); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{".": mode(), "lock": 0o600, "master.keys": 0o600, "credentials.key": 0o600} {
		info, err := os.Stat(p.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
}

// TestKeyServiceBesideTheFile: beside a service no file is made; one that is there opens
// what it has wrapped, once somebody says who wraps from now on.
func TestKeyServiceBesideTheFile(t *testing.T) {
	t.Parallel()
	kms := awskmstest.New(t)
	service := keyservice.Remote{AWS: keyservice.AWS{Key: awskmstest.ARN("1"), Endpoint: kms.URL}}
	p := newPlace(t)
	k, err := p.openKeys(t.Context(), noon, service, false)
	if err != nil || !strings.HasPrefix(k.master.Name(), "aws-kms ") {
		t.Fatalf("%v, %v", k.master, err)
	}
	if there, err := local.Exists(p.path("master.keys")); err != nil || there {
		t.Errorf("a file was made: %v", err)
	}
	old := newPlace(t)
	if _, err := old.openKeys(t.Context(), noon, keyservice.Remote{}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := old.openKeys(t.Context(), noon, service, false); err == nil || !strings.Contains(err.Error(), "IMAGO_KEY_SERVICE: it is missing: which of aws-kms and local") {
		t.Errorf("%v", err)
	}
	for _, service.Use = range []string{"local", "aws-kms"} {
		if k, err = old.openKeys(t.Context(), noon, service, false); err != nil || !strings.HasPrefix(k.master.Name(), service.Use+" ") {
			t.Errorf("%s: %v, %v", service.Use, k.master, err)
		}
	}
}

func TestNewMasterKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var said strings.Builder
	if code := newMasterKey(p.dir, &said, &said); code != 1 || !strings.Contains(said.String(), "master.keys") {
		t.Errorf("without a file: exit %d: %s", code, said.String())
	}
	k, err := p.openKeys(t.Context(), noon, keyservice.Remote{}, false)
	if err != nil {
		t.Fatal(err)
	}
	old, err := envelope.NewKeyring(t.Context(), k.master, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if code := newMasterKey(p.dir, &said, &said); code != 0 || !strings.Contains(said.String(), "has master key 2") || !strings.Contains(said.String(), "--rewrap") {
		t.Errorf("exit %d: %s", code, said.String())
	}
	if k, err = p.openKeys(t.Context(), noon, keyservice.Remote{}, false); err != nil || !strings.HasSuffix(k.master.Name(), " 2") {
		t.Fatalf("%v wraps: %v", k.master, err)
	}
	if _, err := envelope.OpenKeyring(t.Context(), k.master, "alice", old.Wrapped()); err != nil {
		t.Error(err)
	}
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p, err := openPlace(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestKeysStayTheSame: keys made anew would open nothing that the old ones sealed.
func TestKeysStayTheSame(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first, err := p.openKeys(t.Context(), noon, keyservice.Remote{}, false)
	if err != nil {
		t.Fatal(err)
	}
	box, err := first.box.PublicKey().Seal([]byte("place"), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := first.master.Wrap(t.Context(), "account", []byte("keyring"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.openKeys(t.Context(), noon.Add(time.Hour), keyservice.Remote{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := again.box.Open([]byte("place"), box); err != nil || string(text) != "secret" {
		t.Errorf("the box key opens %q, %v", text, err)
	}
	if text, err := again.master.Unwrap(t.Context(), "account", wrapped); err != nil || string(text) != "keyring" {
		t.Errorf("the master key unwraps %q, %v", text, err)
	}
}

// TestLostKeysAreNotReplaced: with a database there, a missing key is an error that
// names the file, and nothing is made in its place.
func TestLostKeysAreNotReplaced(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"master.keys", "credentials.key"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			if _, err := p.openKeys(t.Context(), noon, keyservice.Remote{}, false); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(p.path("postgres"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(p.path(lost)); err != nil {
				t.Fatal(err)
			}
			if _, err := p.openKeys(t.Context(), noon, keyservice.Remote{}, false); err == nil || !strings.Contains(err.Error(), p.path(lost)+" is missing") {
				t.Errorf("openKeys: %v", err)
			}
			if _, err := os.Stat(p.path(lost)); !os.IsNotExist(err) {
				t.Errorf("%s was made anew", lost)
			}
		})
	}
}

// TestNewCredentialsKey: the way out when the key of credentials is lost for good.
func TestNewCredentialsKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	old, err := p.openKeys(t.Context(), noon, keyservice.Remote{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(p.path("postgres"), 0o700), os.Remove(p.path("credentials.key"))); err != nil {
		t.Fatal(err)
	}
	fresh, err := p.openKeys(t.Context(), noon, keyservice.Remote{}, true)
	if err != nil {
		t.Fatal(err)
	}
	public, err := local.ReadPublicKey(p.path("credentials.pub"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := public.Seal(nil, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.box.Open(nil, box); err != nil {
		t.Errorf("credentials.pub is not of the new key: %v", err)
	}
	if _, err := old.box.Open(nil, box); err == nil {
		t.Error("the old key opens it")
	}
}

// TestObjectsAreMadeOnce: beside a database, a bucket that is missing was lost.
func TestObjectsAreMadeOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if err := p.makeObjects(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(p.path("postgres"), 0o700), os.RemoveAll(p.path("objects")), p.makeObjects()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.path("objects")); !os.IsNotExist(err) {
		t.Errorf("it was made anew: %v", err)
	}
}

func TestMailFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	f, err := newFolder(dir, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	m := notify.Message{ID: "../../a b", To: "ada@example.com", Subject: "Your code\r\nBcc: eve@example.com", Text: "123456\n"}
	for range 2 { // a retry is the same file
		if err := f.Send(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	path := filepath.Join(dir, entries[0].Name())
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "Date: 2026-11-21T12:00:00Z\nTo: ada@example.com\nSubject: Your code  Bcc: eve@example.com\n\n123456\n"
	if string(text) != want {
		t.Errorf("got %q, want %q", text, want)
	}
	if err := f.Send(context.Background(), notify.Message{ID: "x", To: "nobody"}); !problem.Is(err, problem.Invalid) {
		t.Errorf("a recipient that is no address: %v", err)
	}
}
