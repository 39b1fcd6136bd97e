// Package programs tests the services as they run in production: each a program of its
// own, with its own database role and no more than its own variables.
package programs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/provider/okta/oktasimtest"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/standalone/gateway"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// installation is Imago's programs over one database and one bucket.
type installation struct {
	t      *testing.T
	dir    string
	bin    string
	base   *postgrestest.Database
	mails  *notifytest.Receiver
	org    *oktasimtest.Org
	store  map[string]string
	api    *program
	worker *program
	drift  *program
	url    string
	client *http.Client
	health []string // addresses of worker and drift
}

func install(t *testing.T) *installation {
	t.Helper()
	i := &installation{t: t, dir: t.TempDir(), mails: notifytest.StartReceiver(t, notifytest.ReceiverOptions{}), base: postgrestest.Empty(t)}
	i.bin = build(t, map[string]string{"imago-migrate": "migrate", "imago-api": "api", "imago-worker": "worker", "imago-drift": "drift"})
	i.org = oktasimtest.Start(t, oktasimtest.Options{Seed: "demo"})
	i.org.Unlimited()
	i.keys()
	i.objects()
	i.migrate()
	i.serve()
	return i
}

func (i *installation) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

// keys makes the files that an operator has.
func (i *installation) keys() {
	i.t.Helper()
	_, err := local.Create(filepath.Join(i.dir, "master.keys"), time.Now())
	i.must(err)
	box, err := envelope.NewBoxKey()
	i.must(err)
	i.must(local.WriteBoxKey(filepath.Join(i.dir, "credentials.key"), box))
	i.must(local.WritePublicKey(filepath.Join(i.dir, "credentials.pub"), box.PublicKey()))
}

// objects starts the S3 server. It changes the working directory of this process.
func (i *installation) objects() {
	i.t.Helper()
	dir := filepath.Join(i.dir, "objects")
	i.must(gateway.Make(dir, gateway.Options{}))
	s, err := gateway.Start(i.t.Context(), dir, gateway.Options{})
	i.must(err)
	i.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			i.t.Error(err)
		}
	})
	i.store = map[string]string{
		"STORE_BUCKET": s.Bucket, "STORE_ENDPOINT": s.Endpoint, "STORE_REGION": s.Region, "STORE_PATH_STYLE": "true",
		"STORE_ACCESS_KEY_ID_FILE":     file(i.t, i.dir, "store.id", s.AccessKeyID),
		"STORE_SECRET_ACCESS_KEY_FILE": file(i.t, i.dir, "store.key", s.SecretAccessKey),
	}
}

// migrate brings the empty database to this release's schema.
func (i *installation) migrate() {
	i.t.Helper()
	path, environ := filepath.Join(i.bin, "imago-migrate"), map[string]string{"DATABASE_URL_FILE": file(i.t, i.dir, "owner.url", i.base.OwnerURL())}
	for _, step := range []struct {
		args []string
		want int
	}{{[]string{"-check"}, 3}, {nil, 0}, {[]string{"-check"}, 0}, {nil, 0}} {
		if code, said := run(i.t, path, environ, step.args...); code != step.want {
			i.t.Fatalf("imago-migrate %v: exit %d, want %d: %s", step.args, code, step.want, said)
		}
	}
}

// environ is what a program is told, besides what all are.
func (i *installation) environ(role string, more map[string]string) map[string]string {
	out := map[string]string{
		"DATABASE_URL_FILE": file(i.t, i.dir, role+".url", i.base.URL(role)), "MASTER_KEYS": filepath.Join(i.dir, "master.keys"),
		"ALLOW_LOOPBACK_ORGS": "true", "STOP_WITHIN": "60s",
	}
	maps.Copy(out, i.store)
	maps.Copy(out, more)
	return out
}

