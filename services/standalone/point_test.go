package standalone

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/postgres/worldtest"
	"imago/pkg/provider/okta"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api"
	"imago/services/drift"
	"imago/services/worker"
)

// installation is worker, drift monitor and api over one world, and the account's owner.
type installation struct {
	url         string
	token       string // of the owner's session
	snapshots   rpc.SnapshotServiceClient
	connections rpc.ConnectionServiceClient
}

// serve runs an installation until the test ends.
func serve(t *testing.T, w *worldtest.World) installation {
	t.Helper()
	log := worldtest.Logger(t)
	works, err := worker.New(worker.Config{}, worker.Deps{
		DB: w.Base.Open(t, "imago_worker"), Store: w.Store, Keys: w.Keys, Box: w.Box, Providers: worldtest.Providers(),
		Mail: w.Sender(t), Software: "imago test", Log: log, Metrics: prometheus.NewRegistry(),
	})
	must(t, err)
	watches, err := drift.New(drift.Config{Gather: time.Second}, drift.Deps{
		DB: w.Base.Open(t, "imago_drift"), Store: w.Store, Keys: w.Keys, Box: w.Box, Providers: worldtest.Providers(),
		Log: log, Metrics: prometheus.NewRegistry(),
	})
	must(t, err)
	answers, err := api.New(api.Config{}, api.Deps{
		DB: w.API, Store: w.Store, Keys: w.Keys, Box: w.Box.PublicKey(), Provider: okta.New(okta.Options{}), Log: log, Metrics: prometheus.NewRegistry(),
	})
	must(t, err)
	worldtest.Run(t, works.Run)
	worldtest.Run(t, watches.Run)
	server := httptest.NewServer(answers)
	t.Cleanup(server.Close)
	token := signedIn(t, w)
	as := connect.WithInterceptors(bearer(token))
	return installation{
		server.URL, token, rpc.NewSnapshotServiceClient(http.DefaultClient, server.URL, as), rpc.NewConnectionServiceClient(http.DefaultClient, server.URL, as),
	}
}

// signedIn gives the token of a session of the account's owner.
func signedIn(t *testing.T, w *worldtest.World) string {
	t.Helper()
	token := "imago_" + rand.Text()
	hash := sha256.Sum256([]byte(token))
	w.Exec(t, `insert into sessions (account_id, user_id, token_hash, kind, idle_expires_at, expires_at)
		values ($1, $2, $3, 'cli', now() + interval '1 hour', now() + interval '1 day')`, w.Account.ID, w.Account.User, hash[:])
	return token
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAChangeBecomesAPoint: what somebody changes in the org is, without anybody asking, a
// point that the api lists, and comparing it with the one before shows that and no more.
func TestAChangeBecomesAPoint(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	snapshots := serve(t, w).snapshots
	w.Taken(t, w.Queue(t))
	id, _ := w.Group(t, "Support")
	var before, point *imagov1.Snapshot
	for n, description := range []string{"who answers", "who asks"} {
		w.Org.Call(http.MethodPut, "/api/v1/groups/"+id, map[string]any{"profile": map[string]string{"name": "Support", "description": description}}, nil)
		w.Points(t, n+1)
	}
	res, err := snapshots.ListSnapshots(t.Context(), connect.NewRequest(&imagov1.ListSnapshotsRequest{ConnectionId: string(w.Connection), Points: true}))
	must(t, err)
	list := res.Msg.GetSnapshots()
	if len(list) != 3 || list[0].GetTrigger() != "change" || list[2].GetTrigger() == "change" {
		t.Fatalf("the api lists %v", list)
	}
	point, before = list[0], list[1]
	stream, err := snapshots.Compare(t.Context(), connect.NewRequest(&imagov1.CompareRequest{BeforeSnapshotId: before.GetId(), AfterSnapshotId: point.GetId()}))
	must(t, err)
	var got []string
	for stream.Receive() {
		if c := stream.Msg().GetChange(); c != nil {
			for _, f := range c.GetFields() {
				got = append(got, fmt.Sprintf("%s %s %s: %s > %s", c.GetOp(), c.GetKey(), f.GetPath(), f.GetBefore(), f.GetAfter()))
			}
		}
	}
	must(t, stream.Err())
	must(t, stream.Close())
	if diff := cmp.Diff([]string{"update group/" + id + ` profile.description: "who answers" > "who asks"`}, got); diff != "" {
		t.Error(diff)
	}
}

// bearer says with every request who sends it.
type bearer string

// WrapUnary signs a request.
func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		r.Header().Set("Authorization", "Bearer "+string(b))
		return next(ctx, r)
	}
}

// WrapStreamingClient signs a stream.
func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, s connect.Spec) connect.StreamingClientConn {
		c := next(ctx, s)
		c.RequestHeader().Set("Authorization", "Bearer "+string(b))
		return c
	}
}

// WrapStreamingHandler is for servers.
func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
