package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"imago/pkg/blob"
	"imago/pkg/problem"
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

// TestNoCredentials: that there is nobody to sign as is told as such, whether the bucket is
// probed or listed, and the store is not asked.
func TestNoCredentials(t *testing.T) {
	asked := atomic.Int32{}
	store := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(store.Close)
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>hunter2</Message></Error></ErrorResponse>")
	}))
	t.Cleanup(refuses.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		environ map[string]string
		says    string
	}{
		"none": {map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, `there are no credentials for bucket "b" (`},
		"refused": {map[string]string{
			"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/imago", "AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ENDPOINT_URL_STS": refuses.URL,
		}, `there are no credentials for bucket "b": their source answers AccessDenied (`},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t, c.environ)
			config := Config{Bucket: "b", Endpoint: store.URL, PathStyle: true}
			_, probed := config.Open(t.Context())
			_, listed := config.OpenToList(t.Context())
			for _, err := range []error{probed, listed} {
				p := problem.Of(err)
				if p == nil || p.Kind != problem.Denied || !strings.HasPrefix(p.Error(), c.says) || !strings.Contains(p.Hint, "IMAGO_STORE_ACCESS_KEY_ID_FILE") {
					t.Errorf("%v", err)
				}
				if strings.Contains(fmt.Sprint(err, errors.Unwrap(err)), "hunter2") {
					t.Errorf("what was sent shows: %v", err)
				}
			}
		})
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

// TestNoRegion is Amazon's alone: elsewhere there is one for all.
func TestNoRegion(t *testing.T) {
	alone(t, map[string]string{"AWS_EC2_METADATA_DISABLED": "true"})
	_, err := Config{Bucket: "b"}.OpenToList(t.Context())
	if p := problem.Of(err); p == nil || p.Field != "region" || p.Hint == "" {
		t.Errorf("%v", err)
	}
}

// source gives credentials, or fails.
type source struct{ err error }

func (s *source) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials{}, s.err }

// TestCredentialsGoAway: a source that does not answer for now is asked again, if it has
// ever given some.
func TestCredentialsGoAway(t *testing.T) {
	t.Parallel()
	refused := errors.New("AccessDenied")
	for name, c := range map[string]struct {
		err   error
		first bool // some are given first
		again bool
	}{
		"away from the start": {context.DeadlineExceeded, false, false},
		"away later":          {context.DeadlineExceeded, true, true},
		"refused later":       {refused, true, false},
	} {
		from := &source{}
		p := told{from, new(atomic.Bool)}
		if c.first {
			if _, err := p.Retrieve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		from.err = c.err
		_, err := p.Retrieve(t.Context())
		if lack, ok := errors.AsType[*noCredentials](err); !ok || errors.Is(known(err), blob.ErrUnavailable) != c.again {
			t.Errorf("%s: %v", name, lack)
		}
	}
}
