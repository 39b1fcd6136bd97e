package dir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"imago/pkg/blob"
)

// Put writes a file under a name that is no key, and gives it its own when it is on the
// disk; blob.ErrExists when that is taken.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	return s.put(ctx, key, r, size, s.root.Link)
}

// Replace writes a file and gives it the name of another, or its own.
func (s *Store) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	return s.put(ctx, key, r, size, s.root.Rename)
}

// put writes a file that name gives its name.
func (s *Store) put(ctx context.Context, key string, r io.Reader, size int64, name func(staged, key string) error) error {
	if err := s.may(ctx, key); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	data, err := blob.ReadSized(r, size)
	if err == nil {
		err = s.lay(key, data, name)
	}
	if info, e := s.straight(key); errors.Is(err, fs.ErrExist) && e == nil && !info.IsDir() {
		err = fmt.Errorf("%w: %w", blob.ErrExists, err)
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// may is an error unless the key may be written.
func (s *Store) may(ctx context.Context, key string) error {
	if !s.o.Write {
		return ErrReadOnly
	}
	return errors.Join(ctx.Err(), blob.CheckKey(key))
}

// lay stages the data and names it.
func (s *Store) lay(key string, data []byte, name func(staged, key string) error) error {
	staged := path.Join(folder(key), "~"+rand.Text()) // ~: in no key
	if err := s.stage(key, filepath.FromSlash(staged), data); err != nil {
		return err
	}
	err := name(staged, filepath.FromSlash(key))
	// A rename leaves none, and a process that was killed one that nobody takes for an object.
	if e := s.root.Remove(staged); e != nil && !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	if err != nil {
		return err
	}
	for at := folder(key); ; at = filepath.Dir(at) {
		if err := sync(s.root, at); err != nil || at == "." {
			return err
		}
	}
}

// stage writes the data into a file in the key's folder. A delete takes empty folders
// away: then they are made anew.
func (s *Store) stage(key, staged string, data []byte) (err error) {
	if _, err := s.straight(path.Dir(key)); err != nil && !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	for range 100 {
		if err = s.root.MkdirAll(folder(key), 0o700); err == nil {
			_, err = s.straight(path.Dir(key))
		}
		if err == nil {
			err = s.write(staged, data)
		}
		if !gone(err) && !errors.Is(err, fs.ErrExist) { // which making a folder answers, too, when it goes meanwhile
			break
		}
	}
	return err
}

func (s *Store) write(name string, data []byte) (err error) {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// sync makes the names in a folder last.
func sync(root *os.Root, name string) (err error) {
	f, err := root.Open(name)
	if gone(err) {
		return nil // it went with the last object that was in it
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}

// Delete removes a file, if it is there, and the folders that it leaves empty.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.may(ctx, key); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	if err := s.delete(key); err != nil && !errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// DeleteAll removes files, of neighbours without walking to each.
func (s *Store) DeleteAll(ctx context.Context, keys []string) (failed map[string]error) {
	var at *place
	for _, key := range slices.Sorted(slices.Values(keys)) {
		err := s.may(ctx, key)
		if err == nil {
			if at, err = s.next(at, key); err == nil {
				err = s.deleteAt(at)
			}
		}
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			failed = blob.Failed(failed, key, fmt.Errorf("delete %s: %w", key, err))
		}
	}
	if at != nil {
		if err := at.close(); err != nil {
			failed = blob.Failed(failed, at.key, fmt.Errorf("delete %s: %w", at.key, err))
		}
	}
	return failed
}

func (s *Store) delete(key string) (err error) {
	at, err := s.near(key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, at.close()) }()
	return s.deleteAt(at)
}

func (s *Store) deleteAt(at *place) error {
	key := at.key
	info, err := at.info()
	if err != nil || info.IsDir() {
		return err
	}
	if err := at.folder.Remove(at.name); err != nil {
		return absent(err)
	}
	if at.above == nil {
		return sync(at.folder, ".")
	}
	stays, err := prune(at.above, path.Base(path.Dir(key)))
	if err != nil {
		return err
	}
	if stays {
		return sync(at.folder, ".")
	}
	return s.prune(path.Dir(path.Dir(key)))
}

// prune takes a folder away if it is empty; stays tells that something lies in it.
func prune(in *os.Root, name string) (stays bool, err error) {
	err = in.Remove(name)
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist) {
		return true, nil
	}
	if gone(err) {
		err = nil
	}
	return false, err
}

// prune takes empty folders away, from one upwards, and makes it last.
func (s *Store) prune(name string) error {
	at := filepath.FromSlash(name)
	for ; at != "."; at = filepath.Dir(at) {
		stays, err := prune(s.root, at)
		if err != nil {
			return err
		}
		if stays {
			break
		}
	}
	return sync(s.root, at)
}