// serve starts the programs, the api with TLS.
func (i *installation) serve() {
	i.t.Helper()
	cert, key, pool := certificate(i.t, i.dir)
	at := addresses(i.t, 3)
	i.url, i.health = "https://"+at[0], []string{"http://" + at[1], "http://" + at[2]}
	i.client = i.speaking(&tls.Config{RootCAs: pool})
	box := filepath.Join(i.dir, "credentials.key")
	for _, p := range []struct {
		at      **program
		name    string
		environ map[string]string
	}{
		{&i.api, "imago-api", i.environ("imago_api", map[string]string{
			"LISTEN_ADDR": at[0], "LISTEN_TLS_CERT": cert, "LISTEN_TLS_KEY": key, "CREDENTIALS_PUB": filepath.Join(i.dir, "credentials.pub"),
		})},
		{&i.worker, "imago-worker", i.environ("imago_worker", map[string]string{
			"HEALTH_ADDR": at[1], "CREDENTIALS_KEY": box, "MAIL_FROM": "Imago <imago@backup.example>", "MAIL_SMTP_ADDR": i.mails.Address, "MAIL_SMTP_TLS": "none",
		})},
		{&i.drift, "imago-drift", i.environ("imago_drift", map[string]string{"HEALTH_ADDR": at[2], "CREDENTIALS_KEY": box})},
	} {
		path := filepath.Join(i.bin, p.name)
		if code, said := run(i.t, path, p.environ, "-check"); code != 0 {
			i.t.Fatalf("%s -check: exit %d: %s", p.name, code, said)
		} else if p.name == "imago-worker" && !strings.Contains(said, "imago-worker: store: conditional put: yes (proved") {
			i.t.Errorf("%s -check does not tell what the bucket does:\n%s", p.name, said)
		}
		*p.at = start(i.t, path, p.environ)
	}
	i.api.ready(i.client, i.url)
	i.worker.ready(http.DefaultClient, i.health[0])
	i.drift.ready(http.DefaultClient, i.health[1])
	if said := i.worker.log.String(); !strings.Contains(said, `{"name":"conditional put","value":"yes","source":"proved"`) {
		i.t.Errorf("the worker does not log what it found its bucket to do:\n%s", said)
	}
}

func (i *installation) speaking(c *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	i.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func (i *installation) get(path string) (*http.Response, string) {
	i.t.Helper()
	res, err := i.client.Get(i.url + path)
	i.must(err)
	body, err := io.ReadAll(res.Body)
	i.must(err)
	i.must(res.Body.Close())
	return res, string(body)
}

// The programs, each by itself, do what Imago is for: somebody signs in, connects an
// org, and takes a snapshot and looks into it.
func TestProgramsWorkTogether(t *testing.T) {
	i := install(t)
	t.Run("outside", i.outside)
	token := i.signIn("ada@customer.example")
	id := i.connect(token)
	taken := i.snapshot(token, id)
	found, err := rpc.NewSnapshotServiceClient(i.client, i.url).ListResources(t.Context(), as(token, &imagov1.ListResourcesRequest{SnapshotId: taken, Type: "group"}))
	i.must(err)
	if len(found.Msg.GetResources()) == 0 {
		t.Error("the snapshot holds no group")
	}
	label := found.Msg.GetResources()[0].GetLabel()
	i.followed(token, id)
	for _, p := range []*program{i.api, i.worker, i.drift} {
		p.stop()
		p.silent(token, strings.TrimPrefix(token, "imago_"), "ada@customer.example", "PRIVATE KEY", `"`+label+`"`)
	}
}

// outside looks at what everybody can reach.
func (i *installation) outside(t *testing.T) {
	for path, want := range map[string]string{"/healthz": `"live":"yes"`, "/readyz": `"database":"ok"`, "/openapi.yaml": "openapi: 3"} {
		res, body := i.get(path)
		if res.StatusCode != http.StatusOK || !strings.Contains(body, want) || !strings.HasPrefix(res.Header.Get("Strict-Transport-Security"), "max-age=63072000") {
			t.Errorf("%s: %d %.200s %v", path, res.StatusCode, body, res.Header)
		}
	}
	res, body := i.get("/v1/connections")
	var problem map[string]any
	if err := json.Unmarshal([]byte(body), &problem); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Content-Type") != "application/problem+json" || problem["kind"] != "denied" || problem["hint"] == nil {
		t.Errorf("not signed in: %d %s", res.StatusCode, body)
	}
	if res, _ := i.get("/metrics"); res.StatusCode != http.StatusNotFound {
		t.Errorf("metrics are public: %d", res.StatusCode)
	}
	old := i.speaking(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12})
	if res, err := old.Get(i.url + "/healthz"); err == nil {
		t.Errorf("TLS 1.2 is answered %d", res.StatusCode)
		i.must(res.Body.Close())
	}
	res, err := http.Get("http" + strings.TrimPrefix(i.url, "https") + "/healthz")
	if err == nil && res.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP is answered %d", res.StatusCode)
	}
	if err == nil {
		i.must(res.Body.Close())
	}
}

// signIn asks for a code, reads the mail, and gives the session's token.
func (i *installation) signIn(email string) string {
	i.t.Helper()
	client := rpc.NewSignInServiceClient(i.client, i.url)
	asked, err := client.RequestCode(i.t.Context(), connect.NewRequest(&imagov1.RequestCodeRequest{Email: email}))
	i.must(err)
	ctx, cancel := context.WithTimeout(i.t.Context(), patience)
	defer cancel()
	mail := i.mails.Wait(ctx, i.t, func(m notifytest.Mail) bool { return m.To == email })
	code := regexp.MustCompile(`\b\d{3} ?\d{3}\b`).FindString(mail.Text)
	in, err := client.ExchangeCode(i.t.Context(), connect.NewRequest(&imagov1.ExchangeCodeRequest{
		AttemptId: asked.Msg.GetAttemptId(), ClientSecret: asked.Msg.GetClientSecret(), Code: code,
	}))
	i.must(err)
	return in.Msg.GetToken()
}

