package gateway

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// The tests here are not parallel: a disk takes the process's working directory.

// client speaks to a disk, and fails the test when it is told what does not last.
type client struct {
	t       *testing.T
	disk    *disk
	platter *platter
}

const key = "users/a/manifest"

var bucket = "b"

// newClient makes an empty store.
func newClient(t *testing.T) *client {
	t.Helper()
	t.Chdir(t.TempDir()) // the gateway leaves it
	dir := t.TempDir()
	if err := Make(dir, Options{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	return serve(t, folder{dir, bucket}, newPlatter(t, filepath.Join(dir, "buckets")))
}

// serve opens a store as a new process does.
func serve(t *testing.T, f folder, p *platter) *client {
	t.Helper()
	p.breaks(nil)
	d, err := newDisk(f, p.medium())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Shutdown)
	return &client{t, d, p}
}

func (c *client) put(key, content string, conditional bool) error {
	size := int64(len(content))
	in := s3response.PutObjectInput{Bucket: &bucket, Key: &key, ContentLength: &size, Body: strings.NewReader(content)}
	if conditional {
		in.IfNoneMatch = new("*")
	}
	_, err := c.disk.PutObject(c.t.Context(), in)
	return err
}

func (c *client) create(key, content string) error  { return c.put(key, content, true) }
func (c *client) replace(key, content string) error { return c.put(key, content, false) }

func (c *client) remove(key string) error {
	_, err := c.disk.DeleteObject(c.t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	return err
}

// get gives an object's content; "" when there is none.
func (c *client) get(key string) (string, error) {
	out, err := c.disk.GetObject(c.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key, Range: new(string)})
	if errors.Is(err, s3err.GetAPIError(s3err.ErrNoSuchKey)) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(out.Body)
	return string(data), errors.Join(err, out.Body.Close())
}

func (c *client) head(key string) (there bool, err error) {
	_, err = c.disk.HeadObject(c.t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if errors.Is(err, s3err.GetAPIError(s3err.ErrNoSuchKey)) {
		return false, nil
	}
	return err == nil, err
}

func (c *client) list() (keys []string, err error) {
	max := int32(1000)
	in := &s3.ListObjectsV2Input{Bucket: &bucket, MaxKeys: &max, StartAfter: new(string)}
	out, err := c.disk.ListObjectsV2(c.t.Context(), in)
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys, err
}

// look asks for the object in every way there is, and holds each answer that is no
// error against the platter.
func (c *client) look(key string) {
	c.t.Helper()
	lasting := func(how string, told bool) {
		c.t.Helper()
		if _, lasts := c.platter.lasts(key); told != lasts {
			c.t.Errorf("%s told that it is there: %v; that it is lasts: %v", how, told, lasts)
		}
	}
	if content, err := c.get(key); err == nil {
		lasting("get", content != "")
		if last, _ := c.platter.lasts(key); content != last {
			c.t.Errorf("get gave %q, what lasts is %q", content, last)
		}
	}
	if there, err := c.head(key); err == nil {
		lasting("head", there)
	}
	if keys, err := c.list(); err == nil {
		lasting("list", slices.Contains(keys, key))
	}
}

// wants fails unless a client is told that content, and it lasts; "" is no object.
func (c *client) wants(key, content string) {
	c.t.Helper()
	got, err := c.get(key)
	if last, _ := c.platter.lasts(key); err != nil || got != content || last != content {
		c.t.Errorf("%s holds %q, of which %q lasts; want %q; %v", key, got, last, content, err)
	}
	c.look(key)
}

// operation is what a client does to the key, how it begins and how it must end.
type operation struct {
	name          string
	before, after string // "": no object
	do            func(*client) error
	syncs         int // the least that it takes
}

var operations = []operation{
	// The file; once it is named the file again, its folders a, users, b, and the root.
	{"create", "", "new", func(c *client) error { return c.create(key, "new") }, 6},
	{"replace", "old", "new", func(c *client) error { return c.replace(key, "new") }, 6},
	{"delete", "old", "", func(c *client) error { return c.remove(key) }, 1},
}

// start gives a client of a store as the operation finds it.
func (o operation) start(t *testing.T) *client {
	t.Helper()
	c := newClient(t)
	if o.before != "" {
		if err := c.create(key, o.before); err != nil {
			t.Fatal(err)
		}
	}
	c.wants(key, o.before)
	return c
}

// fails makes the operation, which must not be told to be done.
func (o operation) fails(c *client, broken func(step int) error) {
	c.t.Helper()
	c.platter.breaks(broken)
	if err := o.do(c); done(err) {
		c.t.Errorf("told that it is done: %v", err)
	}
}

// finish makes the operation again, on a disk that works.
func (o operation) finish(c *client) {
	c.t.Helper()
	c.platter.breaks(nil)
	if err := o.do(c); !done(err) {
		c.t.Fatalf("again: %v", err)
	}
	if last, _ := c.platter.lasts(key); last != o.after { // before a question makes it good
		c.t.Errorf("told that it is done, and %q lasts; want %q", last, o.after)
	}
	c.wants(key, o.after)
}

// done is the answer to an operation that says that it is done; the second time, a
// create is told that the object is there.
func done(err error) bool {
	return err == nil || errors.Is(err, s3err.GetPreconditionFailedErr(s3err.ConditionIfNoneMatch))
}

// ways are how an operation fails at the sync of one step, and who goes on.
var ways = []struct {
	name string
	fail func(o operation, c *client, step int) *client
}{
	{"fails", func(o operation, c *client, step int) *client {
		o.fails(c, between(step, step))
		return c
	}},
	{"stays broken", func(o operation, c *client, step int) *client {
		for range 2 {
			o.fails(c, between(step, forever))
			c.look(key)
		}
		return c
	}},
	{"panics", func(o operation, c *client, step int) (same *client) {
		same = c
		defer func() {
			r := recover()
			if err, ok := r.(error); !ok || !errors.Is(err, errPlatter) {
				c.t.Errorf("recovered %v", r)
			}
			c.platter.breaks(nil)
			c.look(key)
		}()
		o.fails(c, func(at int) error {
			if at == step {
				panic(errPlatter)
			}
			return nil
		})
		return same
	}},
	{"killed", func(o operation, c *client, step int) *client {
		o.fails(c, between(step, forever))
		again := serve(c.t, c.disk.folder, c.platter)
		again.look(key)
		return again
	}},
	{"power cut", func(o operation, c *client, step int) *client {
		o.fails(c, between(step, forever))
		left := c.platter.cut()
		again := serve(c.t, left, newPlatter(c.t, left.root()))
		again.look(key)
		return again
	}},
}

// TestTellsOnlyWhatLasts lets each sync of each operation fail in each way, and makes
// the operation again: who is told something at any time, is told what lasts.
func TestTellsOnlyWhatLasts(t *testing.T) {
	for _, o := range operations {
		steps := count(t, o.start(t), o.do)
		if steps < o.syncs {
			t.Fatalf("%s takes %d syncs, want %d", o.name, steps, o.syncs)
		}
		for step := range steps {
			for _, w := range ways {
				t.Run(fmt.Sprintf("%s/%d/%s", o.name, step, w.name), func(t *testing.T) {
					c := o.start(t)
					o.finish(w.fail(o, c, step))
				})
			}
		}
	}
}

// count counts the syncs of an operation, whose end lasts.
func count(t *testing.T, c *client, do func(*client) error) int {
	t.Helper()
	c.platter.breaks(nil)
	if err := do(c); err != nil {
		t.Fatal(err)
	}
	return c.platter.steps
}

// TestRefusalSyncs: an object that came by another way, from a copy, stands once it
// is refused to overwrite it.
func TestRefusalSyncs(t *testing.T) {
	c := newClient(t)
	if err := c.create("users/b", "makes the folder"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.disk.path(bucket, "users/a"), []byte("copied"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.create("users/a", "ours"); !done(err) || err == nil {
		t.Errorf("put over a copied object: %v", err)
	}
	if last, _ := c.platter.lasts("users/a"); last != "copied" {
		t.Errorf("told that it stands, and %q lasts", last)
	}
	c.wants("users/a", "copied")
}

// TestFailsOnTheWay: what ends before the object has its name leaves nothing, and the
// next try succeeds.
func TestFailsOnTheWay(t *testing.T) {
	broken := errors.New("connection lost")
	for name, fail := range map[string]func(*client) error{
		"write": func(c *client) error {
			size := int64(8)
			_, err := c.disk.PutObject(c.t.Context(), s3response.PutObjectInput{
				Bucket: &bucket, Key: new(key), ContentLength: &size, IfNoneMatch: new("*"),
				Body: io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)),
			})
			return err
		},
		"sync": func(c *client) error {
			c.platter.breaks(between(0, 0))
			return c.create(key, "lost")
		},
		"name": func(c *client) error {
			return c.spoilt(func(parent string) error { return os.WriteFile(parent, nil, 0o600) })
		},
		"name that the gateway takes for given": func(c *client) error {
			return c.spoilt(func(parent string) error { return os.Symlink("nowhere", parent) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			err := fail(c)
			if err == nil || done(err) || errors.Is(err, s3err.GetAPIError(s3err.ErrExistingObjectIsDirectory)) {
				t.Fatalf("told %v", err)
			}
			c.platter.breaks(nil)
			c.wants(key, "")
			if left, err := os.ReadDir(c.disk.path(bucket, staging)); err != nil || len(left) != 0 {
				t.Errorf("left in staging: %v, %v", left, err)
			}
			if err := c.create(key, "whole"); err != nil {
				t.Fatal(err)
			}
			c.wants(key, "whole")
		})
	}
}

// spoilt puts the object, whose folder turns into something else in the moment before
// the object gets its name.
func (c *client) spoilt(by func(parent string) error) error {
	parent := c.disk.path(bucket, "users/a")
	c.platter.breaks(func(step int) error {
		if step > 0 {
			return nil
		}
		return errors.Join(os.Remove(parent), by(parent))
	})
	err := c.create(key, "lost")
	if e := os.Remove(parent); e != nil {
		c.t.Error(e)
	}
	return err
}

// TestWaitsForWhatIsUnderWay: an object whose folders are being synced can be seen,
// and nobody is told of it before the end; not when that is a failure either.
func TestWaitsForWhatIsUnderWay(t *testing.T) {
	for name, ask := range map[string]func(*client) (told bool){
		"get":    func(c *client) bool { content, err := c.get(key); return err == nil && content != "" },
		"head":   func(c *client) bool { there, err := c.head(key); return err == nil && there },
		"list":   func(c *client) bool { keys, err := c.list(); return err == nil && len(keys) > 0 },
		"create": func(c *client) bool { return done(c.create(key, "other")) },
	} {
		for _, end := range []error{nil, errPlatter} {
			t.Run(fmt.Sprint(name, "/", end), func(t *testing.T) {
				c := newClient(t)
				reached, goOn := make(chan bool), make(chan bool)
				c.platter.breaks(func(step int) error {
					if step != 1 { // the named file
						return nil
					}
					c.platter.mu.Unlock()
					defer c.platter.mu.Lock()
					close(reached)
					<-goOn
					return end
				})
				put, asked := make(chan error, 1), make(chan bool, 1)
				go func() { put <- c.create(key, "new") }()
				<-reached
				go func() {
					told := ask(c)
					if _, lasts := c.platter.lasts(key); told && !lasts {
						t.Error("told of what does not last")
					}
					asked <- told
				}()
				for waiting(c.disk) < 2 && len(asked) == 0 {
					runtime.Gosched()
				}
				close(goOn)
				if err := <-put; !errors.Is(err, end) {
					t.Errorf("put: %v, want %v", err, end)
				}
				if !<-asked {
					t.Error("told nothing when it was over")
				}
				c.wants(key, "new")
			})
		}
	}
}

func waiting(d *disk) (users int) {
	d.pending.mu.Lock()
	defer d.pending.mu.Unlock()
	for _, c := range d.pending.changes {
		users += c.users
	}
	return users
}

// TestManyAtOnce: of the writers of a key one wins, whatever fails, and readers and
// listers in between are told what lasts. Nothing stays pending.
func TestManyAtOnce(t *testing.T) {
	c := newClient(t)
	var g sync.WaitGroup
	won := make(chan string, 64)
	c.platter.breaks(func(step int) error {
		if step%5 == 3 {
			return errPlatter
		}
		return nil
	})
	for i := range 16 {
		mine := fmt.Sprint("content ", i)
		g.Go(func() {
			if err := c.create(key, mine); err == nil {
				won <- mine
			}
		})
		g.Go(func() {
			if content, err := c.get(key); err == nil && content != "" {
				if last, _ := c.platter.lasts(key); last != content {
					t.Errorf("told of %q, what lasts is %q", content, last)
				}
			}
		})
		g.Go(func() {
			if err := errors.Join(c.create(fmt.Sprint("users/a/", i), mine)); done(err) {
				if last, _ := c.platter.lasts(fmt.Sprint("users/a/", i)); last != mine {
					t.Errorf("put %q, what lasts is %q", mine, last)
				}
			}
			if _, err := c.list(); err != nil && !errors.Is(err, errPlatter) {
				t.Error(err)
			}
		})
	}
	g.Wait()
	if len(won) > 1 {
		t.Errorf("%d won", len(won))
	}
	c.platter.breaks(nil)
	content, err := c.get(key)
	if err != nil {
		t.Fatal(err)
	}
	if len(won) == 1 && content != <-won {
		t.Errorf("holds %q, which did not win", content)
	}
	if _, err := c.list(); err != nil {
		t.Error(err)
	}
	if left := c.disk.pending.paths(); len(left) != 0 {
		t.Errorf("pending for ever: %q", left)
	}
}

// TestDeletesAnObjectThatIsOwed: what is owed to an object ends with it.
func TestDeletesAnObjectThatIsOwed(t *testing.T) {
	c := newClient(t)
	c.platter.breaks(between(2, 2))
	if err := c.create(key, "new"); !errors.Is(err, errPlatter) {
		t.Fatal(err)
	}
	if err := c.remove(key); err != nil {
		t.Fatal(err)
	}
	c.wants(key, "")
	if left := c.disk.pending.paths(); len(left) != 0 {
		t.Errorf("pending for ever: %q", left)
	}
}

// TestRemovesWhatACrashLeft: files that never got their name.
func TestRemovesWhatACrashLeft(t *testing.T) {
	c := newClient(t)
	left := c.disk.path(bucket, staging+"/cut.off")
	if err := errors.Join(os.MkdirAll(filepath.Dir(left), 0o700), os.WriteFile(left, []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	serve(t, c.disk.folder, c.platter)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("it is there: %v", err)
	}
}

// TestClosedToOthers: folders 0700, files 0600, whatever the mask and whoever made
// the folder.
func TestClosedToOthers(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	c := newClient(t)
	if err := os.Chmod(c.disk.folder.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := open(c.disk.folder.dir, bucket); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.create(key, "x"), c.replace("users/b", "y")); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(c.disk.folder.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil || files != 2 {
		t.Errorf("%d files, %v", files, err)
	}
}

// TestFull: a full disk is said to be full, wherever it is noticed.
func TestFull(t *testing.T) {
	wants := func(t *testing.T, dir string, err error) {
		t.Helper()
		known, ok := errors.AsType[s3err.S3Error](err)
		if !ok || known.StatusCode() != 507 || !strings.Contains(err.Error(), dir+" is full: make room") {
			t.Errorf("got %v", err)
		}
	}
	for name, cause := range map[string]error{
		"sync": syscall.ENOSPC, "quota": syscall.EDQUOT, "wrapped": fmt.Errorf("x: %w", syscall.ENOSPC),
		"gateway": s3err.GetAPIError(s3err.ErrNoSpaceLeftOnDevice), "gateway's quota": s3err.GetAPIError(s3err.ErrQuotaExceeded),
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			for step := range 3 {
				c.platter.breaks(func(at int) error {
					if at == step {
						return cause
					}
					return nil
				})
				wants(t, c.disk.folder.dir, c.create(fmt.Sprint("k", step), "x"))
			}
		})
	}
	t.Run("a small disk", func(t *testing.T) {
		t.Chdir(t.TempDir())
		dir := t.TempDir()
		// 12 inodes: the root of it, five folders at the start and with the first object,
		// that, and a few more.
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,nr_inodes=12"); err != nil {
			t.Skipf("cannot mount a small disk here: %v", err)
		}
		if err := Make(dir, Options{Bucket: bucket}); err != nil {
			t.Fatal(err)
		}
		c := serve(t, folder{dir, bucket}, newPlatter(t, filepath.Join(dir, "buckets")))
		t.Cleanup(func() {
			if err := errors.Join(os.Chdir("/"), syscall.Unmount(dir, 0)); err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(c.disk.Shutdown)
		big := strings.Repeat("x", 2<<20)
		wants(t, dir, c.create("big", big))
		if err := c.create("small", "fits"); err != nil {
			t.Fatal(err)
		}
		// No more folders, which the gateway would call a conflict.
		wants(t, dir, c.create("a/b/c/d/e/f/g/h/i/j/k/l/m", "deep"))
		c.wants("small", "fits")
		if err := c.remove("small"); err != nil {
			t.Error(err)
		}
	})
}

// TestRefusesWhatItDoesNotSync: every way to write but the one that is made safe.
func TestRefusesWhatItDoesNotSync(t *testing.T) {
	c := newClient(t)
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"copy": func() error { _, err := c.disk.CopyObject(ctx, s3response.CopyObjectInput{}); return err },
		"upload in parts": func() error {
			_, err := c.disk.CreateMultipartUpload(ctx, s3response.CreateMultipartUploadInput{})
			return err
		},
		"part":             func() error { _, err := c.disk.UploadPart(ctx, nil); return err },
		"bucket":           func() error { return c.disk.CreateBucket(ctx, nil, nil) },
		"delete of bucket": func() error { return c.disk.DeleteBucket(ctx, bucket) },
		"delete of many":   func() error { _, err := c.disk.DeleteObjects(ctx, nil); return err },
		"folder":           func() error { return c.create("users/", "") },
	} {
		if err := do(); !errors.Is(err, s3err.GetAPIError(s3err.ErrNotImplemented)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStartFails when the disk does: what a killed process left cannot be told.
func TestStartFails(t *testing.T) {
	c := newClient(t)
	m := c.platter.medium()
	m.syncAll = func(*os.File) error { return syscall.EIO }
	if _, err := newDisk(c.disk.folder, m); !errors.Is(err, syscall.EIO) {
		t.Errorf("started on a broken disk: %v", err)
	}
}
