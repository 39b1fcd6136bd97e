package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

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
	err := write(path, text, func(f *os.File) error { return f.Chmod(mode) }, func(temporary string) error {
		return errors.Join(os.Link(temporary, path), os.Remove(temporary))
	})
	if errors.Is(err, fs.ErrExist) {
		return problem.New(problem.Conflict, "key file %s is there already", path).
			WithHint("nothing was changed; to replace it, move it away first").Because(err)
	}
	return err
}

// change has a key file changed by one program at a time: nobody else may between what do
// reads there and what it puts in its place. A link is followed, so that do is given the
// file itself.
func change(path string, do func(file string) error) (err error) {
	file, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return problem.New(problem.NotFound, "key file %s is not there", path).Because(err)
	}
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(file, os.O_RDWR, 0) // some file systems lock only what is open for writing
	}
	if err != nil {
		return problem.New(problem.Denied, "key file %s cannot be changed", path).
			WithHint("nothing was changed; run it as the file's owner, or as root").Because(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }() // which lets go of the lock
	if err := lock(f, path); err != nil {
		return err
	}
	return do(file)
}

// lock locks an open file, and sees that it is still the one at its path.
func lock(f *os.File, path string) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return otherKeys(path)
	}
	if err != nil {
		return fmt.Errorf("lock key file %s: %w", path, err)
	}
	locked, err := f.Stat()
	if err != nil {
		return fmt.Errorf("key file %s: %w", path, err)
	}
	stands, err := os.Stat(f.Name())
	if err != nil {
		return fmt.Errorf("key file %s: %w", path, err)
	}
	if !os.SameFile(locked, stands) { // it was replaced before the lock was had
		return otherKeys(path)
	}
	return nil
}

// replace writes a file in the place of another, in one step. Owner and mode stay: who
// could read it still can.
func replace(path string, text []byte) error {
	old, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("write key file %s: %w", path, err)
	}
	prepare := func(f *os.File) error { return errors.Join(keepOwner(f, old, path), f.Chmod(old.Mode().Perm())) }
	return write(path, text, prepare, func(temporary string) error {
		if err := os.Rename(temporary, path); err != nil {
			return errors.Join(err, os.Remove(temporary))
		}
		return nil
	})
}

// keepOwner gives a new file to who owns the one that it is to replace.
func keepOwner(f *os.File, old fs.FileInfo, path string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	is, ok := info.Sys().(*syscall.Stat_t)
	was, too := old.Sys().(*syscall.Stat_t)
	if !ok || !too {
		return errors.New("who owns it cannot be told on this system")
	}
	if is.Uid == was.Uid && is.Gid == was.Gid {
		return nil
	}
	if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return problem.New(problem.Denied, "key file %s belongs to user %d and group %d, to whom a new one cannot be given", path, was.Uid, was.Gid).
			WithHint("nothing was changed; run it as that user, or as root").Because(err)
	}
	return nil
}

// write writes a temporary file, has it prepared and synced, and then put where it belongs.
func write(path string, text []byte, prepare func(*os.File) error, place func(temporary string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".imago-key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write key file %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, prepare(f), f.Sync(), f.Close())
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
