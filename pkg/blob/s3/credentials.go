package s3

import (
	"context"
	"os"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"imago/pkg/problem"
)

// credentials gives the configured key; nil leaves it to the SDK's chain.
func (o Options) credentials() (aws.CredentialsProvider, error) {
	id, secret := o.AccessKeyID, o.SecretAccessKey.Reveal()
	if o.AccessKeyIDFile != "" {
		var err error
		if id, err = line("access key ID file", o.AccessKeyIDFile); err != nil {
			return nil, err
		}
		if secret, err = line("secret access key file", o.SecretAccessKeyFile); err != nil {
			return nil, err
		}
	}
	if id == "" {
		return nil, nil
	}
	return aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(id, secret, "")), nil
}

func line(field, path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", problem.InField(field, "cannot be read: %v", err).Because(err)
	}
	text := strings.TrimSpace(string(data))
	if text == "" || strings.ContainsAny(text, " \n\t") {
		return "", problem.InField(field, "%s must hold one word", path)
	}
	return text, nil
}

// told gives the SDK's credentials, and tells when there are none: their sources fail as
// a store does, and what is to be done is something else.
type told struct {
	aws.CredentialsProvider
	had *atomic.Bool // there were some before
}

// Retrieve gives credentials; a *noCredentials if it cannot.
func (p told) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		return c, &noCredentials{err, p.had.Load() && passing.IsErrorRetryable(err).Bool()}
	}
	p.had.Store(p.had.Load() || err == nil)
	return c, err
}

// noCredentials: there was nobody to sign as, so the store was not asked. The cause is not
// wrapped: it would pass for the store's own.
type noCredentials struct {
	why   error
	again bool // another attempt may go better
}

func (e *noCredentials) Error() string { return "there are no credentials for the bucket" }

// RetryableError tells whether to try again. Where there never were any, there is no use in
// asking for them for a quarter of a minute: the SDK has asked each source several times.
func (e *noCredentials) RetryableError() bool { return e.again }

// explain says where they may come from. What their source answered may repeat what was
// sent to it: its code is all that is shown.
func (e *noCredentials) explain(bucket string) error {
	answered := ""
	if c := code(e.why); c != "" {
		answered = ": their source answers " + c
	}
	return problem.New(problem.Denied, "there are no credentials for bucket %q%s", bucket, answered).
		WithHint("give an access key by IMAGO_STORE_ACCESS_KEY_ID_FILE and IMAGO_STORE_SECRET_ACCESS_KEY_FILE, or as AWS's own tools " +
			"take one: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE and its files, or a role of this machine").Because(e)
}
