package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"

	"imago/pkg/account"
	"imago/pkg/blob"
	"imago/pkg/blob/blobtest"
	"imago/pkg/blob/retry"
	"imago/pkg/blob/s3"
	"imago/pkg/problem"
)

// gateway is Versity's gateway with versions and locks, one for the process. It takes the
// process's working directory, so tests beside it use absolute paths.
type gateway struct{ address, id, secret string }

// The buckets of a gateway.
const (
	plain    = "plain"
	versions = "versions"
	locks    = "locks"
	standing = "standing" // locks every object for a day
)

var server gateway

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gateway")
	if err == nil {
		server, err = startGateway(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the gateway:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func startGateway(dir string) (g gateway, err error) {
	for _, name := range []string{"objects", "versions"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return g, err
		}
	}
	// Attributes of files: those that it keeps in other files outlive versions.
	attributes := meta.XattrMeta{}
	if err := attributes.Test(dir); err != nil {
		return g, fmt.Errorf("%s needs extended attributes, as ext4, xfs and newer tmpfs have them: %w", dir, err)
	}
	disk, err := posix.New(filepath.Join(dir, "objects"), attributes, posix.PosixOpts{
		VersioningDir: filepath.Join(dir, "versions"), CopyObjectThreshold: 5 << 30, ForceNoTmpFile: true,
	})
	if err != nil {
		return g, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return g, err
	}
	g = gateway{l.Addr().String(), rand.Text(), rand.Text()}
	if err := l.Close(); err != nil {
		return g, err
	}
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		ended <- embedgw.RunVersityGW(context.Background(), disk, &embedgw.Config{
			RootUserAccess: g.id, RootUserSecret: g.secret, Region: inRegion, Ports: []string{g.address},
			MaxConnections: 512, MaxRequests: 256, MultipartMaxParts: 1, KeepAlive: true, Quiet: true, DisableACLs: true,
			IAMService: auth.NewIAMServiceSingle(auth.Account{Access: g.id, Secret: g.secret, Role: auth.RoleAdmin}),
			S3Options:  []s3api.Option{s3api.WithOnListen(func() { close(ready) })},
		})
	}()
	select {
	case <-ready:
		return g, g.fill()
	case err := <-ended:
		return g, err
	}
}

const inRegion = "eu-test-1"

// client is the SDK's own, for what the store does not do.
func (g gateway) client() *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String("http://" + g.address), Region: inRegion, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(g.id, g.secret, ""),
	})
}

// fill makes the buckets.
func (g gateway) fill() error {
	ctx := context.Background()
	c := g.client()
	for _, name := range []string{plain, versions, locks, standing} {
		locked := name == locks || name == standing
		if _, err := c.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: &locked}); err != nil {
			return err
		}
	}
	_, err := c.PutBucketVersioning(ctx, &sdk.PutBucketVersioningInput{
		Bucket: aws.String(versions), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		return err
	}
	_, err = c.PutObjectLockConfiguration(ctx, &sdk.PutObjectLockConfigurationInput{
		Bucket: aws.String(standing), ObjectLockConfiguration: &types.ObjectLockConfiguration{
			ObjectLockEnabled: types.ObjectLockEnabledEnabled,
			Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(1)}},
		},
	})
	return err
}

func (g gateway) options() s3.Options {
	return s3.Options{
		Endpoint: "http://" + g.address, Region: inRegion, PathStyle: true, Encryption: "none",
		AccessKeyID: g.id, SecretAccessKey: account.Secret(g.secret),
	}
}

func openGateway(t *testing.T, bucket string) *s3.Store {
	t.Helper()
	return openWith(t, bucket, server.options())
}

// openLocking opens a bucket so that what is put there is locked.
func openLocking(t *testing.T, bucket string, lock time.Duration, mode string) *s3.Store {
	t.Helper()
	o := server.options()
	o.Lock, o.LockMode = lock, mode
	return openWith(t, bucket, o)
}

func openWith(t *testing.T, bucket string, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.New(t.Context(), bucket, o)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	t.Cleanup(s.Close)
	return s
}

