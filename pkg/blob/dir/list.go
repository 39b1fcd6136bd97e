package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"imago/pkg/blob"
)

// List yields the files whose keys begin with prefix, in key order. A folder is read as a
// whole, the next one when its turn comes. What has no name of a key is passed over; a
// symbolic link is an error, for it may stand for objects that were not copied.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		err := s.list(&listing{ctx, prefix, yield})
		if err != nil && !errors.Is(err, errStopped) {
			yield(blob.Object{}, fmt.Errorf("list %s: %w", prefix, err))
		}
	}
}

// errStopped ends a walk that nobody wants more of.
var errStopped = errors.New("stopped")

func (s *Store) list(l *listing) (err error) {
	above := within(l.prefix)
	if above != "" && blob.CheckKey(above) != nil {
		return nil // nothing lies there
	}
	at, err := s.near(path.Join(above, "any"))
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, at.close()) }()
	return l.folder(at.folder, ".", above)
}

// listing is a walk under way.
type listing struct {
	ctx    context.Context
	prefix string
	yield  func(blob.Object, error) bool
}

// folder yields what lies in a folder, whose keys begin with above, and below. Who walked
// to each folder from the root would spend most of the time on the way.
func (l *listing) folder(in *os.Root, name, above string) (err error) {
	entries, err := entries(in, name)
	if err == nil && slices.ContainsFunc(entries, fs.DirEntry.IsDir) {
		if in, err = in.OpenRoot(name); err == nil {
			defer func() { err = errors.Join(err, in.Close()) }()
		}
	}
	if gone(err) {
		return nil // removed meanwhile
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := l.entry(in, e, key(above, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// key is that of a name below others; "": there are none.
func key(above, name string) string {
	if above == "" {
		return name
	}
	return above + "/" + name
}

// matches reports whether a key has the prefix, or a folder may hold one that has.
func (l *listing) matches(key string, folder bool) bool {
	return strings.HasPrefix(key, l.prefix) || folder && strings.HasPrefix(key+"/", l.prefix)
}

func (l *listing) entry(in *os.Root, e fs.DirEntry, key string) error {
	switch {
	case l.ctx.Err() != nil:
		return l.ctx.Err()
	case blob.CheckKey(key) != nil || !l.matches(key, e.IsDir()):
		return nil
	case e.IsDir():
		return l.folder(in, e.Name(), key)
	case e.Type()&fs.ModeSymlink != 0:
		return linked(key)
	case !e.Type().IsRegular():
		return nil
	}
	info, err := e.Info()
	switch {
	case gone(err):
		return nil
	case err != nil:
		return err
	case !l.yield(blob.Object{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil):
		return errStopped
	}
	return nil
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// entries reads a folder in the order of the keys below it: "a-b" before what lies in "a".
func entries(in *os.Root, name string) (entries []fs.DirEntry, err error) {
	f, err := look(in, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if entries, err = f.ReadDir(-1); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.SortFunc(entries, inKeys)
	return entries, nil
}

// look opens a folder. That it may not block spares calls by which Go finds out for itself
// that a folder never does.
func look(in *os.Root, name string) (*os.File, error) {
	return in.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// inKeys orders two of a folder as the keys that begin with their names.
func inKeys(a, b fs.DirEntry) int {
	x, y := a.Name(), b.Name()
	n := min(len(x), len(y))
	return cmp.Or(strings.Compare(x[:n], y[:n]), cmp.Compare(inKey(a, n), inKey(b, n)))
}

// inKey is what stands at a place of a name in keys; 0: nothing.
func inKey(e fs.DirEntry, at int) byte {
	switch name := e.Name(); {
	case at < len(name):
		return name[at]
	case e.IsDir():
		return '/'
	}
	return 0
}
