package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3response"
)

// disk is the gateway's folder with one promise more: what was answered for
// survives a power cut. The gateway itself leaves that to the page cache.
type disk struct {
	*posix.Posix
	root string
	sync func(path string) error
}

// PutObject writes an object and syncs it before it becomes visible, and its
// attributes and folders before it is answered for.
func (d *disk) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	out, err := d.PutObjectWithPostFunc(ctx, in, (*os.File).Sync)
	if err != nil {
		return out, err
	}
	path := filepath.Join(d.root, *in.Bucket, *in.Key)
	for ; len(path) >= len(d.root); path = filepath.Dir(path) {
		if err := d.sync(path); err != nil {
			return s3response.PutObjectOutput{}, fmt.Errorf("sync %s: %w", *in.Key, err)
		}
	}
	return out, nil
}

// DeleteObject removes an object for good: a manifest that came back after its
// segments went would be a snapshot that is listed and cannot be opened.
func (d *disk) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	out, err := d.Posix.DeleteObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.gone(*in.Bucket, *in.Key)
}

// DeleteObjects is DeleteObject for several.
func (d *disk) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	out, err := d.Posix.DeleteObjects(ctx, in)
	if err != nil {
		return out, err
	}
	for _, o := range in.Delete.Objects {
		if err := d.gone(*in.Bucket, *o.Key); err != nil {
			return s3response.DeleteResult{}, err
		}
	}
	return out, nil
}

// gone syncs the folder that an object was removed from; those that went empty
// went with it, so it is the nearest one that is left.
func (d *disk) gone(bucket, key string) error {
	path := filepath.Dir(filepath.Join(d.root, bucket, key))
	for ; len(path) > len(d.root); path = filepath.Dir(path) {
		_, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = d.sync(path)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // another delete may be as quick
			return fmt.Errorf("sync after the removal of %s: %w", key, err)
		}
		return nil
	}
	return nil
}

func sync(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}

// metadata is where objects' attributes are kept.
type metadata struct {
	storer  meta.MetadataStorer
	sidecar string // folder of attributes; "" when the file system keeps them
}

// newMetadata takes extended attributes where the file system has them, and
// otherwise files in a folder beside the buckets. What was chosen first stays.
func newMetadata(root string) (metadata, error) {
	dir := filepath.Join(filepath.Dir(root), "attributes")
	_, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) && (meta.XattrMeta{}).Test(root) == nil {
		return metadata{storer: meta.XattrMeta{}}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return metadata{}, err
	}
	s, err := meta.NewSideCar(dir)
	return metadata{s, dir}, err
}