// TestGateway runs the suite against a real server, under the wrapper.
func TestGateway(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		bucket string
		lock   time.Duration
		want   blob.Capabilities
	}{
		"plain":    {plain, 0, blob.Capabilities{ConditionalPut: true, Region: inRegion}},
		"versions": {versions, 0, blob.Capabilities{ConditionalPut: true, Versioning: true, Region: inRegion}},
		"lockable": {locks, 0, blob.Capabilities{ConditionalPut: true, Versioning: true, ObjectLock: true, Region: inRegion}},
		"asked":    {locks, 2 * day, blob.Capabilities{ConditionalPut: true, Versioning: true, ObjectLock: true, LockFor: 2 * day, Region: inRegion}},
		"standing": {standing, 0, blob.Capabilities{ConditionalPut: true, Versioning: true, ObjectLock: true, LockFor: day, Region: inRegion}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openLocking(t, c.bucket, c.lock, "")
			if got := s.Capabilities(); got != c.want {
				t.Fatalf("found %+v, want %+v: %v", got, c.want, s.Abilities())
			}
			if name == "lockable" { // that is as the one with versions
				return
			}
			again, err := retry.New(s, retry.Options{})
			if err != nil {
				t.Fatal(err)
			}
			blobtest.Run(t, again)
		})
	}
}

// newLocking makes a bucket with Object Lock, and a default retention unless days is 0.
func newLocking(t *testing.T, name string, mode types.ObjectLockRetentionMode, days int32) {
	t.Helper()
	_, err := server.client().CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(true)})
	if err == nil && days > 0 {
		_, err = server.client().PutObjectLockConfiguration(t.Context(), &sdk.PutObjectLockConfigurationInput{
			Bucket: &name, ObjectLockConfiguration: &types.ObjectLockConfiguration{
				ObjectLockEnabled: types.ObjectLockEnabledEnabled,
				Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: mode, Days: &days}},
			},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestLocksWhatIsPut as it is told to, and never less than the bucket does.
func TestLocksWhatIsPut(t *testing.T) {
	t.Parallel()
	const (
		day        = 24 * time.Hour
		governance = types.ObjectLockModeGovernance
		compliance = types.ObjectLockModeCompliance
	)
	for name, c := range map[string]struct {
		lock     time.Duration
		mode     string
		byItself types.ObjectLockRetentionMode // the bucket, for days
		days     int32
		wantMode types.ObjectLockMode
		want     time.Duration
	}{
		"governance":      {lock: 2 * day, wantMode: governance, want: 2 * day},
		"compliance":      {lock: 2 * day, mode: "compliance", wantMode: compliance, want: 2 * day},
		"longer-by-rule":  {2 * day, "", types.ObjectLockRetentionModeGovernance, 5, governance, 5 * day},
		"shorter-by-rule": {7 * day, "compliance", types.ObjectLockRetentionModeGovernance, 5, compliance, 7 * day},
		"harder-by-rule":  {7 * day, "governance", types.ObjectLockRetentionModeCompliance, 5, compliance, 7 * day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newLocking(t, name, c.byItself, c.days)
			s := openLocking(t, name, c.lock, c.mode)
			if got := s.Capabilities().LockFor; got != c.want {
				t.Errorf("locks for %v, want %v", got, c.want)
			}
			if got := fmt.Sprint(s.Abilities()); !strings.Contains(got, fmt.Sprintf("lock of every object: %v (configured: every put asks for it, in mode %s)", c.want, c.wantMode)) {
				t.Errorf("said %s", got)
			}
			before := time.Now()
			if err := put(t, s, "a", "x"); err != nil {
				t.Fatal(err)
			}
			head, err := server.client().HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: &name, Key: new("a")})
			if err != nil {
				t.Fatal(err)
			}
			if until := aws.ToTime(head.ObjectLockRetainUntilDate); head.ObjectLockMode != c.wantMode || until.Before(before.Add(c.want)) {
				t.Errorf("put at %v, and locked in mode %s until %v", before, head.ObjectLockMode, until)
			}
			if err := s.Delete(t.Context(), "a"); !errors.Is(err, blob.ErrLocked) {
				t.Errorf("deleted: %v", err)
			}
		})
	}
}

// TestReplacesUnlocked: the keyring is replaced, and destroyed, where all that is put is locked.
func TestReplacesUnlocked(t *testing.T) {
	t.Parallel()
	const name = "replaced"
	newLocking(t, name, "", 0)
	s := openLocking(t, name, 48*time.Hour, "")
	for i := range 3 {
		if err := s.Replace(t.Context(), "keyring", strings.NewReader(fmt.Sprint(i)), 1); err != nil {
			t.Fatal(err)
		}
		if n := kept(t, name, "keyring"); n != 1 {
			t.Errorf("after replacement %d: %d versions", i, n)
		}
	}
	if err := s.Delete(t.Context(), "keyring"); err != nil {
		t.Fatal(err)
	}
	if n := kept(t, name, ""); n != 0 {
		t.Errorf("%d left, probes included", n)
	}
}

