package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
	"golang.org/x/sys/unix"
)

// disk is the gateway's folder with what the gateway leaves to the page cache: what
// it tells anybody survives a power cut. A file is synced before it gets its name,
// then the folders up to the root are; until that is done, who asks for the object
// waits, and when it fails it is made good before anybody is told of the object.
//
// What is not written here, such as copies and uploads in parts, it refuses: the
// gateway would do it without a sync. Nothing but the content is kept of an object.
// An attribute beside the file could be lost without it, by a power cut as by a copy
// of the folder, and the gateway takes a file without one for no object.
type disk struct {
	backend.BackendUnsupported
	files     *posix.Posix
	folder    folder
	landmarks []landmark
	pending   pending
	medium    medium
}

var _ backend.Backend = (*disk)(nil)

// medium makes what was written last: one file or folder, and the whole file system
// that one lies on.
type medium struct{ sync, syncAll func(*os.File) error }

func kernel() medium {
	return medium{(*os.File).Sync, func(f *os.File) error {
		return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
	}}
}

// landmark is a folder as it was at the start.
type landmark struct {
	path string
	info fs.FileInfo
}

// staging is where files lie that have no name yet. The gateway never lists it.
const staging = posix.MetaTmpDir

func newDisk(f folder, m medium) (*disk, error) {
	d := &disk{folder: f, pending: pending{changes: map[string]*change{}}, medium: m}
	for _, path := range f.levels() {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		d.landmarks = append(d.landmarks, landmark{path, info})
	}
	// Files in staging are of writes that were cut off: there is one server.
	if err := os.RemoveAll(d.path(f.bucket, staging)); err != nil {
		return nil, err
	}
	// A process that was killed may have named objects that it did not sync.
	if err := flush(f.root(), m.syncAll); err != nil {
		return nil, err
	}
	// Staged files that are renamed, not unnamed ones: those would pass through a
	// second name among the objects when they replace one. Locks within the process
	// are enough, and the files of the others would make a folder anew that is gone.
	o := posix.PosixOpts{ForceNoTmpFile: true, ForceNoObjLockFile: true}
	o.SetNewDirPerm(0o700)
	o.SetNewFilePerm(0o600)
	var err error
	d.files, err = posix.New(f.root(), meta.NoMeta{}, o)
	return d, err
}

// Shutdown closes what is open.
func (d *disk) Shutdown() { d.files.Shutdown() }

func (d *disk) String() string { return "folder" }

func (d *disk) path(bucket, key string) string { return filepath.Join(d.folder.root(), bucket, key) }

// present is an error if the folder is not the one of the start any more: the gateway
// would go on in the old one, wherever it is now, or begin a new one.
func (d *disk) present() error {
	for _, l := range d.landmarks {
		info, err := os.Stat(l.path)
		if err == nil && os.SameFile(info, l.info) {
			continue
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return away(l.path)
		}
		return err
	}
	here, err := os.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(here, d.landmarks[1].info) {
		return errors.New("another part of the program changed the working directory")
	}
	return nil
}

// PutObject writes an object, or refuses to overwrite one. Both say that the object
// stands, so both are answered when it does.
func (d *disk) PutObject(ctx context.Context, in s3response.PutObjectInput) (out s3response.PutObjectOutput, err error) {
	if strings.HasSuffix(*in.Key, "/") {
		return out, s3err.GetAPIError(s3err.ErrNotImplemented) // a folder as an object
	}
	if err := d.present(); err != nil {
		return out, err
	}
	path := d.path(*in.Bucket, *in.Key)
	var c *change
	defer func() { d.pending.end(path, c) }()
	out, err = d.files.PutObjectWithPostFunc(ctx, in, func(staged *os.File) error {
		if err := d.medium.sync(staged); err != nil {
			return err
		}
		c = d.pending.begin(path)
		return vacant(path, in.IfNoneMatch)
	})
	if c == nil { // it did not come as far as its name
		return out, d.answer(d.unmask(path, err))
	}
	if err := d.settle(path, c); err != nil {
		return s3response.PutObjectOutput{}, d.answer(err)
	}
	if err == nil {
		_, err = os.Lstat(path) // the gateway takes some refusals to name it for success
	}
	return out, d.answer(d.unmask(path, err))
}

// vacant refuses a path where an object is, if the request has that condition. The
// gateway does not: it knows objects by their attributes.
func vacant(path string, ifNoneMatch *string) error {
	if ifNoneMatch == nil {
		return nil
	}
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return s3err.GetPreconditionFailedErr(s3err.ConditionIfNoneMatch)
	case nothing(err):
		return nil
	}
	return err
}

