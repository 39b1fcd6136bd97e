package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"imago/pkg/blob"
)

// Get reads a range. A whole object is checked against its checksum on the way,
// by the SDK, where the store keeps one.
func (s *Store) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	return s.get(ctx, key, rng, "")
}

// Resume reads a range of the object that has that ETag.
func (s *Store) Resume(ctx context.Context, key string, rng blob.Range, tag string) (io.ReadCloser, error) {
	return s.get(ctx, key, rng, tag)
}

func (s *Store) get(ctx context.Context, key string, rng blob.Range, tag string) (io.ReadCloser, error) {
	if rng.Length == 0 || rng.Offset < 0 {
		return s.nothing(ctx, key, rng)
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key}
	if rng == blob.Whole {
		in.ChecksumMode = types.ChecksumModeEnabled
	} else {
		in.Range = aws.String(header(rng))
	}
	if tag != "" {
		in.IfMatch = &tag
	}
	out, err := s.client.GetObject(ctx, in)
	switch {
	case err == nil:
	case tag != "" && code(err) == "PreconditionFailed":
		return nil, fmt.Errorf("s3 get %s: %w: %w", key, blob.ErrChanged, err)
	case rng.Length < 0 && code(err) == "InvalidRange":
		return s.nothing(ctx, key, rng) // from the end, which is nothing, or from beyond it
	default:
		return nil, fmt.Errorf("s3 get %s: %w", key, known(err))
	}
	if in.Range != nil && out.ContentRange == nil {
		return nil, errors.Join(fmt.Errorf("s3 get %s: the store ignored the range %s", key, *in.Range), out.Body.Close())
	}
	got := aws.ToInt64(out.ContentLength)
	return &body{out.Body, key, aws.ToString(out.ETag), got, rng.Length > got && out.ContentLength != nil}, nil
}

// nothing answers a read of no bytes, which HTTP cannot ask for.
func (s *Store) nothing(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	size, err := s.size(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("s3 get %s: %w", key, err)
	}
	if rng.Offset < 0 || rng.Offset > size {
		return nil, fmt.Errorf("s3 get %s from byte %d of %d: %w", key, rng.Offset, size, blob.ErrRange)
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
	key   string
	tag   string
	left  int64 // of what was announced
	short bool  // the object ends before the range does
}

// Tag is the object's ETag.
func (b *body) Tag() string { return b.tag }

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && b.left > 0:
		err = io.ErrUnexpectedEOF
	case errors.Is(err, io.EOF) && b.short:
		err = blob.ErrRange
	case errors.Is(err, io.EOF):
		return n, err
	}
	// Behind the last byte it is the content that is wrong, not the connection.
	if b.left > 0 {
		err = fmt.Errorf("%w: %w", blob.ErrUnavailable, err)
	}
	return n, fmt.Errorf("s3 get %s, %d bytes before the end: %w", b.key, b.left, err)
}
