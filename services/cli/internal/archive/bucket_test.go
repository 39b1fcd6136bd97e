package archive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imago/pkg/account"
	"imago/pkg/blob/s3"
	"imago/pkg/envelope/local"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/services/cli/internal/archive"
	"imago/services/standalone/gateway"
)

// TestOpensABucket reads the vectors from a real S3 server, whole and verified.
func TestOpensABucket(t *testing.T) {
	text, err := os.ReadFile("../../../../pkg/snapshot/testdata/vectors/repository.json")
	var v vectors
	if err := errors.Join(err, json.Unmarshal(text, &v)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir) // the gateway goes elsewhere, and the other tests need it to come back
	if err := gateway.Make(filepath.Join(dir, "objects"), gateway.Options{}); err != nil {
		t.Fatal(err)
	}
	server, err := gateway.Start(t.Context(), filepath.Join(dir, "objects"), gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bucket := s3.Config{
		Bucket: server.Bucket, Endpoint: server.Endpoint, Region: server.Region, PathStyle: true,
		KeyID: at("id", server.AccessKeyID), Key: at("secret", server.SecretAccessKey),
	}
	store, err := bucket.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ks, err := local.Open(at("master.keys", string(v.MasterKeys)))
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string, c s3.Config) (*archive.Archive, error) {
		return archive.Open(t.Context(), archive.Source{Place: "s3://" + name, Bucket: c}, archive.Keys{Service: ks}, "")
	}
	stranger := bucket
	stranger.Key = at("other", "a-secret-of-nobody")
	for what, c := range map[string]struct {
		name string
		with s3.Config
		want string
	}{
		"an empty one":     {server.Bucket, bucket, "s3://" + server.Bucket + " holds no repository"},
		"one that is away": {"elsewhere", bucket, `bucket "elsewhere" is not at`},
		"a wrong key":      {server.Bucket, stranger, "refuses our access"},
	} {
		if _, err := open(c.name, c.with); problem.Of(err) == nil || !strings.Contains(err.Error(), c.want) || problem.Of(err).Hint == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	for key, data := range v.Objects {
		if err := store.Put(t.Context(), key, bytes.NewReader(data), int64(len(data))); err != nil {
			t.Fatal(err)
		}
	}
	a, err := open(server.Bucket, bucket)
	if err != nil {
		t.Fatal(err)
	}
	verified(t, a, v.Account)
	if a.Copied() {
		t.Error("a bucket is taken for a copy")
	}
}

// verified reads everything of an account.
func verified(t *testing.T, a *archive.Archive, id account.ID) {
	t.Helper()
	all, err := a.Repositories(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	report, err := all[0].Check(t.Context(), repository.CheckOptions{Data: true, Records: true})
	if err != nil || report.Snapshots != 5 || report.Read != report.Segments || len(report.Damage) != 0 {
		t.Errorf("%+v and %v", report, err)
	}
}