// nothing reports whether an error says that there is nothing at a path.
func nothing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// unmask finds out what the gateway calls a directory: every failure to make an
// object's folder, or to give it its name, a full disk too.
func (d *disk) unmask(path string, err error) error {
	if !errors.Is(err, s3err.GetAPIError(s3err.ErrExistingObjectIsDirectory)) {
		return err
	}
	if info, e := os.Stat(path); e == nil && info.IsDir() {
		return err
	}
	if e := os.MkdirAll(filepath.Dir(path), 0o700); e != nil {
		return e
	}
	return errors.New("the object could not be given its name")
}

// DeleteObject removes an object for good: a manifest that came back after its
// segments went would be a snapshot that is listed and cannot be opened.
func (d *disk) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	if err := d.present(); err != nil {
		return nil, err
	}
	path := d.path(*in.Bucket, *in.Key)
	c := d.pending.begin(path)
	defer d.pending.end(path, c)
	out, err := d.files.DeleteObject(ctx, in)
	if err != nil {
		return nil, d.answer(err)
	}
	err = d.gone(filepath.Dir(path))
	c.owed = err != nil
	return out, d.answer(err)
}

// gone syncs the folder that an object was removed from. Those that went empty went
// with it, so it is the nearest one that is left.
func (d *disk) gone(path string) error {
	for ; len(path) >= len(d.folder.root()); path = filepath.Dir(path) {
		if err := flush(path, d.medium.sync); !nothing(err) {
			return err
		}
	}
	return d.present()
}

// HeadObject tells of an object.
func (d *disk) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	if err := d.present(); err != nil {
		return nil, err
	}
	out, err := d.files.HeadObject(ctx, in)
	if e := d.stands(d.path(*in.Bucket, *in.Key)); e != nil {
		return nil, d.answer(e)
	}
	return out, d.answer(err)
}

// GetObject hands out an object's content.
func (d *disk) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	if err := d.present(); err != nil {
		return nil, err
	}
	out, err := d.files.GetObject(ctx, in)
	if e := d.stands(d.path(*in.Bucket, *in.Key)); e != nil {
		if err == nil && out.Body != nil {
			e = errors.Join(e, out.Body.Close())
		}
		return nil, d.answer(e)
	}
	return out, d.answer(err)
}

// ListObjectsV2 lists the objects of a prefix.
func (d *disk) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	if err := d.present(); err != nil {
		return s3response.ListObjectsV2Result{}, err
	}
	out, err := d.files.ListObjectsV2(ctx, in)
	for _, path := range d.pending.paths() {
		if e := d.stands(path); e != nil {
			return s3response.ListObjectsV2Result{}, d.answer(e)
		}
	}
	return out, d.answer(err)
}

// stands makes sure, before somebody is told what was found at path, that it is on
// the disk: it waits for a change that is under way, and makes good one that is owed.
func (d *disk) stands(path string) error {
	c := d.pending.join(path)
	if c == nil {
		return nil
	}
	defer d.pending.end(path, c)
	if !c.owed {
		return nil
	}
	return d.settle(path, c)
}

// settle syncs a path, be there something or nothing, and every folder above it.
func (d *disk) settle(path string, c *change) error {
	err := d.climb(path)
	c.owed = err != nil
	return err
}

func (d *disk) climb(path string) error {
	for ; len(path) >= len(d.folder.root()); path = filepath.Dir(path) {
		if err := flush(path, d.medium.sync); err != nil && !nothing(err) {
			return fmt.Errorf("sync: %w", err)
		}
	}
	return d.present()
}

// GetBucketAcl tells whether there is such a bucket: access is the root key's alone.
func (d *disk) GetBucketAcl(_ context.Context, in *s3.GetBucketAclInput) ([]byte, error) {
	if err := d.present(); err != nil {
		return nil, err
	}
	if *in.Bucket != d.folder.bucket {
		return nil, s3err.GetBucketErr(s3err.ErrNoSuchBucket, *in.Bucket)
	}
	return nil, nil
}

// GetBucketPolicy says that there is none.
func (d *disk) GetBucketPolicy(context.Context, string) ([]byte, error) {
	return nil, s3err.GetAPIError(s3err.ErrNoSuchBucketPolicy)
}

// GetObjectLockConfiguration says that there is none.
func (d *disk) GetObjectLockConfiguration(context.Context, string) ([]byte, error) {
	return nil, s3err.GetAPIError(s3err.ErrObjectLockConfigurationNotFound)
}
