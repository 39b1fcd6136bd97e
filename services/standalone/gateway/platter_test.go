package gateway

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

var errPlatter = errors.New("platter is broken")

// platter is a disk as the kernel promises it and no better: a file's content lasts
// from the file's sync, a name from the sync of the folder that it is in. What lasts
// is what a power cut leaves.
type platter struct {
	t    *testing.T
	root string // the folder of the buckets

	mu      sync.Mutex
	steps   int // syncs until now
	broken  func(step int) error
	names   map[uint64]map[string]uint64 // of a folder: the files and folders in it
	content map[uint64]string            // of a file
}

func newPlatter(t *testing.T, root string) *platter {
	return &platter{t: t, root: root, names: map[uint64]map[string]uint64{}, content: map[uint64]string{}}
}

func (p *platter) medium() medium { return medium{p.sync, p.syncAll} }

// breaks makes the syncs fail that broken says, counted from now.
func (p *platter) breaks(broken func(step int) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps, p.broken = 0, broken
}

// between breaks the syncs from the first step to the last.
func between(first, last int) func(step int) error {
	return func(step int) error {
		if step < first || step > last {
			return nil
		}
		return errPlatter
	}
}

// forever is after the last step.
const forever = 1 << 30

func (p *platter) sync(f *os.File) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	step := p.steps
	p.steps++
	if p.broken != nil {
		if err := p.broken(step); err != nil {
			return err
		}
	}
	return p.keep(f.Name())
}

// syncAll is what the kernel does for a whole file system.
func (p *platter) syncAll(f *os.File) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return filepath.WalkDir(f.Name(), func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, p.keep(path))
	})
}

func (p *platter) keep(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		data, err := os.ReadFile(path)
		p.content[inode(info)] = string(data)
		return err
	}
	entries, err := os.ReadDir(path)
	names := map[string]uint64{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // else it goes at this moment
			names[e.Name()] = inode(info)
		}
	}
	p.names[inode(info)] = names
	return err
}

func inode(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

// lasts gives the object that a power cut would leave.
func (p *platter) lasts(key string) (content string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.top()
	for _, name := range strings.Split("b/"+key, "/") {
		if at, ok = p.names[at][name]; !ok {
			return "", false
		}
	}
	content, ok = p.content[at]
	return content, ok
}

func (p *platter) top() uint64 {
	info, err := os.Stat(p.root)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	return inode(info)
}

// cut makes the folder that a power cut would leave.
func (p *platter) cut() folder {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	f := folder{p.t.TempDir(), "b"}
	if err := p.restore(p.top(), f.root()); err != nil {
		p.t.Fatal(err)
	}
	return f
}

func (p *platter) restore(from uint64, to string) error {
	names, folder := p.names[from]
	if !folder {
		return os.WriteFile(to, []byte(p.content[from]), 0o600) // empty, if it was never synced
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for name := range maps.Keys(names) {
		if err := p.restore(names[name], filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}
