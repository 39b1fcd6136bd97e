package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// folder is where a store lies: the objects of a bucket are the files below
// DIR/buckets/BUCKET, each under its key.
type folder struct {
	dir    string // absolute
	bucket string
}

func newFolder(dir, bucket string) (folder, error) {
	dir, err := filepath.Abs(dir)
	return folder{dir, cmp.Or(bucket, "imago")}, err
}

func (f folder) root() string { return filepath.Join(f.dir, "buckets") }

// levels are the folders of the store, outermost first.
func (f folder) levels() []string {
	return []string{f.dir, f.root(), filepath.Join(f.root(), f.bucket)}
}

// Make makes an empty store in dir where there is none, and leaves one that is there
// as it is. Only who knows that nothing was ever kept in dir may call it: Start makes
// nothing, so that a store that got lost does not begin anew as an empty one.
func Make(dir string, o Options) error {
	f, err := newFolder(dir, o.Bucket)
	if err != nil {
		return fmt.Errorf("make the object store: %w", err)
	}
	levels := f.levels()
	if err := os.MkdirAll(levels[len(levels)-1], 0o700); err != nil {
		return fmt.Errorf("make the object store: %w", err)
	}
	for _, path := range append(levels, filepath.Dir(f.dir)) {
		if err := flush(path, (*os.File).Sync); err != nil {
			return fmt.Errorf("make the object store: %w", err)
		}
	}
	return nil
}

// open finds the folders of a store that is there, and closes them to others.
func open(dir, bucket string) (folder, error) {
	f, err := newFolder(dir, bucket)
	if err != nil {
		return f, err
	}
	for _, path := range f.levels() {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return f, f.missing(path)
		case err != nil:
			return f, err
		case !info.IsDir():
			return f, fmt.Errorf("%s is not a folder: every object was kept in it; put it back", path)
		}
		if err := os.Chmod(path, 0o700); err != nil {
			return f, fmt.Errorf("close it to others: %w", err)
		}
	}
	return f, nil
}

func (f folder) missing(path string) error {
	levels := f.levels()
	return fmt.Errorf("%s is missing: every snapshot was kept in it; put it back, from your copy or by mounting its disk. "+
		"If they are lost for good, make the empty folder %s and start again", path, levels[len(levels)-1])
}

// flush syncs the file or folder at path, by the function given.
func flush(path string, sync func(*os.File) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return sync(f)
}
