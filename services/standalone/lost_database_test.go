package standalone

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/provider/okta/oktasimtest"
	imagov1 "imago/proto/imago/v1"
	"imago/proto/imago/v1/imagov1connect"
	"imago/services/cli"
)

// imago runs the customer's program, and wants an exit code.
func imago(t *testing.T, code int, args ...string) (said string) {
	t.Helper()
	var out, errs bytes.Buffer
	env := cli.Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Now: time.Now}
	if got := cli.Run(t.Context(), env, args); got != code {
		t.Fatalf("imago %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, &out, &errs)
	}
	return out.String() + errs.String()
}

// taken is what the REST API says of a snapshot.
type taken struct {
	ID      string
	State   string
	Objects string
}

// takeSnapshot asks for a snapshot, and waits for it.
func (i *imagod) takeSnapshot(token, connection string) (s taken) {
	i.t.Helper()
	var asked struct{ Snapshot taken }
	i.call(http.MethodPost, "/v1/connections/"+connection+"/snapshots", token, map[string]string{}, http.StatusOK, &asked)
	i.until("the snapshot is taken", func() bool {
		var got struct{ Snapshot taken }
		i.call(http.MethodGet, "/v1/snapshots/"+asked.Snapshot.ID, token, nil, http.StatusOK, &got)
		s = got.Snapshot
		return s.State == "complete" || s.State == "partial" || s.State == "failed"
	})
	if s.State == "failed" {
		i.t.Fatalf("the snapshot failed\n%s", i.out)
	}
	return s
}

// letIn makes the service app that reads, and gives its client ID.
func letIn(org *oktasimtest.Org, c connection) string {
	read := c.Credentials[0]
	var app struct{ ID string }
	org.Call(http.MethodPost, "/api/v1/apps", serviceApp(read.PublicJWK), &app)
	for _, scope := range read.Scopes {
		org.Call(http.MethodPost, "/api/v1/apps/"+app.ID+"/grants", map[string]string{"scopeId": scope, "issuer": org.URL}, nil)
	}
	org.Call(http.MethodPost, "/oauth2/v1/clients/"+app.ID+"/roles", map[string]string{"type": "READ_ONLY_ADMIN"}, nil)
	return app.ID
}

