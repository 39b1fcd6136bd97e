package s3

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/outbound"
	"imago/pkg/problem"
)

// Options of New. The zero value is Amazon S3 in the SDK's region with the SDK's
// credentials.
type Options struct {
	Endpoint  string // URL of another store; "": Amazon S3
	Region    string // "": the SDK's; with an Endpoint "auto", which R2 wants
	PathStyle bool   // bucket in the path, not in the host's name: most stores but Amazon's

	AccessKeyID         string         // with SecretAccessKey; both empty: the files, or the SDK's chain
	SecretAccessKey     account.Secret //
	AccessKeyIDFile     string         // a file with the ID, instead
	SecretAccessKeyFile string         // a file with the secret, instead

	// Encryption at rest to ask for. "": AES256 where the probe finds it echoed.
	// "none" never asks. "AES256" and "aws:kms" must be echoed, else New fails.
	Encryption string
	KMSKey     string // with "aws:kms": the key; "": the bucket's

	// LockFor is how long a rule of the bucket, such as R2's bucket locks, locks every new
	// object: the store does not tell. Zero: no rule, or one that it does tell.
	LockFor time.Duration

	// Lock has every Put lock what it writes for so long, by Object Lock. New fails where
	// the probe does not see a lock hold. A bucket's own default retention is not made
	// shorter or weaker. Zero: it is left to the bucket. Replace locks nothing itself.
	Lock     time.Duration
	LockMode string // "governance", which is also "", or "compliance"

	// Capabilities, when set, are taken as given and nothing is probed.
	Capabilities *blob.Capabilities

	MaxBackoff time.Duration    // between five attempts of each of the probe's requests; zero: 10 seconds
	Timeout    time.Duration    // of a request, content included; zero: 30 minutes, and pkg/blob/retry sees to less
	Now        func() time.Time // nil: time.Now
}

// automatic is the region that R2 goes by, and that others ignore.
const automatic = "auto"

// New opens a bucket and probes it. Errors are problems for the operator.
func New(ctx context.Context, bucket string, o Options) (*Store, error) {
	if err := o.check(bucket); err != nil {
		return nil, err
	}
	cfg, err := o.config(ctx)
	if err != nil {
		return nil, err
	}
	s := &Store{bucket: bucket, kmsKey: o.KMSKey, now: o.Now, http: plain(cfg.HTTPClient, cmp.Or(o.Timeout, 30*time.Minute))}
	if s.now == nil {
		s.now = time.Now
	}
	s.client = o.client(cfg, s.http, o.retryer())
	if o.Encryption != "none" {
		s.encryption = types.ServerSideEncryption(cmp.Or(o.Encryption, string(types.ServerSideEncryptionAes256)))
	}
	if o.Capabilities != nil {
		s.client = o.client(cfg, s.http, aws.NopRetryer{})
		return s.configured(*o.Capabilities), nil
	}
	if err := s.probe(ctx, o); err != nil {
		if problem.Of(err) == nil {
			err = explain(bucket, o.Endpoint, toWrite, err)
		}
		return nil, err
	}
	s.client = o.client(cfg, s.http, aws.NopRetryer{})
	return s, nil
}

// configured takes the operator's word.
func (s *Store) configured(c blob.Capabilities) *Store {
	s.capabilities, s.rule = c, lock{length: c.LockFor}
	for _, a := range []blob.Ability{
		{Name: conditional, Value: yesNo(c.ConditionalPut)}, {Name: encryption, Value: yesNo(c.ServerSideEncryption)},
		{Name: versioning, Value: yesNo(c.Versioning)}, {Name: objectLock, Value: yesNo(c.ObjectLock)},
		{Name: lockFor, Value: c.LockFor.String()}, {Name: region, Value: c.Region},
	} {
		s.know(a.Name, a.Value, blob.Configured, "")
	}
	if !c.ServerSideEncryption {
		s.encryption, s.kmsKey = "", ""
	}
	return s
}

