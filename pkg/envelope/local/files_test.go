package local

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFailedReplaceLeavesNothing: a temporary file with all master keys in it must
// not stay behind.
func TestFailedReplaceLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a folder")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replace(path, []byte("keys")); err == nil {
		t.Error("replaced a folder")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}
