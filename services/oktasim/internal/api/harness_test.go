package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/api"
	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/limit"
	"imago/services/oktasim/internal/org"
	"imago/services/oktasim/internal/record"
	"imago/services/oktasim/internal/seed"
)

// sim is a running org and a client of it.
type sim struct {
	*testing.T
	org   *org.Org
	host  *api.Host
	clock *clock.Clock
	url   string
	made  *seed.Made
	// token is a super administrator's.
	token string
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// start runs the demonstration company at a fixed time with ample limits.
func start(t *testing.T) *sim { return startWith(t, "oie", limit.Options{Multiplier: 1000}) }

func startWith(t *testing.T, engine string, l limit.Options) *sim {
	t.Helper()
	s := serve(t, engine, l)
	made, err := seed.Fill(s.org, seed.Plan{Preset: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	s.made, s.token = made, s.tokenOf(made.Admins["super"])
	return s
}

// serve runs a new org, which has nobody in it.
func serve(t *testing.T, engine string, l limit.Options) *sim {
	t.Helper()
	c := clock.New(func() time.Time { return noon })
	o, err := org.New(c, org.Options{Engine: engine, Seed: 1, Subdomain: "acme", Company: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	host := api.NewHost(o, limit.New(l))
	server := httptest.NewServer(recording(t, api.New(host, slog.New(slog.NewTextHandler(io.Discard, nil))), engine))
	t.Cleanup(server.Close)
	o.SetBase(server.URL)
	return &sim{T: t, org: o, host: host, clock: c, url: server.URL}
}

// recordFolder names the variable that says where the exchanges of these tests are
// written to, a file for each test, for whoever wants to check every answer.
const recordFolder = "OKTASIM_RECORD"

// recording writes down what the test asks for and gets.
func recording(t *testing.T, h http.Handler, engine string) http.Handler {
	t.Helper()
	folder := os.Getenv(recordFolder)
	if folder == "" {
		return h
	}
	f, err := os.CreateTemp(folder, "*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	r := record.New(h, f, t.Name(), engine)
	t.Cleanup(func() {
		if err := errors.Join(r.Err(), f.Close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// tokenOf makes an API token without leaving a trace in the log.
func (s *sim) tokenOf(login string) string {
	s.Helper()
	var value string
	err := s.org.Update(func() error {
		u, err := s.org.User(login)
		if err != nil {
			return err
		}
		token, err := s.org.CreateToken(nil, u, "test")
		if err != nil {
			return err
		}
		value = token.Value
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	return value
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) object(t *testing.T) doc.Doc {
	t.Helper()
	d, err := doc.ParseObject(a.body)
	if err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return d
}

func (a answer) list(t *testing.T) []doc.Doc {
	t.Helper()
	var out []doc.Doc
	if err := json.Unmarshal(a.body, &out); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return out
}

// do sends a request as the super administrator; header pairs replace that.
func (s *sim) do(method, path string, body any, header ...string) answer {
	s.Helper()
	a, err := s.try(method, path, body, header...)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *sim) try(method, path string, body any, header ...string) (answer, error) {
	s.Helper()
	if !strings.HasPrefix(path, "http") {
		path = s.url + path
	}
	r, err := http.NewRequest(method, path, reader(s.T, body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Authorization", "SSWS "+s.token)
	if r.Body != http.NoBody {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	b, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); cerr != nil {
		s.Fatal(cerr)
	}
	return answer{resp.StatusCode, resp.Header, b}, err
}

func reader(t *testing.T, body any) io.Reader {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return http.NoBody
	case string:
		return strings.NewReader(b)
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b)
}

// want sends a request and fails unless the status is as wanted.
func (s *sim) want(status int, method, path string, body any, header ...string) answer {
	s.Helper()
	a := s.do(method, path, body, header...)
	if a.status != status {
		s.Fatalf("%s %s: got %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// refused sends a request that must fail with status and code; the error body's text
// and causes must contain words.
func (s *sim) refused(status int, code, words, method, path string, body any, header ...string) {
	s.Helper()
	a := s.want(status, method, path, body, header...)
	e := a.object(s.T)
	if e["errorCode"] != code || e["errorLink"] != code || !strings.HasPrefix(doc.String(e, "errorId"), "oae") || !strings.Contains(string(a.body), words) {
		s.Errorf("%s %s: got %s, want %s with %q", method, path, a.body, code, words)
	}
}

func (s *sim) get(path string) doc.Doc {
	s.Helper()
	return s.want(200, "GET", path, nil).object(s.T)
}

func (s *sim) list(path string) []doc.Doc {
	s.Helper()
	return s.want(200, "GET", path, nil).list(s.T)
}

// create posts and returns the new object.
func (s *sim) create(path string, body any) doc.Doc {
	s.Helper()
	return s.want(200, "POST", path, body).object(s.T)
}

var linkLine = regexp.MustCompile(`^<(.*)>; rel="(self|next)"$`)

// links reads the Link header lines by their rel.
func links(t *testing.T, a answer) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, l := range a.header.Values("Link") {
		m := linkLine.FindStringSubmatch(l)
		if m == nil {
			t.Fatalf("bad Link header %q", l)
		}
		out[m[2]] = m[1]
	}
	return out
}

// walk follows next links to the end and returns every object.
func (s *sim) walk(path string) (all []doc.Doc, pages int) {
	s.Helper()
	for path != "" {
		a := s.want(200, "GET", path, nil)
		all = append(all, a.list(s.T)...)
		path, pages = links(s.T, a)["next"], pages+1
	}
	return all, pages
}

func ids(objects []doc.Doc) []string {
	out := make([]string, len(objects))
	for i, o := range objects {
		out[i] = doc.String(o, "id")
	}
	return out
}

func names(objects []doc.Doc, path ...string) []string {
	out := make([]string, len(objects))
	for i, o := range objects {
		out[i] = doc.String(o, path...)
	}
	return out
}

// events lists the log entries since the test began, by type, oldest first.
func (s *sim) events() []doc.Doc {
	s.Helper()
	return s.list("/api/v1/logs?limit=1000&since=" + url.QueryEscape(noon.Format(time.RFC3339)))
}

func eventTypes(events []doc.Doc) []string { return names(events, "eventType") }

// only keeps the events of a type.
func only(events []doc.Doc, eventType string) []doc.Doc {
	var out []doc.Doc
	for _, e := range events {
		if e["eventType"] == eventType {
			out = append(out, e)
		}
	}
	return out
}

// target returns the event's target of a type.
func target(e doc.Doc, kind string) doc.Doc {
	targets, ok := e["target"].([]any)
	if !ok {
		return nil
	}
	for _, x := range targets {
		if d, ok := x.(doc.Doc); ok && d["type"] == kind {
			return d
		}
	}
	return nil
}
