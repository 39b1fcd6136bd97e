package awskms_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/envelope/awskms"
	"imago/pkg/envelope/awskms/awskmstest"
	"imago/pkg/envelope/envelopetest"
	"imago/pkg/problem"
)

func open(t *testing.T, at, key string, secret account.Secret) *awskms.KeyService {
	t.Helper()
	return timed(t, at, key, secret, 200*time.Millisecond)
}

// timed gives up an attempt after a time; zero: as programs do.
func timed(t *testing.T, at, key string, secret account.Secret, timeout time.Duration) *awskms.KeyService {
	t.Helper()
	ks, err := awskms.New(t.Context(), key, awskms.Options{
		Endpoint: at, AccessKeyID: awskmstest.AccessKeyID, SecretAccessKey: secret,
		MaxBackoff: time.Millisecond, Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func TestKeyService(t *testing.T) {
	t.Parallel()
	kms := awskmstest.New(t)
	envelopetest.RunRemote(t, envelopetest.Remote{
		Service: open(t, kms.URL, awskmstest.ARN("1"), awskmstest.SecretAccessKey),
		Patient: timed(t, kms.URL, awskmstest.ARN("1"), awskmstest.SecretAccessKey, 0),
		Other:   open(t, kms.URL, awskmstest.ARN("2"), awskmstest.SecretAccessKey),
		Server:  kms.Faulty,
	})
}

// TestRefusals: each says whose fault it is.
func TestRefusals(t *testing.T) {
	t.Parallel()
	kms := awskmstest.New(t)
	const id account.ID = "0b6a9f0e-0000-7000-8000-00000000000a"
	for _, c := range []struct {
		ks   *awskms.KeyService
		kind error
		says string
	}{
		{open(t, kms.URL, awskmstest.ARN("1"), "another"), envelope.ErrRefused, "check the secret access key and this machine's clock"},
		{open(t, kms.URL, awskmstest.ARN("3"), awskmstest.SecretAccessKey), envelope.ErrRefused, "there is no key " + awskmstest.ARN("3")},
		{open(t, "http://127.0.0.1:1", awskmstest.ARN("1"), awskmstest.SecretAccessKey), envelope.ErrUnavailable, "cannot be reached"},
	} {
		if _, err := c.ks.Wrap(t.Context(), id, []byte("secret")); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v; want %q", err, c.says)
		}
	}
}

// TestAnotherKeyAnswers: whoever stands in between and has another key used is found out.
func TestAnotherKeyAnswers(t *testing.T) {
	t.Parallel()
	kms := awskmstest.New(t)
	ks := open(t, kms.URL, awskmstest.ARN("1"), awskmstest.SecretAccessKey)
	wrapped, err := ks.Wrap(t.Context(), "alice", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	kms.Lie(awskmstest.ARN("2"))
	if _, err := ks.Wrap(t.Context(), "alice", []byte("secret")); !errors.Is(err, envelope.ErrRefused) {
		t.Errorf("wrap: %v", err)
	}
	if _, err := ks.Unwrap(t.Context(), "alice", wrapped); !errors.Is(err, envelope.ErrRefused) || strings.Contains(err.Error(), "secret") {
		t.Errorf("unwrap: %v", err)
	}
}

// TestEndpoints: nothing that is to be wrapped leaves the machine in clear, wherever the
// endpoint was set.
func TestEndpoints(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"https://kms.example.com": true, "http://127.0.0.1:9": true, "http://localhost:9": true,
		"http://kms.example.com": false, "http://192.0.2.1:8080": false, "kms.example.com": false, "https://": false, "https://user:password@kms.example.com": false,
	} {
		for _, by := range []string{"", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"} {
			o := awskms.Options{AccessKeyID: awskmstest.AccessKeyID, SecretAccessKey: awskmstest.SecretAccessKey}
			if by == "" {
				o.Endpoint = endpoint
			} else {
				t.Setenv(by, endpoint)
			}
			_, err := awskms.New(t.Context(), awskmstest.ARN("1"), o)
			if by != "" {
				t.Setenv(by, "")
			}
			if p := problem.Of(err); ok != (err == nil) || !ok && (p == nil || p.Field != "endpoint" || strings.Contains(err.Error(), "password")) {
				t.Errorf("%s by %q: %v", endpoint, by, err)
			}
		}
	}
}

func TestKeysThatAreNone(t *testing.T) {
	t.Parallel()
	const right = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for _, key := range []string{
		"", "alias/imago", "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:kms:eu-central-1:111122223333:alias/imago",
		strings.Replace(right, "eu-central-1", "", 1), strings.Replace(right, "111122223333", "", 1), strings.Replace(right, "kms", "s3", 1),
		strings.ToUpper(right), strings.Replace(right, "key/1234abcd", "key/1234ABCD", 1), right[:len(right)-1], right + "0", " " + right, right + " ", right + "\n",
		"arn:aws:kms:eu-central-1:111122223333:key/", "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234",
	} {
		if _, err := awskms.New(t.Context(), key, awskms.Options{}); !problem.Is(err, problem.Invalid) {
			t.Errorf("%q: %v", key, err)
		}
	}
	for _, key := range []string{
		right, strings.Replace(right, "arn:aws:", "arn:aws-us-gov:", 1), strings.Replace(right, "eu-central-1", "us-gov-west-1", 1),
		"arn:aws:kms:us-east-2:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
	} {
		if _, err := awskms.New(t.Context(), key, awskms.Options{}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}
