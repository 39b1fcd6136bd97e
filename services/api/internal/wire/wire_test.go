package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"github.com/google/go-cmp/cmp"

	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	"imago/proto/imago/v1/imagov1connect"
)

// echo is a service that answers err, or what it was asked for.
type echo struct {
	imagov1connect.UnimplementedConnectionServiceHandler
	err error
}

func (e echo) CreateConnection(_ context.Context, r *connect.Request[imagov1.CreateConnectionRequest]) (*connect.Response[imagov1.CreateConnectionResponse], error) {
	if e.err != nil {
		return nil, Error(e.err, "r1")
	}
	return connect.NewResponse(&imagov1.CreateConnectionResponse{Connection: &imagov1.Connection{OrgUrl: r.Msg.GetOrgUrl()}}), nil
}

func (e echo) ListConnections(_ context.Context, r *connect.Request[imagov1.ListConnectionsRequest]) (*connect.Response[imagov1.ListConnectionsResponse], error) {
	return connect.NewResponse(&imagov1.ListConnectionsResponse{NextPageToken: fmt.Sprint(r.Msg.GetPageSize())}), nil
}

// server serves echo by Connect and by REST, as the api does.
func server(t *testing.T, e echo) *httptest.Server {
	t.Helper()
	path, h := imagov1connect.NewConnectionServiceHandler(e, connect.WithCodec(JSON{}), connect.WithReadMaxBytes(1000))
	rest, err := vanguard.NewTranscoder([]*vanguard.Service{vanguard.NewService(path, h, vanguard.WithTargetCodecs(vanguard.CodecProto))}, vanguard.WithCodec(NewREST))
	if err != nil {
		t.Fatal(err)
	}
	id := func(*http.Request) string { return "r1" }
	mux := http.NewServeMux()
	mux.Handle(path, http.MaxBytesHandler(Strict(h, id), 1000))
	mux.Handle("/v1/", Problems(http.MaxBytesHandler(rest, 1000), id))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func call(t *testing.T, method, url, contentType, body string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res, b.Bytes()
}

func TestEveryKindByRESTAndConnect(t *testing.T) {
	t.Parallel()
	full := func(k problem.Kind) error {
		return fmt.Errorf("outer: %w", problem.New(k, "what is wrong").WithHint("the way out").Because(errors.New("secret cause")))
	}
	for _, c := range []struct {
		err    error
		status int
		kind   string
		code   connect.Code
		title  string
	}{
		{full(problem.Invalid), 400, "invalid", connect.CodeInvalidArgument, "Invalid request"},
		{full(problem.NotFound), 404, "not_found", connect.CodeNotFound, "Not found"},
		{full(problem.Conflict), 409, "conflict", connect.CodeAlreadyExists, "Conflict"},
		{full(problem.Denied), 403, "denied", connect.CodePermissionDenied, "Not allowed"},
		{full(problem.OverLimit), 429, "over_limit", connect.CodeResourceExhausted, "Over the limit"},
		{full(problem.Unavailable), 503, "unavailable", connect.CodeUnavailable, "Unavailable"},
		{full(problem.Stale), 412, "stale", connect.CodeFailedPrecondition, "Out of date"},
		{full(problem.StepUp), 403, "step_up", connect.CodePermissionDenied, "Prove who you are"},
		{full(problem.Damaged), 500, "damaged", connect.CodeDataLoss, "Damaged"},
		{&Precondition{problem.New(problem.Conflict, "what is wrong").WithHint("the way out")}, 409, "conflict", connect.CodeFailedPrecondition, "Conflict"},
		{NoSession(), 401, "denied", connect.CodeUnauthenticated, "Unauthorized"},
	} {
		s := server(t, echo{err: c.err})
		res, body := call(t, "POST", s.URL+"/v1/connections", "application/json", `{"org_url":"x"}`)
		var d document
		if err := json.Unmarshal(body, &d); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		want := document{Type: "about:blank", Title: c.title, Status: c.status, Kind: c.kind, Detail: d.Detail, Hint: d.Hint, RequestID: "r1"}
		if diff := cmp.Diff(want, d); diff != "" || res.StatusCode != c.status || d.Detail == "" || d.Hint == "" {
			t.Errorf("%v by REST: status %d, %s", c.err, res.StatusCode, diff)
		}
		if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%v: content type %q", c.err, ct)
		}
		_, err := imagov1connect.NewConnectionServiceClient(http.DefaultClient, s.URL).
			CreateConnection(t.Context(), connect.NewRequest(&imagov1.CreateConnectionRequest{}))
		if connect.CodeOf(err) != c.code || problemOf(t, err).GetKind() != c.kind {
			t.Errorf("by Connect: %v; want %v and kind %s", err, c.code, c.kind)
		}
		if strings.Contains(err.Error()+string(body), "secret") {
			t.Errorf("the cause is shown: %v %s", err, body)
		}
	}
}

