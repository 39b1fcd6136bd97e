package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"imago/pkg/blob"
	"imago/pkg/problem"
)

// probe finds out what the store does, under a key of its own, which it removes.
// must: the encryption was asked for by name, so a store without it is refused.
func (s *Store) probe(ctx context.Context, must bool) (err error) {
	key := "imago-probe/" + rand.Text()
	out, err := s.probeWrite(ctx, key, must)
	if err != nil {
		return err
	}
	defer func() {
		if e := s.Delete(ctx, key); e != nil {
			err = errors.Join(err, e)
		}
	}()
	if err := s.probeEncryption(out, must); err != nil {
		return err
	}
	if err := s.probeOverwrite(ctx, key); err != nil {
		return err
	}
	return s.probeRead(ctx, key)
}

// probeWrite writes, and without encryption where the store does not know it.
func (s *Store) probeWrite(ctx context.Context, key string, must bool) (*s3.PutObjectOutput, error) {
	out, err := s.write(ctx, key, []byte("probe"), false)
	if err != nil && refused(err) && s.encryption != "" && !must {
		s.encryption = ""
		out, err = s.write(ctx, key, []byte("probe"), false)
	}
	if err != nil && refused(err) && s.encryption != "" {
		return nil, s.unencrypted().Because(err)
	}
	return out, err
}

// probeEncryption claims encryption at rest only when the store says that it
// did it; some take the header and ignore it.
func (s *Store) probeEncryption(out *s3.PutObjectOutput, must bool) error {
	asked := s.encryption
	s.capabilities.ServerSideEncryption = out.ServerSideEncryption != "" && (asked == "" || out.ServerSideEncryption == asked)
	if s.capabilities.ServerSideEncryption {
		return nil
	}
	if must && asked != "" {
		return s.unencrypted()
	}
	s.encryption, s.kmsKey = "", ""
	return nil
}

func (s *Store) unencrypted() *problem.Problem {
	return problem.InField("encryption", "the store does not encrypt by %s", s.encryption).
		WithHint("use none: Imago seals every object before it leaves")
}

// probeOverwrite tries to write over the probe's object.
func (s *Store) probeOverwrite(ctx context.Context, key string) error {
	_, err := s.write(ctx, key, []byte("other"), true)
	switch {
	case errors.Is(err, blob.ErrExists):
		s.capabilities.ConditionalPut = true
	case err != nil && !refused(err):
		return err
	}
	return nil
}

func (s *Store) probeRead(ctx context.Context, key string) error {
	data, err := blob.ReadAll(ctx, s, key, 64)
	if err != nil {
		return err
	}
	if s.capabilities.ConditionalPut && string(data) != "probe" {
		return fmt.Errorf("the store refused to overwrite, and did")
	}
	for _, err := range s.List(ctx, key) {
		if err != nil {
			return err
		}
	}
	return nil
}
