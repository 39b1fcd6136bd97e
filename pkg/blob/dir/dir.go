// Package dir reads a bucket that was copied into a directory, and writes one where it is
// told that it may: an object is the file under its key.
//
// It stays in the directory: names that are no keys are not there, and symbolic links are
// refused, wherever they lead to.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"imago/pkg/blob"
	"imago/pkg/problem"
)

// ErrReadOnly is the answer to who writes into a store that was opened to read.
var ErrReadOnly = errors.New("the directory was opened to read")

// Options of Open.
type Options struct {
	Write bool // lets objects be put, replaced and deleted
}

// Store is a blob.Store in a directory, safe for concurrent use, by several processes too.
type Store struct {
	root *os.Root
	o    Options
}

var (
	_ blob.Store    = (*Store)(nil)
	_ blob.Replacer = (*Store)(nil)
	_ blob.Resumer  = (*Store)(nil)
	_ blob.Deleter  = (*Store)(nil)
	_ blob.Tagger   = (*content)(nil)
)

// Open opens a directory that is there. Errors are problems for whoever named it.
func Open(name string, o Options) (*Store, error) {
	root, err := os.OpenRoot(name)
	if info, e := os.Stat(name); err != nil && e == nil && !info.IsDir() {
		return nil, problem.InField("directory", "%s is not a directory", name).Because(err)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, problem.New(problem.NotFound, "there is no directory %s", name).
			WithHint("name the directory that holds the bucket's users/").Because(err)
	case err != nil:
		return nil, problem.New(problem.Denied, "directory %s cannot be opened", name).
			WithHint("see to it that you may read it").Because(err)
	}
	return &Store{root, o}, nil
}

// Close lets go of the directory.
func (s *Store) Close() error { return s.root.Close() }

// String names the store for people.
func (s *Store) String() string { return "directory " + s.root.Name() }

// Capabilities says that it refuses to overwrite, where it writes.
func (s *Store) Capabilities() blob.Capabilities {
	return blob.Capabilities{ConditionalPut: s.o.Write}
}

// Get reads a range of a file.
func (s *Store) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	return s.Resume(ctx, key, rng, "")
}

// Resume reads a range of the file that the tag names; "" names any.
func (s *Store) Resume(ctx context.Context, key string, rng blob.Range, tag string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	f, err := s.open(key)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	c, err := part(f, rng)
	if err == nil && tag != "" && tag != c.tag {
		err = blob.ErrChanged
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("get %s: %w", key, err), f.Close())
	}
	return c, nil
}

// open opens an object's file.
func (s *Store) open(key string) (f *os.File, err error) {
	if blob.CheckKey(key) != nil {
		return nil, blob.ErrNotFound // nothing can lie there
	}
	at, err := s.near(key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, at.close()) }()
	info, err := at.info()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, blob.ErrNotFound // a folder of objects is none; a pipe would keep us waiting
	}
	f, err = at.folder.Open(at.name)
	return f, absent(err)
}

// straight tells of the file of a key, and refuses one that leads through a symbolic link.
func (s *Store) straight(key string) (info fs.FileInfo, err error) {
	at, err := s.near(key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, at.close()) }()
	return at.info()
}

// place is where a key's file lies, or would.
type place struct {
	key           string
	above, folder *os.Root // the folder, and the one that it lies in; nil above what was opened
	name          string   // in the folder
}

// near goes to the folder of a key, and refuses a way that leads through a symbolic link.
// One that is put there afterwards still does not lead out of the directory: os.Root sees
// to that.
func (s *Store) near(key string) (at *place, err error) {
	at = &place{key: key}
	if at.folder, err = s.root.OpenRoot("."); err != nil {
		return nil, err
	}
	begin := 0
	for i := range len(key) {
		if key[i] != '/' {
			continue
		}
		if err := at.into(key[begin:i], key[:i]); err != nil {
			return nil, errors.Join(err, at.close())
		}
		begin = i + 1
	}
	at.name = key[begin:]
	return at, nil
}

// next goes to the folder of another key, from a neighbour of which the way is short; nil:
// from the directory's root.
func (s *Store) next(at *place, key string) (*place, error) {
	if at == nil {
		return s.near(key)
	}
	folder := within(key)
	name := key[len(folder):]
	if folder == within(at.key) {
		at.key, at.name = key, strings.TrimPrefix(name, "/")
		return at, nil
	}
	if folder == "" || at.above == nil || within(folder) != within(within(at.key)) {
		if err := at.close(); err != nil {
			return nil, err
		}
		return s.near(key)
	}
	aside := &place{key: key, folder: at.above, name: name[1:]}
	if err := at.folder.Close(); err != nil {
		return nil, errors.Join(err, aside.close())
	}
	if err := aside.into(path.Base(folder), folder); err != nil {
		return nil, errors.Join(err, aside.close())
	}
	return aside, nil
}

// into goes on into a folder.
func (p *place) into(name, called string) error {
	info, err := infoOf(p.folder, name, called)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%w: %s is no folder", blob.ErrNotFound, called)
	}
	if err != nil {
		return err
	}
	next, err := p.folder.OpenRoot(name)
	if err != nil {
		return absent(err)
	}
	left := p.above
	p.above, p.folder = p.folder, next
	if left == nil {
		return nil
	}
	return left.Close()
}

// info tells of the file.
func (p *place) info() (fs.FileInfo, error) { return infoOf(p.folder, p.name, p.key) }

func infoOf(folder *os.Root, name, called string) (fs.FileInfo, error) {
	info, err := folder.Lstat(name)
	if err != nil {
		return nil, absent(err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil, linked(called)
	}
	return info, nil
}

func (p *place) close() error {
	err := p.folder.Close()
	if p.above != nil {
		err = errors.Join(err, p.above.Close())
	}
	return err
}

func linked(name string) error {
	return fmt.Errorf("%s is a symbolic link: copy the bucket with what its links lead to", name)
}

// absent marks that nothing is there.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%w: %w", blob.ErrNotFound, err)
	}
	return err
}

// content is a range of a file.
type content struct {
	*io.SectionReader
	file  *os.File
	tag   string
	short bool // the file ends before the range does
}

func part(f *os.File, rng blob.Range) (*content, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	left := info.Size() - rng.Offset
	if rng.Offset < 0 || left < 0 {
		return nil, fmt.Errorf("from byte %d of %d: %w", rng.Offset, info.Size(), blob.ErrRange)
	}
	length := left
	if rng.Length >= 0 {
		length = min(left, rng.Length)
	}
	return &content{io.NewSectionReader(f, rng.Offset, length), f, tag(info), rng.Length > left}, nil
}

// tag tells files apart that lie under one name in turn.
func tag(info fs.FileInfo) string {
	return fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano())
}

// Tag is made of what the file system knows of the file.
func (c *content) Tag() string { return c.tag }

// WriteTo is hidden: it would take an early end for an orderly one.
func (c *content) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c})
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.SectionReader.Read(p)
	if err == io.EOF { //nolint:errorlint // section readers answer io.EOF itself
		if at, e := c.Seek(0, io.SeekCurrent); e == nil && at < c.Size() {
			err = io.ErrUnexpectedEOF // the file was made shorter meanwhile
		} else if c.short {
			err = blob.ErrRange
		}
	}
	return n, err
}

// Close closes the file.
func (c *content) Close() error { return c.file.Close() }

// folder is where a key's file lies.
func folder(key string) string { return filepath.FromSlash(path.Dir(key)) }

// within gives the deepest folder that holds all keys with a prefix.
func within(prefix string) string { return prefix[:max(strings.LastIndexByte(prefix, '/'), 0)] }
