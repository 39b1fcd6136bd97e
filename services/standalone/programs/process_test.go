package programs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a condition may take on a busy machine.
const patience = 2 * time.Minute

// program is one of ours, in a process of its own.
type program struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	log  *logBook
	done chan error
}

// logBook is what a process has said so far.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// build compiles the programs, by name, and gives the folder that they are in.
func build(t *testing.T, services map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, service := range services {
		out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, name), "imago/services/"+service+"/cmd/"+name).CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return dir
}

// command prepares a program with no more in its environment than what is given.
func command(path string, environ map[string]string, args ...string) (*exec.Cmd, *logBook) {
	log := new(logBook)
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range environ {
		cmd.Env = append(cmd.Env, "IMAGO_"+name+"="+value)
	}
	return cmd, log
}

// run runs a program to its end.
func run(t *testing.T, path string, environ map[string]string, args ...string) (code int, said string) {
	t.Helper()
	cmd, log := command(path, environ, args...)
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || !exit.Exited()) {
		t.Fatalf("%s: %v", path, err)
	}
	return cmd.ProcessState.ExitCode(), log.String()
}

// start starts a program, and ends it with the test.
func start(t *testing.T, path string, environ map[string]string) *program {
	t.Helper()
	p := &program{t: t, name: filepath.Base(path), done: make(chan error, 1)}
	p.cmd, p.log = command(path, environ)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.log)
		}
	})
	return p
}

// stop tells the program to end, which must end as it should; again does nothing.
func (p *program) stop() {
	p.t.Helper()
	if p.done == nil {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Errorf("end %s: %v", p.name, err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("%s: %v", p.name, err)
		}
	case <-time.After(patience):
		p.t.Errorf("%s does not end", p.name)
		if err := p.cmd.Process.Kill(); err != nil {
			p.t.Error(err)
		}
	}
	p.done = nil
}

// ready waits until a program says that it is ready, or has ended.
func (p *program) ready(client *http.Client, url string) {
	p.t.Helper()
	until(p.t, p.name+" is ready", func() bool {
		select {
		case err := <-p.done:
			p.done = nil
			p.t.Fatalf("%s ended: %v", p.name, err)
		default:
		}
		res, err := client.Get(url + "/readyz")
		if err != nil {
			return false
		}
		if err := res.Body.Close(); err != nil {
			p.t.Error(err)
		}
		return res.StatusCode == http.StatusOK
	})
}

// until asks again until the answer is true.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !true() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// addresses are loopback addresses that nobody listens at.
func addresses(t *testing.T, n int) (out []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}()
		out = append(out, l.Addr().String())
	}
	return out
}

// file writes a file that only its owner reads, and gives its path.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate makes a certificate for 127.0.0.1, and who believes it.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "imago"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("the certificate cannot be read")
	}
	return file(t, dir, "cert.pem", string(text)), file(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))), pool
}

// silent makes sure that a program's log holds nothing that must not stand there.
func (p *program) silent(secrets ...string) {
	p.t.Helper()
	for _, s := range secrets {
		if strings.Contains(p.log.String(), s) {
			p.t.Errorf("%s logs %s", p.name, fmt.Sprintf("%.4s…", s))
		}
	}
}