// as is a request of somebody who is signed in.
func as[T any](token string, m *T) *connect.Request[T] {
	r := connect.NewRequest(m)
	r.Header().Set("Authorization", "Bearer "+token)
	return r
}

// connect connects the org, as a person does: a service app is made there with the key
// that Imago answers.
func (i *installation) connect(token string) string {
	i.t.Helper()
	client := rpc.NewConnectionServiceClient(i.client, i.url)
	made, err := client.CreateConnection(i.t.Context(), as(token, &imagov1.CreateConnectionRequest{OrgUrl: i.org.URL, FollowSeconds: 2}))
	i.must(err)
	c := made.Msg.GetConnection()
	n := slices.IndexFunc(c.GetCredentials(), func(k *imagov1.Credential) bool { return k.GetPurpose() == "read" })
	read := c.GetCredentials()[n]
	app := i.serviceApp(read)
	_, err = client.SetCredential(i.t.Context(), as(token, &imagov1.SetCredentialRequest{ConnectionId: c.GetId(), Purpose: "read", ClientId: app}))
	i.must(err)
	until(i.t, "the connection is ready", func() bool {
		res, err := client.GetConnection(i.t.Context(), as(token, &imagov1.GetConnectionRequest{ConnectionId: c.GetId()}))
		i.must(err)
		if p := res.Msg.GetConnection().GetProblem(); p != nil {
			i.t.Fatalf("the connection: %v", p)
		}
		return res.Msg.GetConnection().GetState() == "ready"
	})
	return c.GetId()
}

func (i *installation) serviceApp(c *imagov1.Credential) string {
	i.t.Helper()
	var app struct{ ID string }
	i.org.Call(http.MethodPost, "/api/v1/apps", map[string]any{
		"name": "oidc_client", "label": "Imago", "signOnMode": "OPENID_CONNECT",
		"credentials": map[string]any{"oauthClient": map[string]any{"token_endpoint_auth_method": "private_key_jwt"}},
		"settings": map[string]any{"oauthClient": map[string]any{
			"application_type": "service", "grant_types": []string{"client_credentials"}, "response_types": []string{"token"},
			"jwks": map[string]any{"keys": []any{json.RawMessage(c.GetPublicJwk())}},
		}},
	}, &app)
	for _, scope := range c.GetScopes() {
		i.org.Call(http.MethodPost, "/api/v1/apps/"+app.ID+"/grants", map[string]string{"scopeId": scope, "issuer": i.org.URL}, nil)
	}
	i.org.Call(http.MethodPost, "/oauth2/v1/clients/"+app.ID+"/roles", map[string]string{"type": c.GetAdminRole()}, nil)
	return app.ID
}

// snapshot takes a snapshot and watches it to its end.
func (i *installation) snapshot(token, connectionID string) string {
	i.t.Helper()
	client := rpc.NewSnapshotServiceClient(i.client, i.url)
	taken, err := client.TakeSnapshot(i.t.Context(), as(token, &imagov1.TakeSnapshotRequest{ConnectionId: connectionID}))
	i.must(err)
	ctx, cancel := context.WithTimeout(i.t.Context(), patience)
	defer cancel()
	id := taken.Msg.GetSnapshot().GetId()
	stream, err := client.WatchSnapshot(ctx, as(token, &imagov1.WatchSnapshotRequest{SnapshotId: id}))
	i.must(err)
	var last *imagov1.Snapshot
	for stream.Receive() {
		last = stream.Msg().GetSnapshot()
	}
	i.must(stream.Err())
	i.must(stream.Close())
	if s := last.GetState(); s != "complete" && s != "partial" || last.GetObjects() == 0 {
		i.t.Fatalf("the snapshot: %v", last)
	}
	return id
}

// followed waits until the drift monitor has read the org's log.
func (i *installation) followed(token, connectionID string) {
	i.t.Helper()
	client := rpc.NewConnectionServiceClient(i.client, i.url)
	until(i.t, "the log is followed", func() bool {
		res, err := client.GetConnection(i.t.Context(), as(token, &imagov1.GetConnectionRequest{ConnectionId: connectionID}))
		i.must(err)
		if p := res.Msg.GetConnection().GetFollowProblem(); p != nil {
			i.t.Fatalf("the log: %v", p)
		}
		return res.Msg.GetConnection().GetFollowedAt() != nil
	})
}
