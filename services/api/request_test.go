package api

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
)

func TestClientIPBelievesTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	s := &Service{config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.7:1234", nil, "203.0.113.7"},
		{"a client that claims one", "203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7"},
		{"one proxy", "10.0.0.1:80", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a client that claims one, through a proxy", "10.0.0.1:80", []string{"192.0.2.1, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies, two headers", "10.0.0.1:80", []string{"192.0.2.1", "198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"garbage behind a proxy", "10.0.0.1:80", []string{"<script>"}, "10.0.0.1"},
		{"IPv6", "[fd00::1]:80", []string{"2001:db8::5"}, "2001:db8::5"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:80", []string{"198.51.100.1"}, "198.51.100.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		for _, f := range c.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := s.clientIP(r); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	if c, err := (Config{}).withDefaults(); err != nil || c.SignUp != SignUpFirst || c.Timeout == 0 || c.SessionIdle >= c.SessionLife {
		t.Errorf("the defaults are %v, %v", c, err)
	}
	for field, c := range map[string]Config{"sign_up": {SignUp: "all"}, "session_idle": {SessionIdle: -1}, "poll": {Poll: -1}} {
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), field+":") {
			t.Errorf("%s: %v; want it named", field, err)
		}
	}
}

// TestInternalErrorsAreLoggedAndNotShown damages an account's keyring.
func TestInternalErrorsAreLoggedAndNotShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	w.exec(`update account_keys set wrapped = '{"secret":"detail"}' where account_id = $1`, p.account)
	_, err := p.activity.ListActivity(t.Context(), req(&imagov1.ListActivityRequest{}))
	c, ok := errors.AsType[*connect.Error](err)
	if !ok || c.Code() != connect.CodeInternal || strings.Contains(c.Message(), "keyring") {
		t.Fatalf("got %v; want an internal error that shows nothing", err)
	}
	_, id, _ := strings.Cut(strings.TrimSuffix(c.Message(), ")"), "request ")
	line := ""
	for l := range strings.Lines(w.log.String()) {
		if strings.Contains(l, id) {
			line = l
		}
	}
	if !strings.Contains(line, "keyring") || !strings.Contains(line, `"level":"ERROR"`) {
		t.Errorf("the log says %q of request %s; want the cause", line, id)
	}
	if status, body := w.rest(p, "GET", "/v1/activity", ""); status != 500 || strings.Contains(fmt.Sprint(body), "keyring") || body["request_id"] == nil {
		t.Errorf("by REST: %d %v", status, body)
	}
}

// TestPanicsAreToldInTheLog covers what runs around the RPCs, which connect does not guard.
func TestPanicsAreToldInTheLog(t *testing.T) {
	t.Parallel()
	book := new(logBook)
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{log: slog.New(slog.NewJSONHandler(book, nil)), now: time.Now, metrics: m}
	for name, begin := range map[string]bool{"before an answer": false, "within one": true} {
		server := httptest.NewServer(s.observe(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if begin {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					t.Error(err)
				}
			}
			panic("the defect " + name)
		})))
		t.Cleanup(server.Close)
		res, err := http.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if begin != (err != nil) || !begin && (res.StatusCode != 500 || !strings.Contains(string(body), "request_id")) {
			t.Errorf("%s: %d, %d bytes, %v", name, res.StatusCode, len(body), err)
		}
		if strings.Contains(string(body), "defect") || !strings.Contains(book.String(), "the defect "+name) {
			t.Errorf("%s: the client reads %.100q, the log says %s", name, body, book)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCausesOfOutagesAreLogged: the client learns that a neighbour is away, the operator
// which one and why. What a person did wrong is theirs alone.
func TestCausesOfOutagesAreLogged(t *testing.T) {
	t.Parallel()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("dial tcp: connection refused")
	for _, c := range []struct {
		err  error
		told bool
	}{
		{problem.New(problem.Unavailable, "the database does not answer").Because(cause), true},
		{problem.New(problem.Denied, "that is not yours").Because(cause), true},
		{problem.InField("body", "it is no JSON").Because(cause), false},
		{problem.New(problem.Unavailable, "try later"), false},
	} {
		book := new(logBook)
		s := &Service{log: slog.New(slog.NewJSONHandler(book, nil)), now: time.Now, metrics: m}
		w := httptest.NewRecorder()
		s.observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, s.word(r.Context(), c.err).Error(), http.StatusServiceUnavailable)
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		line := book.String()
		if told := strings.Contains(line, cause.Error()) && strings.Contains(line, `"level":"WARN"`); told != c.told || strings.Contains(line, "ERROR") {
			t.Errorf("%v: the log says %s", c.err, line)
		}
		if strings.Contains(w.Body.String(), "dial tcp") {
			t.Errorf("%v: the client reads %s", c.err, w.Body)
		}
	}
}

// TestNamesOfManyLinks asks for more names than are looked for one by one.
func TestNamesOfManyLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	org := []thing{group("00g1", "All")}
	for i := range 2 * patience {
		org = append(org, user(fmt.Sprintf("00u%03d", i), fmt.Sprintf("u%03d@acme.test", i)))
	}
	for i := range 2 * patience {
		org = append(org, membership("00g1", fmt.Sprintf("00u%03d", i)))
	}
	id := w.take(p, w.db.Connection(t, p.account), org)
	res, err := p.snapshots.ListResources(t.Context(), req(&imagov1.ListResourcesRequest{SnapshotId: id, Type: "group_membership", PageSize: 200}))
	if err != nil || len(res.Msg.GetResources()) != 2*patience {
		t.Fatalf("%d found, %v", len(res.Msg.GetResources()), err)
	}
	for i, r := range res.Msg.GetResources() {
		if want := fmt.Sprintf("u%03d@acme.test", i); r.GetLabel() != want || r.GetParentLabel() != "All" {
			t.Errorf("number %d is called %q in %q, want %q in All", i, r.GetLabel(), r.GetParentLabel(), want)
		}
	}
}
