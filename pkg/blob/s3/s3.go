// Package s3 keeps objects in a bucket of Amazon S3, Cloudflare R2, or another
// store that speaks S3.
//
// What stores differ in is probed at start by a few small writes: whether a
// conditional put refuses to overwrite, and whether encryption at rest is echoed.
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
	encryption   types.ServerSideEncryption // asked for on every write; "" asks for nothing
	kmsKey       string
	capabilities blob.Capabilities
}

var (
	_ blob.Store    = (*Store)(nil)
	_ blob.Replacer = (*Store)(nil)
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
	if _, err = s.write(ctx, key, data, s.capabilities.ConditionalPut); err != nil {
		return fmt.Errorf("s3 put %s: %w", key, err)
	}
	return nil
}

// Replace writes an object whether or not the key is taken.
func (s *Store) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	data, err := content(key, r, size)
	if err != nil {
		return err
	}
	if _, err := s.write(ctx, key, data, false); err != nil {
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

func (s *Store) write(ctx context.Context, key string, data []byte, conditional bool) (*s3.PutObjectOutput, error) {
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
	if conditional {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := s.client.PutObject(ctx, in)
	return out, known(err)
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

// Get reads a range. A whole object is checked against its checksum on the way,
// by the SDK, where the store keeps one.
func (s *Store) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	if rng.Length == 0 || rng.Offset < 0 {
		return s.nothing(ctx, key, rng)
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key}
	if rng == blob.Whole {
		in.ChecksumMode = types.ChecksumModeEnabled
	} else {
		in.Range = aws.String(header(rng))
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("s3 get %s: %w", key, known(err))
	}
	if in.Range != nil && out.ContentRange == nil {
		return nil, errors.Join(fmt.Errorf("s3 get %s: the store ignored the range %s", key, *in.Range), out.Body.Close())
	}
	want := rng.Length
	if want < 0 {
		want = aws.ToInt64(out.ContentLength)
	}
	return &body{out.Body, key, want}, nil
}

// nothing answers a read of no bytes, which HTTP cannot ask for.
func (s *Store) nothing(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	size, err := s.size(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("s3 get %s: %w", key, err)
	}
	if rng.Offset < 0 || rng.Offset > size {
		return nil, fmt.Errorf("s3 get %s from byte %d of %d: %w", key, rng.Offset, size, io.ErrUnexpectedEOF)
	}
	return io.NopCloser(bytes.NewReader(nil)), nil
}

// header renders a range as RFC 9110, section 14.1.2, has it.
func header(rng blob.Range) string {
	if rng.Length < 0 {
		return fmt.Sprintf("bytes=%d-", rng.Offset)
	}
	return fmt.Sprintf("bytes=%d-%d", rng.Offset, rng.Offset+rng.Length-1)
}

// body counts what arrives: less than was asked for is an error, also where the
// store calls it the whole answer.
type body struct {
	io.ReadCloser
	key  string
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if errors.Is(err, io.EOF) && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("s3 get %s, %d bytes before the end: %w", b.key, b.left, err)
	}
	return n, err
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

// Delete removes an object, if it is there.
func (s *Store) Delete(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
	if err = known(err); err != nil && !isNotFound(err) {
		return fmt.Errorf("s3 delete %s: %w", key, err)
	}
	return nil
}

// Capabilities says what the probe found, or what was configured.
func (s *Store) Capabilities() blob.Capabilities { return s.capabilities }

// Close lets go of idle connections. A server that stops waits for them.
func (s *Store) Close() { s.http.CloseIdleConnections() }
