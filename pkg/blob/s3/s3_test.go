package s3_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"imago/pkg/blob"
	"imago/pkg/blob/retry"
	"imago/pkg/blob/s3"
	"imago/pkg/problem"
)

// bucket speaks as much S3 as the quirks of other stores need. The whole of it is
// tested against a real server, beside the embedded gateway.
type bucket struct {
	mu      sync.Mutex
	objects map[string]string
	asked   []string // "PUT key", in order
	headers []http.Header

	ignoresConditions bool // overwrites whatever If-None-Match says
	echoes            string
	refusesSSE        bool
	hidesLock         bool  // does not tell whether objects can be locked
	boastsLock        bool  // tells that they can
	rule              bool  // a bucket lock as R2 has it: what is there is neither deleted nor overwritten
	fail              []int // statuses to answer first, one a request
	losesAnswers      int   // puts that are made and answered with 503
	cutsAt            int   // bytes after which a GET's connection is cut
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/b/")
	b.asked = append(b.asked, r.Method+" "+key)
	b.headers = append(b.headers, r.Header.Clone())
	if len(b.fail) > 0 {
		status := b.fail[0]
		b.fail = b.fail[1:]
		answer(w, status, map[int]string{503: "SlowDown", 409: "ConditionalRequestConflict", 403: "AccessDenied", 404: "NoSuchBucket", 301: "PermanentRedirect"}[status])
		return
	}
	switch {
	case r.Method == http.MethodPut:
		b.put(w, r, key)
	case r.URL.Query().Has("object-lock") && b.hidesLock:
		answer(w, http.StatusForbidden, "AccessDenied")
	case r.URL.Query().Has("object-lock") && b.boastsLock:
		fmt.Fprint(w, `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`)
	case r.URL.Query().Has("object-lock"):
		answer(w, http.StatusNotImplemented, "NotImplemented")
	case r.Method == http.MethodDelete && b.rule:
		answer(w, http.StatusConflict, "ObjectLockedByBucketPolicy")
	case r.Method == http.MethodDelete:
		delete(b.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Query().Has("list-type"):
		fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
	default:
		b.get(w, key)
	}
}

func (b *bucket) put(w http.ResponseWriter, r *http.Request, key string) {
	data, err := io.ReadAll(r.Body)
	sum := sha256.Sum256(data)
	if err != nil || r.Header.Get("x-amz-checksum-sha256") != base64.StdEncoding.EncodeToString(sum[:]) {
		answer(w, http.StatusBadRequest, "BadDigest")
		return
	}
	if sse := r.Header.Get("x-amz-server-side-encryption"); sse != "" && b.refusesSSE {
		answer(w, http.StatusNotImplemented, "NotImplemented")
		return
	}
	if _, taken := b.objects[key]; taken && b.rule {
		answer(w, http.StatusConflict, "ObjectLockedByBucketPolicy")
		return
	}
	if _, taken := b.objects[key]; taken && r.Header.Get("If-None-Match") == "*" && !b.ignoresConditions {
		answer(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	b.objects[key] = string(data)
	if b.losesAnswers > 0 && r.Header.Get("If-None-Match") != "" {
		b.losesAnswers--
		answer(w, http.StatusServiceUnavailable, "ServiceUnavailable")
		return
	}
	if b.echoes != "" {
		w.Header().Set("x-amz-server-side-encryption", b.echoes)
	}
}

func (b *bucket) get(w http.ResponseWriter, key string) {
	data, ok := b.objects[key]
	if !ok {
		answer(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	w.Header().Set("Last-Modified", written.Format(http.TimeFormat))
	if b.cutsAt > 0 {
		data = data[:min(b.cutsAt, len(data))]
	}
	fmt.Fprint(w, data)
}

// written is when every object of a bucket was.
var written = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func answer(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<Error><Code>%s</Code><Message>as the test wants</Message></Error>`, code)
}

func (b *bucket) serve(t *testing.T) s3.Options {
	b.objects = map[string]string{}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	return s3.Options{
		Endpoint: server.URL, PathStyle: true, AccessKeyID: "id", SecretAccessKey: "secret",
		MaxBackoff: time.Millisecond,
	}
}

func open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.New(t.Context(), "b", o)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	t.Cleanup(s.Close)
	return s
}

func put(t *testing.T, s *s3.Store, key, data string) error {
	t.Helper()
	return s.Put(t.Context(), key, strings.NewReader(data), int64(len(data)))
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		bucket *bucket
		ask    string
		want   blob.Capabilities
		sends  string // the encryption that later writes ask for
		fails  string
	}{
		{"Amazon", &bucket{echoes: "AES256"}, "", blob.Capabilities{ConditionalPut: true, ServerSideEncryption: true}, "AES256", ""},
		{"R2 ignores encryption", &bucket{}, "", blob.Capabilities{ConditionalPut: true}, "", ""},
		{"refuses encryption", &bucket{refusesSSE: true}, "", blob.Capabilities{ConditionalPut: true}, "", ""},
		{"ignores conditions", &bucket{ignoresConditions: true}, "", blob.Capabilities{}, "", ""},
		{"not asked, and echoed", &bucket{echoes: "AES256"}, "none", blob.Capabilities{ConditionalPut: true, ServerSideEncryption: true}, "", ""},
		{"demanded, and echoed", &bucket{echoes: "aws:kms"}, "aws:kms", blob.Capabilities{ConditionalPut: true, ServerSideEncryption: true}, "aws:kms", ""},
		{"demanded, and another echoed", &bucket{echoes: "AES256"}, "aws:kms", blob.Capabilities{}, "", "encryption"},
		{"demanded, and ignored", &bucket{}, "AES256", blob.Capabilities{}, "", "encryption"},
		{"demanded, and refused", &bucket{refusesSSE: true}, "AES256", blob.Capabilities{}, "", "encryption"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := c.bucket
			o := b.serve(t)
			o.Encryption = c.ask
			s, err := s3.New(t.Context(), "b", o)
			if len(b.objects) != 0 {
				t.Errorf("the probe left %v behind", b.objects)
			}
			if c.fails != "" {
				if p := problem.Of(err); p == nil || p.Field != c.fails {
					t.Fatalf("got %v, want a problem with %s", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			if got := s.Capabilities(); got != c.want {
				t.Errorf("found %+v, want %+v", got, c.want)
			}
			if err := put(t, s, "a", "data"); err != nil {
				t.Fatal(err)
			}
			if got := b.headers[len(b.headers)-1].Get("x-amz-server-side-encryption"); got != c.sends {
				t.Errorf("a write asks for %q, want %q", got, c.sends)
			}
			// Refuses to overwrite, by itself or by looking first.
			if err := put(t, s, "a", "other"); !errors.Is(err, blob.ErrExists) || b.objects["a"] != "data" {
				t.Errorf("overwrote: %v", err)
			}
		})
	}
}

func TestConfiguredCapabilitiesAreNotProbed(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	o := b.serve(t)
	o.Capabilities = &blob.Capabilities{ConditionalPut: true}
	if s := open(t, o); len(b.asked) != 0 || !s.Capabilities().ConditionalPut {
		t.Errorf("asked %v", b.asked)
	}
}

// TestAsksOnce: nothing is tried again below the wrapper that counts attempts, and what
// is worth it is marked.
func TestAsksOnce(t *testing.T) {
	t.Parallel()
	for status, unavailable := range map[int]bool{503: true, 500: true, 429: true, 409: true, 403: false, 501: false} {
		b := &bucket{}
		o := b.serve(t)
		o.Capabilities = &blob.Capabilities{ConditionalPut: true}
		b.fail = []int{status}
		if err := put(t, open(t, o), "a", "data"); errors.Is(err, blob.ErrUnavailable) != unavailable || err == nil || len(b.asked) != 1 {
			t.Errorf("%d: %v after %v", status, err, b.asked)
		}
	}
}

// TestTriesAgain is the wrapper over this store.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	o := b.serve(t)
	o.Capabilities = &blob.Capabilities{ConditionalPut: true}
	s, err := retry.New(open(t, o), retry.Options{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	put := func(key string) error { return s.Put(t.Context(), key, strings.NewReader("data"), 4) }
	b.fail = []int{503, 409, 503}
	if err := put("a"); err != nil || b.objects["a"] != "data" || len(b.asked) != 4 {
		t.Errorf("%v after %v", err, b.asked)
	}
	b.fail = slices.Repeat([]int{503}, 5)
	if err := put("b"); !errors.Is(err, blob.ErrUnavailable) || len(b.asked) != 9 {
		t.Errorf("%v after %d requests: five attempts are the bound", err, len(b.asked))
	}
	b.losesAnswers = 1
	if err := put("c"); err != nil || b.objects["c"] != "data" {
		t.Errorf("a put whose answer got lost: %v, and the store holds %q", err, b.objects["c"])
	}
	if err := put("c"); !errors.Is(err, blob.ErrExists) {
		t.Errorf("a second put: %v", err)
	}
}

// TestProbeTriesAgain: a store that is busy when a program starts is no reason to end.
func TestProbeTriesAgain(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	o := b.serve(t)
	b.fail = []int{503, 503, 503}
	s := open(t, o)
	b.asked, b.fail = nil, []int{503}
	if err := put(t, s, "a", "data"); !errors.Is(err, blob.ErrUnavailable) || len(b.asked) != 1 {
		t.Errorf("then %v after %v", err, b.asked)
	}
}

// TestIgnoredLock: a store that takes a lock and deletes is not said to lock.
func TestIgnoredLock(t *testing.T) {
	t.Parallel()
	b := &bucket{hidesLock: true}
	s := open(t, b.serve(t))
	if got := fmt.Sprint(s.Abilities()); s.Capabilities().ObjectLock || !strings.Contains(got, "object lock: no (proved") {
		t.Errorf("found %+v: %s", s.Capabilities(), got)
	}
	if !slices.ContainsFunc(b.headers, func(h http.Header) bool { return h.Get("x-amz-object-lock-retain-until-date") != "" }) {
		t.Error("nothing was tried")
	}
	// A lock of ours takes the place of the bucket's, which must be known to be no more.
	o := b.serve(t)
	o.Lock = 48 * time.Hour
	_, err := s3.New(t.Context(), "b", o)
	if p := problem.Of(err); p == nil || p.Kind != problem.Denied || !strings.Contains(p.Hint, "GetBucketObjectLockConfiguration") {
		t.Errorf("a lock of ours: %v", err)
	}
	b.hidesLock, b.boastsLock = false, true
	_, err = s3.New(t.Context(), "b", o)
	if p := problem.Of(err); p == nil || p.Field != "IMAGO_STORE_LOCK" || !strings.Contains(p.What, "a delete of a locked object") {
		t.Errorf("a lock of ours that does not hold: %v", err)
	}
}

// TestRuleOfTheBucket is R2 with bucket locks, which tells neither that it has them nor
// for how long.
func TestRuleOfTheBucket(t *testing.T) {
	t.Parallel()
	b := &bucket{rule: true}
	o := b.serve(t)
	if _, err := s3.New(t.Context(), "b", o); problem.Of(err) == nil || problem.Of(err).Field != "lock days" {
		t.Errorf("a lock without an end: %v", err)
	}
	o.LockFor, o.Now = 48*time.Hour, func() time.Time { return written.Add(time.Hour) }
	s := open(t, o)
	if got := s.Capabilities(); got != (blob.Capabilities{LockFor: 48 * time.Hour}) {
		t.Errorf("found %+v", got)
	}
	if err := put(t, s, "a", "data"); err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, "a", "other"); !errors.Is(err, blob.ErrExists) {
		t.Errorf("a second put: %v", err)
	}
	o.Capabilities = &blob.Capabilities{ConditionalPut: true}
	if err := put(t, open(t, o), "a", "other"); !errors.Is(err, blob.ErrExists) {
		t.Errorf("a second put that the lock refuses: %v", err)
	}
	err := s.Replace(t.Context(), "a", strings.NewReader("x"), 1)
	if !errors.Is(err, blob.ErrLocked) || !errors.Is(err, blob.ErrExists) || blob.Replaced(err) || b.objects["a"] != "data" {
		t.Errorf("replaced: %v; %q is there", err, b.objects["a"])
	}
	err = s.Delete(t.Context(), "a")
	if locked, ok := errors.AsType[*blob.LockedError](err); !ok || !locked.Until.Equal(written.Add(48*time.Hour)) {
		t.Errorf("deleted: %v", err)
	}
	o.Capabilities, o.Lock = nil, 99*time.Hour
	if _, err := s3.New(t.Context(), "b", o); problem.Of(err) == nil || problem.Of(err).Field != "IMAGO_STORE_LOCK" {
		t.Errorf("a lock of ours: %v", err)
	}
}

func TestCutConnection(t *testing.T) {
	t.Parallel()
	b := &bucket{cutsAt: 3}
	o := b.serve(t)
	o.Capabilities = &blob.Capabilities{}
	s := open(t, o)
	b.objects["a"] = "0123456789"
	if data, err := blob.ReadAll(t.Context(), s, "a", 100); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("read %q and %v of a cut answer", data, err)
	}
}

// TestStalledAnswer: a store that stops in the middle of an answer, and keeps the
// connection, must not hold its reader for ever.
func TestStalledAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		fmt.Fprint(w, "012")
		w.(http.Flusher).Flush()
		<-r.Context().Done() // until the client hangs up
	}))
	t.Cleanup(server.Close)
	s := open(t, s3.Options{
		Endpoint: server.URL, PathStyle: true, AccessKeyID: "id", SecretAccessKey: "secret",
		Capabilities: &blob.Capabilities{}, Timeout: 100 * time.Millisecond,
	})
	data, err := blob.ReadAll(t.Context(), s, "a", 100)
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("read %q and %v", data, err)
	}
}

// TestIgnoredRange: some proxies answer a range with the whole object, which must
// not pass for the part that was asked for.
func TestIgnoredRange(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	o := b.serve(t)
	o.Capabilities = &blob.Capabilities{}
	s := open(t, o)
	b.objects["a"] = "0123456789"
	r, err := s.Get(t.Context(), "a", blob.Range{Offset: 3, Length: 4})
	if err == nil || !strings.Contains(err.Error(), "range") {
		t.Errorf("%v, %v", r, err)
	}
}

func TestExplainsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]problem.Kind{403: problem.Denied, 404: problem.NotFound, 301: problem.Invalid, 503: problem.Unavailable} {
		b := &bucket{fail: slices.Repeat([]int{status}, 20)}
		_, err := s3.New(t.Context(), "b", b.serve(t))
		p := problem.Of(err)
		if p == nil || p.Kind != want || p.Hint == "" || p.Err == nil {
			t.Errorf("%d: %v, want a problem of kind %s", status, err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for field, o := range map[string]s3.Options{
		"endpoint":               {Endpoint: "s3.example.com"},
		"endpoint ":              {Endpoint: "http://s3.example.com"},
		"access key":             {AccessKeyID: "id"},
		"access key files":       {AccessKeyIDFile: "id"},
		"access key ID file":     {AccessKeyIDFile: filepath.Join(dir, "none"), SecretAccessKeyFile: file("s", "x")},
		"secret access key file": {AccessKeyIDFile: file("i", "id\n"), SecretAccessKeyFile: file("two", "two words")},
		"encryption":             {Encryption: "rot13"},
		"kms key":                {KMSKey: "alias/x"},
		"lock days":              {LockFor: -1},
		"IMAGO_STORE_LOCK":       {Lock: 336 * time.Second},
		"IMAGO_STORE_LOCK ":      {Lock: -time.Hour},
		"IMAGO_STORE_LOCK_MODE":  {LockMode: "compliance"},
		"IMAGO_STORE_LOCK_MODE ": {Lock: 48 * time.Hour, LockMode: "GOVERNANCE"},
	} {
		_, err := s3.New(t.Context(), "b", o)
		if p := problem.Of(err); p == nil || p.Kind != problem.Invalid || p.Field != strings.TrimSpace(field) {
			t.Errorf("%+v: %v, want a problem with %s", o, err, field)
		}
	}
	if _, err := s3.New(t.Context(), "a/b", s3.Options{}); problem.Of(err).Field != "bucket" {
		t.Errorf("bucket with a slash: %v", err)
	}
	b := &bucket{}
	o := b.serve(t)
	o.AccessKeyID, o.SecretAccessKey = "", ""
	o.AccessKeyIDFile, o.SecretAccessKeyFile = file("id", "key-from-file\n"), file("secret", "secret-from-file\n")
	open(t, o)
	if got := b.headers[0].Get("Authorization"); !strings.Contains(got, "Credential=key-from-file/") || !strings.Contains(got, "/auto/s3/") {
		t.Errorf("signed by %q", got)
	}
}
