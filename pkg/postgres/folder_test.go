package postgres_test

import (
	"os"
	"path/filepath"
)

// openUp lets the database's user pass through a test's folders.
func openUp(dir string) error {
	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o711); err != nil {
			return err
		}
	}
	return nil
}
