package standalone

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"imago/pkg/postgres/postgrestest"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/provider/okta/oktasimtest"
)

// The test binary is imagod when it is told to be.
const beImagod = "TEST_BE_IMAGOD"

func TestMain(m *testing.M) {
	if os.Getenv(beImagod) != "" {
		Main()
		return
	}
	postgrestest.Main(m)
}

// imagod is a running program.
type imagod struct {
	t    *testing.T
	dir  string
	url  string
	cmd  *exec.Cmd
	out  *said
	done chan error
}

// said is what a running program has said so far.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// patience is how long a condition may take on a busy machine.
const patience = 2 * time.Minute

// start starts imagod on a data directory and waits until it is ready.
func start(t *testing.T, dir string, args ...string) *imagod {
	t.Helper()
	i := launch(t, dir, freeAddress(t), args...)
	i.until("imagod is ready", func() bool {
		res, err := http.Get(i.url + "/readyz")
		if err != nil {
			return false
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode == http.StatusOK
	})
	return i
}

// launch starts imagod and waits for nothing.
func launch(t *testing.T, dir, address string, args ...string) *imagod {
	t.Helper()
	i := &imagod{t: t, dir: dir, url: "http://" + address, out: new(said), done: make(chan error, 1)}
	i.cmd = exec.Command(os.Args[0], append([]string{"--data", dir, "--listen", address}, args...)...)
	i.cmd.Env = append(environment(), beImagod+"=1")
	i.cmd.Stdout, i.cmd.Stderr = i.out, i.out
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the program dies with the thread that started it
		defer runtime.UnlockOSThread()
		err := i.cmd.Start()
		started <- err
		if err == nil {
			i.done <- i.cmd.Wait()
			close(i.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.signal(syscall.SIGKILL); err != nil {
			t.Logf("killed at the end of the test: %v", err)
		}
	})
	return i
}

// environment is the test's without what is meant for tests: imagod refuses variables
// that it does not know.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "IMAGO_") && !strings.HasPrefix(v, "IMAGO_POSTGRES_BIN=")
	})
}

// signal sends a signal, and waits for the end.
func (i *imagod) signal(s os.Signal) error {
	if err := i.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		i.t.Error(err)
	}
	return i.wait()
}

func (i *imagod) wait() error {
	select {
	case err := <-i.done:
		return err
	case <-time.After(patience):
		i.t.Fatalf("imagod has not ended:\n%s", i.out)
		return nil
	}
}

// until looks at a condition until it holds.
func (i *imagod) until(what string, holds func() bool) {
	i.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case err := <-i.done:
			i.t.Fatalf("%s: imagod has ended: %v\n%s", what, err, i.out)
		case <-deadline:
			i.t.Fatalf("%s: not within %s\n%s", what, patience, i.out)
		case <-tick.C:
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// folderFor gives a directory that the database's user can come to.
func folderFor(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "imagod")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The database of an imagod that was killed ends soon after it, and writes until then.
		worldtest.Until(t, "the directory is removed", func() bool {
			err := os.RemoveAll(dir)
			if err != nil {
				t.Log(err)
			}
			return err == nil
		})
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

// call speaks the REST API.
func (i *imagod) call(method, path, token string, body any, want int, into any) {
	i.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		i.t.Fatal(err)
	}
	if body == nil {
		text = nil
	}
	req, err := http.NewRequest(method, i.url+path, bytes.NewReader(text))
	if err != nil {
		i.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		i.t.Fatal(err)
	}
	if res.StatusCode != want {
		i.t.Fatalf("%s %s: %d, want %d: %s", method, path, res.StatusCode, want, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			i.t.Fatal(err)
		}
	}
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// signIn signs in by the code that lies in the data directory, because no mail server
// is configured.
func (i *imagod) signIn(email string) (token string) {
	i.t.Helper()
	var attempt struct {
		AttemptID    string `json:"attempt_id"`
		ClientSecret string `json:"client_secret"`
	}
	i.call(http.MethodPost, "/v1/sign-in/codes", "", map[string]string{"email": email}, http.StatusOK, &attempt)
	code := ""
	i.until("the code is written", func() bool {
		code = i.code(email)
		return code != ""
	})
	var session struct{ Token string }
	i.call(http.MethodPost, "/v1/sign-in/sessions", "", map[string]string{
		"attempt_id": attempt.AttemptID, "client_secret": attempt.ClientSecret, "code": code,
	}, http.StatusOK, &session)
	return session.Token
}

func (i *imagod) code(email string) string {
	files, err := filepath.Glob(filepath.Join(i.dir, "mail", "*.txt"))
	if err != nil {
		i.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			i.t.Fatal(err)
		}
		if strings.Contains(string(text), "To: "+email) {
			_, body, _ := strings.Cut(string(text), "\n\n")
			return sixDigits.FindString(body)
		}
	}
	return ""
}

