package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"imago/pkg/problem"
)

// Modes of key files.
const (
	private fs.FileMode = 0o600
	public  fs.FileMode = 0o644
)

// maxFile is far above any key file: a wrong path is not read into memory.
const maxFile = 1 << 20

// read reads a key file and refuses one that more people may touch than should.
func read(path string, mode fs.FileMode) (text []byte, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, problem.New(problem.NotFound, "key file %s is not there", path).Because(err)
	}
	if err != nil {
		return nil, problem.New(problem.Denied, "key file %s cannot be read", path).Because(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, problem.New(problem.Invalid, "%s is not a key file", path)
	}
	if loose := info.Mode().Perm() &^ mode; loose != 0 {
		return nil, problem.New(problem.Denied, "key file %s has mode %04o: others may use it", path, info.Mode().Perm()).
			WithHint("chmod %04o %s", mode, path)
	}
	return io.ReadAll(f)
}

// writeNew writes a file that was not there, all of it or nothing: a temporary
// file is synced and then linked to its name, which fails when the name is taken.
func writeNew(path string, text []byte, mode fs.FileMode) error {
	err := write(path, text, mode, func(temporary string) error {
		return errors.Join(os.Link(temporary, path), os.Remove(temporary))
	})
	if errors.Is(err, fs.ErrExist) {
		return problem.New(problem.Conflict, "key file %s is there already", path).
			WithHint("nothing was changed; to replace it, move it away first").Because(err)
	}
	return err
}

// replace writes a file in the place of another, in one step.
func replace(path string, text []byte, mode fs.FileMode) error {
	return write(path, text, mode, func(temporary string) error {
		if err := os.Rename(temporary, path); err != nil {
			return errors.Join(err, os.Remove(temporary))
		}
		return nil
	})
}

func write(path string, text []byte, mode fs.FileMode, place func(temporary string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".imago-key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write key file %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write key file %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	if err := place(f.Name()); err != nil {
		return fmt.Errorf("write key file %s: %w", path, err)
	}
	return syncDir(dir)
}

// syncDir makes a new name in a folder survive a power cut.
func syncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}
