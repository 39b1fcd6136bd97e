package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"imago/pkg/blob"
)

// folder is a blob.Store in a folder, as restic's local backend is: written to disk
// before a Put returns.
type folder struct{ dir string }

var (
	_ blob.Store    = folder{}
	_ blob.Replacer = folder{}
)

func (f folder) path(key string) string { return filepath.Join(f.dir, filepath.FromSlash(key)) }

func (f folder) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	return f.write(ctx, key, r, size, os.Link)
}

func (f folder) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	return f.write(ctx, key, r, size, os.Rename)
}

// write writes a file beside its place, and then puts it there.
func (f folder) write(ctx context.Context, key string, r io.Reader, size int64, place func(from, to string) error) (err error) {
	if err := errors.Join(ctx.Err(), blob.CheckKey(key)); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	data, err := blob.ReadSized(r, size)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	if err := os.MkdirAll(filepath.Dir(f.path(key)), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(f.dir, ".put-")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = place(file.Name(), f.path(key))
	}
	if gone := os.Remove(file.Name()); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("put %s: %w", key, blob.ErrExists)
	}
	return err
}

func (f folder) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := os.Open(f.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("get %s: %w", key, blob.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if rng.Offset < 0 || rng.Offset > info.Size() {
		return nil, errors.Join(fmt.Errorf("get %s: %w", key, io.ErrUnexpectedEOF), file.Close())
	}
	if rng.Length < 0 {
		rng.Length = info.Size() - rng.Offset
	}
	return &section{file, io.NewSectionReader(file, rng.Offset, rng.Length), rng.Length}, nil
}

// section ends with an error when its range reaches beyond the file.
type section struct {
	io.Closer
	bytes io.Reader
	left  int64
}

func (s *section) Read(to []byte) (int, error) {
	n, err := s.bytes.Read(to)
	if s.left -= int64(n); err == io.EOF && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (f folder) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		objects, err := f.objects(prefix)
		if err != nil {
			yield(blob.Object{}, fmt.Errorf("list %s: %w", prefix, err))
			return
		}
		for _, o := range objects {
			if !yield(o, ctx.Err()) || ctx.Err() != nil {
				return
			}
		}
	}
}

// objects looks below the folder that all keys with the prefix share.
func (f folder) objects(prefix string) (objects []blob.Object, err error) {
	above := prefix[:strings.LastIndexByte(prefix, '/')+1]
	err = filepath.WalkDir(f.path(above), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(f.dir, path)
		if key := filepath.ToSlash(name); err != nil || !strings.HasPrefix(key, prefix) || strings.HasPrefix(key, ".put-") {
			return err
		}
		info, err := e.Info()
		if err == nil {
			objects = append(objects, blob.Object{Key: filepath.ToSlash(name), Size: info.Size(), Modified: info.ModTime()})
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	slices.SortFunc(objects, func(a, b blob.Object) int { return strings.Compare(a.Key, b.Key) })
	return objects, err
}

func (f folder) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	if err := os.Remove(f.path(key)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f folder) Capabilities() blob.Capabilities { return blob.Capabilities{ConditionalPut: true} }

// requests counts what a store was asked for.
type requests struct {
	Puts, Gets, Lists, Deletes int64
	Written, Read              int64 // bytes of objects
}

func (r requests) all() int64 { return r.Puts + r.Gets + r.Lists + r.Deletes }

// since is what came after an earlier count.
func (r requests) since(before requests) requests {
	return requests{
		Puts: r.Puts - before.Puts, Gets: r.Gets - before.Gets, Lists: r.Lists - before.Lists, Deletes: r.Deletes - before.Deletes,
		Written: r.Written - before.Written, Read: r.Read - before.Read,
	}
}

// counter counts what passes; it is safe for concurrent use.
type counter struct {
	mu sync.Mutex
	n  requests
}

func (c *counter) count(add func(*requests)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.n)
}

// now is what has been counted so far.
func (c *counter) now() requests {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// counting counts the requests to a store. A listing counts for each thousand objects, as
// a store gives them.
type counting struct {
	folder
	*counter
}

func (c counting) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	c.count(func(n *requests) { n.Puts, n.Written = n.Puts+1, n.Written+size })
	return c.folder.Put(ctx, key, r, size)
}

func (c counting) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	c.count(func(n *requests) { n.Puts, n.Written = n.Puts+1, n.Written+size })
	return c.folder.Replace(ctx, key, r, size)
}

func (c counting) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	c.count(func(n *requests) { n.Gets++ })
	body, err := c.folder.Get(ctx, key, rng)
	return passing{body, c.counter}, err
}

// passing counts what is read.
type passing struct {
	io.ReadCloser
	*counter
}

func (p passing) Read(to []byte) (int, error) {
	read, err := p.ReadCloser.Read(to)
	p.count(func(n *requests) { n.Read += int64(read) })
	return read, err
}

func (c counting) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		listed := 0
		for o, err := range c.folder.List(ctx, prefix) {
			if listed++; listed%1000 == 1 {
				c.count(func(n *requests) { n.Lists++ })
			}
			if !yield(o, err) {
				return
			}
		}
		if listed == 0 {
			c.count(func(n *requests) { n.Lists++ })
		}
	}
}

func (c counting) Delete(ctx context.Context, key string) error {
	c.count(func(n *requests) { n.Deletes++ })
	return c.folder.Delete(ctx, key)
}
