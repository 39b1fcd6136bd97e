package gateway

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3response"
)

// TestSyncsWhatItChanged: after a power cut, what was answered for is there, and a
// manifest that was removed does not come back without its segments.
func TestSyncsWhatItChanged(t *testing.T) {
	t.Chdir(t.TempDir()) // the gateway leaves it
	root, err := prepare(t.TempDir(), "b")
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDisk(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Shutdown)
	var synced []string
	d.sync = func(path string) error {
		synced = append(synced, strings.TrimPrefix(path, root))
		return sync(path)
	}
	bucket, key, size := "b", "users/a/manifest", int64(3)
	put := func() {
		t.Helper()
		in := s3response.PutObjectInput{Bucket: &bucket, Key: &key, ContentLength: &size, Body: strings.NewReader("abc")}
		if _, err := d.PutObject(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(when string, want ...string) {
		t.Helper()
		if !slices.Equal(synced, want) {
			t.Errorf("%s: synced %q, want %q", when, synced, want)
		}
		synced = nil
	}
	put()
	wants("put", "/b/users/a/manifest", "/b/users/a", "/b/users", "/b", "")
	if err := os.WriteFile(filepath.Join(root, "b/users/other"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	wants("delete", "/b/users") // users/a went with its last object
	put()
	synced = nil
	in := s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: &key}}}}
	if _, err := d.DeleteObjects(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	wants("delete of several", "/b/users")
}

// TestLeavesTheWorkingDirectory: what Start took is given back, also when it fails.
func TestLeavesTheWorkingDirectory(t *testing.T) {
	before := t.TempDir()
	t.Chdir(before)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Start(t.Context(), t.TempDir(), Options{Port: taken.Addr().(*net.TCPAddr).Port}); err == nil {
		t.Error("started on a port that is taken", s.Close())
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Getwd(); err != nil || after != before {
		t.Errorf("in %s, was in %s, %v", after, before, err)
	}
}