// TestALostDatabase goes the way out: postgres/ is gone for good, and the bucket and the
// master key bring accounts, connections and snapshots back. Ada signs in, looks into what
// was taken before, compares, gives the connection new keys, and takes the next snapshot,
// which is a layer over the old ones.
func TestALostDatabase(t *testing.T) {
	t.Parallel()
	dir, org := folderFor(t), oktasimtest.Start(t, oktasimtest.Options{Seed: "demo"})
	org.Unlimited()
	first := start(t, dir, "--allow-loopback-orgs")
	token := first.signIn("ada@example.com")
	var made struct{ Connection connection }
	first.call(http.MethodPost, "/v1/connections", token, map[string]string{"org_url": org.URL}, http.StatusOK, &made)
	path := "/v1/connections/" + made.Connection.ID
	app := letIn(org, made.Connection)
	first.call(http.MethodPut, path+"/credentials/read", token, map[string]string{"client_id": app}, http.StatusOK, nil)
	if c := first.checked(token, made.Connection.ID); c.State != "ready" {
		t.Fatalf("at first: %+v", c)
	}
	one := first.takeSnapshot(token, made.Connection.ID)
	group := map[string]any{"profile": map[string]string{"name": "Made between"}}
	org.Call(http.MethodPost, "/api/v1/groups", group, nil)
	two := first.takeSnapshot(token, made.Connection.ID)
	if err := first.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// Codes that were mailed before are of no use any more.
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "postgres")), os.RemoveAll(filepath.Join(dir, "mail"))); err != nil {
		t.Fatal(err)
	}

	second := start(t, dir, "--allow-loopback-orgs")
	dry := imago(t, 0, "repo", "rebuild", "--data", dir, "--owner", "ada@example.com", "--dry-run")
	if !strings.Contains(dry, "2 snapshots would be put back, 0 there") || !strings.Contains(dry, "What the bucket does not know") {
		t.Errorf("a dry run: %s", dry)
	}
	said := imago(t, 0, "repo", "rebuild", "--data", dir, "--owner", "ada@example.com")
	if !strings.Contains(said, "2 snapshots put back, 0 there") || !strings.Contains(said, "ada@example.com is its owner") {
		t.Errorf("rebuilt: %s", said)
	}
	if again := imago(t, 0, "repo", "rebuild", "--data", dir); !strings.Contains(again, "0 snapshots put back, 2 there") {
		t.Errorf("again: %s", again)
	}

	token = second.signIn("ada@example.com")
	var me struct{ Session struct{ Role string } }
	second.call(http.MethodGet, "/v1/me", token, nil, http.StatusOK, &me)
	var found struct {
		Resources []struct{ Key, Label string }
	}
	second.call(http.MethodGet, "/v1/snapshots/"+two.ID+"/resources?type=group", token, nil, http.StatusOK, &found)
	if me.Session.Role != "owner" || len(found.Resources) == 0 {
		t.Errorf("back: %+v, %+v", me, found)
	}
	differences := second.compare(token, one.ID, two.ID)
	if !strings.Contains(differences, "Made between") {
		t.Errorf("compared: %s", differences)
	}

	if c := second.checked(token, made.Connection.ID); c.State != "failed" || !strings.Contains(c.Problem.Hint, "--new-key") || len(c.Credentials) != 0 {
		t.Fatalf("the connection: %+v", c)
	}
	var renewed struct{ Connection connection }
	second.call(http.MethodPost, path+"/credentials/read:replaceKey", token, map[string]string{}, http.StatusOK, &renewed)
	org.Call(http.MethodPut, "/api/v1/apps/"+app, serviceApp(renewed.Connection.Credentials[0].PublicJWK), nil)
	second.call(http.MethodPut, path+"/credentials/read", token, map[string]string{"client_id": app}, http.StatusOK, nil)
	second.until("the connection is ready", func() bool { return second.checked(token, made.Connection.ID).State == "ready" })
	org.Call(http.MethodPost, "/api/v1/groups", map[string]any{"profile": map[string]string{"name": "Made afterwards"}}, nil)
	three := second.takeSnapshot(token, made.Connection.ID)
	if differences := second.compare(token, two.ID, three.ID); !strings.Contains(differences, "Made afterwards") || strings.Contains(differences, "Made between") {
		t.Errorf("compared with the next: %s", differences)
	}
	listed := imago(t, 0, "open", "list", filepath.Join(dir, "objects", "buckets", "imago"), "--master-keys", filepath.Join(dir, "master.keys"))
	if n := strings.Count(listed, "incremental"); n < 2 || strings.Count(listed, " full ") != 1 {
		t.Errorf("the next snapshot does not stand on the old ones: %s", listed)
	}
	checkLog(t, second.out.String(), token, "ada@example.com")
}

// compare gives what differs between two snapshots.
func (i *imagod) compare(token, from, to string) string {
	i.t.Helper()
	req := connect.NewRequest(&imagov1.CompareRequest{BeforeSnapshotId: from, AfterSnapshotId: to})
	req.Header().Set("Authorization", "Bearer "+token)
	stream, err := imagov1connect.NewSnapshotServiceClient(http.DefaultClient, i.url).Compare(i.t.Context(), req)
	if err != nil {
		i.t.Fatal(err)
	}
	var out strings.Builder
	for stream.Receive() {
		if c := stream.Msg().GetChange(); c != nil {
			fmt.Fprintf(&out, "%s %s\n", c.GetOp(), c.GetLabel())
		}
	}
	if err := errors.Join(stream.Err(), stream.Close()); err != nil {
		i.t.Fatal(err)
	}
	return out.String()
}
