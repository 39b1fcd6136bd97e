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
		err = s.place(key, data, name)
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

// place stages the data and names it.
func (s *Store) place(key string, data []byte, name func(staged, key string) error) error {
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
		if err := s.sync(at); err != nil || at == "." {
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
func (s *Store) sync(name string) (err error) {
	f, err := s.root.Open(name)
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

func (s *Store) delete(key string) error {
	info, err := s.straight(key)
	if err != nil || info.IsDir() {
		return err
	}
	if err := s.root.Remove(filepath.FromSlash(key)); err != nil {
		return absent(err)
	}
	at := folder(key)
	for ; at != "."; at = filepath.Dir(at) {
		err := s.root.Remove(at)
		if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist) {
			break
		}
		if err != nil && !gone(err) {
			return err
		}
	}
	return s.sync(at)
}