func problemOf(t *testing.T, err error) *imagov1.Problem {
	t.Helper()
	c, ok := errors.AsType[*connect.Error](err)
	if !ok {
		t.Fatalf("%v is no Connect error", err)
	}
	for _, d := range c.Details() {
		if m, err := d.Value(); err == nil {
			if p, ok := m.(*imagov1.Problem); ok {
				return p
			}
		}
	}
	return nil
}

func TestInternalErrorsAreNotShown(t *testing.T) {
	t.Parallel()
	s := server(t, echo{err: errors.New("password is hunter2")})
	res, body := call(t, "POST", s.URL+"/v1/connections", "application/json", `{}`)
	if res.StatusCode != 500 || bytes.Contains(body, []byte("hunter2")) || !bytes.Contains(body, []byte("r1")) {
		t.Errorf("%d %s; want 500 with the request's ID and nothing else", res.StatusCode, body)
	}
}

// TestMalformed sends what is no request, by both protocols.
func TestMalformed(t *testing.T) {
	t.Parallel()
	s := server(t, echo{})
	const rpc = "/imago.v1.ConnectionService/CreateConnection"
	large := `{"name":"` + strings.Repeat("x", 2000) + `"}`
	for _, c := range []struct {
		name, method, path, contentType, body string
		status                                int
		field, what                           string
	}{
		{"unknown field", "POST", "/v1/connections", "application/json", `{"org_uri":"x"}`, 400, "org_uri", "no such field"},
		{"wrong type", "POST", "/v1/connections", "application/json", `{"org_url":7}`, 400, "org_url", "not of the field's type"},
		{"no JSON", "POST", "/v1/connections", "application/json", `{`, 400, "body", "not the JSON"},
		{"a list", "POST", "/v1/connections", "application/json", `[]`, 400, "body", "not the JSON"},
		{"two objects", "POST", "/v1/connections", "application/json", `{} {}`, 400, "body", "not the JSON"},
		{"too large", "POST", "/v1/connections", "application/json", large, 429, "body", "too large"},
		{"not JSON at all", "POST", "/v1/connections", "text/plain", `x`, 415, "", "content type"},
		{"unknown parameter", "GET", "/v1/connections?colour=red", "", "", 400, "colour", "no such parameter"},
		{"wrong parameter", "GET", "/v1/connections?page_size=many", "", "", 400, "", "page_size"},
		{"no such address", "GET", "/v1/robots", "", "", 404, "", "nothing at this address"},
		{"wrong method", "PATCH", "/v1/connections", "", "", 405, "", "method"},
		{"Connect: unknown field", "POST", rpc, "application/json", `{"org_uri":"x"}`, 400, "org_uri", "no such field"},
		{"Connect: wrong type", "POST", rpc, "application/json", `{"org_url":7}`, 400, "org_url", "not of the field's type"},
		{"Connect: no JSON", "POST", rpc, "application/json", `{`, 400, "body", "not the JSON"},
		{"Connect: empty", "POST", rpc, "application/json", ``, 400, "body", "empty"},
		{"Connect: too large", "POST", rpc, "application/json", large, 429, "body", "too large"},
	} {
		res, body := call(t, c.method, s.URL+c.path, c.contentType, c.body)
		field, what := readProblem(t, body)
		if res.StatusCode != c.status || field != c.field || !strings.Contains(what, c.what) {
			t.Errorf("%s: %d, field %q, %q; want %d, %q, %q\n%s", c.name, res.StatusCode, field, what, c.status, c.field, c.what, body)
		}
	}
}

// readProblem reads an error of either protocol.
func readProblem(t *testing.T, body []byte) (field, what string) {
	t.Helper()
	var e struct {
		Field, Detail string
		Details       []struct {
			Debug struct{ Field, What string }
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if len(e.Details) > 0 {
		return e.Details[0].Debug.Field, e.Details[0].Debug.What
	}
	return e.Field, e.Detail
}

func TestNamesAreSpeltAsInTheContract(t *testing.T) {
	t.Parallel()
	s := server(t, echo{})
	for _, sent := range []string{`{"org_url":"x"}`, `{"orgUrl":"x"}`} {
		for _, path := range []string{"/v1/connections", "/imago.v1.ConnectionService/CreateConnection"} {
			_, body := call(t, "POST", s.URL+path, "application/json", sent)
			if !bytes.Contains(body, []byte(`"org_url":"x"`)) && !bytes.Contains(body, []byte(`"org_url": "x"`)) {
				t.Errorf("%s %s = %s; want org_url", path, sent, body)
			}
		}
	}
	_, body := call(t, "GET", s.URL+"/v1/connections?page_size=7", "", "")
	if !bytes.Contains(body, []byte(`"7"`)) {
		t.Errorf("page_size was not understood: %s", body)
	}
}
