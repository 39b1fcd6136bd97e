package dir_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"imago/pkg/blob"
	"imago/pkg/blob/blobtest"
	"imago/pkg/blob/dir"
	"imago/pkg/problem"
)

func open(t *testing.T, name string, o dir.Options) *dir.Store {
	t.Helper()
	s, err := dir.Open(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fill makes files, and folders where the content is "/".
func fill(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func put(t *testing.T, s *dir.Store, key, data string) error {
	t.Helper()
	return s.Put(t.Context(), key, strings.NewReader(data), int64(len(data)))
}

func keys(t *testing.T, s blob.Store, prefix string) (string, error) {
	t.Helper()
	var all []string
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			return strings.Join(all, " "), err
		}
		all = append(all, o.Key)
	}
	return strings.Join(all, " "), nil
}

// tree lists every file and folder, whatever its name.
func tree(t *testing.T, root string) string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestStore(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	blobtest.Run(t, open(t, root, dir.Options{Write: true}))
	if strings.Contains(tree(t, root), "~") {
		t.Error("staged files remain")
	}
}

// TestReadsOnly: nothing is changed in a copy that somebody looks at.
func TestReadsOnly(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	fill(t, root, map[string]string{"users/a/keyring": "key", "users/a/b/manifest": "sealed"})
	before := tree(t, root)
	s := open(t, root, dir.Options{})
	for what, err := range map[string]error{
		"put": put(t, s, "users/new", "x"), "delete": s.Delete(t.Context(), "users/a/keyring"),
		"replace": s.Replace(t.Context(), "users/a/keyring", strings.NewReader("x"), 1),
	} {
		if !errors.Is(err, dir.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := tree(t, root); got != before || s.Capabilities() != (blob.Capabilities{}) {
		t.Errorf("%s, before %s; %+v", got, before, s.Capabilities())
	}
	if data, err := blob.ReadAll(t.Context(), s, "users/a/keyring", 10); err != nil || string(data) != "key" {
		t.Errorf("%q, %v", data, err)
	}
	if got, err := keys(t, s, "users/a/"); err != nil || got != "users/a/b/manifest users/a/keyring" {
		t.Errorf("%s, %v", got, err)
	}
}

// TestRefusesLinks: a link inside a copy leads nowhere, be it out of the directory or not.
func TestRefusesLinks(t *testing.T) {
	t.Parallel()
	outside, root := t.TempDir(), t.TempDir()
	fill(t, outside, map[string]string{"secret": "secret", "folder/secret": "secret"})
	fill(t, root, map[string]string{"users/real": "real", "users/folder/real": "real", "other/object": "x"})
	for name, to := range map[string]string{
		"users/out": filepath.Join(outside, "secret"), "users/out-folder": filepath.Join(outside, "folder"),
		"users/up": "../../" + filepath.Base(outside) + "/secret", "users/in": "real", "users/in-folder": "folder", "users/dead": "nothing",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, root, dir.Options{Write: true})
	for _, key := range []string{"users/out", "users/up", "users/in", "users/dead", "users/out-folder/secret", "users/in-folder/real"} {
		data, err := blob.ReadAll(t.Context(), s, key, 100)
		if err == nil || !strings.Contains(err.Error(), "symbolic link") || errors.Is(err, blob.ErrNotFound) {
			t.Errorf("get %s: %q, %v", key, data, err)
		}
		if err := s.Delete(t.Context(), key); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("delete %s: %v", key, err)
		}
	}
	for _, key := range []string{"users/out-folder/new", "users/in-folder/new"} {
		if err := put(t, s, key, "x"); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("put %s: %v", key, err)
		}
	}
	for _, prefix := range []string{"", "users/", "users/out-folder/", "users/in-folder/"} {
		if got, err := keys(t, s, prefix); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("list %q: %s, %v", prefix, got, err)
		}
	}
	if got, err := keys(t, s, "other/"); err != nil || got != "other/object" {
		t.Errorf("beside them: %s, %v", got, err)
	}
	if data, err := os.ReadFile(filepath.Join(outside, "folder", "secret")); err != nil || string(data) != "secret" || tree(t, outside) != ". folder folder/secret secret" {
		t.Errorf("outside: %q, %v, %s", data, err, tree(t, outside))
	}
}

// TestRefusesOtherPlaces: keys name files in the directory, or nothing.
func TestRefusesOtherPlaces(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	fill(t, top, map[string]string{"secret": "secret", "bucket/object": "x", "bucket/folder/object": "y"})
	s := open(t, filepath.Join(top, "bucket"), dir.Options{})
	for _, key := range []string{"../secret", "folder/../../secret", filepath.Join(top, "secret"), "./object", "", ".", "..", "folder", "folder/", "object/below", "~"} {
		if data, err := blob.ReadAll(t.Context(), s, key, 100); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("get %q: %q, %v", key, data, err)
		}
	}
	for prefix, want := range map[string]string{
		"../": "", "../s": "", "/": "", "folder/../": "", "fold": "folder/object", "folder": "folder/object", "folder/": "folder/object",
		"object/": "", "absent/": "", "": "folder/object object", "folder/o": "folder/object", "folder/x": "",
	} {
		if got, err := keys(t, s, prefix); err != nil || got != want {
			t.Errorf("list %q: %s, %v; want %s", prefix, got, err, want)
		}
	}
}