// TestConfigLocks: a program that is told to lock does, and one that reads knows of it.
func TestConfigLocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := s3.Config{
		Bucket: locks, Endpoint: "http://" + server.address, Region: inRegion, PathStyle: true,
		KeyID: file("id", server.id), Key: file("secret", server.secret), Lock: 48 * time.Hour, LockMode: "compliance",
	}
	for name, open := range map[string]func(context.Context) (blob.Store, error){"to write": c.Open, "to read": c.OpenToRead} {
		s, err := open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Capabilities().LockFor; got != c.Lock {
			t.Errorf("%s: locks for %v", name, got)
		}
	}
	c.LockMode = "weak"
	if _, err := c.OpenToRead(t.Context()); problem.Of(err) == nil {
		t.Errorf("%+v: %v", c, err)
	}
}

// TestCannotLock: what locks nothing is not opened to lock.
func TestCannotLock(t *testing.T) {
	t.Parallel()
	o := server.options()
	o.Lock = 48 * time.Hour
	_, err := s3.New(t.Context(), plain, o)
	if p := problem.Of(err); p == nil || p.Field != "IMAGO_STORE_LOCK" || !strings.Contains(p.Hint, "unset IMAGO_STORE_LOCK") {
		t.Errorf("%v", err)
	}
	if n := kept(t, plain, "imago-probe/"); n != 0 {
		t.Errorf("%d probes left", n)
	}
}

// kept counts the versions and marks that a bucket keeps below a prefix.
func kept(t *testing.T, bucket, prefix string) int {
	t.Helper()
	out, err := server.client().ListObjectVersions(t.Context(), &sdk.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Versions) + len(out.DeleteMarkers)
}

// TestLeavesNoVersions: what is deleted or replaced is gone, also from where a store keeps
// old versions, and whatever somebody else deleted before.
func TestLeavesNoVersions(t *testing.T) {
	t.Parallel()
	s := openGateway(t, versions)
	for i := range 3 {
		if err := s.Replace(t.Context(), "gone/keyring", strings.NewReader(fmt.Sprint(i)), 1); err != nil {
			t.Fatal(err)
		}
		if n := kept(t, versions, "gone/"); n != 1 {
			t.Errorf("after replacement %d: %d versions", i, n)
		}
	}
	if err := put(t, s, "gone/keyring-of-another", "x"); err != nil {
		t.Fatal(err)
	}
	// An operator deletes by hand, which leaves a mark; then it is made anew.
	if _, err := server.client().DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: new(versions), Key: new("gone/keyring")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), "gone/keyring", strings.NewReader("anew"), 4); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "gone/keyring"); err != nil {
		t.Fatal(err)
	}
	if n := kept(t, versions, "gone/"); n != 1 {
		t.Errorf("%d versions, want the other object's", n)
	}
}

