package awskms_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imago/pkg/envelope"
	"imago/pkg/envelope/awskms"
	"imago/pkg/envelope/awskms/awskmstest"
)

// refusing is a service that answers each request with the same.
func refusing(t *testing.T, status int, format, code string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if _, err := fmt.Fprintf(w, format, code); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const (
	asSTS = "<ErrorResponse><Error><Code>%s</Code><Message>hunter2</Message></Error><RequestId>c6104cbe</RequestId></ErrorResponse>"
	asKMS = `{"__type":"%s","message":"hunter2"}`
	asIs  = "%s"
)

// alone takes all that this machine has for AWS away, and gives it what is named.
func alone(t *testing.T, environ map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "credentials"))
	for name, value := range environ {
		t.Setenv(name, value)
	}
}

// TestNoCredentials: that there is nobody to sign as is told as such, with where the SDK
// looked; it may pass when that does not answer, and does not when it refuses.
func TestNoCredentials(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	web := func(file, sts string) map[string]string {
		return map[string]string{
			"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/imago", "AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ENDPOINT_URL_STS": sts,
		}
	}
	metadata := func(at string) map[string]string { return map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": at} }
	const nobody = "http://127.0.0.1:1"
	for name, c := range map[string]struct {
		environ map[string]string
		kind    error
		says    string
	}{
		"none":                 {map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, envelope.ErrRefused, "instance metadata) gives none: give an access key"},
		"metadata away":        {metadata(nobody), envelope.ErrUnavailable, "instance metadata) does not answer"},
		"metadata has none":    {metadata(refusing(t, 404, asIs, "")), envelope.ErrRefused, "instance metadata) answers 404"},
		"metadata is busy":     {metadata(refusing(t, 503, asIs, "")), envelope.ErrUnavailable, "instance metadata) answers 503"},
		"container away":       {map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": nobody}, envelope.ErrUnavailable, "container's role (AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI) does not answer"},
		"web identity refused": {web(token, refusing(t, 403, asSTS, "AccessDenied")), envelope.ErrRefused, "AWS_WEB_IDENTITY_TOKEN_FILE) answers AccessDenied (request c6104cbe)"},
		"web identity busy":    {web(token, refusing(t, 400, asSTS, "Throttling")), envelope.ErrUnavailable, "answers Throttling"},
		"web identity's maker": {web(token, refusing(t, 400, asSTS, "IDPCommunicationError")), envelope.ErrUnavailable, "answers IDPCommunicationError"},
		"web identity away":    {web(token, nobody), envelope.ErrUnavailable, "AWS_WEB_IDENTITY_TOKEN_FILE) does not answer"},
		"no web identity":      {web("/nowhere", nobody), envelope.ErrRefused, "AWS_WEB_IDENTITY_TOKEN_FILE) gives none"},
		"no address of STS":    {web(token, "http://[::1"), envelope.ErrRefused, "AWS_WEB_IDENTITY_TOKEN_FILE) gives none"},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t, c.environ)
			kms := awskmstest.New(t)
			kms.Fail("", 0) // counts
			ks := keyless(t, kms.URL)
			_, err := ks.Unwrap(t.Context(), "alice", []byte("wrapped"))
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), "no credentials for AWS: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q, and that it is: %v", err, c.says, c.kind)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("what was sent shows: %v", err)
			}
			if n := kms.Calls(); n != 0 {
				t.Errorf("%d requests to KMS", n)
			}
		})
	}
}

func keyless(t *testing.T, at string) *awskms.KeyService {
	t.Helper()
	ks, err := awskms.New(t.Context(), awskmstest.ARN("1"), awskms.Options{Endpoint: at, MaxAttempts: 1, Timeout: time.Second}) // the SDK waits up to a second before it asks a machine's metadata again
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

// TestUnknownAnswers: what may pass is told from what does not by all codes that the SDK
// knows, and what was never sent is not blamed on the network or the credentials.
func TestUnknownAnswers(t *testing.T) {
	alone(t, nil)
	for code, want := range map[string]error{
		"TooManyRequestsException": envelope.ErrUnavailable, "RequestTimeout": envelope.ErrUnavailable, "ThrottledException": envelope.ErrUnavailable,
		"ValidationError": envelope.ErrRefused,
	} {
		ks := open(t, refusing(t, 400, asKMS, code), awskmstest.ARN("1"), awskmstest.SecretAccessKey)
		if _, err := ks.Wrap(t.Context(), "alice", []byte("secret")); !errors.Is(err, want) || !strings.Contains(err.Error(), code) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want one that is: %v", code, err, want)
		}
	}
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true") // which does not go with an endpoint of one's own
	ks := open(t, awskmstest.New(t).URL, awskmstest.ARN("1"), awskmstest.SecretAccessKey)
	if _, err := ks.Wrap(t.Context(), "alice", []byte("secret")); !errors.Is(err, envelope.ErrRefused) || !strings.Contains(err.Error(), "no request to it could be made") {
		t.Errorf("%v", err)
	}
}