func (o Options) check(bucket string) error {
	if bucket == "" || strings.ContainsAny(bucket, "/ ") {
		return problem.InField("bucket", "must be a bucket's name, not %q", bucket)
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return problem.InField("endpoint", "must be a URL such as https://s3.example.com, not %q", o.Endpoint)
		}
		if u.Scheme == "http" && !outbound.IsLoopback(u.Hostname()) {
			return problem.InField("endpoint", "plain HTTP is for this machine alone").WithHint("use https")
		}
	}
	if (o.AccessKeyID == "") != (o.SecretAccessKey == "") {
		return problem.InField("access key", "ID and secret belong together: one is missing")
	}
	if (o.AccessKeyIDFile == "") != (o.SecretAccessKeyFile == "") {
		return problem.InField("access key files", "ID and secret belong together: one is missing")
	}
	switch o.Encryption {
	case "", "none", "AES256", "aws:kms":
	default:
		return problem.InField("encryption", "must be none, AES256 or aws:kms, not %q", o.Encryption)
	}
	if o.LockFor < 0 {
		return problem.InField("lock days", "must not be negative")
	}
	if err := o.checkLock(); err != nil {
		return err
	}
	if o.KMSKey != "" && o.Encryption != "aws:kms" {
		return problem.InField("kms key", "needs the encryption aws:kms")
	}
	return nil
}

func (o Options) config(ctx context.Context) (aws.Config, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(transport()),
		config.WithLogger(logging.Nop{}), // what is worth a word is an error
		// Checksums of ours go in headers. The SDK's own ones go in trailers,
		// which stores other than Amazon's do not all understand.
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if region := o.region(); region != "" {
		load = append(load, config.WithRegion(region))
	}
	keys, err := o.credentials()
	if err != nil {
		return aws.Config{}, err
	}
	if keys != nil {
		load = append(load, config.WithCredentialsProvider(keys))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return aws.Config{}, problem.New(problem.Invalid, "the configuration for S3 cannot be read").
			WithHint("check the region, the credentials and the CA bundle").Because(err)
	}
	if cfg.Region == "" {
		return aws.Config{}, problem.InField("region", "Amazon S3 wants to be told the bucket's").WithHint("give it as IMAGO_STORE_REGION or AWS_REGION")
	}
	cfg.Credentials = told{cfg.Credentials, new(atomic.Bool)}
	return cfg, nil
}

func (o Options) client(cfg aws.Config, hc *http.Client, r aws.Retryer) *s3.Client {
	return s3.NewFromConfig(cfg, func(c *s3.Options) {
		c.HTTPClient, c.Retryer = hc, r
		c.UsePathStyle = o.PathStyle
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
	})
}

func (o Options) region() string {
	if o.Region == "" && o.Endpoint != "" {
		return automatic
	}
	return o.Region
}

// retryer is for the probe alone.
func (o Options) retryer() aws.Retryer {
	return retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts = 5
		r.MaxBackoff = cmp.Or(o.MaxBackoff, 10*time.Second)
		r.Retryables = []retry.IsErrorRetryable{passing}
	})
}

// transport gives up on a store that does not begin to answer.
func transport() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = 30 * time.Second
		t.MaxIdleConnsPerHost = 32
	})
}

// plain makes the client whose idle connections we can close, from the one that
// the SDK has given the operator's CA bundle. The timeout ends an answer that stops
// half way, too.
func plain(c aws.HTTPClient, timeout time.Duration) *http.Client {
	buildable, ok := c.(*awshttp.BuildableClient)
	if !ok {
		buildable = transport()
	}
	return &http.Client{
		Transport: buildable.GetTransport(), Timeout: timeout,
		// A redirect is the store's way to name another region: an error to show.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// String names the store for people, without credentials.
func (s *Store) String() string { return fmt.Sprintf("s3 bucket %s", s.bucket) }
