package blob

import (
	"context"
	"fmt"
	"mime"
	"time"
)

// MaxPresign is the longest life of a presigned URL: who has it needs no other key.
const MaxPresign = 15 * time.Minute

// PresignOptions of Presign.
type PresignOptions struct {
	Lifetime    time.Duration // from now; zero: five minutes; at most MaxPresign, in whole seconds
	ContentType string        // of the answer; zero: application/octet-stream
	Filename    string        // that a browser saves it by; zero: none is suggested
}

// Presigner is a Store that makes URLs by which others GET one object without a key of
// theirs, for minutes. The URL fixes the answer's content type, saves it as a file, and
// forbids to cache it.
type Presigner interface {
	Presign(ctx context.Context, key string, o PresignOptions) (string, error)
}

// Settle fills in what is zero and refuses what must not be.
func (o *PresignOptions) Settle() error {
	if o.Lifetime == 0 {
		o.Lifetime = 5 * time.Minute
	}
	if o.Lifetime < time.Second || o.Lifetime > MaxPresign {
		return fmt.Errorf("a URL for %v: at least a second, at most %v", o.Lifetime, MaxPresign)
	}
	if o.ContentType == "" {
		o.ContentType = "application/octet-stream"
	}
	if _, _, err := mime.ParseMediaType(o.ContentType); err != nil {
		return fmt.Errorf("content type %q: %w", o.ContentType, err)
	}
	return nil
}

// Disposition is the header that saves the answer as a file (RFC 6266).
func (o PresignOptions) Disposition() string {
	if o.Filename == "" {
		return "attachment"
	}
	return mime.FormatMediaType("attachment", map[string]string{"filename": o.Filename})
}
