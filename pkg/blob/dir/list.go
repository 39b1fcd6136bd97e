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
	"path/filepath"
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
		l := &listing{s: s, ctx: ctx, prefix: prefix, yield: yield}
		above := within(prefix)
		if above != "" {
			if blob.CheckKey(above) != nil {
				return // nothing lies there
			}
			if _, err := s.straight(above); err != nil {
				if !errors.Is(err, blob.ErrNotFound) {
					yield(blob.Object{}, fmt.Errorf("list %s: %w", prefix, err))
				}
				return
			}
		}
		l.folder(above)
	}
}

// listing is a walk under way.
type listing struct {
	s      *Store
	ctx    context.Context
	prefix string
	yield  func(blob.Object, error) bool
}

// fail ends the walk with an error.
func (l *listing) fail(err error) bool {
	l.yield(blob.Object{}, fmt.Errorf("list %s: %w", l.prefix, err))
	return false
}

// folder yields what lies in a folder and below, and reports whether to go on.
func (l *listing) folder(name string) bool {
	entries, err := l.s.entries(name)
	switch {
	case gone(err):
		return true // removed meanwhile
	case err != nil:
		return l.fail(err)
	}
	for _, e := range entries {
		key := path.Join(name, e.Name())
		if err := l.ctx.Err(); err != nil {
			return l.fail(err)
		}
		if blob.CheckKey(key) != nil || !l.matches(key, e.IsDir()) {
			continue
		}
		if !l.entry(key, e) {
			return false
		}
	}
	return true
}

// matches reports whether a key has the prefix, or a folder may hold one that has.
func (l *listing) matches(key string, folder bool) bool {
	return strings.HasPrefix(key, l.prefix) || folder && strings.HasPrefix(key+"/", l.prefix)
}

func (l *listing) entry(key string, e fs.DirEntry) bool {
	switch {
	case e.IsDir():
		return l.folder(key)
	case e.Type()&fs.ModeSymlink != 0:
		return l.fail(linked(key))
	case !e.Type().IsRegular():
		return true
	}
	info, err := e.Info()
	switch {
	case gone(err):
		return true
	case err != nil:
		return l.fail(err)
	}
	return l.yield(blob.Object{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil)
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// entries reads a folder in the order of the keys below it: "a-b" before what lies in "a".
func (s *Store) entries(name string) (entries []fs.DirEntry, err error) {
	f, err := s.root.Open(cmp.Or(filepath.FromSlash(name), "."))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if entries, err = f.ReadDir(-1); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(inKey(a), inKey(b)) })
	return entries, nil
}

func inKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}
