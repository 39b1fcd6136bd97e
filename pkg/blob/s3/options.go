package s3

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"imago/pkg/account"
	"imago/pkg/blob"
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

	// Capabilities, when set, are taken as given and nothing is probed.
	Capabilities *blob.Capabilities

	MaxAttempts int           // of one request; zero: 5
	MaxBackoff  time.Duration // between attempts; zero: 10 seconds
	Timeout     time.Duration // of one attempt, content included; zero: 5 minutes
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
	s := &Store{bucket: bucket, kmsKey: o.KMSKey, http: plain(cfg.HTTPClient, cmp.Or(o.Timeout, 5*time.Minute))}
	s.client = o.client(cfg, s.http)
	if o.Encryption != "none" {
		s.encryption = types.ServerSideEncryption(cmp.Or(o.Encryption, string(types.ServerSideEncryptionAes256)))
	}
	if o.Capabilities != nil {
		return s.configured(*o.Capabilities), nil
	}
	if err := s.probe(ctx, o.Encryption != ""); err != nil {
		if problem.Of(err) == nil {
			err = explain(bucket, o.Endpoint, err)
		}
		return nil, err
	}
	return s, nil
}

// configured takes the operator's word.
func (s *Store) configured(c blob.Capabilities) *Store {
	s.capabilities = c
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
		if u.Scheme == "http" && !loopback(u.Hostname()) {
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
	if o.KMSKey != "" && o.Encryption != "aws:kms" {
		return problem.InField("kms key", "needs the encryption aws:kms")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (o Options) config(ctx context.Context) (aws.Config, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(transport()),
		config.WithRetryer(o.retryer),
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
	return cfg, nil
}

func (o Options) client(cfg aws.Config, hc *http.Client) *s3.Client {
	return s3.NewFromConfig(cfg, func(c *s3.Options) {
		c.HTTPClient = hc
		c.UsePathStyle = o.PathStyle
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
		// A range has no checksum to compare: not worth a line on stderr each.
		c.DisableLogOutputChecksumValidationSkipped = true
	})
}

func (o Options) region() string {
	if o.Region == "" && o.Endpoint != "" {
		return automatic
	}
	return o.Region
}

// retryer bounds what one request may try. A conditional put that met another
// one in the middle is answered 409, and is to be tried again.
func (o Options) retryer() aws.Retryer {
	return retry.AddWithErrorCodes(retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts = cmp.Or(o.MaxAttempts, 5)
		r.MaxBackoff = cmp.Or(o.MaxBackoff, 10*time.Second)
		// The SDK's own budget for retries is spent by an outage, and would leave
		// what comes after it without any. Attempts and backoff are bound enough.
		r.RateLimiter = ratelimit.None
	}), "ConditionalRequestConflict", "OperationAborted")
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

// String names the store for people, without credentials.
func (s *Store) String() string { return fmt.Sprintf("s3 bucket %s", s.bucket) }
