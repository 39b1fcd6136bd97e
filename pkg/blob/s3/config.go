package s3

import (
	"context"

	"imago/pkg/blob"
)

// Config is where a program finds the bucket, as it reads it from its environment.
type Config struct {
	Bucket    string `env:"BUCKET,required" help:"bucket that holds the snapshots"`
	Endpoint  string `env:"ENDPOINT" help:"URL of another store than Amazon S3"`
	Region    string `env:"REGION" help:"the bucket's region"`
	PathStyle bool   `env:"PATH_STYLE" help:"true for stores that want the bucket in the path"`
	KeyID     string `env:"ACCESS_KEY_ID_FILE" help:"file with the ID of the access key; absent: the SDK's chain"`
	Key       string `env:"SECRET_ACCESS_KEY_FILE" help:"file with the access key"`
}

// Open opens the bucket to write to.
func (c Config) Open(ctx context.Context) (*Store, error) { return New(ctx, c.Bucket, c.options()) }

// OpenToRead opens the bucket without probing it, which would write: a key that can do no
// more than read is enough.
func (c Config) OpenToRead(ctx context.Context) (*Store, error) {
	o := c.options()
	o.Capabilities = &blob.Capabilities{}
	return New(ctx, c.Bucket, o)
}

func (c Config) options() Options {
	return Options{
		Endpoint: c.Endpoint, Region: c.Region, PathStyle: c.PathStyle, AccessKeyIDFile: c.KeyID, SecretAccessKeyFile: c.Key,
	}
}
