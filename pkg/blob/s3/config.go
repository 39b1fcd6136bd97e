package s3

import (
	"context"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/retry"
)

// Config is where a program finds the bucket, as it reads it from its environment.
type Config struct {
	Bucket    string        `env:"BUCKET,required" help:"bucket that holds the snapshots"`
	Endpoint  string        `env:"ENDPOINT" help:"URL of another store than Amazon S3"`
	Region    string        `env:"REGION" help:"the bucket's region"`
	LockDays  int           `env:"LOCK_DAYS" help:"days for which a rule of the bucket locks every object, such as R2's bucket locks, which the store does not tell"`
	Lock      time.Duration `env:"LOCK" help:"for how long every object is locked that is put, by Object Lock, such as 336h; absent: for as long as the bucket locks by itself"`
	LockMode  string        `env:"LOCK_MODE" help:"governance, which whoever has BypassGovernanceRetention lifts, or compliance, which nobody does; absent: governance"`
	PathStyle bool          `env:"PATH_STYLE" help:"true for stores that want the bucket in the path"`
	KeyID     string        `env:"ACCESS_KEY_ID_FILE" help:"file with the ID of the access key; absent: the SDK's chain"`
	Key       string        `env:"SECRET_ACCESS_KEY_FILE" help:"file with the access key"`
}

// Open opens the bucket to write to, and probes it. What is worth another attempt is
// tried again.
func (c Config) Open(ctx context.Context) (blob.Store, error) {
	return again(New(ctx, c.Bucket, c.options()))
}

// OpenToRead opens the bucket without probing it, which would write: a key that can do no
// more than read is enough.
func (c Config) OpenToRead(ctx context.Context) (blob.Store, error) {
	o := c.options()
	// What is told of locks is believed, as here nothing shows it.
	o.Capabilities = &blob.Capabilities{LockFor: max(o.LockFor, o.Lock)}
	s, err := New(ctx, c.Bucket, o)
	if err != nil {
		return nil, err
	}
	s.abilities = nil // nobody configured them: they were not asked for
	return again(s, nil)
}

// OpenToList is OpenToRead for somebody who looks for what is there: it begins to list, and
// says what is wrong in words.
func (c Config) OpenToList(ctx context.Context) (blob.Store, error) {
	store, err := c.OpenToRead(ctx)
	if err != nil {
		return nil, err
	}
	for _, err := range store.List(ctx, "users/") {
		if err != nil {
			return nil, explain(c.Bucket, c.Endpoint, "GetObject and ListBucket", err)
		}
		break
	}
	return store, nil
}

func again(s *Store, err error) (blob.Store, error) {
	if err != nil {
		return nil, err
	}
	return retry.New(s, retry.Options{})
}

func (c Config) options() Options {
	return Options{
		Endpoint: c.Endpoint, Region: c.Region, PathStyle: c.PathStyle, AccessKeyIDFile: c.KeyID, SecretAccessKeyFile: c.Key,
		LockFor: time.Duration(c.LockDays) * 24 * time.Hour, Lock: c.Lock, LockMode: c.LockMode,
	}
}
