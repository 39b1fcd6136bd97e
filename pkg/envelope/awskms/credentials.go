package awskms

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"imago/pkg/envelope"
)

// told gives the SDK's credentials, and tells when there are none: their sources fail as
// KMS does, by a network and with codes, and what is to be done is something else.
type told struct {
	aws.CredentialsProvider
	asked string // the sources, in words
}

// tell names the sources of the SDK's chain that the configuration has led to.
func tell(p aws.CredentialsProvider) told {
	var names []string
	if by, ok := p.(aws.CredentialProviderSource); ok {
		for _, source := range by.ProviderSources() {
			if name, ok := sources[source]; ok {
				names = append(names, name)
			}
		}
	}
	if names == nil {
		return told{p, "the profile of AWS's configuration files"}
	}
	return told{p, strings.Join(names, ", then ")}
}

// sources that are asked by a network. The others are in a profile.
var sources = map[aws.CredentialSource]string{
	aws.CredentialSourceIMDS:                 "this machine's role (EC2 instance metadata)",
	aws.CredentialSourceHTTP:                 "this container's role (AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI)",
	aws.CredentialSourceEnvVarsSTSWebIDToken: "STS (AWS_ROLE_ARN by AWS_WEB_IDENTITY_TOKEN_FILE)",
	aws.CredentialSourceProfileSTSWebIDToken: "STS (the profile's role_arn by its web_identity_token_file)",
	aws.CredentialSourceSTSAssumeRole:        "STS (the profile's role_arn)",
}

// Retrieve gives credentials; a *noCredentials if it cannot.
func (p told) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &noCredentials{p.asked, err}
	}
	return c, nil
}

// noCredentials: there was nobody to sign as, so KMS was not asked. Why may repeat what
// was sent, or what a program printed, and is not shown.
type noCredentials struct {
	asked string
	why   error
}

func (e *noCredentials) Error() string { return "no credentials for AWS" }

// Unwrap gives the cause.
func (e *noCredentials) Unwrap() error { return e.why }

// RetryableError keeps the call to KMS from being tried again: the source has been.
func (e *noCredentials) RetryableError() bool { return false }

// explain says what to do. A source that does not answer may, a little later; at EC2's
// metadata a machine that is none of EC2's looks the same.
func (e *noCredentials) explain() error {
	code, answered := answerOf(e.why)
	switch {
	case answered && passing(e.why):
		return e.as(envelope.ErrUnavailable, "answers "+code, "it goes on by itself")
	case answered:
		return e.as(envelope.ErrRefused, "answers "+code, "see that the role is there, and may be taken by this program")
	case e.silent():
		return e.as(envelope.ErrUnavailable, "does not answer", "check the network to it; where there is no such source, give an access key")
	}
	return e.as(envelope.ErrRefused, "gives none", "give an access key, or a role to this machine, and check the AWS_… variables and the files that they name")
}

func (e *noCredentials) as(kind error, what, do string) error {
	return fmt.Errorf("there are no credentials for AWS: %s %s%s: %s: %w", e.asked, what, request(e.why), do, kind)
}

// silent reports whether the source was not reached, or not understood.
func (e *noCredentials) silent() bool {
	_, unsent := errors.AsType[*smithyhttp.RequestSendError](e.why)
	late := errors.Is(e.why, context.DeadlineExceeded) // of the time that the SDK gives the source
	return unsent || late || unread(e.why)
}

// word is the form of a code. What was sent has other characters, in whatever form.
var word = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// answerOf is the code of an answer that is an error, or else its status.
func answerOf(err error) (string, bool) {
	if api, ok := errors.AsType[smithy.APIError](err); ok && word.MatchString(api.ErrorCode()) {
		return api.ErrorCode(), true
	}
	if status := statusOf(err); status != 0 {
		return fmt.Sprint(status), true
	}
	return "", false
}
