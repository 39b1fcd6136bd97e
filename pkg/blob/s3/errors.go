package s3

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"imago/pkg/blob"
	"imago/pkg/problem"
)

// known marks the answers that callers branch on with the door's errors, and
// keeps the SDK's own text.
func known(err error) error {
	if err == nil {
		return nil
	}
	switch code(err) {
	case "PreconditionFailed":
		return fmt.Errorf("%w: %w", blob.ErrExists, err)
	case "NoSuchKey", "NoSuchVersion", "NotFound":
		return fmt.Errorf("%w: %w", blob.ErrNotFound, err)
	case "InvalidRange":
		return fmt.Errorf("%w: %w", blob.ErrRange, err)
	case "ObjectLockedByBucketPolicy": // R2
		return &blob.LockedError{Err: err}
	}
	if passing.IsErrorRetryable(err).Bool() {
		return fmt.Errorf("%w: %w", blob.ErrUnavailable, err)
	}
	return err
}

// passing are the mistakes that the SDK takes to be worth another attempt, and those of
// a conditional put that met another one in the middle.
var passing = retry.IsErrorRetryables(slices.Concat(retry.DefaultRetryables, []retry.IsErrorRetryable{
	retry.RetryableErrorCode{Codes: map[string]struct{}{"ConditionalRequestConflict": {}, "OperationAborted": {}, "TooManyRequests": {}}},
	retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusRequestTimeout: {}, http.StatusTooManyRequests: {}}},
}))

// code is the store's error code. Answers to HEAD have no body: there, and from
// proxies, the status stands for it.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() != "" && api.ErrorCode() != "UnknownError" {
		return api.ErrorCode()
	}
	switch status(err) {
	case http.StatusNotFound:
		return "NotFound"
	case http.StatusPreconditionFailed:
		return "PreconditionFailed"
	case http.StatusForbidden:
		return "AccessDenied"
	case http.StatusRequestedRangeNotSatisfiable:
		return "InvalidRange"
	case http.StatusNotImplemented:
		return "NotImplemented"
	}
	return ""
}

func status(err error) int {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return response.HTTPStatusCode()
	}
	return 0
}

func isNotFound(err error) bool { return errors.Is(err, blob.ErrNotFound) }

// refused reports whether the store does not know what it was asked for.
func refused(err error) bool {
	switch code(err) {
	case "NotImplemented", "InvalidArgument", "InvalidRequest", "InvalidEncryptionAlgorithmError":
		return true
	}
	return false
}

// toWrite is what a program that writes is to be allowed.
const toWrite = "PutObject, GetObject, DeleteObject and ListBucket, with versioning DeleteObjectVersion and ListBucketVersions too"

// explain turns what was met when the bucket was opened into a problem that the operator
// can act on. allow names what the program needs.
func explain(bucket, endpoint, allow string, err error) error {
	if lack, ok := errors.AsType[*noCredentials](err); ok {
		return lack.explain(bucket)
	}
	if endpoint == "" {
		endpoint = "Amazon S3"
	}
	switch code(err) {
	case "NoSuchBucket":
		return problem.New(problem.NotFound, "bucket %q is not at %s", bucket, endpoint).
			WithHint("create it, or correct the bucket's name or region").Because(err)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return problem.New(problem.Invalid, "bucket %q is in another region", bucket).
			WithHint("set the bucket's region").Because(err)
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken":
		return problem.New(problem.Denied, "%s refuses our access to bucket %q (%s)", endpoint, bucket, code(err)).
			WithHint("allow %s, and check the access key", allow).Because(err)
	case "RequestTimeTooSkewed":
		return problem.New(problem.Invalid, "the clock of this machine is off by more than %s accepts", endpoint).
			WithHint("set the clock").Because(err)
	}
	return problem.New(problem.Unavailable, "bucket %q at %s does not answer as it should", bucket, endpoint).
		WithHint("check the endpoint, and that the store is up").Because(err)
}
