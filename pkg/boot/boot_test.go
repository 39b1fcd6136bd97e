package boot

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// log is a buffer that several may write to.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type plain struct{ Common }

// start runs a program until stop is called, which gives its exit code.
func start(t *testing.T, environ []string, setup Setup[plain]) (stop func() int, log *logged) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	wait, log := begin(ctx, environ, setup)
	return func() int { cancel(); return wait() }, log
}

// begin runs a program until ctx ends, or it ends by itself; wait gives its exit code.
func begin(ctx context.Context, environ []string, setup Setup[plain]) (wait func() int, log *logged) {
	log = new(logged)
	code := make(chan int, 1)
	go func() { code <- run(ctx, world{environ: environ, out: io.Discard, err: log}, "imago-x", "x", setup) }()
	return sync.OnceValue(func() int { return <-code }), log
}

// ask runs a program with -ready beside the one that is started.
func ask(t *testing.T, addr string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	w := world{args: []string{"-ready"}, environ: []string{"IMAGO_HEALTH_ADDR=" + addr}, out: &out, err: &out}
	code = run(t.Context(), w, "imago-x", "x", func(context.Context, plain, *Process) error { return errors.New("it was started") })
	return code, out.String()
}

func get(t *testing.T, client *http.Client, url string) (int, string, http.Header) {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

// freeAddr is a loopback address that nobody listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// A program is alive while it starts, ready when it has, and not ready when a check
// fails; it says which and keeps the reason to its log.
func TestHealthFollowsTheProgram(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	inSetup, goOn, working := make(chan bool), make(chan bool), make(chan bool)
	var broken sync.Map
	stop, log := start(t, []string{"IMAGO_HEALTH_ADDR=" + addr}, func(_ context.Context, _ plain, p *Process) error {
		inSetup <- true
		<-goOn
		p.Check("database", func(context.Context) error {
			if err, ok := broken.Load("database"); ok {
				return err.(error)
			}
			return nil
		})
		p.Go("work", func(ctx context.Context) error { close(working); <-ctx.Done(); return ctx.Err() })
		return nil
	})
	<-inSetup
	url := "http://" + addr
	if status, _, _ := get(t, http.DefaultClient, url+"/healthz"); status != http.StatusOK {
		t.Errorf("alive while starting: %d", status)
	}
	if status, body, _ := get(t, http.DefaultClient, url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "starting") {
		t.Errorf("ready while starting: %d %s", status, body)
	}
	close(goOn)
	<-working
	if status, body, _ := get(t, http.DefaultClient, url+"/readyz"); status != http.StatusOK || !strings.Contains(body, `"database":"ok"`) {
		t.Errorf("ready: %d %s", status, body)
	}
	if code, said := ask(t, addr); code != exitDone || !strings.Contains(said, `"database":"ok"`) {
		t.Errorf("-ready: exit %d: %s", code, said)
	}
	broken.Store("database", errors.New("hunter2 was refused"))
	if code, said := ask(t, addr); code != exitFailed || !strings.Contains(said, `"database":"failed"`) {
		t.Errorf("-ready with a broken check: exit %d: %s", code, said)
	}
	status, body, _ := get(t, http.DefaultClient, url+"/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `"database":"failed"`) || strings.Contains(body, "hunter2") {
		t.Errorf("with a broken check: %d %s", status, body)
	}
	if _, body, _ := get(t, http.DefaultClient, url+"/metrics"); !strings.Contains(body, `imago_build_info{program="imago-x"`) || !strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics: %.200s", body)
	}
	if code := stop(); code != exitDone {
		t.Errorf("exit %d: %s", code, log)
	}
	for line := range strings.Lines(log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry["program"] != "imago-x" {
			t.Errorf("not a line of JSON: %s", line)
		}
	}
}

func TestPartsEndInOrder(t *testing.T) {
	t.Parallel()
	var order []string
	running := make(chan bool)
	stop, log := start(t, nil, func(_ context.Context, _ plain, p *Process) error {
		p.OnStop(func() error { order = append(order, "database"); return nil })
		p.OnStop(func() error { order = append(order, "store"); return nil })
		p.Go("work", func(ctx context.Context) error {
			close(running)
			<-ctx.Done()
			order = append(order, "work")
			return nil
		})
		return nil
	})
	<-running
	if code := stop(); code != exitDone || strings.Join(order, " ") != "work store database" {
		t.Errorf("exit %d, %v: %s", code, order, log)
	}
}

func TestPartThatEndsEndsTheProgram(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]func(context.Context) error{
		"work ended by itself": func(context.Context) error { return nil },
		"work: broken":         func(context.Context) error { return errors.New("broken") },
	} {
		closed := false
		wait, log := begin(t.Context(), nil, func(_ context.Context, _ plain, p *Process) error {
			p.OnStop(func() error { closed = true; return nil })
			p.Go("other", func(ctx context.Context) error { <-ctx.Done(); return nil })
			p.Go("work", part)
			return nil
		})
		if code := wait(); code != exitFailed || !closed || !strings.Contains(log.String(), name) {
			t.Errorf("%s: exit %d, closed %v: %s", name, code, closed, log)
		}
	}
}

func TestSetupThatFailsUndoesItself(t *testing.T) {
	t.Parallel()
	closed := false
	wait, log := begin(t.Context(), nil, func(_ context.Context, _ plain, p *Process) error {
		p.OnStop(func() error { closed = true; return nil })
		return errors.New("no database")
	})
	if code := wait(); code != exitFailed || !closed || !strings.Contains(log.String(), "no database") {
		t.Errorf("exit %d, closed %v: %s", code, closed, log)
	}
}

