// Package oktasimtest starts the simulated Okta org as a process for tests, and
// reaches it as Okta's customers do: over HTTP.
package oktasimtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"imago/pkg/account"
)

// Options of Start; the zero value is an org with nobody in it but an admin.
type Options struct {
	// Seed furnishes the org: "demo" or the JSON of a plan, as
	// {"seed":1,"users":100,"groups":10}.
	Seed string
	// Args are further arguments of the simulator's serve.
	Args []string
}

// Org is a simulated org that runs until the test ends.
type Org struct {
	URL     string // of the org, without a slash at its end
	Control string // of the control port
	Admin   string // SSWS token of a super administrator

	t       testing.TB
	http    *http.Client
	process *os.Process
}

// Start builds the simulator if need be and starts it.
func Start(t testing.TB, o Options) *Org {
	t.Helper()
	cmd := exec.Command(build(t), append([]string{"serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"}, o.Args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { stop(t, cmd) })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	must(t, err)
	org := &Org{t: t, http: &http.Client{Timeout: 2 * time.Minute}, process: cmd.Process}
	must(t, json.Unmarshal(line, org))
	if o.Seed != "" {
		org.Seed(o.Seed)
	} else {
		org.admin()
	}
	return org
}

func stop(t testing.TB, cmd *exec.Cmd) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Logf("stop the simulator: %v", err)
	}
	if err := cmd.Wait(); err != nil && !t.Failed() {
		t.Logf("the simulator ended: %v", err)
	}
}

// dependOn looks at every file of the source, by which go test knows that a cached
// result is worth nothing after a change of the simulator.
func dependOn(t testing.TB, source string) {
	must(t, filepath.WalkDir(source, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			_, err = os.Stat(path)
		}
		return err
	}))
}

// build compiles the simulator, a module of its own, into the user's cache. A lock
// keeps test binaries that run side by side from building over each other.
func build(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	must(t, err)
	dir := filepath.Join(cache, "imago-oktasim")
	must(t, os.MkdirAll(dir, 0o755))
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	must(t, err)
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	defer func() { must(t, lock.Close()) }()
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	must(t, err)
	source := filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), "services", "oktasim")
	dependOn(t, source)
	fresh, program := filepath.Join(dir, "oktasim.new"), filepath.Join(dir, "oktasim")
	cmd := exec.Command("go", "build", "-C", source, "-o", fresh, ".")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the simulator: %v\n%s", err, out)
	}
	must(t, os.Rename(fresh, program)) // one that runs keeps its own file
	return program
}

// Seed furnishes the org anew, see Options: whatever was in it is gone, tokens and
// apps included.
func (o *Org) Seed(plan string) {
	o.t.Helper()
	body := json.RawMessage(plan)
	if !strings.HasPrefix(strings.TrimSpace(plan), "{") {
		body = json.RawMessage(fmt.Sprintf(`{"preset":%q}`, plan))
	}
	o.control(http.MethodPost, "/control/v1/seed", body, nil)
	o.admin()
}

// admin makes the super administrator.
func (o *Org) admin() {
	o.t.Helper()
	var made struct{ Token string }
	o.control(http.MethodPost, "/control/v1/admins", map[string]string{"login": "root@acme.example", "role": "SUPER_ADMIN"}, &made)
	o.Admin = made.Token
}

// AdvanceClock moves the org's clock.
func (o *Org) AdvanceClock(d time.Duration) {
	o.t.Helper()
	o.control(http.MethodPost, "/control/v1/clock", map[string]string{"advance": d.String()}, nil)
}

// Fault is a failure to inject: Kind is one of status, 429, delay, cut, half_page,
// drop_link, malformed_json, done_but_failed.
type Fault struct {
	Method string `json:"method,omitempty"`
	Path   string `json:"path"` // may end in *
	Kind   string `json:"kind"`
	Status int    `json:"status,omitempty"`
	After  int    `json:"after,omitempty"`
	Count  int    `json:"count,omitempty"`
	Delay  string `json:"delay,omitempty"`
	Bytes  int    `json:"bytes,omitempty"`
	Fired  int    `json:"fired,omitempty"`
}

// Fault adds a failure.
func (o *Org) Fault(f Fault) {
	o.t.Helper()
	o.control(http.MethodPost, "/control/v1/faults", f, nil)
}

// ClearFaults removes all failures and returns them, with how often each fired.
func (o *Org) ClearFaults() []Fault {
	o.t.Helper()
	var had struct{ Faults []Fault }
	o.control(http.MethodGet, "/control/v1/faults", nil, &had)
	o.control(http.MethodDelete, "/control/v1/faults", nil, nil)
	return had.Faults
}

// Limit sets a rate limit bucket's size per minute.
func (o *Org) Limit(bucket string, perMinute int) {
	o.t.Helper()
	o.control(http.MethodPost, "/control/v1/limits", map[string]any{"bucket": bucket, "limit": perMinute}, nil)
}

// Unlimited lifts the rate limits to a size that no test meets.
func (o *Org) Unlimited() {
	o.t.Helper()
	o.control(http.MethodPost, "/control/v1/limits", map[string]any{"multiplier": 100000, "concurrency": 1000}, nil)
}

// Token gives an SSWS token of the user with a login, with the user's admin role.
func (o *Org) Token(login string) string {
	o.t.Helper()
	var made struct{ Token string }
	o.control(http.MethodPost, "/control/v1/api-tokens", map[string]string{"login": login}, &made)
	return made.Token
}

