package s3

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"imago/pkg/blob"
)

// Presign makes a URL of a GET (Signature Version 4 in the query). Its end is the
// lifetime's, or that of the credentials if they end before.
func (s *Store) Presign(ctx context.Context, key string, o blob.PresignOptions) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", fmt.Errorf("s3 presign: %w", err)
	}
	if err := o.Settle(); err != nil {
		return "", fmt.Errorf("s3 presign %s: %w", key, err)
	}
	signed, err := s3.NewPresignClient(s.client).PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: &key,
		ResponseContentType:        &o.ContentType,
		ResponseContentDisposition: aws.String(o.Disposition()),
		ResponseCacheControl:       aws.String("private, no-store"),
	}, func(p *s3.PresignOptions) {
		p.Expires = o.Lifetime
		p.Presigner = signer{v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), s.now}
	})
	if err != nil {
		return "", fmt.Errorf("s3 presign %s: %w", key, err)
	}
	return signed.URL, nil
}

// signer signs at the store's time, which tests set.
type signer struct {
	*v4.Signer
	now func() time.Time
}

// PresignHTTP puts the signature into the URL's query.
func (s signer) PresignHTTP(
	ctx context.Context, c aws.Credentials, r *http.Request, payload, service, region string, _ time.Time, o ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	return s.Signer.PresignHTTP(ctx, c, r, payload, service, region, s.now().UTC(), o...)
}
