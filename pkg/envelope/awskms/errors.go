package awskms

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"imago/pkg/envelope"
)

// meaning is what an error code of KMS means for us, and the way out. %[1]s is the key,
// %[2]s the action.
type meaning struct {
	text string
	kind error
}

// meanings of the error codes of Encrypt and Decrypt, and of those that every service
// of AWS has (KMS API reference, "Common error types").
var meanings = map[string]meaning{
	"InvalidCiphertextException": {"it was not wrapped by %[1]s for this account, or was altered", envelope.ErrNotOpened},
	"IncorrectKeyException":      {"it was wrapped by another key than %[1]s: give that one too, as the key that keyrings move from (IMAGO_OLD_AWS_KMS_KEY)", envelope.ErrNotOpened},

	"AccessDeniedException":       {"the credentials may not use %[1]s: allow %[2]s to them, in the key's policy and theirs", envelope.ErrRefused},
	"DisabledException":           {"the key %[1]s is disabled: enable it (aws kms enable-key)", envelope.ErrRefused},
	"KMSInvalidStateException":    {"the key %[1]s cannot be used as it stands, most likely since its deletion is scheduled: cancel that at once (aws kms cancel-key-deletion, then enable-key), for with the key all backups are lost", envelope.ErrRefused},
	"NotFoundException":           {"there is no key %[1]s: check its ARN; if it was deleted, what it wrapped cannot be opened again", envelope.ErrRefused},
	"InvalidKeyUsageException":    {"the key %[1]s is not one that encrypts: make a symmetric one (key usage ENCRYPT_DECRYPT)", envelope.ErrRefused},
	"UnrecognizedClientException": {"AWS does not know the credentials: check the access key and its region", envelope.ErrRefused},
	"InvalidClientTokenId":        {"AWS does not know the credentials: check the access key", envelope.ErrRefused},
	"ExpiredTokenException":       {"the credentials have expired: renew them", envelope.ErrRefused},
	"InvalidSignatureException":   {"the request's signature is not right: check the secret access key and this machine's clock", envelope.ErrRefused},
	"SignatureDoesNotMatch":       {"the request's signature is not right: check the secret access key and this machine's clock", envelope.ErrRefused},
	"IncompleteSignature":         {"the request's signature is not right: check the secret access key and this machine's clock", envelope.ErrRefused},
	"OptInRequired":               {"the account at AWS is not opted in to the key's region", envelope.ErrRefused},

	"ThrottlingException":        {"it is asked too often: it goes on by itself; if it stays, raise the region's quota of cryptographic operations", envelope.ErrUnavailable},
	"LimitExceededException":     {"a quota of KMS is used up: raise it", envelope.ErrUnavailable},
	"KeyUnavailableException":    {"it cannot use %[1]s at the moment: it goes on by itself", envelope.ErrUnavailable},
	"DependencyTimeoutException": {"it has trouble of its own: it goes on by itself", envelope.ErrUnavailable},
	"KMSInternalException":       {"it has trouble of its own: it goes on by itself", envelope.ErrUnavailable},
	"RequestExpired":             {"this machine's clock is wrong: set it", envelope.ErrRefused},
}

// explain says what an error means. The service's own words are left out: they could
// repeat what was sent.
func (s *KeyService) explain(ctx context.Context, action string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("it has not answered in the time that there was (if it never does, check the network, the endpoint and HTTPS_PROXY): %w", ctx.Err())
	}
	if lack, ok := errors.AsType[*noCredentials](err); ok {
		return lack.explain()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if m, known := meanings[api.ErrorCode()]; known {
			text := fmt.Sprintf(m.text+"%[3]s", s.key, action, request(err))
			return fmt.Errorf("%s: %w", text, m.kind)
		}
	}
	if unread(err) {
		return fmt.Errorf("the answer was cut off, or is none of KMS: check the endpoint, and proxies on the way: %w", envelope.ErrUnavailable)
	}
	if _, sent := errors.AsType[*smithyhttp.RequestSendError](err); sent {
		return fmt.Errorf("it cannot be reached: check the network, the endpoint and HTTPS_PROXY: %w", envelope.ErrUnavailable)
	}
	if code, answered := answerOf(err); answered {
		kind := envelope.ErrRefused
		if passing(err) {
			kind = envelope.ErrUnavailable
		}
		return fmt.Errorf("it answered %s%s: AWS's reference of KMS says what that is: %w", code, request(err), kind)
	}
	return fmt.Errorf("no request to it could be made: check its endpoint, and the AWS_… variables and files of AWS's configuration: %w", envelope.ErrRefused)
}

// passing reports whether an answer that is an error may be another one, a little later.
func passing(err error) bool {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		_, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
		_, again := retry.DefaultRetryableErrorCodes[api.ErrorCode()]
		if throttled || again || api.ErrorCode() == "IDPCommunicationError" { // STS did not reach who made a web identity
			return true
		}
	}
	status := statusOf(err)
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// statusOf is the HTTP status of an answer; 0: there was none.
func statusOf(err error) int {
	type answer interface {
		error
		HTTPStatusCode() int
	}
	if a, ok := errors.AsType[answer](err); ok {
		return a.HTTPStatusCode()
	}
	return 0
}

// request is the ID of KMS's answer, for those who ask AWS about it.
func request(err error) string {
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok && r.ServiceRequestID() != "" {
		return " (request " + r.ServiceRequestID() + ")"
	}
	return ""
}

func unread(err error) bool {
	_, ok := errors.AsType[*smithy.DeserializationError](err)
	return ok
}

// unreadable has an answer that could not be read asked for again.
func unreadable(err error) aws.Ternary {
	if unread(err) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}