// TestProbeLeavesNothing, and removes what an earlier one had to leave.
func TestProbeLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, lock := range map[string]bool{"probed": false, "probed-locks": true} {
		_, err := server.client().CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: &lock})
		if err != nil {
			t.Fatal(err)
		}
		openGateway(t, name)
		if n := kept(t, name, ""); n != 0 {
			t.Errorf("%s: %d left", name, n)
		}
		_, err = server.client().PutObject(t.Context(), &sdk.PutObjectInput{Bucket: &name, Key: new("imago-probe/stray"), Body: strings.NewReader("x")})
		if err != nil {
			t.Fatal(err)
		}
		openGateway(t, name)
		if n := kept(t, name, ""); n != 1 {
			t.Errorf("%s: %d left, want another one's probe", name, n)
		}
		o := server.options()
		o.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		later, err := s3.New(t.Context(), name, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(later.Close)
		if n := kept(t, name, ""); n != 0 {
			t.Errorf("%s: %d left two hours later", name, n)
		}
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	s := openLocking(t, locks, 24*time.Hour, "")
	if err := put(t, s, "held", "x"); err != nil {
		t.Fatal(err)
	}
	hold := func(status types.ObjectLockLegalHoldStatus) {
		t.Helper()
		_, err := server.client().PutObjectLegalHold(t.Context(), &sdk.PutObjectLegalHoldInput{
			Bucket: new(locks), Key: new("held"), LegalHold: &types.ObjectLockLegalHold{Status: status},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	hold(types.ObjectLockLegalHoldStatusOn)
	err := s.Delete(t.Context(), "held")
	if locked, ok := errors.AsType[*blob.LockedError](err); !ok || !locked.Until.IsZero() {
		t.Errorf("deleted what is held: %v", err)
	}
	hold(types.ObjectLockLegalHoldStatusOff)
	err = s.Delete(t.Context(), "held")
	if locked, ok := errors.AsType[*blob.LockedError](err); !ok || locked.Until.IsZero() {
		t.Errorf("deleted what is locked: %v", err)
	}
}

// TestLockedVersion: an old version that is locked does not come to light when the latest
// is to be deleted.
func TestLockedVersion(t *testing.T) {
	t.Parallel()
	s := openLocking(t, locks, 24*time.Hour, "compliance")
	if err := put(t, s, "twice", "old"); err != nil {
		t.Fatal(err)
	}
	_, err := server.client().PutObject(t.Context(), &sdk.PutObjectInput{Bucket: new(locks), Key: new("twice"), Body: strings.NewReader("new")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "twice"); !errors.Is(err, blob.ErrLocked) {
		t.Errorf("deleted: %v", err)
	}
	if got, err := blob.ReadAll(t.Context(), s, "twice", 10); err != nil || string(got) != "new" {
		t.Errorf("then %q, %v", got, err)
	}
}

// cutter is a proxy before the gateway that breaks connections after some bytes of the
// answers to the first gets.
type cutter struct {
	proxy *httputil.ReverseProxy
	left  atomic.Int32
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && c.left.Add(-1) >= 0 {
		w = &cut{w, 100_000}
	}
	c.proxy.ServeHTTP(w, r)
}

// cut is an answer that breaks off.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

// TestReadsOn through connections that break, and another object's bytes are not mixed in.
func TestReadsOn(t *testing.T) {
	t.Parallel()
	whole := make([]byte, 1<<20)
	if _, err := rand.Read(whole); err != nil {
		t.Fatal(err)
	}
	c := &cutter{proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server.address})}
	c.proxy.ErrorLog = log.New(io.Discard, "", 0)
	front := httptest.NewServer(c)
	t.Cleanup(front.Close)
	o := server.options()
	o.Endpoint, o.Capabilities = front.URL, &blob.Capabilities{ConditionalPut: true}
	below, err := s3.New(t.Context(), plain, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(below.Close)
	s, err := retry.New(below, retry.Options{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "reads/on", bytes.NewReader(whole), 1<<20); err != nil {
		t.Fatal(err)
	}
	for _, rng := range []blob.Range{blob.Whole, {Offset: 1000, Length: 900_000}, {Offset: 1 << 19, Length: -1}} {
		c.left.Store(4)
		r, err := s.Get(t.Context(), "reads/on", rng)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		want := whole[rng.Offset:]
		if rng.Length >= 0 {
			want = want[:rng.Length]
		}
		if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(data, want) || c.left.Load() >= 0 {
			t.Errorf("%+v: read %d bytes of %d, %v; %d connections left to break", rng, len(data), len(want), err, c.left.Load())
		}
	}
	c.left.Store(1)
	r, err := s.Get(t.Context(), "reads/on", blob.Whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), "reads/on", strings.NewReader(strings.Repeat("x", 1<<20)), 1<<20); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(r)
	if e := r.Close(); !errors.Is(err, blob.ErrChanged) || e != nil {
		t.Errorf("the object was replaced in the middle: %v, %v", err, e)
	}
}

// TestAbilities: each is told with how it became known.
func TestAbilities(t *testing.T) {
	t.Parallel()
	for bucket, want := range map[string][]string{
		plain: {
			"conditional put: yes (proved: a second put of a key)", "server-side encryption: no (told: the answer to a put does not name it)",
			"versioning: no (proved: a delete)", "object lock: no (told: ObjectLockConfigurationNotFoundError)", "region: eu-test-1 (told)",
		},
		versions: {"versioning: yes (proved: a delete)", "object lock: no (told"},
		locks:    {"versioning: yes (proved", "object lock: yes (proved: a delete of a locked object)"},
		standing: {"object lock: yes (proved", "lock of every object: 24h0m0s (told: the bucket's default retention)"},
	} {
		var said []string
		for _, a := range openGateway(t, bucket).Abilities() {
			said = append(said, a.String())
		}
		for _, want := range want {
			if !strings.Contains(strings.Join(said, "\n"), want) {
				t.Errorf("%s: no %q in\n%s", bucket, want, strings.Join(said, "\n"))
			}
		}
	}
}