func TestWorkThatDoesNotEndIsLeft(t *testing.T) {
	t.Parallel()
	running, never := make(chan bool), make(chan bool)
	t.Cleanup(func() { close(never) })
	stop, log := start(t, []string{"IMAGO_STOP_WITHIN=10ms"}, func(_ context.Context, _ plain, p *Process) error {
		p.Go("work", func(context.Context) error { close(running); <-never; return nil })
		return nil
	})
	<-running
	if code := stop(); code != exitFailed || !strings.Contains(log.String(), "did not end within 10ms") {
		t.Errorf("exit %d: %s", code, log)
	}
}

// certificate makes a certificate for 127.0.0.1, and gives its files.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	renew(t, cert, key, name)
	return cert, key
}

func renew(t *testing.T, cert, key, name string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serving starts a program that listens, and gives its address.
func serving(t *testing.T, l Listener, h http.Handler) (addr string, stop func() int) {
	t.Helper()
	at := make(chan net.Addr, 1)
	stop, log := start(t, nil, func(ctx context.Context, _ plain, p *Process) error {
		addr, err := p.Listen(ctx, "public", l, h)
		at <- addr
		return err
	})
	t.Cleanup(func() {
		if code := stop(); code != exitDone {
			t.Errorf("exit %d: %s", code, log)
		}
	})
	got := <-at
	if got == nil {
		t.Fatalf("not listening: %s", log)
	}
	return got.String(), stop
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	if _, err := io.WriteString(w, "hello"); err != nil {
		panic(err)
	}
})

func client(t *testing.T, version uint16) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: version}, ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestTLSIsNewAndStrict(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "one")
	addr, _ := serving(t, Listener{Addr: "127.0.0.1:0", Cert: cert, Key: key}, hello)
	status, body, header := get(t, client(t, tls.VersionTLS13), "https://"+addr)
	if status != http.StatusOK || body != "hello" || !strings.HasPrefix(header.Get("Strict-Transport-Security"), "max-age=63072000") {
		t.Errorf("%d %s %v", status, body, header)
	}
	if _, err := client(t, tls.VersionTLS12).Get("https://" + addr); err == nil {
		t.Error("TLS 1.2 was taken")
	}
	if res, err := http.Get("http://" + addr); err == nil && res.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP was answered %d", res.StatusCode)
	}
}

func TestCertificateIsRenewedWhileServing(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "one")
	addr, _ := serving(t, Listener{Addr: "127.0.0.1:0", Cert: cert, Key: key}, hello)
	name := func() string {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	later := func(by time.Duration) {
		for _, path := range []string{cert, key} {
			at := time.Now().Add(by)
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := name(); got != "one" {
		t.Errorf("serves %q", got)
	}
	renew(t, cert, key, "two")
	later(time.Hour)
	if got := name(); got != "two" {
		t.Errorf("after the renewal it serves %q", got)
	}
	if err := os.WriteFile(key, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "two" {
		t.Errorf("with a broken file it serves %q", got)
	}
}

func TestPlainHTTPOnLoopbackHasNoHSTS(t *testing.T) {
	t.Parallel()
	addr, _ := serving(t, Listener{Addr: "127.0.0.1:0"}, hello)
	status, _, header := get(t, http.DefaultClient, "http://"+addr)
	if status != http.StatusOK || header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%d %v", status, header)
	}
}

// A request that runs when the program is told to end is answered.
func TestRunningRequestIsAnswered(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan bool), make(chan bool)
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-goOn
		hello(w, r)
	})
	addr, stop := serving(t, Listener{Addr: "127.0.0.1:0", ShutdownFor: time.Minute}, slow)
	answered := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + addr)
		if err != nil {
			answered <- err.Error()
			return
		}
		body, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			answered <- err.Error()
			return
		}
		answered <- string(body)
	}()
	<-arrived
	code := make(chan int, 1)
	go func() { code <- stop() }()
	for { // until nobody is let in any more
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(goOn)
	if got := <-answered; got != "hello" {
		t.Errorf("answered %q", got)
	}
	if got := <-code; got != exitDone {
		t.Errorf("exit %d", got)
	}
}

// A stream would last for ever: its context ends in time for the program to end well.
func TestStreamEndsWithTheProgram(t *testing.T) {
	t.Parallel()
	arrived := make(chan bool)
	stream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { close(arrived); <-r.Context().Done() })
	addr, stop := serving(t, Listener{Addr: "127.0.0.1:0", ShutdownFor: 2 * time.Second}, stream)
	ended := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + addr)
		if err == nil {
			err = res.Body.Close()
		}
		ended <- err
	}()
	<-arrived
	if code := stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestACMEAnswersItsChallengeOverTLS13Alone(t *testing.T) {
	t.Parallel()
	c := Listener{Addr: ":443", Domains: []string{"imago.test"}, Cache: t.TempDir(), Directory: "https://ca.test/dir"}.tls()
	if c.MinVersion != tls.VersionTLS13 || !strings.Contains(strings.Join(c.NextProtos, " "), "acme-tls/1") {
		t.Errorf("%x %v", c.MinVersion, c.NextProtos)
	}
	if _, err := c.GetCertificate(&tls.ClientHelloInfo{ServerName: "other.test"}); err == nil {
		t.Error("a certificate is sought for a name that is not ours")
	}
}
