// Package awskms wraps by a symmetric key of AWS KMS, which never leaves it.
//
// The account is the encryption context: KMS opens nothing for another one, and writes
// it into CloudTrail with each call. The key is named by its ARN in every call, so that
// neither an alias that is pointed elsewhere nor a ciphertext of somebody else's key
// leads to another one. KMS's own rotation of the key needs nothing of us.
package awskms

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/logging"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/outbound"
	"imago/pkg/problem"
)

// KeyService is an envelope.KeyService over one key of AWS KMS. It is safe for
// concurrent use.
type KeyService struct {
	client *kms.Client
	key    string
}

var _ envelope.KeyService = (*KeyService)(nil)

// Options of New. The zero value takes the SDK's credentials.
type Options struct {
	Endpoint        string         // URL; "": that of the key's region
	AccessKeyID     string         // with SecretAccessKey; both empty: the SDK's chain
	SecretAccessKey account.Secret //

	MaxAttempts int           // of one call; zero: 4
	MaxBackoff  time.Duration // between attempts; zero: 2 seconds
	Timeout     time.Duration // of one attempt; zero: 5 seconds
}

// keys are ARNs as KMS shows them, with the region: all answers are compared with them. The
// ID is a UUID, or that of a multi-Region key (KMS developer guide, "Key identifiers").
var keys = regexp.MustCompile(`^arn:aws(?:-[a-z]+)*:kms:([a-z]+(?:-[a-z]+)+-[0-9]+):[0-9]{12}:key/(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// New makes the key service of a key, which is named by its ARN. It does not call KMS.
// Problems of kind Invalid name the field: key, endpoint, or none for the SDK's own
// configuration.
func New(ctx context.Context, key string, o Options) (*KeyService, error) {
	name := keys.FindStringSubmatch(key)
	if name == nil {
		return nil, problem.InField("key", "%q is not the ARN of a key", key).
			WithHint("write arn:aws:kms:REGION:ACCOUNT:key/ID as KMS shows it, in lower case; an alias can be pointed at another key, and is not taken")
	}
	load := []func(*config.LoadOptions) error{
		config.WithRegion(name[1]), config.WithRetryer(o.retryer), config.WithHTTPClient(o.transport()),
		config.WithLogger(logging.Nop{}), // what is worth a word is an error
	}
	if o.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey.Reveal(), "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, problem.New(problem.Invalid, "the configuration for AWS KMS cannot be read").
			WithHint("check AWS_PROFILE and its files, AWS_CA_BUNDLE, and AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE").Because(err)
	}
	cfg.Credentials = tell(cfg.Credentials)
	client := kms.NewFromConfig(cfg, func(c *kms.Options) {
		c.HTTPClient = unredirected(cfg.HTTPClient, cmp.Or(o.Timeout, 5*time.Second))
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
	})
	if err := checkEndpoint(client.Options().BaseEndpoint); err != nil {
		return nil, err
	}
	return &KeyService{client, key}, nil
}

// checkEndpoint refuses to say what is to be wrapped in clear. The endpoint may also be of
// the SDK's own environment and files, where one for S3 is easily one for all services.
func checkEndpoint(endpoint *string) error {
	if endpoint == nil {
		return nil
	}
	u, err := url.Parse(*endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return problem.InField("endpoint", "must be a URL such as https://kms.eu-central-1.amazonaws.com")
	}
	if u.Scheme == "http" && !outbound.IsLoopback(u.Hostname()) {
		return problem.InField("endpoint", "plain HTTP is for this machine alone").
			WithHint("use https; AWS_ENDPOINT_URL is also that of AWS KMS unless AWS_ENDPOINT_URL_KMS is set")
	}
	return nil
}

// retryer bounds what one call may try. Wrapping and unwrapping change nothing in KMS,
// so whatever may pass is tried again, also an answer that was cut off.
func (o Options) retryer() aws.Retryer {
	return retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts = cmp.Or(o.MaxAttempts, 4)
		r.MaxBackoff = cmp.Or(o.MaxBackoff, 2*time.Second)
		// The SDK's own budget for retries is spent by an outage, and would leave what
		// comes after it without any.
		r.RateLimiter = ratelimit.None
		r.Retryables = append(r.Retryables, retry.IsErrorRetryableFunc(unreadable))
	})
}

func (o Options) transport() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(cmp.Or(o.Timeout, 5*time.Second))
}

// unredirected follows nobody elsewhere with what is to be wrapped. It keeps the CA
// bundle that the SDK has read.
func unredirected(c aws.HTTPClient, timeout time.Duration) *http.Client {
	buildable, ok := c.(*awshttp.BuildableClient)
	if !ok {
		buildable = awshttp.NewBuildableClient()
	}
	return &http.Client{
		Transport: buildable.GetTransport(), Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Name is "aws-kms" and the key's ARN.
func (s *KeyService) Name() string { return "aws-kms " + s.key }

// encryptionContext binds to the account. KMS keeps it in clear, in CloudTrail.
func encryptionContext(id account.ID) map[string]string {
	return map[string]string{"imago:purpose": "imago/1/wrap", "imago:account": string(id)}
}

// Wrap encrypts by the key.
func (s *KeyService) Wrap(ctx context.Context, id account.ID, plaintext []byte) ([]byte, error) {
	if len(plaintext) > envelope.MaxWrap {
		return nil, fmt.Errorf("wrap %d bytes: at most %d", len(plaintext), envelope.MaxWrap)
	}
	out, err := s.client.Encrypt(ctx, &kms.EncryptInput{
		KeyId: &s.key, Plaintext: plaintext, EncryptionContext: encryptionContext(id),
	})
	if err != nil {
		return nil, fmt.Errorf("AWS KMS: wrap: %w", s.explain(ctx, "kms:Encrypt", err))
	}
	if err := s.from(out.KeyId, out.CiphertextBlob); err != nil {
		return nil, fmt.Errorf("AWS KMS: wrap: %w", err)
	}
	return out.CiphertextBlob, nil
}

// Unwrap decrypts what this key has encrypted for the account.
func (s *KeyService) Unwrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error) {
	if len(wrapped) == 0 || len(wrapped) > maxCiphertext {
		return nil, fmt.Errorf("AWS KMS: unwrap: %d bytes are no ciphertext of KMS: %w", len(wrapped), envelope.ErrNotOpened)
	}
	out, err := s.client.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &s.key, CiphertextBlob: wrapped, EncryptionContext: encryptionContext(id),
	})
	if err != nil {
		return nil, fmt.Errorf("AWS KMS: unwrap: %w", s.explain(ctx, "kms:Decrypt", err))
	}
	if err := s.from(out.KeyId, out.Plaintext); err != nil {
		return nil, fmt.Errorf("AWS KMS: unwrap: %w", err)
	}
	return out.Plaintext, nil
}

// maxCiphertext is the most that Decrypt takes, in bytes.
const maxCiphertext = 6144

// from checks that the key itself has answered, and with something.
func (s *KeyService) from(key *string, content []byte) error {
	if len(content) == 0 {
		return fmt.Errorf("AWS KMS answered with nothing: %w", envelope.ErrUnavailable)
	}
	if aws.ToString(key) != s.key {
		return fmt.Errorf("AWS KMS used the key %q, and was asked for %s; something between us and KMS alters what is sent: %w", aws.ToString(key), s.key, envelope.ErrRefused)
	}
	return nil
}

// String names the key.
func (s *KeyService) String() string { return s.Name() }
