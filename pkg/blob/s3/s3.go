// Package s3 keeps objects in a bucket of Amazon S3, Cloudflare R2, or another
// store that speaks S3.
//
// What stores differ in is probed at start by a few small writes: whether a
// conditional put refuses to overwrite, whether encryption at rest is echoed, whether
// what is deleted stays as an old version, and whether a lock holds.
//
// Nothing is tried again here but the probe's requests: pkg/blob/retry does that.
package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"imago/pkg/blob"
)

// Store is a blob.Store in one bucket, safe for concurrent use.
type Store struct {
	client       *s3.Client
	http         *http.Client
	bucket       string
	now          func() time.Time
	encryption   types.ServerSideEncryption // asked for on every write; "" asks for nothing
	kmsKey       string
	capabilities blob.Capabilities
	abilities    []blob.Ability // the same, with how they became known
	rule         lock           // of the bucket, on every object that asks for none
	asks         lock           // that every put asks for
}

var (
	_ blob.Store     = (*Store)(nil)
	_ blob.Replacer  = (*Store)(nil)
	_ blob.Resumer   = (*Store)(nil)
	_ blob.Deleter   = (*Store)(nil)
	_ blob.Explainer = (*Store)(nil)
	_ blob.Tagger    = (*body)(nil)
)

// Put writes an object by one request that the store refuses when the key is
// taken. An error does not say that nothing was written: an answer can get lost.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	data, err := content(key, r, size)
	if err != nil {
		return err
	}
	if !s.capabilities.ConditionalPut {
		if err := s.vacant(ctx, key); err != nil {
			return fmt.Errorf("s3 put %s: %w", key, err)
		}
	}
	_, err = s.write(ctx, key, data, how{conditional: s.capabilities.ConditionalPut, lock: s.asks})
	if err != nil {
		return fmt.Errorf("s3 put %s: %w", key, err)
	}
	return nil
}

// Replace writes an object whether or not the key is taken. The versions that the store
// keeps of the old one go afterwards; after an error they may be there still. It asks for no
// lock: what is replaced once is to be replaced again, or destroyed.
func (s *Store) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	data, err := content(key, r, size)
	if err != nil {
		return err
	}
	if _, err = s.write(ctx, key, data, how{}); err == nil && s.capabilities.Versioning {
		err = s.purge(ctx, key, former)
	}
	if err != nil {
		return fmt.Errorf("s3 replace %s: %w", key, err)
	}
	return nil
}

// content reads all that is to be written: it is bounded, its checksum goes
// ahead of it, and it is sent again when an attempt fails.
func content(key string, r io.Reader, size int64) ([]byte, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, fmt.Errorf("s3 put: %w", err)
	}
	data, err := blob.ReadSized(r, size)
	if err != nil {
		return nil, fmt.Errorf("s3 put %s: %w", key, err)
	}
	return data, nil
}

// how an object is written.
type how struct {
	conditional bool // only where there is none
	lock        lock
}

// write puts an object by one request. What a lock refuses to have written over is there.
func (s *Store) write(ctx context.Context, key string, data []byte, h how) (*s3.PutObjectOutput, error) {
	sum := sha256.Sum256(data)
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(data),
		ContentLength:        aws.Int64(int64(len(data))),
		ContentType:          aws.String("application/octet-stream"),
		ChecksumSHA256:       aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		ServerSideEncryption: s.encryption,
	}
	if s.kmsKey != "" {
		in.SSEKMSKeyId = &s.kmsKey
	}
	if h.conditional {
		in.IfNoneMatch = aws.String("*")
	}
	if h.lock.length > 0 {
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = h.lock.mode, aws.Time(h.lock.until(s.now()))
	}
	out, err := s.client.PutObject(ctx, in)
	if err = known(err); errors.Is(err, blob.ErrLocked) {
		// R2's bucket locks refuse before any condition is looked at.
		err = fmt.Errorf("%w: %w", blob.ErrExists, err)
	}
	return out, err
}

// vacant looks before a put where the store cannot refuse by itself. Two writers
// at once can still both find the place free.
func (s *Store) vacant(ctx context.Context, key string) error {
	_, err := s.size(ctx, key)
	switch {
	case err == nil:
		return blob.ErrExists
	case isNotFound(err):
		return nil
	}
	return err
}

func (s *Store) size(ctx context.Context, key string) (int64, error) {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return 0, known(err)
	}
	return aws.ToInt64(head.ContentLength), nil
}

// List yields the objects below a prefix, a thousand a request.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(blob.Object{}, fmt.Errorf("s3 list %s: %w", prefix, known(err)))
				return
			}
			for _, o := range page.Contents {
				if !yield(blob.Object{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

// Capabilities says what the probe found, or what was configured.
func (s *Store) Capabilities() blob.Capabilities { return s.capabilities }

// Abilities says the same with how it became known.
func (s *Store) Abilities() []blob.Ability { return slices.Clone(s.abilities) }

// Close lets go of idle connections. A server that stops waits for them.
func (s *Store) Close() { s.http.CloseIdleConnections() }