// TestStrangeFiles: what a copy may have beside objects is no object.
func TestStrangeFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	fill(t, root, map[string]string{"a": "x", "a-b/c": "x", "a.d": "x", "with space": "x", "~staged": "x", "ä/b": "x", "B/.hidden": "x"})
	if err := errors.Join(os.Mkdir(filepath.Join(root, "empty"), 0o700), syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s := open(t, root, dir.Options{})
	if got, err := keys(t, s, ""); err != nil || got != "B/.hidden a a-b/c a.d" {
		t.Errorf("%s, %v", got, err)
	}
	for _, key := range []string{"pipe", "empty", "with space"} {
		if data, err := blob.ReadAll(t.Context(), s, key, 10); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s: %q, %v", key, data, err)
		}
	}
}

func TestNoKeyBelowAnother(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), dir.Options{Write: true})
	if err := put(t, s, "a/b", "x"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b/c"} {
		if err := put(t, s, key, "x"); err == nil || errors.Is(err, blob.ErrExists) {
			t.Errorf("%s beside a/b: %v", key, err)
		}
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Errorf("a folder is no object to delete: %v", err)
	}
	if got, err := keys(t, s, ""); err != nil || got != "a/b" {
		t.Errorf("%s, %v", got, err)
	}
}

// TestFoldersComeAndGo: puts and deletes of neighbours do not get in each other's way.
func TestFoldersComeAndGo(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root, dir.Options{Write: true})
	var g sync.WaitGroup
	for i := range 4 {
		g.Go(func() {
			key := fmt.Sprintf("a/b/c/%d", i)
			for range 50 {
				if err := errors.Join(put(t, s, key, "x"), s.Delete(t.Context(), key)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
	if got := tree(t, root); got != "." {
		t.Errorf("left %s", got)
	}
}

// TestMadeShorter: a file that shrinks under its reader does not end in order.
func TestMadeShorter(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	fill(t, root, map[string]string{"a": "0123456789"})
	s := open(t, root, dir.Options{})
	r, err := s.Get(t.Context(), "a", blob.Whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(root, "a"), 4); err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(r.Close()); err != nil {
		t.Error(err)
	}
	if string(data) != "0123" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", data, err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	fill(t, root, map[string]string{"file": "x"})
	for name, want := range map[string]problem.Kind{"absent": problem.NotFound, "file": problem.Invalid} {
		s, err := dir.Open(filepath.Join(root, name), dir.Options{})
		if p := problem.Of(err); p == nil || p.Kind != want {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

// TestDeletesAll: of many folders, and beside them, what is named goes, and the folders that
// it leaves empty, also where the last key names nothing.
func TestDeletesAll(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	files, want := map[string]string{"a": "x", "b": "x", "c/stays": "x", "c/goes": "x", "ca": "x"}, ". b c c/stays"
	gone := []string{"zz/absent", "ca", "c/goes", "a", "c"}
	for i := range 20 {
		key := fmt.Sprintf("d/e%d/f", i)
		files[key], gone = "x", append(gone, key)
	}
	fill(t, root, files)
	s := open(t, root, dir.Options{Write: true})
	if failed := blob.DeleteAll(t.Context(), s, gone); failed != nil {
		t.Error(failed)
	}
	if got := tree(t, root); got != want {
		t.Errorf("left %s, want %s", got, want)
	}
	if err := os.Symlink("b", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	failed := blob.DeleteAll(t.Context(), s, []string{"b", "link", "not a key"})
	if got := slices.Sorted(maps.Keys(failed)); !slices.Equal(got, []string{"link", "not a key"}) || tree(t, root) != ". c c/stays link" {
		t.Errorf("failed %v, left %s", failed, tree(t, root))
	}
}

// TestListsInOrder: keys come in the order of their bytes, and names of folders are a part
// of them.
func TestListsInOrder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	fill(t, root, map[string]string{"a/z": "x", "a-b": "x", "a.b/c": "x", "ab": "x", "a0/b/c": "x", "a0/b-": "x", "a0/b0": "x"})
	s := open(t, root, dir.Options{})
	if got, err := keys(t, s, ""); err != nil || got != "a-b a.b/c a/z a0/b- a0/b/c a0/b0 ab" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := keys(t, s, "a0/b"); err != nil || got != "a0/b- a0/b/c a0/b0" {
		t.Errorf("%s, %v", got, err)
	}
}
