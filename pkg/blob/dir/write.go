package dir

import (
	"cmp"
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
	f, err := look(root, name)
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
	return s.DeleteAll(ctx, []string{key})[key]
}

// DeleteAll removes files, folder by folder: each is gone to once, and at the end all is
// made to last.
func (s *Store) DeleteAll(ctx context.Context, keys []string) map[string]error {
	d := &deletion{s: s}
	for _, key := range slices.Sorted(slices.Values(keys)) {
		err := s.may(ctx, key)
		if err == nil {
			err = d.remove(key)
		}
		d.note(err, key)
	}
	d.end()
	return d.failed
}

// deletion removes files in the order of their keys.
type deletion struct {
	s       *Store
	at      *place   // nil: nowhere
	here    int      // how many of removed lie in that folder
	removed []string // keys
	emptied []string // folders of which one went that was in them
	changed []string // folders that are there, and of which something went
	failed  map[string]error
}

// note keeps an error about keys.
func (d *deletion) note(err error, keys ...string) {
	if err == nil || errors.Is(err, blob.ErrNotFound) {
		return
	}
	for _, key := range keys {
		d.failed = blob.Failed(d.failed, key, fmt.Errorf("delete %s: %w", key, err))
	}
}

func (d *deletion) remove(key string) (err error) {
	if d.at != nil && within(d.at.key) != within(key) {
		d.leave()
	}
	if d.at, err = d.s.next(d.at, key); err != nil {
		return err
	}
	info, err := d.at.info()
	if err != nil || info.IsDir() {
		return err
	}
	if err := d.at.folder.Remove(d.at.name); err != nil {
		return absent(err)
	}
	d.removed = append(d.removed, key)
	d.here++
	return nil
}

// leave takes a folder away that is empty now.
func (d *deletion) leave() {
	if d.here == 0 {
		return
	}
	name, stays, err := within(d.at.key), true, error(nil)
	if d.at.above != nil {
		stays, err = prune(d.at.above, path.Base(name))
	}
	d.note(err, d.removed[len(d.removed)-d.here:]...)
	if d.here = 0; stays {
		d.changed = append(d.changed, name)
	} else if above := within(name); !slices.Contains(d.emptied, above) {
		d.emptied = append(d.emptied, above)
	}
}

// end makes all last.
func (d *deletion) end() {
	var err error
	if d.at != nil {
		d.leave()
		err = d.at.close()
	}
	for _, name := range d.emptied {
		stays, e := d.s.prune(name)
		d.changed, err = append(d.changed, stays), errors.Join(err, e)
	}
	d.note(errors.Join(err, d.s.last(d.changed)), d.removed...)
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

// prune takes empty folders away, from one upwards, and tells which one stays.
func (s *Store) prune(name string) (string, error) {
	for ; name != ""; name = within(name) {
		stays, err := prune(s.root, filepath.FromSlash(name))
		if stays || err != nil {
			return name, err
		}
	}
	return "", nil
}

// few folders are made to last one by one.
const few = 8

// last makes the names in folders last.
func (s *Store) last(folders []string) error {
	if len(folders) > few {
		if done, err := syncAll(s.root); done || err != nil {
			return err
		}
	}
	for _, name := range folders {
		if err := sync(s.root, cmp.Or(filepath.FromSlash(name), ".")); err != nil {
			return err
		}
	}
	return nil
}