// TestNothingIsLost: what was answered before imagod was killed is there afterwards,
// and a clean stop leaves nothing behind.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	dir, org := folderFor(t), oktasimtest.Start(t, oktasimtest.Options{})
	first := start(t, dir, "--allow-loopback-orgs")
	token := first.signIn("ada@example.com")
	var made struct{ Connection struct{ ID string } }
	first.call(http.MethodPost, "/v1/connections", token, map[string]string{"org_url": org.URL}, http.StatusOK, &made)
	if err := first.signal(syscall.SIGKILL); err == nil {
		t.Error("killed, and ended well")
	}

	second := start(t, dir)
	var me struct{ Session struct{ Email, Role string } }
	second.call(http.MethodGet, "/v1/me", token, nil, http.StatusOK, &me)
	if me.Session.Email != "ada@example.com" || me.Session.Role != "owner" {
		t.Errorf("after the kill: %+v", me)
	}
	var kept struct {
		Connection struct {
			OrgURL string `json:"org_url"`
			State  string
		}
	}
	second.call(http.MethodGet, "/v1/connections/"+made.Connection.ID, token, nil, http.StatusOK, &kept)
	if kept.Connection.OrgURL != org.URL || kept.Connection.State != "new" {
		t.Errorf("after the kill: %+v", kept)
	}

	checkAddressed(second)
	third := launch(t, dir, freeAddress(t))
	if err := third.wait(); err == nil || !strings.Contains(third.out.String(), "another imagod (process ") {
		t.Errorf("a second one on the same directory: %v\n%s", err, third.out)
	}
	second.call(http.MethodGet, "/v1/me", token, nil, http.StatusOK, nil)

	if err := second.signal(syscall.SIGTERM); err != nil {
		t.Errorf("a clean stop: %v\n%s", err, second.out)
	}
	if _, err := os.Stat(filepath.Join(dir, "postgres", "data", "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the database was left running: %v", err)
	}
	checkModes(t, dir)
	checkLog(t, first.out.String()+second.out.String(), token, "ada@example.com", org.URL)
}

// checkAddressed wants an installation on this machine to know where its console is, without
// being told: passkeys are offered, and a command line is led to it.
func checkAddressed(i *imagod) {
	i.t.Helper()
	public := strings.Replace(i.url, "127.0.0.1", "localhost", 1)
	var methods struct{ Passkeys bool }
	i.call(http.MethodGet, "/v1/sign-in/methods", "", nil, http.StatusOK, &methods)
	var device struct {
		VerificationURI string `json:"verification_uri"`
	}
	i.call(http.MethodPost, "/v1/sign-in/devices", "", map[string]string{}, http.StatusOK, &device)
	if !methods.Passkeys || device.VerificationURI != public+"/device" {
		i.t.Errorf("passkeys: %t, a command line is led to %s", methods.Passkeys, device.VerificationURI)
	}
	i.until("people are told where the console is", func() bool { return strings.Contains(i.out.String(), public) })
}

// checkModes wants every secret, and every code that was mailed, closed to others.
func checkModes(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"master.keys", "credentials.key", "objects", "mail", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
}

// checkLog wants lines of JSON without what is nobody's business there.
func checkLog(t *testing.T, log string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "{") && !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// TestRefusals: a configuration that is wrong is told as a whole, and makes nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	tests := []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"--listen", "0.0.0.0:0", "--from", "nobody", "--smtp", "mail"}, 2, []string{"IMAGO_LISTEN_ADDR: 0.0.0.0:0 is reachable from other machines", "IMAGO_MAIL_SMTP_ADDR"}},
		{[]string{"--tls-cert", "missing.pem", "--tls-key", "missing.pem"}, 2, []string{"IMAGO_LISTEN_TLS_CERT and TLS_KEY"}},
		{[]string{"--frobnicate"}, 2, []string{"frobnicate"}},
		{[]string{"serve"}, 2, []string{`"serve" is not a flag`}},
		{[]string{"--check"}, 0, []string{"the configuration is right"}},
		{[]string{"--help"}, 0, []string{"--allow-loopback-orgs", "IMAGO_MAIL_SMTP_PASSWORD_FILE", "Exit codes"}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.args), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], append([]string{"--data", dir}, tt.args...)...)
			cmd.Env = append(environment(), beImagod+"=1", "IMAGO_SERVER=https://imago.example.com")
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d (%v)", code, tt.code, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("lacks %q:\n%s", want, out)
				}
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was made: %v", err)
			}
		})
	}
}
