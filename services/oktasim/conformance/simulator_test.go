package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMain builds the simulator once for all tests.
func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

const program = "OKTASIM_PROGRAM"

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "oktasim-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	file := filepath.Join(dir, "oktasim")
	build := exec.Command("go", "build", "-o", file, ".")
	build.Dir, build.Env = "..", append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the simulator: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(program, file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// simulator is a running one, with a super administrator's token.
type simulator struct {
	URL, Control string
	Token        string
}

// start runs the simulator with the demonstration company until the test ends.
func start(t *testing.T, args ...string) simulator {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, os.Getenv(program), append([]string{"serve", "--seed", "demo", "--rate-multiplier", "1000"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := cmd.Wait(); err != nil && ctx.Err() == nil {
			t.Errorf("the simulator ended: %v", err)
		}
		if stderr.Len() > 0 {
			t.Errorf("the simulator complained: %s", stderr.String())
		}
	})
	var s simulator
	if err := json.NewDecoder(out).Decode(&s); err != nil {
		t.Fatalf("the simulator does not start: %v", err)
	}
	s.Token = s.admin(t)
	return s
}

// admin makes a super administrator and returns a token.
func (s simulator) admin(t *testing.T) string {
	t.Helper()
	body := `{"login":"sdk@acme-robotics.example","role":"SUPER_ADMIN","firstName":"Sam","lastName":"Dekay"}`
	resp, err := http.Post(s.Control+"/control/v1/admins", "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	var made struct{ Token string }
	if err := json.Unmarshal(b, &made); err != nil || made.Token == "" {
		t.Fatalf("no token: %v: %s", err, b)
	}
	return made.Token
}

// group makes a group and returns its id.
func (s simulator) group(t *testing.T) string {
	t.Helper()
	r := newSDK6(t, s.client(t), s.Token).call(t, "GroupAPI.AddGroup", `{"profile":{"name":"Made for rules"}}`)
	if !r.ok() {
		t.Fatal(r.err)
	}
	id, ok := at(r.object(t), "id").(string)
	if !ok {
		t.Fatalf("the group has no id: %v", r.value)
	}
	return id
}

// client sends every request to the simulator, whatever host it is for: Okta's SDKs drop
// ports and insist on https.
func (s simulator) client(t *testing.T) *http.Client {
	t.Helper()
	home, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: redirect{home}}
}

type redirect struct{ home *url.URL }

func (r redirect) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = r.home.Scheme, r.home.Host
	return http.DefaultTransport.RoundTrip(req)
}