// State is everything in the org, for comparing.
func (o *Org) State() []byte {
	o.t.Helper()
	var state json.RawMessage
	o.control(http.MethodGet, "/control/v1/state?only=objects", nil, &state)
	return state
}

// Requests counts the requests so far, as the control port tells them.
func (o *Org) Requests() json.RawMessage {
	o.t.Helper()
	var counts json.RawMessage
	o.control(http.MethodGet, "/control/v1/requests", nil, &counts)
	return counts
}

// Pause stops the process where it stands, as a host that hangs; the returned
// function lets it go on.
func (o *Org) Pause() (resume func()) {
	o.t.Helper()
	must(o.t, o.process.Signal(syscall.SIGSTOP))
	return func() { must(o.t, o.process.Signal(syscall.SIGCONT)) }
}

// Ask asks the control port for what no method here is for.
func (o *Org) Ask(method, path string, body any) (answer json.RawMessage) {
	o.t.Helper()
	o.control(method, path, body, &answer)
	return answer
}

// control speaks to the control port.
func (o *Org) control(method, path string, body, into any) {
	o.t.Helper()
	o.send(method, o.Control+path, "", body, into)
}

// Call makes a call of Okta's API as the super administrator and decodes the
// answer into into, unless that is nil. Anything but 2xx fails the test.
func (o *Org) Call(method, path string, body, into any) {
	o.t.Helper()
	o.CallAs(o.Admin, method, path, body, into)
}

// CallAs is Call with the SSWS token of somebody else.
func (o *Org) CallAs(token, method, path string, body, into any) {
	o.t.Helper()
	o.send(method, o.URL+path, token, body, into)
}

func (o *Org) send(method, url, token string, body, into any) {
	o.t.Helper()
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		must(o.t, err)
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url, payload)
	must(o.t, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "SSWS "+token)
	}
	resp, err := o.http.Do(req)
	must(o.t, err)
	answer, err := io.ReadAll(resp.Body)
	must(o.t, err)
	must(o.t, resp.Body.Close())
	if resp.StatusCode > 299 {
		o.t.Fatalf("%s %s: %d %s", method, url, resp.StatusCode, answer)
	}
	if into != nil {
		must(o.t, json.Unmarshal(answer, into))
	}
}

// App is a service app with its credential.
type App struct {
	ID         string
	Credential account.Credential
	org        *Org
}

// ServiceApp makes an active service app with a key of its own, the scopes granted
// and an admin role, all through Okta's API. role "" gives none.
func (o *Org) ServiceApp(label string, purpose account.Purpose, role string, scopes ...string) *App {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(o.t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(o.t, err)
	kid := "key-" + strings.ReplaceAll(label, " ", "-")
	jwk := jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"}
	var made struct{ ID string }
	o.Call(http.MethodPost, "/api/v1/apps", map[string]any{
		"name": "oidc_client", "label": label, "signOnMode": "OPENID_CONNECT",
		"credentials": map[string]any{"oauthClient": map[string]any{"token_endpoint_auth_method": "private_key_jwt"}},
		"settings": map[string]any{"oauthClient": map[string]any{
			"application_type": "service", "grant_types": []string{"client_credentials"}, "response_types": []string{"token"},
			"jwks": map[string]any{"keys": []any{jwk}},
		}},
	}, &made)
	app := &App{ID: made.ID, org: o, Credential: account.Credential{
		Purpose: purpose, ClientID: made.ID, KeyID: kid, Scopes: scopes,
		PrivateKey: account.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}}
	for _, s := range scopes {
		app.Grant(s)
	}
	if role != "" {
		o.Call(http.MethodPost, "/oauth2/v1/clients/"+app.ID+"/roles", map[string]string{"type": role}, nil)
	}
	return app
}

// Grant grants the app one more scope.
func (a *App) Grant(scope string) {
	a.org.t.Helper()
	a.org.Call(http.MethodPost, "/api/v1/apps/"+a.ID+"/grants", map[string]string{"scopeId": scope, "issuer": a.org.URL}, nil)
}

// Activate and Deactivate switch the app, as the org's admin does for the window
// of a restore.
func (a *App) Activate() { a.switchTo("activate") }

// Deactivate switches the app off.
func (a *App) Deactivate() { a.switchTo("deactivate") }

func (a *App) switchTo(verb string) {
	a.org.t.Helper()
	a.org.Call(http.MethodPost, "/api/v1/apps/"+a.ID+"/lifecycle/"+verb, nil, nil)
}

// ReadScopes are those of a read-only service app.
func ReadScopes() []string {
	return []string{"okta.apps.read", "okta.groups.read", "okta.logs.read", "okta.networkZones.read", "okta.orgs.read", "okta.policies.read",
		"okta.roles.read", "okta.schemas.read", "okta.userTypes.read", "okta.users.read"}
}

// WriteScopes are those of the app that restores.
func WriteScopes() []string {
	return append(ReadScopes(), "okta.apps.manage", "okta.groups.manage", "okta.networkZones.manage", "okta.policies.manage",
		"okta.roles.manage", "okta.users.manage", "okta.userTypes.manage", "okta.schemas.manage")
}

// ReadApp is a read-only service app, as a customer makes it.
func (o *Org) ReadApp() *App {
	o.t.Helper()
	return o.ServiceApp("Imago read", account.Read, "READ_ONLY_ADMIN", ReadScopes()...)
}

// WriteApp is the app that restores.
func (o *Org) WriteApp() *App {
	o.t.Helper()
	return o.ServiceApp("Imago restore", account.Write, "SUPER_ADMIN", WriteScopes()...)
}

func must(t testing.TB, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}
